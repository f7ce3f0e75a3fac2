"""Seasonal course of gappy series: the mean plus harmonics of the year, per cell."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.time import DAYS_PER_YEAR

_SHRINKAGE_DAYS = 5.0


def seasonal_course(
    day_of_year: Int[np.ndarray, " time"],
    values: Float[np.ndarray, "cell time"],
    mask: Bool[np.ndarray, "cell time"],
    *,
    harmonics: int,
) -> Float[np.ndarray, "cell time"]:
    """Least-squares course of each cell through its masked days, on every day; 0 for a cell without one.

    Amplitudes are shrunk towards zero as if each had been seen as zero on five more days, and the course is clipped to
    the range of the cell's masked values: half a year without retrievals (frozen soil) must not let the harmonics
    swing.

    Args:
        day_of_year: 1..366.
        values: any value, NaN included, where ``mask`` is False.
        harmonics: number of harmonics of the year.
    """
    phase = 2 * np.pi * day_of_year[:, None] / DAYS_PER_YEAR * np.arange(1, harmonics + 1)
    design = np.concatenate([np.ones((day_of_year.size, 1)), np.cos(phase), np.sin(phase)], axis=1)
    available = mask.any(axis=1)
    weight = mask.astype(np.float64)
    shrinkage = np.diag([0.0] + [_SHRINKAGE_DAYS] * (2 * harmonics))
    normal = np.einsum("ct,ti,tj->cij", weight, design, design, optimize=True) + shrinkage
    normal[~available] = np.eye(design.shape[1])
    coefficients = np.linalg.solve(normal, (np.where(mask, values, 0.0) @ design)[..., None])[..., 0]
    return np.clip(coefficients @ design.T, *masked_range(values, mask))


WINDOW_DAYS = 35
"""Window of the moving mean that anomalies are counted from (Gruber et al. 2020, doi 10.1016/j.rse.2020.111806)."""


def moving_anomalies(
    values: Float[np.ndarray, "series time"], mask: Bool[np.ndarray, " time"], *, window: int = WINDOW_DAYS
) -> tuple[Float[np.ndarray, "series time"], Bool[np.ndarray, " time"]]:
    """Values less the mean of the masked days within a centred window, and the days on which there is one.

    All series have the same days, so that their means are over the same days, too. A day counts where at least a third
    of its window is masked; 0 on others.

    Args:
        values: one value a day, no day missing from the axis; any value where ``mask`` is False.
        window: odd number of days.
    """
    kernel = np.ones(window)
    known = np.where(mask, values, 0.0)
    middle = slice(window // 2, window // 2 + mask.size)
    total = np.stack([np.convolve(one, kernel)[middle] for one in known])
    count = np.convolve(mask.astype(np.float64), kernel)[middle]
    enough = mask & (count >= window / 3)
    return np.where(enough, known - total / np.maximum(count, 1.0), 0.0), enough


def annual_wave(day_of_year: Int[np.ndarray, " time"]) -> Float[np.ndarray, "time 2"]:
    """Sine and cosine of the year, from which a network knows the season.

    Args:
        day_of_year: 1..366.
    """
    phase = 2 * np.pi * day_of_year / DAYS_PER_YEAR
    return np.stack([np.sin(phase), np.cos(phase)], axis=-1)


def masked_range(
    values: Float[np.ndarray, "cell time"], mask: Bool[np.ndarray, "cell time"]
) -> tuple[Float[np.ndarray, "cell 1"], Float[np.ndarray, "cell 1"]]:
    """Least and largest masked value of each cell, 0 where it has none."""
    available = mask.any(axis=1)
    low = np.where(mask, values, np.inf).min(axis=1)
    high = np.where(mask, values, -np.inf).max(axis=1)
    return np.where(available, low, 0.0)[:, None], np.where(available, high, 0.0)[:, None]
