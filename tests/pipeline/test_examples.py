"""Process models of one's own: both examples run end to end with every learner and every search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from paraformer.config import Study, load_study
from paraformer.core.schema import Cube
from paraformer.pipeline import check_study, run_study
from paraformer.process.build import build_process
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.files import process_files

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FEW = {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}}
SMALL = {
    "ffn_a": {"hidden": 8},
    "paraformer_a": {"width": 8, "heads": 2, "layers": 1, "feed_forward": 8},
    "lstm_z": {"hidden": 8, "history_days": 40},
    "paraformer_z": {"width": 8, "heads": 2, "layers": 1, "feed_forward": 8, "history_days": 40},
}
BUDGETS = {"sceua": 14, "random": 6, "levenberg": 20}


def miniature(example: str) -> Study:
    """The example's own study, of six cells and few steps."""
    content = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    learners: dict[str, Any] = content["learners"]
    for learner in learners.values():
        learner["network"] |= SMALL[learner["network"]["name"]]
        learner |= {"training": FEW, "cells_per_batch": 4}
        if learner.get("simulator") == "surrogate_then_process":
            learner["refinement"] = {**FEW, "cells_per_batch": 3}
    changes = {
        "data": {"source": "synthetic", "synthetic": {"rows": 2, "columns": 3, "years": 2}},
        "ensemble": {**content["ensemble"], "common": 4, "own": 4, "held_out": 2, "chunk_cells": 4},
        "surrogate": {
            **content["surrogate"],
            "anchors": 4,
            "hidden": 8,
            "embedding": 4,
            "warm_up": 5,
            "window": 20,
            "cells_per_batch": 4,
            "sets_per_cell": 2,
            "training": FEW,
        },
        "searches": {key: {**search, "budget": BUDGETS[search["name"]]} for key, search in content["searches"].items()},
    }
    overrides = [f"{key}={json.dumps(value)}" for key, value in {**changes, "learners": learners}.items()]
    return load_study(EXAMPLES / f"{example}.yaml", overrides)


@pytest.fixture(scope="module", params=["numpy_bucket", "torch_bucket"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    study = miniature(request.param)
    folder = tmp_path_factory.mktemp(request.param) / "run"
    run_study(study, folder, until="scores")
    return study, folder


def test_every_learner_and_every_search_is_judged_by_the_model(finished: tuple[Study, Path]) -> None:
    study, run = finished
    assert {learner.network.name for learner in study.learners.values()} == set(SMALL)
    assert {search.name for search in study.searches.values()} == set(BUDGETS)
    scores = pd.read_csv(run / "scores" / "soil_moisture.csv")
    assert {*study.learners, *study.searches, "true θ"} < set(scores["method"])
    chosen = scores.query("operator == 'raw' and metric == 'rmse' and period == 'test' and cells == 'trained'")
    means = chosen.groupby("method")["mean"].mean()
    assert means["true θ"] == pytest.approx(0.04, abs=0.006)  # the noise of the world's observations
    assert means["Levenberg-Marquardt"] < means[list(study.learners)].min()
    fields = sorted(p.name for p in (run / "parameters" / "SCE-UA" / "seed-0").glob("*.nc"))
    assert fields == ["theta.nc"]  # there is no VIC file that θ could be written into


def test_runs_are_counted_by_what_a_gradient_costs(finished: tuple[Study, Path]) -> None:
    """2p + 1 by differences, one by the model's own gradient."""
    study, run = finished
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    cells, own = 4, study.name == "torch_bucket"
    for name, learner in study.learners.items():
        steps, batch, each = 2, {"process": 4, "surrogate_then_process": 3}.get(learner.simulator, 0), 1 if own else 7
        assert stages[f"parameters/{name}"]["runs"] == steps * min(batch, cells) * each


def test_a_gradient_of_one_s_own_is_that_of_central_differences(finished: tuple[Study, Path]) -> None:
    study, run = finished
    cube = Cube.open(run / "cube" / "cube.zarr")
    model: Any = build_process(study.process, study.space, cube, process_files(study.process, {}))
    if not model.differentiable:
        assert study.name == "numpy_bucket"
        return
    u = torch.rand(3, len(study.space), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    cells, weight = torch.tensor([0, 2, 5]), torch.rand(3, 200, dtype=torch.float64)

    def pulled(through: Any) -> torch.Tensor:
        at = u.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((through.respond(at, cells, 30, 200)["soil_moisture"] * weight).sum(), at)
        return gradient

    torch.testing.assert_close(pulled(model), pulled(DifferentiableProcess(model, cube.time)), rtol=1e-6, atol=1e-6)
    series = model.simulate(model.parameters.from_unit(u.numpy())[:, None][[0, 0, 1, 1, 1, 2]], ("soil_moisture",))
    own = model.respond(u, cells, 0, len(cube.time))["soil_moisture"]
    np.testing.assert_allclose(series["soil_moisture"][[0, 2, 5], 0], own.numpy(), rtol=1e-12)


def test_check_knows_both_examples() -> None:
    for example in ("numpy_bucket", "torch_bucket"):
        assert "settings are valid" in check_study(load_study(EXAMPLES / f"{example}.yaml"))
