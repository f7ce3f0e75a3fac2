"""Tables and headings in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in its entries are no borders."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(entry.replace("|", r"\|").replace("\n", " ") for entry in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: object) -> str:
    return f"`{text}`"


def anchored(level: int, title: str, anchor: str) -> str:
    """A heading with an anchor of its own."""
    return f"({anchor})=\n{'#' * level} {title}\n"
