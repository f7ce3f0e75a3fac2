"""ERA5-Land: exact values from files of each layout of the Climate Data Store (see ``era5_land_files``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from data.sources.era5_land_files import CONSTANT, LAT, LON, hours, since_midnight, whole, write_hourly, write_packed
from paraformer.core.errors import DataError
from paraformer.core.physics import KELVIN
from paraformer.core.variables import FORCING
from paraformer.data.sources.blocks import join_blocks
from paraformer.data.sources.era5_land import GRID, dewpoint_vapour_pressure, era5_land_blocks
from paraformer.data.sources.forcing_config import Era5LandConfig

REGION = {"south": 6.95, "north": 7.25, "west": 0.95, "east": 1.35}
STAMPS = hours("2016-03-01T00", 49)
SUN = 3.6e6 * np.clip(np.sin(np.pi * (np.arange(49) % 24 - 6) / 12), 0, 1)
"""J m-2 of the hour before each stamp."""
RAIN = np.where(np.arange(49) % 24 == 5, 0.002, 0.0)
"""2 mm between 04 and 05 UTC."""


def config(folder: Path, **changes) -> Era5LandConfig:
    given = {"product": "ERA5-Land", "folder": folder, "region": REGION}
    return Era5LandConfig(**(given | {"period": {"start": "2016-03-01", "end": "2016-03-02"}} | changes))


def totals(stamps: np.ndarray = STAMPS) -> dict[str, np.ndarray]:
    amounts = {"tp": RAIN, "ssrd": SUN, "strd": np.full(49, 3600 * 400.0)}
    return {name: since_midnight(values, stamps) for name, values in amounts.items()}


def read(found_config: Era5LandConfig):
    return join_blocks(era5_land_blocks(found_config))


def test_sums_since_midnight_become_hours_and_states_are_means_of_both_ends(tmp_path):
    course = 300.0 + np.arange(49)
    write_hourly(tmp_path / "data_0.nc", STAMPS, CONSTANT | {"t2m": course})
    write_hourly(tmp_path / "sub" / "data_0.nc", STAMPS, totals())
    found = read(config(tmp_path, steps=24))
    assert found.sizes == {"cell": 12, "time": 48}
    np.testing.assert_allclose(found["prcp"].values[0], np.where(np.arange(48) % 24 == 4, 48.0, 0.0), atol=1e-3)
    np.testing.assert_allclose(found["swdown"].values[0], SUN[1:] / 3600, atol=0.05)
    np.testing.assert_allclose(found["lwdown"], 400.0, rtol=1e-4)
    np.testing.assert_allclose(found["tair"].values[0], course[:-1] + 0.5 - KELVIN, atol=1e-3)
    np.testing.assert_allclose(found["wind"], 5.0, rtol=1e-6)
    np.testing.assert_allclose(found["pres"], 98.0, rtol=1e-6)
    np.testing.assert_allclose(found["vp"], dewpoint_vapour_pressure(np.array([290.0]))[0], rtol=1e-5)
    assert {found[name].attrs["origin"] for name in FORCING} == {"reanalysis"}
    daily = read(config(tmp_path))
    np.testing.assert_allclose(daily["prcp"], 2.0, rtol=1e-4)
    np.testing.assert_allclose(daily["swdown"], SUN[:24].sum() / 86400, rtol=1e-4)


def test_places_and_identifiers_whatever_the_longitudes(tmp_path):
    write_hourly(tmp_path / "a.nc", STAMPS, CONSTANT | totals())
    found = read(config(tmp_path))
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    np.testing.assert_allclose(found["lat"], lat.ravel(), atol=1e-9)
    row, column = GRID.index(lat.ravel(), lon.ravel())
    np.testing.assert_array_equal(found["cell"], row * 3600 + column)
    around = np.array([0.0, 0.1, 359.8, 359.9])  # a whole-globe file read around Greenwich
    write_hourly(tmp_path / "b" / "a.nc", STAMPS, CONSTANT | totals(), lon=around)
    region = REGION | {"west": -0.25, "east": 0.15}
    crossing = read(config(tmp_path / "b", region=region))
    np.testing.assert_allclose(np.sort(np.unique(crossing["lon"])), [-0.2, -0.1, 0.0, 0.1], atol=1e-9)


def test_vapour_pressure_of_the_dew_point():
    assert dewpoint_vapour_pressure(np.array([273.16]))[0] == pytest.approx(0.61121)
    assert dewpoint_vapour_pressure(np.array([293.15]))[0] == pytest.approx(2.339, rel=2e-3)  # Smithsonian tables


def test_packed_files_of_the_service_before_with_preliminary_data(tmp_path, caplog):
    late = np.datetime64("2016-03-02T12", "h") <= STAMPS
    fields = CONSTANT | {"t2m": 300.0 + np.arange(49.0)} | totals()
    write_packed(tmp_path / "adaptor.mars.internal-1.nc", STAMPS, fields, preliminary=late)
    found = read(config(tmp_path))
    np.testing.assert_allclose(found["tair"][0], [312.0 - KELVIN, 336.0 - KELVIN], atol=0.01)
    np.testing.assert_allclose(found["prcp"], 2.0, atol=0.01)
    np.testing.assert_allclose(found["swdown"], SUN[:24].sum() / 86400, rtol=1e-3)
    assert caplog.text.count("preliminary data (expver 5)") == 1


def test_land_only_and_a_lost_value(tmp_path):
    sea = np.zeros((49, 3, 4))
    sea[:, 2] = np.nan
    write_hourly(tmp_path / "a.nc", STAMPS, {n: whole(v, 49) + sea for n, v in (CONSTANT | totals()).items()})
    assert read(config(tmp_path)).sizes["cell"] == 8
    lost = whole(300.0, 49).copy()
    lost[30, 1, 2] = np.nan
    write_hourly(tmp_path / "a.nc", STAMPS, CONSTANT | totals() | {"t2m": lost})
    with pytest.raises(DataError, match=r"variable 't2m', cell \d+ \(lat 7\.1, lon 1\.2\), 2016-03-02T06: missing"):
        read(config(tmp_path))


def test_hours_taken_for_sums_since_midnight_are_refused_and_the_other_way(tmp_path):
    amounts = {"tp": RAIN, "ssrd": SUN, "strd": np.full(49, 3600 * 400.0)}
    write_hourly(tmp_path / "hour" / "a.nc", STAMPS, CONSTANT | amounts)
    with pytest.raises(DataError, match=r"sums since 00 UTC do not fall; .*forcing\.accumulation: hour"):
        read(config(tmp_path / "hour"))
    found = read(config(tmp_path / "hour", accumulation="hour"))
    np.testing.assert_allclose(found["swdown"], SUN[:24].sum() / 86400, rtol=1e-6)
    write_hourly(tmp_path / "below" / "a.nc", STAMPS, CONSTANT | amounts | {"tp": RAIN - 0.001})
    with pytest.raises(DataError, match=r"variable 'tp', cell .*: found -0\.001 m, expected nothing below 0"):
        read(config(tmp_path / "below", accumulation="hour"))
    write_hourly(tmp_path / "day" / "a.nc", STAMPS, CONSTANT | totals())
    with pytest.raises(DataError, match=r"in an hour; are they sums since 00 UTC .*forcing\.accumulation: day"):
        read(config(tmp_path / "day", accumulation="hour"))


def test_daily_files_need_to_be_told_when_sums_are_stamped(tmp_path):
    days = np.array(["2016-03-01", "2016-03-02"], "datetime64[h]")
    write_hourly(tmp_path / "t2m.nc", days, CONSTANT | {"t2m": np.array([300.0, 301.0])})
    ended = {"tp": np.array([0.002, 0.004]), "ssrd": np.full(2, 86400 * 200.0), "strd": np.full(2, 86400 * 400.0)}
    write_hourly(tmp_path / "totals.nc", days + 24, ended)
    with pytest.raises(ValidationError, match="totals is missing: daily files do not say"):
        config(tmp_path, files="daily")
    found = read(config(tmp_path, files="daily", totals="end"))
    np.testing.assert_allclose(found["prcp"][0], [2.0, 4.0], rtol=1e-5)
    np.testing.assert_allclose(found["tair"][0], [300 - KELVIN, 301 - KELVIN], atol=1e-3)
    assert found["wind"].attrs["origin"] == "estimated"
    assert "lower bound" in found["wind"].attrs["method"]
    with pytest.raises(DataError, match=r"variable 'tp': 2016-03-01T00 is missing"):
        read(config(tmp_path, files="daily", totals="begin"))
    with pytest.raises(DataError, match=r"2016-03-01T01 is missing .*\(daily files: data\.products\.forcing\.files\)"):
        read(config(tmp_path))
    write_hourly(tmp_path / "t2m.nc", STAMPS, CONSTANT)
    with pytest.raises(DataError, match=r"variable 't2m': 2016-03-01T00 is there twice; hourly files \(data"):
        read(config(tmp_path, files="daily", totals="end"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": "daily", "totals": "end", "steps": 8}, "steps 8 applies to files 'hourly' only"),
        ({"totals": "end"}, "totals applies to files 'daily' only"),
        ({"files": "daily", "totals": "end", "accumulation": "hour"}, "accumulation applies to files 'hourly' only"),
        ({"estimate": ["prcp"]}, "estimate"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, changes, message):
    with pytest.raises(ValidationError, match=message):
        config(tmp_path, **changes)


def test_what_is_missing_twice_or_wrong_is_named(tmp_path):
    fields = CONSTANT | totals()
    with pytest.raises(DataError, match="folder does not exist"):
        read(config(tmp_path / "nowhere"))
    (tmp_path / "a.grib").write_bytes(b"GRIB")
    with pytest.raises(DataError, match=r"no netCDF file \(\*\.nc\); found GRIB files"):
        read(config(tmp_path))
    (tmp_path / "a.nc").write_bytes(b"PK\x03\x04" + b"0" * 90)
    with pytest.raises(DataError, match=r"a\.nc: not a netCDF file but a zip archive"):
        read(config(tmp_path))
    write_hourly(tmp_path / "a.nc", STAMPS, {k: v for k, v in fields.items() if k != "d2m"})
    with pytest.raises(DataError, match=r"has the variable 'd2m' \(2m_dewpoint_temperature of ERA5-Land\); found sp"):
        read(config(tmp_path))
    write_hourly(tmp_path / "a.nc", STAMPS, fields, tp="mm")
    with pytest.raises(DataError, match=r"variable 'tp' has unit 'mm', expected 'm'"):
        read(config(tmp_path))
    write_hourly(tmp_path / "a.nc", STAMPS[:40], {k: np.broadcast_to(v, 49)[:40] for k, v in fields.items()})
    with pytest.raises(DataError, match=r"variable 't2m': 2016-03-02T16 is missing \(the first of 9\).*25 hours"):
        read(config(tmp_path))
    write_hourly(tmp_path / "b.nc", STAMPS[39:], {k: np.broadcast_to(v, 49)[39:] for k, v in fields.items()})
    with pytest.raises(DataError, match=r"b\.nc: variable 't2m': 2016-03-02T15 is already in .*a\.nc"):
        read(config(tmp_path))
    (tmp_path / "b.nc").unlink()
    write_hourly(tmp_path / "a.nc", STAMPS, fields, lat=LAT + 0.03)
    with pytest.raises(DataError, match=r"no cell centres of the grid ERA5-Land 0\.1 degree"):
        read(config(tmp_path))
