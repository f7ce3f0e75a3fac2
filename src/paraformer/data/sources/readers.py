"""Which reader reads which product, for ``products``, which puts forcing and soil moisture together.

A new product is a class of settings (``config.ForcingProduct``, ``config.MoistureProduct``), a reader, and its lines
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from paraformer.core.grid import Raster, ease2_global
from paraformer.core.log import Progress
from paraformer.core.time import Period
from paraformer.data.sources import cci, daymet, era5_land, nldas
from paraformer.data.sources.basins import basin_blocks, find_gauges
from paraformer.data.sources.cci import find_cci, open_cci
from paraformer.data.sources.config import ForcingProduct, MoistureProduct, NldasConfig, SmapConfig
from paraformer.data.sources.daymet import daymet_blocks, find_daymet
from paraformer.data.sources.era5_land import era5_land_blocks, find_era5_land
from paraformer.data.sources.forcing_config import DaymetConfig, Era5LandConfig
from paraformer.data.sources.moisture_config import CciConfig
from paraformer.data.sources.moisture_netcdf import find_moisture, open_moisture_netcdf
from paraformer.data.sources.moisture_series import MoistureSeries
from paraformer.data.sources.nldas import find_nldas, nldas_blocks
from paraformer.data.sources.region import Region
from paraformer.data.sources.smap import SmapSeries, find_smap, open_smap

GRIDS: dict[str, Raster] = {
    "ease2_36km": ease2_global(36),
    "ease2_9km": ease2_global(9),
    "nldas": nldas.GRID,
    "era5_land": era5_land.GRID,
    "cci": cci.GRID,
}
"""By the name of ``ProductsConfig.grid``."""

_HOUR = np.timedelta64(1, "h")


def forcing_blocks(config: ForcingProduct, progress: Progress | None = None) -> Iterator[xr.Dataset]:
    """Forcing of a product as blocks of the simple format that follow each other in time.

    Raises:
        DataError: as the product's reader.
    """
    if isinstance(config, NldasConfig):
        return nldas_blocks(config, progress)
    if isinstance(config, Era5LandConfig):
        return era5_land_blocks(config, progress)
    if isinstance(config, DaymetConfig):
        return daymet_blocks(config, progress)
    return basin_blocks(config, progress)


def forcing_files(config: ForcingProduct) -> Callable[[Period], list[Path]]:
    """What gives the files that hold something of a part of the period; the folder is searched once.

    Raises:
        DataError: as the product's reader, as far as names and headers show.
    """
    if isinstance(config, NldasConfig):
        hours = find_nldas(config)

        def of_hours(period: Period) -> list[Path]:
            first, last = _hours(period)
            return [path for stamp, path in sorted(hours.items()) if first <= stamp <= last]

        return of_hours
    if isinstance(config, Era5LandConfig | DaymetConfig):
        fields = find_era5_land(config) if isinstance(config, Era5LandConfig) else find_daymet(config)
        return lambda period: fields.files(*_hours(period))
    paths = [*(gauge.path for gauge in find_gauges(config)), *config.places]
    return lambda period: paths


def _hours(period: Period) -> tuple[np.datetime64, np.datetime64]:
    """First and last hour that the days of a period are made of."""
    return np.datetime64(period.start, "h"), np.datetime64(period.end, "h") + 24 * _HOUR


def forcing_raster(config: ForcingProduct) -> Raster:
    """The part of the product's grid that its cells lie in; basins have none.

    Raises:
        DataError: no cell of the grid in the region.
    """
    if isinstance(config, NldasConfig):
        return nldas.GRID
    if isinstance(config, Era5LandConfig):
        return _around(era5_land.GRID, config.region)
    return daymet.around(config.region)


def open_moisture(
    config: MoistureProduct, folder: Path | None, progress: Progress | None = None
) -> SmapSeries | MoistureSeries:
    """Soil moisture of a product, read once.

    Raises:
        DataError, RunError: as the product's reader.
    """
    if isinstance(config, SmapConfig):
        return open_smap(config, folder, progress)
    if isinstance(config, CciConfig):
        return open_cci(config, folder, progress)
    return open_moisture_netcdf(config, folder, progress)


def moisture_files(config: MoistureProduct) -> list[Path]:
    """The files that ``open_moisture`` would read; raises DataError as far as names and headers show what is wrong."""
    if isinstance(config, SmapConfig):
        return [file.path for file in find_smap(config)[0]]
    if isinstance(config, CciConfig):
        return [file.path for file in find_cci(config)[0]]
    return find_moisture(config).files(np.datetime64(config.period.start), np.datetime64(config.period.end))


def moisture_raster(config: MoistureProduct, series: SmapSeries | MoistureSeries) -> Raster:
    """The grid, or the part of it around the region, that the cells of a series lie in."""
    if isinstance(series, MoistureSeries):
        return _around(series.grid, config.region)
    return GRIDS["ease2_36km" if config.product == "SPL3SMP" else "ease2_9km"]


def _around(grid: Raster, region: Region) -> Raster:
    """The window of a raster of latitude and longitude with every cell of a region, and one more on each side."""
    rows, columns = grid.box(region.south, region.north, region.west, region.east)
    wider = [slice(max(part.start - 1, 0), part.stop + 1) for part in (rows, columns)]
    return grid.window(*wider)
