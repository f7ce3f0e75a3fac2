"""Posterior of θ in a cell from the Jacobian of the process model: truncated Laplace, and summaries of weighted draws.

The prior is uniform in the unit coordinates of θ. The errors of observed soil moisture are Gaussian with the variance
that the cell's own residuals have; the correlation of successive ones inflates it. Around the given θ the model is
taken for linear, so that the likelihood is Gaussian in θ, and cut at the bounds: a parameter that soil moisture does
not see keeps its prior. Draws from this, widened by a temperature, are run through the model itself and weighted by
what the linear model got wrong (Tierney & Kadane 1986, doi 10.2307/2287970; Owen 2013, ch. 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri

from paraformer.numerics.inference import UNIFORM_VARIANCE, ErrorModel

_FLAT = 1e-8
"""Precision below which a unit coordinate is not seen at all."""


class Quadratic(NamedTuple):
    """Log-likelihood around u: ``linear · d - d · precision · d / 2`` for a step d in unit coordinates."""

    u: Float[np.ndarray, "cell parameter"]
    linear: Float[np.ndarray, "cell parameter"]
    precision: Float[np.ndarray, "cell parameter parameter"]

    def log_likelihood(self, u: Float[np.ndarray, "cell draw parameter"]) -> Float[np.ndarray, "cell draw"]:
        """At other points, less that at ``self.u``."""
        d = u - self.u[:, None]
        return np.einsum("cdp,cp->cd", d, self.linear) - 0.5 * np.einsum("cdp,cpq,cdq->cd", d, self.precision, d)

    def cooled(self, temperature: float) -> Quadratic:
        """The likelihood to the power 1 / ``temperature``."""
        return Quadratic(self.u, self.linear / temperature, self.precision / temperature)


class Summary(NamedTuple):
    """Marginal posterior of every parameter, unit coordinates, and how far it may be trusted.

    Attributes:
        mean, std, lower, upper: [cell, parameter]; the last two are the ends of the central interval.
        gain: 1 - variance / prior variance; 0 where observations say nothing, below 0 where they widen a marginal.
        pareto_k: shape of the weights' tail [cell]; above 0.7 the weighted draws are not to be trusted.
        effective: effective number of draws [cell].
    """

    mean: Float[np.ndarray, "cell parameter"]
    std: Float[np.ndarray, "cell parameter"]
    lower: Float[np.ndarray, "cell parameter"]
    upper: Float[np.ndarray, "cell parameter"]
    gain: Float[np.ndarray, "cell parameter"]
    pareto_k: Float[np.ndarray, " cell"]
    effective: Float[np.ndarray, " cell"]


def quadratic(
    u: Float[np.ndarray, "cell parameter"],
    residual: Float[np.ndarray, "cell day"],
    slope: Float[np.ndarray, "cell day parameter"],
    mask: Bool[np.ndarray, "cell day"],
    errors: ErrorModel,
) -> Quadratic:
    """Gauss-Newton likelihood around u.

    Args:
        residual: observed less simulated at u [m3 m-3]; anything where ``mask`` is False.
        slope: derivative of the simulation [m3 m-3 per unit coordinate].
    """
    weight = mask / errors.inflated[:, None]
    known = np.where(mask, residual, 0.0)
    linear = np.einsum("ct,ctp->cp", weight * known, slope)
    return Quadratic(u, linear, np.einsum("ct,ctp,ctq->cpq", weight, slope, slope))


def draw(
    likelihood: Quadratic, count: int, random: np.random.Generator, *, sweeps: int = 60
) -> Float[np.ndarray, "cell draw parameter"]:
    """Points of the unit cube in proportion to the likelihood: Gibbs sampling of the truncated Gaussian.

    Chains of their own for every draw start uniformly and are left after ``sweeps`` passes over the parameters
    (Geweke 1991, conditionals of a truncated normal).
    """
    cells, size = likelihood.u.shape
    u = random.random((cells, count, size))
    for _ in range(sweeps):
        for j in range(size):
            precision = likelihood.precision[:, j, j][:, None]
            pull = np.einsum("cdp,cp->cd", u - likelihood.u[:, None], likelihood.precision[:, j])
            seen = np.maximum(precision, _FLAT)
            middle = u[..., j] + (likelihood.linear[:, j][:, None] - pull) / seen
            chance = random.random((cells, count))
            found = truncated(middle, np.sqrt(1 / seen), chance)
            u[..., j] = np.where(precision > _FLAT, found, chance)
    return u


def truncated(
    middle: Float[np.ndarray, "cell draw"], std: Float[np.ndarray, "cell 1"], chance: Float[np.ndarray, "cell draw"]
) -> Float[np.ndarray, "cell draw"]:
    """Normal numbers cut to [0, 1], from uniform ones; in the tail that is far from 1 in both directions."""
    low, high = (0.0 - middle) / std, (1.0 - middle) / std
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    below, above = ndtr(low), ndtr(high)
    z = ndtri(np.clip(below + chance * (above - below), 1e-300, 1 - 1e-16))
    z = np.clip(z, low, high)
    return np.clip(middle + std * np.where(flip, -z, z), 0.0, 1.0)


def summarise_draws(
    u: Float[np.ndarray, "cell draw parameter"],
    weight: Float[np.ndarray, "cell draw"],
    pareto_k: Float[np.ndarray, " cell"],
    level: float,
) -> Summary:
    """Marginals of weighted draws; ``level`` is the probability between ``lower`` and ``upper``."""
    mean = np.einsum("cd,cdp->cp", weight, u)
    variance = np.einsum("cd,cdp->cp", weight, (u - mean[:, None]) ** 2)
    lower, upper = weighted_quantiles(u, weight, tails(weight, level))
    return Summary(
        mean, np.sqrt(variance), lower, upper, 1 - variance / UNIFORM_VARIANCE, pareto_k, 1 / (weight**2).sum(axis=1)
    )


def tails(weight: Float[np.ndarray, "cell draw"], level: float) -> tuple[Float[np.ndarray, " cell"], ...]:
    """Which quantiles of the draws hold one more draw with the probability ``level``.

    The truth is as one more draw. Between the k-th of n draws from below and the k-th from above it lies in
    1 - 2k / (n + 1) of all cases, so that few draws need wider quantiles; n is the effective number of each cell.
    """
    effective = 1 / (weight**2).sum(axis=1)
    low = np.clip(((effective + 1) * (1 - level) / 2 - 0.5) / effective, 0.0, 0.5)
    return low, 1 - low


def weighted_quantiles(
    values: Float[np.ndarray, "cell draw item"],
    weight: Float[np.ndarray, "cell draw"],
    at: Sequence[float | Float[np.ndarray, " cell"]],
) -> list[Float[np.ndarray, "cell item"]]:
    """Quantiles of each item's weighted draws, linear between the middles of the draws' shares."""
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    share = np.take_along_axis(np.broadcast_to(weight[..., None], values.shape), order, axis=1)
    position = np.cumsum(share, axis=1) - 0.5 * share
    last = values.shape[1] - 1
    found = []
    for each in at:
        q = np.broadcast_to(each, len(values))[:, None, None]
        after = np.clip((position < q).sum(axis=1, keepdims=True), 1, last)
        x0, x1 = (np.take_along_axis(position, i, axis=1) for i in (after - 1, after))
        y0, y1 = (np.take_along_axis(ranked, i, axis=1) for i in (after - 1, after))
        part = np.clip((q - x0) / np.maximum(x1 - x0, 1e-300), 0.0, 1.0)
        found.append((y0 + part * (y1 - y0))[:, 0])
    return found


def coverage(truth: Float[np.ndarray, "*n"], lower: Float[np.ndarray, "*n"], upper: Float[np.ndarray, "*n"]) -> float:
    """Share of true values inside their intervals; values that are not known (NaN) do not count."""
    known = np.isfinite(truth)
    return float(((truth >= lower) & (truth <= upper))[known].mean()) if known.any() else float("nan")


def crps(
    values: Float[np.ndarray, "cell draw item"],
    weight: Float[np.ndarray, "cell draw"],
    truth: Float[np.ndarray, "cell item"],
) -> Float[np.ndarray, "cell item"]:
    """Continuous ranked probability score of weighted draws, in the unit of the values; NaN where the truth is.

    E|X - y| - E|X - X'| / 2 (Gneiting & Raftery 2007, eq. 21, doi 10.1198/016214506000001437): the distance of the
    whole distribution from what came. That of one value without a spread is its absolute error.
    """
    order = np.argsort(values, axis=1)
    ranked = np.take_along_axis(values, order, axis=1)
    share = np.take_along_axis(np.broadcast_to(weight[..., None], values.shape), order, axis=1)
    spread = (share * ranked * (2 * np.cumsum(share, axis=1) - share - 1)).sum(axis=1)
    return (share * np.abs(ranked - truth[:, None])).sum(axis=1) - spread
