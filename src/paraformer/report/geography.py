"""Coasts, country borders and lines of the US states on maps, from data inside the package: no network at run time."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

_STEP = 0.01
"""Degrees in a stored unit."""
_PENS = {"coast": ("#333333", 0.6), "border": ("#333333", 0.6), "state": ("#666666", 0.3)}
"""Kind of line -> colour and width [point]."""


class Extent(NamedTuple):
    """Edges of a map [degree]."""

    west: float
    east: float
    south: float
    north: float


def draw_lines(axes: Axes, extent: Extent) -> None:
    """Draw every line that passes through the extent, above what is on the axes so far.

    Longitudes of the extent may run over 180 degrees, or from 0 to 360.
    """
    for kind, (colour, width) in _PENS.items():
        pieces = lines_inside(kind, extent)
        if pieces:
            axes.add_collection(
                LineCollection(pieces, colors=colour, linewidths=width, zorder=2.5, capstyle="round"), autolim=False
            )


def lines_inside(kind: str, extent: Extent) -> list[np.ndarray]:
    """Pieces [point, 2] (longitude, latitude) of one kind of line, of which every step touches the extent."""
    found = []
    for turn in (-360, 0, 360):
        if extent.east >= turn - 180 and extent.west <= turn + 180:
            found += _clipped(kind, extent, turn)
    return found


def _clipped(kind: str, extent: Extent, turn: int) -> list[np.ndarray]:
    points, joined = _load(kind)
    points = points + np.array([turn, 0])
    low, high = np.minimum(points[1:], points[:-1]), np.maximum(points[1:], points[:-1])
    touches = (high >= (extent.west, extent.south)).all(axis=1) & (low <= (extent.east, extent.north)).all(axis=1)
    drawn = np.flatnonzero(touches & joined)
    runs = np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1)
    return [points[run[0] : run[-1] + 2] for run in runs if run.size]


@cache
def _load(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All points [point, 2] of a kind, and whether each is joined to the next [point - 1]."""
    with (resources.files("paraformer.report") / "lines" / "lines.npz").open("rb") as file, np.load(file) as content:
        points, start = content[kind] * _STEP, content[f"{kind}_start"]
    joined = np.ones(len(points) - 1, dtype=bool)
    joined[start[1:] - 1] = False
    return points, joined
