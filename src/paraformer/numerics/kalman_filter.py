"""Kalman filters of one observation a cell and day: an ensemble's update, one of an offset, and their innovations.

Pure arrays: whose state it is, and where observations come from, is the caller's. With members x_i and what each of
them would be observed as, h_i, the covariances of state and observation are those of the ensemble:

    K = cov(x, h) / (var(h) + R),    x̄ += K (y - h̄),    x_i' -= α K h_i',    α = 1 / (1 + √(R / (var(h) + R)))

the square-root form of Whitaker & Hamill (2002, doi 10.1175/1520-0493(2002)130<1913:EDAWPO>2.0.CO;2, eq. 11-13): the
observation is not perturbed, and mean and covariance are those of the Kalman filter without the noise of a draw.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Expected(NamedTuple):
    """What an ensemble expects of an observation: its mean, and the variance of observation less mean."""

    mean: Float[np.ndarray, " cell"]
    variance: Float[np.ndarray, " cell"]


def expected(predicted: Float[np.ndarray, "cell member"], error: Float[np.ndarray, " cell"]) -> Expected:
    """Mean of the members, and their variance plus that of the observation's error."""
    return Expected(predicted.mean(axis=1), predicted.var(axis=1, ddof=1) + error)


def update(
    state: Float[np.ndarray, "cell member item"],
    predicted: Float[np.ndarray, "cell member"],
    observed: Float[np.ndarray, " cell"],
    error: Float[np.ndarray, " cell"],
    mask: Bool[np.ndarray, " cell"],
) -> Float[np.ndarray, "cell member item"]:
    """What the observation adds to every member's state, 0 where there is none.

    Args:
        state: any units; items may differ.
        predicted: what each member would be observed as.
        observed: in the unit of ``predicted``; ignored, NaN included, where ``mask`` is False.
        error: variance of the observation's error, above 0.
    """
    mean, variance = expected(predicted, error)
    spread = predicted - mean[:, None]
    covariance = np.einsum("cmi,cm->ci", state - state.mean(axis=1, keepdims=True), spread) / (predicted.shape[1] - 1)
    gain = np.where(mask, 1 / variance, 0.0)[:, None] * covariance
    shrunk = 1 / (1 + np.sqrt(error / variance))
    innovation = np.where(mask, observed - mean, 0.0)
    return gain[:, None] * (innovation[:, None] - shrunk[:, None] * spread)[..., None]


class Innovations(NamedTuple):
    """How observations fell about what a filter expected, each [cell]; NaN in a cell with fewer than three.

    Attributes:
        mean: of observation less forecast.
        normalised: mean square of innovations over their expected variance; 1 where the errors assumed are right.
        correlation: of an innovation with the next; 0 where each observation was used up.
        surprise: mean of log S + d² / S, twice the negative logarithm of their Gaussian likelihood but for a constant:
            the errors assumed are the better the smaller it is (Dee 1995, doi
            10.1175/1520-0493(1995)123<1128:OLEOEC>2.0.CO;2).
    """

    mean: Float[np.ndarray, " cell"]
    normalised: Float[np.ndarray, " cell"]
    correlation: Float[np.ndarray, " cell"]
    surprise: Float[np.ndarray, " cell"]


def innovations(
    forecast: Float[np.ndarray, "cell time"],
    variance: Float[np.ndarray, "cell time"],
    observed: Float[np.ndarray, "cell time"],
    mask: Bool[np.ndarray, "cell time"],
) -> Innovations:
    """Statistics of observation less forecast on the days of ``mask``.

    Args:
        forecast: made before the observation was used.
        variance: expected of the innovation, above 0.
    """
    found = np.full((len(mask), 4), np.nan)
    for cell, known in enumerate(mask):
        if known.sum() >= 3:
            wrong, expected_square = (observed - forecast)[cell, known], variance[cell, known]
            share = wrong**2 / expected_square
            about = wrong - wrong.mean()
            following = np.mean(about[1:] * about[:-1]) / max(np.mean(about**2), 1e-300)
            found[cell] = wrong.mean(), share.mean(), following, np.mean(np.log(expected_square) + share)
    return Innovations(*found.T)


def offset_filter(
    residual: Float[np.ndarray, "cell time"],
    mask: Bool[np.ndarray, "cell time"],
    offset: Float[np.ndarray, " cell"],
    memory: Float[np.ndarray, " cell"],
    error: Float[np.ndarray, " cell"],
) -> tuple[Float[np.ndarray, "cell time"], Float[np.ndarray, "cell time"]]:
    """The Kalman filter of residuals that are an offset, a first-order autoregression, and independent errors.

    Args:
        residual: observed less simulated; ignored, NaN included, where ``mask`` is False.
        offset: standard deviation of the offset.
        memory: days in which it fades to 1/e.
        error: standard deviation of the errors.

    Returns:
        The offset that is expected before the day's residual is known, and the variance of residual less offset.
    """
    kept, mean, variance = np.exp(-1 / memory), np.zeros(len(mask)), offset**2
    forecast, spread = np.empty(mask.shape), np.empty(mask.shape)
    for day in range(mask.shape[1]):
        mean, variance = kept * mean, kept**2 * variance + (1 - kept**2) * offset**2
        forecast[:, day], spread[:, day] = mean, variance + error**2
        gain = np.where(mask[:, day], variance / spread[:, day], 0.0)
        mean = mean + gain * np.where(mask[:, day], residual[:, day] - mean, 0.0)
        variance = (1 - gain) * variance
    return forecast, spread
