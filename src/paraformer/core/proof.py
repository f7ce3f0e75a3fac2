"""Values held against the table of variables (``core.variables``).

What cannot be is refused, what rounding made is set to the end of its range, what is rare is said. A proof collects
all it finds in one file, so that a user mends the file once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

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


class Proof:
    """Everything found wrong or odd in one file.

    Args:
        source: the file, as every message begins.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.refused: list[str] = []
        self.warned: list[str] = []

    def values(
        self, variable: Variable, values: np.ndarray, place: Place, *, used: np.ndarray | None = None, name: str = ""
    ) -> np.ndarray:
        """Prove every value and return them, those that rounding put outside the range set to its end.

        Args:
            variable: what they are.
            values: any shape, in the unit of the variable.
            place: words for a position.
            used: which values matter (a class without area has no albedo); all by default.
            name: name in the file, where it is not the variable's.
        """
        (low, high), common = variable.valid, variable.usual or variable.valid
        right = (values >= max(low, common[0])) & (values <= min(high, common[1]))
        if (right if used is None else right | ~used).all():
            return values
        name, unit = name or variable.name, "" if variable.unit == "1" else f" {variable.unit}"
        used = np.ones(values.shape, dtype=bool) if used is None else np.broadcast_to(used, values.shape)
        missing = used & ~np.isfinite(values)
        outside = used & ((values < low) | (values > high))
        slight = outside & (values >= low - variable.rounding) & (values <= high + variable.rounding)
        hint = f"; {variable.hint}" if variable.hint else ""
        self.require(~missing, lambda i: f"{name} at {place(i)}: missing or not a number{hint}")
        self.require(
            ~(outside & ~slight),
            lambda i: f"{name} at {place(i)}: found {values[i]:g}{unit}, expected {low:g} to {high:g}{unit}{hint}",
        )
        if slight.any():
            inside = np.where(slight, np.clip(values, low, high), values)
            change = float(np.abs(inside - np.where(slight, values, inside)).max())
            self.warned.append(
                f"{name}: {_count(slight)} outside {low:g} to {high:g}{unit} set to the nearer end "
                f"(largest change {change:.2g}{unit})"
            )
            values = inside
        if variable.usual is not None:
            rare = used & ~outside & ((values < variable.usual[0]) | (values > variable.usual[1]))
            if rare.any():
                first = tuple(int(i) for i in np.argwhere(rare)[0])
                self.warned.append(
                    f"{name}: {_count(rare)} outside the usual {variable.usual[0]:g} to {variable.usual[1]:g}{unit}, "
                    f"first {values[first]:g} at {place(first)}{hint}"
                )
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
            self.warned.append(f"{say(tuple(int(i) for i in np.argwhere(odd)[0]))} ({_count(odd)})")

    def finish(self) -> None:
        """Log what is odd, then raise for what is wrong.

        Raises:
            DataError: one line with the first refusals.
        """
        for line in self.warned:
            logger.warning("%s: %s", self.source, line)
        if self.refused:
            more = len(self.refused) - _SHOWN
            shown = "; also ".join(self.refused[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise DataError(f"{self.source}: {shown}")


def _count(where: np.ndarray) -> str:
    """Number of values, and of cells: the first axis is the cell."""
    cells = int(where.reshape(len(where), -1).any(axis=1).sum()) if where.ndim else 1
    return f"{int(where.sum())} values in {cells} cell{'s' if cells != 1 else ''}"
