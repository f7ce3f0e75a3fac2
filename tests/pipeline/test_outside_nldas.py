"""A place outside North America: the study template for ERA5-Land and ESA CCI, from files in folders to the cube."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.sources.cci_files import write_day
from data.sources.era5_land_files import CONSTANT, hours, since_midnight, write_hourly
from data.sources.land_rasters import centres, write_raster
from paraformer.config import Study, load_study
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.schema import Cube
from paraformer.data.sources.products import write_products
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.cite import cite
from paraformer.pipeline.describe import describe
from paraformer.pipeline.parameters import make_parameters

TEMPLATE = Path(__file__).parents[2] / "studies" / "era5_land_cci.yaml"
BOX = {"south": 39.0, "north": 39.75, "west": -4.0, "east": -3.0}
"""Three by four cells of 0.25 degree, in Spain."""
FIRST, DAYS = "2016-05-01", 12
_WEST, _NORTH, _SIZE = -5.0, 41.0, 0.05
_LAND = ("sand", "clay", "bdod", "soc")


def write_weather(folder: Path) -> None:
    """Rain on the third day between 10 and 12 UTC, more in the east; sun by day; warmer in the south."""
    stamps = hours(f"{FIRST}T00", 24 * DAYS + 1)
    lat, lon = np.round(np.arange(40.3, 38.35, -0.1), 1), np.round(np.arange(-4.6, -2.35, 0.1), 1)
    ends = np.arange(len(stamps))
    rain = np.isin(ends, (24 * 2 + 11, 24 * 2 + 12))[:, None, None] * (0.003 + 0.001 * (lon + 3.5))[None, None, :]
    sun = 3600 * 850 * np.maximum(np.sin(np.pi * (ends % 24 - 5) / 14), 0)
    temperature = 290.0 - (lat - 39.0)[None, :, None] + 6 * np.sin(np.pi * (ends - 9) / 12)[:, None, None]
    fields = CONSTANT | {
        "t2m": np.broadcast_to(temperature, (len(stamps), len(lat), len(lon))),
        "d2m": 281.0,
        "tp": since_midnight(np.broadcast_to(rain, (len(stamps), len(lat), len(lon))), stamps),
        "ssrd": since_midnight(sun, stamps),
        "strd": since_midnight(np.full(len(stamps), 3600 * 330.0), stamps),
    }
    for name, half in (("a", slice(0, 150)), ("b", slice(150, None))):  # two orders
        part = {k: v[half] if isinstance(v, np.ndarray) else v for k, v in fields.items()}
        write_hourly(folder / name / "data_0.nc", stamps[half], part, lat, lon)


def write_study_data(folder: Path) -> None:
    write_weather(folder / "era5_land")
    lat, lon = 39.875 + 0.25 * np.arange(2, -6, -1), -4.875 + 0.25 * np.arange(12)
    east = np.broadcast_to(0.15 + 0.02 * (lon + 3.5), (len(lat), len(lon)))
    flag = np.where(lon < -3.8, 2, 0) + np.zeros((len(lat), 1), dtype=int)  # dense vegetation in the west
    for k in range(DAYS):
        day = str(np.datetime64(FIRST) + k)
        write_day(folder / "cci", day, east + 0.1 * (k == 3), flag=flag * (k % 2), lat=lat, lon=lon)
    shape = (60, 80)
    x, y = centres(_WEST, _NORTH, _SIZE, shape)
    for depth in ("0-5cm", "5-15cm", "15-30cm", "30-60cm", "60-100cm", "100-200cm"):
        for name, value in zip(_LAND, (450.0, 220.0, 140.0, 120.0), strict=True):
            write_raster(folder / "soil" / f"{name}_{depth}_mean.tif", value + 10 * (x + 3.5), _WEST, _NORTH, _SIZE)
    write_raster(folder / "cover.tif", np.where(x < -3.5, 10, 12).astype(np.uint8), _WEST, _NORTH, _SIZE)
    leaves = np.broadcast_to(np.arange(1.0, 13.0)[:, None, None] / 6, (12, *shape)).astype(np.float32)
    write_raster(folder / "leaf_area.tif", leaves, _WEST, _NORTH, _SIZE)
    write_raster(folder / "elevation.tif", 700 + 100 * (x + 4) + 20 * np.sin(9 * y), _WEST, _NORTH, _SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("spain")
    write_study_data(made)
    return made


def study_of(folder: Path, monkeypatch: pytest.MonkeyPatch, *changes: str) -> Study:
    monkeypatch.setenv("PARAFORMER_DATA", str(folder))
    period = f"{{start: {FIRST}, end: {np.datetime64(FIRST) + DAYS - 1}}}"
    small = (
        f"data.products.region={BOX}",
        f"data.products.period={period}",
        f"data.train={{start: {FIRST}, end: 2016-05-08}}",
        "data.test={start: 2016-05-09, end: 2016-05-12}",
        "data.split={blocks: {degrees: 0.5, folds: 2, fold: 0}}",
        "data.products.evapotranspiration=null",
        f"data.products.land.cover.path={folder / 'cover.tif'}",
        f"data.products.land.leaf_area.path={folder / 'leaf_area.tif'}",
        "process.spin_up={days: 5, cycles: 1}",
        "evaluation={min_days: 2}",
        "ensemble={common: 4, own: 4, held_out: 2}",
        "surrogate={anchors: 4, hidden: 6, embedding: 4, warm_up: 2, window: 6, sets_per_cell: 2}",
        "surrogate.training={steps: 4}",
        "searches={}",
        "learners={FFN_A: {network: {name: ffn_a, hidden: 6}, window: 6, training: {steps: 3}}}",
    )
    return load_study(TEMPLATE, (*small, *changes))


def test_from_folders_to_the_cube_and_parameters(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = study_of(folder, monkeypatch)
    assert "12 cells" in make_parameters(study, tmp_path)
    assert "source 'products' is there" in check_study(study)
    cube = Cube.open(tmp_path / "cube" / "cube.zarr")
    data = cube.dataset
    assert (data.sizes["cell"], data.sizes["time"], data.sizes["step"]) == (12, DAYS, 8)
    assert {cube.trained.sum(), (~cube.trained).sum()} <= {4, 6, 8}
    np.testing.assert_array_equal(np.unique(data["lat"]), [39.125, 39.375, 39.625])
    rain = data["prcp"].values
    assert (rain.argmax(axis=1) == 2).all()
    np.testing.assert_allclose(rain[:, 2], 1000 * 2 * (0.003 + 0.001 * (data["lon"].values + 3.5)), rtol=5e-3)
    np.testing.assert_allclose(data["prcp_sub"].values[:, 2, 3], 8 * rain[:, 2], rtol=1e-5)  # 09 to 12 UTC
    south, north = (data["tair"].values[data["lat"].values == lat].mean() for lat in (39.125, 39.625))
    assert south - north == pytest.approx(0.5, abs=0.01)
    seen = np.isfinite(data["sm_cci"].values).sum(axis=1)
    west = data["lon"].values < -3.8
    assert set(seen[west]) == {DAYS // 2}
    assert set(seen[~west]) == {DAYS}
    np.testing.assert_allclose(
        data["sm_cci"].values[:, 3] - data["sm_cci"].values[:, 2], np.where(west, np.nan, 0.1), rtol=1e-4
    )
    np.testing.assert_allclose(np.nanmax(data["sm_cci_uncertainty"]), 0.02, rtol=1e-5)
    assert data["prcp"].attrs["origin"] == "reanalysis"
    text = cite(tmp_path / "cube" / "cube.zarr")
    for part in ("ESA CCI soil moisture COMBINED version 09.1", "ERA5-Land hourly data", "Munoz Sabater, J. (2019)"):
        assert part in text


def test_kept_months_give_the_same_store(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = study_of(folder, monkeypatch, "data.products.land=null", "data.attributes=null")
    caching = study_of(
        folder, monkeypatch, "data.products.land=null", "data.attributes=null", f"data.products.cache={tmp_path / 'm'}"
    )
    assert study.data.products is not None
    assert caching.data.products is not None
    bare = study.data.products.model_copy(update={"cache": None})
    write_products(bare, tmp_path / "plain.zarr")
    for name in ("first.zarr", "again.zarr"):
        write_products(caching.data.products, tmp_path / name)
        xr.testing.assert_identical(xr.open_zarr(tmp_path / name).load(), xr.open_zarr(tmp_path / "plain.zarr").load())
    assert len(list((tmp_path / "m").glob("forcing-2016-05-*.json"))) == 1


def test_estimates_are_marked_in_the_cube_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without thermal radiation and pressure: refused with the setting's name, then estimated, by the maps."""
    fewer = tmp_path / "fewer"
    for path in (folder / "era5_land").rglob("*.nc"):
        copy = fewer / path.relative_to(folder / "era5_land")
        copy.parent.mkdir(parents=True)
        with xr.open_dataset(path, decode_times=False) as data:
            data.drop_vars(["strd", "sp"]).to_netcdf(copy)
    changes = (f"data.products.forcing.folder={fewer}", f"data.products.cache={tmp_path / 'months'}")
    with pytest.raises(DataError, match=r"no lwdown, pres here; .*forcing\.estimate: \[lwdown, pres\]"):
        run_study(study_of(folder, monkeypatch, *changes), tmp_path / "refused", until="cube")
    study = study_of(folder, monkeypatch, *changes, "data.products.forcing.estimate=[lwdown, pres]")
    with caplog.at_level(logging.WARNING):
        run_study(study, tmp_path / "run", until="cube")
    assert "ERA5-Land: pres is estimated: hydrostatic" in caplog.text
    data = Cube.open(tmp_path / "run" / "cube" / "cube.zarr").dataset
    assert data["lwdown"].attrs["origin"] == "estimated"
    assert "Brutsaert (1975)" in data["lwdown"].attrs["method"]
    np.testing.assert_allclose(data["pres"].mean(), 92.5, atol=1.5)  # 750 m
    assert "estimated:" in describe(tmp_path / "run" / "cube" / "cube.zarr")


def test_settings_that_contradict_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for changes, message in (
        (
            ("data.observation=sm_smap",),
            r"'sm_smap' does not come from .*, ESA_CCI_COMBINED; expected 'sm_cci'",
        ),
        (("data.products.grid=gauges",), "grid 'gauges' needs forcing of CAMELS-US or Caravan, not ERA5-Land"),
        (("data.products.forcing.product=ERA5",), r"data\.products\.forcing: .*'ERA5' found .*expected tags"),
        (("data.products.forcing.stepss=8",), r"unknown key 'data\.products\.forcing\.stepss'; did you mean 'steps'"),
        (("data.products.forcing.overpass=am",), r"unknown key 'data\.products\.forcing\.overpass'"),
    ):
        with pytest.raises(SettingsError, match=message):
            study_of(folder, monkeypatch, *changes)
