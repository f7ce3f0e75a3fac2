"""Coarse networks from fine flow directions, by pyflwdir (Eilander et al. 2021): cells are what drains to an outlet."""

from __future__ import annotations

from typing import Any

import numpy as np

from paraformer.core.errors import DataError, SettingsError
from paraformer.routing.directions import Codes, Decoded, decode
from paraformer.routing.grids import Grid
from paraformer.routing.make import distances, number_of
from paraformer.routing.network import Network, downstream_order, no_gauges, no_hillslope, upstream_area

_D8 = np.array([64, 128, 1, 2, 4, 8, 16, 32], np.uint8)  # N NE E SE S SW W NW
_NONE, _PIT = np.uint8(247), np.uint8(0)


def upscaled_network(
    grid: Grid, codes: Codes | None, factor: int, *, velocity: str, diffusivity: str, ends_outside: bool = False
) -> Network:
    """Network of coarse cells of ``factor`` by ``factor`` fine ones, by iterative hydrography upscaling (IHU).

    A coarse cell's area is that of the fine cells that drain to its outlet, so that every cell lies wholly in one
    basin; its length is the way along the fine river.

    Args:
        grid: fine flow directions.
        codes: which codes; found where only one kind fits.
        factor: fine cells along the side of a coarse one.
        velocity, diffusivity: of the flood wave, numbers.
        ends_outside: whether rivers that leave the grid end there.

    Raises:
        SettingsError: pyflwdir is not installed.
        DataError: as ``directions.decode``; a factor below 2.
    """
    try:
        import pyflwdir
    except ImportError as error:
        raise SettingsError("--upscale needs pyflwdir: pip install 'paraformer[rivers]'") from error
    if factor < 2:
        raise DataError(f"--upscale {factor}: expected 2 fine cells or more along the side of a coarse one")
    fine = decode(grid, codes, ends_outside=ends_outside)
    area = grid.areas().ravel()[fine.cells]
    drained = np.full(grid.shape, -9999.0)
    drained.ravel()[fine.cells] = upstream_area(fine.downstream, area)
    rivers: Any = pyflwdir.from_array(_as_d8(fine, grid.shape), ftype="d8")
    coarse, outlets = rivers.upscale(factor, method="ihu", uparea=drained)
    places = np.asarray(outlets).ravel().astype(np.int64)
    active = np.flatnonzero(places >= 0)
    position = np.full(grid.shape[0] * grid.shape[1], -1, np.int64)
    position[fine.cells] = np.arange(len(fine.cells))
    step = distances(*grid.places(fine.cells), fine.downstream)
    unit, downstream, length = _between_outlets(fine.downstream, step, position[places[active]])
    size = float(grid.lon[1] - grid.lon[0]), float(grid.lat[1] - grid.lat[0])
    centres = Grid(
        np.zeros(coarse.shape),
        grid.lat[0] - size[1] / 2 + size[1] * factor * (np.arange(coarse.shape[0]) + 0.5),
        grid.lon[0] - size[0] / 2 + size[0] * factor * (np.arange(coarse.shape[1]) + 0.5),
        grid.source,
        grid.crs,
    )
    lat, lon = centres.places(active)
    n = len(active)
    return Network(
        cells=active + 1,
        lat=lat,
        lon=lon,
        downstream=downstream,
        length=length,
        area=np.bincount(unit[unit >= 0], area[unit >= 0], minlength=n),
        velocity=np.full(n, number_of(velocity, "velocity")),
        diffusivity=np.full(n, number_of(diffusivity, "diffusivity")),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
        source=f"{grid.source}, upscaled {factor} times",
    )


def _between_outlets(
    below: np.ndarray, step: np.ndarray, outlets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along the fine river: the first outlet that each fine cell drains to; the next one of each outlet, and how far.

    Args:
        below: the fine cell each one drains to.
        step: way to it [m].
        outlets: fine cells.
    """
    unit, far = np.full(len(below), -1, np.int64), np.zeros(len(below))
    own = np.full(len(below), -1, np.int64)
    own[outlets] = np.arange(len(outlets))
    after, way = np.full(len(outlets), -1, np.int64), np.zeros(len(outlets))
    for cell in reversed(downstream_order(below)):
        then = below[cell]
        next_unit, next_far = (
            (unit[then], step[cell] + (0.0 if own[then] >= 0 else far[then])) if then >= 0 else (-1, 0.0)
        )
        if own[cell] >= 0:
            after[own[cell]], way[own[cell]] = next_unit, next_far if next_unit >= 0 else 0.0
            unit[cell] = own[cell]
        else:
            unit[cell] = next_unit
        far[cell] = next_far
    return unit, after, way


def _as_d8(fine: Decoded, shape: tuple[int, int]) -> np.ndarray:
    """Decoded directions in the one code that pyflwdir is given."""
    found = np.full(shape[0] * shape[1], _NONE, np.uint8)
    found[fine.cells] = _PIT
    runs = fine.downstream >= 0
    here, there = fine.cells[runs], fine.cells[fine.downstream[runs]]
    down = there // shape[1] - here // shape[1]
    right = there % shape[1] - here % shape[1]
    if (np.abs(down) > 1).any() or (np.abs(right) > 1).any():
        raise DataError("upscaling needs cells that drain to a neighbour; this network's do not all")
    table = np.full((3, 3), _PIT)
    for way, (i, j) in enumerate(((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))):
        table[i + 1, j + 1] = _D8[way]
    found[here] = table[down + 1, right + 1]
    return found.reshape(shape)
