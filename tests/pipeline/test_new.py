"""Every kind of study that ``new`` begins passes ``check``: from a VIC run with all its weather, and from templates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from data.sources.cci_files import write_day
from data.sources.test_basins import CARAVAN
from paraformer.config import load_study
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.physics import saturation_vapour_pressure
from paraformer.data.cube import whole_cube
from paraformer.pipeline import check_study
from paraformer.pipeline.from_vic import Moisture, _half
from paraformer.pipeline.new import KINDS, new
from paraformer.pipeline.parameters import make_parameters
from paraformer.process.build import build_process
from paraformer.process.files import process_files
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
from pipeline.granules import BOX, Region, write_region
from pipeline.test_granules import SMALL
from process import drop_in

DAYS = 370
LAT, LON = np.array([40.0, 41.0]), np.array([-100.0, -99.0])


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of a template and their folder are forgotten: another test has files of the same names elsewhere."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("gru_learner", "numpy_bucket"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A global parameter file of three cells and a year, and soil moisture on their grid."""
    monkeypatch.setattr(drop_in, "N_DAY", DAYS)
    drop_in.make_world(tmp_path)
    observed = 0.2 + 0.1 * np.random.default_rng(0).random((DAYS, 2, 2))
    stamps = (drop_in.FIRST_DAY + np.arange(DAYS)).astype("datetime64[ns]")
    coords = {"time": stamps, "lat": LAT, "lon": LON}
    moisture = {"sm": (("time", "lat", "lon"), observed, {"units": "m3 m-3"})}
    xr.Dataset(moisture, coords).to_netcdf(tmp_path / "sm.nc")
    return drop_in.global_file(tmp_path, last="2001-12-24")


def test_a_vic_run_becomes_a_study_that_passes_check(run: Path, tmp_path: Path) -> None:
    told = new("vic", tmp_path / "mine", run, Moisture(tmp_path / "sm.nc"))
    assert "study mine: ok" in told
    assert "3 trained cells with 185 observed days (median) are few to learn a map from" in told
    study = load_study(tmp_path / "mine" / "study.yaml")
    assert study.data.attributes == ("bulk", "elevation")
    assert study.data.land_attributes
    given, seen = xr.load_dataset(tmp_path / "sm.nc"), xr.load_dataset(tmp_path / "mine" / "inputs.nc")
    cell = int(np.flatnonzero((seen["lat"] == 41.0) & (seen["lon"] == -99.0))[0])
    daily = seen["sm_obs"][cell].values.reshape(DAYS, -1)
    np.testing.assert_allclose(daily[:, 0], given["sm"].sel(lat=41.0, lon=-99.0), rtol=1e-6)
    assert np.isnan(daily[:, 1:]).all()


def test_the_study_runs_the_weather_of_the_run(run: Path, tmp_path: Path) -> None:
    """VIC on the file that was written says what ``vic run`` writes: units and steps are right, fog is no fault."""
    with netCDF4.Dataset(tmp_path / "forcing.2001.nc", "a") as weather:
        pressure, air = (weather[drop_in.FORCE_TYPES[name].lower()] for name in ("vp", "tair"))
        pressure[:16] = 2 * saturation_vapour_pressure(air[:16])
    new("vic", tmp_path / "mine", run, Moisture(tmp_path / "sm.nc", "sm"))
    study = load_study(tmp_path / "mine" / "study.yaml", ["process.spin_up={days: 0, cycles: 0}"])
    cube = whole_cube(tmp_path / "mine" / "inputs.nc")
    process = study.process.model_copy(update={"vic": study.process.vic.model_copy(update={"water_balance": "vic"})})
    model = build_process(process, study.space, cube, process_files(process, {}))
    found = model.simulate(None, ("runoff",))["runoff"][:, 0]
    (path,) = run_global(read_global_parameters(run)).history
    expected = xr.load_dataset(path)["OUT_RUNOFF"].values
    for values, lat, lon in zip(found, cube.lat, cube.lon, strict=True):
        at = expected[:, np.flatnonzero(lat == LAT)[0], np.flatnonzero(lon == LON)[0]]
        np.testing.assert_allclose(values, at, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("first", "last", "learned"),
    [
        ("2015-04-01", "2017-03-31", "2016-03-31"),
        ("2015-04-01", "2018-03-31", "2017-03-31"),
        ("2001-01-01", "2001-12-31", "2001-07-01"),
        ("2001-01-01", "2001-01-02", "2001-01-01"),
    ],
)
def test_the_first_half_of_the_years_is_learned_from(first: str, last: str, learned: str) -> None:
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
    assert str(days[_half(days) - 1]) == learned


def test_a_run_without_snow_bands_is_a_study_where_the_file_has_one_band(run: Path, tmp_path: Path) -> None:
    run.write_text(run.read_text().replace("SNOW_BAND TRUE", "SNOW_BAND FALSE"))
    with pytest.raises(SettingsError, match=r"SNOW_BAND FALSE; a study reads the 2 bands of .*params\.nc"):
        new("vic", tmp_path / "two", run)
    one = xr.load_dataset(tmp_path / "params.nc").isel(snow_band=[0])
    one.to_netcdf(tmp_path / "params.nc")
    assert "study mine: ok" in new("vic", tmp_path / "mine", run, Moisture(tmp_path / "sm.nc"))


def test_observations_that_do_not_fit_are_one_line(run: Path, tmp_path: Path) -> None:
    told = new("vic", tmp_path / "empty", run)
    assert "there is nothing to learn from yet" in told
    dataset = xr.load_dataset(tmp_path / "sm.nc")
    wrong = {
        "0 variables along time with the unit m3 m-3": dataset.assign(sm=dataset["sm"].assign_attrs(units="%")),
        "no cell at the place": dataset.assign_coords(lat=LAT + 0.4),
        "no variable lat or latitude": dataset.rename(lat="y"),
        "more than one time": xr.concat([dataset, dataset], "time"),
        "no value of 'sm' in the cells": dataset.assign_coords(time=dataset["time"] - np.timedelta64(4000, "D")),
    }
    for words, content in wrong.items():
        content.to_netcdf(tmp_path / "wrong.nc")
        with pytest.raises(DataError, match=rf"wrong\.nc: .*{words}"):
            new("vic", tmp_path / words[:9], run, Moisture(tmp_path / "wrong.nc"))
    with pytest.raises(DataError, match="variable 'ssm' is missing; did you mean 'sm'"):
        new("vic", tmp_path / "named", run, Moisture(tmp_path / "sm.nc", "ssm"))


@pytest.mark.parametrize("kind", ["own-model", "own-learner"])
def test_a_template_on_the_built_in_world_passes_check(kind: str, tmp_path: Path) -> None:
    told = new(kind, tmp_path / "mine")
    (path,) = (tmp_path / "mine").glob("*.yaml")
    assert f"paraformer check {path}" in told
    small = "data.synthetic={rows: 3, columns: 3, years: 2}"
    assert "settings are valid" in check_study(load_study(path, [small]))


def test_a_region_passes_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    write_region(tmp_path / "data", Region(BOX, "SPL3SMP", "MOD16A2GF"))
    monkeypatch.setenv("PARAFORMER_DATA", str(tmp_path / "data"))
    new("products", tmp_path / "mine")
    changes = (*SMALL, f"data.products.land.leaf_area.path={tmp_path / 'data' / 'leaf_area.tif'}")
    study = load_study(tmp_path / "mine" / "region.yaml", changes)
    with pytest.raises(DataError, match="'paraformer parameters STUDY' makes it"):
        check_study(study)
    make_parameters(study, tmp_path / "run")
    assert "study region_template: ok as far as a part of 'products' shows" in check_study(study)


def test_basins_pass_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three gauges at the cells of the miniature VIC world."""
    data = tmp_path / "data"
    (data / "caravan" / "timeseries").mkdir(parents=True)
    drop_in.make_world(data)
    places = {"x_0001": (40.0, -100.0), "x_0002": (40.0, -99.0), "x_0003": (41.0, -99.0)}
    days = drop_in.FIRST_DAY + np.arange(drop_in.N_DAY)
    rows = [f"{name},{lat},{lon},300" for name, (lat, lon) in places.items()]
    table = data / "caravan" / "attributes_other.csv"
    table.write_text("\n".join(["gauge_id,gauge_lat,gauge_lon,elev_mean", *rows]) + "\n")
    for name in places:
        lines = [",".join(("date", *CARAVAN)), *(",".join((str(day), *map(str, CARAVAN.values()))) for day in days)]
        (data / "caravan" / "timeseries" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    lat, lon = np.arange(41.375, 39.6, -0.25), np.arange(-100.375, -98.6, 0.25)
    for k, day in enumerate(days):
        write_day(data / "cci", str(day), 0.2 + 0.01 * (k % 9), lat=lat, lon=lon)
    monkeypatch.setenv("PARAFORMER_DATA", str(data))
    new("basins", tmp_path / "mine")
    changes = (
        "data.products.region={south: 39.8, north: 41.2, west: -100.2, east: -98.8}",
        f"data.products.period={{start: {days[0]}, end: {days[-1]}}}",
        f"data.train={{start: {days[0]}, end: {days[14]}}}",
        f"data.test={{start: {days[15]}, end: {days[-1]}}}",
        "process.spin_up={days: 5, cycles: 1}",
        "surrogate.window=10",
        "surrogate.warm_up=4",
        "evaluation={min_days: 2}",
        "searches={}",
    )
    assert "study basins: " in check_study(load_study(tmp_path / "mine" / "basins.yaml", changes))


def test_what_cannot_begin_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no kind of study 'basin'; did you mean 'basins'"):
        new("basin", tmp_path / "a")
    with pytest.raises(SettingsError, match="--global"):
        new("vic", tmp_path / "a")
    with pytest.raises(SettingsError, match="belong to kind 'vic', not to 'basins'"):
        new("basins", tmp_path / "a", tmp_path / "global.txt")
    (tmp_path / "note").write_text("mine")
    for folder in (tmp_path, tmp_path / "note"):
        with pytest.raises(RunError, match="is there already and not empty"):
            new("own-model", folder)
    assert set(KINDS) == {"vic", "products", "own-model", "own-learner", "basins"}
