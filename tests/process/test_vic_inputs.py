"""VIC's files proved: axes, values, state, weather; a mistake is one line with file, variable, cell and values."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.process.vic import files
from paraformer.process.vic.parameters import CellParameters
from process.drop_in import FIRST_DAY, N_DAY
from process.vic_files import Change, change, put, read, read_run, state_of

# Values


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (put("depth", 100.0, 0), r"depth at cell 80 .*, layer 1: found 100 m, expected 0.001 to 50 m; mm or cm"),
        (
            put("Ksat", 1e-6, 2),
            r"Ksat at cell 80 .*, layer 3: found 1e-06 mm day-1, expected 1 to 1e\+06 mm day-1; in m s-1",
        ),
        (put("albedo", 20.0, 1), r"albedo at cell 80 .*, class 1, month 1: found 20, expected 0 to 1; percent"),
        (put("bulk_density", 1.3, 0), r"bulk_density at cell 80 .*, layer 1: found 1.3 kg m-3, .*; g cm-3\?"),
        (put("soil_density", 1400.0, 0), r"bulk_density at cell 80 .*, layer 1: found 1500 .* below soil_density 1400"),
        (
            put("init_moist", 900.0, 0),
            r"init_moist at cell 80 .*, layer 1: found 900 mm, expected at most the 44.* mm the",
        ),
        (put("init_moist", -1.0, 0), r"init_moist at cell 80 .* found -1 mm, expected 0"),
        (put("Cv", -0.4, 0), r"Cv at cell 80 .*, class 0: found -0.4, expected 0 to 1"),
        (put("Cv", np.nan, 2), r"Cv at cell 80 .*, class 2: missing or not a number"),
        (put("Cv", 0.8, 0), r"Cv at cell 80 .*: found a sum of 1.4, expected 1"),
        (put("AreaFract", -0.1, 0), r"AreaFract at cell 80 .*, band 1: found -0.1"),
        (put("AreaFract", 0.1, 0), r"AreaFract of the bands with area at cell 80 .*: found a sum of 0.5, expected 1"),
        (put("Pfactor", 0.0, 0), r"Pfactor of the bands with area at cell 80 .*: found a sum of 0.5"),
        (put("elevation", 99999.0, 1), r"elevation at cell 80 .*, band 2: found 99999 m"),
        (put("avg_T", 290.0), r"avg_T at cell 80 .*: found 290 degC, expected -60 to 50 degC; Kelvin\?"),
        (put("expt", 3.0, 1), r"expt at cell 80 .*, layer 2: found 3, expected 3.01"),
        (put("Ws", 1.7), r"Ws at cell 80 .*: found 1.7"),
        (put("Wcr_FRACT", 1.2, 0), r"Wcr_FRACT at cell 80 .*, layer 1: found 1.2"),
        (put("Wpwp_FRACT", 0.6, 0), r"Wpwp_FRACT at cell 80 .*, layer 1: found 0.6, expected at most Wcr_FRACT 0.5"),
        (put("resid_moist", 0.4, 0), r"resid_moist at cell 80 .* found 0.4, expected at most the wilting point"),
        (put("rmin", -5.0, 0), r"rmin at cell 80 .*, class 0: found -5 s m-1"),
        (put("rarc", -5.0, 0), r"rarc at cell 80 .*, class 0: found -5 s m-1"),
        (put("RGL", 0.0, 1), r"RGL at cell 80 .*, class 1: found 0 W m-2"),
        (put("rad_atten", -5.0, 0), r"rad_atten at cell 80 .*, class 0: found -5"),
        (put("wind_atten", 0.0, 0), r"trunk_ratio at cell 80 .*, class 0: found 0.2 with wind_atten 0"),
        (put("trunk_ratio", 0.0, 0), r"trunk_ratio at cell 80 .*, class 0: found 0 with"),
        (put("quartz", 40.0, 0), r"quartz at cell 80 .*, layer 1: found 40, expected 0 to 1; percent"),
        (put("wind_h", 9.0, 0), r"wind_h at cell 80 .*, class 0, month 1: .* expected a height well above both"),
        (put("wind_h", 10.0, 0), r"wind_h at cell 80 .*, class 0, month 1: .* expected above the trees' 11.9 m"),
        (put("displacement", 0.0, 0), r"displacement at cell 80 .*, class 0, month 1: .* expected above 0 m for trees"),
        (
            put("veg_rough", 4.0, 0),
            r"veg_rough at cell 80 .*, class 0, month 1: .* expected below 3.15 m, by trees of 11.9",
        ),
        (put("veg_rough", 0.0, 1), r"veg_rough at cell 80 .*, class 1, month 1: found 0 m"),
        (put("veg_rough", -1.0, 3), r"veg_rough at cell 80 .*, class 3, month 1: found -1 m, expected at least 0"),
        (put("root_depth", 0.0, 0), r"root_depth at cell 80 .*, class 0, root zone 1: found 0 m, expected more"),
        (put("root_fract", 0.2, 0, 0), r"root_fract at cell 80 .*, class 0: found a sum of 1.1, expected 1"),
        (put("LAI", -1.0, 0), r"LAI at cell 80 .*, class 0, month 1: found -1"),
        (put("fcanopy", 1.5, 0), r"fcanopy at cell 80 .*, class 0, month 1: found 1.5"),
        (put("overstory", 5, 0), r"overstory at cell 80 .*, class 0: found 5, expected 0 to 1"),
        (put("Nveg", 4), r"Nveg at cell 80 .*: found 4, expected the 3 classes with Cv above 0, or one less where"),
        (put("Nveg", 1), r"Nveg at cell 80 .*: found 1, expected the 3 classes"),
        (put("Ds", np.nan), r"Ds at cell 80 .*: missing or not a number"),
        (put("rough", 0.0), r"rough at cell 80 .*: found 0 m"),
        (put("infilt", 0.0), r"infilt at cell 80 .*: found 0, expected 1e-05 to 10"),
    ],
)
def test_what_no_soil_or_plant_has_is_refused(vic_copy: Path, how: Change, words: str) -> None:
    change(vic_copy / "params.nc", how)
    with pytest.raises(DataError, match=words) as error:
        read(vic_copy)
    assert str(error.value).startswith(f"{vic_copy}/params.nc: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "unit", "said"),
    [
        ("depth", "cm", "'depth' has units 'cm'; VIC takes its values in 'm'"),
        ("Ksat", "m/s", "'Ksat' has units 'm/s'; VIC takes its values in 'mm day-1'"),
        ("bulk_density", "g/cm^3", "'bulk_density' has units 'g/cm^3'; VIC takes its values in 'kg m-3'"),
        ("avg_T", "K", "'avg_T' has units 'K'; VIC takes its values in 'degC'"),
        ("depth", "meters", ""),
        ("infilt", "mm/day", ""),  # as in VIC's own samples
    ],
)
def test_a_unit_that_vic_does_not_take_is_said(vic_copy: Path, caplog, name: str, unit: str, said: str) -> None:
    change(vic_copy / "params.nc", lambda dataset: dataset[name].setncattr("units", unit))
    read(vic_copy)
    assert said in caplog.text
    assert ("has units" in caplog.text) == bool(said)


def test_all_refusals_of_a_file_stand_in_one_line(vic_copy: Path) -> None:
    for how in (put("Ws", 2.0), put("albedo", 9.0, 0), put("depth", -1.0, 2)):
        change(vic_copy / "params.nc", how)
    with pytest.raises(DataError, match=r"Ws at .* also depth at .* also albedo at "):
        read(vic_copy)


@pytest.mark.parametrize(
    ("how", "field", "value", "words"),
    [
        (
            put("Ds", 1.00001),
            "ds",
            1.0,
            "Ds: 1 values in 1 cell outside 0 to 1 set to the nearer end .largest change 1e-05",
        ),
        (
            put("fcanopy", 1.00001, 0),
            "fcanopy",
            1.0,
            "fcanopy: 12 values in 1 cell outside 0 to 1 set to the nearer end",
        ),
        (put("Ws", 1.00001), "ws", 1.0, "Ws: 1 values"),
        (put("Ds", 0.0), "ds", 0.0, ""),
        (
            put("elev", 5000.0),
            "elev",
            5000.0,
            r"elev at cell 80 .*: found 5000 m beside bands of [\d.]+ m in the mean, which is taken, as VIC does",
        ),
        (
            put("Dsmax", 0.0),
            "dsmax",
            0.0,
            "Dsmax: 1 values in 1 cell outside the usual 0.001 to 1000 mm day-1, first 0 at",
        ),
        (
            put("Ksat", 5.0, 0),
            "ksat",
            5.0,
            "Ksat: 1 values in 1 cell outside the usual 10 to 50000 mm day-1, first 5 at cell 80",
        ),
        (put("LAI", 25.0, 0), "lai", 25.0, "LAI: 12 values in 1 cell outside the usual 0 to 12"),
        (
            put("Cv", 0.3, 0),
            "cv",
            0.3,
            "Cv at cell 80 .*: the sum is 0.9; divided by it, as VIC does .1 values in 1 cell",
        ),
        (
            put("init_moist", 50.0, 0),
            "init_moist",
            50.0,
            "init_moist at cell 80 .*: 50 mm is more than the 44.* mm the soil",
        ),
        (
            put("displacement", 3.0, 1),
            "displacement",
            3.0,
            "wind_h at cell 80 .* taken as a height above it, as VIC does",
        ),
    ],
)
def test_what_can_happen_runs_with_a_warning(
    vic_copy: Path, caplog: pytest.LogCaptureFixture, how: Change, field: str, value: float, words: str
) -> None:
    change(vic_copy / "params.nc", how)
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        found = read(vic_copy)
        assert (getattr(found, field)[1] == value).any()
        assert re.search(words, caplog.text)
        assert bool(caplog.text) == bool(words)
        caplog.clear()
        read(vic_copy, quiet=True)
    assert caplog.text == ""


def test_what_a_run_does_not_use_need_not_be_there(vic_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Class 2 has no area, class 3 is bare soil, the cell at row 1, column 0 is not active."""
    expected = read(vic_copy)

    def how(dataset: netCDF4.Dataset) -> None:
        for name in ("LAI", "albedo", "rmin", "wind_h", "veg_rough", "overstory", "root_fract"):
            dataset[name][2] = -999 if name == "overstory" else np.nan
        for name in ("rmin", "RGL", "root_depth", "root_fract", "trunk_ratio", "albedo"):
            dataset[name][3] = np.nan
        for name in ("Ws", "depth", "Cv"):
            dataset[name][..., 1, 0] = -5.0

    change(vic_copy / "params.nc", how)
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        found = read(vic_copy)
    assert caplog.text == ""
    for name in set(CellParameters._fields) - {"rmin", "rgl", "root_depth", "root_fract", "trunk_ratio", "albedo"}:
        np.testing.assert_array_equal(getattr(expected, name), getattr(found, name), err_msg=name)
    assert np.isfinite(found.albedo).all()


# State


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            put("STATE_SOIL_MOISTURE", np.nan, 0, 0, 1),
            r"STATE_SOIL_MOISTURE at cell 80 .*, class 1, band 1, .*2: missing",
        ),
        (
            put("STATE_SOIL_MOISTURE", 3000.0, 0, 0, 0),
            r"STATE_SOIL_MOISTURE at cell 80 .*: found 3000 mm, expected at most",
        ),
        (put("STATE_SOIL_MOISTURE", -2.0, 0, 0, 0), r"STATE_SOIL_MOISTURE at cell 80 .*: found -2 mm"),
        (
            put("STATE_SNOW_WATER_EQUIVALENT", 900.0, 1, 1),
            r"EQUIVALENT at cell 80 .*, class 2, band 2: found 900 m, .*mm\?",
        ),
        (put("STATE_SNOW_DENSITY", 0.0, 0, 0), r"STATE_SNOW_DENSITY at cell 80 .*: found 0 kg m-3 under 0.2 m of snow"),
        (put("STATE_SNOW_SURF_TEMP", 270.0, 0, 0), r"STATE_SNOW_SURF_TEMP at cell 80 .*: found 270 degC, .*Kelvin\?"),
        (put("STATE_SOIL_NODE_TEMP", 285.0, 0, 0, 0), r"STATE_SOIL_NODE_TEMP at cell 80 .*: found 285 degC"),
        (put("STATE_SNOW_MELT_STATE", 7, 0, 0), r"STATE_SNOW_MELT_STATE at cell 80 .*: found 7, expected 0 to 1"),
    ],
)
def test_what_no_state_has_is_refused(vic_copy: Path, how: Change, words: str) -> None:
    change(vic_copy / "state.nc", how)
    with pytest.raises(DataError, match=words) as error:
        state_of(vic_copy)
    assert str(error.value).startswith(f"{vic_copy}/state.nc: ")


def test_a_state_with_more_water_than_the_soil_holds_is_cut_with_a_warning(
    vic_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(vic_copy / "state.nc", put("STATE_SOIL_MOISTURE", 50.0, 0, 0, 0))
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        state_of(vic_copy)
    assert "50 mm is more than the 44" in caplog.text


# Weather


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            lambda d: d["time"].__setitem__(slice(8, 10), d["time"][8:10][::-1]),
            r"forcing.2000.nc: time gap: found .* at position 8",
        ),
        (lambda d: d["time"].__setitem__(9, d["time"][8]), r"there twice: found 2000-12-21T00:00:00"),
        (
            lambda d: d["time"].__setitem__(slice(None), d["time"][::-1]),
            r"time runs backwards: found 2000-12-31T18:00:00",
        ),
        (lambda d: d["time"].__setitem__(slice(None), d["time"][:] * 2), r"time gap: .* expected 2000-12-20T03:00:00"),
        (
            lambda d: d["time"].__setitem__(slice(None), d["time"][:] + 1.5),
            r"at position 0: found 2000-12-20T01:30:00, expected a",
        ),
        (
            lambda d: d["time"].setncattr("units", "hours since 2000-12-20 00:00 -06:00"),
            r"the time zone '-06:00' in 'units'",
        ),
        (lambda d: d["time"].setncattr("calendar", "noleap"), r"calendar 'noleap'"),
        (lambda d: d["time"].setncattr("units", "hours"), r"has units 'hours', expected 'days since"),
        (
            lambda d: d["time"].setncattr("units", "hours since 2001-12-20"),
            r"0 values from 2000-12-20 to 2000-12-31, expected 96",
        ),
        (
            lambda d: d["prec"].setncattr("units", "kg m-2 s-1"),
            r"'prec' has units 'kg m-2 s-1', expected mm per step of 8 a",
        ),
        (
            lambda d: d["prec"].setncattr("units", "mm/day"),
            r"'prec' has units 'mm/day', expected mm per step of 8 a day",
        ),
        (lambda d: d["air_temp"].setncattr("units", "K"), r"'air_temp' has units 'K', expected degC"),
        (
            lambda d: d["vp"].__setitem__(slice(None), d["vp"][:] * 4.5),
            r"vp at row \d, .*: found .* kPa, expected at most .* satur",
        ),
        (
            lambda d: d["air_temp"].__setitem__((4, 0, 0), np.nan),
            r"air_temp at row 0, column 0 .*, 2000-12-20T12:00:00: missing",
        ),
        (lambda d: d["wind"].__setitem__((4, 0, 0), -5.0), r"wind at row 0, column 0 .*: found -5 m s-1"),
    ],
)
def test_weather_that_is_none_and_times_that_do_not_run_are_refused(vic_copy: Path, how: Change, words: str) -> None:
    change(vic_copy / "forcing.2000.nc", how)
    with pytest.raises(DataError, match=words) as error:
        read_run(vic_copy)
    assert "forcing.2000.nc" in str(error.value)


def test_weather_beside_its_range_by_rounding_is_clipped_and_said_once(
    vic_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    domain, days = files.read_domain(vic_copy / "domain.nc"), FIRST_DAY + np.arange(N_DAY)
    names = {"prcp": "prec", "swdown": "swdown", "wind": "wind"}
    paths = [vic_copy / "forcing.2000.nc", vic_copy / "forcing.2001.nc"]
    expected = files.read_series(paths, domain, days, 8, names)
    for path in paths:
        change(path, lambda d: (d["prec"].__setitem__((3, 0, 0), -1e-9), d["swdown"].__setitem__((0, 0, 0), -0.01)))
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        found = files.read_series(paths, domain, days, 8, names)
    assert found["prcp"].min() == found["swdown"].min() == 0.0
    np.testing.assert_array_equal(found["wind"], expected["wind"])
    assert (
        "prec: 1 values in 1 cell outside 0 to 2000 mm set to the nearer end (largest change 1e-09 mm)" in caplog.text
    )
