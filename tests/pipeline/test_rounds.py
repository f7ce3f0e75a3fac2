"""Refine rounds in the whole chain: the surrogate learns where learners went; runs are counted; kills lose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from paraformer.config import load_study
from paraformer.core.errors import SettingsError
from paraformer.pipeline import run_study
from training.killing import KillAt, Killed
from worlds import TINY, write_study

LEARNER = {
    "network": {"name": "ffn_a", "hidden": 8},
    "cells_per_batch": 4,
    "loss": {"operator": "cell_lstsq"},
    "training": {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}},
}
ROUNDS = {"rounds": 2, "perturbations": 2, "gap": 0, "training": {"steps": 4, "checkpoint_steps": 1}}
CELLS = 6


def study(folder: Path, **changes: Any) -> Path:
    base = {name: group for name, group in TINY.items() if name not in ("gap_filling", "searches", "references")}
    settings = {
        "learners": {"one": LEARNER, "two": LEARNER},
        "rounds": ROUNDS,
        "learner_seeds": 1,
        "references": {"direct": None},
        "data__synthetic": {"rows": 2, "columns": 3, "years": 2},
    }
    return write_study(folder, base=base, **(settings | changes))


def hashes(run: Path) -> dict[str, str]:
    """Content of every finished stage up to the rounds."""
    marks = [*run.glob("*/stage.json"), *run.glob("rounds/*/*/stage.json")]
    found = {path.parent.relative_to(run).as_posix(): json.loads(path.read_text()) for path in marks}
    return {
        name: mark["hash"] for name, mark in found.items() if mark["complete"] and name not in ("verdict", "scores")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two rounds, judged."""
    folder = tmp_path_factory.mktemp("rounds")
    run_study(load_study(study(folder)), folder / "run", until="scores")
    return folder / "run"


def test_each_round_goes_on_from_the_one_before_and_every_run_is_counted(whole: Path) -> None:
    run = whole
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    each = CELLS * 2 * 3  # cells, learners, θ and two around it
    assert [stages[f"rounds/{k}/runs"]["runs"] for k in (0, 1)] == [each, each]
    runs = pd.read_csv(run / "scores" / "methods.csv", index_col="method")["process_model_runs"]
    assert runs["one"] == runs["two"] == CELLS * (1 + 4 + 6) + 2 * each
    table = pd.read_csv(run / "scores" / "rounds.csv")
    assert table["round"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["learner"].tolist() == ["one", "two"] * 3
    assert table[["gap", "slope"]].notna().all().all()
    weights = {
        (run / where / "network.safetensors").read_bytes()
        for where in ("surrogate", "rounds/0/surrogate", "rounds/1/surrogate")
    }
    assert len(weights) == 3
    assert stages["parameters/one"]["inputs"]["surrogate"] == stages["rounds/1/surrogate"]["hash"]


def test_rounds_end_when_gap_and_slope_are_good_enough(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_study(load_study(study(tmp_path, rounds=ROUNDS | {"gap": 1, "slope": -9})), run, until="rounds")
    assert "rounds/0/runs" in hashes(run)
    assert not (run / "rounds" / "0" / "surrogate").exists()
    assert all(row["good_enough"] for row in json.loads((run / "rounds" / "0" / "runs" / "round.json").read_text()))


def test_kills_and_changed_settings_lose_nothing(whole: Path, tmp_path: Path) -> None:
    """Killed in the first round and in the second; then other rounds, which set the first ones aside; then these
    again."""
    run, chosen, before = tmp_path / "run", load_study(study(tmp_path)), hashes(whole)
    run_study(chosen, run, until="surrogate")
    for killed_at in (2, 4 + 20):  # while the first learner learns; behind the first round's runs
        with pytest.raises(Killed):
            run_study(chosen, run, until="rounds", progress=KillAt(killed_at))
    assert "rounds/1/surrogate" not in hashes(run)
    run_study(chosen, run, until="rounds")
    assert hashes(run) == before
    changed = ROUNDS | {"perturbation": 0.3, "rounds": 1}
    run_study(load_study(study(tmp_path, rounds=changed)), run, until="rounds")
    assert hashes(run)["rounds/0/runs"] != before["rounds/0/runs"]
    assert hashes(run)["surrogate"] == before["surrogate"]
    run_study(chosen, run, until="rounds", progress=KillAt(1))
    assert hashes(run) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": ROUNDS | {"learners": ["on"]}}, "no learner is called 'on'.*'one'"),
        ({"learners": {"one": LEARNER | {"simulator": "process"}}}, "no learner is trained through the surrogate"),
    ],
)
def test_rounds_without_learners_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_study(study(tmp_path, **changes))
