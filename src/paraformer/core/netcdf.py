"""Whole netCDF files as datasets, written atomically, with Ctrl-C held back while xarray has one open.

An interrupt that comes while xarray takes the lock of the netCDF library leaves it taken; closing the file then waits
for it for ever.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import netCDF4

from paraformer.core.arrays import Arrays
from paraformer.core.conventions import WRITTEN, conventional, short
from paraformer.core.files import atomic_path
from paraformer.core.lazy import deferred

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

Engine = Literal["netcdf4", "h5netcdf"]


@contextmanager
def interrupt_later() -> Iterator[None]:
    """Let an interrupt (SIGINT) that comes inside take effect at the end; in threads, which get none, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])


def write_dataset(
    dataset: xr.Dataset, path: Path, *, engine: Engine = "netcdf4", encoding: dict[str, dict[str, Any]] | None = None
) -> None:
    """Write a netCDF-4 file atomically, by the CF conventions.

    Raises:
        RunError: if the folder is not writable or the disk is full, naming the file; the old file stays.
    """
    with interrupt_later(), atomic_path(path) as temporary:
        conventional(dataset).to_netcdf(temporary, format="NETCDF4", engine=engine, encoding=encoding)


def write_arrays(arrays: Arrays, path: Path) -> None:
    """Write a netCDF-4 file atomically, without xarray; nothing is packed or compressed.

    Raises:
        RunError: as ``write_dataset``.
    """
    with interrupt_later(), atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts({**WRITTEN, **arrays.attrs})
        for dim, length in arrays.sizes.items():
            file.createDimension(dim, length)
        for name, array in arrays.variables.items():
            values = short(array.values)
            variable = file.createVariable(name, values.dtype, array.dims)
            variable.setncatts(dict(array.attrs))
            where = [c for c in arrays.coords if c not in arrays.sizes and {*arrays[c].dims} <= {*array.dims}]
            if where and name not in arrays.coords:
                variable.coordinates = " ".join(where)
            variable[...] = values


def open_later(path: Path) -> xr.Dataset:
    """A netCDF file, read when computed with, by a library that threads may share.

    Whatever opens a file and lets go of it leaves the closing to the garbage collector, which works in any thread, that
    of zarr for one. The netCDF library crashes where two threads are in it, each at its own file; h5py takes turns.

    Raises:
        OSError, ValueError: if it is missing or no netCDF file.
    """
    with path.open("rb") as file:
        classic = file.read(3) == b"CDF"
    with interrupt_later():
        return xr.open_dataset(path, engine="scipy" if classic else "h5netcdf")


def read_dataset(path: Path, *, engine: Engine | None = None) -> xr.Dataset:
    """All of a netCDF file, loaded and closed.

    Raises:
        OSError, ValueError: if it is missing or no netCDF file.
    """
    with interrupt_later():
        return xr.load_dataset(path, engine=engine)
