"""Forcing as the model sees it: units, vapour pressure deficit, density, and means of a model step."""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.constants import ALL_RAIN_TEMPERATURE, PA_PER_KPA
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.vapour import air_density, saturation_vapour_pressure


@compiled
def derive_meteorology(
    forcing: Forcing, cell: int, coldest: float, snow_steps: int, snow_met: Any, model_met: Any
) -> None:
    """Fill the snow steps and model steps of a cell (VIC-5 image driver, ``vic_force.c``).

    Vapour pressure is capped at saturation. A model step has the mean of its snow steps, its precipitation their sum;
    its vapour pressure deficit is that of mean temperature and mean vapour pressure, and may be negative (quirk Q3).
    Wind is the mean of the model step throughout.

    Args:
        forcing: forcing of all cells.
        cell: position.
        coldest: lowest temperature offset of the cell's bands [K].
        snow_steps: snow steps a model step.
        snow_met: result, dtype ``MET`` [snow step].
        model_met: result, dtype ``MET`` [model step].
    """
    for step in range(len(model_met)):
        model = model_met[step]
        temperature = shortwave = longwave = pressure = vapour_pressure = wind = precipitation = 0.0
        snow_possible = 0.0
        for sub_step in range(snow_steps):
            time = step * snow_steps + sub_step
            met = snow_met[time]
            load(forcing, cell, time, met)
            temperature += met.temperature
            shortwave += met.shortwave
            longwave += met.longwave
            pressure += met.pressure
            vapour_pressure += met.vapour_pressure
            wind += met.wind
            precipitation += met.precipitation
            if met.temperature + coldest < ALL_RAIN_TEMPERATURE and met.precipitation > 0.0:
                snow_possible = 1.0
        model.snow_possible = snow_possible
        model.temperature = temperature / snow_steps
        model.shortwave = shortwave / snow_steps
        model.longwave = longwave / snow_steps
        model.pressure = pressure / snow_steps
        model.vapour_pressure = vapour_pressure / snow_steps
        model.wind = wind / snow_steps
        model.precipitation = precipitation / snow_steps * snow_steps
        if snow_steps == 1:
            model.vpd = snow_met[step].vpd
        else:
            model.vpd = saturation_vapour_pressure(model.temperature) - model.vapour_pressure
        model.density = air_density(model.pressure, model.temperature)
        for sub_step in range(snow_steps):
            snow_met[step * snow_steps + sub_step].wind = model.wind


@compiled
def load(forcing: Forcing, cell: int, time: int, met: Any) -> None:
    """One snow step: kPa to Pa, deficit not below 0, air density."""
    met.temperature = forcing.tair[cell, time]
    met.precipitation = forcing.prcp[cell, time]
    met.shortwave = forcing.swdown[cell, time]
    met.longwave = forcing.lwdown[cell, time]
    met.pressure = forcing.pres[cell, time] * PA_PER_KPA
    met.vapour_pressure = forcing.vp[cell, time] * PA_PER_KPA
    met.wind = forcing.wind[cell, time]
    saturation = saturation_vapour_pressure(met.temperature)
    met.vpd = saturation - met.vapour_pressure
    if met.vpd < 0.0:
        met.vpd = 0.0
        met.vapour_pressure = saturation
    met.density = air_density(met.pressure, met.temperature)
    met.snow_possible = 0.0
