"""The verdict: scores of a simulation per subset, observation operator and metric (docs/method.md sections 3 and 9)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from paraformer.core.schema import SCORE_COLUMNS
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.observe import Line, fit_line, observe
from paraformer.numerics.scores import METRICS, accumulate, finish

CELL_COLUMNS = ("cell", "lat", "lon", "method", "seed", "operator", "cells", "period", "metric", "value", "scored")
"""Columns of the per-cell table: one row per cell, operator, period and metric."""

GAP_COLUMNS = (
    "method",
    "seed",
    "operator",
    "cells",
    "period",
    "metric",
    "process_model",
    "surrogate",
    "difference",
    "n_scored",
)
"""Columns of the surrogate gap; ``difference`` is process model less surrogate."""

_GROUP = ["method", "operator", "cells", "period", "metric"]


def fit_operator(operator: str, simulated: Float[np.ndarray, "cell time"], holdout: Holdout) -> Line:
    """Observation operator fitted on the training period only.

    ``global_linear`` uses trained cells only. The operators per cell use each cell's own training period, an unseen
    cell's too: its line is fitted to observations that no learner saw.
    """
    days = holdout.train_days
    simulated, observed, mask = simulated[:, days], holdout.observed[:, days], holdout.mask[:, days]
    if operator == "global_linear":
        cells = holdout.trained
        simulated, observed, mask = simulated[cells], observed[cells], mask[cells]
    return fit_line(operator, simulated, observed, mask)


def score_cells(
    method: str, seed: int, simulated: Float[np.ndarray, "cell time"], holdout: Holdout, config: EvaluationConfig
) -> pd.DataFrame:
    """Scores of every cell, for maps and distributions.

    Args:
        method: name in the tables.
        seed: seed of the method, -1 where it has none.
        simulated: volumetric soil moisture [m3 m-3], finite on every day.
        holdout: observations, trained cells and periods.
        config: operators and the least number of observed days.

    Returns:
        DataFrame with ``CELL_COLUMNS``; ``value`` is NaN exactly where ``scored`` is False.

    Raises:
        DataError: if the simulation has the wrong shape or is not finite.
    """
    holdout.require_simulated(simulated, f"{method}, seed {seed}")
    simulated = simulated.astype(np.float64)
    frames = []
    for operator in config.operators:
        fitted = observe(simulated, fit_operator(operator, simulated, holdout))
        for period, days in (("train", holdout.train_days), ("test", holdout.test_days)):
            statistics = accumulate(fitted[:, days], holdout.observed[:, days], holdout.mask[:, days])
            scores = finish(statistics, min_days=config.min_days)
            for metric in METRICS:
                frame = pd.DataFrame({"cell": holdout.cells, "lat": holdout.lat, "lon": holdout.lon})
                frame = frame.assign(
                    method=method,
                    seed=seed,
                    operator=operator,
                    cells=np.where(holdout.trained, "trained", "unseen"),
                    period=period,
                    metric=metric,
                    value=scores.values[metric],
                    scored=scores.scored[metric],
                )
                frames.append(frame)
    return pd.concat(frames, ignore_index=True)[list(CELL_COLUMNS)]


def aggregate(cells: pd.DataFrame) -> pd.DataFrame:
    """Score table from per-cell scores: mean, median, 5th and 95th percentile over the scored cells, and both counts.

    Args:
        cells: table with ``CELL_COLUMNS``, of one or several methods and seeds.

    Returns:
        DataFrame with ``SCORE_COLUMNS``; statistics of no scored cell are NaN beside ``n_scored`` 0.
    """
    rows = []
    for key, group in cells.groupby([*_GROUP, "seed"], sort=False):
        values = group["value"].to_numpy()[group["scored"].to_numpy()]
        if values.size:
            low, middle, high = np.percentile(values, (5, 50, 95))
            statistics = (values.mean(), middle, low, high)
        else:
            statistics = (np.nan,) * 4
        rows.append((*key[:-1], *statistics, values.size, len(group) - values.size, key[-1]))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds.

    Args:
        scores: table with ``SCORE_COLUMNS``.

    Returns:
        One row per method, operator, cells, period and metric, in order of appearance: ``mean`` and ``median`` (the
        mean over seeds of that column), ``std``, ``min``, ``max`` (of ``mean`` over seeds; the sample standard
        deviation is NaN for a single seed), ``seeds``, ``n_scored`` (least) and ``n_unscored`` (most over seeds).
    """
    rows = []
    for key, group in scores.groupby(_GROUP, sort=False):
        means = group["mean"].to_numpy()
        std = means.std(ddof=1) if means.size > 1 else np.nan
        rows.append(
            (
                *key,
                means.mean(),
                std,
                means.min(),
                means.max(),
                group["median"].to_numpy().mean(),
                means.size,
                group["n_scored"].min(),
                group["n_unscored"].max(),
            )
        )
    columns = [*_GROUP, "mean", "std", "min", "max", "median", "seeds", "n_scored", "n_unscored"]
    return pd.DataFrame(rows, columns=columns)


def surrogate_gap(process_model: pd.DataFrame, surrogate: pd.DataFrame) -> pd.DataFrame:
    """The same θ judged by the process model and by the surrogate, side by side (docs/method.md section 1).

    Args:
        process_model: per-cell scores of the process model's simulations, ``CELL_COLUMNS``.
        surrogate: per-cell scores of the surrogate's simulations for the same θ, under the same names and seeds.

    Returns:
        DataFrame with ``GAP_COLUMNS`` for RMSE, PCC and NSE: means over the cells scored in both. Methods without a
        surrogate simulation have no row.
    """
    wanted = process_model["metric"].isin(("rmse", "pcc", "nse"))
    both = process_model[wanted].merge(
        surrogate, on=["cell", *_GROUP, "seed"], suffixes=("_process", "_surrogate"), validate="one_to_one"
    )
    both = both[both["scored_process"] & both["scored_surrogate"]]
    rows = []
    for key, group in both.groupby(["method", "seed", *_GROUP[1:]], sort=False):
        true, emulated = group["value_process"].mean(), group["value_surrogate"].mean()
        rows.append((*key, true, emulated, true - emulated, len(group)))
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))
