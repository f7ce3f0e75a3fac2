"""Few observed cells: ``python benchmarks/fine_tuning.py DATA --out FOLDER [--cells 5 20 60] [--west -95]``.

A map is trained on the cells of ``../shared/data/conus`` (DATA) west of 95 W. East of it so many cells are observed; on
these the same learner is trained anew, or goes on from the map (``start_from``), as long or for 60 steps. VIC judges
every θ in the test year: on the observed cells, and on all others of the east beyond the most that are observed, which
nobody learned from. One surrogate of VIC in all cells stands behind all of them, so that only learners differ.
``--cells 243 --west -118`` leaves 24 cells to the map and 37 to the judgement: there are 304.
FOLDER/fine_tuning.csv has a row a learner, number of cells and seed: raw RMSE, mean over cells [m3 m-3].
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import paraformer as pf
from paraformer.core.log import Progress
from paraformer.data.views import calibration_view, learned_from
from paraformer.learners.config import LearnerConfig
from paraformer.learners.inputs import History
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.pipeline.judge import judge_rows
from paraformer.process.build import build_process
from paraformer.process.files import parameter_files

logger = logging.getLogger(__name__)

ATTRIBUTES: dict[str, Any] = {"network": {"name": "paraformer_a"}, "loss": {"prior_weight": 0.02}}
HISTORY: dict[str, Any] = {
    "network": {
        "name": "paraformer_z",
        "width": 64,
        "heads": 4,
        "feed_forward": 128,
        "dropout": 0.2,
        "history_days": 360,
        "history_windows": 1,
        "statistics": True,
    },
    "loss": {"fit": "cell_rmse", "prior_weight": 0.002},
}
LEARNERS = {
    "ParaFormer_A": (ATTRIBUTES, {"steps": 300}, {"steps": 300, "optimiser": {"rate": 0.001}}),
    "ParaFormer_Z": (
        HISTORY,
        {"steps": 200, "optimiser": {"rate": 0.003}},
        {"steps": 200, "optimiser": {"rate": 0.001}},
    ),
}
"""Settings, the training from the beginning, the training that goes on from a map as long."""
SHORT = {"steps": 60, "optimiser": {"rate": 0.0003}}
"""The training that goes on for a while."""


def main() -> None:
    asked = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    out = asked.out.resolve()
    result = pf.run(_study(out, asked.data.resolve()), out / "run", until="surrogate", progress=Progress())
    config = pf.Study.load(result.study_file)
    cube, space = result.cube, config.space
    vic = build_process(config.process, space, cube, parameter_files(config.process))
    data = calibration_view(cube, space, space.clip(vic.prior()))
    surrogate = pf.Surrogate.load(result.folder("surrogate"), space)
    east = np.flatnonzero(cube.lon > asked.west)
    order, judged = np.random.default_rng(0).permutation(east), np.zeros((3, len(cube.cells)), dtype=bool)
    judged[2, order[max(asked.cells) :]] = True

    def learn(name: str, cells: np.ndarray, how: int, start: tuple[LearnedMap, ...], seed: int) -> LearnedMap:
        settings, *trainings = (*LEARNERS[name], SHORT)
        learner = Learner(LearnerConfig.model_validate({**settings, "training": trainings[how]}), start=start)
        folder = out / "maps" / f"{name}-{int(cells.sum())}-{how}-{seed}"
        return learner.learn(surrogate, learned_from(data, cells), seed=seed, directory=folder, progress=Progress())

    def theta(found: LearnedMap, own: bool) -> np.ndarray:
        history = History.of(data, "masked") if own else None
        return found.predict(data.attributes, data.prior, data.attribute_names, history)

    rows: list[dict[str, Any]] = []
    for name in asked.learners:
        own = name.endswith("Z")
        west = learn(name, cube.lon <= asked.west, 0, (), 0)
        for cells in asked.cells:
            observed = np.isin(np.arange(len(cube.cells)), order[:cells])
            found = {("as it is", 0): theta(west, own)}
            for seed in range(asked.seeds):
                found["anew", seed] = theta(learn(name, observed, 0, (), seed), own)
                found["further", seed] = theta(learn(name, observed, 1, (west,), seed), own)
                found["a little further", seed] = theta(learn(name, observed, 2, (west,), seed), own)
            thetas = {f"{how} {seed}": values for (how, seed), values in found.items()}
            table = judge_rows(vic, cube, thetas, "test")
            for row, part in table.groupby("method", sort=False):
                rmse = part["rmse"].values
                facts = {"learner": name, "cells": cells, "training": row}
                facts |= {"observed": np.nanmean(rmse[observed]), "others": np.nanmean(rmse[judged[2]])}
                rows.append(facts)
                logger.info("%s", facts)
            pd.DataFrame(rows).to_csv(out / "fine_tuning.csv", index=False)


def _study(out: Path, data: Path) -> Path:
    """All cells of good quality, five parameters, one surrogate."""
    vic = data / "vic5"
    study = {
        "name": "fine_tuning",
        "parameters": ["infilt", "ds", "dsmax", "ws", "expt"],
        "data": {
            "source": "cells",
            "path": str(data / "conus_smap_nldas.nc"),
            "observation": "sm_smap",
            "select": {"qc": 0},
            "train": {"start": "2015-04-01", "end": "2016-03-31"},
            "test": {"start": "2016-04-01", "end": "2017-03-31"},
        },
        "process": {
            "parameters": str(vic / "params_B.nc"),
            "domain": str(vic / "domain.nc"),
            "initial_state": str(vic / "state_B.nc"),
            "spin_up": {"days": 366, "cycles": 1},
        },
        "ensemble": {"common": 16, "own": 24, "held_out": 2},
        "surrogate": {"anchors": 16, "training": {"steps": 1000}},
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/conus"))
    parser.add_argument("--out", type=Path, default=Path("runs/fine_tuning"), help="folder of run, maps and table")
    parser.add_argument("--cells", type=int, nargs="+", default=[5, 20, 60], help="observed cells")
    parser.add_argument("--west", type=float, default=-95.0, help="longitude west of which the map learns")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each learner")
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    return parser


if __name__ == "__main__":
    main()
