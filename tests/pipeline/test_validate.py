"""``validate``: methods of a run at stations, VIC on a station's own weather, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import paraformer as pf
from data.sources.station_text import write_daily
from paraformer.cli import app
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.data.stations import Probe, stations_dataset
from paraformer.pipeline.validate import FILES, Validation
from worlds import TINY, write_study

CHANGES = {
    "learners": {"A": {**TINY["learners"]["FFN_A"], "attribute_dropout": 0.5}},
    "searches": None,
    "gap_filling": None,
    "references": {"direct": None},
    "data__synthetic": {"rows": 2, "columns": 3, "years": 2},
    "parameters": ["infilt", "expt", "depth_1"],
    "ensemble__outputs": ["soil_moisture", "evapotranspiration", "runoff", "baseflow", "soil_moisture_2"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pf.Result:
    """A judged run that keeps layer 2."""
    folder = tmp_path_factory.mktemp("validate")
    return pf.run(write_study(folder, **CHANGES), folder / "run", until="scores", quiet=True)


@pytest.fixture(scope="module")
def stations(run: pf.Result) -> xr.Dataset:
    """Three stations: in cell 0 and near cell 4 what VIC with the true θ has there, and one far from all cells."""
    series = run.series
    truth = series.isel(row=int(np.flatnonzero(series["method"].values == "true θ")[0]))
    params = xr.load_dataset(run.directory / "cube" / "params.nc")
    lat, lon = series["lat"].values, series["lon"].values
    days = series["time"].values.astype("datetime64[D]")
    random, probes = np.random.default_rng(0), []
    depth_2 = float(params["depth"].values[1].ravel()[np.isfinite(params["depth"].values[1].ravel())][0])
    for name, cell, shift in (("here", 0, 0.0), ("near", 4, 0.1)):
        place = float(lat[cell]) + shift, float(lon[cell])
        deep = truth["soil_moisture_2"].values[cell] / (1000 * depth_2)
        for depth, moisture in ((0.05, truth["soil_moisture"].values[cell]), (0.35, deep), (1.0, deep)):
            values = np.clip(moisture + 0.002 * random.standard_normal(days.size), 0, 1)
            values[5:9] = np.nan
            probes.append(Probe(name, name, *place, depth, days, values, elevation=100.0))
    probes.append(Probe("far", "far", float(lat[0]) - 20.0, float(lon[0]), 0.05, days, values))
    return stations_dataset(probes, {"source": "made", "day": "UTC"}, {})


@pytest.fixture(scope="module")
def found(run: pf.Result, stations: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Validation, Path]:
    out = tmp_path_factory.mktemp("out")
    return pf.validate(run.directory, stations, directory=out), out


def test_methods_of_a_run_are_scored_where_a_station_lies_in_a_cell(found: tuple[Validation, Path]) -> None:
    validation, _ = found
    matches = validation.matches.set_index("station")
    assert matches["used"].to_dict() == {"far": False, "here": True, "near": True}
    assert "km from the nearest cell, more than 25" in matches.loc["far", "reason"]
    assert matches.loc["near", "distance_km"] == pytest.approx(11.1, abs=0.1)
    scores = validation.scores
    assert set(scores["station"]) == {"here", "near"}
    assert set(scores["method"]) >= {"default VIC", "A, seed 0", "A, seed 1", "true θ"}
    raw = scores[(scores["kind"] == "raw") & (scores["metric"] == "ubrmse") & (scores["depth"] == 0.05)]
    truth = raw[raw["method"] == "true θ"]
    assert truth["value"].between(0.0017, 0.0023).all(), "what was added to the true moisture"
    assert (truth["less_first_high"] < 0).all()
    assert (raw["days"] == raw["days"].iloc[0]).all(), "the same days for all methods"


def test_only_the_test_period_is_scored(found: tuple[Validation, Path], run: pf.Result) -> None:
    scores = found[0].scores
    days = int(run.cube.period("test").mask(run.cube.time).sum())
    assert scores.loc[scores["kind"] == "raw", "days"].max() == days


def test_deeper_probes_are_compared_with_the_layer_that_holds_them(found: tuple[Validation, Path]) -> None:
    validation, _ = found
    deep = validation.scores[validation.scores["depth"] == 0.35]
    assert set(deep["layer"]) == {2}
    value = deep[(deep["method"] == "true θ") & (deep["kind"] == "raw") & (deep["metric"] == "bias")]["value"]
    assert (value.abs() < 0.01).all()
    assert 1.0 not in set(validation.scores["depth"])
    (note,) = (note for note in validation.notes if note.startswith("100 cm is left out"))
    assert "ensemble.outputs" in note


def test_tables_and_text_say_the_same(found: tuple[Validation, Path]) -> None:
    validation, out = found
    for name, file in FILES.items():
        assert len(pd.read_csv(out / file)) == len(getattr(validation, name))
    text = str(validation)
    assert text.startswith("2 of 3 stations")
    assert "more than 25" in text
    assert "days of the stations: UTC; of VIC: UTC" in text


def test_triple_collocation_has_its_days_and_its_library(
    run: pf.Result, stations: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytesmo.metrics", None)
    without = pf.validate(run.directory, stations)
    assert without.collocation.empty
    assert any("pip install 'paraformer[insitu]'" in note for note in without.notes)
    monkeypatch.undo()
    pytest.importorskip("pytesmo", reason="the library pytesmo (extra insitu) is not installed")
    table = pf.validate(run.directory, stations).collocation
    assert set(table["series"]) == {"station", "satellite", "model"}
    assert set(table["station"]) == {"here", "near"}
    observed = run.cube.observed()[1][0] & run.cube.period("test").mask(run.cube.time)
    raw = table[(table["kind"] == "raw") & (table["station"] == "here")]
    assert (raw["days"] == observed.sum()).all()


# -- VIC on the weather of stations


@pytest.fixture(scope="module")
def cells(run: pf.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of cells with probes at 5 and 20 cm and VIC's files beside it."""
    folder = tmp_path_factory.mktemp("cells")
    for name in ("params.nc", "domain.nc"):
        (folder / name).write_bytes((run.directory / "cube" / name).read_bytes())
    inputs = xr.load_dataset(run.directory / "cube" / "inputs.nc")
    series = pf.vic.simulate(
        folder / "params.nc",
        folder / "domain.nc",
        run.directory / "cube" / "inputs.nc",
        outputs=("soil_moisture_mean", "soil_moisture_2"),
        spin_up_days=365,
        spin_up_cycles=1,
    )
    noise = 0.002 * np.random.default_rng(0).standard_normal(series["soil_moisture_mean"].shape)
    unit = {"units": "m3 m-3"}
    wet = np.clip(series["soil_moisture_mean"].values + noise, 0, 1)
    inputs["sm_005"] = (("cell", "time"), wet, unit)
    inputs["sm_020"] = (("cell", "time"), wet, unit)
    inputs.to_netcdf(folder / "cells.nc")
    return folder / "cells.nc"


def test_vic_runs_on_the_stations_weather_with_theta_of_a_map(cells: Path, run: pf.Result, tmp_path: Path) -> None:
    folder = tmp_path / "map"
    result = CliRunner().invoke(app, ["export", str(run.directory), str(folder), "--method", "A"])
    assert result.exit_code == 0, result.output
    validation = pf.validate(cells, models=[str(folder)])
    assert set(validation.scores["method"]) == {"default VIC", "map"}
    assert validation.matches["used"].all()
    at = validation.scores.set_index(["depth", "method", "kind", "metric"]).sort_index()
    own = at.loc[(0.05, "default VIC", "raw", "ubrmse"), "value"]
    assert ((own > 0.0017) & (own < 0.0023)).all(), "default VIC in its own weather, but for what was added"
    assert at.loc[(0.05, "map", "raw", "ubrmse"), "value"].mean() > own.mean(), "θ of the map is another"
    assert set(at.loc[(0.2, "default VIC", "raw", "r"), "layer"]) == {2}
    text = CliRunner().invoke(app, ["validate", str(cells), "--model", str(folder), "--quiet"])
    assert text.exit_code == 0, text.output
    assert text.output.strip() == str(validation).strip()


def test_stations_of_files_are_matched_to_cells_with_weather(cells: Path, tmp_path: Path) -> None:
    inputs = xr.load_dataset(cells)
    days = inputs["time"].values.astype("datetime64[D]")
    place = float(inputs["lat"][2]), float(inputs["lon"][2])
    moisture = {5: inputs["sm_005"].values[2]}
    write_daily(tmp_path / "CRND0103-2015-XX_Made_1_N.txt", days, moisture, place=place)
    validation = pf.validate(cells, tmp_path)
    assert validation.matches["cell"].tolist() == [int(inputs["cell"][2])]
    raw = validation.scores.set_index(["kind", "metric"]).loc[("raw", "ubrmse")]
    assert float(raw["value"]) < 0.0025
    assert any(note == "days of the stations: local; of VIC: UTC" for note in validation.notes)


# -- what is refused


def test_what_does_not_go_together_is_one_line(run: pf.Result, cells: Path, tmp_path: Path) -> None:
    cases = [
        ((run.directory,), {}, SettingsError, "name the stations that the run is validated at"),
        ((run.directory, tmp_path), {"models": ["x"]}, SettingsError, "a run has its own methods"),
        ((tmp_path / "nothing",), {}, DataError, "expected a run directory or a file of cells"),
        ((run.directory, tmp_path), {}, DataError, "no station's data; expected USCRN files"),
        ((cells,), {"models": ["conus"]}, SettingsError, "no packaged map"),
        ((cells,), {"within": 0.0}, SettingsError, "--within: found 0 km"),
        ((tmp_path,), {}, SettingsError, "name the stations; only a netCDF file of cells"),
        ((run.study_file, cells), {}, SettingsError, "expected a run directory or a file of cells"),
    ]
    for given, options, error, words in cases:
        with pytest.raises(error, match=words):
            pf.validate(*given, **options)


def test_no_station_near_says_how_far_the_nearest_is(run: pf.Result, stations: xr.Dataset) -> None:
    with pytest.raises(DataError, match=r"no station within 25 km of a cell; the nearest of 1, far, is 2\d\d\d km"):
        pf.validate(run.directory, stations.sel(station=["far"]))


def test_a_run_without_scores_says_so(run: pf.Result, stations: xr.Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    pf.run(run.study_file, folder, until="cube", quiet=True)
    with pytest.raises(RunError, match="no soil moisture was judged"):
        pf.validate(folder, stations)


@pytest.mark.shared
def test_default_vic_at_real_stations(shared: Path) -> None:
    """22 stations of USCRN: the medians that another program's run of the same files gave (README-basins-insitu)."""
    summary = pf.validate(shared / "data/insitu/uscrn_2020/cells.nc").summary
    median = summary.set_index(["depth", "kind", "metric"])["median"]
    assert (summary[summary["depth"] == 0.05]["stations"] == 22).all()
    assert median[0.05, "raw", "r"] == pytest.approx(0.701, abs=0.005)
    assert median[0.05, "raw", "ubrmse"] == pytest.approx(0.060, abs=0.001)
    assert median[0.05, "raw", "bias"] == pytest.approx(0.030, abs=0.002)
    assert median[0.2, "raw", "r"] == pytest.approx(0.709, abs=0.01)
    assert median[0.2, "raw", "ubrmse"] == pytest.approx(0.039, abs=0.001)
