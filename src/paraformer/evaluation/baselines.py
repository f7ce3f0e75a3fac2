"""Reference rows that are no parameter learning but say what a score means (docs/method.md section 8)."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.names import API, API_PER_CELL, API_TEMPERATURE, CLIMATOLOGY, DIRECT, TRAINING_MEAN
from paraformer.core.time import FIRST_YEAR, day_of_year
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.observe import fit_line, observe
from paraformer.numerics.seasonal import masked_range, seasonal_course

NOTES = {
    TRAINING_MEAN: "each cell's own mean of its training-period observations, of unseen cells too",
    CLIMATOLOGY: "seasonal course fitted to each cell's own training-period observations, of unseen cells too; "
    "with one training year it is that year's smoothed course",
    API: "square root of an antecedent-precipitation index, decay chosen on the trained cells' training "
    "period, on a line fitted to each cell's own training-period observations, of unseen cells too",
    API_PER_CELL: "the same with each cell's decay chosen on its own training-period observations, of unseen cells too",
    API_TEMPERATURE: "the first with a decay that quickens with air temperature, alike in all cells",
    DIRECT: "network from forcing and attributes straight to soil moisture, trained on the trained cells' "
    "training-period observations: what the inputs hold, without any process model",
}
"""Names of the baselines, with what a reader of the table must know."""


MEMORIES = tuple(np.geomspace(1.0, 100.0, 31).tolist())
"""Memories ``-1 / ln k`` of the precipitation index that are tried [day]."""

WARMINGS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Factors by which 10 K more quicken the losses of the index that are tried."""


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

    With several training years this is the mean seasonal cycle; with a single one it is that year's smoothed course,
    whose anomalies it carries into the test year.

    Args:
        time: UTC days (datetime64) [time].
        holdout: observations and periods.
        harmonics: number of harmonics.
    """
    mask = holdout.mask & holdout.train_days
    course = seasonal_course(day_of_year(time), holdout.observed, mask, harmonics=harmonics)
    return Baseline(course, mask.any(axis=1))


def antecedent_precipitation(
    prcp: Float[np.ndarray, "cell time"], decay: Float[np.ndarray, "#cell #time"]
) -> Float[np.ndarray, "cell time"]:
    """Antecedent-precipitation index [mm]: ``API_t = k_t API_{t-1} + P_t``.

    Kohler & Linsley 1951, US Weather Bureau Research Paper 34. The index starts as if the first year (or what there is
    of it) had recurred for ever: with ``A`` the index at its end from an empty start and ``K`` the product of its
    decays, the limit is ``A / (1 - K)``.

    Args:
        prcp: precipitation [mm day-1].
        decay: k, at least 0 and less than 1 [day-1].
    """
    days = prcp.shape[1]
    k = np.broadcast_to(decay, prcp.shape).T.copy()  # day by day in memory, as the loop reads it
    rain, index = prcp.T.copy(), np.empty((days, len(prcp)))
    state = np.zeros(len(prcp))
    year = min(FIRST_YEAR, days)
    for day in range(year):
        state = k[day] * state + rain[day]
    state = state / (1 - k[:year].prod(axis=0))
    for day in range(days):
        state = index[day] = k[day] * state + rain[day]
    return index.T


def precipitation_memory(
    prcp: Float[np.ndarray, "cell time"],
    holdout: Holdout,
    *,
    per_cell: bool = False,
    tair: Float[np.ndarray, "cell time"] | None = None,
) -> Baseline:
    """Soil moisture as a line, per cell, in the square root of the antecedent-precipitation index.

    The root stands for losses that grow with wetness. The line is fitted to the cell's own training period and clipped
    to the range of its observations there: one or two observed days must not let it swing. The decay is that of
    ``MEMORIES`` (with air temperature also of ``WARMINGS``) with the least squared error of the training period, over
    the observed days of all trained cells, or of the cell itself.

    Args:
        prcp: precipitation on the days of the holdout [mm day-1].
        per_cell: choose the decay of each cell on its own observations.
        tair: air temperature [degC]. With it the losses quicken with warmth, as evaporation does (Choudhury & Blanchard
            1983, Water Resour. Bull. 19, 241-247, where k = exp(-E / W)): ``k_t = exp(-w^((T_t - 10) / 10) / m)``
            for a memory of m days at 10 degC and a factor w for every 10 K.

    Raises:
        DataError: if a forcing has another shape than the observations, or is not finite.
    """
    for name, values in (("prcp", prcp), ("tair", tair)):
        if values is not None:
            holdout.require_simulated(values, f"API, '{name}'")
    warmings = (1.0,) if tair is None else WARMINGS
    rates = {w: np.ones(prcp.shape) if tair is None else w ** ((tair - 10.0) / 10.0) for w in warmings}
    mask = holdout.mask & holdout.train_days
    decays = list(itertools.product(warmings, MEMORIES))
    last = int(np.flatnonzero(holdout.train_days)[-1]) + 1
    # No later day changes it, but the spin-up needs its year.
    choice = slice(0, max(last, min(FIRST_YEAR, prcp.shape[1])))

    def on_line(warming: float, memory: float, days: slice) -> Float[np.ndarray, "cell day"]:
        index = np.sqrt(antecedent_precipitation(prcp[:, days], np.exp(-rates[warming][:, days] / memory)))
        line = fit_line("cell_lstsq", index, holdout.observed[:, days], mask[:, days])
        return np.clip(observe(index, line), *masked_range(holdout.observed, mask))

    def square_error(warming: float, memory: float) -> Float[np.ndarray, " cell"]:
        error = on_line(warming, memory, choice) - holdout.observed[:, choice]
        return np.square(np.where(mask[:, choice], error, 0.0)).sum(axis=1)

    error = np.stack([square_error(*decay) for decay in decays])
    if not per_cell:
        error = np.repeat(error[:, holdout.trained].sum(axis=1, keepdims=True), len(prcp), axis=1)
    chosen = np.argmin(error, axis=0)
    simulated = np.zeros(prcp.shape)
    for k in np.unique(chosen):
        warming, memory = decays[k]
        simulated[chosen == k] = on_line(warming, memory, slice(None))[chosen == k]
    return Baseline(simulated, mask.any(axis=1))
