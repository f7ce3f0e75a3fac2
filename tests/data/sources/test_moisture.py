"""Soil moisture beside SMAP: ESA CCI, and any netCDF file on a regular grid."""

from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from data.sources.cci_files import LAT, LON, write_day
from paraformer.core.errors import DataError
from paraformer.data.sources.cci import GRID, open_cci
from paraformer.data.sources.moisture_config import CciConfig, MoistureNetcdfConfig
from paraformer.data.sources.moisture_netcdf import open_moisture_netcdf, regular_grid

REGION = {"south": 6.5, "north": 7.5, "west": 0.75, "east": 1.75}
PERIOD = {"start": "2016-03-01", "end": "2016-03-03"}


def cci(folder: Path, **changes) -> CciConfig:
    given = {"product": "ESA_CCI_COMBINED", "folder": folder, "region": REGION, "period": PERIOD}
    return CciConfig(**(given | changes))


def whole(series) -> xr.Dataset:
    return series.dataset(series.days[0], series.days[-1])


def test_values_are_on_the_utc_day_of_their_observation(tmp_path):
    evening = np.where(np.arange(4)[:, None] == 0, -6.0, 6.0) + np.zeros((4, 4))  # the north is of the evening before
    for day, level in (("2016-03-01", 0.1), ("2016-03-02", 0.2), ("2016-03-03", 0.3), ("2016-03-04", 0.4)):
        write_day(tmp_path, day, level, hour=evening)
    found = whole(open_cci(cci(tmp_path), None))
    assert found.sizes == {"cell": 16, "time": 3}
    north = found["lat"].values == LAT[0]
    np.testing.assert_allclose(found["sm_cci"].values[north], [[0.2, 0.3, 0.4]] * 4, rtol=1e-6)
    np.testing.assert_allclose(found["sm_cci"].values[~north], [[0.1, 0.2, 0.3]] * 12, rtol=1e-6)
    np.testing.assert_allclose(found["sm_cci_uncertainty"], 0.02, rtol=1e-6)
    row, column = GRID.index(found["lat"].values, found["lon"].values)
    np.testing.assert_array_equal(found["cell"], row * 1440 + column)
    assert "version 09.1" in found.attrs["source"]


def test_flags_and_uncertainty(tmp_path):
    flag = np.zeros((4, 4), dtype=int)
    flag[0, 0], flag[1, 1], flag[2, 2], flag[3, 3] = 1, 2, 64, 127
    error = np.full((4, 4), 0.02)
    error[0, 3] = 0.2
    write_day(tmp_path, "2016-03-02", 0.2, flag=flag, error=error)

    def kept(**changes) -> int:
        return whole(open_cci(cci(tmp_path, **changes), None)).sizes["cell"]

    assert kept() == 13  # the barren ground stays
    assert kept(exclude=["barren_ground"]) == 12
    assert kept(quality="retrieved") == 16
    assert kept(quality="retrieved", exclude=["dense_vegetation"]) == 14  # 127 has every bit
    assert kept(maximum_uncertainty=0.1) == 12
    quality = json.loads(open_cci(cci(tmp_path, maximum_uncertainty=0.1), None).attrs["quality"])
    assert quality["dropped: not recommended"] == 3
    assert quality["dropped: uncertain"] == 1
    assert quality["days_without_granule"] == ["2016-03-01", "2016-03-03"]


def test_cci_files_that_are_refused(tmp_path):
    write_day(tmp_path, "2016-03-02", 20.0, product="ACTIVE")
    with pytest.raises(DataError, match=r"no usable ESA CCI COMBINED file for .*; found ACTIVE"):
        open_cci(cci(tmp_path), None)
    path = write_day(tmp_path, "2016-03-02", 0.2)
    with pytest.raises(DataError, match=r"no value of ESA_CCI_COMBINED passes the rules"):
        open_cci(cci(tmp_path, maximum_uncertainty=0.01), None)
    write_day(tmp_path, "2016-03-03", 0.2, version="08.1")
    with pytest.raises(DataError, match=r"version 08\.1 differs from 09\.1"):
        open_cci(cci(tmp_path), None)
    write_day(tmp_path / "again", "2016-03-02", 0.2)
    (tmp_path / path.name.replace("20160302", "20160303").replace("09.1", "08.1")).unlink()
    with pytest.raises(DataError, match=r"the day 2016-03-02 is already in"):
        open_cci(cci(tmp_path), None)
    (tmp_path / "again" / path.name).unlink()
    for changes, message in (
        ({"moisture": 20.0}, r"variable 'sm', cell \d+ \(lat 7\.375, lon 0\.875\): found 20, expected \[0, 1\]"),
        ({"moisture": 0.2, "hour": 40.0}, r"variable 't0', cell .*expected a time within a day of 2016-03-02"),
        ({"moisture": 0.2, "sm": "percent"}, r"variable 'sm' has unit 'percent', expected 'm3 m-3'"),
        ({"moisture": 0.2, "lat": LAT + 0.1}, r"no cell centres of the grid 0\.25 degree"),
    ):
        write_day(tmp_path, "2016-03-02", **changes)
        with pytest.raises(DataError, match=message):
            open_cci(cci(tmp_path), None)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty file"):
        open_cci(cci(tmp_path), None)
    write_day(tmp_path, "2016-03-01", 0.2)
    assert "left_out" in open_cci(cci(tmp_path, on_bad="leave_out"), None).attrs["quality"]


def write_any(path: Path, days: list[str], values: np.ndarray | float, error: float | None = None, **changes) -> Path:
    lat, lon = changes.get("lat", LAT[::-1]), changes.get("lon", LON)
    with netCDF4.Dataset(path, "w") as file:
        for name, axis, unit in (("y_axis", lat, "degrees_north"), ("x_axis", lon, "degrees_east")):
            file.createDimension(name, len(axis))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = unit
            variable[:] = axis
        file.createDimension("day", len(days))
        day = file.createVariable("day", "i4", ("day",))
        day.units = "days since 2016-01-01"
        day[:] = (np.array(days, "datetime64[D]") - np.datetime64("2016-01-01")).astype(int)
        for name, given in (("theta", values), ("theta_sd", error)):
            if given is not None:
                variable = file.createVariable(name, "f4", ("day", "y_axis", "x_axis"), fill_value=-1.0)
                variable.units = changes.get("unit", "cm3 cm-3")
                variable[:] = np.broadcast_to(given, (len(days), len(lat), len(lon)))
    return path


def any_config(folder: Path, **changes) -> MoistureNetcdfConfig:
    given = {"product": "netCDF", "folder": folder, "region": REGION, "period": PERIOD, "variable": "theta"}
    return MoistureNetcdfConfig(**(given | changes))


def test_any_netcdf_file_with_a_standard_error(tmp_path):
    values = np.full((2, 4, 4), 0.25)
    values[1, 0, 0] = -1.0  # the fill value
    write_any(tmp_path / "a.nc", ["2016-03-01", "2016-03-03"], values, error=0.03)
    found = whole(open_moisture_netcdf(any_config(tmp_path, uncertainty="theta_sd"), None))
    np.testing.assert_allclose(found["sm_obs"].values[:, 0], 0.25)
    assert np.isnan(found["sm_obs"].values[:, 1]).all()
    assert np.isnan(found["sm_obs"].values[:, 2]).sum() == 1
    np.testing.assert_allclose(found["sm_obs_uncertainty"].values[:, 0], 0.03, rtol=1e-6)
    np.testing.assert_allclose(np.unique(found["lat"]), LAT[::-1])
    with pytest.raises(DataError, match="no value of 'theta' passes the rules"):
        open_moisture_netcdf(any_config(tmp_path, uncertainty="theta_sd", maximum_uncertainty=0.02), None)
    assert "sm_obs_uncertainty" not in whole(open_moisture_netcdf(any_config(tmp_path), None))


def test_what_is_wrong_with_any_netcdf_file_is_named(tmp_path):
    with pytest.raises(ValidationError, match="maximum_uncertainty needs 'uncertainty'"):
        any_config(tmp_path, maximum_uncertainty=0.1)
    path, days = tmp_path / "a.nc", ["2016-03-01", "2016-03-02"]
    write_any(path, days, 0.2)
    with pytest.raises(DataError, match=r"no netCDF file has the variable 'sm' \(data\.products\.observation\)"):
        open_moisture_netcdf(any_config(tmp_path, variable="sm"), None)
    for changes, message in (
        ({"values": 20.0}, r"theta at lat 6\.625, lon 0\.875: found 20 m3 m-3, expected 0 to 1"),
        ({"values": 0.2, "unit": "%"}, "variable 'theta' has unit '%', expected 'm3 m-3'"),
        ({"values": 0.2, "lat": np.array([6.6, 6.9, 7.125, 7.4])}, "latitude is not evenly spaced"),
        ({"values": 0.2, "days": ["2016-03-01", "2016-03-01"]}, "variable 'theta': 2016-03-01 is there twice"),
        ({"values": 0.2, "days": ["2017-03-01"]}, "has nothing for 2016-03-01..2016-03-03; the files have 2017-03-01"),
    ):
        write_any(path, **({"days": days} | changes))
        with pytest.raises(DataError, match=message):
            open_moisture_netcdf(any_config(tmp_path), None)


@pytest.mark.parametrize("first", [0.0, 0.125, -179.875, -180.0])
def test_a_grid_around_the_globe_begins_at_the_date_line(first):
    lat, lon = np.linspace(-89.875, 89.875, 720), first + 0.25 * np.arange(1440)
    grid = regular_grid(Path("a.nc"), lat, lon)
    row, column = grid.index(np.full(1440, 0.125), lon)
    assert (row == 360).all()
    assert sorted(column) == list(range(1440))
    np.testing.assert_allclose(grid.centres(row, column)[1], (lon + 180) % 360 - 180, atol=1e-9)
