"""Prognostic state of a column (one vegetation tile in one elevation band), and the cold start."""

from __future__ import annotations

import numpy as np

from paraformer.process.vic.constants import EMISSIVITY, KELVIN, STEFAN_BOLTZMANN
from paraformer.process.vic.parameters import CellParameters

STATE = np.dtype(
    [
        ("moisture", np.float64, (3,)),  # soil moisture of the layers [mm]
        ("surface_soil_temperature", np.float64),  # T0, soil surface [degC]
        ("soil_temperature", np.float64),  # T1, bottom of layer 1 [degC]
        ("canopy_water", np.float64),  # intercepted rain and dew, tile average [mm]
        ("canopy_snow", np.float64),  # intercepted snow, tile average [m]
        ("canopy_melt", np.float64),  # part of canopy_snow that has melted and waits for mass release [m]
        ("foliage_temperature", np.float64),  # [degC]
        ("longwave_up", np.float64),  # outgoing long-wave radiation below the canopy [W m-2]
        ("swe", np.float64),  # water equivalent of the ground pack, liquid included [m]
        ("surface_water", np.float64),  # liquid water in the surface layer of the pack [m]
        ("pack_water", np.float64),  # liquid water below the surface layer [m]
        ("surface_temperature", np.float64),  # surface layer of the pack [degC]
        ("pack_temperature", np.float64),  # rest of the pack [degC]
        ("cold_content", np.float64),  # [J m-2]
        ("density", np.float64),  # snow density [kg m-3]
        ("depth", np.float64),  # snow depth [m]
        ("albedo", np.float64),  # snow albedo [1]
        ("snow_age", np.int64),  # sub-steps since the last snowfall
        ("melting", np.int64),  # 1 in the melt season, else 0
    ]
)
"""One record a column; every member of a state array is [cell, set, column], column = tile * n_band + band."""

State = np.ndarray
"""Structured array of dtype ``STATE`` [cell, set, column]."""


def cold_start(parameters: CellParameters, n_set: int = 1) -> State:
    """Initial state without history (VIC-5: ``generate_default_state``): no snow, dry canopy, soil at 0 degC.

    Soil moisture is ``init_moist`` as it is; a run caps it at the maximum of each parameter set's own soil.
    """
    state = np.zeros((parameters.n_cell, n_set, parameters.n_column), dtype=STATE)
    state["moisture"] = parameters.init_moist[:, None, None, :]
    state["foliage_temperature"] = parameters.column_temperature_offset()[:, None, :]
    state["longwave_up"] = EMISSIVITY * STEFAN_BOLTZMANN * KELVIN**4
    return state
