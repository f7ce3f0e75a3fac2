"""Working records of a model step: meteorology, and the fluxes of one column (a tile in a band)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MET = np.dtype(
    [
        (name, np.float64)
        for name in (
            "temperature",  # of the cell [degC]
            "precipitation",  # of the cell [mm step-1]
            "shortwave",  # [W m-2]
            "longwave",  # [W m-2]
            "pressure",  # [Pa]
            "vapour_pressure",  # [Pa]
            "vpd",  # vapour pressure deficit [Pa]
            "density",  # of the air [kg m-3]
            "wind",  # mean of the model step [m s-1]
            "snow_possible",  # 1 if snow may fall in any band during the model step
        )
    ]
)
"""Meteorology of one snow step or one model step of a cell."""

COLUMN = np.dtype(
    [
        ("moisture", np.float64, (3,)),  # at the start of the model step [mm]
        ("evaporation", np.float64, (3,)),  # of the layers, sum of sub-steps [mm]
    ]
    + [
        (name, np.float64)
        for name in (
            # held or counted through the sub-steps
            "days",  # length of a sub-step [day]
            "time_step",  # the same [s]
            "transmission",  # of radiation through the canopy [1]
            "ground_temperature",  # soil surface at the start of the model step [degC]
            "evaporation_fraction",  # actual over potential soil evaporation [1]
            "day_of_year",
            # sums over the sub-steps [mm]
            "precipitation",
            "rainfall",
            "snowfall",
            "inflow",
            "transpiration",
            "bare_soil_evaporation",
            "canopy_evaporation",
            "snow_sublimation",
            "canopy_sublimation",
            "snow_melt",
            "runoff",
            "baseflow",
            "root_finder_fallbacks",
        )
    ]
)
"""One column in one model step."""


class Work(NamedTuple):
    """Records one thread works on."""

    soil: Any
    column: Any
    pack: Any
    forest: Any


class Timing(NamedTuple):
    """Steps of a run."""

    model_step: float  # [s]
    snow_step: float  # [s]
    snow_steps: int  # snow steps a model step
    runoff_steps: int  # runoff steps a model step
    conserving: bool  # water_balance = "conserving"
