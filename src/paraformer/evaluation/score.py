"""The verdict: scores of a simulation per subset, observation operator and metric (docs/method.md sections 3 and 9)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.schema import SCORE_COLUMNS
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.observe import Line, fit_line, observe
from paraformer.numerics.scores import METRICS, accumulate, fair_crps, finish
from paraformer.numerics.seasonal import seasonal_course

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

APART = ("season_rmse", "season_pcc", "anomaly_rmse", "anomaly_pcc")
"""The seasonal course apart from what is left of a series without it, within one period: RMSE about the mean error
[m3 m-3] and PCC. The course is a mean and two harmonics of the year, fitted alike to simulation and observation on the
observed days of the period; that of one year holds what was odd in that year's seasons."""

_PERIODS = ("train", "test")
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
) -> xr.Dataset:
    """Scores of every cell, for maps and distributions.

    Args:
        method: name in the tables.
        seed: seed of the method, -1 where it has none.
        simulated: volumetric soil moisture [m3 m-3], finite on every day.
        holdout: observations, trained cells and periods.
        config: operators and the least number of observed days.

    Returns:
        One row of ``core.results.Results.cell_scores``, to be ``joined`` with others.

    Raises:
        DataError: if the simulation has the wrong shape or is not finite.
    """
    holdout.require_simulated(simulated, f"{method}, seed {seed}")
    simulated, n_cells = simulated.astype(np.float64), len(holdout.cells)
    score = np.empty((1, len(config.operators), len(_PERIODS), len(METRICS) + len(APART), n_cells))
    gain, offset = (np.empty((1, len(config.operators), n_cells)) for _ in range(2))
    for i, operator in enumerate(config.operators):
        line = fit_operator(operator, simulated, holdout)
        gain[0, i], offset[0, i] = line.gain[:, 0], line.offset[:, 0]
        fitted = observe(simulated, line)
        for j, days in enumerate((holdout.train_days, holdout.test_days)):
            part = fitted[:, days], holdout.observed[:, days], holdout.mask[:, days]
            found = finish(accumulate(*part), min_days=config.min_days)
            apart = _apart(*part, np.flatnonzero(days), config.min_days)
            score[0, i, j] = [*(found.values[metric] for metric in METRICS), *apart]
    dims = ("row", "operator", "period", "metric", "cell")
    meaning = (
        "score of a cell; errors (rmse, ubrmse, bias) in m3 m-3, others without unit; missing where it is not scored"
    )
    return xr.Dataset(
        {
            "score": (dims, score, {"long_name": meaning}),
            "gain": (("row", "operator", "cell"), gain, {"long_name": "gain of the operator's line", "units": "1"}),
            "offset": (
                ("row", "operator", "cell"),
                offset,
                {"long_name": "offset of the operator's line", "units": "m3 m-3"},
            ),
        },
        {
            **holdout.coordinates(),
            "method": ("row", np.array([method], dtype=object)),
            "seed": ("row", np.array([seed])),
            "operator": np.array(config.operators, dtype=object),
            "period": np.array(_PERIODS, dtype=object),
            "metric": np.array((*METRICS, *APART), dtype=object),
        },
    )


def _apart(
    simulated: Float[np.ndarray, "cell day"],
    observed: Float[np.ndarray, "cell day"],
    mask: Bool[np.ndarray, "cell day"],
    day: Int[np.ndarray, " day"],
    min_days: int,
) -> list[Float[np.ndarray, " cell"]]:
    """``APART`` of one period; ``day`` counts days from any origin."""
    courses = [seasonal_course(day, values, mask, harmonics=2) for values in (simulated, observed)]
    left = [values - course for values, course in zip((simulated, observed), courses, strict=True)]
    found = [finish(accumulate(one, other, mask), min_days=min_days).values for one, other in (courses, left)]
    return [scores[metric] for scores in found for metric in ("ubrmse", "pcc")]


def joined(rows: Sequence[xr.Dataset]) -> xr.Dataset:
    """Scores of several rows of the same cells as one."""
    return xr.concat(rows, "row", data_vars="minimal", coords="minimal", compat="override", join="override")


def aggregate(cells: xr.Dataset) -> pd.DataFrame:
    """Score table from scores of cells: mean, median, 5th and 95th percentile over the scored ones, and both counts.

    Args:
        cells: rows of ``score_cells``.

    Returns:
        DataFrame with ``SCORE_COLUMNS``; statistics of no scored cell are NaN beside ``n_scored`` 0.
    """
    rows = []
    for (method, seed, operator, cell_group, period, metric), group in _blocks(cells, cells["score"].values):
        values = group[np.isfinite(group)]
        if values.size:
            low, middle, high = np.percentile(values, (5, 50, 95))
            statistics = (values.mean(), middle, low, high)
        else:
            statistics = (np.nan,) * 4
        key = (method, operator, cell_group, period, metric)
        rows.append((*key, *statistics, values.size, group.size - values.size, seed))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _blocks(cells: xr.Dataset, values: np.ndarray) -> Iterator[tuple[tuple[Any, ...], np.ndarray]]:
    """(method, seed, operator, cells, period, metric) and the values of its cells, for each block of a score table."""
    trained = cells["trained"].values.astype(bool)
    groups = [(name, mask) for name, mask in (("trained", trained), ("unseen", ~trained)) if mask.any()]
    labels = [cells[name].values.tolist() for name in ("operator", "period", "metric")]
    for i, (method, seed) in enumerate(zip(cells["method"].values, cells["seed"].values.tolist(), strict=True)):
        for (o, operator), (p, period), (m, metric) in itertools.product(*map(enumerate, labels)):
            for name, mask in groups:
                yield (str(method), seed, operator, name, period, metric), values[i, o, p, m][..., mask]


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


def together(
    method: str,
    simulated: Float[np.ndarray, "cell seed time"],
    cells: xr.Dataset,
    holdout: Holdout,
    config: EvaluationConfig,
) -> pd.DataFrame:
    """All seeds of a method as one ensemble, for the lines of ``rmse`` of ``summarise``.

    Args:
        simulated: volumetric soil moisture of the seeds [m3 m-3].
        cells: rows of ``score_cells`` of the same seeds in the same order, for their lines.

    Returns:
        The columns that key a line of ``summarise``, and mean over scored cells of ``crps`` (fair, of a small ensemble;
        the mean absolute error of one seed [m3 m-3]) and ``coverage`` (share of observed days between the lowest and
        the highest seed; NaN of one seed) beside ``nominal``, its value if the observation were one more seed.
    """
    m, rows = simulated.shape[1], []
    for i, operator in enumerate(config.operators):
        gain, offset = (cells[name].values[:, i, :].T[..., None] for name in ("gain", "offset"))
        fitted = gain * simulated.astype(np.float64) + offset
        for subset in holdout.subsets():
            part = np.ix_(subset.cell_mask, subset.day_mask)
            mask, observed = holdout.mask[part], np.where(holdout.mask, holdout.observed, 0.0)[part]
            members = fitted[subset.cell_mask][:, :, subset.day_mask].swapaxes(0, 1)
            days = mask.sum(axis=1)
            scored = days >= config.min_days
            score = fair_crps(members.reshape(m, -1), observed.ravel()).reshape(mask.shape)
            inside = (members.min(axis=0) <= observed) & (members.max(axis=0) >= observed)
            crps, share = (
                float((np.where(mask, values, 0.0).sum(axis=1)[scored] / days[scored]).mean())
                if scored.any()
                else np.nan
                for values in (score, inside)
            )
            several = m > 1
            key = (method, operator, subset.cells, subset.period, "rmse")
            rows.append((*key, crps, share if several else np.nan, (m - 1) / (m + 1) if several else np.nan))
    return pd.DataFrame(rows, columns=[*_GROUP, "crps", "coverage", "nominal"])


def surrogate_gap(process_model: xr.Dataset, surrogate: xr.Dataset) -> pd.DataFrame:
    """The same θ judged by the process model and by the surrogate, side by side (docs/method.md section 1).

    Args:
        process_model: scores of cells of the process model's simulations, rows of ``score_cells``.
        surrogate: those of the surrogate's simulations for the same θ, under the same names and seeds, same cells.

    Returns:
        DataFrame with ``GAP_COLUMNS`` for RMSE, PCC and NSE: means over the cells scored in both. Methods without a
        surrogate simulation have no row.
    """
    place = {key: i for i, key in enumerate(_keys(process_model))}
    own = [i for i, key in enumerate(_keys(surrogate)) if key in place]
    surrogate = surrogate.isel(row=own)
    shared = [place[key] for key in _keys(surrogate)]
    both = np.stack([process_model["score"].values[shared], surrogate["score"].values], axis=4)
    rows = []
    for (method, seed, *key), values in _blocks(surrogate, both):
        scored = np.isfinite(values).all(axis=0)
        if key[-1] in ("rmse", "pcc", "nse") and scored.any():
            true, emulated = (one[scored].mean() for one in values)
            rows.append((method, seed, *key, true, emulated, true - emulated, int(scored.sum())))
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def _keys(cells: xr.Dataset) -> list[tuple[str, int]]:
    return list(zip(map(str, cells["method"].values), cells["seed"].values.tolist(), strict=True))
