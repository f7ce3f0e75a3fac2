"""Density and depth of the ground pack."""

from __future__ import annotations

from math import exp
from typing import Any

from paraformer.process.vic.constants import (
    COMPACTION_DENOMINATOR,
    COMPACTION_EXPONENT,
    GRAVITY,
    INCHES_PER_M,
    MAXIMUM_DEPTH_CHANGE,
    MAXIMUM_NEW_SNOW_DENSITY,
    MM_PER_INCH,
    MM_PER_M,
    NEW_SNOW_BRAS_DENOMINATOR,
    NEW_SNOW_DENSITY,
    SNOW_VISCOSITY,
    SNOW_VISCOSITY_DENSITY,
    SNOW_VISCOSITY_TEMPERATURE,
)
from paraformer.process.vic.jit import compiled


@compiled
def new_snow_density(air_temperature: float) -> float:
    """Density of fallen snow [kg m-3] (Bras 1990, p. 257): 50 + 1000 (F / 100)^2, F the temperature in Fahrenheit."""
    fahrenheit = (9.0 / 5.0) * air_temperature + 32.0
    if fahrenheit <= 0.0:
        return NEW_SNOW_DENSITY
    ratio = fahrenheit / NEW_SNOW_BRAS_DENOMINATOR
    return min(NEW_SNOW_DENSITY + MM_PER_M * ratio * ratio, MAXIMUM_NEW_SNOW_DENSITY)


@compiled
def compaction(snowfall: float, depth: float, swe: float) -> float:
    """Loss of depth under the weight of new snow [m] (Bras 1990, p. 257, in inches), at most 0.9 of the depth.

    Args:
        snowfall: [mm].
        depth: of the pack before it [m].
        swe: of the pack before it [m].
    """
    inches = depth * INCHES_PER_M
    change = (
        (snowfall / MM_PER_INCH)
        * inches
        / (swe * INCHES_PER_M)
        * (inches / COMPACTION_DENOMINATOR) ** COMPACTION_EXPONENT
    ) / INCHES_PER_M
    return min(change, MAXIMUM_DEPTH_CHANGE * depth)


@compiled
def settling(swe: float, depth: float, density: float, temperature: float, time_step: float) -> float:
    """Loss of depth by metamorphism under the pack's own weight [m] (Anderson 1976; Bras 1990), at most 0.9 of it.

    Args:
        swe: [m].
        depth: [m].
        density: [kg m-3].
        temperature: of the surface layer [degC].
        time_step: [s].
    """
    load = 0.5 * GRAVITY * MM_PER_M * swe
    viscosity = SNOW_VISCOSITY * exp(-SNOW_VISCOSITY_TEMPERATURE * temperature + SNOW_VISCOSITY_DENSITY * density)
    return min(load / viscosity * depth * time_step, MAXIMUM_DEPTH_CHANGE * depth)


@compiled
def settle(pack: Any, state: Any) -> None:
    """Update density and depth after the water balance of a sub-step (``pack.previous_swe`` is that before it)."""
    fresh = new_snow_density(pack.air_temperature)
    if state.surface_temperature > 0.0:  # marker of a pack too thin for an energy balance
        if state.snow_age == 0:
            state.density = fresh
    else:
        depth, swe = state.depth, pack.previous_swe
        if pack.snowfall > 0.0:
            if depth > 0.0:
                depth -= compaction(pack.snowfall * MM_PER_M, depth, swe)
                depth += pack.snowfall * MM_PER_M / fresh
                swe += pack.snowfall
                density = MM_PER_M * swe / depth
            else:
                density = fresh
                swe += pack.snowfall
                depth = MM_PER_M * swe / density
        else:
            density = MM_PER_M * swe / depth
        if depth > 0.0:
            depth -= settling(swe, depth, density, state.surface_temperature, pack.time_step)
            density = MM_PER_M * swe / depth
        state.density = density
    state.depth = MM_PER_M * state.swe / state.density
