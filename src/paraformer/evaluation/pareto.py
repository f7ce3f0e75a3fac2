"""Pareto-smoothed importance weights (Vehtari et al. 2024, J. Mach. Learn. Res. 25 (72); arXiv 1507.02646)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import softmax


def smoothed_weights(
    logarithm: Float[np.ndarray, "cell draw"],
) -> tuple[Float[np.ndarray, "cell draw"], Float[np.ndarray, " cell"]]:
    """Normalised weights whose largest ones are replaced by quantiles of a generalised Pareto tail fitted to them.

    Args:
        logarithm: raw weights, up to a constant of each cell.

    Returns:
        Weights that sum to 1 in each cell, and the tail's shape k; infinite where too few draws make a tail (below 25).
    """
    weights, shapes = np.empty(logarithm.shape), np.full(len(logarithm), np.inf)
    for cell, values in enumerate(logarithm):
        raw = np.exp(values - values.max())
        tail = int(np.ceil(min(0.2 * raw.size, 3 * np.sqrt(raw.size))))
        if tail >= 5:
            raw, shapes[cell] = _smooth(raw, tail)
        weights[cell] = raw / raw.sum()
    return weights, shapes


def _smooth(raw: Float[np.ndarray, " draw"], tail: int) -> tuple[Float[np.ndarray, " draw"], float]:
    """Replace the ``tail`` largest weights, which keep their order and stay below the largest raw one."""
    order = np.argsort(raw, kind="stable")
    largest, cut = order[-tail:], raw[order[-tail - 1]]
    excess = raw[largest] - cut
    if excess[-1] < 1e-12 * raw[order[-1]]:
        return raw, -np.inf  # all alike: no tail
    k, scale = fit_tail(np.maximum(excess, 1e-300))
    chance = (np.arange(tail) + 0.5) / tail
    quantiles = -scale * np.log1p(-chance) if abs(k) < 1e-8 else scale * np.expm1(-k * np.log1p(-chance)) / k
    smoothed = raw.copy()
    smoothed[largest] = np.minimum(cut + quantiles, raw[order[-1]])
    return smoothed, k


def fit_tail(excess: Float[np.ndarray, " draw"]) -> tuple[float, float]:
    """Shape k and scale of a generalised Pareto distribution, excesses in ascending order.

    The estimate of Zhang & Stephens 2009 (Technometrics 51, doi 10.1198/tech.2009.08017), its shape drawn towards 0.5
    with the weight of ten draws as Vehtari et al. do.
    """
    n = excess.size
    m = 30 + int(np.sqrt(n))
    b = 1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    b = b / (3 * excess[int(n / 4 + 0.5) - 1]) + 1 / excess[-1]
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    likelihood = n * (np.log(-b / k) - k - 1)
    weight = softmax(likelihood)
    best = float((b * weight).sum())
    shape = float(np.log1p(-best * excess).mean())
    return (n * shape + 5) / (n + 10), -shape / best
