"""MODIS land products as rasters: IGBP land cover (MCD12Q1) and leaf area index (MCD15A2H), version 6.1, HDF4-EOS
tiles.

A folder of tiles stands for a raster file (``RasterConfig.path``). Land cover is that of the latest year in the folder.
Leaf area is a climatology: band k is the mean over all composites that begin in calendar month k, whatever the year.

Sources: Sulla-Menashe, D. and Friedl, M. A. (2022), User guide to collection 6.1 MODIS land cover product (classes 1 to
17, 17 water, 255 unclassified); Myneni, R. et al. (2021), MCD15A2H, user's guide (scale 0.1, valid 0 to 100).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.cf import missing
from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.data.sources.granules import fault_of, granules_in, open_hdf4, reading
from paraformer.data.sources.land_config import RasterConfig
from paraformer.data.sources.modis import PIXELS, SINUSOIDAL, other_collections, tile_window, touched_rows
from paraformer.data.sources.strips import Strip

LAYERS = {"MCD12Q1": ("LC_Type1", 1.0, 17), "MCD15A2H": ("Lai_500m", 0.1, 100)}
"""Dataset, scale and largest valid count by product; larger counts are fill values."""

_NAME = re.compile(
    r"(?P<product>MCD12Q1|MCD15A2H)\.A(?P<year>\d{4})(?P<day>\d{3})\.h(?P<h>\d{2})v(?P<v>\d{2})"
    r"\.061\.(?P<made>\d{13})\.hdf"
)


@dataclass(frozen=True)
class LandTile:
    """A tile by its name: product, first day, place, time of production."""

    path: Path
    product: str
    start: np.datetime64
    place: tuple[int, int]
    made: str


def find_tiles(folder: Path) -> list[LandTile]:
    """Tiles of the one land product in a folder, sub-folders included; of several productions of one the latest.

    Raises:
        DataError: no tile, tiles of two products, or an unusable file.
    """
    newest: dict[tuple[object, ...], LandTile] = {}
    for path in granules_in(folder, "MCD*.hdf"):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        fault = fault_of(path, "HDF4")
        if fault:
            raise DataError(f"{path}: {fault}")
        start = np.datetime64(f"{match['year']}-01-01", "D") + int(match["day"]) - 1
        tile = LandTile(path, match["product"], start, (int(match["h"]), int(match["v"])), match["made"])
        key = (tile.product, str(start), tile.place)
        if key not in newest or newest[key].made < tile.made:
            newest[key] = tile
    tiles = list(newest.values())
    if not tiles:
        other = other_collections(folder, tuple(LAYERS))
        raise DataError(f"{folder}: no tile of {' or '.join(LAYERS)} of version 061{other}")
    for tile in tiles:
        if tile.product != tiles[0].product:
            raise DataError(f"{tile.path}: {tile.product} beside {tiles[0].product}; a folder holds one product")
    return tiles


def tile_strips(raster: RasterConfig, target: Raster) -> Iterator[Strip]:
    """Each tile that touches the target, as a strip in the plane of the sinusoidal grid.

    Args:
        raster: ``path`` is the folder; ``band`` the calendar month of a leaf area index.

    Raises:
        DataError: as ``find_tiles``; no composite of the month; a tile whose structure is not the product's.
    """
    tiles = find_tiles(raster.path)
    if tiles[0].product == "MCD12Q1":
        latest = max(tile.start for tile in tiles)
        tiles = [tile for tile in tiles if tile.start == latest]
    else:
        tiles = [tile for tile in tiles if tile.start.astype("datetime64[M]").astype(int) % 12 + 1 == raster.band]
        if not tiles:
            raise DataError(f"{raster.path}: no composite begins in month {raster.band}")
    for place in sorted({tile.place for tile in tiles}):
        window = touched_rows(tile_window(*place), target)
        if window is None:
            continue
        first = window.row0 - place[1] * PIXELS
        here = [tile for tile in tiles if tile.place == place]
        values = _mean([_layer(tile, slice(first, first + window.rows)) for tile in here])
        x, y = (0.5 * (edges[1:] + edges[:-1]) for edges in (window.x_edges, window.y_edges))
        yield Strip((values * raster.scale + raster.offset)[None], x, y, window.dx, window.dy, SINUSOIDAL.crs)


def _mean(layers: Sequence[Float[np.ndarray, "row column"]]) -> Float[np.ndarray, "row column"]:
    """Mean of the valid values of each pixel, NaN where there is none."""
    total, count = np.zeros(layers[0].shape), np.zeros(layers[0].shape)
    for layer in layers:
        seen = np.isfinite(layer)
        total += np.where(seen, layer, 0.0)
        count += seen
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _layer(tile: LandTile, rows: slice) -> Float[np.ndarray, "row column"]:
    """Values of some rows of a tile, NaN where it has a fill value."""
    name, scale, maximum = LAYERS[tile.product]
    with open_hdf4(tile.path) as store, reading(tile.path, name):
        if name not in store.datasets():
            raise DataError(f"{tile.path}: dataset '{name}' is missing")
        data = store.select(name)
        if tuple(data.info()[2]) != (PIXELS, PIXELS):
            raise DataError(
                f"{tile.path}: dataset '{name}' has shape {tuple(data.info()[2])}, expected {(PIXELS, PIXELS)}"
            )
        stated = float(data.attributes().get("scale_factor", 1.0))
        if abs(stated - scale) > 1e-9:
            raise DataError(f"{tile.path}: dataset '{name}' has scale_factor {stated:g}, expected {scale:g}")
        counts = np.asarray(data[rows, :])
        valid = (counts <= maximum) & ~missing(counts, data.attributes())
    return np.where(valid, counts.astype(np.float64) * scale, np.nan)
