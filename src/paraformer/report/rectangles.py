"""Cells as rectangles on a map: a sampled grid is drawn as the field that its trained cells stand for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

_CROWDED = 0.25
"""Share of cells that may lie in each other's rectangles, as a few do where a neighbour in the sea was replaced."""
_TOUCHING = 0.75
"""Distance of two cells, in rectangles, below which one lies in the other's; in a grid it is 1."""


class Cells(NamedTuple):
    """Where the cells are: latitude [degree_north], longitude [degree_east], and which were learned from [cell]."""

    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    trained: Bool[np.ndarray, " cell"]


class Layout(NamedTuple):
    """How cells are drawn.

    Attributes:
        height, width: of the rectangle of each cell [degree] [cell].
        apart: whether unseen cells would cover trained ones, and have a panel of their own.
    """

    height: Float[np.ndarray, " cell"]
    width: Float[np.ndarray, " cell"]
    apart: bool


def layout(cells: Cells) -> Layout:
    """Rectangles that fill a sampling design.

    Trained cells are as large as the distance between them: one cell of each 8 x 8 block (DAS-S8) is drawn as that
    block. Unseen cells are as large as the trained cell next to them; where this would make them cover trained cells,
    as the neighbours of DAS-S8NG do, they are drawn apart, and where they would cover each other too (several
    neighbours of each trained cell) at the true size of the grid's cells.
    """
    seen, unseen = np.flatnonzero(cells.trained), np.flatnonzero(~cells.trained)
    if not seen.size or not unseen.size:
        return Layout(*cell_rectangles(cells.lat, cells.lon), apart=False)
    height, width = np.empty(cells.lat.size), np.empty(cells.lat.size)
    height[seen], width[seen] = cell_rectangles(cells.lat[seen], cells.lon[seen])
    at = np.stack([cells.lat, cells.lon], axis=1)
    beside = seen[cKDTree(at[seen]).query(at[unseen])[1]]
    height[unseen], width[unseen] = height[beside], width[beside]
    steps = np.abs(at[unseen] - at[beside]) / np.stack([height[beside], width[beside]], axis=1)
    apart = bool((steps.max(axis=1) < _TOUCHING).mean() > _CROWDED)
    if apart and _crowded(at[unseen], height[unseen], width[unseen]):
        height[unseen], width[unseen] = _true_size(cells)
    return Layout(height, width, apart)


def true_rectangles(cells: Cells, side: int = 1) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Height and width [degree] of each cell itself, whatever block it stands for.

    Args:
        side: a design trains on one of every ``side`` rows and columns of the grid; 1 without a design.
    """
    seen = np.flatnonzero(cells.trained)
    if side > 1 and seen.size > 1:
        at = np.stack([cells.lat, cells.lon], axis=1)
        beside = cKDTree(at[seen]).query(at)[1]
        height, width = cell_rectangles(cells.lat[seen], cells.lon[seen])
        return height[beside] / side, width[beside] / side
    height, width = cell_rectangles(cells.lat, cells.lon)
    if not 1 / 3 < np.median(height) / np.median(width) < 3:  # as neighbours of a sampled grid, no grid itself
        low, wide = _true_size(cells)
        return np.full(cells.lat.size, low), np.full(cells.lat.size, wide)
    return height, width


def cell_rectangles(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Height and width [degree] of the rectangle that stands for each cell of one grid.

    On a regular grid (few distinct latitudes and longitudes) the distance to the next row and column, never more than
    1.25 times the usual one where rows are missing; elsewhere the median distance to the nearest cell.
    """
    rows, row = np.unique(np.round(lat, 3), return_inverse=True)
    columns, column = np.unique(np.round(lon, 3), return_inverse=True)
    if len(lat) >= 4 and 2 < len(rows) * len(columns) < 0.25 * len(lat) ** 2 and min(len(rows), len(columns)) > 1:
        return _spacing(rows)[row], _spacing(columns)[column]
    if len(lat) < 2:
        return np.full(len(lat), 0.5), np.full(len(lat), 0.5)
    narrowing = max(float(np.cos(np.deg2rad(np.mean(lat)))), 0.1)
    distance = cKDTree(np.stack([lat, lon * narrowing], axis=1)).query(np.stack([lat, lon * narrowing], axis=1), k=2)[0]
    side = max(0.8 * float(np.median(distance[:, 1])), 1e-3)
    return np.full(len(lat), side), np.full(len(lat), side / narrowing)


def _crowded(at: np.ndarray, height: np.ndarray, width: np.ndarray) -> bool:
    """Whether many cells lie inside the rectangle of another one."""
    if len(at) < 2:
        return False
    scaled = at / np.stack([height, width], axis=1)
    nearest = cKDTree(scaled).query(scaled, k=2, p=np.inf)[0][:, 1]
    return bool((nearest < _TOUCHING).mean() > _CROWDED)


def _true_size(cells: Cells) -> tuple[float, float]:
    """Smallest distance between rows and between columns; where a design has a fine one in one direction only, that."""
    gaps = [np.diff(np.unique(np.round(line, 3))) for line in (cells.lat, cells.lon)]
    height, width = (float(np.median(gap[gap < 1.5 * gap.min()])) if gap.size else np.inf for gap in gaps)
    smaller = min(height, width)
    return (height if height < 2 * smaller else smaller), (width if width < 2 * smaller else smaller)


def _spacing(lines: np.ndarray) -> np.ndarray:
    """Room of each grid line: the smaller gap beside it, at most 1.25 times the median gap."""
    gaps = np.diff(lines)
    nearest = np.minimum(np.r_[np.inf, gaps], np.r_[gaps, np.inf])
    return np.minimum(nearest, 1.25 * np.median(gaps))
