"""One self-contained page: text, tables, figures and an optional explorable part, without any external resource.

Every page of the package has this shell: a heading, links to its sections, numbered captions, one style for screen,
telephone and print (``assets/page.css``).
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from paraformer.core.errors import DataError
from paraformer.core.files import write_text
from paraformer.report.tables import to_html
from paraformer.report.units import typeset_text

_FOLDED = 40
"""Rows above which a table is folded until it is asked for."""
_MOST_LETTERS = 98
"""Longest words of a table's columns, and the space between them, beyond which the other columns follow below, so that
none is cut on paper (A4, letters of 8.5 points)."""
_FIRST, _BETWEEN = 12, 1.5
"""Letters of the first column, whose words are broken, and of the space between two."""
_NUMBERED = re.compile(r'<(figcaption|p class="caption")([^>]*)>')


@dataclass(frozen=True)
class Section:
    """One chapter of the page.

    Attributes:
        title: heading.
        text: one plain paragraph under it.
        tables: (caption, table of ready-made text) pairs.
        figures: (caption, PNG file) pairs.
        files: (what is in it, path from the page) pairs of files that lie beside the page.
        markup: ready-made HTML under the text; whoever makes it escapes what others wrote.
    """

    title: str
    text: str = ""
    tables: Sequence[tuple[str, pd.DataFrame]] = ()
    figures: Sequence[tuple[str, Path]] = ()
    files: Sequence[tuple[str, str]] = ()
    markup: str = ""


def render_page(
    title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, object], *, scripts: str = ""
) -> str:
    """The page as HTML text.

    Args:
        title: heading of the page.
        lead: one sentence under it.
        sections: chapters, in order.
        facts: what the manifest says about the run (versions, seeds, hashes, times), shown at the end.
        scripts: ready-made ``<script>`` elements of the explorable part.

    Raises:
        DataError: if a figure cannot be read, naming it.
    """
    links = "".join(f'<li><a href="#s{i}">{escaped(s.title)}</a></li>' for i, s in enumerate(sections))
    body = _with_numbers("\n".join(_section(f"s{i}", section) for i, section in enumerate(sections)))
    entries = "".join(f"<dt>{escaped(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<style>
{asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{escaped(title)}</h1>
<p class="lead">{escaped(lead)}</p>
<nav aria-label="Contents"><ul>{links}<li><a href="#facts">How it was made</a></li></ul></nav>
</header>
<main id="main">
{body}
<section aria-labelledby="facts">
<h2 id="facts">How it was made</h2>
<dl class="facts">{entries}</dl>
</section>
</main>
{scripts}</body>
</html>
"""


def write_page(path: Path, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, object]) -> None:
    """Write the page atomically; arguments as in ``render_page``."""
    write_text(path, render_page(title, lead, sections, facts))


def asset(name: str) -> str:
    """Text of a file of the folder ``assets``."""
    return (resources.files("paraformer.report") / "assets" / name).read_text(encoding="utf-8")


def escaped(value: object) -> str:
    """Text for HTML, units in the one notation of all pages."""
    return html.escape(typeset_text(str(value)))


def table_block(anchor: str, caption: str, table: pd.DataFrame) -> str:
    """Tables with their captions above; wide ones in parts that repeat the first column."""
    parts = []
    for number, part in enumerate(_parts(table)):
        identity, told = f"{anchor}-{number}", f"{caption}{', continued' if number and caption else ''}"
        parts.append(
            f'<p class="caption" id="{identity}">{escaped(told)}</p>\n'
            f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{identity}">{to_html(part)}</div>'
        )
    shown = "\n".join(parts)
    if len(table) <= _FOLDED:
        return shown
    return f"<details><summary>{escaped(caption)} ({len(table)} rows)</summary>\n{shown}</details>"


def _section(anchor: str, section: Section) -> str:
    parts = [f'<section aria-labelledby="{anchor}">', f'<h2 id="{anchor}">{escaped(section.title)}</h2>']
    if section.text:
        parts.append(f'<p class="text">{escaped(section.text)}</p>')
    parts.append(section.markup)
    parts += [
        table_block(f"{anchor}-t{i}", caption or section.title, table)
        for i, (caption, table) in enumerate(section.tables)
    ]
    parts += [figure_block(caption, path) for caption, path in section.figures]
    if section.files:
        parts.append(file_list(section.files))
    return "\n".join([*(part for part in parts if part), "</section>"])


def figure_block(caption: str, path: Path) -> str:
    """A picture inside the page, with its caption.

    Raises:
        DataError: if it cannot be read.
    """
    text = escaped(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{_base64(path)}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def file_list(files: Sequence[tuple[str, str]]) -> str:
    """Links to files that lie beside the page."""
    items = "".join(f'<li><a href="{_link(path)}">{html.escape(path)}</a> {escaped(what)}</li>' for what, path in files)
    return f'<ul class="files">{items}</ul>'


def _link(path: str) -> str:
    """A relative path as a link: no sign of it reads as a scheme, a query or markup."""
    return html.escape("./" + quote(path))


def _with_numbers(body: str) -> str:
    """Figures and tables numbered in their order."""
    counts = {"Figure": 0, "Table": 0}

    def number(match: re.Match[str]) -> str:
        kind = "Figure" if match[1] == "figcaption" else "Table"
        counts[kind] += 1
        return f"{match[0]}<b>{kind} {counts[kind]}.</b> "

    return _NUMBERED.sub(number, body)


def _parts(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Tables below each other that a page is wide enough for, the first column in each of them.

    Columns whose names begin with the same word, as those of a product, stay together where they fit.
    """
    widths = [_widest(table.iloc[:, i]) + _BETWEEN for i in range(len(table.columns))]
    room, taken = _MOST_LETTERS - _FIRST - _BETWEEN, 0.0
    parts: list[list[int]] = []
    for _, group in groupby(range(1, len(widths)), key=lambda i: str(table.columns[i]).split(" ")[0]):
        columns = list(group)
        if not parts or taken + sum(widths[i] for i in columns) > room:
            parts, taken = [*parts, []], 0.0
        for i in columns:
            if parts[-1] and taken + widths[i] > room:
                parts, taken = [*parts, []], 0.0
            parts[-1].append(i)
            taken += widths[i]
    return [table.iloc[:, [0, *columns]] for columns in parts] or [table]


def _widest(column: pd.Series) -> int:
    """Letters of the longest word of a column, its name included."""
    entries = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in (column.name, *column))
    return max(len(word) for text in entries for word in text.split(" "))


def _base64(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the figure ({error.strerror or error})") from error
    if not data.startswith(b"\x89PNG\r\n"):
        raise DataError(f"{path}: not a PNG file")
    return base64.b64encode(data).decode("ascii")
