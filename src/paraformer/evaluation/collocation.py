"""Triple collocation: the random error of three series of one quantity, none of which is taken for the truth.

With signal t, series x = a + b t + e, errors e independent of t and of each other, the error variance of x is
var(x) - cov(x, y) cov(x, z) / cov(y, z) (Stoffelen 1998, doi 10.1029/97JC03180; in this form McColl et al. 2014,
doi 10.1002/2014GL061322). The covariances scale the series themselves, so nothing is rescaled before: a rescaling by
moments would bring one series' errors into another. Errors that two series share are counted as signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import SettingsError
from paraformer.evaluation.compare import draw_blocks, interval_of
from paraformer.evaluation.stations import block_days

COLLOCATION_COLUMNS = ("station", "method", "kind", "series", "days", "error", "low", "high", "r_truth", "snr_db")
"""Of triple collocation: random error [m3 m-3] in the series' own scale with its 95 % interval, correlation with the
truth, signal-to-noise ratio [dB]. NaN where covariances contradict the model of errors."""

_SAMPLES = 299
_LEAST_DAYS = 50


class Collocated(NamedTuple):
    """What triple collocation says of one series."""

    error: float
    low: float
    high: float
    r_truth: float
    snr_db: float


def triple_collocation(
    series: Mapping[str, Float[np.ndarray, " time"]], mask: Bool[np.ndarray, " time"]
) -> dict[str, Collocated]:
    """Errors of three series on the days that all have; empty with fewer than 50 days.

    Args:
        series: three, by name; the first is the reference of the scale.
        mask: days that count; all three are finite there.

    Raises:
        SettingsError: the library ``pytesmo`` is not installed.
    """
    try:
        from pytesmo.metrics import tcol_metrics
    except ImportError as error:
        raise SettingsError("triple collocation needs pytesmo: pip install 'paraformer[insitu]'") from error
    if int(mask.sum()) < _LEAST_DAYS:
        return {}
    values = np.stack([one.astype(np.float64) for one in series.values()])
    block = np.arange(mask.size) // block_days(int(mask.sum()))
    used, of = np.unique(block[mask], return_inverse=True)
    days = [np.flatnonzero(of == i) for i in range(len(used))]
    chosen = values[:, mask]

    def solved(x: Float[np.ndarray, "series day"]) -> tuple[np.ndarray, np.ndarray]:
        about = x - x.mean(axis=1, keepdims=True)
        if ((about @ about.T)[np.triu_indices(3, 1)] <= 0).any():  # no signal that all three see
            return np.full(3, np.nan), np.full(3, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            snr, scaled, beta = tcol_metrics(*x)
            return np.asarray(scaled) / np.asarray(beta), np.asarray(snr)

    std, snr = solved(chosen)
    draws = []
    for drawn in draw_blocks(len(used), samples=_SAMPLES):
        at = np.concatenate([days[i] for i in np.repeat(np.arange(len(used)), drawn)])
        draws.append(solved(chosen[:, at])[0])
    found = {}
    for i, name in enumerate(series):
        known = np.array([one[i] for one in draws if np.isfinite(one[i])])
        low = high = r = decibel = np.nan
        if np.isfinite(std[i]) and known.size > _SAMPLES / 2:
            moved = interval_of(float(np.log(std[i])), np.log(known), len(used))
            low, high = float(np.exp(moved.low)), float(np.exp(moved.high))
        if np.isfinite(std[i]):
            decibel = float(snr[i])
            ratio = 10 ** (decibel / 10)
            r = float(np.sqrt(ratio / (1 + ratio)))
        found[name] = Collocated(float(std[i]), low, high, r, decibel)
    return found
