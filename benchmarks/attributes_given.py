"""What a map loses where fewer attributes of a cell are known: ``python benchmarks/attributes_given.py RUN...``.

RUN is a run directory of a study with ``cross_validation`` and learners with ``attribute_dropout``, as
``studies/maps.yaml``; several are runs with other seeds. Every cell gets the θ of the networks that were trained
without its region, with all attributes, with some and with none; VIC judges it on the test period. Raw RMSE
[m3 m-3], mean over cells, mean and standard deviation over the runs. Table of docs/apply.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from paraformer.config import load_study
from paraformer.core.results import Results
from paraformer.pipeline.folds import deal
from paraformer.pipeline.judge import judge_rows
from paraformer.pipeline.kept_aside import theta_kept_aside
from paraformer.pipeline.land import files_of
from paraformer.process.build import build_process

SOIL = ("sand", "silt", "clay", "bulk", "capa", "land_porosity", "land_ksat")
FILES = ("bulk", "elevation", "land_", "climate_")
"""What a VIC global parameter file lets a map know: the beginnings of names."""
GROUPS = {"all": ("",), "of VIC's files": FILES, "soil": SOIL, "climate": ("climate_",), "none": ()}


def table(run: Path) -> pd.DataFrame:
    """RMSE of every learner and group of attributes, a row each."""
    results = Results(run)
    study, cube = load_study(results.study_file), results.cube
    assert study.cross_validation is not None, f"{run}: no cross_validation"
    fold = deal(study.cross_validation, cube.lat, cube.lon, cube.trained).of
    names, thetas = cube.attribute_names, {}
    for method in study.learners:
        for group, begins in GROUPS.items():
            unknown = [name for name in names if not name.startswith(begins)] if begins else list(names)
            mean, _ = theta_kept_aside(study, results, method, fold, unknown)
            thetas[f"{method}: {group}"] = study.space.clip(study.space.from_unit(np.clip(mean, 0.0, 1.0)))
    model = build_process(study.process, study.space, cube, files_of(study, results.folder("cube")))
    scores = judge_rows(model, cube, thetas, "test", study.evaluation.min_days)
    return (
        scores[np.isin(scores["cell"], cube.cells[fold >= 0])].groupby("method", sort=False)["rmse"].mean().to_frame()
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="the table as CSV")
    given = parser.parse_args()
    found = pd.concat([table(run) for run in given.runs])
    over = found.groupby(level=0, sort=False)["rmse"].agg(["mean", "std", "count"])
    sys.stdout.write(over.round(4).to_string() + "\n")
    if given.out is not None:
        over.to_csv(given.out)


if __name__ == "__main__":
    main()
