"""Learners through the process model in the whole chain: their runs are in the tables; old studies keep their keys."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from paraformer.config import load_study
from paraformer.core.files import hash_json
from paraformer.pipeline import run_study
from paraformer.pipeline.stage import process_of, settings_of
from worlds import TINY, write_study

FEW = {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}}
LEARNER = {"network": {"name": "ffn_a", "hidden": 8}, "cells_per_batch": 4, "training": FEW}
LEARNERS = {
    "surrogate": LEARNER,
    "process": {**LEARNER, "simulator": "process"},
    "both": {
        **LEARNER,
        "simulator": "surrogate_then_process",
        "window": 60,
        "members": 2,
        "refinement": {**FEW, "steps": 3, "cells_per_batch": 3},
    },
}


def test_settings_that_are_off_change_no_key(tmp_path: Path) -> None:
    """The hashes are those of the settings before learners could go through the process model."""
    study = load_study(write_study(tmp_path))
    found = {name: hash_json(settings_of(learner)) for name, learner in study.learners.items()}
    assert found | {"process": hash_json(process_of(study))} == {
        "ParaFormer_Z": "7f9b0ce70f928437604d843012cb16d6",
        "ParaFormer_A": "b3f4f5d6953884f47dc5e434d8afa0d8",
        "FFN_A": "d89c1aa5dbe296012f85848fb901fdd3",
        "process": "311e3ca4fa8750749b8c1387c4c93ea0",
    }
    other = load_study(write_study(tmp_path, learners__FFN_A__simulator="surrogate_then_process"))
    assert hash_json(settings_of(other.learners["FFN_A"])) != found["FFN_A"]
    again = tmp_path / "resolved.yaml"
    again.write_text(other.to_yaml())
    assert load_study(again) == other


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
    assert own == {"surrogate": 0, "process": seeds * process, "both": seeds * both}
    table = pd.read_csv(tmp_path / "run" / "scores" / "process_model_runs.csv", index_col="method")
    runs = table["process_model_runs"]
    assert {name: runs[name] for name in LEARNERS} == {
        "surrogate": ensemble,
        "process": process,
        "both": ensemble + both,
    }
