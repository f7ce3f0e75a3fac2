"""Normalisation statistics: the same bits whatever the order of the cells and whatever stands in cells left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError

_LEAST_VARIANCE = 1e-12
"""Variance over the square of the mean below which a feature counts as constant: what rounding leaves of one value."""


def varies(mean: Any, variance: Any) -> Any:
    """Whether features vary, whatever their magnitude: a conductivity of 1e-6 m s-1 with a spread of 1e-7 does."""
    return variance > _LEAST_VARIANCE * mean**2


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of each feature over the cells (and days) it was fitted on.

    A feature that does not vary there gets a scale of 1.
    """

    names: tuple[str, ...]
    mean: Float[np.ndarray, " feature"]
    scale: Float[np.ndarray, " feature"]

    @classmethod
    def fit(
        cls, names: tuple[str, ...], values: Float[np.ndarray, "cell *day feature"], cells: Bool[np.ndarray, " cell"]
    ) -> Normaliser:
        """Statistics over the chosen cells and all days given.

        Sums over cells run over sorted values, so that they do not depend on the order of the cells.

        Raises:
            DataError: if no cell is chosen, or a value there is not finite (naming feature and cell).
        """
        if not cells.any():
            raise DataError("normalisation: there is no trained cell to take statistics from")
        chosen = np.asarray(values, dtype=np.float64)[cells]
        bad = ~np.isfinite(chosen)
        if bad.any():
            at = np.argwhere(bad)[0]
            cell = int(np.flatnonzero(cells)[at[0]])
            raise DataError(
                f"normalisation: '{names[at[-1]]}' of cell {cell} is {chosen[tuple(at)]}, expected a number"
            )
        flat = chosen.reshape(chosen.shape[0], -1, chosen.shape[-1])
        mean = np.sort(flat.mean(axis=1), axis=0).mean(axis=0)
        variance = np.sort(((flat - mean) ** 2).mean(axis=1), axis=0).mean(axis=0)
        return cls(names, mean, np.sqrt(np.where(varies(mean, variance), variance, 1.0)))

    @classmethod
    def fit_masked(
        cls, name: str, values: Float[np.ndarray, "cell day"], counted: Bool[np.ndarray, "cell day"]
    ) -> Normaliser:
        """Statistics of one feature over the cell-days counted; what stands elsewhere, NaN included, is not read.

        Raises:
            DataError: if no cell-day is counted, or a value there is not finite (naming feature, cell and day).
        """
        if not counted.any():
            raise DataError(f"normalisation: '{name}' has no value in the trained cells")
        chosen = np.where(counted, np.asarray(values, dtype=np.float64), 0.0)
        if not np.isfinite(chosen).all():
            cell, day = (int(i) for i in np.argwhere(~np.isfinite(chosen))[0])
            raise DataError(f"normalisation: '{name}' of cell {cell}, day {day} is {chosen[cell, day]}")
        mean = float(np.sort(chosen.sum(axis=1)).sum() / counted.sum())
        squares = np.where(counted, (chosen - mean) ** 2, 0.0)
        variance = float(np.sort(squares.sum(axis=1)).sum() / counted.sum())
        return cls((name,), np.array([mean]), np.array([variance**0.5 if varies(mean, variance) else 1.0]))

    def __call__(self, values: Float[np.ndarray, "*n feature"]) -> Float[np.ndarray, "*n feature"]:
        return (np.asarray(values, dtype=np.float64) - self.mean) / self.scale

    def describe(self) -> dict[str, Any]:
        """As JSON-like values."""
        return {"names": list(self.names), "mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Normaliser:
        """Inverse of ``describe``."""
        return cls(tuple(description["names"]), np.array(description["mean"]), np.array(description["scale"]))
