"""A truncated netCDF file is named, whatever its format; a whole one passes."""

from __future__ import annotations

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.core.netcdf_header import require_whole

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


@pytest.mark.parametrize("library", ["earliest", "latest"])
def test_every_superblock_of_hdf5_says_how_long_the_file_is(tmp_path: Path, library: str) -> None:
    path = tmp_path / "a.nc"
    with h5py.File(path, "w", libver=library) as file:
        file["x"] = np.arange(1000.0)
    require_whole(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=rf"a\.nc: incomplete.*{len(whole) - 1}"):
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
