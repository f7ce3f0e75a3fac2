"""Datasets of the simple format (``docs/input_format.md``), built in memory or streamed to a store block by block."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Float, Int

from paraformer.core.conventions import axes, conventional, described
from paraformer.core.errors import DataError
from paraformer.core.files import atomic_path
from paraformer.core.variables import VOCABULARY


def simple_dataset(
    cells: Int[np.ndarray, " cell"],
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    time: np.ndarray,
    variables: Mapping[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """A dataset of the simple format; units and names of the vocabulary are filled in.

    Args:
        cells: identifiers.
        lat, lon: cell centres [degree].
        time: UTC days or steps [datetime64] of the axis ``time``.
        variables: dims, values and attributes by name.
        attrs: title, source, references and the like.
    """
    data: dict[str, Any] = {}
    for name, (dims, values, given) in variables.items():
        known = VOCABULARY.get(name)
        data[name] = (dims, values, (described(known) if known else {}) | given)
    coords = axes(np.asarray(cells, np.int64), lat, lon, time, time_name="UTC")
    return conventional(xr.Dataset(data, coords, attrs)).reset_coords(["lat", "lon"])


def join_blocks(blocks: Iterable[xr.Dataset]) -> xr.Dataset:
    """Blocks that follow each other in time as one dataset in memory.

    Raises:
        DataError: there is no block.
    """
    parts = list(blocks)
    if not parts:
        raise DataError("no block of data to join")
    series = [str(name) for name, value in parts[0].variables.items() if "time" in value.dims and name != "time"]
    joined = xr.concat(
        [part[series] for part in parts], dim="time", data_vars="all", join="exact", combine_attrs="override"
    )
    return parts[0].drop_dims("time").merge(joined).assign_attrs(parts[0].attrs)


def combine(forcing: xr.Dataset, *others: xr.Dataset) -> xr.Dataset:
    """Forcing with the observations and static variables of other datasets on the same cells.

    Kept are the cells that all have, in the order of the forcing. The time axis is that of the forcing; daily series of
    the others go to the first step of their day, and days that they lack have no observation.

    Raises:
        DataError: no cell is common, a cell lies elsewhere in another dataset, or a variable is there twice.
    """
    cells = forcing["cell"].values
    for other in others:
        cells = cells[np.isin(cells, other["cell"].values)]
    if not cells.size:
        raise DataError("the datasets to combine have no cell in common")
    joined = forcing.sel(cell=cells)
    for other in others:
        part = other.sel(cell=cells)
        for name in ("lat", "lon"):
            apart = np.abs(part[name].values - joined[name].values)
            if (apart > 1e-6).any():
                raise DataError(f"cell {cells[int(np.argmax(apart))]} has another {name} in the data to combine with")
        part = part.drop_vars(["lat", "lon", "land_share"], errors="ignore")
        twice = sorted(str(name) for name in part.data_vars if name in joined)
        if twice:
            raise DataError(f"variable '{twice[0]}' is in two of the datasets to combine")
        joined = joined.merge(part.reindex(time=joined["time"]), combine_attrs="override")
        for name in ("source", "references"):
            said = [str(attrs[name]) for attrs in (joined.attrs, other.attrs) if name in attrs]
            joined.attrs[name] = "; ".join(dict.fromkeys(said))
    return joined


def write_blocks(blocks: Iterable[xr.Dataset], path: str | Path, *, chunk_cells: int = 1024) -> None:
    """Write blocks that follow each other in time to one zarr store, holding one block at a time.

    Args:
        path: the store; an old one is replaced when the new one is whole.
        chunk_cells: cells of a chunk; a chunk holds the days of one block.

    Raises:
        DataError: there is no block, or the blocks differ in their cells.
        RunError: the store cannot be written.
    """
    cells: np.ndarray | None = None
    path = Path(path)
    with atomic_path(path) as temporary:
        shutil.rmtree(temporary, ignore_errors=True)
        for block in blocks:
            if cells is None:
                cells = block["cell"].values
                block.to_zarr(
                    temporary,
                    mode="w",
                    consolidated=False,
                    zarr_format=3,
                    encoding=_chunks(block, chunk_cells),
                    write_empty_chunks=True,  # so that a missing one is a lost one (decision 0028)
                )
                del block  # not two at a time
                continue
            if not np.array_equal(block["cell"].values, cells):
                raise DataError(f"{path}: the block from {block['time'].values[0]} has other cells than the first one")
            series = [name for name, value in block.variables.items() if "time" in value.dims]
            block[series].drop_vars("cell").to_zarr(
                temporary,
                append_dim="time",
                consolidated=False,
                zarr_format=3,
                align_chunks=True,
                write_empty_chunks=True,
            )
            del block
        if cells is None:
            raise DataError(f"{path}: no block of data to write")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(zarr.storage.LocalStore(temporary))
        if path.exists():
            shutil.rmtree(path)


def _chunks(block: xr.Dataset, chunk_cells: int) -> dict[str, dict[str, Any]]:
    sizes = {"cell": chunk_cells, "time": block.sizes["time"]}
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"chunks": tuple(min(sizes.get(str(d), block.sizes[d]), block.sizes[d]) for d in value.dims)}
        for name, value in block.data_vars.items()
    }
    first = str(block["time"].values[0])[:10]
    encoding["time"] = {"units": f"minutes since {first}", "calendar": "proleptic_gregorian", "dtype": "int32"}
    return encoding
