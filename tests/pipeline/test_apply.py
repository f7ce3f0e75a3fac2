"""A trained map leaves its study: exported, applied to other cells of every kind, judged; and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compliance import problems
from paraformer.config import load_study
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.schema import Cube
from paraformer.pipeline.apply import Order, apply_map
from paraformer.pipeline.judge import judge_thetas
from paraformer.pipeline.released import describe_map, export_map, find_map
from paraformer.pipeline.run import run_study
from paraformer.process.parameter_field import read_theta
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
from process.drop_in import global_file
from process.drop_in import make_world as make_vic_files
from worlds import TINY, write_study

LEARNERS = {
    "A": {**TINY["learners"]["ParaFormer_A"], "attribute_dropout": 0.8, "members": 2},
    "Z": {**TINY["learners"]["ParaFormer_Z"], "observations": "masked"},
    "whole": TINY["learners"]["FFN_A"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of a study whose learners are trained."""
    folder = tmp_path_factory.mktemp("trained")
    changes = {"learners": LEARNERS, "searches": None, "gap_filling": None, "data__land_attributes": True}
    study = load_study(write_study(folder, **changes))
    run_study(study, folder / "run", until="parameters")
    return folder / "run"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of other cells, without learners."""
    folder = tmp_path_factory.mktemp("other")
    world = {"rows": 2, "columns": 2, "years": 2}
    changes = {"data__synthetic": world, "learners": None, "searches": None, "gap_filling": None}
    return write_study(folder, name="other", seed=9, **changes)


@pytest.fixture(scope="module")
def files(other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the other world as files: inputs.nc, params.nc, domain.nc."""
    folder = tmp_path_factory.mktemp("files")
    run_study(load_study(other), folder / "run", until="cube")
    for name in ("inputs.nc", "params.nc", "domain.nc"):
        shutil.copy(folder / "run" / "cube" / name, folder / name)
    return folder


@pytest.mark.parametrize("method", ["A", "Z", "whole"])
def test_its_own_cells_get_the_theta_of_its_own_study(trained: Path, tmp_path: Path, method: str) -> None:
    """Applied where it was trained, a map says what it said there: the mean over seeds, in unit coordinates."""
    study = load_study(trained / "study.yaml")
    apply_map(find_map(str(trained), method), Order(trained / "study.yaml"), tmp_path)
    seeds = [read_theta(trained / "parameters" / method / f"seed-{seed}", study.space) for seed in range(2)]
    expected = study.space.from_unit(np.mean([study.space.to_unit(theta) for theta in seeds], axis=0))
    np.testing.assert_allclose(read_theta(tmp_path, study.space), expected, rtol=1e-6)
    assert not xr.load_dataset(tmp_path / "theta.nc")["unlike_training"].values[study_trained(trained)].any()


def study_trained(run: Path) -> np.ndarray:
    return Cube.open(run / "cube" / "cube.zarr").trained


def test_an_exported_map_says_the_same_as_its_run(trained: Path, other: Path, tmp_path: Path) -> None:
    export_map(trained, "A", tmp_path / "maps" / "A")
    for name, model, method in (("run", trained, "A"), ("map", tmp_path / "maps" / "A", None)):
        apply_map(find_map(str(model), method), Order(other), tmp_path / name)
    a, b = (xr.load_dataset(tmp_path / name / "theta.nc") for name in ("run", "map"))
    xr.testing.assert_identical(a, b)
    assert "infilt, expt" in describe_map(find_map(str(tmp_path / "maps" / "A")))


def test_a_study_and_its_files_get_the_same_theta(trained: Path, other: Path, files: Path, tmp_path: Path) -> None:
    """A file of the days of the study's training period: the same climate, attributes, a-priori values and θ."""
    found, study = find_map(str(trained), "A"), load_study(other)
    given = (files / "params.nc", files / "domain.nc")
    with xr.open_dataset(files / "inputs.nc") as dataset:
        dataset.sel(time=slice(str(study.data.train.start), str(study.data.train.end))).to_netcdf(tmp_path / "in.nc")
    apply_map(found, Order(other), tmp_path / "study")
    text = apply_map(found, Order(tmp_path / "in.nc", given), tmp_path / "file")
    assert "4 cells" in text
    assert problems(tmp_path / "file/theta.nc", tmp_path) == []
    a, b = (xr.load_dataset(tmp_path / name / "theta.nc") for name in ("study", "file"))
    for name in ("lat", "lon", "infilt", "expt", "infilt_spread", "expt_spread", "beyond_training"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-12, err_msg=name)


def test_a_folder_of_something_else_is_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="notes: "):
        apply_map(find_map(str(trained), "A"), Order(tmp_path / "notes"), tmp_path / "out")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(DataError, match=r"text\.nc: "):
        apply_map(find_map(str(trained), "A"), Order(tmp_path / "text.nc"), tmp_path / "out")


def test_what_is_written_runs_in_vic(trained: Path, tmp_path: Path) -> None:
    """A global parameter file gets a params.nc in which only θ differs, and which vic run takes."""
    make_vic_files(tmp_path)
    path = global_file(tmp_path)
    text = apply_map(find_map(str(trained), "A"), Order(path), tmp_path / "out")
    (without,) = [line for line in text.splitlines() if "not known, so the map does without" in line]
    assert "sand" in without
    assert "land_porosity" not in without  # VIC's file holds it
    before, after = (xr.load_dataset(tmp_path / name) for name in ("params.nc", "out/params.nc"))
    changed = {str(name) for name in before.data_vars if not before[name].equals(after[name])}
    assert changed <= {"infilt", "expt"}
    assert changed
    theta = xr.load_dataset(tmp_path / "out/theta.nc")
    mask = xr.load_dataset(tmp_path / "domain.nc")["mask"].values.astype(bool)
    np.testing.assert_array_equal(after["infilt"].values[mask], theta["infilt"].values)
    path.write_text(path.read_text().replace(f"{tmp_path / 'params.nc'}", f"{tmp_path / 'out/params.nc'}"))
    assert run_global(read_global_parameters(path)).n_cell == 3


def test_a_map_that_needs_everything_names_what_is_missing(trained: Path, tmp_path: Path) -> None:
    make_vic_files(tmp_path)
    with pytest.raises(DataError, match=r"needs every attribute .* not known: .*sand.*attribute_dropout"):
        apply_map(find_map(str(trained), "whole"), Order(global_file(tmp_path)), tmp_path / "out")


def test_a_map_of_history_needs_observations(
    trained: Path, files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_vic_files(tmp_path)
    with pytest.raises(DataError, match="reads a history of observations"):
        apply_map(find_map(str(trained), "Z"), Order(global_file(tmp_path)), tmp_path / "out")
    with xr.open_dataset(files / "inputs.nc") as dataset:
        dataset.drop_vars("sm_obs").to_netcdf(tmp_path / "inputs.nc")
        dataset.rename(sm_obs="mine").to_netcdf(tmp_path / "renamed.nc")
    given = (files / "params.nc", files / "domain.nc")
    apply_map(find_map(str(trained), "Z"), Order(tmp_path / "renamed.nc", given), tmp_path / "renamed")
    assert "'mine' is taken as the observation that the map reads as 'sm_obs'" in caplog.text
    with pytest.raises(DataError, match="'sm_obs' is missing"):
        apply_map(find_map(str(trained), "Z"), Order(tmp_path / "inputs.nc", given), tmp_path / "out")
    apply_map(find_map(str(trained), "Z"), Order(files / "inputs.nc"), tmp_path / "out")


def test_a_cell_outside_the_training_is_named_and_gets_its_theta(trained: Path, files: Path, tmp_path: Path) -> None:
    given = (files / "params.nc", files / "domain.nc")
    with xr.open_dataset(files / "inputs.nc") as dataset:
        changed = dataset.load()
    changed["elevation"][1] = 8000.0
    changed["landcover_igbp"][2] = 15
    changed.to_netcdf(tmp_path / "inputs.nc")
    text = apply_map(find_map(str(trained), "A"), Order(tmp_path / "inputs.nc", given), tmp_path / "out")
    assert "no trained cell has it (landcover_igbp_15)" in text
    theta = xr.load_dataset(tmp_path / "out/theta.nc")
    assert theta["unlike_training"].values[1] == 1
    assert np.isfinite(theta["infilt"].values).all()
    found = theta["beyond_training"].values[:, theta["attribute_name"].values.tolist().index("elevation")]
    assert found[1] > 1
    assert "elevation" in (tmp_path / "out/unlike_training.csv").read_text()


def test_another_unit_is_refused(trained: Path, files: Path, tmp_path: Path) -> None:
    found = find_map(str(trained), "A")
    cells = xr.Dataset({"elevation": ("cell", [1.0], {"units": "feet"})})
    with pytest.raises(DataError, match="'elevation' has the unit 'feet', the map was trained on 'm'"):
        found.encoding(cells)


def test_theta_from_anywhere_is_judged_beside_default_vic(other: Path, trained: Path, tmp_path: Path) -> None:
    """θ as a field and as VIC's file are one row each, and equal; judging while applying says the same."""
    study = load_study(other)
    text = apply_map(find_map(str(trained), "A"), Order(other, judge=True), tmp_path / "mine")
    judged = judge_thetas(study, tmp_path / "run", [tmp_path / "mine/theta.nc", tmp_path / "mine/params.nc"])
    rows = {line.split("  ")[0]: line.split()[-9:-3] for line in judged.splitlines() if " of " in line}
    assert {"default VIC", "theta", "params"} <= set(rows)
    assert rows["theta"] == rows["params"] != rows["default VIC"]
    assert rows["theta"][0] in text
    xr.load_dataset(tmp_path / "mine/theta.nc").drop_vars("expt").to_netcdf(tmp_path / "theta.nc")
    with pytest.raises(DataError, match=r"theta\.nc: variable 'expt' is missing"):
        judge_thetas(study, tmp_path / "run", [tmp_path / "theta.nc"])


def test_what_is_no_map_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no run directory, no folder of a map and no packaged map"):
        find_map(str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"name one of its learners with --method: A, Z, whole"):
        find_map(str(trained))
    with pytest.raises(SettingsError, match="no learner is called 'B'"):
        find_map(str(trained), "B")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        export_map(trained, "A", tmp_path)
    export_map(trained, "A", tmp_path / "map")
    weights = tmp_path / "map/seed-0/member-0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(RunError, match="member-0"):
        find_map(str(tmp_path / "map"))
