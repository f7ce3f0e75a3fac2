"""Bounds of θ held against what VIC can run with: found before any run, not in the middle of a search."""

from __future__ import annotations

import numpy as np

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.parameters import ParameterSpace
from paraformer.process.vic.parameters import LIMITS, THETA, CellParameters, apply_theta, require_known


def require_bounds(space: ParameterSpace) -> None:
    """Raise unless every value inside the bounds is one that VIC takes, whatever the cell.

    Raises:
        SettingsError: a name that is not VIC's or sets what another one sets; a bound beyond VIC's limits.
    """
    try:
        require_known(space.names)
    except SettingsError as error:
        raise SettingsError(f"parameters: {error}") from error
    for parameter in space:
        for field in THETA[parameter.name]:
            low, high, unit = LIMITS[field]
            for which, bound in zip(("lower", "upper"), parameter.physical_bounds, strict=True):
                if not low <= bound <= high:
                    raise SettingsError(
                        f"parameters: {which} bound {bound:.9g}{unit} of '{parameter.name}' is beyond VIC's limits, "
                        f"{low:g} to {high:g}{unit}"
                    )


def require_corners(parameters: CellParameters, space: ParameterSpace) -> None:
    """Raise unless VIC can run some cells with θ at the ends of the bounds.

    What VIC asks of θ and the a-priori values together (a first layer no thicker than the second, a critical point no
    higher than saturation) holds everywhere if it holds where all are low, all are high, and the second layer alone is
    low.

    Raises:
        SettingsError: naming cell, parameter and value.
    """
    mixed = np.where(np.array(space.names) == "depth_2", space.lower, space.upper)
    for theta in (space.lower, space.upper, mixed):
        try:
            apply_theta(parameters, np.broadcast_to(theta, (parameters.n_cell, 1, len(space))), space.names)
        except DataError as error:
            raise SettingsError(f"parameters: VIC cannot run with θ at the ends of its bounds: {error}") from error
