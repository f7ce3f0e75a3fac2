"""Sampling designs of the paper on a regular grid (Li & Lu 2023, section 3.1; docs/method.md section 10).

``S4`` trains on one cell of each 4 x 4 block, ``S8`` on one of each 8 x 8 block; with ``NG`` neighbours of these cells
are judged, never trained on. The cell is at the same place of every block, so that the trained cells form a grid
themselves: the paper's 4783 (S4) and 1206 (S8) cells are 1/16 and 1/64 of the same number of land cells, so a cell of
the sea was not replaced by another one of its block. How many neighbours the paper took it does not say.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from pyproj import Transformer

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.grid import ease2_global
from paraformer.data.config import DESIGN

TRAINED, UNSEEN, LEFT_OUT = "trained", "unseen", "left out"

NEIGHBOURS = ((0, 1), (-1, 0), (0, -1), (1, 0), (-1, 1), (-1, -1), (1, -1), (1, 1))
"""Steps (rows, columns) to the eight neighbours, in the order in which they are taken: east, south, west, north, then
the corners clockwise from the south-east."""

_SAME = 2e-4
"""Largest distance on one row or column, from rounded coordinates [degree, or 100 km]."""

_EVEN = 0.02
"""Largest distance from an even spacing [steps]."""

_MOST_DEGREES = 1.0
_EASE2_SIZES = (36.0322, 25.0253, 12.5126, 9.0081, 3.0027)
"""Largest distance of neighbours in latitude and longitude; sizes of the products' cells on EASE-Grid 2.0 [km]."""

_FULL = 0.05
"""Smallest share of a grid's rectangle that has a cell; scattered places fit only grids emptier than that."""


class GridIndex(NamedTuple):
    """Row, from the south, and column, from the west, of each cell."""

    row: Int[np.ndarray, " cell"]
    column: Int[np.ndarray, " cell"]


def sampling_labels(
    design: str,
    index: GridIndex,
    land: Bool[np.ndarray, " cell"],
    *,
    offset: tuple[int, int] = (0, 0),
    neighbours: int = 1,
) -> np.ndarray:
    """Label of every cell: ``TRAINED``, ``UNSEEN`` or ``LEFT_OUT`` [cell].

    Args:
        design: a name that matches ``DESIGN``.
        index: rows and columns; no two cells share both.
        land: cells that may be used; the others are left out.
        offset: row and column inside its block of the cell that is trained.
        neighbours: with ``NG``, how many neighbours of each trained cell are judged: the first of ``NEIGHBOURS`` that
            are there.

    Raises:
        SettingsError: if there is no such design, the offset is outside a block, or a number of neighbours is not 1..8.
    """
    matched = re.match(DESIGN, design)
    if matched is None:
        raise SettingsError(f"design: unknown sampling design '{design}'; expected S4, S8, S8NG, ...")
    side = int(matched[1])
    if not all(0 <= o < side for o in offset):
        raise SettingsError(f"offset: {list(offset)} is outside a block of {side} x {side} cells")
    if not 1 <= neighbours <= len(NEIGHBOURS):
        raise SettingsError(f"neighbours: {neighbours}, expected 1..{len(NEIGHBOURS)}")
    trained = land & (index.row % side == offset[0]) & (index.column % side == offset[1])
    labels = np.full(len(land), LEFT_OUT, dtype="<U8")
    if matched[2]:
        labels[_neighbours(index, land, trained, neighbours)] = UNSEEN
    labels[trained] = TRAINED
    return labels


def _neighbours(
    index: GridIndex, land: Bool[np.ndarray, " cell"], of: Bool[np.ndarray, " cell"], count: int
) -> Bool[np.ndarray, " cell"]:
    """The first ``count`` neighbours on land of each chosen cell."""
    position = {(int(r), int(c)): i for i, (r, c) in enumerate(zip(*index, strict=True)) if land[i]}
    found = np.zeros(len(land), dtype=bool)
    for cell in np.flatnonzero(of):
        row, column = int(index.row[cell]), int(index.column[cell])
        around = [position.get((row + dr, column + dc)) for dr, dc in NEIGHBOURS]
        found[[i for i in around if i is not None][:count]] = True
    return found


class Plane(NamedTuple):
    """Cell centres in a plane where grids are even: in degrees, or in units of 100 km, which are about a degree."""

    east: Float[np.ndarray, " cell"]
    north: Float[np.ndarray, " cell"]
    edges: tuple[float, float]  # where the cells of its usual grids begin, in the west and in the south or north
    unit: str
    size: float  # of the unit of the coordinates, in ``unit``


def planes(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]) -> tuple[Plane, Plane]:
    """Latitude and longitude, and the plane of the global EASE-Grid 2.0; longitudes in -180..180 or 0..360."""
    lon, grid = np.where(lon >= 180, lon - 360, lon), ease2_global(36)
    x, y = (values / 1e5 for values in grid.project(lat, lon))
    return Plane(lon, lat, (-180.0, -90.0), "degree", 1.0), Plane(x, y, (grid.x0 / 1e5, grid.y0 / 1e5), "km", 100.0)


def grid_index(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], *, source: str) -> GridIndex:
    """Rows and columns of cells on a regular grid: evenly spaced in latitude and longitude, or on an EASE-Grid 2.0.

    The cells may have gaps. Counting starts with the southernmost and westernmost cell.

    Args:
        lat, lon: cell centres [degree]; longitudes in -180..180 or 0..360.
        source: what the cells come from, for the error.

    Raises:
        DataError: if the cells lie on neither kind of grid, or two of them at one place.
    """
    for plane in planes(lat, lon):
        row, column = _evenly(plane.north), _evenly(plane.east)
        if row is None or column is None or len(row) < _FULL * (row.max() + 1) * (column.max() + 1):
            continue
        require_distinct(GridIndex(row, column), source=source)
        return GridIndex(row, column)
    raise DataError(
        f"{source}: the cells form no regular grid in latitude and longitude or EASE-Grid 2.0, which a sampling design "
        "needs; label them with a split variable, or give variables 'row' and 'col'"
    )


def require_neighbours(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], *, source: str) -> None:
    """Raise SettingsError unless cells on a regular grid are neighbours: a design takes some of all cells.

    Cells of a file that is a sample already lie further apart than those of any product: more than a degree, or by no
    cell size of an EASE-Grid 2.0 product.
    """
    east = np.where(lon >= 180, lon - 360, lon)
    x, y = (np.asarray(v) / 1e5 for v in Transformer.from_crs(4326, 6933, always_xy=True).transform(east, lat))
    degrees, kilometres = (_least_gap(lat), _least_gap(east)), (100 * _least_gap(y), 100 * _least_gap(x))
    on_degrees = _evenly(lat) is not None and _evenly(east) is not None
    if on_degrees and (_alike(*degrees) or not _alike(*kilometres)):  # in a small region a grid is even in both
        apart, unit, most = min(degrees), "degree", _MOST_DEGREES
        good = not apart > most or not np.isfinite(apart)
    else:
        apart, unit, most = min(kilometres), "km of EASE-Grid 2.0", max(_EASE2_SIZES)
        good = any(_alike(apart, size) for size in _EASE2_SIZES)
    if not good:
        raise SettingsError(
            f"data.split.design takes cells of a grid of neighbours, {most:g} {unit} apart or less; those of {source} "
            f"are {apart:.3g} {unit} apart: a sample already. To learn from all of them leave 'data.split' out; else "
            "label them with a split variable"
        )


def _least_gap(values: Float[np.ndarray, " cell"]) -> float:
    """Least distance between two rows or columns; infinite for one."""
    gaps = np.diff(np.unique(values.astype(np.float64)))
    return float(gaps.min(where=gaps > _SAME, initial=np.inf))


def _alike(one: float, other: float) -> bool:
    """Whether two distances are those of one grid."""
    return abs(one / other - 1) < _EVEN


def require_distinct(index: GridIndex, *, source: str) -> None:
    """Raise DataError if two cells share row and column, naming their positions."""
    _, first, count = np.unique(np.stack(index, axis=1), axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        at = int(first[np.argmax(count > 1)])
        same = np.flatnonzero((index.row == index.row[at]) & (index.column == index.column[at]))
        raise DataError(
            f"{source}: the cells at positions {same[0]} and {same[1]} share row {index.row[at]} and column "
            f"{index.column[at]}"
        )


def _evenly(values: Float[np.ndarray, " cell"]) -> Int[np.ndarray, " cell"] | None:
    """Number of steps of each value from the least one; ``None`` unless they are evenly spaced."""
    distinct = np.unique(values)
    gaps = np.diff(distinct)
    gaps = gaps[gaps > _SAME]
    if gaps.size == 0:
        return np.zeros(len(values), dtype=np.int64)
    nearest = gaps[gaps < 1.5 * gaps.min()].mean()
    steps = (values - distinct[0]) / nearest
    steps = (values - distinct[0]) / ((distinct[-1] - distinct[0]) / np.rint(steps.max()))
    if np.abs(steps - np.rint(steps)).max() > _EVEN:
        return None
    return np.rint(steps).astype(np.int64)
