"""Whole netCDF files, and an interrupt that waits until xarray has let go of them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError, RunError
from paraformer.core.netcdf import interrupt_later, read_dataset, require_whole, write_dataset

DATASET = xr.Dataset({"a": ("x", np.arange(5.0))})


@pytest.fixture(autouse=True)
def interruptible() -> Any:
    """A suite that was started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_block(after: list[str], error: Exception | None = None) -> None:
    with interrupt_later():
        interrupt()
        after.append("went on")
        if error is not None:
            raise error


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    after: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_block(after)
    assert after == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_inside_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupted_block([], ValueError("inside"))
    assert isinstance(raised.value.__context__, ValueError)
    with pytest.raises(ValueError, match="inside"), interrupt_later():
        raise ValueError("inside")


def test_threads_write_as_well(tmp_path: Path) -> None:
    thread = threading.Thread(target=write_dataset, args=(DATASET, tmp_path / "a.nc"))
    thread.start()
    thread.join()
    xr.testing.assert_identical(read_dataset(tmp_path / "a.nc"), DATASET)


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_an_interrupted_file_is_whole_and_xarray_s_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    """The interrupt comes inside xarray, at the moment in which it has taken its locks."""
    from xarray.backends.locks import CombinedLock

    enter = CombinedLock.__enter__

    def interrupted(lock: CombinedLock) -> Any:
        found = enter(lock)
        interrupt()
        return found

    monkeypatch.setattr(CombinedLock, "__enter__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(DATASET, tmp_path / "a.nc", engine=engine)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]
    xr.testing.assert_identical(read_dataset(tmp_path / "a.nc"), DATASET)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/a\.nc: cannot write"):
        write_dataset(DATASET, tmp_path / "file" / "a.nc")


CLASSIC = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


def write_file(path: Path, format: str, records: dict[str, str], n_record: int = 3) -> None:
    """A file with a fixed variable that is not padded, attributes, and record variables of the given types."""
    with netCDF4.Dataset(path, "w", format=format) as dataset:
        dataset.title = "odd number"
        dataset.createDimension("time", None)
        dataset.createDimension("x", 3)
        dataset.createVariable("bytes", "i1", ("x",))[:] = 1
        dataset["bytes"].valid_range = np.array([0, 7], dtype="i1")
        dataset.createVariable("scalar", "f8", ())[...] = 1.0
        for name, kind in records.items():
            dataset.createVariable(name, kind, ("time", "x"))[:n_record] = np.ones((n_record, 3))


@pytest.mark.parametrize("format", [*CLASSIC, "NETCDF4", "NETCDF4_CLASSIC"])
@pytest.mark.parametrize("records", [{}, {"a": "i2"}, {"a": "i1", "b": "f8", "c": "i2"}])
def test_a_file_is_whole_until_its_last_value_is_cut(tmp_path: Path, format: str, records: dict[str, str]) -> None:
    path = tmp_path / "a.nc"
    write_file(path, format, records)
    require_whole(path)
    whole = path.read_bytes()
    for cut in (4, 8, len(whole) // 2, len(whole) - 64, len(whole) - 4):  # values end in the last 4 bytes
        path.write_bytes(whole[: len(whole) - cut])
        with pytest.raises(DataError, match=r"a\.nc: incomplete"):
            require_whole(path)


@pytest.mark.parametrize("format", CLASSIC)
def test_a_file_without_records_is_whole(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a.nc"
    write_file(path, format, {"a": "i2", "b": "f4"}, n_record=0)
    require_whole(path)


def test_a_file_of_another_format_passes_an_empty_one_and_a_stream_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("a text of some length")
    require_whole(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="0 bytes"):
        require_whole(path)
    write_file(path, "NETCDF3_CLASSIC", {"a": "f8"})
    whole = bytearray(path.read_bytes())
    whole[4:8] = b"\xff" * 4
    path.write_bytes(whole)
    with pytest.raises(DataError, match="records is left open"):
        require_whole(path)
