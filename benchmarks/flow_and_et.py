"""Evapotranspiration as a second target of basins: ``python benchmarks/flow_and_et.py [--out FOLDER]``.

The built-in world with a river of ``studies/river.yaml``, with seven hidden parameters, whose gauges and
evapotranspiration are observed with errors.
Each basin is searched by its flow alone, and by flow and the months' evapotranspiration. Told are KGE of the training
years and of the last year, mean over gauges, and the difference of monthly evapotranspiration from that of the true θ
in the training years, root mean square over the cells of the basins and their mean [mm month-1].
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from paraformer.config import Study, load_study
from paraformer.core.results import Results
from paraformer.core.text_table import to_text
from paraformer.numerics.months import monthly_operator
from paraformer.pipeline import run_study
from paraformer.pipeline.land import files_of
from paraformer.process.build import build_process
from paraformer.routing.files import read_network

STUDY = Path(__file__).resolve().parents[1] / "studies" / "river.yaml"
PARAMETERS = ("infilt", "ds", "dsmax", "ws", "expt", "canopy_gap", "wcr")
"""Those of the study, and two of plants, which evapotranspiration depends on."""
WEIGHTS = (0.3, 3.0)


def searches() -> dict[str, object]:
    """Searches by flow alone, and with evapotranspiration of some weights."""
    flow = {"soil_moisture": 0, "streamflow": {"score": "kge", "min_days": 300}}
    beside = {"reference": ["et_obs"], "period": "month"}
    common = {"name": "levenberg", "budget": 150}
    both = {
        f"flow and ET, weight {weight:g}": {
            **common,
            "targets": {**flow, "evapotranspiration": {**beside, "weight": weight}},
        }
        for weight in WEIGHTS
    }
    return {"flow": {**common, "targets": flow}, **both}


def gauged(world: Study, cube: Path) -> Study:
    """A study of the world's files by flow alone."""
    flow = {"warm_up": 90, "network": cube / "river.nc", "observed": cube / "flow.nc"}
    data = {
        "source": "cells",
        "path": cube / "inputs.nc",
        "observation": None,
        "train": world.data.train.model_dump(),
        "test": world.data.test.model_dump(),
        "streamflow": flow,
    }
    process = {"parameters": cube / "params.nc", "domain": cube / "domain.nc", "spin_up": {"days": 365, "cycles": 1}}
    names = list(world.space.names)
    return Study.model_validate(
        {"name": "flow-and-et", "parameters": names, "data": data, "process": process, "searches": searches()}
    )


def work(out: Path) -> str:
    """Run all and compare."""
    world = load_study(STUDY, ["data.synthetic.fluxes={}", f"parameters=[{', '.join(PARAMETERS)}]"])
    run_study(world, out / "world", until="cube")
    files = out / "world" / "cube"
    study = gauged(world, files)
    run_study(study, out / "run", until="scores")
    results = Results(out / "run")
    cube = results.cube
    cells = np.unique(read_network(files / "river.nc").pairs.source)
    days = cube.period("train").mask(cube.time)
    months = monthly_operator(cube.time[days])
    model = build_process(study.process, study.space, cube, files_of(study, results.folder("cube")))

    def evaporated(theta: np.ndarray | None) -> np.ndarray:
        found = model.simulate(None if theta is None else theta[:, None], ("evapotranspiration",))
        return found["evapotranspiration"][cells, 0][:, days] @ months

    with xr.open_dataset(files / "truth.nc") as truth:
        true = evaporated(study.space.clip(truth["theta"].values))
    thetas = results.theta_fields()
    found = {"default VIC": evaporated(None)} | {name: evaporated(thetas[name][0]) for name in study.searches}
    scores = results.streamflow
    assert scores is not None
    kge = scores.pivot_table(index="method", columns="period", values="kge", aggfunc="mean")
    rows = {
        name: {
            "KGE, train": kge.loc[name, "train"],
            "KGE, test": kge.loc[name, "test"],
            "ET RMSE": np.sqrt(((values - true) ** 2).mean()),
            "ET bias": (values - true).mean(),
        }
        for name, values in found.items()
    }
    return to_text(pd.DataFrame(rows).T.round(3).rename_axis("method").reset_index())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(work(options.out or Path(folder)) + "\n")


if __name__ == "__main__":
    main()
