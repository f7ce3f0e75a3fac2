"""What the machine refuses becomes one line, whichever library says it in whichever words; a bug stays a bug."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import netCDF4
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from paraformer.config import load_study
from paraformer.core.errors import DataError, ParaformerError, RunError, SettingsError
from paraformer.core.faults import explained, refusal
from paraformer.core.files import atomic_path, hash_path, write_text
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.data.sources.cells import open_cells
from paraformer.process.vic.domain import read_domain
from paraformer.process.vic.driver.lines import read_lines
from paraformer.search.checkpoint import load_arrays, save_arrays
from paraformer.training.checkpoint import load_checkpoint, load_description, load_tensors, save_tensors

RECOGNISED = {
    "numpy": (MemoryError("Unable to allocate 22.9 MiB for an array with shape (3000000,)"), "Unable to allocate 22.9"),
    "malloc": (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory is exhausted"),
    "torch": (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"), "memory"),
    "c++": (RuntimeError("std::bad_alloc"), "memory is exhausted"),
    "gpu": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0"), "CUDA out of memory"),
    "hdf5": (OSError("Unable to synchronously open file (memory allocation failed for chunk)"), "memory is exhausted"),
    "threads": (RuntimeError("can't start new thread"), "ulimit -u"),
    "files": (OSError(errno.EMFILE, "Too many open files", "a.nc"), "a.nc: Too many open files; raise it with 'ulimit"),
    "permission": (PermissionError(errno.EACCES, "Permission denied", b"a.nc"), "a.nc: Permission denied"),
    "disk": (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
    "network": (OSError(errno.ESTALE, "Stale file handle", Path("a.nc")), "network file system lost the file"),
    "read-only": (OSError(errno.EROFS, "Read-only file system", "a.nc"), "a.nc: Read-only file system"),
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_the_machine_s_refusals_are_one_line(name: str) -> None:
    error, words = RECOGNISED[name]
    found = explained(error)
    assert isinstance(found, RunError)
    assert words in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a.nc"),
        ValueError("operands could not be broadcast together"),
        OSError(-51, "NetCDF: Unknown file format"),
    ],
)
def test_a_bug_stays_a_bug(error: Exception) -> None:
    assert explained(error) is None
    assert refusal(error) is None


def test_errors_of_ours_stay_as_they_are_unless_memory_was_the_cause() -> None:
    def raised(cause: Exception) -> ParaformerError:
        try:
            try:
                raise cause
            except Exception as error:
                raise DataError("a.nc: not a readable netCDF file") from error
        except ParaformerError as error:
            return error

    for cause in (OSError(errno.EIO, "Input/output error"), ValueError("no")):
        ours = raised(cause)
        assert explained(ours) is ours
    found = explained(raised(MemoryError()))
    assert isinstance(found, RunError)
    assert str(found).startswith("a.nc: not a readable netCDF file: memory is exhausted")
    assert explained(SettingsError("no")) is not None


def in_child(work: Callable[[], str]) -> str:
    """What ``work`` returns, in a process of its own: limits stay there, and so do libraries that are in pieces."""
    reader, writer = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=_answer, args=(work, writer))
    child.start()
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        found = answer.read()
    child.join(60)
    return found


def _answer(work: Callable[[], str], writer: int) -> None:
    try:
        os.write(writer, work().encode())
    except BaseException as error:
        os.write(writer, f"{type(error).__name__}: {error}".encode())
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


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_cannot_grow_is_named(tmp_path: Path, name: str) -> None:
    """As with ``ulimit -f``, which needs no rights: the first 200 kB can be written, then no more."""

    def write() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        WRITERS[name](tmp_path / "result")
        return "written"

    assert in_child(write).startswith(f"RunError: {tmp_path / 'result'}: cannot write (File too large")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs the rights of root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named(small_disk: Path, name: str) -> None:
    def write() -> str:
        WRITERS[name](small_disk / "result")
        return "written"

    assert in_child(write) == f"RunError: {small_disk / 'result'}: cannot write (No space left on device)"
    assert list(small_disk.iterdir()) == []


def test_a_failure_that_is_not_the_disk_s_is_not_blamed_on_it(tmp_path: Path) -> None:
    def write(error: Exception) -> None:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise error from PermissionError(errno.EACCES, "Permission denied", "other.nc")

    with pytest.raises(DataError, match=r"^other: no such variable"):
        write(DataError("other: no such variable"))
    with pytest.raises(RunError, match=r"a: cannot write \(other.nc: Permission denied"):
        write(ValueError("no"))

    with pytest.raises(KeyError), atomic_path(tmp_path / "a"):
        raise KeyError("a bug")
    assert list(tmp_path.iterdir()) == []


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


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A file that its owner forbids everybody to read, in a folder that all may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_text("secret")
        path.chmod(0)
        path.parent.chmod(0o755)
        yield path


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_may_not_be_read_is_named_and_nothing_else_is_blamed(unreadable: Path, name: str) -> None:
    def read() -> str:
        if os.geteuid() == 0:  # whom nothing is forbidden
            os.setuid(65534)
        try:
            READERS[name](unreadable)
        except Exception as error:
            return str(explained(error))
        return "read"

    found = in_child(read)
    assert str(unreadable) in found
    assert "Permission denied" in found
    assert "No such file" not in found
    assert "remove" not in found


def test_exhausted_memory_is_not_an_unknown_file_format(tmp_path: Path) -> None:
    """netCDF says so of any file that it has no memory for."""
    path = tmp_path / "a.nc"
    write_dataset(xr.Dataset({"a": ("x", VALUES)}), path)

    def read() -> str:
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

    found = in_child(read)
    assert "Unknown file format" in found
    assert "is memory is exhausted ([Errno -51] NetCDF: Unknown file format" in found
    assert "chunk_cells" in found
