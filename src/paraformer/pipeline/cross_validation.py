"""Learners compared on blocks of trained cells kept aside: each is trained anew without each fold of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import Calibrated, CalibrationData, ForwardModel
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.run import Stage
from paraformer.data.views import learned_from
from paraformer.evaluation.cross_validation import ranking, score_kept
from paraformer.evaluation.holdout import Holdout
from paraformer.learners.config import reads_history
from paraformer.pipeline.folds import Folds

CELLS = "cells.csv"
"""Scores of one learner in the cells kept aside."""

_TOGETHER = 512
"""Cells whose series are in memory at a time."""


def learned_apart(
    learn: Callable[[CalibrationData, Path], Calibrated], data: CalibrationData, folds: Folds, path: Path
) -> Calibrated:
    """Train one learner without each fold in turn: θ and routing of cells and basins where they were kept aside.

    Args:
        learn: trains in a folder, from the trained cells of the data.
    """
    theta, runs, flow = np.array(data.prior), 0, data.streamflow
    routing: np.ndarray | None = None
    for fold, learned in enumerate(folds.learned):
        found = learn(learned_from(data, learned), path / f"fold-{fold}")
        theta[folds.of == fold], runs = found.theta[folds.of == fold], runs + found.runs
        if found.routing is not None and flow is not None:
            routing = flow.basins.prior() if routing is None else routing
            here = [basin for basin, cells in enumerate(flow.basins.cells) if folds.of[cells[0]] == fold]
            routing[here] = found.routing[here]
    return Calibrated(theta, runs, routing)


def judge_apart(
    theta: Float[np.ndarray, "cell parameter"],
    model: ForwardModel,
    holdout: Holdout,
    folds: Folds,
    path: Path,
    *,
    min_days: int,
    progress: Progress,
) -> int:
    """Let the process model judge θ of cells kept aside by their soil moisture; writes ``CELLS``.

    Args:
        model: the process model from the first day of ``holdout`` to the last of the training period or later.

    Returns:
        Runs of the process model.
    """
    kept = np.flatnonzero(folds.of >= 0)
    simulated = np.zeros((len(folds.of), int(holdout.train_days.sum())))
    with progress.task("cells kept aside", kept.size, unit="cells") as advance:
        for start in range(0, kept.size, _TOGETHER):
            some = kept[start : start + _TOGETHER]
            series = model.select(some).simulate(theta[some, None], ("soil_moisture",))["soil_moisture"][:, 0]
            simulated[some] = series[:, holdout.train_days[: series.shape[1]]]
            advance(some.size)
    write_csv(path / CELLS, score_kept(simulated, holdout, folds.of, min_days=min_days))
    return int(kept.size)


def compared(study: Study, done: Mapping[str, Stage]) -> pd.DataFrame:
    """The table of learners, the best first, from the finished stages of a run."""
    assert study.cross_validation is not None
    cells = {name: pd.read_csv(done[f"cross_validation/{name}"].path / CELLS) for name in study.learners}
    own_days = {name: reads_history(learner.network) for name, learner in study.learners.items()}
    return ranking(cells, own_days, degrees=study.cross_validation.degrees)
