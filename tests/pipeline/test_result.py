"""The Python face: a study run from its file, its result as one object, and the same numbers as in its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import paraformer as pf
from compliance import problems
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.run_files import THETA
from paraformer.pipeline.model import TrainedMap
from worlds import TINY, write_study

FEW = {**TINY["learners"]["FFN_A"], "attribute_dropout": 0.5}
SMALL = {
    "learners": {"A": FEW},
    "searches": None,
    "gap_filling": None,
    "references": {"direct": None},
    "data__synthetic": {"rows": 2, "columns": 3, "years": 2},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("python"), **SMALL)


@pytest.fixture(scope="module")
def result(study: Path) -> pf.Result:
    return pf.run(str(study), study.parent / "run", until="scores", quiet=True)


def test_a_run_is_one_object(result: pf.Result, study: Path) -> None:
    assert isinstance(result.scores, pd.DataFrame)
    assert {"A", "default VIC"} <= set(result.scores["method"])
    assert result.theta["expt"].attrs["units"] == "1"
    assert result.series["runoff"].attrs["units"]
    assert result.series["soil_moisture"].sel({"method": "A"}).dims == ("row", "cell", "time")
    assert result.theta.sel({"method": "A"}).sizes["row"] == 2
    assert result.recommended.method == "A"
    assert str(result).count("default VIC") > 1
    assert "Recommended: A" in str(result)
    again = pf.run(pf.Study.load(study), result.directory, until="cube", quiet=True)
    assert again.scores.equals(result.scores)


def test_series_and_theta_are_files_by_cf(result: pf.Result, tmp_path: Path) -> None:
    for name, dataset in (("theta", result.theta), ("best", result.best("A").theta)):
        dataset.to_netcdf(tmp_path / f"{name}.nc")
        assert problems(tmp_path / f"{name}.nc", tmp_path) == []


def test_the_best_is_the_mean_of_the_seeds_in_unit_coordinates(result: pf.Result, tmp_path: Path) -> None:
    best, space = result.best(), result.space
    seeds = [result.theta.sel({"method": "A"}).isel(row=seed) for seed in range(2)]
    for p in space:
        expected = p.from_unit(np.mean([p.to_unit(seed[p.name].values) for seed in seeds], axis=0))
        np.testing.assert_allclose(best.theta[p.name].values, expected, rtol=1e-12)
    together = xr.load_dataset(result.directory / "parameters" / "A" / THETA)
    np.testing.assert_allclose(together["expt"], best.theta["expt"], rtol=1e-6)
    written = best.to_vic(str(tmp_path / "params.nc"))
    assert result.parameter_file("A") == result.directory / "parameters/A/params.nc"
    assert result.parameter_file("A", 1) == result.directory / "parameters/A/seed-1/params.nc"
    xr.testing.assert_allclose(xr.load_dataset(written), xr.load_dataset(result.parameter_file("A")))
    assert not xr.load_dataset(written)["infilt"].equals(xr.load_dataset(result.parameter_file("A", 1))["infilt"])
    with pytest.raises(DataError, match="no θ of a method 'B'"):
        result.best("B")


def test_figures_are_shown_in_a_notebook(result: pf.Result) -> None:
    for figure in (result.plot.map("expt"), result.plot.map("rmse", ["A"]), result.plot.series(cell=3)):
        assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="no parameter or metric 'exp'; did you mean 'expt'"):
        result.plot.map("exp")
    with pytest.raises(DataError, match="no method 'C' here"):
        result.plot.series(cell=3, methods=["C"])
    with pytest.raises(SettingsError, match="no cell 99"):
        result.plot.series(cell=99)


def test_objects_say_in_a_notebook_what_they_are(result: pf.Result, study: Path) -> None:
    found = pf.load_model(result.directory)
    learned = pf.LearnedMap.load(result.seed_folder("A"))
    things = {"tiny": pf.Study.load(study), "Recommended: A": result, "sm_obs": result.cube, "expt": result.space}
    for words, thing in (things | {"A: infilt": found, "ffn_a": learned, "θ of A": result.best("A")}).items():
        assert words.casefold() in thing._repr_html_().casefold()


def test_a_map_is_applied_to_data_in_memory(result: pf.Result) -> None:
    """The same θ from a file with VIC's files beside it, from datasets, and from a dataset with the a-priori θ."""
    found, folder = pf.load_model(result.directory, "A"), result.directory / "cube"
    assert isinstance(found, TrainedMap)
    by_path = found.apply(folder / "inputs.nc")
    inputs, params, domain = (xr.load_dataset(folder / f"{name}.nc") for name in ("inputs", "params", "domain"))
    xr.testing.assert_equal(found.apply(inputs, params, domain), by_path)
    prior = {name: ("cell", result.prior[:, i]) for i, name in enumerate(result.space.names)}
    xr.testing.assert_allclose(found.apply(inputs.assign(prior)), by_path)
    with pytest.raises(SettingsError, match=r"adds to the a-priori θ .* infilt, expt"):
        found.apply(inputs)
    with pytest.raises(DataError, match="'prcp' is missing"):
        found.apply(inputs.drop_vars("prcp").assign(prior))


def test_vic_runs_datasets_as_the_verdict_runs_the_study(result: pf.Result) -> None:
    folder, spin_up = result.directory / "cube", TINY["process"]["spin_up"]
    data = [xr.load_dataset(folder / f"{name}.nc") for name in ("params", "domain", "inputs")]
    options = {"spin_up_days": spin_up["days"], "spin_up_cycles": spin_up["cycles"], "threads": 1}
    theta = result.theta.sel({"method": "A"}).isel(row=0)
    found = pf.vic.simulate(*data, theta, outputs=["soil_moisture", "runoff"], **options)
    judged = result.series.sel({"method": "A"}).isel(row=0)
    np.testing.assert_allclose(found["soil_moisture"], judged["soil_moisture"], rtol=1e-4, atol=1e-5)
    assert found["runoff"].attrs["units"] == "mm day-1"
    plain = pf.vic.simulate(*data, outputs=["soil_moisture"], **options)
    default = result.series.sel({"method": "default VIC"})
    np.testing.assert_allclose(plain["soil_moisture"], default["soil_moisture"], atol=1e-5)
    with pytest.raises(pf.ParaformerError, match="no output 'soil'"):
        pf.vic.simulate(*data, outputs=["soil"])
    with pytest.raises(DataError, match="no variable is a parameter"):
        pf.vic.simulate(*data, theta.drop_vars(["infilt", "expt"]))


def test_what_is_not_there_is_one_line(study: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not the directory of a run"):
        pf.Result(tmp_path)
    with pytest.raises(SettingsError, match="overrides change the settings of a study file"):
        pf.run(pf.Study.load(study), tmp_path, overrides=["seed=1"])
    begun = pf.run(study, tmp_path / "run", until="cube", quiet=True)
    assert "not yet judged; finished stages: cube" in str(begun)
    assert "not yet judged" in begun._repr_html_()
    with pytest.raises(RunError, match=r"report\.html: no such file"):
        begun.report()
    assert "settings are valid" in pf.check(study, overrides=["seed=4"])


@pytest.mark.parametrize(("old", "new"), [("run_study", "run"), ("check_study", "check"), ("Results", "Result")])
def test_old_names_are_told_and_still_there(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"paraformer.{old} is paraformer.{new} now"):
        assert getattr(pf, old) is getattr(pf, new)
    with pytest.warns(DeprecationWarning, match="Study.load"):
        assert pf.load_study == pf.Study.load
