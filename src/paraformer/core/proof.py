"""Values held against the table of variables (``core.variables``).

What cannot be is refused, what rounding made is set to the end of its range, what is rare is said. A proof collects
all it finds in one file, so that a user mends the file once; a file may be proved part by part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.variables import Variable

logger = logging.getLogger(__name__)

Place = Callable[[tuple[int, ...]], str]
"""Words for a position in an array: ``cell 17 (lat 40.1, lon -100.3), layer 2``."""


def place_of(*axes: Callable[[int], str]) -> Place:
    """Words for a position, from words for the position on each axis."""
    return lambda index: ", ".join(say(i) for say, i in zip(axes, index, strict=False))


def numbered(name: str) -> Callable[[int], str]:
    """Words for the positions of an axis that are counted from 1: ``layer 1``."""
    return lambda i: f"{name} {i + 1}"


_SHOWN = 5

_FILLS = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0)
_HUGE = 1e15
"""Fill values that files forget to declare: netCDF's own is 9.97e36, others are 1e20 and the end of a type."""


class Proof:
    """Everything found wrong or odd in one file.

    Args:
        source: the file, as every message begins.
        quiet: whether what is odd is not said, as where a file is read again.
    """

    def __init__(self, source: str, *, quiet: bool = False) -> None:
        self.source, self.quiet = source, quiet
        self.refused: list[str] = []
        self.warned: list[str] = []
        self._found: dict[tuple[str, str], _Tally] = {}

    def values(
        self,
        variable: Variable,
        values: np.ndarray,
        place: Place,
        *,
        used: np.ndarray | None = None,
        name: str = "",
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Prove every value and return them, those that rounding put outside the range set to its end.

        Args:
            variable: what they are.
            values: any shape, in the unit of the variable; further cells of a variable come with further calls.
            place: words for a position.
            used: which values matter (a class without area has no albedo); all by default.
            name: name in the file, where it is not the variable's.
            rows: which cells these are, where further calls bring more values of the same; new ones by default [cell].
        """
        (low, high), common = variable.valid, variable.usual or variable.valid
        right = (values >= max(low, common[0])) & (values <= min(high, common[1]))
        if variable.whole:
            right &= values == np.rint(values)
        if (right if used is None else right | ~used).all():
            return values
        name, unit = name or variable.name, "" if variable.unit == "1" else f" {variable.unit}"
        used = np.ones(values.shape, dtype=bool) if used is None else np.broadcast_to(used, values.shape)
        range_of = f"{low:g} to {high:g}{unit}"
        outside = used & ((values < low) | (values > high))
        missing = used & ~np.isfinite(values) & ~outside
        slight = outside & is_slight(variable, values)
        self.require(~missing, lambda i: f"{name} at {place(i)}: missing or not a number")
        self.require(
            ~(outside & ~slight),
            lambda i: (
                f"{name} at {place(i)}: found {values[i]:g}{unit}, expected {range_of}{_hint(variable, values[i])}"
            ),
        )
        if variable.whole:
            broken = used & ~missing & (values != np.rint(values))
            self.require(
                ~broken,
                lambda i: f"{name} at {place(i)}: found {values[i]:g}{unit}, expected a whole number{_hint(variable)}",
            )
        if slight.any():
            inside = np.where(slight, np.clip(values, low, high), values)
            change = float(np.abs(inside[slight] - values[slight]).max())
            self._tally(name, f"outside {range_of} set to the nearer end", unit).add(slight, rows, change=change)
            values = inside
        if variable.usual is not None:
            rare = used & ~outside & ((values < variable.usual[0]) | (values > variable.usual[1]))
            if rare.any():
                first = tuple(int(i) for i in np.argwhere(rare)[0])
                usual = f"outside the usual {variable.usual[0]:g} to {variable.usual[1]:g}{unit}"
                words = f"first {values[first]:g} at {place(first)}{_hint(variable)}"
                self._tally(name, usual, unit).add(rare, rows, words=words)
        return values

    def require(self, good: np.ndarray, say: Callable[[tuple[int, ...]], str]) -> None:
        """Refuse the file unless all of ``good`` is true; ``say`` gives the line for the first position that is not."""
        bad = ~np.asarray(good)
        if bad.any():
            line, count = say(tuple(int(i) for i in np.argwhere(bad)[0])), int(bad.sum())
            self.refused.append(line if count == 1 else f"{line} ({count} such values)")

    def warn(self, good: np.ndarray, say: Callable[[tuple[int, ...]], str]) -> None:
        """Say that not all of ``good`` is true; ``say`` gives the line for the first position that is not."""
        odd = ~np.asarray(good)
        if odd.any():
            self.warned.append(
                f"{say(tuple(int(i) for i in np.argwhere(odd)[0]))} ({_count(int(odd.sum()), _cells(odd))})"
            )

    def count(self, where: np.ndarray, name: str, what: str, say: Callable[[tuple[int, ...]], str]) -> None:
        """Say how many values something was found of, over all calls; ``say`` gives words for the first of them.

        Args:
            where: whose values; the first axis is the cell, other cells than in the calls before.
            name: in the file.
            what: was found of them, as ``set to 0``.
        """
        if where.any():
            first = tuple(int(i) for i in np.argwhere(where)[0])
            self._tally(name, what, "").add(where, None, words=f"first {say(first)}")

    def finish(self) -> None:
        """Log what is odd, then raise for what is wrong.

        Raises:
            DataError: one line with the first refusals.
        """
        for line in (*self.warned, *(str(tally) for tally in self._found.values())):
            if not self.quiet:
                logger.warning("%s: %s", self.source, line)
        self.warned, self._found = [], {}
        if self.refused:
            lines = list(dict.fromkeys(self.refused))  # two tests may find the same
            more = len(lines) - _SHOWN
            shown = "; also ".join(lines[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise DataError(f"{self.source}: {shown}")

    def _tally(self, name: str, what: str, unit: str) -> _Tally:
        return self._found.setdefault((name, what), _Tally(name, what, unit))


def is_slight(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Where values outside the range lie so near to it that rounding may have put them there."""
    low, high = variable.valid
    return (values >= low - variable.rounding) & (values <= high + variable.rounding)


def rounded(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Values with those that rounding put outside the range set to its end; all others as they are, bit for bit."""
    low, high = variable.valid
    slight = ((values < low) | (values > high)) & is_slight(variable, values)
    return np.where(slight, np.clip(values, low, high), values) if slight.any() else values


@dataclass
class _Tally:
    """How often something was found, in how many cells, and the first or the largest of it."""

    name: str
    what: str
    unit: str
    values: int = 0
    new_cells: int = 0
    rows: set[int] = field(default_factory=set)
    change: float = 0.0
    words: str = ""

    def add(self, where: np.ndarray, rows: np.ndarray | None, *, change: float = 0.0, words: str = "") -> None:
        """Further values; the first axis is the cell: one of ``rows``, or another than before."""
        self.values += int(where.sum())
        if rows is None:
            self.new_cells += _cells(where)
        else:
            self.rows.update(rows[where.reshape(len(where), -1).any(axis=1)].tolist())
        self.change = max(self.change, change)
        self.words = self.words or words

    def __str__(self) -> str:
        ending = f" (largest change {self.change:.2g}{self.unit})" if self.change else f", {self.words}"
        return f"{self.name}: {_count(self.values, self.new_cells + len(self.rows))} {self.what}{ending}"


def _cells(where: np.ndarray) -> int:
    """Number of cells with a value: the first axis is the cell."""
    return int(where.reshape(len(where), -1).any(axis=1).sum()) if where.ndim else 1


def _count(values: int, cells: int) -> str:
    return f"{values} values in {cells} cell{'s' if cells != 1 else ''}"


def is_fill(values: np.ndarray) -> np.ndarray:
    """Where values are those that files take for missing ones and sometimes do not declare."""
    return np.asarray(np.isin(values, _FILLS) | (np.abs(values) >= _HUGE))


def _hint(variable: Variable, found: Any = None) -> str:
    if found is not None and is_fill(np.asarray(found)):
        return "; a fill value that the file does not declare (_FillValue)?"
    return f"; {variable.hint}" if variable.hint else ""
