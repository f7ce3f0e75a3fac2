"""Where VIC-5 does not keep its water. Each leak is one function; ``conserving`` closes it.

Numbers refer to the list of quirks in ``docs/decisions/0002-vic-golden.md``. Quirks that change numbers but lose no
water are kept in both modes and named where they act (Q4 to Q11).
"""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.constants import ALL_RAIN_TEMPERATURE, ALL_SNOW_TEMPERATURE, MINIMUM_SNOWFALL, MM_PER_M
from paraformer.process.vic.jit import compiled


@compiled
def storage_per_canopy(state: Any, canopy_fraction: float, sub_step: int, conserving: bool) -> None:
    """Turn tile averages of intercepted water into amounts per unit of canopy.

    Q1: VIC-5 does this once a model step, but turns them back (``storage_per_tile``) after every sub-step, so each
    further sub-step multiplies the storage by the canopy fraction.
    """
    if canopy_fraction > 0.0 and (sub_step == 0 or conserving):
        state.canopy_water /= canopy_fraction
        state.canopy_snow /= canopy_fraction


@compiled
def storage_per_tile(state: Any, canopy_fraction: float) -> None:
    """Turn intercepted water per unit of canopy back into tile averages."""
    state.canopy_water *= canopy_fraction
    state.canopy_snow *= canopy_fraction


@compiled
def dew_balance_scale(canopy_fraction: float, conserving: bool) -> float:
    """Scale of evaporation and dew storage inside the energy balance of a canopy without snow in it.

    Q1: VIC-5 multiplies the dew storage by the canopy fraction there and again in ``storage_per_tile``.
    """
    return 1.0 if conserving else canopy_fraction


@compiled
def lost_interception(state: Any, canopy_fraction: float, conserving: bool) -> tuple[float, float]:
    """Rain and snow [mm] that fall when the leaves that held them are gone (LAI 0).

    Q16: VIC-5 drops this water.
    """
    if canopy_fraction > 0.0 or not conserving:
        return 0.0, 0.0
    rain = state.canopy_water
    snow = state.canopy_snow * MM_PER_M
    state.canopy_water = 0.0
    state.canopy_snow = 0.0
    state.canopy_melt = 0.0
    return rain, snow


@compiled
def rain_and_snow(precipitation: float, temperature: float, conserving: bool) -> tuple[float, float]:
    """Rain and snow [mm]: a linear mix between -0.5 and 0.5 degC (US Army Corps of Engineers 1956).

    Q17: VIC-5 drops snowfall below 1e-5 mm; it becomes rain here.
    """
    if temperature >= ALL_RAIN_TEMPERATURE:
        rain = precipitation
    elif temperature <= ALL_SNOW_TEMPERATURE:
        rain = 0.0
    else:
        rain = (temperature - ALL_SNOW_TEMPERATURE) / (ALL_RAIN_TEMPERATURE - ALL_SNOW_TEMPERATURE) * precipitation
    snow = precipitation - rain
    if snow < MINIMUM_SNOWFALL:
        snow = 0.0
        if conserving:
            rain = precipitation
    return rain, snow


@compiled
def report_sub_step(reported: float, sub_step: float, conserving: bool) -> float:
    """Transpiration or bare-soil evaporation to report after a sub-step [mm].

    Q2: VIC-5 reports the last sub-step only (its water balance holds the sum).
    """
    return reported + sub_step if conserving else sub_step
