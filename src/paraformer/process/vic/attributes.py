"""Attributes of soil and plants that VIC's parameter file holds, for learners: what every VIC user has of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.process.vic.parameters import CellParameters

LAND_ATTRIBUTES: dict[str, tuple[str, str]] = {
    "land_porosity": ("1", "porosity of soil layer 1 (1 - bulk density / particle density)"),
    "land_ksat": ("1", "decimal logarithm of the saturated conductivity of soil layer 1 in mm day-1"),
    "land_lai_mean": ("1", "leaf area index, mean of the year over the whole cell"),
    "land_lai_amplitude": ("1", "leaf area index of the whole cell, largest less least month"),
    "land_tree_fraction": ("1", "fraction of the cell under trees (vegetation classes with an overstory)"),
    "land_bare_fraction": ("1", "fraction of the cell without vegetation"),
}
"""Name -> unit and meaning of each attribute, in the order in which learners see them."""

_TOP = 0
"""Layer that the attributes of the soil are taken from: maps of soil texture are of the top."""


def land_attributes(parameters: CellParameters) -> dict[str, Float[np.ndarray, " cell"]]:
    """The attributes of ``LAND_ATTRIBUTES``, each [cell].

    ``canopy_gap`` and ``depth_1``, which may be learned, are in none of them.
    """
    planted = np.where(parameters.bare, 0.0, parameters.cv)
    lai = np.einsum("ct,ctm->cm", planted, np.nan_to_num(parameters.lai))
    trees = np.where(parameters.overstory, planted, 0.0).sum(axis=1)
    values = (
        1.0 - parameters.bulk_density[:, _TOP] / parameters.soil_density[:, _TOP],
        np.log10(parameters.ksat[:, _TOP]),
        lai.mean(axis=1),
        lai.max(axis=1) - lai.min(axis=1),
        trees,
        np.clip(1.0 - planted.sum(axis=1), 0.0, 1.0),
    )
    return dict(zip(LAND_ATTRIBUTES, values, strict=True))


def land_variables(parameters: CellParameters) -> dict[str, Any]:
    """The same as variables of a cube, in the order of ``parameters``."""
    described = {name: {"units": unit, "long_name": meaning} for name, (unit, meaning) in LAND_ATTRIBUTES.items()}
    values = land_attributes(parameters)
    return {name: (("cell",), values[name], attrs) for name, attrs in described.items()}
