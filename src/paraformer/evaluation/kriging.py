"""Ordinary kriging with an exponential variogram and a nugget (Cressie 1993, Statistics for Spatial Data, sec. 2-3).

γ(h) = c0 + c (1 - exp(-h / a)) for h > 0. The nugget c0 is taken for noise of the values (θ of a cell that its own year
hardly identifies), so a value at a donor's place is smoothed, not repeated, unless c0 is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

_BINS = 15
"""Classes of distance of the empirical variogram, of equally many pairs."""

_REACH = 0.5
"""Share of the largest distance up to which pairs count; beyond, few pairs are left (Journel & Huijbregts 1978)."""

_MAXIMUM = 2000
"""Points that the variogram is fitted to, evenly taken where there are more."""

_TINY = 1e-10
"""A variance below this is none [unit coordinate squared]."""


class Variogram(NamedTuple):
    """Nugget c0, partial sill c [variance] and range a [distance]."""

    nugget: float
    sill: float
    length: float

    def covariance(self, distance: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Covariance of the smooth part, c exp(-h / a)."""
        return self.sill * np.exp(-distance / self.length)


def empirical(
    at: Float[np.ndarray, "point axis"], values: Float[np.ndarray, " point"]
) -> tuple[Float[np.ndarray, " bin"], Float[np.ndarray, " bin"]]:
    """Mean distance and mean half squared difference of pairs in classes of distance (Matheron 1963)."""
    one, other = np.triu_indices(len(at), 1)
    distance = np.linalg.norm(at[one] - at[other], axis=1)
    order = np.argsort(distance, kind="stable")
    order = order[: max(np.count_nonzero(distance <= _REACH * distance.max()), min(_BINS, order.size))]
    half = 0.5 * (values[one] - values[other])[order] ** 2
    bins = np.array_split(np.arange(order.size), min(_BINS, order.size))
    lag = np.array([distance[order][b].mean() for b in bins])
    return lag, np.array([half[b].mean() for b in bins])


def fit_variogram(at: Float[np.ndarray, "point axis"], values: Float[np.ndarray, " point"]) -> Variogram:
    """Variogram of points by least squares weighted by 1 / γ², the classes holding equally many pairs (Cressie 1985).

    Where the values do not vary, nugget and sill are 0.
    """
    step = -(-len(at) // _MAXIMUM)
    at, values = at[::step], values[::step]
    lag, gamma = empirical(at, values)
    scale, far = float(gamma.max()), float(lag.max())
    if scale < _TINY:
        return Variogram(0.0, 0.0, far)

    def misfit(x: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " bin"]:
        model = x[0] + x[1] * (1 - np.exp(-lag / (x[2] * far)))
        return gamma / scale / np.maximum(model, 1e-3) - 1

    starts = [(0.3, 0.7, length) for length in (0.05, 0.2, 0.6)]
    fits = [least_squares(misfit, start, bounds=([0, 0, 1e-3], [2, 2, 2])) for start in starts]
    nugget, sill, length = min(fits, key=lambda fit: fit.cost).x
    return Variogram(float(nugget * scale), float(sill * scale), float(length * far))


def weights(
    variogram: Variogram, between: Float[np.ndarray, "cell point point"], to: Float[np.ndarray, "cell point"]
) -> Float[np.ndarray, "cell point"]:
    """Weights of ordinary kriging; those of a cell sum to 1 (Cressie 1993, eq. 3.2.12).

    Args:
        between: distances between a cell's points.
        to: distances from the cell to them.
    """
    cells, points = to.shape
    left = np.ones((cells, points + 1, points + 1))
    left[:, :points, :points] = variogram.covariance(between) + variogram.nugget * np.eye(points)
    left[:, points, points] = 0.0
    right = np.ones((cells, points + 1, 1))
    right[:, :points, 0] = variogram.covariance(to)
    return np.linalg.solve(left, right)[:, :points, 0]


def krige(
    at: Float[np.ndarray, "point axis"],
    values: Float[np.ndarray, "point value"],
    where: Float[np.ndarray, "cell axis"],
    variograms: Sequence[Variogram],
    distance: Float[np.ndarray, "cell point"] | None = None,
    *,
    points_used: int = 64,
) -> Float[np.ndarray, "cell value"]:
    """Ordinary kriging of every value from the nearest points.

    Args:
        at, where: Cartesian coordinates, in which the exponential covariance is positive definite.
        variograms: one a value.
        distance: from each cell to each point; infinite hides the point from the cell.
        points_used: nearest points that get a weight, at most.
    """
    if distance is None:
        distance = np.linalg.norm(where[:, None] - at, axis=-1)
    count = min(points_used, int(np.isfinite(distance).sum(axis=1).min()))
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    to = np.take_along_axis(distance, nearest, axis=1)
    between = np.linalg.norm(at[nearest][:, :, None] - at[nearest][:, None], axis=-1)
    found = np.empty((len(where), values.shape[1]))
    for i, (value, variogram) in enumerate(zip(values.T, variograms, strict=True)):
        if variogram.nugget + variogram.sill < _TINY:
            found[:, i] = value[nearest].mean(axis=1)
        else:
            found[:, i] = (weights(variogram, between, to) * value[nearest]).sum(axis=1)
    return found
