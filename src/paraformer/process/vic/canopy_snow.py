"""Snow in trees: interception, energy balance of the foliage, melt, sublimation and mass release
(Storck 2000; Andreadis, Storck & Lettenmaier 2009, WRR 45, W05429; VIC-5 ``snow_intercept.c``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from paraformer.process.vic.canopy import water_on_leaves
from paraformer.process.vic.canopy_energy import (
    CanopySurface,
    canopy_energy_balance,
    canopy_net_radiation,
    canopy_surface,
    snow_balance,
)
from paraformer.process.vic.constants import (
    DOUBLE_EPSILON,
    LATENT_HEAT_FUSION,
    LIQUID_WATER_CAPACITY,
    MINIMUM_INTERCEPTION_STORAGE,
    MM_PER_M,
    NEW_SNOW_ALBEDO,
    SNOW_INTERCEPTION_PER_LAI,
    TEMPERATURE_BRACKET,
    THIN_SNOW_SWE,
    WATER_DENSITY,
)
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.roots import NO_ROOT, root_finder
from paraformer.process.vic.vapour import penman_potential

FOREST = np.dtype(
    [
        (name, np.float64)
        for name in (
            # given for a sub-step; water per unit of canopy
            "air_temperature",  # [degC]
            "shortwave",  # absorbed by the canopy before its albedo [W m-2]
            "snow_free_albedo",  # [1]
            "longwave",  # from the sky [W m-2]
            "longwave_up",  # from below the canopy [W m-2]
            "air_density",  # [kg m-3]
            "pressure",  # [Pa]
            "vapour_pressure",  # [Pa]
            "vpd",  # [Pa]
            "wind",  # in the canopy [m s-1]
            "resistance",  # aerodynamic, of the canopy [s m-1]
            "architectural_resistance",  # [s m-1]
            "elevation",  # of the cell [m]
            "lai",
            "capacity",  # liquid water on leaves [mm]
            "time_step",  # [s]
            "latent_scale",  # 1, or the canopy fraction (quirk Q1)
            # water, changed in place
            "rain",  # in: above, out: below the canopy [m]
            "snowfall",  # in: above, out: below the canopy [m]
            "snow",  # intercepted snow [m]
            "liquid",  # intercepted rain [m]
            # working values
            "initial_liquid",  # [m]
            "initial_snow",  # [m]
            "net_shortwave",  # [W m-2]
            "snow_balance",  # 1 if the energy balance is that of intercepted snow
            # results
            "vapour",  # deposition (positive) in the sub-step [m]
            "refreeze_energy",  # [W m-2]
            "evaporation",  # of liquid from snow-free leaves [mm]
            "throughfall",  # [mm]
            "storage",  # [mm]
            "fallbacks",  # root finder failures
        )
    ]
)
"""One sub-step of a canopy with snow in it or around it."""


@compiled
def evolve_canopy(forest: Any, state: Any) -> None:
    """Advance intercepted snow and rain by a sub-step; foliage temperature and melt storage are in ``state``."""
    rain_in = forest.rain
    forest.initial_liquid = forest.liquid
    forest.initial_snow = forest.snow
    most = 4.0 * SNOW_INTERCEPTION_PER_LAI * forest.lai
    snow_through = intercept_snow(forest, state.foliage_temperature, most)
    rain_through = intercept_rain(forest)
    if forest.liquid + forest.snow > most:
        total = forest.liquid + forest.snow
        overload = total - most
        rain_part, snow_part = forest.liquid / total, forest.snow / total
        forest.liquid -= overload * rain_part
        forest.snow -= overload * snow_part
        rain_through += overload * rain_part
        snow_through += overload * snow_part
    if forest.liquid + forest.snow < DOUBLE_EPSILON:
        state.foliage_temperature = forest.air_temperature
    forest.rain = rain_in
    solve_foliage_temperature(forest, state)
    if forest.snow <= 0.0:
        rain_through = forest.throughfall / MM_PER_M
        forest.liquid = forest.storage / MM_PER_M
    drip, released = melt_and_release(forest, state, snow_through)
    if forest.snow == 0.0 and forest.liquid > forest.capacity / MM_PER_M:
        rain_through += forest.liquid - forest.capacity / MM_PER_M
        forest.liquid = forest.capacity / MM_PER_M
    if forest.snow_balance == 1.0:
        forest.evaporation = 0.0
    forest.rain = rain_through + drip
    forest.snowfall = snow_through + released


@compiled
def interception_capacity(lai: float, foliage_temperature: float) -> float:
    """Snow a canopy can hold [m] (Storck 2000): 0.5 mm per LAI when cold, up to 4 times as much near 0 degC."""
    factor = 1.0
    if -3.0 < foliage_temperature < -1.0:
        factor = foliage_temperature * 1.5 + 5.5
    elif foliage_temperature > -1.0:
        factor = 4.0
    return factor * SNOW_INTERCEPTION_PER_LAI * lai


@compiled
def intercept_snow(forest: Any, foliage_temperature: float, most: float) -> float:
    """Catch snowfall (Storck 2000); wind blows part of dry snow off. Returns the snow that falls through [m]."""
    capacity = interception_capacity(forest.lai, foliage_temperature)
    caught = 0.0
    if capacity > 0.0:
        caught = (1.0 - forest.snow / capacity) * forest.snowfall
        caught = min(caught, capacity - forest.snow)
        caught = max(caught, 0.0)
    if foliage_temperature < -3.0 and caught > 0.0 and forest.wind > 1.0:
        caught -= min((0.2 * forest.wind - 0.2) * caught, caught)
    if forest.snow + caught > most:
        caught = 0.0
    through = forest.snowfall - caught
    if forest.snowfall == 0.0 and forest.snow < THIN_SNOW_SWE:
        through += forest.snow
        caught -= forest.snow
    forest.snow += caught
    if forest.snow < DOUBLE_EPSILON:
        forest.snow = 0.0
    return through


@compiled
def liquid_capacity(forest: Any) -> float:
    """Liquid a canopy can hold [m]: on its leaves and in its snow."""
    return LIQUID_WATER_CAPACITY * forest.snow + forest.capacity / MM_PER_M


@compiled
def intercept_rain(forest: Any) -> float:
    """Catch rain up to the liquid capacity. Returns the rain that falls through [m]."""
    capacity = liquid_capacity(forest)
    if forest.liquid + forest.rain <= capacity:
        forest.liquid += forest.rain
        through = 0.0
    else:
        through = forest.liquid + forest.rain - capacity
        forest.liquid = capacity
    if forest.rain == 0.0 and forest.liquid < THIN_SNOW_SWE:
        through += forest.liquid
        forest.liquid = 0.0
    return through


find_foliage_temperature = root_finder(canopy_energy_balance)


@compiled
def solve_foliage_temperature(forest: Any, state: Any) -> None:
    """Foliage temperature that closes the canopy's energy balance: at most 0 degC with snow; leaves the fluxes in
    ``forest``."""
    before = state.foliage_temperature
    below_zero = forest.snow > 0.0 or forest.snowfall > 0.0
    albedo = NEW_SNOW_ALBEDO if below_zero else forest.snow_free_albedo
    forest.net_shortwave = (1.0 - albedo) * forest.shortwave
    canopy = canopy_surface(forest)
    root = 0.0
    if not below_zero or canopy_energy_balance(0.0, canopy) != 0.0:
        lower = before - TEMPERATURE_BRACKET if not below_zero or before <= 0.0 else -TEMPERATURE_BRACKET
        upper = 0.0 if below_zero else before + TEMPERATURE_BRACKET
        root = find_foliage_temperature(canopy, lower, upper)
    if root <= NO_ROOT:
        root = before
        forest.fallbacks += 1.0
    state.foliage_temperature = root
    keep_fluxes(root, canopy, forest)


@compiled
def keep_fluxes(temperature: float, canopy: CanopySurface, forest: Any) -> None:
    """Leave the fluxes at a foliage temperature in ``forest``: vapour and refreezing of snow, or water on leaves."""
    forest.vapour = 0.0
    forest.refreeze_energy = 0.0
    forest.snow_balance = 1.0 if canopy.snowy else 0.0
    if canopy.snowy:
        depth_flux, forest.refreeze_energy, _ = snow_balance(temperature, canopy)
        forest.vapour = depth_flux * forest.time_step
        return
    potential = penman_potential(canopy.penman, canopy_net_radiation(temperature, canopy), canopy.vpd)
    wet = water_on_leaves(
        canopy.wet, potential, forest.initial_liquid * MM_PER_M, forest.capacity, canopy.rain, canopy.time_step
    )
    forest.evaporation = wet.evaporation
    forest.throughfall = wet.throughfall
    forest.storage = wet.storage * forest.latent_scale


@compiled
def melt_and_release(forest: Any, state: Any, snow_through: float) -> tuple[float, float]:
    """Phase change and vapour exchange of intercepted water. Returns drip and released snow [m]."""
    energy = forest.refreeze_energy * forest.time_step
    if state.foliage_temperature == 0.0:
        return melt_at_zero(forest, state, snow_through, energy)
    state.canopy_melt = 0.0
    if energy < forest.liquid * LATENT_HEAT_FUSION:  # J m-2 against m: the density is missing in VIC-5 too
        frozen = abs(energy) / LATENT_HEAT_FUSION
        forest.snow += frozen
        forest.liquid -= frozen
    else:
        forest.snow += forest.liquid
        forest.liquid = 0.0
    if -forest.vapour > forest.snow:
        forest.vapour = -forest.snow
        forest.snow = 0.0
    else:
        forest.snow += forest.vapour
    return 0.0, 0.0


@compiled
def melt_at_zero(forest: Any, state: Any, snow_through: float, energy: float) -> tuple[float, float]:
    """At 0 degC: vapour comes from liquid, melt fills the liquid capacity, the rest drips or waits for mass release."""
    drip = 0.0
    released = 0.0
    capacity = liquid_capacity(forest)
    if -forest.vapour > forest.liquid:
        forest.vapour = -forest.liquid
        forest.liquid = 0.0
    else:
        forest.liquid += forest.vapour
    melt = 0.0
    if energy < 0.0:
        melt = min(-energy / LATENT_HEAT_FUSION / WATER_DENSITY, forest.snow)
    if forest.liquid + melt <= capacity:
        forest.snow -= melt
        forest.liquid += melt
    else:
        excess = melt + forest.liquid - capacity
        forest.snow -= capacity - forest.liquid
        forest.liquid = capacity
        forest.snow = max(forest.snow, 0.0)
        if snow_through > 0.0 and forest.initial_snow <= MINIMUM_INTERCEPTION_STORAGE:
            drip += excess
            forest.snow = max(forest.snow - excess, 0.0)
        else:
            state.canopy_melt += excess
        dripped, released = release_mass(forest, state)
        drip += dripped
    capacity = liquid_capacity(forest)
    if forest.liquid > capacity:
        drip += forest.liquid - capacity
        forest.liquid = capacity
    return drip, released


@compiled
def release_mass(forest: Any, state: Any) -> tuple[float, float]:
    """Snow slides off in proportion to the melt that has gathered (Storck 2000). Returns drip and released snow [m]."""
    drip = 0.0
    released = 0.0
    while forest.snow > MINIMUM_INTERCEPTION_STORAGE:
        threshold = 0.10 * forest.snow
        most = 0.17 * forest.snow
        if not state.canopy_melt >= threshold:
            last = min(state.canopy_melt, forest.snow)
            drip += last
            forest.snow -= last
            return drip, released
        drip += threshold
        forest.snow -= threshold
        state.canopy_melt -= threshold
        slide = 0.0
        if forest.snow >= MINIMUM_INTERCEPTION_STORAGE:
            slide = min(forest.snow - MINIMUM_INTERCEPTION_STORAGE, most)
        forest.snow -= slide
        released += slide
    last = min(state.canopy_melt, forest.snow)
    drip += last
    forest.snow -= last
    state.canopy_melt = 0.0
    return drip, released
