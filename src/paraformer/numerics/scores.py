"""Scores of a simulated against an observed series, from additive statistics (docs/method.md section 9).

``accumulate`` turns a chunk of cell-days into statistics, ``merge`` combines chunks exactly, ``finish`` turns
statistics into scores. Sums are centred (Chan, Golub & LeVeque 1983, doi 10.1080/00031305.1983.10483115), so that
neither long series nor large means cost digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError, ModelError

METRICS = ("rmse", "pcc", "nse", "ubrmse", "kge", "bias")
"""RMSE, ubRMSE and bias [m3 m-3]; PCC, NSE and KGE [1]."""

MIN_DAYS = 20
"""Observed days a cell needs to be scored (docs/method.md section 9)."""


class Statistics(NamedTuple):
    """Additive statistics of each cell's observed days; every field has shape [cell].

    Attributes:
        days: number of observed days n.
        mean_simulated: mean of the simulation s.
        mean_observed: mean of the observation o.
        square_simulated: Σ (s - mean s)².
        square_observed: Σ (o - mean o)².
        cross: Σ (s - mean s)(o - mean o).
        square_error: Σ (e - mean e)² of the error e = s - o. Kept beside the others because their difference would lose
            its digits when the simulation is good.
    """

    days: np.ndarray
    mean_simulated: np.ndarray
    mean_observed: np.ndarray
    square_simulated: np.ndarray
    square_observed: np.ndarray
    cross: np.ndarray
    square_error: np.ndarray


class Scores(NamedTuple):
    """Scores of each cell: ``values[metric]`` [cell], NaN exactly where ``scored[metric]`` [cell] is False."""

    values: dict[str, np.ndarray]
    scored: dict[str, np.ndarray]


def accumulate(
    simulated: Float[np.ndarray, "cell time"],
    observed: Float[np.ndarray, "cell time"],
    mask: Bool[np.ndarray, "cell time"],
) -> Statistics:
    """Statistics of the cell-days where ``mask`` holds; all other values, NaN included, are ignored.

    Args:
        simulated: simulated soil moisture [m3 m-3].
        observed: observed soil moisture [m3 m-3].
        mask: cell-days that count.

    Raises:
        ModelError: if the simulation is not finite on a day that counts, naming cell and day.
        DataError: if the observation is not finite on a day that counts, naming cell and day.
    """
    _require_finite(simulated, mask, "the simulation", ModelError)
    _require_finite(observed, mask, "the observation", DataError)
    days = mask.sum(axis=1).astype(np.float64)
    divisor = np.maximum(days, 1.0)
    simulated = np.where(mask, simulated, 0.0).astype(np.float64)
    observed = np.where(mask, observed, 0.0).astype(np.float64)
    mean_simulated = simulated.sum(axis=1) / divisor
    mean_observed = observed.sum(axis=1) / divisor
    anomaly_simulated = np.where(mask, simulated - mean_simulated[:, None], 0.0)
    anomaly_observed = np.where(mask, observed - mean_observed[:, None], 0.0)
    error = simulated - observed
    anomaly_error = np.where(mask, error - (error.sum(axis=1) / divisor)[:, None], 0.0)
    return Statistics(
        days,
        mean_simulated,
        mean_observed,
        (anomaly_simulated**2).sum(axis=1),
        (anomaly_observed**2).sum(axis=1),
        (anomaly_simulated * anomaly_observed).sum(axis=1),
        (anomaly_error**2).sum(axis=1),
    )


def merge(a: Statistics, b: Statistics) -> Statistics:
    """Statistics of the days of ``a`` and ``b`` together, for the same cells.

    Means: m = (n_a m_a + n_b m_b) / n; sums of products: S = S_a + S_b + δ_x δ_y n_a n_b / n with δ = m_b - m_a
    (Chan et al. 1983).
    """
    days = a.days + b.days
    divisor = np.maximum(days, 1.0)
    weight = a.days * b.days / divisor
    simulated = b.mean_simulated - a.mean_simulated
    observed = b.mean_observed - a.mean_observed
    error = simulated - observed
    return Statistics(
        days,
        (a.days * a.mean_simulated + b.days * b.mean_simulated) / divisor,
        (a.days * a.mean_observed + b.days * b.mean_observed) / divisor,
        a.square_simulated + b.square_simulated + simulated**2 * weight,
        a.square_observed + b.square_observed + observed**2 * weight,
        a.cross + b.cross + simulated * observed * weight,
        a.square_error + b.square_error + error**2 * weight,
    )


def resample(statistics: Statistics, drawn: Float[np.ndarray, "sample part"]) -> Statistics:
    """Statistics of parts drawn with replacement: ``merge`` of ``drawn[s, b]`` copies of every part b, for a sample s.

    Sums of squares are taken about the mean of all parts and then moved to the sample's own, as in ``merge``.

    Args:
        statistics: of parts without a day in common, [part]; for a bootstrap, of blocks of days of one series.
        drawn: how often each part is in a sample.
    """
    n = drawn @ statistics.days
    divisor = np.maximum(n, 1.0)
    all_days = max(statistics.days.sum(), 1.0)

    def mean_and_offsets(means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        middle = (statistics.days @ means) / all_days
        offset = np.where(statistics.days > 0, means - middle, 0.0)
        shift = (drawn @ (statistics.days * offset)) / divisor
        return middle + shift, offset, shift

    simulated, a, shift_a = mean_and_offsets(statistics.mean_simulated)
    observed, b, shift_b = mean_and_offsets(statistics.mean_observed)

    def products(within: np.ndarray, x: np.ndarray, y: np.ndarray, sx: np.ndarray, sy: np.ndarray) -> np.ndarray:
        return drawn @ (within + statistics.days * x * y) - n * sx * sy

    return Statistics(
        n,
        simulated,
        observed,
        products(statistics.square_simulated, a, a, shift_a, shift_a),
        products(statistics.square_observed, b, b, shift_b, shift_b),
        products(statistics.cross, a, b, shift_a, shift_b),
        products(statistics.square_error, a - b, a - b, shift_a - shift_b, shift_a - shift_b),
    )


def finish(statistics: Statistics, *, min_days: int = MIN_DAYS) -> Scores:
    """Scores of each cell.

    With n observed days, simulation s, observation o, means μ, standard deviations σ and correlation r:

    - ``rmse`` = √(Σ(s - o)² / n) (Li & Lu 2023, eq. 15)
    - ``pcc`` = r, Pearson's (Li & Lu 2023, eq. 16)
    - ``nse`` = 1 - Σ(o - s)² / Σ(o - μ_o)², with the cell's own observed mean μ_o (Nash & Sutcliffe 1970,
      doi 10.1016/0022-1694(70)90255-6; Li & Lu 2023, eq. 17, read as docs/method.md section 11 says)
    - ``bias`` = μ_s - μ_o
    - ``ubrmse`` = √(rmse² - bias²) (Entekhabi et al. 2010, doi 10.1175/2010JHM1223.1)
    - ``kge`` = 1 - √((r - 1)² + (σ_s/σ_o - 1)² + (μ_s/μ_o - 1)²) (Gupta et al. 2009,
      doi 10.1016/j.jhydrol.2009.08.003, eq. 9)

    A cell with fewer than ``min_days`` observed days, or whose observation does not vary, has no score at all. A
    simulation that does not vary has no correlation, so it has neither PCC nor KGE; KGE also needs a non-zero observed
    mean. What is not scored is NaN and False in the mask.
    """
    n = np.maximum(statistics.days, 1.0)
    bias = statistics.mean_simulated - statistics.mean_observed
    varies_observed = _varies(statistics.square_observed / n, statistics.mean_observed)
    varies_simulated = _varies(statistics.square_simulated / n, statistics.mean_simulated)
    cell = (statistics.days >= min_days) & varies_observed
    correlated = cell & varies_simulated
    relative = correlated & (statistics.mean_observed != 0)

    square_observed = np.where(cell, statistics.square_observed, 1.0)
    square_simulated = np.where(correlated, statistics.square_simulated, 1.0)
    pcc = np.clip(statistics.cross / np.sqrt(square_simulated * square_observed), -1.0, 1.0)
    alpha = np.sqrt(square_simulated / square_observed)
    beta = statistics.mean_simulated / np.where(relative, statistics.mean_observed, 1.0)
    values = {
        "rmse": np.sqrt(statistics.square_error / n + bias**2),
        "pcc": pcc,
        "nse": 1.0 - (statistics.square_error + n * bias**2) / square_observed,
        "ubrmse": np.sqrt(statistics.square_error / n),
        "kge": 1.0 - np.sqrt((pcc - 1.0) ** 2 + (alpha - 1.0) ** 2 + (beta - 1.0) ** 2),
        "bias": bias,
    }
    scored = {name: {"pcc": correlated, "kge": relative}.get(name, cell) for name in METRICS}
    return Scores({name: np.where(scored[name], values[name], np.nan) for name in METRICS}, scored)


def fair_crps(
    members: Float[np.ndarray, "member item"], truth: Float[np.ndarray, " item"]
) -> Float[np.ndarray, " item"]:
    """Continuous ranked probability score of a small ensemble, in the unit of its values.

    Σ_i |x_i - y| / m - Σ_ij |x_i - x_j| / (2 m (m - 1)): its expectation is the score of the distribution that the
    members are drawn from, however few they are (Ferro 2014, doi 10.1002/qj.2270). Of one member it is the absolute
    error, as nothing is said of its spread.
    """
    m = len(members)
    error = np.abs(members - truth).mean(axis=0)
    if m == 1:
        return error
    ranked = np.sort(members, axis=0)
    weight = 2 * np.arange(1, m + 1) - m - 1  # Σ_ij |x_i - x_j| / 2 = Σ_k (2k - m - 1) x_(k)
    return error - weight @ ranked / (m * (m - 1))


def _varies(variance: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Whether a variance is more than the rounding of a constant series of this mean."""
    return variance > (32 * np.finfo(np.float64).eps * np.abs(mean)) ** 2


def _require_finite(values: np.ndarray, mask: np.ndarray, what: str, error: type[DataError] | type[ModelError]) -> None:
    bad = mask & ~np.isfinite(values)
    if bad.any():
        cell, day = (int(i) for i in np.argwhere(bad)[0])
        raise error(f"{what} is {values[cell, day]} at cell position {cell}, day position {day}, which is scored")
