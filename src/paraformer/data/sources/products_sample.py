"""A part of the granules of a study that can be read in a minute, brought to the study's cells as all of them are.

Forcing is that of three days of the period, soil moisture that of 16 granules, evapotranspiration that of 4 tiles, maps
those of a block of 4 x 4 cells; tables are read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.data.regrid import NoCell
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import NldasConfig, ProductsConfig, SmapConfig
from paraformer.data.sources.granules import evenly
from paraformer.data.sources.land_config import LandConfig
from paraformer.data.sources.land_maps import land_attributes, read_land
from paraformer.data.sources.modis import sample_modis
from paraformer.data.sources.nldas import GRID, sample_nldas
from paraformer.data.sources.products import Placed, target_of
from paraformer.data.sources.readers import moisture_raster
from paraformer.data.sources.smap import SmapSeries, sample_smap
from paraformer.data.sources.tables import add_attributes

DAYS, GRANULES, TILES, SIDE = 3, 16, 4, 4


class Sample(NamedTuple):
    """What was read.

    Attributes:
        forcing: the seven forcings and ``sm_smap (cell, time)`` of single days, on all cells with forcing.
        known: the first of them with all attributes, on cells that the study will have; ``None`` if none was seen.
        said: lines that say what was read.
    """

    forcing: list[xr.Dataset]
    known: xr.Dataset | None
    said: tuple[str, ...]


def sample_products(
    config: ProductsConfig,
    forcing: NldasConfig,
    moisture: SmapConfig,
    folder: Path,
    progress: Progress | None = None,
) -> Sample:
    """Read a part of every product.

    Args:
        config: the products.
        forcing, moisture: those of them that are sampled.
        folder: for temporary files.

    Raises:
        DataError: as ``write_products``, but for what only the other granules hold.
    """
    target, period = target_of(config), forcing.period
    series, read, there = sample_smap(moisture, GRANULES, folder, progress)
    days = np.arange(np.datetime64(period.start, "D"), np.datetime64(period.end, "D") + 1)
    days = days[evenly(len(days), DAYS)]
    said = [
        f"forcing: the hours of {', '.join(map(str, days))} read; names and lengths of the files of all hours",
        f"soil moisture: {read} of {there} granules read",
    ]
    blocks = list(_forcing(config, forcing, target, days))
    known = blocks[0].isel(cell=np.isin(blocks[0]["cell"].values, _observed(config, target, series)))
    if config.evapotranspiration is not None:
        tiles = sample_modis(config.evapotranspiration, target, TILES)
        said.append(f"evapotranspiration: {tiles[0]} of {tiles[1]} tiles read")
    if config.land is not None:
        known, window = _mapped(config.land, known, target)
        said.append(
            f"maps: read on {window.rows} x {window.columns} cells, {known.sizes['cell']} of which have all data"
        )
    if known.sizes["cell"]:
        for table in config.attributes:
            known = add_attributes(known, table)
    else:
        said.append("no cell of the part that was read has all data: attributes and files of the model are not proved")
    return Sample(blocks, known if known.sizes["cell"] else None, tuple(said))


def _forcing(config: ProductsConfig, forcing: NldasConfig, target: Raster, days: np.ndarray) -> Iterator[xr.Dataset]:
    """Single days of forcing on the target, without an observation."""
    placed = Placed(GRID, config, target)
    for block in sample_nldas(forcing, days):
        found = placed(block)
        nothing = np.full((found.sizes["cell"], found.sizes["time"]), np.nan, np.float32)
        cells, lat, lon, time = (found[name].values for name in ("cell", "lat", "lon", "time"))
        observed = simple_dataset(cells, lat, lon, time, {"sm_smap": (("cell", "time"), nothing, {})}, {})
        yield found.assign(sm_smap=observed["sm_smap"])


def _observed(config: ProductsConfig, target: Raster, series: SmapSeries) -> np.ndarray:
    """Cells of the target that the granules read so far observe."""
    if not len(series.cells):
        return series.cells
    placed = Placed(moisture_raster(config.observation, series), config, target)
    try:
        return np.asarray(placed(series.dataset(series.days[0], series.days[0]))["cell"].values)
    except NoCell:  # of these granules: the others may see some
        return series.cells[:0]


def _mapped(config: LandConfig, known: xr.Dataset, target: Raster) -> tuple[xr.Dataset, Raster]:
    """The cells of a block round the middle one that are mapped, with the attributes of the maps, and the block."""
    row, column = target.rows // 2, target.columns // 2
    if known.sizes["cell"]:
        middle = known["cell"].values[known.sizes["cell"] // 2]
        row, column = divmod(int(target.positions(np.array([middle]))[0]), target.columns)
    window = target.window(*(slice(max(at - SIDE // 2, 0), max(at - SIDE // 2, 0) + SIDE) for at in (row, column)))
    try:
        land = read_land(config, window)
    except NoCell:  # of these maps: there may be others elsewhere
        return known.isel(cell=[]), window
    found = known.isel(cell=np.isin(known["cell"].values, land["cell"].values))
    if not found.sizes["cell"]:
        return found, window
    return found.assign(land_attributes(config, land.sel(cell=found["cell"].values))), window
