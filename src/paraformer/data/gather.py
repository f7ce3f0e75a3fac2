"""Sources other than a file of the simple format: brought into it, in one store in the run directory."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.files import hash_json, hash_path
from paraformer.core.log import Progress
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.data.config import DataConfig
from paraformer.data.sources.blocks import write_blocks
from paraformer.data.sources.hydrodl import open_base, read_hydrodl
from paraformer.data.sources.land_maps import read_land
from paraformer.data.sources.products import products_key, target_of, write_products

STORE, MAPS = "inputs.zarr", "land.nc"


def gather(config: DataConfig, directory: Path, progress: Progress | None = None) -> Path | None:
    """Write the source's data as ``inputs.zarr`` into ``directory``; ``None`` if the source is a file already.

    Maps of soil and land cover go to ``land.nc`` beside it, for a-priori parameters.

    Raises:
        DataError: as the source's reader.
        RunError: if the store cannot be written.
    """
    store = directory / STORE
    if config.products is not None:
        land = None
        if config.products.land is not None:
            land = read_land(config.products.land, target_of(config.products))
            write_dataset(land, directory / MAPS)
        write_products(config.products, store, progress, land)
    elif config.hydrodl is not None:
        write_blocks([read_hydrodl(config.hydrodl)], store)
    else:
        return None
    return store


def open_maps(directory: Path) -> xr.Dataset:
    """The maps that ``gather`` wrote.

    Raises:
        DataError: there are none.
    """
    path = directory / MAPS
    if not path.is_file():
        raise DataError(f"{path}: no maps of soil and land cover; the study has no data.products.land")
    return read_dataset(path, engine="netcdf4")


def source_hash(config: DataConfig) -> str:
    """Hash of all that the source reads: content of files; of granules, which are many and large, names and sizes.

    Raises:
        DataError: if a folder or file is missing.
    """
    if config.products is not None:
        return products_key(config.products)
    if config.hydrodl is not None:
        open_base(config.hydrodl)
        folder = config.hydrodl.folder
        files = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        return hash_json({"settings": config.hydrodl.model_dump(mode="json"), "files": files})
    return "" if config.path is None else hash_path(config.path)
