"""Every fenced block of README, CONTRIBUTING and docs, with its language and what is said about it.

The language stands behind the fence; none is a shell's. A comment in the line before says what a reader must not see:

    <!-- snippet: names from paraformer.data.regrid paraformer.core.grid -->   Python: its names and keywords are there
    <!-- snippet: settings of BMIConfig -->                                     YAML of another group than a study
    <!-- snippet: not run: SLURM's own -->                                      nothing is checked, and why

Cells of the tutorials are blocks of the language ``cell``; the site executes them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for p in (ROOT / "docs").rglob("*.md") if "/_" not in p.relative_to(ROOT).as_posix())]
)
"""Without what the site makes."""
PLAIN = {"text", "mermaid"}
"""Blocks that no one runs: output, formulas, drawings."""
LANGUAGES = {"bash", "python", "yaml", "usage", "bibtex", "cell", *PLAIN}

_CELL = "{code-cell} ipython3"
_FENCE = re.compile(rf"^( *)```(\w*|{re.escape(_CELL)})\s*$")
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
        language = "cell" if fence[2] == _CELL else fence[2] or "bash"
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
