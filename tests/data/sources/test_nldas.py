"""NLDAS-2 forcing: exact values from files built after the product's README and headers (see ``nldas_files``)."""

from __future__ import annotations

import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data.sources.nldas_files import LAT, LON, write_hour, write_hours
from paraformer.core.errors import DataError
from paraformer.core.variables import FORCING
from paraformer.data.sources import nldas
from paraformer.data.sources.blocks import join_blocks, write_blocks
from paraformer.data.sources.cells import open_cells
from paraformer.data.sources.config import NldasConfig
from paraformer.data.sources.nldas import nldas_blocks, read_nldas, vapour_pressure

ROWS, COLUMNS = slice(100, 103), slice(150, 154)
REGION = {"south": LAT[100] - 0.01, "north": LAT[102] + 0.01, "west": LON[150] - 0.01, "east": LON[153] + 0.01}


def config(folder: Path, **changes) -> NldasConfig:
    given = {"folder": folder, "region": REGION, "period": {"start": "2016-02-28", "end": "2016-02-29"}}
    return NldasConfig(**(given | changes))


def two_days(folder: Path, courses=None, hours: int = 49) -> None:
    write_hours(folder, "2016-02-28T00", hours, courses or {}, LAT[ROWS], LON[COLUMNS])


@given(st.floats(0, 8), st.floats(50, 110))
def test_vapour_pressure_inverts_specific_humidity(vp, pressure):
    q = 0.622 * vp / (pressure - 0.378 * vp)
    assert vapour_pressure(np.array([q]), np.array([pressure]))[0] == pytest.approx(vp, rel=1e-12, abs=1e-12)


def test_units_and_places(tmp_path):
    two_days(tmp_path)
    found = read_nldas(config(tmp_path))
    row, column = np.mgrid[ROWS, COLUMNS]
    np.testing.assert_array_equal(found["cell"], (row * 464 + column).ravel())
    np.testing.assert_allclose(found["lat"], LAT[row].ravel(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["lon"], LON[column].ravel(), rtol=0, atol=1e-12)
    expected = {
        "prcp": 12.0,
        "tair": 6.85,
        "swdown": 200.0,
        "lwdown": 300.0,
        "wind": 5.0,
        "vp": 0.006 * 90 / (0.622 + 0.378 * 0.006),
        "pres": 90.0,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, err_msg=name)
        assert found[name].attrs["units"] == FORCING[name].unit


def test_precipitation_of_a_day_is_what_fell_on_it(tmp_path):
    """README: precipitation is accumulated over the hour before the time stamp."""
    fell = {0: 32.0, 1: 1.0, 24: 2.0, 25: 4.0, 48: 8.0}
    two_days(tmp_path, {"Rainf": lambda hour, lat, lon: np.full(lat.shape, fell.get(hour, 0.0))})
    found = read_nldas(config(tmp_path))["prcp"].values
    np.testing.assert_allclose(found, np.broadcast_to([3.0, 12.0], found.shape), rtol=1e-6)


def test_instantaneous_values_become_means_of_the_hours_between(tmp_path):
    two_days(tmp_path, {"Tair": lambda hour, lat, lon: 273.15 + hour + 0 * lat})
    daily = read_nldas(config(tmp_path))["tair"].values
    np.testing.assert_allclose(daily, np.broadcast_to([12.0, 36.0], daily.shape), atol=1e-4)
    hourly = read_nldas(config(tmp_path, steps=24))
    np.testing.assert_allclose(hourly["tair"], np.broadcast_to(np.arange(48) + 0.5, (12, 48)), atol=1e-4)
    assert str(hourly["time"].values[25])[:16] == "2016-02-29T01:00"
    three_hourly = read_nldas(config(tmp_path, steps=8))["tair"].values
    np.testing.assert_allclose(three_hourly, np.broadcast_to(1.5 + 3.0 * np.arange(16), (12, 16)), atol=1e-4)


def test_wind_is_the_mean_of_hourly_speeds(tmp_path):
    """A wind that turns has a speed although the means of its components vanish."""
    courses = {
        "Wind_E": lambda hour, lat, lon: 5 * np.cos(np.pi / 6 * hour) + 0 * lat,
        "Wind_N": lambda hour, lat, lon: 5 * np.sin(np.pi / 6 * hour) + 0 * lat,
    }
    two_days(tmp_path, courses)
    np.testing.assert_allclose(read_nldas(config(tmp_path))["wind"], 5.0, rtol=1e-6)


def test_steps_average_to_the_day_and_the_format_is_read(tmp_path):
    two_days(
        tmp_path,
        {"SWdown": lambda hour, lat, lon: np.maximum(0, 800 * np.sin(2 * np.pi * (hour - 14) / 24)) + lon + 130},
    )
    daily, steps = read_nldas(config(tmp_path)), read_nldas(config(tmp_path, steps=8))
    for name in FORCING:
        folded = steps[name].values.reshape(12, 2, 8).mean(axis=2)
        np.testing.assert_allclose(folded, daily[name], rtol=1e-5, err_msg=name)
    write_blocks([steps], tmp_path / "cells.zarr")
    file = open_cells(tmp_path / "cells.zarr")
    assert (file.steps, len(file.days)) == (8, 2)
    np.testing.assert_array_equal(file.series("swdown", np.array([0, 11]))[1, 1], steps["swdown"].values[11, 8:])
    file.close()


def test_local_days_are_shifted_by_whole_hours(tmp_path):
    """At 106 W local solar time is UTC - 7 h: the local day begins at 07:00 UTC."""
    write_hours(
        tmp_path,
        "2016-02-28T00",
        57,
        {"Rainf": lambda hour, lat, lon: np.full(lat.shape, float(hour == 31))},
        LAT[ROWS],
        LON[COLUMNS],
    )
    found = read_nldas(config(tmp_path, day="local", period={"start": "2016-02-28", "end": "2016-02-29"}))
    assert set(np.round(found["lon"].values / 15)) == {-7.0}
    np.testing.assert_allclose(found["prcp"], np.broadcast_to([1.0, 0.0], (12, 2)))
    with pytest.raises(ValidationError, match="applies to day 'utc' only"):
        config(tmp_path, day="local", steps=8)


def test_blocks_join_to_the_same_bits_as_one(tmp_path, monkeypatch):
    two_days(tmp_path, {"Tair": lambda hour, lat, lon: 280 + np.sin(hour) + lat / 10})
    whole = read_nldas(config(tmp_path, steps=24))
    monkeypatch.setattr(nldas, "_BLOCK_BYTES", 1)
    blocks = list(nldas_blocks(config(tmp_path, steps=24)))
    assert [block.sizes["time"] for block in blocks] == [24, 24]
    xr.testing.assert_identical(join_blocks(blocks), whole)
    write_blocks(blocks, tmp_path / "cells.zarr", chunk_cells=5)
    with xr.open_zarr(tmp_path / "cells.zarr") as store:
        xr.testing.assert_equal(store.load(), whole)
    other = blocks[1].assign_coords(cell=blocks[1]["cell"] + 1)
    with pytest.raises(DataError, match=r"cells.zarr: the block from 2016-02-29T00.* has other cells"):
        write_blocks([blocks[0], other], tmp_path / "cells.zarr")
    with xr.open_zarr(tmp_path / "cells.zarr") as store:
        assert store.sizes["time"] == 48


def test_water_has_no_cell_and_land_must_not_lose_its_forcing(tmp_path):
    sea = np.zeros((3, 4), bool)
    sea[0, :2] = True
    two_days(tmp_path, {name: lambda hour, lat, lon: np.where(sea, -9999.0, 280.0) for name in ("Tair",)})
    found = read_nldas(config(tmp_path))
    assert found.sizes["cell"] == 10
    assert 100 * 464 + 150 not in found["cell"]
    gone = np.full((3, 4), 280.0)
    gone[2, 3] = -9999.0
    write_hour(tmp_path, np.datetime64("2016-02-28T05", "h"), {"Tair": gone}, LAT[ROWS], LON[COLUMNS])
    with pytest.raises(
        DataError,
        match=rf"A20160228.0500.020.nc: variable '\w+', cell {102 * 464 + 153}, time 2016-02-28T05:00: missing",
    ):
        read_nldas(config(tmp_path))


def test_full_grid_reads_only_the_region(tmp_path):
    first = write_hour(tmp_path, np.datetime64("2016-02-28T00", "h"), {"Tair": LAT[:, None] + 250})
    for hour in range(1, 25):
        stamp = str(np.datetime64("2016-02-28T00", "h") + hour)
        copy = tmp_path / f"NLDAS_FORA0125_H.A{stamp[:10].replace('-', '')}.{stamp[11:]}00.020.nc"
        shutil.copyfile(first, copy)
        with netCDF4.Dataset(copy, "a") as file:
            file["time"][0] += hour
    found = read_nldas(config(tmp_path, period={"start": "2016-02-28", "end": "2016-02-28"}))
    assert found.sizes["cell"] == 12
    np.testing.assert_allclose(found["tair"].values[:, 0], found["lat"].values + 250 - 273.15, atol=1e-4)


def test_missing_hours_wrong_files_and_old_names(tmp_path):
    with pytest.raises(DataError, match=r"no NLDAS_FORA0125_H file of version 2\.0"):
        read_nldas(config(tmp_path))
    (tmp_path / "NLDAS_FORA0125_H.A20160228.0000.002.grb").write_bytes(b"GRIB")
    with pytest.raises(DataError, match=r"002.grb: GRIB-1 file .* expected the netCDF files of version 2.0"):
        read_nldas(config(tmp_path))
    two_days(tmp_path)
    hour = tmp_path / "NLDAS_FORA0125_H.A20160229.0700.020.nc"
    content = hour.read_bytes()
    hour.unlink()
    with pytest.raises(DataError, match=r"the hour 2016-02-29T07:00 is missing, expected file .*A20160229.0700.020.nc"):
        read_nldas(config(tmp_path))
    for spoilt, message in (
        (b"", r"empty file"),
        (b"<html>", "a web page"),
        (content[:5000], "incomplete: found 5000 bytes"),
    ):
        hour.write_bytes(spoilt)
        with pytest.raises(DataError, match=rf"A20160229.0700.020.nc: {message}"):
            read_nldas(config(tmp_path))
    hour.write_bytes((tmp_path / "NLDAS_FORA0125_H.A20160229.0600.020.nc").read_bytes())
    with pytest.raises(
        DataError, match=r"A20160229.0700.020.nc: variable 'time' is 2016-02-29 06:00:00, expected 2016-02-29T07:00"
    ):
        read_nldas(config(tmp_path))
    write_hour(tmp_path, np.datetime64("2016-02-29T07", "h"), {}, LAT[ROWS], LON[COLUMNS], {"Rainf": "kg m-2 s-1"})
    with pytest.raises(DataError, match=r"variable 'Rainf' has unit 'kg m-2 s-1', expected 'kg m-2'"):
        read_nldas(config(tmp_path))
    write_hour(tmp_path, np.datetime64("2016-02-29T07", "h"), {}, LAT[ROWS] + 0.125, LON[COLUMNS])
    with pytest.raises(DataError, match="variable 'lat' differs from that of the first file"):
        read_nldas(config(tmp_path))
    hour.write_bytes(content)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / hour.name).write_bytes(content)
    with pytest.raises(DataError, match=r"the hour 2016-02-29T07:00 is already in"):
        read_nldas(config(tmp_path))


def test_shifted_grid_is_refused(tmp_path):
    write_hours(tmp_path, "2016-02-28T00", 1, {}, LAT[ROWS] + 0.05, LON[COLUMNS])
    with pytest.raises(DataError, match=r"'lat' and 'lon' are not cell centres of the NLDAS-2 1/8 degree grid"):
        read_nldas(config(tmp_path, region=REGION | {"north": REGION["north"] + 0.1}))


SIDECARS = (
    "{}.xml",
    "{}.dmrpp",
    "{}.part",
    "{}.md5",
    "{}.bad",
    ".{}",
    "quarantine/{}",
    "quarantine/{}.bad",
    "{}.SUB.xml",
)


def test_sidecars_parts_and_the_quarantine_are_passed_over(tmp_path):
    two_days(tmp_path)
    whole = read_nldas(config(tmp_path))
    (tmp_path / "quarantine").mkdir()
    for path in list(tmp_path.glob("*.nc"))[:3]:
        for sidecar in SIDECARS:
            (tmp_path / sidecar.format(path.name)).write_bytes(b"<xml/>")
    xr.testing.assert_identical(read_nldas(config(tmp_path)), whole)


@pytest.mark.parametrize("ending", [".nc.SUB.nc4", ".nc.SUB.nc", ".nc.nc4", ".nc.dap.nc4", ".nc4"])
def test_files_of_the_archives_services_are_read(tmp_path, ending):
    two_days(tmp_path)
    whole = read_nldas(config(tmp_path))
    for path in tmp_path.glob("*.nc"):
        path.rename(path.with_name(path.name.removesuffix(".nc") + ending))
    xr.testing.assert_identical(read_nldas(config(tmp_path)), whole)


def test_of_a_whole_file_and_a_subset_of_one_hour_one_is_read_and_said(tmp_path, caplog):
    two_days(tmp_path)
    whole = read_nldas(config(tmp_path))
    hours = sorted(tmp_path.glob("*.nc"))
    subset = hours[3].with_name(hours[3].name + ".SUB.nc4")
    subset.write_bytes(b"never read")
    xr.testing.assert_identical(read_nldas(config(tmp_path)), whole)
    assert f"1 hours are there twice; of each one file is read, first {hours[3].name}, not {subset.name}" in caplog.text
    for path in hours:  # with a subset of every hour but a few whole files, the subsets are one series
        shutil.copyfile(path, path.with_name(path.name + ".SUB.nc4"))
    for path in hours[:-2]:
        path.unlink()
    hours[-1].write_bytes(b"never read")
    xr.testing.assert_identical(read_nldas(config(tmp_path)), whole)


@pytest.mark.parametrize(
    ("name", "unit"), [("Qair", "kg kg^-1"), ("Qair", "kg/kg"), ("SWdown", "W/m^2"), ("Wind_E", "m/s")]
)
def test_other_spellings_of_a_unit_are_read(tmp_path, name, unit):
    day = {"start": "2016-02-28", "end": "2016-02-28"}
    write_hours(tmp_path, "2016-02-28T00", 25, {}, LAT[ROWS], LON[COLUMNS])
    whole = read_nldas(config(tmp_path, period=day))
    for path in tmp_path.iterdir():
        with netCDF4.Dataset(path, "a") as file:
            file[name].units = unit
    xr.testing.assert_identical(read_nldas(config(tmp_path, period=day)), whole)


def test_a_valid_range_of_the_file_is_obeyed(tmp_path):
    two_days(tmp_path)
    with netCDF4.Dataset(tmp_path / "NLDAS_FORA0125_H.A20160228.0500.020.nc", "a") as file:
        file["Tair"].valid_max = np.float32(270.0)
    with pytest.raises(DataError, match=r"A20160228.0500.020.nc: variable 'Tair', cell \d+, time .*: missing value"):
        read_nldas(config(tmp_path))
