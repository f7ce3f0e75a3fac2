"""What objects show of themselves in a notebook: a title, facts a line each, and a table."""

from __future__ import annotations

import html
from collections.abc import Mapping


def card(title: str, facts: Mapping[str, object], table: str = "") -> str:
    """HTML of an object.

    Args:
        title: what it is.
        facts: name -> what is told of it; empty values are left out.
        table: HTML that stands below, as pandas and xarray make it.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
        if str(value)
    )
    return f"<div><p><b>{html.escape(title)}</b></p><table>{rows}</table>{table}</div>"
