"""The river of the built-in world: where each cell drains to, its gauges, and the hidden velocity of each basin."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.seeding import generator
from paraformer.data.config import RiverConfig
from paraformer.data.sources.fields import uniform
from paraformer.data.sources.land import Land

_CHANCE = 0.2
"""Share of a velocity's unit coordinate that no terrain explains."""


class WorldRiver(NamedTuple):
    """A river on the cells of a world.

    Attributes:
        downstream: position of the next cell; -1 where the river leaves the world.
        basin: of every cell, numbered by their gauges; -1 for cells above none.
        outlets: cells of the gauges.
        velocity: hidden truth, of the flood wave, one of each basin [m s-1].
    """

    downstream: Int[np.ndarray, " cell"]
    basin: Int[np.ndarray, " cell"]
    outlets: Int[np.ndarray, " gauge"]
    velocity: Float[np.ndarray, " gauge"]


def make_river(land: Land, config: RiverConfig, seed: int, world: int) -> WorldRiver:
    """Draw a river; the same seeds give the same one, bit for bit.

    Every cell drains to the neighbour that a flood rising from the eastern and southern sides reaches it from (Barnes
    et al. 2014, doi 10.1016/j.cageo.2013.04.024): downhill where the land allows it, never in a circle. A gauge stands
    where a river of ``config.least_cells`` or more leaves the world. Velocities rise with the roughness of a basin.
    """
    downstream = drained(np.asarray(land.attributes["elevation"], dtype=np.float64), land.shape)
    end = np.arange(len(downstream))
    for _ in range(len(end)):
        further = np.where(downstream[end] >= 0, downstream[end], end)
        if np.array_equal(further, end):
            break
        end = further
    outlets, of, size = np.unique(end, return_inverse=True, return_counts=True)
    kept = size >= min(config.least_cells, int(size.max()))
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    basin = number[of]
    rough = np.asarray(land.attributes["elevation_sd"], dtype=np.float64)
    steep = np.array([rough[basin == each].mean() for each in range(int(kept.sum()))])
    chance = generator(seed, "world", world, "river").random(len(steep))
    low, high = config.velocity
    unit = (1 - _CHANCE) * uniform((steep - steep.mean()) / max(float(steep.std()), 1e-9)) + _CHANCE * chance
    return WorldRiver(downstream, basin, outlets[kept], low * (high / low) ** unit)


def drained(elevation: Float[np.ndarray, " cell"], shape: tuple[int, int]) -> Int[np.ndarray, " cell"]:
    """Next cell of each of a grid, row by row, by a flood rising from the first row and the last column; -1 there."""
    rows, columns = shape
    downstream = np.full(rows * columns, -2, dtype=np.int64)
    heap: list[tuple[float, int]] = []
    for cell in sorted({*range(columns), *range(columns - 1, rows * columns, columns)}):
        downstream[cell] = -1
        heapq.heappush(heap, (float(elevation[cell]), cell))
    while heap:
        level, cell = heapq.heappop(heap)
        row, column = divmod(cell, columns)
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                other = r * columns + c
                if downstream[other] == -2:
                    downstream[other] = cell
                    heapq.heappush(heap, (max(level, float(elevation[other])), other))
    return downstream


def unseen_basins(river: WorldRiver, share: float, seed: int, world: int) -> np.ndarray:
    """Cells of whole basins that are never learned from, until they are a share of all cells; one basin stays."""
    unseen, wanted = np.zeros(len(river.basin), dtype=bool), share * len(river.basin)
    for basin in generator(seed, "world", world, "split").permutation(len(river.outlets))[:-1]:
        if unseen.sum() >= wanted:
            break
        unseen |= river.basin == basin
    return unseen
