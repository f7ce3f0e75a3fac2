"""Rasters of any projection to the cells of a study: area means, shares of classes, terrain.

A pixel belongs to the cell that holds its centre, with the area that it has on the ground; pixels that are not small
beside the cells are cut into parts first. So any projection will do (SoilGrids comes in Goode's homolosine, gNATSGO in
Albers'), and a continent is read strip by strip. Rasters of one grid are read together, since finding the cells takes
longer than adding up. A folder in place of a file stands for tiles of a MODIS land product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.physics import EARTH_RADIUS
from paraformer.data.sources.land_config import RasterConfig
from paraformer.data.sources.modis_land import tile_strips
from paraformer.data.sources.strips import Strip, crs_of, file_strips, same_grid

PARTS_PER_CELL = 4
"""Pixels, or parts of one, along the side of a cell, at least."""

METRES_PER_DEGREE = np.deg2rad(1.0) * EARTH_RADIUS
"""Along a meridian, on the sphere of the MODIS grid."""

_SPREAD = 1e-4
"""Relative spread of a projection's areal scale below which it counts as equal-area."""


@dataclass(frozen=True)
class OnCells:
    """What the pixels of rasters say about cells.

    Attributes:
        values: area mean over the valid pixels, NaN where there is none [raster, cell].
        share: part of the cell's pixels that is valid, 0 to 1 [raster, cell].
    """

    values: Float[np.ndarray, "raster cell"]
    share: Float[np.ndarray, "raster cell"]


@dataclass(frozen=True)
class Terrain:
    """Mean and standard deviation of elevation [m] and mean slope [m m-1] of each cell; part of it that is known
    [1]."""

    elevation: Float[np.ndarray, " cell"]
    elevation_sd: Float[np.ndarray, " cell"]
    slope: Float[np.ndarray, " cell"]
    share: Float[np.ndarray, " cell"]


def cell_means(rasters: Sequence[RasterConfig], target: Raster) -> OnCells:
    """Area means of rasters over the cells of a raster.

    Raises:
        DataError: a file is missing, is no raster, is rotated, or lies elsewhere.
        SettingsError: rasterio is not installed.
    """
    cells = target.rows * target.columns
    total, valid, area = (np.zeros((len(rasters), cells)) for _ in range(3))
    for members in same_grid(rasters):
        for strip in strips_of([rasters[k] for k in members], target):
            places = Places(strip, target)
            whole = places.sums(np.ones(places.cell.size))
            for k, layer in zip(members, strip.values, strict=True):
                values = places.spread(layer)
                seen = np.isfinite(values)
                total[k] += places.sums(np.where(seen, values, 0.0))
                valid[k] += places.sums(seen.astype(np.float64))
                area[k] += whole
    for raster, covered in zip(rasters, area, strict=True):
        _require_overlap(covered, target, raster)
    return OnCells(_over(total, valid), np.nan_to_num(_over(valid, area)))


def class_shares(
    raster: RasterConfig, target: Raster, classes: int, renamed: Mapping[int, int]
) -> tuple[Float[np.ndarray, "class cell"], Float[np.ndarray, " cell"]]:
    """Area shares of the classes 0 to ``classes - 1`` among the valid pixels of each cell, and the part that is valid.

    Args:
        renamed: classes of the file that are others of ours.

    Raises:
        DataError: a class outside the range, naming it; as ``cell_means``.
    """
    cells = target.rows * target.columns
    found, area = np.zeros((classes, cells)), np.zeros(cells)
    for strip in strips_of([raster], target):
        places, layer = Places(strip, target), strip.values[0]
        for old, new in renamed.items():
            layer = np.where(layer == old, new, layer)
        wrong = np.isfinite(layer) & ~((layer >= 0) & (layer < classes) & (layer == np.rint(layer)))
        if wrong.any():
            raise DataError(f"{raster.path}: class {layer[wrong][0]:g} is none of 0 to {classes - 1}")
        values = places.spread(layer)
        area += places.sums(np.ones(places.cell.size))
        for k in np.unique(values[np.isfinite(values)]).astype(int):
            found[k] += places.sums((values == k).astype(np.float64))
    _require_overlap(area, target, raster)
    valid = found.sum(axis=0)
    return _over(found, np.broadcast_to(valid, found.shape)), np.nan_to_num(_over(valid, area))


def terrain(raster: RasterConfig, target: Raster) -> Terrain:
    """Elevation, its spread and the mean slope of an elevation model's pixels in each cell.

    The slope of a pixel is ``hypot(dz/dx, dz/dy)`` by central differences over its neighbours (one-sided at the rim of
    the file), the distances being those on the ground. A pixel without a neighbour's value has none.

    Raises:
        DataError: as ``cell_means``.
    """
    sums = {name: np.zeros(target.rows * target.columns) for name in ("z", "zz", "valid", "slope", "sloped", "area")}
    for strip in strips_of([raster], target, halo=1):
        steep = _slope(strip)[strip.inner]
        strip = replace(strip, values=strip.values[:, strip.inner], y=strip.y[strip.inner], inner=slice(None))
        places, z = Places(strip, target), strip.values[0]
        seen = np.isfinite(z)
        for name, layer in (
            ("z", np.where(seen, z, 0.0)),
            ("zz", np.where(seen, z, 0.0) ** 2),
            ("valid", 1.0 * seen),
            ("slope", np.nan_to_num(steep)),
            ("sloped", 1.0 * np.isfinite(steep)),
            ("area", np.ones(z.shape)),
        ):
            sums[name] += places.sums(places.spread(layer))
    _require_overlap(sums["area"], target, raster)
    elevation = _over(sums["z"], sums["valid"])
    spread = np.sqrt(np.maximum(_over(sums["zz"], sums["valid"]) - elevation**2, 0.0))
    share = np.nan_to_num(_over(sums["valid"], sums["area"]))
    return Terrain(elevation, spread, _over(sums["slope"], sums["sloped"]), share)


class Places:
    """The cells that the pixels of a strip belong to, and the area that each has on the ground."""

    def __init__(self, strip: Strip, target: Raster) -> None:
        self.parts = _parts(strip, target)
        x, y = (_cut(centres, size, self.parts) for centres, size in ((strip.x, strip.dx), (strip.y, strip.dy)))
        lat, lon = _geographic(strip.crs, *np.meshgrid(x, y))
        row, column = target.index(lat, lon)
        self.cell: Int[np.ndarray, " part"] = np.where(row >= 0, row * target.columns + column, -1).ravel()
        self.inside = self.cell >= 0
        self.area: Float[np.ndarray, " part"] = _ground_area(strip.crs, lat, lon).ravel()
        self.cells = target.rows * target.columns

    def spread(self, values: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " part"]:
        """Values of the pixels repeated for their parts."""
        return np.repeat(np.repeat(values, self.parts, axis=0), self.parts, axis=1).ravel()

    def sums(self, weight: Float[np.ndarray, " part"]) -> Float[np.ndarray, " cell"]:
        """Sum over the parts in each cell of a weight times area."""
        return np.bincount(self.cell[self.inside], (weight * self.area)[self.inside], minlength=self.cells)


def strips_of(rasters: Sequence[RasterConfig], target: Raster, halo: int = 0) -> Iterator[Strip]:
    """Strips of raster files of one grid, or of a folder of tiles, that touch the target."""
    if rasters[0].path.is_dir():
        return tile_strips(rasters[0], target)
    return file_strips(rasters, target, halo)


def _slope(strip: Strip) -> Float[np.ndarray, "row column"]:
    dx, dy = abs(strip.dx) * np.ones((len(strip.y), 1)), abs(strip.dy)
    if crs_of(strip.crs).is_geographic:
        dx, dy = dx * np.cos(np.deg2rad(strip.y))[:, None] * METRES_PER_DEGREE, dy * METRES_PER_DEGREE
    if min(strip.values.shape[1:]) < 2:
        return np.full(strip.values.shape[1:], np.nan)
    down, across = np.gradient(strip.values[0])
    return np.hypot(down / dy, across / dx)


def _over(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the weight is 0."""
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def _require_overlap(area: np.ndarray, target: Raster, raster: RasterConfig) -> None:
    if not area.any():
        raise DataError(f"{raster.path}: no pixel lies in the region of {target.name}")


def _parts(strip: Strip, target: Raster) -> int:
    """Into how many parts a side a pixel is cut."""
    pixel, cell = _metres(strip.crs, max(abs(strip.dx), abs(strip.dy))), _metres(target.crs, abs(target.dx))
    return int(np.clip(np.ceil(PARTS_PER_CELL * pixel / cell), 1, 64))


def _metres(crs: str, length: float) -> float:
    return length * METRES_PER_DEGREE if crs_of(crs).is_geographic else length


def _cut(centres: np.ndarray, size: float, parts: int) -> np.ndarray:
    return (centres[:, None] + size * ((np.arange(parts) + 0.5) / parts - 0.5)).ravel()


@lru_cache(maxsize=16)
def _transformer(text: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(crs_of(text), "EPSG:4326", always_xy=True)


def _geographic(crs: str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude [degree]; places outside the projection are put on the south pole, in no cell."""
    lon, lat = _transformer(crs).transform(x, y)
    good = np.isfinite(lon) & np.isfinite(lat)
    return np.where(good, lat, -90.0), np.where(good, lon, 0.0)


def _ground_area(crs: str, lat: np.ndarray, lon: np.ndarray) -> Float[np.ndarray, "row column"]:
    """Area on the ground of equal areas in the projection's plane, up to a factor."""
    if crs_of(crs).is_geographic:
        return np.cos(np.deg2rad(lat))
    from pyproj import Proj

    projection = Proj(crs_of(crs))
    few = tuple(slice(None, None, max(1, size // 4)) for size in lat.shape)
    scale = np.asarray(projection.get_factors(lon[few], lat[few]).areal_scale)
    scale = scale[np.isfinite(scale) & (scale > 0)]
    if not scale.size or np.ptp(scale) <= _SPREAD * scale.max():
        return np.ones(lat.shape)
    every = np.asarray(projection.get_factors(lon, lat).areal_scale)
    return np.where(np.isfinite(every) & (every > 0), 1.0 / every, 0.0)
