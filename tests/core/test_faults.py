"""What the machine refuses becomes one line, whichever library says it in whichever words; a bug stays a bug."""

from __future__ import annotations

import errno
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import xarray as xr

from core.own_process import (
    READERS,
    VALUES,
    WRITERS,
    in_child,
    read_as_nobody,
    read_without_memory,
    write,
    zarr_s_slow_chunks,
)
from paraformer.core.errors import DataError, ParaformerError, RunError, SettingsError
from paraformer.core.faults import explained, refusal
from paraformer.core.files import atomic_path
from paraformer.core.netcdf import write_dataset

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


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_cannot_grow_is_named(tmp_path: Path, name: str) -> None:
    """As with ``ulimit -f``, which needs no rights: the first 200 kB can be written, then no more."""
    assert in_child(write, name, tmp_path / "result", 200_000).startswith(
        f"RunError: {tmp_path / 'result'}: cannot write (File too large"
    )
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
    assert (
        in_child(write, name, small_disk / "result")
        == f"RunError: {small_disk / 'result'}: cannot write (No space left on device)"
    )
    assert list(small_disk.iterdir()) == []


def test_what_zarr_still_writes_after_an_error_is_waited_for(tmp_path: Path) -> None:
    """No late chunk makes the folder anew, however long it takes."""
    assert in_child(zarr_s_slow_chunks, tmp_path / "a").endswith("a: cannot write (No space left on device)")
    assert list(tmp_path.iterdir()) == []


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
    found = in_child(read_as_nobody, name, unreadable)
    assert str(unreadable) in found
    assert "Permission denied" in found
    assert "No such file" not in found
    assert "remove" not in found


def test_exhausted_memory_is_not_an_unknown_file_format(tmp_path: Path) -> None:
    """netCDF says so of any file that it has no memory for."""
    path = tmp_path / "a.nc"
    write_dataset(xr.Dataset({"a": ("x", VALUES)}), path)

    found = in_child(read_without_memory, path)
    assert "Unknown file format" in found
    assert "is memory is exhausted ([Errno -51] NetCDF: Unknown file format" in found
    assert "chunk_cells" in found
