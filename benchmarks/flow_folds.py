"""Folds of a learner of streamflow trained as processes of their own, for machines with many cores or little time.

The same folds, training and verdict as the stage ``cross_validation`` of the study.

``python benchmarks/flow_folds.py STUDY --out FOLDER --fold 0`` trains one fold, once for each at the same time;
``python benchmarks/flow_folds.py STUDY --out FOLDER`` judges all of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from paraformer.config import load_study
from paraformer.core.contracts import Calibrated
from paraformer.core.log import Progress
from paraformer.core.run import Run
from paraformer.core.text_table import to_text
from paraformer.data.views import learned_from
from paraformer.evaluation.gauges import paired_flow
from paraformer.pipeline.folds import at_basins, deal
from paraformer.pipeline.stages import Chain
from paraformer.pipeline.streamflow import default_through, gauge_set, judge_flow_apart
from paraformer.report.streamflow import flow_table


def work(file: Path, out: Path, fold: int | None) -> str:
    """Train one fold, or judge all of them."""
    study = load_study(file)
    assert study.cross_validation is not None
    (name, config), *_ = study.learners.items()
    with Run(out / ("judge" if fold is None else f"fold-{fold}")) as run:
        chain = Chain(study, run, Progress())
        chain.run_until("streamflow")
        cube, basins, river = chain._cube, chain._basins, chain._river
        assert basins is not None
        assert river is not None
        folds = deal(study.cross_validation, *at_basins(cube.lat, cube.lon, basins.cells), cube.trained)
        result = out / "found-{}.npz"
        if fold is not None:
            learner, model = chain._learner(config)
            data = learned_from(chain._learning_data(config), folds.learned[fold])
            found = learner.calibrate(
                model, data, seed=study.seed, directory=run.directory / "map", progress=Progress()
            )
            np.savez(str(result).format(fold), theta=found.theta, routing=found.routing, runs=found.runs)
            return f"fold {fold}: {found.runs} runs"
        theta, routing, runs = np.array(chain._prior), basins.prior(), 0
        for fold in range(study.cross_validation.folds):
            part = np.load(str(result).format(fold))
            theta[folds.of == fold] = part["theta"][folds.of == fold]
            here = [basin for basin, cells in enumerate(basins.cells) if folds.of[cells[0]] == fold]
            routing[here] = part["routing"][here]
            runs += int(part["runs"])
        found, gauges = Calibrated(theta, runs, routing), gauge_set(river, basins, cube)
        judge_flow_apart(name, found, chain._process_model(), basins, gauges, folds.of, out)
    table = pd.read_csv(out / "streamflow.csv", dtype={"gauge": str})
    pairs = paired_flow(table, [(name, default_through(name))])
    return "\n\n".join(to_text(each) for each in (flow_table(table, "train"), flow_table(table), pairs.round(4)))


def main() -> None:
    """Read the arguments and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the folds")
    parser.add_argument("--fold", type=int, help="the fold to train; none judges all")
    given = parser.parse_args()
    sys.stdout.write(work(given.study, given.out, given.fold) + "\n")


if __name__ == "__main__":
    main()
