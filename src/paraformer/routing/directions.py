"""Flow directions of a grid in the codes that are in use, as the position of the next cell.

| direction | VIC, smash | ArcInfo, HydroSHEDS, MERIT | PCRaster LDD |
|---|---|---|---|
| N NE E SE S SW W NW | 1 2 3 4 5 6 7 8 | 64 128 1 2 4 8 16 32 | 8 9 6 3 2 1 4 7 |
| the river ends | 0 | 0, 255, -1 | 5 |
| no cell | below 0, missing | 247, -9, missing | 0, 255, missing |

NEXTXY (CaMa-Flood) has the column and row of the next cell instead, from 1; -9 and -10 are ends.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from paraformer.core.errors import DataError
from paraformer.routing.grids import Grid
from paraformer.routing.network import downstream_order

Codes = Literal["vic", "arcinfo", "ldd", "nextxy"]
_NORTH_FIRST = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # N NE E SE S SW W NW


class _Code(NamedTuple):
    ways: tuple[int, ...]  # N NE E SE S SW W NW
    ends: tuple[int, ...]
    none: tuple[int, ...]


_CODES: dict[str, _Code] = {
    "vic": _Code((1, 2, 3, 4, 5, 6, 7, 8), (0,), (-1, -9, -99, -999, -9999)),
    "arcinfo": _Code((64, 128, 1, 2, 4, 8, 16, 32), (0, 255, -1), (247, -9, -99, -999, -9999)),
    "ldd": _Code((8, 9, 6, 3, 2, 1, 4, 7), (5,), (0, 255, -9, -99, -999, -9999)),
}
_SHOWN = 5


class Decoded(NamedTuple):
    """Where the cells of a grid drain to.

    Attributes:
        cells: positions in the flattened grid, ascending.
        downstream: position among ``cells`` of the next one; -1 where the river ends.
        codes: what the directions were read as.
    """

    cells: Int[np.ndarray, " cell"]
    downstream: Int[np.ndarray, " cell"]
    codes: Codes


def decode(directions: Grid, codes: Codes | None = None, *, ends_outside: bool = False) -> Decoded:
    """Read flow directions.

    Args:
        directions: codes [y, x]; of NEXTXY the columns and rows of the next cells [2, y, x]. NaN is no cell.
        codes: which codes they are; found from the values where only one kind fits.
        ends_outside: whether a river that leaves the grid, or runs into a place that is no cell, ends there. Else
            it is refused.

    Raises:
        DataError: naming cells: an unknown code, codes that could be of two kinds, water that leaves the grid.
    """
    if codes is None:
        codes = "nextxy" if directions.values.ndim == 3 else _found_codes(directions)
    active, target, outside = _targets(directions, codes)
    cells = np.flatnonzero(active)
    position = np.full(active.size, -1, np.int64)
    position[cells] = np.arange(len(cells))
    below = np.where(target[cells] >= 0, position[np.maximum(target[cells], 0)], -1)
    lost = outside[cells] | ((target[cells] >= 0) & (below < 0))
    if lost.any() and not ends_outside:
        names = ", ".join(directions.words(int(cell)) for cell in cells[lost][:_SHOWN])
        raise DataError(
            f"{directions.source}: {names}: drains off the grid or into a place that is no cell "
            f"({int(lost.sum())} such cells); if the rivers end there, say --ends-outside"
        )
    return Decoded(cells, np.where(lost, -1, below), codes)


def _targets(directions: Grid, codes: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which places are cells, the place each drains to (-1 for none), and which leave the grid; flattened."""
    if codes == "nextxy":
        return _next_xy(directions)
    code, values = _CODES[codes], directions.values.ravel()
    known = ~np.isnan(values)
    whole = np.where(known, values, 0).astype(np.int64)
    odd = known & ((whole != values) | ~np.isin(whole, [*code.ways, *code.ends, *code.none]))
    if odd.any():
        at = np.flatnonzero(odd)
        names = ", ".join(f"{values[i]:g} at {directions.words(int(i))}" for i in at[:_SHOWN])
        raise DataError(
            f"{directions.source}: no flow direction of the codes '{codes}': {names} ({len(at)} such cells)"
        )
    active = known & ~np.isin(whole, code.none)
    n_row, n_column = directions.shape
    row, column = np.divmod(np.arange(values.size), n_column)
    target, outside = np.full(values.size, -1, np.int64), np.zeros(values.size, dtype=bool)
    for way, (down, right) in zip(code.ways, _NORTH_FIRST, strict=True):
        here = active & (whole == way)
        to_row, to_column = row[here] + down, column[here] + right
        if _closed(directions.lon):
            to_column = to_column % n_column
        inside = (to_row >= 0) & (to_row < n_row) & (to_column >= 0) & (to_column < n_column)
        target[here] = np.where(inside, to_row * n_column + to_column, -1)
        outside[here] = ~inside
    return active, target, outside


def _closed(lon: np.ndarray) -> bool:
    """Whether the grid goes round the Earth."""
    return len(lon) > 2 and bool(abs(abs(lon[1] - lon[0]) * len(lon) - 360.0) < 1e-6 * 360.0)


def _next_xy(directions: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_row, n_column = directions.shape
    x, y = (part.ravel() for part in directions.values)
    known = ~(np.isnan(x) | np.isnan(y)) & (x > -99)
    to_column, to_row = np.where(known, x, -9).astype(np.int64) - 1, np.where(known, y, -9).astype(np.int64) - 1
    ends = known & ((x == -9) | (x == -10))
    odd = known & ~ends & ((x < 1) | (y < 1))
    if odd.any():
        at = int(np.argmax(odd))
        raise DataError(
            f"{directions.source}: next cell of {directions.words(at)}: found x {x[at]:g}, y {y[at]:g}, expected "
            f"columns and rows from 1, or -9 or -10 where the river ends ({int(odd.sum())} such cells)"
        )
    outside = known & ~ends & ((to_row >= n_row) | (to_column >= n_column))
    target = np.where(known & ~ends & ~outside, to_row * n_column + to_column, -1)
    return known, target, outside


def _found_codes(directions: Grid) -> Codes:
    """The one kind of codes that the values can be, and whose rivers run in no circle and hardly off the grid."""
    values = np.unique(directions.values[~np.isnan(directions.values)])
    fit: list[Codes] = [
        codes  # type: ignore[misc]
        for codes, code in _CODES.items()
        if np.isin(values, [*code.ways, *code.ends, *code.none]).all()
    ]
    if not fit:
        raise DataError(f"{directions.source}: flow directions {values[:12].tolist()} are of no known codes")
    if len(fit) > 1:
        fit = [codes for codes in fit if _plausible(directions, codes)] or fit
    if len(fit) > 1:
        raise DataError(
            f"{directions.source}: flow directions {values[:12].tolist()} can be of the codes {' and '.join(fit)}: say "
            "which with --codes"
        )
    return fit[0]


def _plausible(directions: Grid, codes: Codes) -> bool:
    active, target, outside = _targets(directions, codes)
    below = np.where(active, target, -1)
    lost = outside | ((below >= 0) & ~active[np.maximum(below, 0)])
    runs = active & (below >= 0) & ~lost
    ordered = downstream_order(np.where(runs, below, -1))
    return len(ordered) == active.size and bool(lost.sum() <= 0.1 * active.sum())
