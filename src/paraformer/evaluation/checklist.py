"""Post-fit checks: what a careful reader would look at before believing a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from paraformer.core.parameters import ParameterSpace
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.scores import MIN_DAYS

MAX_STEP = 3
"""Longest step between observed days that counts as the next one [day]: SMAP sees every place at least every 3 days."""

_BOUND_DISTANCE, _BOUND_SHARE = 0.01, 0.2
"""Distance that counts as at the bound [unit coordinate], and from which share of cells on the checklist warns."""
_SURROGATE_GAP = 0.003
"""Raw RMSE, process model less surrogate, from which on it warns [m3 m-3]."""
_ATTRIBUTE_SHARE, _UNSCORED_SHARE = 0.05, 0.0
"""Shares of unseen cells outside the trained range, and of cells without a score, above which it warns."""
_SEED_SPREAD = 0.1
"""Median standard deviation of θ over seeds above which it warns [unit coordinate]."""
_AUTOCORRELATION = 0.8
"""Median correlation of the residuals of successive observed days above which it warns."""

CHECK_COLUMNS = ("check", "method", "subject", "found", "limit", "passed", "message")
"""One row per check and subject (a parameter, an attribute, a part of the score table)."""


def parameters_at_bounds(
    method: str, theta: Float[np.ndarray, "cell parameter"], space: ParameterSpace
) -> pd.DataFrame:
    """Share of cells whose parameter lies at a bound: the bounds, not the data, then decide its value."""
    unit = space.to_unit(theta)
    rows = []
    for i, name in enumerate(space.names):
        low = float((unit[:, i] <= _BOUND_DISTANCE).mean())
        high = float((unit[:, i] >= 1 - _BOUND_DISTANCE).mean())
        rows.append(
            _row(
                "parameter at its bounds",
                method,
                name,
                low + high,
                _BOUND_SHARE,
                f"{low:.0%} of cells at the lower, {high:.0%} at the upper bound",
            )
        )
    return _table(rows)


def surrogate_gaps(gap: pd.DataFrame) -> pd.DataFrame:
    """Raw test RMSE by the process model less that by the surrogate: a large gap means θ exploits the surrogate.

    Args:
        gap: the table of ``score.surrogate_gap``.
    """
    chosen = gap[(gap["operator"] == "raw") & (gap["metric"] == "rmse") & (gap["period"] == "test")]
    rows = [
        _row(
            "surrogate gap",
            row.method,
            f"{row.cells} cells, seed {row.seed}",
            abs(row.difference),
            _SURROGATE_GAP,
            f"raw RMSE {row.process_model:.4f} by the process model, {row.surrogate:.4f} by the surrogate",
        )
        for row in chosen.itertuples()
    ]
    return _table(rows)


def attribute_range(
    attributes: Float[np.ndarray, "cell attribute"],
    names: Sequence[str],
    trained: Bool[np.ndarray, " cell"],
) -> pd.DataFrame:
    """Share of unseen cells with an attribute outside the range of the trained cells: there a learner extrapolates."""
    if trained.all():
        return _table([])
    known, new = attributes[trained], attributes[~trained]
    outside = ((new < known.min(axis=0)) | (new > known.max(axis=0))).mean(axis=0)
    rows = [
        _row(
            "unseen cells outside the trained range",
            "",
            name,
            float(share),
            _ATTRIBUTE_SHARE,
            f"{share:.0%} of unseen cells outside [{low:.4g}, {high:.4g}]",
        )
        for name, share, low, high in zip(names, outside, known.min(axis=0), known.max(axis=0), strict=True)
    ]
    return _table(rows)


def unscored_cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of cells that have no score at all in the test period, per method and group of cells.

    Judged by RMSE: a missing PCC beside it says that a simulation is constant, as the training mean's is on purpose.
    """
    rows = []
    chosen = scores[(scores["period"] == "test") & (scores["metric"] == "rmse")]
    chosen = chosen.drop_duplicates(["method", "cells"])
    for row in chosen.itertuples():
        total = row.n_scored + row.n_unscored
        rows.append(
            _row(
                "unscored cells",
                row.method,
                f"{row.cells} cells",
                row.n_unscored / total,
                _UNSCORED_SHARE,
                f"{row.n_unscored} of {total} cells have no score",
            )
        )
    return _table(rows)


def seed_spread(method: str, theta: Float[np.ndarray, "seed cell parameter"], space: ParameterSpace) -> pd.DataFrame:
    """Median over cells of θ's standard deviation over seeds: a wide one means the data do not identify θ.

    In unit coordinates; a uniform random θ has 0.29. Needs at least two seeds, else the table is empty.
    """
    if len(theta) < 2:
        return _table([])
    spread = np.median(space.to_unit(theta).std(axis=0, ddof=1), axis=0)
    rows = [
        _row(
            "spread over seeds",
            method,
            name,
            float(value),
            _SEED_SPREAD,
            f"median standard deviation over {len(theta)} seeds is {value:.3f} of the parameter's range",
        )
        for name, value in zip(space.names, spread, strict=True)
    ]
    return _table(rows)


def residual_autocorrelation(method: str, simulated: Float[np.ndarray, "cell time"], holdout: Holdout) -> pd.DataFrame:
    """Autocorrelation of the test-period residuals from one observed day to the next: what θ has left unexplained.

    A cell's residual is simulated less observed, less the mean of that over its observed test days. Pairs are
    successive observed days at most ``MAX_STEP`` days apart (the satellite's revisit); a longer gap, as over frozen
    ground, ends one chain and begins another. With e the residuals of such pairs, ``r = Σ e₁ e₂ / √(Σ e₁² Σ e₂²)``.
    Cells with fewer than ``MIN_DAYS`` pairs or without any residual are left out. Found is the median over cells. Where
    errors follow a first-order autoregression, n observed days count as n (1 - r) / (1 + r) independent ones (Bayley &
    Hammersley 1946, J. R. Stat. Soc. Suppl. 8, 184-197).

    Args:
        simulated: volumetric soil moisture [m3 m-3].
        holdout: observations and test period.

    Returns:
        One row; empty where no cell has enough pairs.
    """
    found, days, steps = [], [], []
    for series, observed, mask in zip(simulated, holdout.observed, holdout.mask & holdout.test_days, strict=True):
        at = np.flatnonzero(mask)
        near = np.diff(at) <= MAX_STEP
        if near.sum() < MIN_DAYS:
            continue
        residual = series[at].astype(np.float64) - observed[at]
        residual -= residual.mean()
        first, second = residual[:-1][near], residual[1:][near]
        power = np.sqrt((first**2).sum() * (second**2).sum())
        rounding = 32 * np.finfo(np.float64).eps * np.abs(series[at] + observed[at]).max()
        if power > first.size * rounding**2:
            found.append(float(first @ second / power))
            days.append(at.size)
            steps.append(float(np.diff(at)[near].mean()))
    if not found:
        return _table([])
    r, n = float(np.median(found)), float(np.median(days))
    message = (
        f"median over {len(found)} cells is {r:.2f} at a mean step of {np.mean(steps):.1f} days: "
        f"{n:.0f} observed days count as about {n * (1 - r) / (1 + r):.0f}"
    )
    return _table([_row("autocorrelation of residuals", method, "test period", r, _AUTOCORRELATION, message)])


WATER_SHARE = 1e-12
"""Share of the water of a cell that rounding may lose in a step: VIC's conserving mode stays two orders below."""


def water_balance(millimetres: float, share: float, runs: int) -> pd.DataFrame:
    """The largest water balance error of a model step in all runs of the verdict, over the water of the cell then.

    Args:
        millimetres: the largest error [mm].
        share: the largest error over the water stored before its step and fallen in it [1].
        runs: of the process model.
    """
    message = f"largest error of a step is {millimetres:.1e} mm, {share:.1e} of the water stored and fallen"
    if share > WATER_SHARE:
        message += "; process.vic.water_balance: conserving loses none"
    return _table([_row("water balance", "", f"{runs} runs of the process model", share, WATER_SHARE, message)])


def _row(check: str, method: str, subject: str, found: float, limit: float, message: str) -> tuple:
    return check, method, subject, found, limit, bool(found <= limit), message


def _table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))
