"""Tables as plain text, as wide as the terminal allows: what does not fit goes below, nothing is cut."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

import pandas as pd

_GAP = "  "


def to_text(table: pd.DataFrame, width: int | None = None) -> str:
    """Aligned plain text; columns of words to the left, numbers to the right.

    Columns that do not fit stand below in a part of their own, behind the table's first columns of words again.

    Args:
        width: of a line, in characters; that of the terminal by default, without limit in files and pipes.
    """
    columns = [[str(name), *map(str, table[name])] for name in table.columns]
    words = [is_text(table[name]) for name in table.columns]
    padded = [_padded(column, to_left) for column, to_left in zip(columns, words, strict=True)]
    keys = next((i for i, word in enumerate(words) if not word), len(words))
    return "\n\n".join("\n".join(_lines(part)) for part in _parts(padded, keys, width or terminal_width()))


def terminal_width() -> int | None:
    """Characters in a line of the terminal that shows standard output; ``None`` where that is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def is_text(column: pd.Series) -> bool:
    """Whether a column reads as words: any entry that begins with a letter."""
    return any(str(v)[:1].isalpha() for v in column)


def _padded(column: Sequence[str], to_left: bool) -> list[str]:
    """All entries at one width, a rule below the first."""
    wide = max(map(len, column))
    head, *rest = (entry.ljust(wide) if to_left else entry.rjust(wide) for entry in column)
    return [head, "-" * wide, *rest]


def _parts(columns: Sequence[list[str]], keys: int, width: int | None) -> Iterator[Sequence[list[str]]]:
    """Columns side by side, as many as fit, each time behind the keys; of long keys the first alone."""
    if width is None or _wide(columns) <= width:
        yield columns
        return
    first = columns[: min(keys, len(columns) - 1)]
    first = first if _wide(first) <= width / 2 else first[:1]
    part: list[list[str]] = []
    for column in columns[len(first) :]:
        if part and _wide([*first, *part, column]) > width:
            yield [*first, *part]
            part = []
        part.append(column)
    yield [*first, *part]


def _wide(columns: Sequence[list[str]]) -> int:
    return sum(len(column[0]) for column in columns) + len(_GAP) * (len(columns) - 1)


def _lines(columns: Sequence[list[str]]) -> Iterator[str]:
    for row in zip(*columns, strict=True):
        yield _GAP.join(row).rstrip()
