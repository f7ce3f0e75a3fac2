"""One self-contained report page: tables and figures embedded, no external resource, readable without a network."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from paraformer.core.errors import DataError
from paraformer.core.files import write_text
from paraformer.report.tables import to_html

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 76rem; margin: 2rem auto;
       padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; }
summary { color: #444; cursor: pointer; font-size: .92rem; margin-top: .8rem; }
p.lead { color: #444; margin-top: 0; } nav a { margin-right: 1rem; } p.text { max-width: 60rem; }
figure { margin: 1.2rem 0; }
figure img { max-width: 100%; height: auto; } figcaption { color: #444; font-size: .92rem; }
div.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; margin: .6rem 0; }
caption, p.caption { color: #444; text-align: left; font-size: .92rem; margin: .8rem 0 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; white-space: nowrap; } th { text-align: left; }
.number { text-align: right; font-variant-numeric: tabular-nums; } tbody tr:hover { background: #f4f7fa; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; font-size: .9rem; }
dt { color: #444; } dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
"""


_FOLDED = 60
"""Rows above which a table is folded until it is asked for."""


@dataclass(frozen=True)
class Section:
    """One chapter of the page.

    Attributes:
        title: heading.
        text: one plain paragraph under it.
        tables: (caption, table of ready-made text) pairs.
        figures: (caption, PNG file) pairs.
    """

    title: str
    text: str = ""
    tables: Sequence[tuple[str, pd.DataFrame]] = ()
    figures: Sequence[tuple[str, Path]] = ()


def render_page(title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, object]) -> str:
    """The page as HTML text.

    Args:
        title: heading of the page.
        lead: one sentence under it.
        sections: chapters, in order.
        facts: what the manifest says about the run (versions, seeds, hashes, times), shown at the end.

    Raises:
        DataError: if a figure cannot be read, naming it.
    """
    links = " ".join(f'<a href="#s{i}">{html.escape(s.title)}</a>' for i, s in enumerate(sections))
    body = "\n".join(_section(f"s{i}", section) for i, section in enumerate(sections))
    entries = "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<p class="lead">{html.escape(lead)}</p>
<nav>{links} <a href="#facts">How it was made</a></nav>
{body}
<h2 id="facts">How it was made</h2>
<dl>{entries}</dl>
</body>
</html>
"""


def write_page(path: Path, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, object]) -> None:
    """Write the page atomically; arguments as in ``render_page``."""
    write_text(path, render_page(title, lead, sections, facts))


def _section(anchor: str, section: Section) -> str:
    parts = [f'<h2 id="{anchor}">{html.escape(section.title)}</h2>']
    if section.text:
        parts.append(f'<p class="text">{html.escape(section.text)}</p>')
    for caption, table in section.tables:
        shown = f'<div class="scroll">{to_html(table)}</div>'
        if len(table) > _FOLDED:
            summary = f"{html.escape(caption or 'table')} ({len(table)} rows)"
            parts.append(f"<details><summary>{summary}</summary>\n{shown}</details>")
        else:
            parts.append(f'<p class="caption">{html.escape(caption)}</p>\n{shown}')
    for caption, path in section.figures:
        text = html.escape(caption)
        parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{_base64(path)}">'
            f"<figcaption>{text}</figcaption></figure>"
        )
    return "\n".join(parts)


def _base64(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the figure ({error.strerror or error})") from error
    if not data.startswith(b"\x89PNG\r\n"):
        raise DataError(f"{path}: not a PNG file")
    return base64.b64encode(data).decode("ascii")
