"""A map without gradient, and a search of one's own: run as any other, and held to the contract in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learners.toy import SPACE, Waves, true_u, twin
from paraformer.config import load_study
from paraformer.core.errors import ModelError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.own_calibrator import OwnCalibrator
from paraformer.pipeline.check import check_study
from paraformer.pipeline.run import run_study
from worlds import write_study

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import numpy as np
from paraformer import Calibrated

class Middle:
    def __init__(self, at=0.5, runs=1):
        self.at, self.runs = at, runs

    def calibrate(self, model, data, *, seed, directory, progress):
        space, cells = model.parameters, len(data.cells)
        u = np.full((cells, self.runs, len(space)), self.at)
        model.simulate(space.from_unit(u), ("soil_moisture",))
        return Calibrated(space.from_unit(u[:, 0]), 0)

def middle(**settings):
    return Middle(**settings)

class Wrong(Middle):
    def calibrate(self, model, data, **more):
        found = Middle().calibrate(model, data, **more).theta
        if self.at == "fails":
            return 1 / 0
        return {"shape": found[:-1], "outside": found * 1e6, "nan": found * np.nan}[self.at]

def wrong(at):
    return Wrong(at)

def nothing():
    return 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own_way.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("own_way", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


def calibrate(folder: Path, factory: str, most: int | None = None, **settings: object) -> object:
    own = OwnCalibrator("searches.name", f"own_way:{factory}", folder, settings, most)
    return own.calibrate(Counted(), twin(), seed=0, directory=folder / "seed-0", progress=Progress())


class Counted(Waves):
    """The twin's model, which counts its runs."""

    def simulate(self, theta: np.ndarray, outputs: object) -> dict[str, np.ndarray]:
        self.runs += theta.shape[0] * theta.shape[1]
        return super().simulate(theta, outputs)


def test_it_is_called_with_model_and_data_and_its_runs_are_counted(folder: Path) -> None:
    found = calibrate(folder, "middle", at=0.25, runs=3)
    np.testing.assert_allclose(found.theta, np.broadcast_to(SPACE.from_unit(np.full(2, 0.25)), (24, 2)))
    assert found.runs == 72


@pytest.mark.parametrize(
    ("factory", "settings", "problem"),
    [
        ("wrong", {"at": "shape"}, r"gave θ of shape \(23, 2\), expected \[cell, parameter\] = \(24, 2\)"),
        ("wrong", {"at": "outside"}, r"gave gain 1e\+07 in cell 0, expected \[1, 100\]"),
        ("wrong", {"at": "nan"}, "gave gain nan in cell 0"),
        ("wrong", {"at": "fails"}, "failed .ZeroDivisionError"),
        ("nothing", {}, "returned int, which has no 'calibrate'"),
        ("middle", {"trees": 4}, "failed .TypeError.*trees"),
        ("middle", {"most": 2, "runs": 3}, "made 72 runs in 24 cells, more than the budget of 2 a cell"),
    ],
)
def test_what_breaks_the_contract_is_one_line(folder: Path, factory: str, settings: dict, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        calibrate(folder, factory, **settings)


def test_what_only_networks_have_is_refused(folder: Path) -> None:
    network = {"name": "own_way:middle", "module_folder": str(folder), "gradient": False}
    for more, problem in (
        ({"training": {"steps": 3}}, "'training' is of networks"),
        ({"members": 2}, "'members' is of networks"),
        ({"simulator": "surrogate_then_process"}, "is of networks"),
    ):
        path = write_study(folder, learners={"mine": {"network": network, **more}}, gap_filling=None)
        with pytest.raises(SettingsError, match=problem):
            load_study(path)
    wrong = {"network": {**network, "name": "own_way:nothing"}}
    with pytest.raises(SettingsError, match="has no 'calibrate'"):
        check_study(load_study(write_study(folder, learners={"mine": wrong}, gap_filling=None)))


def test_trees_find_what_a_search_would_from_attributes(tmp_path: Path) -> None:
    """The example on the twin: unseen cells get θ from their attributes, nearer to the truth than the prior is."""
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'test'")
    data = twin()
    own = OwnCalibrator("learners", "extra_trees:extra_trees", ROOT / "examples", {"sets": 300, "trees": 100})
    found = own.calibrate(Waves(), data, seed=0, directory=tmp_path, progress=Progress())
    truth, unseen = true_u(data.attributes), ~data.trained
    error = np.abs(SPACE.to_unit(found.theta) - truth)[unseen].mean()
    assert error < 0.6 * np.abs(0.5 - truth)[unseen].mean()


@pytest.mark.long
def test_a_study_judges_them_with_the_others(folder: Path) -> None:
    """A map and a search of one's own beside FFN_A, through surrogate and process model, and what each cost."""
    own = {"name": "own_way:middle", "module_folder": str(folder)}
    learner = {"network": {**own, "gradient": False}, "simulator": "process"}
    study = load_study(
        write_study(
            folder,
            learners={"mine": learner},
            searches={"mine too": {**own, "settings": {"runs": 2}, "budget": 2}},
            gap_filling=None,
            cross_validation={"degrees": 1, "folds": 2},
        )
    )
    run_study(study, folder / "run", until="scores")
    methods = pd.read_csv(folder / "run" / "scores" / "methods.csv").set_index("method")
    assert methods.loc["mine", ["kind", "process_model_runs"]].tolist() == ["learner", 12]
    assert methods.loc["mine too", ["kind", "process_model_runs"]].tolist() == ["search", 24]
