"""Plans: what a study will cost is what it then costs; the sample is of the study's own cells; text and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paraformer.config import Study, load_study
from paraformer.core.errors import SettingsError
from paraformer.core.schema import Cube
from paraformer.learners.config import LearnerConfig
from paraformer.pipeline import rehearsal as rehearsal_module
from paraformer.pipeline import run_study
from paraformer.pipeline.plan import Plan, plan_of, plan_study
from paraformer.pipeline.rehearsal import Price, Rehearsal, disk_of, rehearse
from paraformer.process.cost import Time
from worlds import TINY, write_study

WORLD = {"rows": 6, "columns": 8, "years": 2}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Small, but with enough runs of the process model that they take longer than the interpreter's own noise."""
    folder = tmp_path_factory.mktemp("plan")
    return load_study(
        write_study(
            folder,
            data__synthetic=WORLD,
            ensemble={"common": 8, "own": 24, "held_out": 2},
            learner_seeds=1,
            searches={"random": {"name": "random", "budget": 10}},
            learners__ParaFormer_A=None,
        )
    )


@pytest.fixture(scope="module")
def rehearsal(study: Study) -> Iterator[Rehearsal]:
    with rehearse(study, seconds=0.7) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="module")
def planned(study: Study, rehearsal: Rehearsal) -> Plan:
    return plan_of(study, rehearsal)


@pytest.fixture(scope="module")
def finished(study: Study, planned: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study, run after it was planned."""
    folder = tmp_path_factory.mktemp("run") / "run"
    run_study(study, folder, until="scores")
    return folder


def test_every_stage_and_every_run_of_the_process_model_is_in_the_plan(planned: Plan, finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())["stages"]
    runs = {name: entry["runs"] for name, entry in manifest.items()}
    assert {s.name: s.runs for s in planned.stages} == runs | {"figures": 0}
    assert planned.total.runs == sum(entry["runs"] for entry in manifest.values())


def test_the_ensemble_takes_the_bytes_that_were_said(planned: Plan, finished: Path) -> None:
    """Core seconds are compared by ``benchmarks/plan_check.py``: how long they are depends on who else is here."""
    ensemble = next(s for s in planned.stages if s.name == "ensemble")
    assert ensemble.time.core > 0.0
    assert ensemble.disk == pytest.approx(disk_of(finished / "ensemble"), rel=0.3)


def test_the_whole_needs_the_disk_that_was_said(planned: Plan, finished: Path) -> None:
    """Less figures and networks, which stand in the plan with the size they have in a study of usual size."""
    names = ("cube", "ensemble", "surrogate", "verdict", "scores")
    said = sum(s.disk for s in planned.stages if s.name in names)
    assert said == pytest.approx(sum(disk_of(finished / name) for name in names), rel=0.3)


def test_epochs_are_planned_as_the_steps_they_come_to(study: Study, rehearsal: Rehearsal) -> None:
    """Through the process model each step has its runs, so the plan's runs say how many steps it counts."""
    given = {"network": {"name": "ffn_a", "hidden": 8}, "simulator": "process", "cells_per_batch": 10}
    learner = LearnerConfig.model_validate({**given, "training": {"epochs": 3}})
    asked = study.model_copy(update={"learners": {"FFN_A": learner}, "searches": {}})
    epoch = math.ceil(rehearsal.size.trained / 10)
    runs = {s.name: s.runs for s in plan_of(asked, rehearsal).stages}
    assert epoch > 1
    assert runs["parameters/FFN_A"] == 3 * epoch * 10 * (2 * 2 + 1)


def test_more_cells_cost_in_proportion(study: Study, rehearsal: Rehearsal, planned: Plan) -> None:
    large = plan_of(study, rehearsal, cells=77_000)
    assert large.size.cells == 77_000
    assert large.size.trained == pytest.approx(0.75 * 77_000, rel=0.1)
    runs = {s.name: s.runs for s in large.stages}
    assert runs["ensemble"] == 77_000 * 33
    assert runs["parameters/random"] == 77_000 * 10
    small, big = ({s.name: s for s in p.stages}["ensemble"] for p in (planned, large))
    assert big.time.core == pytest.approx(small.time.core * 77_000 / 48, rel=0.3)
    assert big.disk == pytest.approx(small.disk * 77_000 / 48)
    assert big.memory < 2 * small.memory, "chunk by chunk"
    text = large.to_text(1000)
    assert "77,000 cells" in text
    assert "on 1,000 cores" in text
    widths = {len(line) for line in text.splitlines()[2:-1]}
    assert len(widths) == 1, "columns stand in line"


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({"simulator": "process"}, 6 * 4 * 5),
        ({"simulator": "process", "cells_per_batch": 500}, 6 * 36 * 5),
        ({"simulator": "surrogate_then_process", "refinement": {"steps": 3}}, 3 * 36 * 5),
        ({"simulator": "surrogate_then_process", "refinement": {"steps": 3, "cells_per_batch": 7}}, 3 * 7 * 5),
        ({}, 0),
    ],
)
def test_gradients_through_the_process_model_are_counted(
    study: Study,
    rehearsal: Rehearsal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    runs: int,
) -> None:
    """Steps x cells x (2 p + 1) for each member and seed, at the price of a run of the training period."""
    monkeypatch.setattr(rehearsal, "learner_price", lambda name: Price(Time(0.0, 0.0), Time(0.0, 0.0), 0.0))
    learner = {**TINY["learners"]["FFN_A"], "window": None, "members": 2, **changes}
    changed = load_study(write_study(tmp_path, data__synthetic=WORLD, learners={"FFN_A": learner}, learner_seeds=3))
    (stage,) = (s for s in plan_of(changed, rehearsal).stages if s.name == "parameters/FFN_A")
    assert stage.runs == 2 * 3 * runs
    days = rehearsal.size.train_days + 60
    assert stage.time.core == pytest.approx(rehearsal.process.run.core * 2 * 3 * runs * days / 365.25)


def test_a_learner_through_the_process_model_is_rehearsed_through_the_surrogate(tmp_path: Path) -> None:
    learner = {**TINY["learners"]["FFN_A"], "simulator": "surrogate_then_process"}
    with rehearse(load_study(write_study(tmp_path, learners={"FFN_A": learner})), seconds=0.1) as rehearsal:
        assert rehearsal.learner_price("FFN_A").step.core > 0


def test_a_file_s_own_cells_are_the_sample(
    study: Study, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained and unseen cells of the file, and their weather, in the cube that is measured."""
    monkeypatch.setattr(rehearsal_module, "CELLS", 16)
    data = {
        "source": "cells",
        "path": str(finished / "cube" / "inputs.nc"),
        "observation": "sm_obs",
        "split": {"variable": "split", "trained": "train", "unseen": "neighbour"},
        "train": {"start": study.data.train.start, "end": study.data.train.end},
        "test": {"start": study.data.test.start, "end": study.data.test.end},
    }
    files = {
        f"process__{name}": str(finished / "cube" / file)
        for name, file in (("parameters", "params.nc"), ("domain", "domain.nc"))
    }
    with rehearse(load_study(write_study(tmp_path, data=data, **files))) as rehearsal:
        assert (rehearsal.size.cells, rehearsal.size.trained) == (48, 36)
        own = Cube.open(finished / "cube" / "cube.zarr")
        assert set(rehearsal.cube.cells) < set(own.cells)
        assert len(rehearsal.cube.cells) == 16
        assert 0 < rehearsal.cube.trained.sum() < 16
        at = np.flatnonzero(np.isin(own.cells, rehearsal.cube.cells))
        np.testing.assert_array_equal(rehearsal.cube.forcing(), own.forcing()[at])
        model = rehearsal.recipe.select(np.array([0, 15]))
        assert np.isfinite(model.simulate(None, ("runoff",))["runoff"]).all()


def test_refusals(study: Study, rehearsal: Rehearsal) -> None:
    with pytest.raises(SettingsError, match="--cells 0"):
        plan_of(study, rehearsal, cells=0)
    wrong = study.model_copy(update={"surrogate": study.surrogate.model_copy(update={"anchors": 50})})
    with pytest.raises(SettingsError, match="anchors"):
        plan_study(wrong)
    other = study.model_copy(update={"process": study.process.model_copy(update={"model": "mine:build"})})
    with pytest.raises(SettingsError, match=r"only process\.model 'vic' can be rehearsed, not 'mine:build'"):
        plan_study(other)
