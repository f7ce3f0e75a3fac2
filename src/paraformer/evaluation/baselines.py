"""Reference rows that are no parameter learning but say what a score means (METHOD section 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.time import day_of_year
from paraformer.evaluation.holdout import Holdout

NOTES = {
    "training mean": "each cell's own mean of its training-period observations, of unseen cells too",
    "climatology": "seasonal course fitted to each cell's own training-period observations, of unseen cells too; "
    "with one training year it is that year's smoothed course",
}
"""Names of the baselines, with what a reader of the table must know."""

_DAYS_OF_YEAR = 365.25
_SHRINKAGE_DAYS = 5.0


class Baseline(NamedTuple):
    """``simulated`` [cell, time] [m3 m-3] and ``available`` [cell]: False (and 0) where a cell has no training day."""

    simulated: Float[np.ndarray, "cell time"]
    available: Bool[np.ndarray, " cell"]


def training_mean(holdout: Holdout) -> Baseline:
    """The mean of each cell's observations in the training period, on every day."""
    mask = holdout.mask & holdout.train_days
    days = mask.sum(axis=1)
    mean = np.where(mask, holdout.observed, 0.0).sum(axis=1) / np.maximum(days, 1)
    return Baseline(np.repeat(mean[:, None], mask.shape[1], axis=1), days > 0)


def climatology(time: np.ndarray, holdout: Holdout, *, harmonics: int = 2) -> Baseline:
    """Seasonal course of each cell: mean plus harmonics of the year, fitted to its own training period.

    Amplitudes are shrunk towards zero as if each had been seen as zero on five more days, and the course is clipped to
    the range of the cell's training observations: half a year without retrievals (frozen soil) must not let the
    harmonics swing. With several training years this is the mean seasonal cycle; with a single one it is that year's
    smoothed course, whose anomalies it carries into the test year.

    Args:
        time: UTC days (datetime64) [time].
        holdout: observations and periods.
        harmonics: number of harmonics.
    """
    phase = 2 * np.pi * day_of_year(time)[:, None] / _DAYS_OF_YEAR * np.arange(1, harmonics + 1)
    design = np.concatenate([np.ones((time.size, 1)), np.cos(phase), np.sin(phase)], axis=1)
    mask = holdout.mask & holdout.train_days
    available = mask.any(axis=1)
    weight = mask.astype(np.float64)
    observed = np.where(mask, holdout.observed, 0.0)
    shrinkage = np.diag([0.0] + [_SHRINKAGE_DAYS] * (2 * harmonics))
    normal = np.einsum("ct,ti,tj->cij", weight, design, design, optimize=True) + shrinkage
    normal[~available] = np.eye(design.shape[1])
    coefficients = np.linalg.solve(normal, (observed @ design)[..., None])[..., 0]
    low = np.where(mask, holdout.observed, np.inf).min(axis=1)
    high = np.where(mask, holdout.observed, -np.inf).max(axis=1)
    low, high = np.where(available, low, 0.0), np.where(available, high, 0.0)
    return Baseline(np.clip(coefficients @ design.T, low[:, None], high[:, None]), available)
