"""Few cells of one's own: ``python benchmarks/fine_tuning.py DATA --out FOLDER [--cells 5 20 60] [--seeds 2]``.

A map is trained on the cells of ``../shared/data/conus`` (DATA) west of 95 W. East of it so many cells are observed;
on these a learner is trained anew, or goes on from the map (``start_from``); a search finds θ in each of them. All are
judged by VIC in the test year: on these cells, and on 37 others east of 95 W that nobody learned from. A row a method
with as many cells is written to FOLDER/fine_tuning.csv: raw RMSE, mean over cells and over seeds [m3 m-3].
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

import paraformer as pf
from paraformer.core.log import Progress
from paraformer.pipeline.apply import Order, apply_map
from paraformer.pipeline.released import export_map, find_map

EAST = -95.0
MOST = 60
"""Cells of the east that may be learned from; the others judge."""
A: dict[str, Any] = {"network": {"name": "paraformer_a"}, "loss": {"prior_weight": 0.02}, "training": {"steps": 300}}
Z: dict[str, Any] = {
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
    "training": {"steps": 300, "optimiser": {"rate": 0.003}},
}
LEARNERS = {"ParaFormer_A": A, "ParaFormer_Z": Z}
FURTHER = {"ParaFormer_A": 0.0003, "ParaFormer_Z": 0.0003}
"""Learning rate of the training that goes on."""
STEPS_FURTHER = 100


def main() -> None:
    asked = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    _write_inputs(asked.data / "conus_smap_nldas.nc", out / "inputs.nc", asked.cells)
    base = _run(out, asked.data, "west", {"select": {"west": 1}}, LEARNERS, 1)
    for method in LEARNERS:
        if not (out / "maps" / method).exists():
            export_map(base.directory, method, out / "maps" / method)
    rows: list[pd.DataFrame] = []
    for cells in asked.cells:
        split = {"split": {"variable": f"east_{cells}", "trained": [1], "unseen": [2]}}
        learners = {f"{name}, anew": config for name, config in LEARNERS.items()}
        for name, config in LEARNERS.items():
            training = {"steps": STEPS_FURTHER, "optimiser": {"rate": FURTHER[name]}}
            start = str(out / "maps" / name)
            learners[f"{name}, further"] = {**config, "training": training, "start_from": start}
        result = _run(out, asked.data, f"east_{cells}", split, learners, asked.seeds)
        rows += [_as_it_is(result, out / "maps" / name, name) for name in LEARNERS]
        rows.append(_judged(result))
        for row in rows[-len(LEARNERS) - 1 :]:
            row.insert(0, "own cells", cells)
        pd.concat(rows, ignore_index=True).to_csv(out / "fine_tuning.csv", index=False)
    found = pd.read_csv(out / "fine_tuning.csv")
    logging.getLogger(__name__).info(found.to_string(index=False))


def _write_inputs(source: Path, path: Path, sizes: list[int]) -> None:
    """The cells of good quality, and which of them a study learns from (1) or is judged on alone (2)."""
    if path.exists():
        return
    with xr.open_dataset(source) as dataset:
        good = dataset.isel(cell=np.flatnonzero(dataset["qc"].values == 0)).load()
    east = good["lon"].values > EAST
    order = np.random.default_rng(0).permutation(np.flatnonzero(east))
    good["west"] = "cell", np.where(east, 0, 1).astype(np.int32)
    for size in sizes:
        kind = np.zeros(good.sizes["cell"], dtype=np.int32)
        kind[order[:size]], kind[order[MOST:]] = 1, 2
        good[f"east_{size}"] = "cell", kind
    good.to_netcdf(path)


def _run(out: Path, data: Path, name: str, cells: dict[str, Any], learners: dict[str, Any], seeds: int) -> pf.Result:
    vic = data.resolve() / "vic5"
    study = {
        "name": name,
        "parameters": ["infilt", "ds", "dsmax", "ws", "expt"],
        "data": {
            "source": "cells",
            "path": str(out / "inputs.nc"),
            "observation": "sm_smap",
            **cells,
            "train": {"start": "2015-04-01", "end": "2016-03-31"},
            "test": {"start": "2016-04-01", "end": "2017-03-31"},
        },
        "process": {
            "parameters": str(vic / "params_B.nc"),
            "domain": str(vic / "domain.nc"),
            "initial_state": str(vic / "state_B.nc"),
            "spin_up": {"days": 366, "cycles": 1},
        },
        "ensemble": {"common": 16, "own": 32, "held_out": 4},
        "surrogate": {"anchors": 16, "training": {"steps": 1000}},
        "learners": learners,
        "learner_seeds": seeds,
    }
    if name != "west":
        study["searches"] = {"SCE-UA": {"name": "sceua", "budget": 500}}
        study["evaluation"] = {"transfers": {"source": "SCE-UA", "by": ["nearest"]}}
    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    until = "parameters" if name == "west" else "scores"
    return pf.run(path, out / "runs" / name, until=until, progress=Progress())


def _judged(result: pf.Result) -> pd.DataFrame:
    """Test year, raw: a row a method and group of cells."""
    table = result.scores
    wanted = (table["metric"] == "rmse") & (table["operator"] == "raw") & (table["period"] == "test")
    seeds = table[wanted].groupby(["method", "cells"], sort=False)["mean"]
    return seeds.agg(rmse="mean", spread="std", seeds="count").reset_index()


def _as_it_is(result: pf.Result, folder: Path, name: str) -> pd.DataFrame:
    """The map of the west on the cells of the east, without any training."""
    applied = result.directory / f"by-{name}"
    apply_map(find_map(str(folder)), Order(result.study_file, judge=True), applied)
    cells = pd.read_csv(applied / "scores.csv")
    own = cells[cells["method"] != "default VIC"]
    means = own.groupby(own["trained"].map({True: "trained", False: "unseen"}))["rmse"].mean()
    return pd.DataFrame({"method": f"{name}, as it is", "cells": means.index, "rmse": means.values, "seeds": 1})


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="../shared/data/conus")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and table")
    parser.add_argument("--cells", type=int, nargs="+", default=[5, 20, MOST], help="cells with observations")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each learner")
    return parser


if __name__ == "__main__":
    main()
