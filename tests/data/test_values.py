"""Values no weather has are refused with cell, day and a guess; rounding is clipped and said; a year shows its unit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.simple_world import settings as settings_for
from data.simple_world import simple_dataset, write
from paraformer.core.errors import DataError
from paraformer.data.climate import saturation_vapour_pressure
from paraformer.data.cube import build_cube
from paraformer.data.quality import check, check_values

Plant = Callable[[xr.Dataset], None]


def times(name: str, factor: float, plus: float = 0.0, cells: slice = slice(None)) -> Plant:
    def plant(dataset: xr.Dataset) -> None:
        values = dataset[name].values.astype("f8")
        values[cells] = values[cells] * factor + plus
        dataset[name].values[:] = values

    return plant


def value(name: str, cell: int, day: int, to: float) -> Plant:
    def plant(dataset: xr.Dataset) -> None:
        dataset[name].values[cell, day] = to

    return plant


def planted(tmp_path: Path, *plants: Plant, steps: int = 1) -> Path:
    dataset = simple_dataset(steps)
    for plant in plants:
        plant(dataset)
    return write(dataset, tmp_path / "in.nc")


def refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check(settings_for(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (times("prcp", 1e-3), r"prcp: found 0\.7\d mm year-1 in the mean of all cells, .*; m, m s-1, mm s-1"),
        (times("prcp", 1 / 86400), r"prcp: found 0\.00\d+ mm year-1 in the mean of all cells"),
        (times("prcp", 30.0), r"prcp, mean precipitation at cell 3 \(.*found 2\d{4}"),
        (times("swdown", 0.024), r"swdown, mean shortwave radiation at cell 3 .*; MJ m-2, kWh m-2"),
        (times("swdown", 0.0864, cells=slice(2, 3)), r"swdown, mean shortwave radiation at cell 7 "),
        (times("swdown", 86400.0), r"swdown at cell 3 .*, 2015-04-01: found 1\.728e\+07 W m-2"),
        (times("lwdown", 0.0864), r"lwdown, mean longwave radiation at cell 3"),
        (times("lwdown", 1.0, -380.0), r"lwdown at cell 3 .*net instead of downward"),
        (times("tair", 1.8, 32.0), r"tair at cell 3 .*degrees Fahrenheit"),
        (times("vp", 10.0), r"vp at cell 3 .*Pa or hPa"),
        (times("vp", 1e-3), r"vp, mean vapour pressure over that of saturation at cell 3"),
        (times("vp", 2.5), r"vp at cell \d+ .*: found .* kPa, expected at most the .* kPa of saturation at"),
        (times("pres", 10.0), r"pres at cell 3 .*found 950 kPa"),
        (times("wind", 100.0), r"wind at cell 3 "),
        (times("sm_smap", 100.0), r"sm_smap at cell 3 .*percent"),
    ],
)
def test_a_wrong_unit_under_the_right_name_is_refused(tmp_path, plant, message):
    refused(planted(tmp_path, plant), rf"in\.nc: {message}")


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            times("prcp", 1e-3, cells=slice(2, 3)),
            "1 values in 1 cell outside the usual 10 to 12000 mm year-1, first 0.7",
        ),
        (times("wind", 3.6), "wind, mean wind speed: 5 values in 5 cells outside the usual 0.3 to 10 m s-1"),
        (
            value("prcp", 1, 1, 700.0),
            "prcp: 1 values in 1 cell outside the usual 0 to 500 mm day-1, first 700 at cell 4",
        ),
        (times("sm_smap", 3.2), "mean of sm_smap: 5 values in 5 cells outside the usual 0.01 to 0.6 m3 m-3"),
        (times("et_gleam", 0.02), "mean month of et_gleam: 5 values in 5 cells outside the usual 1.5 to 150"),
    ],
)
def test_what_is_possible_but_odd_is_said_with_the_number_of_cells(tmp_path, caplog, plant, said):
    check(settings_for(planted(tmp_path, plant)))
    assert said in caplog.text


def test_zeros_in_place_of_no_observation_are_said(tmp_path, caplog):
    dataset = simple_dataset()
    dataset["sm_smap"].values[1] = np.nan_to_num(dataset["sm_smap"].values[1])
    check(settings_for(write(dataset, tmp_path / "in.nc")))
    assert "sm_smap at cell 4 (lat 32.5, lon -113.3333): exactly 0 on 533 of 800 days" in caplog.text


def test_a_season_does_not_show_its_unit(tmp_path):
    """A dry quarter of a year is no wrong unit."""
    dataset = simple_dataset(n_days=100)
    dataset["prcp"].values[:] = 0.0
    periods = {
        "train": {"start": "2015-04-01", "end": "2015-05-31"},
        "test": {"start": "2015-06-01", "end": "2015-06-30"},
    }
    check(settings_for(write(dataset, tmp_path / "in.nc"), **periods))


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(
    ("name", "found", "used", "change"),
    [
        ("prcp", -1e-9, 0.0, "1e-09 mm day-1"),
        ("swdown", -0.01, 0.0, "0.01 W m-2"),
        ("sm_smap", 1.00001, 1.0, "1e-05 m3 m-3"),
        ("wind", -1e-4, 0.0, "0.0001 m s-1"),
    ],
)
def test_what_rounding_made_is_clipped_said_and_used(tmp_path, caplog, name, found, used, change, steps):
    path = planted(tmp_path, value(name, 1, 0, found), steps=steps)
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        cube = build_cube(settings_for(path), tmp_path / "cube.zarr")
    assert re.search(
        rf"{name}: 1 values in 1 cell outside 0 to .* set to the nearer end \(largest change {change}\)", caplog.text
    )
    inside = cube.dataset[name if steps == 1 or name == "sm_smap" else f"{name}_sub"].values[1]
    assert inside.ravel()[0] == used
    other = simple_dataset(steps)[name].values[1].ravel()[1:]
    if name != "sm_smap":
        np.testing.assert_array_equal(inside.ravel()[1:], other)


@pytest.mark.parametrize(("name", "daily", "step"), [("swdown", 900.0, 1600.0), ("prcp", 3000.0, 13000.0)])
def test_a_step_may_have_more_than_a_day_but_has_an_end_too(tmp_path, name, daily, step):
    check(settings_for(planted(tmp_path, value(name, 1, 1, daily), steps=4)))
    refused(planted(tmp_path, value(name, 1, 1, daily)), rf"{name} at cell 4 .*2015-04-02: found {daily:g}")
    refused(
        planted(tmp_path, value(name, 1, 1, step), steps=4), rf"{name} at cell 4 .*2015-04-01T06:00: found {step:g}"
    )


def test_air_that_is_a_little_too_moist_is_said_and_far_too_moist_refused(tmp_path, caplog):
    def moist(part: float) -> Path:
        dataset = simple_dataset()
        dataset["vp"].values[1, 7:8] = part * saturation_vapour_pressure(dataset["tair"].values[1, 7:8])
        return write(dataset, tmp_path / "in.nc")

    check(settings_for(moist(1.15)))
    assert not caplog.text
    check(settings_for(moist(1.4)))
    assert "vp at cell 4 (lat 32.5, lon -113.3333): above 1.2 times saturation on 1 of 800 steps" in caplog.text
    refused(moist(2.5), r"vp at cell 4 \(lat 32.5, lon -113.3333\), 2015-04-08: found .* of saturation at")


def test_cells_without_an_observation_to_learn_from_are_named(tmp_path, caplog):
    dataset = simple_dataset()
    dataset["sm_smap"].values[[2, 3], :366] = np.nan
    _, found = check_values(settings_for(write(dataset, tmp_path / "in.nc")))
    assert "no observation in the training period 2015-04-01..2016-03-31 in 2 trained cells: 7, 10" in caplog.text
    assert found.observed_train.tolist() == [122, 122, 0, 0, 122]


def packed(name: str, counts: np.ndarray, scale: float) -> Plant:
    def plant(dataset: xr.Dataset) -> None:
        attributes = {**dataset[name].attrs, "scale_factor": scale, "_FillValue": np.int16(-32768)}
        dataset[name] = (dataset[name].dims, counts, attributes)

    return plant


@pytest.mark.parametrize(
    "fit",
    [
        lambda counts: counts.astype("i8").astype("i2"),  # as C and numpy do: wrapped round
        lambda counts: np.clip(counts, -32767, 32767).astype("i2"),
    ],
)
def test_packed_numbers_that_do_not_fit_into_their_type_are_refused(tmp_path, fit):
    counts = np.rint(simple_dataset()["tair"].values.astype("f8") / 0.0005)
    path = planted(tmp_path, packed("tair", fit(counts), 0.0005))
    refused(path, r"tair at cell \d+ .*: the packed number overflows its type int16; expected a scale_factor")


@pytest.mark.parametrize("name", ["tair", "prcp", "swdown", "vp"])
def test_packed_numbers_that_fill_their_type_are_fine(tmp_path, name):
    values = simple_dataset()[name].values.astype("f8")
    scale, offset = (values.max() - values.min()) / 65534, values.min()
    dataset = simple_dataset()
    encoding = {name: {"dtype": "u2", "scale_factor": scale, "add_offset": offset, "_FillValue": 65535}}
    path = tmp_path / "in.nc"
    dataset.to_netcdf(path, encoding=encoding)
    check(settings_for(path))


def test_values_outside_the_valid_range_of_the_file_are_missing_and_counted(tmp_path, caplog):
    dataset = simple_dataset()
    dataset["sm_smap"].attrs |= {"valid_min": 0.02, "valid_max": 0.6}
    dataset["sm_smap"].values[1, 0], dataset["sm_smap"].values[4, 3] = 0.9, 0.01
    check(settings_for(write(dataset, tmp_path / "in.nc")))
    assert re.search(
        r"sm_smap: 2 values in 2 cells outside the valid range that the file states \(valid_min 0\.02, "
        r"valid_max 0\.6\) taken for missing, first 0\.9 at cell 4 \(lat 32\.5, lon -113\.3333\), 2015-04-01",
        caplog.text,
    )
