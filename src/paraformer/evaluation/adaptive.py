"""Draws of θ in rounds, each round where the weights of those before say that the posterior is.

The first round comes from a Gaussian that a linear model makes, the later ones from kernels at the draws so far
(population Monte Carlo: Cappé et al. 2004, doi 10.1198/106186004X12803) and, so that no part of the cube is left out,
from the prior (Hesterberg 1995, doi 10.1080/00401706.1995.10484303). Every draw is weighted by the density of all
rounds together, which no single bad round can spoil (Veach & Guibas 1995; Owen & Zhou 2000, doi
10.1080/01621459.2000.10473909).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, ndtr, softmax

from paraformer.evaluation.pareto import smoothed_weights
from paraformer.evaluation.posterior import Quadratic, draw, truncated

PRIOR_SHARE = 0.1
"""Part of a later round that comes from the uniform prior."""

_LEAST_EFFECTIVE = 0.2
"""Part of the draws that must count when kernels are made of them: sharper weights are flattened to it."""

_LEAST_WIDTH = 1e-3
"""Of a kernel, unit coordinates."""

_POINTS = 2000
"""That measure the mass of the first round's Gaussian within the bounds; they cost no run of the model."""

LogLikelihood = Callable[[Float[np.ndarray, "cell draw parameter"]], Float[np.ndarray, "cell draw"]]


class Draws(NamedTuple):
    """Draws of all rounds, weights that sum to 1 in a cell, and the shape k of the weights' tail."""

    u: Float[np.ndarray, "cell draw parameter"]
    weight: Float[np.ndarray, "cell draw"]
    pareto_k: Float[np.ndarray, " cell"]


class Kernels(NamedTuple):
    """Normal kernels cut at the bounds of the unit cube, one width a parameter, beside a share of uniform draws."""

    centre: Float[np.ndarray, "cell kernel parameter"]
    weight: Float[np.ndarray, "cell kernel"]
    width: Float[np.ndarray, "cell parameter"]

    @classmethod
    def of(cls, u: Float[np.ndarray, "cell draw parameter"], weight: Float[np.ndarray, "cell draw"]) -> Kernels:
        """Kernels at weighted draws, as wide as a normal density would need (Silverman 1986, eq. 4.14)."""
        size = u.shape[-1]
        weight = np.stack([_flattened(w) for w in weight])
        mean = np.einsum("cd,cdp->cp", weight, u)
        std = np.sqrt(np.einsum("cd,cdp->cp", weight, (u - mean[:, None]) ** 2))
        effective = 1 / (weight**2).sum(axis=1, keepdims=True)
        factor = (4 / ((size + 2) * effective)) ** (1 / (size + 4))
        return cls(u, weight, np.maximum(factor * std, _LEAST_WIDTH))

    def draw(self, count: int, random: np.random.Generator) -> Float[np.ndarray, "cell draw parameter"]:
        """Independent draws."""
        cells, _, size = self.centre.shape
        u = random.random((cells, count, size))
        from_prior = random.random((cells, count)) < PRIOR_SHARE
        chosen = np.stack([random.choice(weight.size, count, p=weight) for weight in self.weight])
        centre = np.take_along_axis(self.centre, chosen[..., None], axis=1)
        near = np.stack([truncated(centre[..., j], self.width[:, j, None], u[..., j]) for j in range(size)], axis=-1)
        return np.where(from_prior[..., None], u, near)

    def log_density(self, u: Float[np.ndarray, "cell draw parameter"], own: int = 0) -> Float[np.ndarray, "cell draw"]:
        """Of points of the cube.

        Args:
            own: how many of the first points are the kernels' centres. A centre does not count its own kernel, which
                is there because it was drawn: its weight would be too small, the more so the lonelier it is.
        """
        found = np.empty(u.shape[:2])
        itself = np.arange(own)
        for cell, (centre, width, weight) in enumerate(zip(self.centre, self.width, self.weight, strict=True)):
            inside = ndtr((1 - centre) / width) - ndtr(-centre / width)
            log_kernel = np.log(weight) - np.log(inside * width * np.sqrt(2 * np.pi)).sum(axis=-1)
            log_each = log_kernel - 0.5 * (((u[cell][:, None] - centre) / width) ** 2).sum(axis=-1)
            log_each[itself, itself] = -np.inf
            found[cell] = logsumexp(log_each, axis=1)
            found[cell, itself] -= np.log1p(-weight[itself])
        return np.logaddexp(np.log(PRIOR_SHARE), np.log1p(-PRIOR_SHARE) + found)


def draw_in_rounds(
    likelihood: Quadratic, true: LogLikelihood, count: int, rounds: int, temperature: float, random: np.random.Generator
) -> Draws:
    """Weighted draws from the posterior of a uniform prior, in ``rounds`` rounds of ``count``.

    Args:
        likelihood: of the linear model; it makes the first round, widened by ``temperature``.
        true: log-likelihood of the model itself, up to a constant of the cell; asked once a round.
    """
    wide = likelihood.cooled(temperature)
    u = draw(wide, count, random)
    level = true(u)
    proposal = wide.log_likelihood(u)
    if rounds > 1:
        first = Kernels.of(u, np.full(u.shape[:2], 1 / count))
        mass = log_mass(wide.log_likelihood, first, random)[:, None]
        densities: list[LogLikelihood] = [lambda at: wide.log_likelihood(at) - mass]
        for _ in range(rounds - 1):
            kernels = Kernels.of(u, smoothed_weights(level - proposal)[0])
            new = kernels.draw(count, random)
            densities.append(partial(kernels.log_density, own=u.shape[1]))
            u, level = np.concatenate([u, new], axis=1), np.concatenate([level, true(new)], axis=1)
            proposal = logsumexp([density(u) for density in densities], axis=0)
    return Draws(u, *smoothed_weights(level - proposal))


def log_mass(
    density: LogLikelihood, around: Kernels, random: np.random.Generator, count: int = _POINTS
) -> Float[np.ndarray, " cell"]:
    """Log of the integral over the unit cube of a density that is not normalised, by draws from kernels around it."""
    points = around.draw(count, random)
    return logsumexp(density(points) - around.log_density(points), axis=1) - np.log(count)


def _flattened(weight: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " draw"]:
    """Weights to the largest power up to 1 at which a fifth of the draws count."""
    with np.errstate(divide="ignore"):
        logarithm = np.maximum(np.log(weight / weight.max()), -700.0)

    def count(power: float) -> float:
        return float(1 / (softmax(power * logarithm) ** 2).sum())

    least = _LEAST_EFFECTIVE * weight.size
    low, high = 0.0, 1.0
    while count(high) < least and high - low > 1e-6:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if count(middle) >= least else (low, middle)
    return softmax((high if count(high) >= least else low) * logarithm)
