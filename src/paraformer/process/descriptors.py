"""What a surrogate should know about the cells: VIC's fixed soil and vegetation values, and those of each day."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.physics import MM_PER_M
from paraformer.core.schema import Cube
from paraformer.core.time import month_of
from paraformer.process.compiled import CompiledVIC
from paraformer.process.recipe import ProcessRecipe
from paraformer.process.vic.model import VIC
from paraformer.process.vic.parameters import CellParameters, column_moisture_capacity, residual_fraction


def descriptors(
    model: ProcessRecipe | ForwardModel, cube: Cube
) -> tuple[
    tuple[str, ...],
    Float[np.ndarray, "cell descriptor"],
    tuple[str, ...],
    Float[np.ndarray, "cell time descriptor"] | None,
]:
    """Names and values of the static descriptors of a model or recipe, then of the daily ones.

    A model that is not VIC is described by the static attributes of the cube alone.
    """
    if not isinstance(model, ProcessRecipe | VIC | CompiledVIC):
        return cube.attribute_names, cube.attributes(), (), None
    cells = model.cell_parameters
    return *static_descriptors(cells), *daily_descriptors(cells, cube.time)


def static_descriptors(parameters: CellParameters) -> tuple[tuple[str, ...], Float[np.ndarray, "cell descriptor"]]:
    """Names and values of the fixed soil and vegetation properties that act on soil moisture and its fluxes.

    Soil of layer 1 in volumetric units [m3 m-3]; conductivities as log10 of [mm day-1]; resistances as log10 of
    [s m-1]; vegetation is the mean over tiles, weighted by their area.
    """
    capacity = column_moisture_capacity(parameters) / (parameters.depth * MM_PER_M)
    tiles = parameters.cv / parameters.cv.sum(axis=1, keepdims=True)

    def tile_mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("ct,ct->c", tiles, values)

    named = {
        "porosity": capacity[:, 0],
        "critical_point": capacity[:, 0] * parameters.wcr_fract[:, 0],
        "wilting_point": capacity[:, 0] * parameters.wpwp_fract[:, 0],
        "residual_moisture": residual_fraction(parameters)[:, 0],
        "log10_ksat": np.log10(parameters.ksat[:, 0]),
        "depth_1": parameters.depth[:, 0],
        "capacity_2": parameters.depth[:, 1] * capacity[:, 1],
        "capacity_3": parameters.depth[:, 2] * capacity[:, 2],
        "baseflow_exponent": parameters.c,
        "elevation": parameters.mean_elevation(),
        "overstory": tile_mean(parameters.overstory.astype(np.float64)),
        "log10_rmin": tile_mean(np.log10(np.maximum(parameters.rmin, 1.0))),
        "lai_mean": tile_mean(parameters.lai.mean(axis=2)),
        "lai_range": tile_mean(np.ptp(parameters.lai, axis=2)),
        "fcanopy_mean": tile_mean(parameters.fcanopy.mean(axis=2)),
        "albedo_mean": tile_mean(parameters.albedo.mean(axis=2)),
        "roughness_mean": tile_mean(parameters.veg_rough.mean(axis=2)),
        "shallow_roots": tile_mean(parameters.root_fract[:, :, 0]),
    }
    return tuple(named), np.stack(list(named.values()), axis=1)


def daily_descriptors(
    parameters: CellParameters, days: np.ndarray
) -> tuple[tuple[str, ...], Float[np.ndarray, "cell time descriptor"]]:
    """Names and daily values of leaf area index and canopy cover, means over tiles (steps at month boundaries)."""
    tiles = parameters.cv / parameters.cv.sum(axis=1, keepdims=True)
    month = month_of(days) - 1
    series = [np.einsum("ct,ctm->cm", tiles, values)[:, month] for values in (parameters.lai, parameters.fcanopy)]
    return ("lai", "fcanopy"), np.stack(series, axis=2)
