"""Whole netCDF files, and an interrupt that waits until xarray has let go of them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from core.own_process import in_child, read_in_two_threads
from paraformer.core.conventions import conventional
from paraformer.core.errors import RunError
from paraformer.core.netcdf import interrupt_later, open_later, read_dataset, write_dataset

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
    xr.testing.assert_identical(read_dataset(tmp_path / "a.nc"), conventional(DATASET))


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
    xr.testing.assert_identical(read_dataset(tmp_path / "a.nc"), conventional(DATASET))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/a\.nc: cannot write"):
        write_dataset(DATASET, tmp_path / "file" / "a.nc")


def test_a_file_that_is_let_go_of_in_a_thread_crashes_nothing(tmp_path: Path) -> None:
    """The collector of garbage closes it wherever it runs; the netCDF library would mostly end the process."""
    assert in_child(read_in_two_threads, tmp_path / "a.nc") == "alive"


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4_CLASSIC", "NETCDF4"])
def test_every_form_is_read_later(kind: Any, tmp_path: Path) -> None:
    DATASET.to_netcdf(tmp_path / "a.nc", format=kind)
    with open_later(tmp_path / "a.nc") as found:
        xr.testing.assert_identical(found.load(), DATASET)
