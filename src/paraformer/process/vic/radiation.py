"""Radiation: long-wave emission, attenuation by the canopy, albedo of snow."""

from __future__ import annotations

from math import exp

from paraformer.process.vic.constants import (
    ACCUMULATION_ALBEDO_A,
    ACCUMULATION_ALBEDO_B,
    EMISSIVITY,
    KELVIN,
    NEW_SNOW_ALBEDO,
    SECONDS_PER_DAY,
    STEFAN_BOLTZMANN,
    THAW_ALBEDO_A,
    THAW_ALBEDO_B,
    TRACE_SNOW,
)
from paraformer.process.vic.jit import compiled


@compiled
def longwave_emission(temperature: float) -> float:
    """Stefan-Boltzmann emission of ground, vegetation or snow [W m-2]: 0.97 sigma (T + 273.15)^4, T in degC."""
    kelvin = temperature + KELVIN
    return EMISSIVITY * STEFAN_BOLTZMANN * kelvin * kelvin * kelvin * kelvin


@compiled
def canopy_transmission(canopy_fraction: float, attenuation: float, lai: float) -> float:
    """Part of the radiation that reaches the ground [1]: gaps let all of it through, plants follow Beer's law.

    tau = (1 - f) + f exp(-k LAI), with f the canopy fraction and LAI per unit of canopy (Liang et al. 1994).
    """
    return (1.0 - canopy_fraction) + canopy_fraction * exp(-attenuation * lai)


@compiled
def snow_albedo(
    snow_age: int, time_step: float, cold_content: float, melting: bool, snow_below_canopy: float
) -> float:
    """Albedo of an ageing pack [1] (US Army Corps of Engineers 1956, Snow Hydrology; VIC-5 ``snow_utility.c``).

    0.85 a^(t^b) with t the days since the last snowfall; (a, b) = (0.94, 0.58) while the pack is cold and
    accumulates, (0.82, 0.46) while it melts. Snow shed by the canopy makes a cold pack new.

    Args:
        snow_age: sub-steps since the last snowfall.
        time_step: length of a sub-step [s].
        cold_content: of the pack [J m-2].
        melting: the melt season flag.
        snow_below_canopy: snowfall that reached the pack [mm].
    """
    age = snow_age * time_step / SECONDS_PER_DAY
    if snow_below_canopy > TRACE_SNOW and cold_content < 0.0:
        return NEW_SNOW_ALBEDO
    if cold_content < 0.0 and not melting:
        return NEW_SNOW_ALBEDO * ACCUMULATION_ALBEDO_A ** (age**ACCUMULATION_ALBEDO_B)
    return NEW_SNOW_ALBEDO * THAW_ALBEDO_A ** (age**THAW_ALBEDO_B)
