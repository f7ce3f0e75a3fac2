"""A model of one's own: found by name, held to the contract, and every way to miss it is one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.core.contracts import DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, ParaformerError, SettingsError
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.core.schema import Cube
from paraformer.process.bucket import BUCKET_PARAMETERS, Bucket
from paraformer.process.build import build_process
from paraformer.process.config import ProcessConfig
from paraformer.process.files import process_files

SPACE = ParameterSpace((Parameter(name="wet", lower=0.1, upper=0.5),))
GOOD = """
import numpy as np

class Level:
    outputs, differentiable, runs = ("soil_moisture",), False, 0
    def __init__(self, space, cells, days): self.parameters, self.cells, self.days = space, cells, days
    @property
    def n_cells(self): return len(self.cells)
    def select(self, cells): return type(self)(self.parameters, self.cells[cells], self.days)
    def simulate(self, theta, outputs):
        theta = np.full((self.n_cells, 1, 1), 0.3) if theta is None else theta
        return {"soil_moisture": np.repeat(theta, self.days, axis=2)}

def build(space, cube, files): return Level(space, np.arange(len(cube.cells)), len(cube.time))
"""


@pytest.fixture
def cube() -> Cube:
    days = np.datetime64("2015-01-01", "ns") + np.arange(9).astype("timedelta64[D]")
    return Cube(xr.Dataset({"prcp": (("cell", "time"), np.ones((3, 9)))}, {"cell": [7, 8, 9], "time": days}))


def config(folder: Path, code: str, name: str = "build", **settings: object) -> ProcessConfig:
    """Settings of a model in a module of this test's own."""
    module = f"own_{folder.name}"
    (folder / f"{module}.py").write_text(code)
    given = {"model": f"{module}:{name}", "module_folder": folder, "spin_up": {"days": 0}, **settings}
    return ProcessConfig.model_validate(given)


def build(settings: ProcessConfig, cube: Cube, space: ParameterSpace = SPACE) -> ForwardModel:
    return build_process(settings, space, cube, process_files(settings, {}))


def test_a_model_is_found_and_its_source_is_part_of_what_results_depend_on(tmp_path: Path, cube: Cube) -> None:
    settings = config(tmp_path, GOOD)
    model = build(settings, cube)
    assert model.simulate(np.full((3, 2, 1), 0.2), ("soil_moisture",))["soil_moisture"].shape == (3, 2, 9)
    np.testing.assert_allclose(model.prior(), 0.3)  # it has none, so the middle of the range
    before = process_files(settings, {}).hashes()
    config(tmp_path, GOOD + "# changed\n")
    assert set(before) == {"process.model"}
    assert process_files(settings, {}).hashes() != before


def test_the_factory_is_given_the_files_that_the_study_names(tmp_path: Path, cube: Cube) -> None:
    (tmp_path / "soil.txt").write_text("0.25")
    code = GOOD.replace(
        "def build(space, cube, files): return",
        "def build(space, cube, files):\n    "
        "assert sorted(files) == ['domain', 'soil'], files\n    assert files['soil'].read_text()\n    "
        "return",
    )
    settings = config(tmp_path, code, files={"soil": tmp_path / "soil.txt"})
    files = process_files(settings, {"domain": tmp_path / "soil.txt"})
    build_process(settings, SPACE, cube, files)
    assert set(files.hashes()) == {"domain", "process.model", "soil"}
    (tmp_path / "soil.txt").unlink()
    with pytest.raises(DataError, match=r"soil\.txt: no such file \(process\.files\.soil\)"):
        process_files(settings, {})


FAULTS: dict[str, tuple[str, str, type[ParaformerError], str]] = {
    "no factory": ("", "biuld", SettingsError, r"has no function 'biuld'; did you mean 'build'\?"),
    "import fails": ("import nothing_of_this_name", "build", ModelError, "No module named 'nothing_of_this_name'"),
    "syntax": ("def (", "build", ModelError, "cannot be imported .SyntaxError"),
    "factory fails": ("def build(space, cube, files): return 1 / 0", "build", ModelError, "failed .ZeroDivisionError"),
    "wrong type": ("def build(space, cube, files): return 3", "build", ModelError, "returned int, no forward model"),
    "nothing": ("def build(space, cube, files): pass", "build", ModelError, "returned NoneType, no forward model"),
    "no method": ("del Level.select", "build", ModelError, "returned Level, no forward model: it has no 'select'"),
    "no gradient": ("Level.differentiable = True", "build", ModelError, "is differentiable but has no 'time'"),
    "unknown output": ("Level.outputs = ('soil_moisture', 'runof')", "build", ModelError, "'runof'; did you mean"),
    "no moisture": ("Level.outputs = ('runoff',)", "build", ModelError, "no output 'soil_moisture', .* offers runoff"),
    "cells": ("Level.n_cells = 2", "build", ModelError, "has 2 cells, the study 3"),
    "days": (
        "def build(space, cube, files): return Level(space, np.arange(3), 8)",
        "build",
        ModelError,
        r"series of shape \(1, 1, 8\) for one cell and one parameter set, expected .* \(1, 1, 9\)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_clear_line(tmp_path: Path, cube: Cube, fault: str) -> None:
    code, name, error, message = FAULTS[fault]
    with pytest.raises(error, match=message) as caught:
        build(config(tmp_path, GOOD + code, name), cube)
    assert str(caught.value).startswith("process.model: ")
    assert "\n" not in str(caught.value)


def test_modules_that_are_not_there_or_are_others_are_named(tmp_path: Path, cube: Cube) -> None:
    with pytest.raises(SettingsError, match=r"no module 'absent\.model' in .*process\.module_folder"):
        build(ProcessConfig(model="absent.model:build", module_folder=tmp_path), cube)
    with pytest.raises(SettingsError, match="no module 'absent' among the installed packages"):
        build(ProcessConfig(model="absent:build"), cube)
    (tmp_path / "json.py").write_text(GOOD)
    with pytest.raises(SettingsError, match=r"'json' is a module of Python; name one of your own"):
        build(ProcessConfig(model="json:build", module_folder=tmp_path), cube)
    code = "import json; print(json.__file__)"  # processes started from here inherit the search path
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(told.stdout.strip()) == Path(json.__file__)


def test_the_study_s_parameters_are_the_model_s(tmp_path: Path, cube: Cube) -> None:
    code = GOOD.replace("Level(space,", "Level(type(space)(p.model_copy(update={'upper': 0.4}) for p in space),")
    with pytest.raises(ModelError, match="names, bounds, units and transforms must be the same"):
        build(config(tmp_path, code), cube)


def test_the_bucket_takes_the_bounds_of_the_study(cube: Cube) -> None:
    settings = ProcessConfig.model_validate({"model": "bucket", "spin_up": {"days": 0}})
    wider = ParameterSpace(p.model_copy(update={"upper": 2 * p.upper}) for p in BUCKET_PARAMETERS)
    model = build(settings, cube, wider)
    assert isinstance(model, Bucket)
    assert model.select(np.array([1])).parameters == wider
    assert model.prior().shape == (3, 3)
    with pytest.raises(SettingsError, match="the bucket has residence, depth, residual, in this order; found wet"):
        build(settings, cube)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vik"}, "unknown process model 'vik'; valid: vic, compiled, bucket, or package.module:factory"),
        ({"model": "a b:c"}, "unknown process model 'a b:c'"),
        ({"files": {"soil": "soil.txt"}}, "'files' applies to a model of your own only, not to 'vic'"),
        ({"model": "bucket", "domain": "d.nc"}, "'domain' applies to model 'vic' or a model of your own only"),
        ({"model": "compiled", "parameters": "p.nc"}, "'parameters' applies to model 'vic' or a model"),
        ({"model": "compiled", "executable": "vic.exe"}, "'global_parameters' is missing"),
    ],
)
def test_settings_that_do_not_apply_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProcessConfig.model_validate(settings)


@pytest.mark.parametrize("prior", ["np.full((3, 1), 0.2)", "lambda self: np.full((3, 1), 0.2)"])
def test_the_prior_is_an_array_or_a_method(tmp_path: Path, cube: Cube, prior: str) -> None:
    np.testing.assert_array_equal(build(config(tmp_path, f"{GOOD}Level.prior = {prior}\n"), cube).prior(), 0.2)


def test_a_prior_that_does_not_fit_is_named(tmp_path: Path, cube: Cube) -> None:
    model = build(config(tmp_path, f"{GOOD}Level.prior = np.ones((2, 1))\n"), cube)
    with pytest.raises(ModelError, match=r"Level: the a-priori θ has shape \(2, 1\)"):
        model.prior()


def test_what_a_model_leaves_out_is_as_the_contract_has_it(tmp_path: Path, cube: Cube) -> None:
    """No room asks a model for more than the contract, so a model of one's own has all of it."""
    gradient = "Level.differentiable, Level.time = True, np.arange(9)\n"
    gradient += "Level.respond = lambda self, u, cells, start, length: {'soil_moisture': u[:, :1] + start}\n"
    (tmp_path / "plain").mkdir()
    plain, model = build(config(tmp_path / "plain", GOOD), cube), build(config(tmp_path, GOOD + gradient), cube)
    assert isinstance(plain, ForwardModel)
    assert not isinstance(plain, DifferentiableModel)
    assert isinstance(model, DifferentiableModel)
    assert (model.description(), model.runs_per_gradient, model.to("cpu")) == ("Level", 1, model)
    assert model.respond(np.ones((1, 1)), np.zeros(1), 4, 2, ("soil_moisture",))["soil_moisture"] == 5.0
    part = model.select(np.array([2]))
    part.runs += 3
    assert (part.n_cells, part.runs, model.runs) == (1, 3, 0)
