"""Elevation bands of cells from an elevation model: VIC's snow bands, of equal area or of equal height.

Two passes over the raster: the lowest and highest pixel of each cell, then the area and mean elevation of thin slices
between them, from which the bands are put together. A band of equal height is exact; one of equal area takes the slice
that it ends in by parts, so that areas and the mean elevation of the cell stay exact.

Source: VIC-5 documentation, snow band file (``AreaFract``, ``elevation``, ``Pfactor``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from paraformer.core.grid import Raster
from paraformer.data.sources.land_config import RasterConfig, SnowBandConfig
from paraformer.data.sources.rasters import Places, strips_of

SLICES = 60
"""Thin slices of a cell's range of elevation, at least as many as there may be bands."""


@dataclass(frozen=True)
class Bands:
    """Bands of each cell, from the lowest up.

    Attributes:
        area: share of the cell; 0 for bands that are not used, 1 in all for cells with elevation.
        elevation: mean of the band [m]; that of the cell where the band is not used.
        precipitation: share of the cell's precipitation.
    """

    area: Float[np.ndarray, "band cell"]
    elevation: Float[np.ndarray, "band cell"]
    precipitation: Float[np.ndarray, "band cell"]


def snow_bands(config: SnowBandConfig, raster: RasterConfig, target: Raster) -> Bands:
    """The bands of every cell of a raster; cells whose elevations span less than ``minimum_range`` have one.

    Raises:
        DataError: as ``rasters.cell_means``.
    """
    lowest, highest = _range(raster, target)
    area, moment = _slices(raster, target, lowest, highest)
    whole = area.sum(axis=0)
    mean = np.divide(moment.sum(axis=0), whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    shares = _equal_height(config.number) if config.by == "height" else _equal_area(config.number, area)
    band = np.einsum("bsc,sc->bc", np.broadcast_to(shares, (config.number, *area.shape)), area)
    height = np.einsum("bsc,sc->bc", np.broadcast_to(shares, (config.number, *area.shape)), moment)
    flat = highest - lowest < config.minimum_range
    band[:, flat] = np.where(np.arange(config.number)[:, None] == 0, whole[flat], 0.0)
    height[:, flat] = np.where(np.arange(config.number)[:, None] == 0, moment.sum(axis=0)[flat], 0.0)
    elevation = np.where(band > 0, np.divide(height, band, out=np.zeros_like(height), where=band > 0), mean)
    band = np.divide(band, whole, out=np.zeros_like(band), where=whole > 0)
    wet = band * np.maximum(1 + config.precipitation_gradient / 1000 * (elevation - mean), 0.0)
    total = wet.sum(axis=0)
    return Bands(band, elevation, np.divide(wet, total, out=np.zeros_like(wet), where=total > 0))


def _range(raster: RasterConfig, target: Raster) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Lowest and highest pixel of each cell [m]; of a cell without one they are infinite, the range negative."""
    cells = target.rows * target.columns
    lowest, highest = np.full(cells, np.inf), np.full(cells, -np.inf)
    for strip in strips_of([raster], target):
        places = Places(strip, target)
        z = places.spread(strip.values[0])
        seen = places.inside & np.isfinite(z)
        np.minimum.at(lowest, places.cell[seen], z[seen])
        np.maximum.at(highest, places.cell[seen], z[seen])
    return lowest, highest


def _slices(
    raster: RasterConfig, target: Raster, lowest: Float[np.ndarray, " cell"], highest: Float[np.ndarray, " cell"]
) -> tuple[Float[np.ndarray, "slice cell"], Float[np.ndarray, "slice cell"]]:
    """Area of the slices of each cell, and area times elevation."""
    cells = len(lowest)
    area, moment = np.zeros(SLICES * cells), np.zeros(SLICES * cells)
    for strip in strips_of([raster], target):
        places = Places(strip, target)
        z = places.spread(strip.values[0])
        seen = places.inside & np.isfinite(z)
        cell, z, weight = places.cell[seen], z[seen], places.area[seen]
        span = np.maximum(highest - lowest, np.finfo(float).tiny)[cell]
        at = np.minimum((SLICES * (z - lowest[cell]) / span).astype(np.int64), SLICES - 1) * cells + cell
        area += np.bincount(at, weight, minlength=len(area))
        moment += np.bincount(at, weight * z, minlength=len(area))
    return area.reshape(SLICES, cells), moment.reshape(SLICES, cells)


def _equal_height(number: int) -> Float[np.ndarray, "band slice 1"]:
    """Share of each slice in each band, the bands being equally many slices or parts of them."""
    low, high = np.arange(SLICES) / SLICES, np.arange(1, SLICES + 1) / SLICES
    edges = np.arange(number + 1)[:, None] / number
    return (np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None) * SLICES)[..., None]


def _equal_area(number: int, area: Float[np.ndarray, "slice cell"]) -> Float[np.ndarray, "band slice cell"]:
    """Share of each slice in each band, the bands being of equal area; a slice that two bands share is cut by area."""
    whole = area.sum(axis=0)
    high = np.divide(np.cumsum(area, axis=0), whole, out=np.zeros_like(area), where=whole > 0)
    low = np.vstack([np.zeros((1, area.shape[1])), high[:-1]])
    edges = (np.arange(number + 1) / number)[:, None, None]
    edges[-1] = np.inf  # whatever the rounding of the sum
    overlap = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    return np.divide(overlap, high - low, out=np.zeros_like(overlap), where=high > low)
