"""Scores of the direct LSTM on the real cells, as JSON: ``python benchmarks/direct_lstm.py [options]``.

Reads the cube that ``paraformer cube studies/conus.yaml`` builds from the shared reference data.

``--mode all`` trains on all good cells and is judged on the test year (compare Fang et al. 2017, doi
10.1002/2017GL075619: RMSE 0.0351 mean and 0.0332 median, PCC 0.794 and 0.841 over 406 cells); ``split`` trains on the
trained cells of the study and is judged on trained and unseen ones; ``choose`` never looks at the test year or an
unseen cell: of the training year, June, October and February and one trained cell in five are kept aside and judged.
How the settings were chosen: decision 0006. ``--settings '{"dropout": 0.3}'`` changes settings.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from paraformer.core.log import Progress
from paraformer.core.schema import Cube
from paraformer.core.time import month_of
from paraformer.evaluation.config import DirectConfig, EvaluationConfig
from paraformer.evaluation.direct import fit_direct
from paraformer.evaluation.holdout import Holdout
from paraformer.evaluation.score import aggregate, score_cells
from paraformer.training.sequence import CellInputs

ROOT = Path(__file__).resolve().parents[1]
KEPT_MONTHS = (6, 10, 2)
MIN_DAYS = {"all": 20, "split": 20, "choose": 5}


def holdout_of(cube: Cube, mode: str) -> Holdout:
    """Who is trained on and judged in a mode."""
    observed, mask = cube.observed()
    train, test = (cube.period(name).mask(cube.time) for name in ("train", "test"))
    trained = np.ones(len(cube.cells), dtype=bool) if mode == "all" else cube.trained
    if mode == "choose":
        test = train & np.isin(month_of(cube.time), KEPT_MONTHS)
        train = train & ~test
        mask = mask & trained[:, None]
        kept = np.random.default_rng(0).permutation(np.flatnonzero(trained))[: trained.sum() // 5]
        trained = trained.copy()
        trained[kept] = False
    return Holdout(cube.cells, cube.lat, cube.lon, observed, mask, trained, train, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cube", type=Path, default=ROOT / "runs/conus/cube/cube.zarr")
    parser.add_argument("--mode", choices=("all", "split", "choose"), default="all")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, settings of DirectConfig")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the JSON; default: standard output")
    given = parser.parse_args()

    cube, config = Cube.open(given.cube), DirectConfig(**given.settings)
    inputs = CellInputs(cube.cells, cube.time, cube.forcing(), cube.attributes(), cube.attribute_names)
    holdout = holdout_of(cube, given.mode)
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        series = fit_direct(config, inputs, holdout, seed=given.seed, directory=Path(folder), progress=Progress())
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    scores = aggregate(
        score_cells(
            "direct LSTM",
            given.seed,
            series,
            holdout,
            EvaluationConfig(operators=("raw",), min_days=MIN_DAYS[given.mode]),
        )
    )
    rows = scores[scores["metric"].isin(("rmse", "pcc", "nse"))]
    table = {
        f"{r.cells} {r.period} {r.metric}": {
            "mean": round(float(r.mean), 4),
            "median": round(float(r.median), 4),
            "cells": int(r.n_scored),
        }
        for r in rows.itertuples()
    }
    result = {
        "mode": given.mode,
        "seed": given.seed,
        "settings": config.model_dump(mode="json"),
        **took,
        "scores": table,
    }
    text = json.dumps(result, indent=1) + "\n"
    if given.out is None:
        sys.stdout.write(text)
    else:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
