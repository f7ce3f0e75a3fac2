"""Land of the built-in world: terrain, soil and vegetation attributes as smooth fields plus local noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.physics import LAPSE_RATE
from paraformer.core.seeding import generator
from paraformer.data.config import WorldGrid
from paraformer.data.sources.fields import smooth_fields, uniform
from paraformer.data.sources.weather import Climate

SPACING = 1.4
"""Distance of the points of noise that land and weather are made of [degree]."""

_NORTH = 89.0
"""Northernmost centre: beyond 41 rows the cells of the sample move closer, since there is no land past the pole."""

Site = Float[np.ndarray, " cell"]


class Layout(NamedTuple):
    """A regular grid: centre of the south-western cell, distance of neighbouring centres, side of a cell [degree]."""

    south: float
    west: float
    spacing: float
    side: float


def layout_of(grid: WorldGrid, rows: int) -> Layout:
    """Where the cells of a world lie: as a sample of every fourth cell of a 36 km grid, or as those of NLDAS-2."""
    if grid == "nldas":
        return Layout(33.0625, -115.9375, 0.125, 0.125)
    south, west = 33.0, -116.0
    spacing = min(SPACING, (_NORTH - south) / (rows - 1))
    return Layout(south, west, spacing, spacing / 4)


@dataclass(frozen=True)
class Land:
    """Cells of the world, row by row from the south-west.

    ``side`` [degree] is that of a cell; ``attributes`` has the static attributes of ``core.variables.ATTRIBUTES``;
    ``climate`` what drives the weather.
    """

    shape: tuple[int, int]
    side: float
    lat: Site
    lon: Site
    climate: Climate
    attributes: dict[str, Float[np.ndarray, " cell"] | Int[np.ndarray, " cell"]]


def make_land(shape: tuple[int, int], seed: int, world: int, grid: WorldGrid = "sample") -> Land:
    """Draw the land of a world of ``shape`` (rows, columns); the same seeds give the same land, bit for bit."""
    layout = layout_of(grid, shape[0])
    rng = generator(seed, "world", world, "land")
    broad = smooth_fields(rng, 8, shape, 2.0, layout.spacing / SPACING)
    local = rng.standard_normal((8, shape[0] * shape[1]))
    row, column = (index.ravel() for index in np.indices(shape))
    lat, lon = layout.south + layout.spacing * row, layout.west + layout.spacing * column
    east = column / max(shape[1] - 1, 1)

    elevation = 250 + 1500 * uniform(2.2 * (0.45 - east) + 0.8 * broad[0]) ** 1.5 + 60 * np.abs(local[0])
    rough = uniform(-0.6 + 1.1 * (elevation - 700) / 700 + 0.6 * broad[1] + 0.3 * local[1])
    elevation_sd = 8 + 420 * rough**2
    wetness = uniform(2.4 * (east - 0.5) + 0.6 * broad[2] + 0.9 * (elevation - 800) / 1500)
    climate = Climate(
        lat=lat,
        elevation=elevation,
        wetness=wetness,
        temperature=23.0 - 0.8 * (lat - 30) + LAPSE_RATE * elevation + 0.5 * broad[3],
        amplitude=9.0 + 0.25 * (lat - 33) + 1.0 * uniform(broad[3]),
        season=np.clip(1.6 * (east - 0.3), -0.6, 0.7),
        wind=2.6 + 1.6 * uniform(broad[4] + 0.5 * local[2]),
        spacing=layout.spacing / SPACING,
    )
    soil = _soil(broad[5:8], local[3:6], wetness)
    vegetation = _vegetation(climate, uniform(broad[1] + local[6]), local[7])
    terrain = {"elevation": elevation, "elevation_sd": elevation_sd}
    return Land(shape, layout.side, lat, lon, climate, {**soil, **terrain, **vegetation})


def _soil(
    broad: Float[np.ndarray, "3 cell"], local: Float[np.ndarray, "3 cell"], wetness: Site
) -> dict[str, Float[np.ndarray, " cell"]]:
    """Texture [%] that sums to 100, bulk density [g cm-3], available water capacity [%]."""
    sandy = 1.0 * broad[0] + 0.35 * local[0] - 0.5 * (wetness - 0.5)
    clayey = 0.9 * broad[1] + 0.35 * local[1] - 0.4 * sandy
    parts = np.exp(np.stack([0.85 + 0.55 * sandy, 0.45 + 0.2 * broad[2], 0.1 + 0.5 * clayey]))
    sand, silt, clay = 100 * (0.06 + 0.82 * parts / parts.sum(axis=0))
    bulk = 1.30 + 0.003 * (sand - 45) - 0.18 * (wetness - 0.5) + 0.05 * local[2]
    capa = 13.5 + 0.12 * (silt - 30) - 0.05 * (sand - 45) + 3.0 * wetness + 0.8 * local[2]
    return {"sand": sand, "silt": silt, "clay": clay, "bulk": np.clip(bulk, 0.9, 1.6), "capa": np.clip(capa, 4, 35)}


def _vegetation(
    climate: Climate, chance: Site, local: Site
) -> dict[str, Float[np.ndarray, " cell"] | Int[np.ndarray, " cell"]]:
    """NDVI and the dominant IGBP class, from wetness, temperature and chance."""
    wetness = climate.wetness
    ndvi = np.clip(0.08 + 0.5 * wetness + 0.004 * (climate.temperature - 12) + 0.03 * local, 0.02, 0.85)
    index = wetness + 0.15 * (chance - 0.5)
    cool = climate.temperature < 9
    cover = np.select(
        [index < 0.12, index < 0.26, (index >= 0.32) & cool, index < 0.48, index < 0.64, index < 0.77],
        [16, 7, 1, 10, 12, 14],
        default=np.where(chance < 0.5, 4, 5),
    )
    cover = np.where((cover == 16) & (chance > 0.4), 7, cover)
    return {"ndvi": ndvi, "landcover_igbp": cover.astype(np.int32)}
