"""Smooth Gaussian random fields on the small grid of the built-in world.

White noise is convolved with a Gaussian kernel and divided by the kernel's norm, which gives a stationary field of mean
0, variance 1 and correlation ``exp(-d^2 / (4 s^2))`` at distance d, kernel width s [cells]. The noise reaches over the
grid's rim, so that there are no edge effects.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import correlate1d
from scipy.special import ndtr


def smooth_fields(
    rng: np.random.Generator, count: int, shape: tuple[int, int], width: float, spacing: float = 1.0
) -> Float[np.ndarray, "count cell"]:
    """Draw ``count`` independent fields on a grid of ``shape`` (rows, columns), cells in row order.

    Args:
        width: kernel width s [points of noise]; 0 gives white noise.
        spacing: distance of neighbouring cells [points of noise]; below 1 the cells lie closer than the noise, whose
            kernel is then taken at each cell, so that a finer grid sees the same kind of field.
    """
    if width == 0:
        return rng.standard_normal((count, shape[0] * shape[1]))
    reach = int(np.ceil(4 * width))
    if spacing != 1:
        rows, columns = (_kernels(length, spacing, width, reach) for length in shape)
        noise = rng.standard_normal((count, rows.shape[1], columns.shape[1]))
        return np.ascontiguousarray((rows @ noise @ columns.T).reshape(count, -1))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    noise = rng.standard_normal((count, shape[0] + 2 * reach, shape[1] + 2 * reach))
    for axis in (1, 2):
        noise = correlate1d(noise, kernel, axis=axis, mode="constant")
    inner = noise[:, reach : reach + shape[0], reach : reach + shape[1]]
    return np.ascontiguousarray(inner.reshape(count, -1))


def _kernels(length: int, spacing: float, width: float, reach: int) -> Float[np.ndarray, "cell point"]:
    """Weight of each point of noise in each cell of a row, squares adding up to 1."""
    cells = spacing * np.arange(length)
    points = np.arange(-reach, int(np.ceil(cells[-1])) + reach + 1)
    weights = np.exp(-0.5 * ((points - cells[:, None]) / width) ** 2)
    return weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))


def autoregressive(innovations: Float[np.ndarray, "time cell"], persistence: float) -> Float[np.ndarray, "time cell"]:
    """Stationary AR(1) series of variance 1 from unit-variance innovations: ``x_t = r x_{t-1} + sqrt(1 - r^2) e_t``."""
    series = np.empty_like(innovations)
    series[0] = innovations[0]
    gain = np.sqrt(1 - persistence**2)
    for day in range(1, len(innovations)):
        series[day] = persistence * series[day - 1] + gain * innovations[day]
    return series


def uniform(normal: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Standard normal values to the open interval (0, 1)."""
    return np.clip(ndtr(normal), 1e-12, 1 - 1e-12)
