"""From folders of granules to one store of the simple format: NLDAS-2, SMAP and tables on the cells of one grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.files import hash_json, hash_path
from paraformer.core.grid import Raster, ease2_global
from paraformer.core.log import Progress
from paraformer.data.regrid import NoCell, Remapping
from paraformer.data.sources import nldas
from paraformer.data.sources.blocks import combine, write_blocks
from paraformer.data.sources.config import ProductsConfig
from paraformer.data.sources.land_maps import land_attributes, land_key, land_source
from paraformer.data.sources.modis import find_modis, monthly_climatology, read_modis, sum_over
from paraformer.data.sources.nldas import find_nldas, nldas_blocks
from paraformer.data.sources.pieces import kept_blocks
from paraformer.data.sources.smap import find_smap, open_smap
from paraformer.data.sources.tables import add_attributes

_EASE2 = {"ease2_36km": 36, "ease2_9km": 9}
OWN_GRID = {"SPL3SMP": "ease2_36km", "SPL3SMP_E": "ease2_9km"}
"""Grid of each product of soil moisture."""


def grid_of(name: str) -> Raster:
    """The raster of a name of ``ProductsConfig.grid``."""
    return nldas.GRID if name == "nldas" else ease2_global(9 if _EASE2[name] == 9 else 36)


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
    files = list(find_nldas(config.forcing).values()) + [file.path for file in find_smap(config.observation)[0]]
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
    target = target_of(config)
    series = open_smap(config.observation, folder, progress)
    placed = Placed(OWN_GRID[config.observation.product], config, target)
    reference = _evapotranspiration(config, target, progress)
    for block in _forcing(config, target, progress):
        days = block["time"].values[[0, -1]].astype("datetime64[D]")
        joined = combine(block, placed(series.dataset(*days)))
        joined.attrs["quality"] = series.attrs["quality"]
        joined.attrs["title"] = f"{series.attrs['title']}; {block.attrs['title']}"
        for table in config.attributes:
            joined = add_attributes(joined, table)
        if reference is not None:
            joined = _compared(joined, reference)
        yield joined if land is None else _mapped(config, joined, land)
        del block, joined  # not two at a time


def _forcing(config: ProductsConfig, target: Raster, progress: Progress | None) -> Iterator[xr.Dataset]:
    """Blocks of forcing on the target, kept months among them."""
    if config.cache is not None:
        return kept_blocks(config, target, lambda: Placed("nldas", config, target), progress)
    placed = Placed("nldas", config, target)
    return (placed(block) for block in nldas_blocks(config.forcing, progress))


def _evapotranspiration(config: ProductsConfig, target: Raster, progress: Progress | None) -> xr.Dataset | None:
    """Monthly climatology of MOD16 on the target, if the study has it."""
    if config.evapotranspiration is None:
        return None
    composites = read_modis(config.evapotranspiration, target, progress)
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
    """Puts datasets of one grid on the target: its own cells where it has that grid, regridded where it has not."""

    def __init__(self, own_grid: str, config: ProductsConfig, target: Raster) -> None:
        self._own_grid, self._config, self._target = own_grid, config, target
        self._remapping: Remapping | None = None

    def __call__(self, dataset: xr.Dataset) -> xr.Dataset:
        if self._own_grid != self._config.grid:
            if self._remapping is None:
                self._remapping = Remapping(dataset, grid_of(self._own_grid), self._target, self._config.regrid)
            return self._remapping(dataset)
        inside = self._target.index(dataset["lat"].values, dataset["lon"].values)[0] >= 0
        if not inside.any():
            source = dataset.attrs.get("title", self._own_grid)
            raise NoCell(f"{self._target.name}: no cell of the region has data ({source})")
        return dataset.isel(cell=inside)
