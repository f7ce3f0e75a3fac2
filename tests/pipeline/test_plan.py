"""Plans: every run of a study is counted before it is made, for any process model, and refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paraformer.config import Study, load_study
from paraformer.core.errors import SettingsError
from paraformer.learners.config import LearnerConfig
from paraformer.pipeline import run_study
from paraformer.pipeline.miniature import SEARCH, Miniature, Size, Unit, measure
from paraformer.pipeline.plan import Plan, StagePlan, plan_of, plan_study
from paraformer.routing.basins import RiverBasins
from paraformer.routing.files import read_network
from worlds import TINY, write_study

FFN = TINY["learners"]["FFN_A"]
BUCKET = [
    {"name": "residence", "lower": 1, "upper": 15},
    {"name": "depth", "lower": 300, "upper": 500},
    {"name": "residual", "lower": 0.02, "upper": 0.2},
]
SMALL = {
    "name": "small",
    "searches": {"random": {"name": "random", "budget": 10}, "quick": {"name": "random", "model": "surrogate"}},
    "learners": {"FFN_A": {**FFN, "members": 2}},
    "gap_filling": None,
    "references": None,
    "uncertainty": {"methods": ["random"], "draws": 25, "rounds": 2},
    "cross_validation": {"degrees": 2, "folds": 2},
}


def study_of(folder: Path, **changes: Any) -> Study:
    return load_study(write_study(folder, **{**SMALL, **changes}))


def disk_of(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def counted(study: Study, size: Size, gradient: int = 5, cells: int | None = None) -> dict[str, StagePlan]:
    """A plan of what is counted, where everything costs a second or a byte: no clock has a say."""
    one = Unit(np.ones(2), np.ones(2), 1, 1)
    learned = [f"parameters/{name}" for name in study.learners]
    names = ("cube", "gap_filling", "ensemble", "surrogate", SEARCH, *learned, "references", "verdict", "scores")
    small = Miniature(size, size, dict.fromkeys(names, one), size.cells * 10, gradient)
    return {s.name: s for s in plan_of(study, small, cells).stages}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def planned(study: Study) -> Plan:
    return plan_study(study)


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
    assert planned.total.runs == sum(runs.values())
    assert runs["uncertainty"] == 12 * (2 * 2 + 1 + 2 * 25)
    assert all((s.time >= 0).all() and s.memory > 0 for s in planned.stages)


def test_the_ensemble_takes_the_bytes_that_were_said(planned: Plan, finished: Path) -> None:
    """Core seconds are compared by ``benchmarks/plan_check.py``: how long they are depends on who else is here."""
    ensemble = next(s for s in planned.stages if s.name == "ensemble")
    assert (ensemble.time > 0).any()
    assert ensemble.disk == pytest.approx(disk_of(finished / "ensemble"), rel=0.3)


def test_the_whole_needs_the_disk_that_was_said(planned: Plan, finished: Path) -> None:
    names = [s.name for s in planned.stages if s.name != "figures"]
    said = sum(s.disk for s in planned.stages if s.name in names)
    assert said == pytest.approx(sum(disk_of(finished / name) for name in names), rel=0.2)


def test_a_model_of_one_s_own_is_planned(tmp_path: Path) -> None:
    """The bucket gives its own gradient, so a step through it is one run a cell."""
    base = {"process": {"model": "bucket"}, "parameters": BUCKET, "searches": {}, "cross_validation": None}
    base |= {"uncertainty": None, "learners": {"FFN_A": FFN}}
    outputs = ["soil_moisture"]
    own = study_of(tmp_path, **base, ensemble__outputs=outputs, surrogate__outputs=outputs)
    small = measure(own)
    assert small.gradient == 1
    assert small.small.cells == 12
    assert (small.units["ensemble"].rest > 0).all()


SIZE = Size(48, 36, 731, 365, 1)
"""Of a study that is counted only."""


def test_epochs_are_planned_as_the_steps_they_come_to(study: Study) -> None:
    """Through the process model each step has its runs, so the plan's runs say how many steps it counts."""
    given = {"network": {"name": "ffn_a", "hidden": 8}, "simulator": "process", "cells_per_batch": 10}
    learner = LearnerConfig.model_validate({**given, "training": {"epochs": 3}})
    asked = study.model_copy(update={"learners": {"FFN_A": learner}, "learner_seeds": 1})
    epoch = math.ceil(36 / 10)
    assert counted(asked, SIZE)["parameters/FFN_A"].runs == 3 * epoch * 10 * (2 * 2 + 1)


def test_more_cells_cost_in_proportion(study: Study) -> None:
    small, large = counted(study, SIZE), counted(study, SIZE, cells=77_000)
    assert large["ensemble"].runs == 77_000 * 11
    assert large["ensemble"].time[0] == pytest.approx(small["ensemble"].time[0] * 77_000 / 48)
    assert large["parameters/random"].runs == 77_000 * 10
    assert large["parameters/quick"].runs == 0
    assert large["ensemble"].memory - small["ensemble"].memory < 77_000 * 11 * 40, "chunk by chunk, and θ"
    text = Plan("x", SIZE.scaled(77_000), tuple(large.values())).to_text(1000)
    assert "77,000 cells (57,750 trained)" in text
    assert "on 1,000 cores" in text
    assert len({len(line) for line in text.splitlines()[1:-1]}) == 1, "columns stand in line"


def test_a_plan_says_seconds_minutes_and_hours() -> None:
    stages = [StagePlan(n, 2, np.array([t, t / 2]), 2e9, 3e6) for n, t in (("cube", 8.0), ("ensemble", 7200.0))]
    text = Plan("x", SIZE, tuple(stages)).to_text(4)
    rows = {line.split()[0]: " ".join(line.split()[2:]) for line in text.splitlines()}
    assert rows["cube"] == "8.0 s 4.0 s 2 GB 0.003 GB"
    assert rows["ensemble"] == "2.0 h 1.0 h 2 GB 0.003 GB"
    assert rows["total"].startswith("2.0 h 1.0 h")
    assert text.splitlines()[-1] == "on 4 cores: 30.0 min of process model, 4.0 s of the rest on one such"


def test_a_built_in_world_of_many_cells_needs_memory_and_a_file_of_as_many_does_not(study: Study) -> None:
    """1,500 cells of three years take 0.73 GB, 3,000 take 0.85 GB (measured, as docs/scale.md says)."""
    size = Size(1500, 1100, 1096, 730, 1)
    base = counted(study, size)["figures"].memory
    world = counted(study, size)["cube"].memory - base
    assert world == pytest.approx(0.73e9, rel=0.1)
    cells = study.model_copy(update={"data": study.data.model_copy(update={"source": "cells"})})
    assert counted(cells, size)["cube"].memory - base < 0.1 * world
    assert counted(cells, size)["cube"].runs == 0


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
def test_gradients_through_the_process_model_are_counted(study: Study, changes: dict[str, Any], runs: int) -> None:
    """Steps x cells x (2 p + 1) for each member and seed, at the price of a run of the training period."""
    learner = LearnerConfig.model_validate({**FFN, "window": None, "members": 2, **changes})
    asked = study.model_copy(update={"learners": {"FFN_A": learner}, "learner_seeds": 3})
    stages = counted(asked, SIZE)
    assert stages["parameters/FFN_A"].runs == 2 * 3 * runs
    steps = 6 * 2 * 3 * (min(learner.cells_per_batch, 36) / min(learner.cells_per_batch, 36))
    price = 1 / (48 * 10) * (365 + 60) / (731 + 60)
    through_surrogate = 0 if learner.simulator == "process" else steps
    assert stages["parameters/FFN_A"].time[0] == pytest.approx(2 * 3 + through_surrogate + 2 * 3 * runs * price)
    assert stages["cross_validation/FFN_A"].runs >= 36


def test_transfers_and_rounds_are_counted(study: Study) -> None:
    transfers = study.evaluation.model_validate({"transfers": {"source": "random", "by": ["nearest", "kriging"]}})
    plain = counted(study, SIZE)
    asked = study.model_copy(update={"evaluation": transfers, "rounds": None})
    assert counted(asked, SIZE)["verdict"].runs == plain["verdict"].runs + 2 * 48
    rounds = Study.model_validate({**study.model_dump(), "rounds": {"rounds": 2, "perturbations": 3}})
    assert counted(rounds, SIZE)["rounds"].runs == 48 * 2 * 1 * 4


FLOW = {"min_days": 60}


@pytest.fixture(scope="module")
def gauged(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Flow alone on a river network: the files of a built-in world, whose river has two basins or more."""
    folder = tmp_path_factory.mktemp("gauged")
    world = {"rows": 5, "columns": 4, "years": 2, "river": {"least_cells": 2}, "unseen": 0.0}
    flow = {"warm_up": 30}
    made = study_of(folder, data__synthetic=world, data__streamflow=flow, searches={}, uncertainty=None)
    run_study(made, folder / "world", until="cube")
    files = folder / "world" / "cube"
    data = {
        "source": "cells",
        "path": str(files / "inputs.nc"),
        "observation": None,
        "train": made.data.train.model_dump(mode="json"),
        "test": made.data.test.model_dump(mode="json"),
        "streamflow": {**flow, "network": str(files / "river.nc"), "observed": str(files / "flow.nc")},
    }
    learner = {**FFN, "simulator": "process", "targets": {"soil_moisture": 0, "streamflow": FLOW}}
    learner["training"] = {"steps": 2, "schedule": {"warm_up": 1}}
    del learner["window"]
    searches = {
        "routing": {"name": "sceua", "targets": "streamflow", "find": "routing", "budget": 20, "flow": FLOW},
        "basin": {"name": "random", "targets": "streamflow", "budget": 10, "flow": FLOW},
    }
    path = write_study(
        folder,
        name="gauged",
        data=data,
        process={**TINY["process"], "parameters": str(files / "params.nc"), "domain": str(files / "domain.nc")},
        searches=searches,
        learners={"by flow": learner},
        learner_seeds=1,
        gap_filling=None,
        references=None,
        cross_validation={"degrees": 0.1, "folds": 2},
    )
    return load_study(path)


def test_flow_alone_on_a_river_is_planned(gauged: Study, tmp_path: Path) -> None:
    """Stages are those of the run, runs at most those said: cells of no basin are counted, too."""
    planned = plan_study(gauged)
    run_study(gauged, tmp_path, until="scores")
    manifest = json.loads((tmp_path / "manifest.json").read_text())["stages"]
    runs = {name: entry["runs"] for name, entry in manifest.items()}
    said = {s.name: s.runs for s in planned.stages}
    assert set(said) == {*runs, "figures"}
    assert "ensemble" not in said, "nothing here needs a surrogate"
    assert planned.size.cells == 20
    inside = len(np.unique(np.concatenate(_basins(tmp_path))))
    assert runs["parameters/routing"] == inside <= said["parameters/routing"] == 20
    assert runs["parameters/basin"] == 10 * inside <= said["parameters/basin"] == 200
    assert said["verdict"] == runs["verdict"]
    assert said["parameters/by flow"] >= runs["parameters/by flow"] > 0
    assert said["cross_validation/by flow"] >= runs["cross_validation/by flow"] > 0
    assert all((s.time >= 0).all() and s.memory > 0 for s in planned.stages)


def _basins(run: Path) -> tuple[np.ndarray, ...]:
    return RiverBasins(read_network(run / "streamflow" / "network.nc"), None).cells


def test_refusals(study: Study) -> None:
    with pytest.raises(SettingsError, match="--cells 0"):
        plan_study(study, cells=0)
    wrong = study.model_copy(update={"surrogate": study.surrogate.model_copy(update={"anchors": 50})})
    with pytest.raises(SettingsError, match="anchors"):
        plan_study(wrong)
