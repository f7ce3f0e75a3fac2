"""Work of the tests that needs a process of its own: limits, kills and libraries left in pieces stay there.

The process is a fork of a server that has no threads. A fork of the process of the tests, where torch and zarr have
threads, may wait for ever for a lock that no thread of its own holds.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import netCDF4
import numpy as np
import pandas as pd
import torch
import xarray as xr
from zarr.storage import _local as local

from paraformer.config import load_study
from paraformer.core.errors import RunError
from paraformer.core.faults import explained
from paraformer.core.files import atomic_path, hash_path, write_text
from paraformer.core.netcdf import open_later, read_dataset, write_dataset
from paraformer.core.run import Run
from paraformer.data.sources.cells import open_cells
from paraformer.process.vic.domain import read_domain
from paraformer.process.vic.driver.lines import read_lines
from paraformer.search.checkpoint import load_arrays, save_arrays
from paraformer.training.checkpoint import load_checkpoint, load_description, load_tensors, save_tensors

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["matplotlib.pyplot", "netCDF4", "pandas", "torch", "xarray", "paraformer.config"])


def in_child(work: Callable[..., str], *args: Any) -> str:
    """What ``work``, a function of a module, returns; the error it raises, in words; or the signal that ended it."""
    here, there = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_answer, args=(there, work, args), daemon=True)
    child.start()
    there.close()
    try:
        found = str(here.recv())
    except EOFError:
        child.join()
        return f"ended by {signal.Signals(-(child.exitcode or 0)).name}"
    child.join()
    return found


def _answer(there: Connection, work: Callable[..., str], args: tuple[Any, ...]) -> None:
    try:
        there.send(work(*args))
    except BaseException as error:
        there.send(f"{type(error).__name__}: {error}")
        os._exit(1)  # while the error holds the file that failed: closing it again may crash
    os._exit(0)


VALUES = np.random.default_rng(0).random(300_000)


def _classic(path: Path) -> None:
    with atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.createDimension("x", len(VALUES))
        dataset.createVariable("a", "f8", ("x",))[:] = VALUES


def _figure(path: Path) -> None:
    with atomic_path(path) as temporary:
        plt.imsave(temporary, np.tile(VALUES.reshape(500, 600), (4, 4)), format="png")


def _store(path: Path) -> None:
    with atomic_path(path) as temporary:
        xr.Dataset({"a": ("x", VALUES)}).to_zarr(temporary, consolidated=False)


def _torch(path: Path) -> None:
    with atomic_path(path) as temporary:
        torch.save({"a": torch.from_numpy(VALUES)}, temporary)


def _table(path: Path) -> None:
    with atomic_path(path) as temporary:
        pd.DataFrame({"a": VALUES}).to_csv(temporary)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "netCDF-4": lambda path: write_dataset(xr.Dataset({"a": ("x", VALUES)}), path),
    "h5netcdf": lambda path: write_dataset(xr.Dataset({"a": ("x", VALUES)}), path, engine="h5netcdf"),
    "netCDF-3": _classic,
    "zarr": _store,
    "torch": _torch,
    "safetensors of torch": lambda path: save_tensors(path, {"a": torch.from_numpy(VALUES)}),
    "safetensors of numpy": lambda path: save_arrays(path, {"a": VALUES}, {}),
    "text": lambda path: write_text(path, "x" * 3_000_000),
    "csv": _table,
    "figure": _figure,
}


def write(name: str, path: Path, limit: int | None = None) -> str:
    """Write a file that may not grow beyond ``limit`` bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    WRITERS[name](path)
    return "written"


def zarr_s_slow_chunks(path: Path) -> str:
    """A store of which the first chunk finds the disk full, while others are still on their way to it."""
    put, slow, ended = local._put, threading.Event(), threading.Semaphore(0)

    def late(file: Path, value: Any, exclusive: bool = False) -> int:
        if file.parts[-2] != "c":
            return put(file, value, exclusive)
        if file.name == "0":
            assert slow.wait(60)
            raise OSError(errno.ENOSPC, "No space left on device")
        slow.set()
        time.sleep(0.3)
        written = put(file, value, exclusive)
        ended.release()
        return written

    local._put = late
    try:
        with atomic_path(path) as temporary:
            xr.Dataset({"a": ("x", VALUES[:4])}).to_zarr(temporary, encoding={"a": {"chunks": (1,)}})
    except RunError as error:
        for _ in range(3):
            assert ended.acquire(timeout=60)
        return str(error)
    return "written"


def read_in_two_threads(path: Path) -> str:
    """One opens a file and lets go of it, the other reads it by the netCDF library."""

    def let_go() -> None:
        for _ in range(150):
            assert open_later(path)["a"].values.size

    def read() -> None:
        while other.is_alive():
            with netCDF4.Dataset(path) as file:
                assert file["a"][:].size

    write_dataset(xr.Dataset({"a": ("x", VALUES[:2000])}), path)
    other = threading.Thread(target=let_go)
    other.start()
    read()
    other.join()
    return "alive"


def killed_while_writing(path: Path) -> str:
    with atomic_path(path) as temporary:
        temporary.write_text("new, half")
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def reuse_a_stage(directory: Path) -> str:
    def never(path: Path) -> int:
        raise AssertionError(f"{path} is made again")

    with Run(directory) as run:
        run.stage("simulate", settings={"a": 1}, inputs={"x": "1"}, work=never)
    return "reused"


READERS: dict[str, Callable[[Path], Any]] = {
    "weights": load_tensors,
    "search": lambda path: load_arrays(path, {}),
    "checkpoint": lambda path: load_checkpoint(path, {}),
    "description": load_description,
    "study": load_study,
    "inputs": open_cells,
    "parameters": read_domain,
    "global parameter file": read_lines,
    "hash": hash_path,
}


def read_as_nobody(name: str, path: Path) -> str:
    if os.geteuid() == 0:  # whom nothing is forbidden
        os.setuid(65534)
    try:
        READERS[name](path)
    except Exception as error:
        return str(explained(error))
    return "read"


def read_without_memory(path: Path) -> str:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, resource.RLIM_INFINITY))
    held = []
    for size in (2**20, 2**16):
        try:
            while True:
                held.append(bytes(size))
        except MemoryError:
            pass
    try:
        read_dataset(path)
    except Exception as error:
        return f"{error!r} is {explained(error)}"
    return "read"
