"""From folders of files to one store of the simple format: forcing, soil moisture and tables on one set of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.files import hash_json, hash_path
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.data.regrid import NoCell, Remapping
from paraformer.data.sources.blocks import combine, write_blocks
from paraformer.data.sources.config import NldasConfig, ProductsConfig
from paraformer.data.sources.estimates import Completion
from paraformer.data.sources.land_maps import land_attributes, land_key, land_source
from paraformer.data.sources.modis import find_modis, monthly_climatology, read_modis, sum_over
from paraformer.data.sources.pieces import kept_blocks
from paraformer.data.sources.readers import (
    GRIDS,
    forcing_blocks,
    forcing_files,
    forcing_raster,
    moisture_files,
    moisture_raster,
    open_moisture,
)
from paraformer.data.sources.tables import add_attributes

Placing = Callable[[xr.Dataset], xr.Dataset]
"""Puts datasets of one product, one after the other, on the cells of the study."""


def grid_of(name: str) -> Raster:
    """The raster of a name of ``ProductsConfig.grid``."""
    return GRIDS[name]


def target_of(config: ProductsConfig) -> Raster:
    """The study's grid in its region."""
    grid, region = grid_of(config.grid), config.region
    return grid.window(*grid.box(region.south, region.north, region.west, region.east))


def write_products(
    config: ProductsConfig, path: Path, progress: Progress | None = None, land: xr.Dataset | None = None
) -> None:
    """Write the store; forcing and observations are held one block at a time.

    Cells are those of the grid in the region with forcing, at least one observation and, if there are any, maps.

    Args:
        land: the maps on the target (``land_maps.read_land``), for the attributes that they give.

    Raises:
        DataError: as the readers, ``remap``, ``combine`` and ``add_attributes``.
        RunError: the store cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_blocks(_blocks(config, path.parent, progress, land), path)


def products_key(config: ProductsConfig) -> str:
    """Hash of the settings and of the names and sizes of every granule they take, and of the tables' content.

    Granules are not read for it: a year of hourly files would take longer to hash than to use.
    """
    files = forcing_files(config.forcing)(config.forcing.period) + moisture_files(config.observation)
    if config.evapotranspiration is not None:
        files += [file.path for file in find_modis(config.evapotranspiration)[0]]
    granules = sorted((path.name, path.stat().st_size) for path in files)
    for table in config.attributes:
        if not table.path.is_file():
            raise DataError(f"{table.path}: file does not exist")
    without: dict[str, Any] = {"cache": True, "regrid": {"cache"}, "evapotranspiration": {"cache"}}
    settings = config.model_dump(mode="json", exclude=without, exclude_none=True)
    tables = [hash_path(table.path) for table in config.attributes]
    maps = {} if config.land is None else {"land": land_key(config.land)}
    return hash_json({"settings": settings, "granules": granules, "tables": tables, **maps})


def _blocks(
    config: ProductsConfig, folder: Path, progress: Progress | None, land: xr.Dataset | None
) -> Iterator[xr.Dataset]:
    series = open_moisture(config.observation, folder, progress)
    raster = moisture_raster(config.observation, series)
    placed: Placing | None = None
    reference = _evapotranspiration(config, progress)
    complete = None if isinstance(config.forcing, NldasConfig) else Completion(config.forcing)
    for block in _forcing(config, progress):
        placed = placed or _placing(config, raster, block)
        days = block["time"].values[[0, -1]].astype("datetime64[D]")
        joined = combine(block, placed(series.dataset(*days)))
        joined.attrs["quality"] = series.attrs["quality"]
        joined.attrs["title"] = f"{series.attrs['title']}; {block.attrs['title']}"
        for table in config.attributes:
            joined = add_attributes(joined, table)
        if reference is not None:
            joined = _compared(joined, reference)
        joined = joined if land is None else _mapped(config, joined, land)
        yield joined if complete is None else complete(joined)
        del block, joined  # not two at a time


def _placing(config: ProductsConfig, raster: Raster, block: xr.Dataset) -> Placing:
    """How soil moisture on a raster comes to the cells of a block of forcing."""
    if config.grid == "gauges":
        return _AtGauges(raster, block)
    return Placed(raster, config, target_of(config))


def _forcing(config: ProductsConfig, progress: Progress | None) -> Iterator[xr.Dataset]:
    """Blocks of forcing on the cells of the study, kept months among them."""
    if config.grid == "gauges":
        return forcing_blocks(config.forcing, progress)
    target, raster = target_of(config), forcing_raster(config.forcing)
    if config.cache is not None:
        return kept_blocks(config, target, lambda: Placed(raster, config, target), progress)
    placed = Placed(raster, config, target)
    return (placed(block) for block in forcing_blocks(config.forcing, progress))


def _evapotranspiration(config: ProductsConfig, progress: Progress | None) -> xr.Dataset | None:
    """Monthly climatology of MOD16 on the target, if the study has it."""
    if config.evapotranspiration is None:
        return None
    composites = read_modis(config.evapotranspiration, target_of(config), progress)
    return monthly_climatology(sum_over(composites, "month")).to_dataset().assign_attrs(composites.attrs)


def _compared(joined: xr.Dataset, reference: xr.Dataset) -> xr.Dataset:
    """A block with the reference of its cells, NaN where there is none."""
    added = joined.merge(reference.reindex(cell=joined["cell"].values), combine_attrs="override")
    for name in ("source", "references"):
        added.attrs[name] = f"{joined.attrs[name]}; {reference.attrs[name]}"
    return added


def _mapped(config: ProductsConfig, joined: xr.Dataset, land: xr.Dataset) -> xr.Dataset:
    """The cells of a block that are mapped, with the attributes of the maps."""
    assert config.land is not None
    cells = joined["cell"].values[np.isin(joined["cell"].values, land["cell"].values)]
    if not cells.size:
        raise DataError("no cell with forcing and observations has maps of soil, cover and terrain")
    attributes = land_attributes(config.land, land.sel(cell=cells))
    for name in attributes:
        if name in joined:
            raise DataError(f"attribute '{name}' is in a table and in the maps")
    mapped = joined.sel(cell=cells).assign(attributes)
    mapped.attrs["source"] += f"; {land_source(config.land)}"
    return mapped


class Placed:
    """Puts datasets of one grid on the target: its own cells where it has that grid, regridded where it has not.

    Args:
        raster: the grid of the datasets, or the part of it that they lie in.
    """

    def __init__(self, raster: Raster, config: ProductsConfig, target: Raster) -> None:
        self._raster, self._config, self._target = raster, config, target
        self._remapping: Remapping | None = None

    def __call__(self, dataset: xr.Dataset) -> xr.Dataset:
        if _lattice(self._raster) != _lattice(self._target):
            if self._remapping is None:
                self._remapping = Remapping(dataset, self._raster, self._target, self._config.regrid)
            return self._remapping(dataset)
        inside = self._target.index(dataset["lat"].values, dataset["lon"].values)[0] >= 0
        if not inside.any():
            source = dataset.attrs.get("title", self._raster.name)
            raise NoCell(f"{self._target.name}: no cell of the region has data ({source})")
        return dataset.isel(cell=inside)


def _lattice(raster: Raster) -> tuple[object, ...]:
    """What the identifiers of a raster's cells depend on, whatever part of it this is."""
    return raster.crs, raster.x0, raster.y0, raster.dx, raster.dy, raster.whole_columns or raster.columns


class _AtGauges:
    """The cells of a raster that hold the gauges of a block of forcing.

    Raises:
        DataError: at a gauge, that the raster has no cell there.
    """

    def __init__(self, raster: Raster, block: xr.Dataset) -> None:
        self._gauges = block[["lat", "lon"]]
        row, column = raster.index(block["lat"].values, block["lon"].values)
        if (row < 0).any():
            at = int(np.argmax(row < 0))
            lat, lon = (float(block[name].values[at]) for name in ("lat", "lon"))
            raise DataError(
                f"{raster.name}: no cell at the gauge of cell {block['cell'].values[at]} (lat {lat:.6g}, lon {lon:.7g})"
            )
        self._cells = raster.identifiers(row, column)

    def __call__(self, dataset: xr.Dataset) -> xr.Dataset:
        there = np.isin(self._cells, dataset["cell"].values)
        if not there.any():
            raise DataError(f"no gauge lies in a cell with data ({dataset.attrs.get('title', '')})")
        found = dataset.sel(cell=self._cells[there]).drop_vars(["lat", "lon"])
        gauges = self._gauges.isel(cell=there)
        return found.assign_coords(cell=gauges["cell"].values).assign({n: gauges[n] for n in ("lat", "lon")})
