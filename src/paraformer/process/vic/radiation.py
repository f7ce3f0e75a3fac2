"""Radiation: long-wave emission, attenuation by the canopy, albedo of snow."""

from __future__ import annotations

from math import exp

from paraformer.process.vic.constants import (
    ACCUMULATION_ALBEDO_A,
    ACCUMULATION_ALBEDO_B,
    EMISSIVITY,
    KELVIN,
    NEW_SNOW_ALBEDO,
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
def accumulation_albedo(days: float) -> float:
    """Albedo of a cold pack [1], ``days`` after the last snowfall: 0.85 x 0.94^(t^0.58) (US Army Corps of
    Engineers 1956, Snow Hydrology)."""
    return NEW_SNOW_ALBEDO * ACCUMULATION_ALBEDO_A ** (days**ACCUMULATION_ALBEDO_B)


@compiled
def thaw_albedo(days: float) -> float:
    """Albedo of a melting pack [1], ``days`` after the last snowfall: 0.85 x 0.82^(t^0.46) (USACE 1956)."""
    return NEW_SNOW_ALBEDO * THAW_ALBEDO_A ** (days**THAW_ALBEDO_B)


@compiled
def snow_albedo(
    cold_content: float, melting: bool, snow_below_canopy: float, accumulating: float, thawing: float
) -> float:
    """Albedo of an ageing pack [1] (VIC-5 ``snow_utility.c``). Snow shed by the canopy makes a cold pack new.

    Args:
        cold_content: of the pack [J m-2].
        melting: the melt season flag.
        snow_below_canopy: snowfall that reached the pack [mm].
        accumulating: albedo of a cold pack of this age [1].
        thawing: albedo of a melting pack of this age [1].
    """
    if snow_below_canopy > TRACE_SNOW and cold_content < 0.0:
        return NEW_SNOW_ALBEDO
    return accumulating if cold_content < 0.0 and not melting else thawing
