"""References of a cube that a learner may be compared with beside soil moisture: products of evapotranspiration,
signatures of runoff."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paraformer.core.contracts import Reference
from paraformer.core.errors import DataError, nearest
from paraformer.core.schema import Cube
from paraformer.core.time import DAYS_OF_MONTH
from paraformer.core.units import canonical

_TO_MONTH = {"mm month-1": np.ones(12), "mm day-1": DAYS_OF_MONTH}
"""Factors from the unit of a climatology to [mm month-1]."""


def references_of(cube: Cube, names: Sequence[str], trained: np.ndarray) -> dict[str, Reference]:
    """Values of trained cells; those of all others are masked, so that no loss can read them.

    A climatology ``(cell, month)`` is given in [mm month-1], January first; a constant ``(cell)`` as it is.

    Raises:
        DataError: naming the variable that is not in the cube, or has other dims or another unit.
    """
    found = {}
    for name in names:
        if name not in cube.dataset:
            raise DataError(
                f"targets: reference '{name}' is not in the cube{nearest(name, map(str, cube.dataset.data_vars))}"
            )
        variable = cube.dataset[name].transpose("cell", ...)
        values = variable.values.astype(np.float64)
        if variable.dims == ("cell", "month") and values.shape[1] == 12:
            unit = canonical(str(variable.attrs.get("units", "")))
            if unit not in _TO_MONTH:
                raise DataError(f"targets: reference '{name}' has unit '{unit}', expected one of {sorted(_TO_MONTH)}")
            values = values[:, np.argsort(variable["month"].values)] * _TO_MONTH[unit]
        elif variable.dims == ("cell",):
            values = values[:, None]
        else:
            raise DataError(f"targets: reference '{name}' has dims {variable.dims}, expected (cell, month) or (cell)")
        known = np.isfinite(values) & trained[:, None]
        found[name] = Reference(np.where(known, values, 0.0), known)
    return found
