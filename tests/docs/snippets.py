"""Every fenced block of README, CONTRIBUTING and docs, with its language and what is said about it.

The language stands behind the fence; none is a shell's. A comment in the line before says what a reader must not see:

    <!-- snippet: names from paraformer.data.regrid paraformer.core.grid -->   Python: its names and keywords are there
    <!-- snippet: settings of BMIConfig -->                                     YAML of another group than a study
    <!-- snippet: not run: SLURM's own -->                                      nothing is checked, and why
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CELL = "ipython3"
"""Cells of a tutorial, which are run one after the other, as the site runs them."""
PLAIN = {"text", "mermaid", "bibtex"}
"""Blocks that no one runs: output, formulas, drawings, references."""
LANGUAGES = {"bash", "python", "yaml", "usage", CELL, *PLAIN}

_FENCE = re.compile(r"^( *)```(?:\{code-cell\} )?(\w*)\s*$")
_NOTE = re.compile(r"<!-- snippet: (.+?) -->")


class Snippet(NamedTuple):
    """A block of a page."""

    page: str
    line: int  # of its fence
    language: str
    note: str  # of the comment before it
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def snippets_of(text: str, page: str) -> Iterator[Snippet]:
    """The blocks of a page.

    Raises:
        ValueError: a fence that is not closed, or of a language that no one checks.
    """
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            if lines[at].lstrip().startswith("```"):
                raise ValueError(f"{page}:{at + 1}: a fence that is not understood: {lines[at]}")
            at += 1
            continue
        language = fence[2] or "bash"
        if language not in LANGUAGES:
            raise ValueError(f"{page}:{at + 1}: '{language}' is checked by no one; known are {sorted(LANGUAGES)}")
        end = at + 1
        while end < len(lines) and lines[end].strip() != "```":
            end += 1
        if end == len(lines):
            raise ValueError(f"{page}:{at + 1}: the fence is not closed")
        note = _NOTE.search(lines[at - 1]) if at else None
        body = "\n".join(line.removeprefix(fence[1]) for line in lines[at + 1 : end])
        yield Snippet(page, at + 1, language, note[1] if note else "", body)
        at = end + 1


def snippets(*languages: str) -> list[Snippet]:
    """All blocks of these languages that are checked."""
    found = []
    for page in PAGES:
        every = snippets_of(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix())
        found += [s for s in every if s.language in languages and not s.note.startswith("not run: ")]
    return found


def commands(text: str) -> list[list[str]]:
    """Words of each command of a shell block; continued lines are joined, comments left out."""
    joined = re.sub(r"\\\n", " ", text)
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]
