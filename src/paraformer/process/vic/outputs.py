"""What a run can return: name, VIC-5 name, unit and how a day is made of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import ModelError, nearest
from paraformer.core.parameters import ParameterSpace
from paraformer.process.vic.constants import MM_PER_M


class Output(NamedTuple):
    """One output variable. ``daily`` says how a daily value is made of model steps."""

    vic_name: str
    unit: str
    daily: Literal["sum", "end", "mean"]


OUTPUTS: dict[str, Output] = {
    "precipitation": Output("OUT_PREC", "mm", "sum"),
    "rainfall": Output("OUT_RAINF", "mm", "sum"),
    "snowfall": Output("OUT_SNOWF", "mm", "sum"),
    "soil_moisture_1": Output("OUT_SOIL_MOIST", "mm", "end"),
    "soil_moisture_2": Output("OUT_SOIL_MOIST", "mm", "end"),
    "soil_moisture_3": Output("OUT_SOIL_MOIST", "mm", "end"),
    "soil_moisture_1_mean": Output("OUT_SOIL_MOIST", "mm", "mean"),
    "evapotranspiration": Output("OUT_EVAP", "mm", "sum"),
    "transpiration": Output("OUT_TRANSP_VEG", "mm", "sum"),
    "bare_soil_evaporation": Output("OUT_EVAP_BARE", "mm", "sum"),
    "canopy_evaporation": Output("OUT_EVAP_CANOP", "mm", "sum"),
    "snow_sublimation": Output("OUT_SUB_SNOW", "mm", "sum"),
    "canopy_sublimation": Output("OUT_SUB_CANOP", "mm", "sum"),
    "runoff": Output("OUT_RUNOFF", "mm", "sum"),
    "baseflow": Output("OUT_BASEFLOW", "mm", "sum"),
    "inflow": Output("OUT_INFLOW", "mm", "sum"),
    "swe": Output("OUT_SWE", "mm", "end"),
    "snow_depth": Output("OUT_SNOW_DEPTH", "cm", "end"),
    "snow_cover": Output("OUT_SNOW_COVER", "1", "end"),
    "snow_melt": Output("OUT_SNOW_MELT", "mm", "sum"),
    "canopy_snow": Output("OUT_SNOW_CANOPY", "mm", "end"),
    "canopy_water": Output("OUT_WDEW", "mm", "end"),
    "water_error": Output("OUT_WATER_ERROR", "mm", "mean"),
    "saturated_area": Output("OUT_ASAT", "1", "end"),
    "root_finder_fallbacks": Output("OUT_SNOWT_FBFLAG", "1", "sum"),
}

VOLUMETRIC = {"soil_moisture": "soil_moisture_1", "soil_moisture_mean": "soil_moisture_1_mean"}
"""Volumetric moisture of layer 1 [m3 m-3] -> the output in mm it comes from."""

OFFERED = (*OUTPUTS, *VOLUMETRIC)
"""Outputs of VIC as a forward model."""

CELL = np.dtype([(name, np.float64) for name in OUTPUTS])
"""Values of one model step of one cell: weighted sums over its columns."""


def positions(names: Sequence[str]) -> np.ndarray:
    """Positions of output names in ``CELL``.

    Raises:
        ModelError: naming the first unknown output and the nearest valid one.
    """
    order = list(OUTPUTS)
    for name in names:
        if name not in OUTPUTS:
            raise ModelError(f"VIC has no output '{name}'{nearest(name, OUTPUTS)}")
    return np.array([order.index(name) for name in names], dtype=np.int64)


def in_millimetres(outputs: Sequence[str]) -> list[str]:
    """Outputs of the model itself that some outputs are made of."""
    return list(dict.fromkeys(VOLUMETRIC.get(name, name) for name in outputs))


def as_asked(
    outputs: Sequence[str],
    found: Mapping[str, Float[np.ndarray, "cell set time"]],
    depth: Float[np.ndarray, " cell"],
    space: ParameterSpace,
    theta: Float[np.ndarray, "cell set parameter"] | None,
) -> dict[str, Float[np.ndarray, "cell set time"]]:
    """Outputs as they were asked for, of those ``in_millimetres``: moisture of layer 1 over its thickness.

    Args:
        depth: a-priori thickness of layer 1 [m]; a ``depth_1`` among θ takes its place.
        space: names of θ.
    """
    thickness = depth[:, None, None]
    if theta is not None and "depth_1" in space.names:
        thickness = theta[:, :, space.names.index("depth_1"), None]
    return {
        name: found[VOLUMETRIC[name]] / (thickness * MM_PER_M) if name in VOLUMETRIC else found[name]
        for name in outputs
    }
