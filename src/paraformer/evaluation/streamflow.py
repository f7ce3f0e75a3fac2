"""Scores of simulated against observed discharge at gauges, with their parts, and what a score has to beat.

All take series of one unit (m3 s-1, or mm day-1) over the same days; a day counts where the mask holds. Days of warm-up
belong out of the mask, days without flow in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.flow_score import EPSILON_SHARE
from paraformer.numerics.scores import MIN_DAYS, accumulate, finish

HIGH, LOW = 0.02, 0.7
"""Exceedance beyond which flow is high, and from which on it is low (Yilmaz et al. 2008, doi 10.1029/2007WR006716)."""
MOST_LAG = 10
"""Days by which a simulation is moved to find the lag of the best correlation."""
_LEAST_YEAR = 300  # observed days a year needs for its peak to count


class FlowScores(NamedTuple):
    """Scores of each gauge [gauge]; NaN where there is none.

    Attributes:
        days: observed days.
        kge: 2009 (Gupta et al. 2009, eq. 9); mean flow has 1 - sqrt 2 = -0.41.
        kge_2012: with the ratio of the coefficients of variation in place of alpha (Kling et al. 2012).
        r, alpha, beta: correlation, ratio of standard deviations, ratio of means: the parts of KGE.
        gamma: ratio of the coefficients of variation.
        nse, log_nse: Nash-Sutcliffe efficiency, and that of log(Q + ε), ε = a hundredth of the observed mean.
        percent_bias: 100 Σ(s - o) / Σ o; above 0 is too much water.
        high_flow: bias of the volume of the highest 2 % of days, each series in its own order [%].
        low_flow: bias of the volume of the logarithm of the lowest 30 % of days above its lowest [%].
        peak_days: median over years of the day of the highest simulated less that of the highest observed flow [day].
        peak_ratio: median over years of the ratio of those two flows.
        lag: days by which the simulation comes late, at the best correlation; below 0 it is early.
    """

    days: np.ndarray
    kge: np.ndarray
    kge_2012: np.ndarray
    r: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    gamma: np.ndarray
    nse: np.ndarray
    log_nse: np.ndarray
    percent_bias: np.ndarray
    high_flow: np.ndarray
    low_flow: np.ndarray
    peak_days: np.ndarray
    peak_ratio: np.ndarray
    lag: np.ndarray


def flow_scores(
    simulated: Float[np.ndarray, "gauge time"],
    observed: Float[np.ndarray, "gauge time"],
    mask: Bool[np.ndarray, "gauge time"],
    days: np.ndarray,
) -> FlowScores:
    """Scores of every gauge.

    Args:
        simulated, observed: discharge, one unit.
        mask: days that are observed and count.
        days: of the series (datetime64[D]) [time].

    Raises:
        ModelError, DataError: a value that is no number on a day that counts (``numerics.scores``).
    """
    statistics = accumulate(simulated, observed, mask)
    plain = finish(statistics).values
    epsilon = EPSILON_SHARE * statistics.mean_observed[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_simulated, log_observed = (
            np.where(mask, np.log(np.maximum(flow, 0.0) + epsilon), 0.0) for flow in (simulated, observed)
        )
        log_nse = finish(accumulate(log_simulated, log_observed, mask & (epsilon > 0))).values["nse"]
        scored = np.isfinite(plain["kge"])
        alpha = np.where(scored, np.sqrt(statistics.square_simulated / statistics.square_observed), np.nan)
        beta = np.where(scored, statistics.mean_simulated / statistics.mean_observed, np.nan)
        gamma = alpha / beta
    parts = [_shape_scores(s, o, m, days) for s, o, m in zip(simulated, observed, mask, strict=True)]
    high, low, peak_days, peak_ratio, lag = (np.array(column) for column in zip(*parts, strict=True))
    r = plain["pcc"]
    return FlowScores(
        days=statistics.days,
        kge=plain["kge"],
        kge_2012=1.0 - np.sqrt((r - 1.0) ** 2 + (gamma - 1.0) ** 2 + (beta - 1.0) ** 2),
        r=r,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        nse=plain["nse"],
        log_nse=log_nse,
        percent_bias=100.0 * (beta - 1.0),
        high_flow=high,
        low_flow=low,
        peak_days=peak_days,
        peak_ratio=peak_ratio,
        lag=lag,
    )


def _shape_scores(
    simulated: np.ndarray, observed: np.ndarray, mask: np.ndarray, days: np.ndarray
) -> tuple[float, float, float, float, float]:
    """High and low flow, peaks and lag of one gauge."""
    if mask.sum() < MIN_DAYS:
        return (np.nan,) * 5
    s, o = (np.sort(flow[mask])[::-1] for flow in (simulated, observed))
    n_high, first_low = max(round(HIGH * len(o)), 1), round(LOW * len(o))
    high = 100.0 * (s[:n_high].sum() / o[:n_high].sum() - 1.0) if o[:n_high].sum() > 0 else np.nan
    return (
        high,
        _low_flow(s[first_low:], o[first_low:]),
        *_peaks(simulated, observed, mask, days),
        _lag(simulated, observed, mask),
    )


def _low_flow(simulated: np.ndarray, observed: np.ndarray) -> float:
    """Bias of the low-flow volume (Yilmaz et al. 2008, eq. A4): sums of log flow above the log of the lowest flow."""
    if not len(observed) or observed.min() <= 0 or simulated.min() <= 0:
        return np.nan
    volumes = [(np.log(flow) - np.log(flow.min())).sum() for flow in (simulated, observed)]
    return 100.0 * (volumes[0] / volumes[1] - 1.0) if volumes[1] > 0 else np.nan


def _peaks(simulated: np.ndarray, observed: np.ndarray, mask: np.ndarray, days: np.ndarray) -> tuple[float, float]:
    years, apart, ratios = days.astype("datetime64[Y]"), [], []
    for year in np.unique(years):
        here = mask & (years == year)
        if here.sum() < _LEAST_YEAR or not observed[here].max() > 0:
            continue
        late, early = (days[here][np.argmax(flow[here])] for flow in (simulated, observed))
        apart.append(float((late - early).astype(np.int64)))
        ratios.append(simulated[here].max() / observed[here].max())
    return (float(np.median(apart)), float(np.median(ratios))) if apart else (np.nan, np.nan)


def _lag(simulated: np.ndarray, observed: np.ndarray, mask: np.ndarray) -> float:
    """Days by which the simulation comes late; on equal days of the observation for every lag."""
    n = len(observed)
    if n <= 2 * MOST_LAG:
        return np.nan
    inside = mask.copy()
    inside[:MOST_LAG] = inside[n - MOST_LAG :] = False
    at = np.flatnonzero(inside)
    if len(at) < MIN_DAYS:
        return np.nan
    best, found = -np.inf, np.nan
    for lag in sorted(range(-MOST_LAG, MOST_LAG + 1), key=abs):  # the smallest of equal ones
        pair = simulated[at + lag], observed[at]
        if not (np.isfinite(pair[0]).all() and pair[0].std() > 0 and pair[1].std() > 0):
            continue
        correlation = float(np.corrcoef(*pair)[0, 1])
        if correlation > best + 1e-12:
            best, found = correlation, float(lag)
    return found


def mean_flow(
    observed: Float[np.ndarray, "gauge time"], mask: Bool[np.ndarray, "gauge time"]
) -> Float[np.ndarray, "gauge time"]:
    """Benchmark: each gauge's mean over the days of ``mask`` (the training days), on all days."""
    count = mask.sum(axis=1)
    mean = np.where(mask, observed, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.repeat(np.where(count > 0, mean, np.nan)[:, None], observed.shape[1], axis=1)


def seasonal_flow(
    observed: Float[np.ndarray, "gauge time"], mask: Bool[np.ndarray, "gauge time"], days: np.ndarray
) -> Float[np.ndarray, "gauge time"]:
    """Benchmark: each gauge's mean of the calendar month over the days of ``mask``; its mean where a month has none."""
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    found = mean_flow(observed, mask)
    for number in range(12):
        here = month == number
        count = mask[:, here].sum(axis=1)
        mean = np.where(mask[:, here], observed[:, here], 0.0).sum(axis=1) / np.maximum(count, 1)
        found[:, here] = np.where(count[:, None] > 0, mean[:, None], found[:, here])
    return found


def persistence(
    observed: Float[np.ndarray, "gauge time"], mask: Bool[np.ndarray, "gauge time"], lag: int = 1
) -> tuple[Float[np.ndarray, "gauge time"], Bool[np.ndarray, "gauge time"]]:
    """Benchmark: the flow observed ``lag`` days before, and where there is one."""
    known = np.zeros_like(mask)
    known[:, lag:] = mask[:, :-lag]
    found = np.full(observed.shape, np.nan)
    found[:, lag:] = observed[:, :-lag]
    return np.where(known, found, np.nan), known
