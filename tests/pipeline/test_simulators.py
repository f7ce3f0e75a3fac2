"""Learners through the process model in the whole chain: their runs are in the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from paraformer.config import load_study
from paraformer.pipeline import run_study
from worlds import TINY, write_study

FEW = {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}}
LEARNER = {"network": {"name": "ffn_a", "hidden": 8}, "cells_per_batch": 4, "training": FEW}
LEARNERS = {
    "emulated": LEARNER,
    "process": {**LEARNER, "simulator": "process"},
    "both": {
        **LEARNER,
        "simulator": "surrogate_then_process",
        "window": 60,
        "members": 2,
        "refinement": {**FEW, "steps": 3, "cells_per_batch": 3},
    },
}


def test_a_resolved_study_is_the_same_study(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path, learners__FFN_A__simulator="surrogate_then_process"))
    again = tmp_path / "resolved.yaml"
    again.write_text(study.to_yaml())
    assert load_study(again) == study


def test_every_learner_s_runs_reach_the_tables(tmp_path: Path) -> None:
    base = {name: group for name, group in TINY.items() if name not in ("gap_filling", "searches", "references")}
    path = write_study(
        tmp_path,
        base=base,
        learners=LEARNERS,
        references={"direct": None},
        data__synthetic={"rows": 2, "columns": 3, "years": 2},
    )
    run_study(load_study(path), tmp_path / "run", until="scores")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]
    seeds, ensemble, gradient = 2, 6 * (1 + 4 + 6), 2 * 2 + 1
    process, both = 2 * 4 * gradient, 2 * 3 * 3 * gradient  # steps x cells, for both two members
    own = {name: manifest[f"parameters/{name}"]["runs"] for name in LEARNERS}
    assert own == {"emulated": 0, "process": seeds * process, "both": seeds * both}
    table = pd.read_csv(tmp_path / "run" / "scores" / "methods.csv", index_col="method")
    runs = table["process_model_runs"]
    assert {name: runs[name] for name in LEARNERS} == {
        "emulated": ensemble,
        "process": process,
        "both": ensemble + both,
    }
