"""The snow pack on the ground: two layers, energy balance, melt, refreezing and outflow
(Andreadis, Storck & Lettenmaier 2009, WRR 45, W05429; VIC-5 ``snow_melt.c``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from paraformer.process.vic.constants import (
    DOUBLE_EPSILON,
    ICE_VOLUMETRIC_HEAT_CAPACITY,
    LATENT_HEAT_FUSION,
    LIQUID_WATER_CAPACITY,
    MM_PER_M,
    NEW_SNOW_ALBEDO,
    NO_SURFACE_TEMPERATURE,
    SECONDS_PER_DAY,
    SURFACE_LAYER_SWE,
    TEMPERATURE_BRACKET,
    THIN_SNOW_SWE,
    WATER_DENSITY,
)
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.pack_energy import PackFluxes, pack_energy_balance, pack_fluxes, pack_surface
from paraformer.process.vic.radiation import accumulation_albedo, snow_albedo, thaw_albedo
from paraformer.process.vic.roots import NO_ROOT, root_finder
from paraformer.process.vic.snow_density import settle
from paraformer.process.vic.thin_snow import exchange_thin_snow

MELT_ENERGY = LATENT_HEAT_FUSION * WATER_DENSITY  # [J m-3]
CH = ICE_VOLUMETRIC_HEAT_CAPACITY
AGES = 128  # of the surface in sub-steps; snow without fresh snow for longer is rare

PACK = np.dtype(
    [
        (name, np.float64)
        for name in (
            # given for a sub-step
            "air_temperature",  # [degC]
            "shortwave",  # reaching the pack [W m-2]
            "longwave",  # reaching the pack [W m-2]
            "air_density",  # [kg m-3]
            "pressure",  # [Pa]
            "vapour_pressure",  # [Pa]
            "vpd",  # [Pa]
            "resistance",  # aerodynamic, over snow, neutral [s m-1]
            "thin_resistance",  # the same, mixed with exposed soil [s m-1]
            "wind",  # over snow [m s-1]
            "height",  # of the air temperature over snow [m]
            "log_height",  # ln(height / roughness) over snow [1]
            "latent_heat",  # of vaporisation at air temperature [J kg-1]
            "snow_above",  # snowfall above the canopy [mm]
            "snowfall",  # reaching the pack [m]
            "rain",  # reaching the pack [m]
            "time_step",  # [s]
            "ground_temperature",  # at the start of the model step [degC]
            "latitude",
            "day_of_year",
            # working values
            "net_shortwave",  # [W m-2]
            "previous_temperature",  # surface layer before the sub-step [degC]
            "previous_swe",  # [m]
            "ice",  # all ice [m]
            "surface_ice",  # [m]
            "pack_ice",  # [m]
            "surface_cold",  # cold content of the surface layer [J m-2]
            "pack_cold",  # cold content below [J m-2]
            # results
            "vapour",  # deposition (positive) in the sub-step [m]
            "refreeze_energy",  # negative = melt [W m-2]
            "longwave_up",  # [W m-2]
            "outflow",  # liquid leaving the pack [m]
            "solved",  # 1 if the surface temperature came from the pack's own energy balance
            "fallbacks",  # root finder failures
        )
    ]
    + [(name, np.float64, (AGES,)) for name in ("accumulating", "thawing")]  # albedos by age, once a run
)
"""One sub-step of the ground pack."""


@compiled
def tabulate_albedo(time_step: float, pack: Any) -> None:
    """Albedos of all ages below ``AGES`` sub-steps of ``time_step`` [s], once a run: each takes two powers."""
    for age in range(AGES):
        days = age * time_step / SECONDS_PER_DAY
        pack.accumulating[age] = accumulation_albedo(days)
        pack.thawing[age] = thaw_albedo(days)


@compiled
def evolve_pack(pack: Any, state: Any) -> None:
    """Advance the ground pack in ``state`` by a sub-step; results in ``pack``."""
    age_surface(pack, state)
    pack.net_shortwave = (1.0 - state.albedo) * pack.shortwave
    pack.previous_temperature = state.surface_temperature
    pack.previous_swe = state.swe
    add_precipitation(pack, state)
    exchange_energy(pack, state)
    thin = state.surface_temperature == NO_SURFACE_TEMPERATURE
    route_liquid(pack, state)
    if state.swe > 0.0:
        settle(pack, state)
        update_melt_season(pack, state)
        if thin:
            exchange_thin_snow(pack, state)
            if state.swe == 0.0:
                clear_pack(state)
    else:
        clear_pack(state)
        state.melting = 0


@compiled
def clear_pack(state: Any) -> None:
    """No pack."""
    state.swe = 0.0
    state.density = 0.0
    state.depth = 0.0
    state.surface_water = 0.0
    state.pack_water = 0.0
    state.surface_temperature = 0.0
    state.pack_temperature = 0.0


@compiled
def age_surface(pack: Any, state: Any) -> None:
    """Age and albedo before the energy balance."""
    if state.swe > 0.0 and pack.snow_above == 0.0:
        state.snow_age += 1
        if state.snow_age < AGES:
            accumulating, thawing = pack.accumulating[state.snow_age], pack.thawing[state.snow_age]
        else:
            days = state.snow_age * pack.time_step / SECONDS_PER_DAY
            accumulating, thawing = accumulation_albedo(days), thaw_albedo(days)
        state.albedo = snow_albedo(
            state.cold_content, state.melting == 1, pack.snowfall * MM_PER_M, accumulating, thawing
        )
    else:
        state.snow_age = 0
        state.albedo = NEW_SNOW_ALBEDO


@compiled
def add_precipitation(pack: Any, state: Any) -> None:
    """Snow fills the surface layer (at most 0.125 m) and pushes the rest below with its cold content; rain is added."""
    ice = state.swe - state.pack_water - state.surface_water
    surface = min(ice, SURFACE_LAYER_SWE)
    below = ice - surface
    surface_cold = CH * surface * state.surface_temperature
    pack_cold = CH * below * state.pack_temperature
    snow = pack.snowfall
    snow_cold = CH * snow * pack.air_temperature if pack.air_temperature <= 0.0 else 0.0
    if snow > SURFACE_LAYER_SWE - surface and SURFACE_LAYER_SWE - surface > DOUBLE_EPSILON:
        pushed = surface + snow - SURFACE_LAYER_SWE
        if pushed > surface:
            pushed_cold = surface_cold + (snow - SURFACE_LAYER_SWE) / snow * snow_cold
        else:
            pushed_cold = pushed / surface * surface_cold
        surface = SURFACE_LAYER_SWE
        surface_cold += snow_cold - pushed_cold
        below += pushed
        pack_cold += pushed_cold
    else:
        surface += snow
        surface_cold += snow_cold
    state.surface_temperature = surface_cold / (CH * surface) if surface > 0.0 else 0.0
    state.pack_temperature = pack_cold / (CH * below) if below > 0.0 else 0.0
    state.surface_water += pack.rain
    pack.ice = ice + snow
    pack.surface_ice, pack.pack_ice = surface, below
    pack.surface_cold, pack.pack_cold = surface_cold, pack_cold


find_surface_temperature = root_finder(pack_energy_balance)


@compiled
def exchange_energy(pack: Any, state: Any) -> None:
    """Solve the surface temperature; melt, refreeze and exchange vapour. A pack too thin keeps its water as it is."""
    surface = pack_surface(pack, state)
    fluxes = pack_fluxes(0.0, surface)
    pack.solved = 1.0
    if fluxes.rest == 0.0:
        state.surface_temperature = 0.0
        take_fluxes(pack, fluxes)
        melt_at_zero(pack, state)
    elif pack.surface_ice > THIN_SNOW_SWE:
        root = find_surface_temperature(
            surface, state.surface_temperature - TEMPERATURE_BRACKET, state.surface_temperature + TEMPERATURE_BRACKET
        )
        if root <= NO_ROOT:
            root = pack.previous_temperature
            pack.fallbacks += 1.0
        state.surface_temperature = root
        take_fluxes(pack, pack_fluxes(root, surface))
        freeze_all(pack, state)
    else:
        state.surface_temperature = NO_SURFACE_TEMPERATURE
        pack.vapour = 0.0
        pack.solved = 0.0


@compiled
def take_fluxes(pack: Any, fluxes: PackFluxes) -> None:
    """Keep the fluxes of the surface temperature that was found."""
    pack.vapour = fluxes.mass_flux * pack.time_step / WATER_DENSITY
    pack.refreeze_energy = fluxes.refreeze_energy
    pack.longwave_up = fluxes.longwave_up


@compiled
def melt_at_zero(pack: Any, state: Any) -> None:
    """The surface stays at 0 degC: refreeze some liquid or melt, from the bottom of the pack first."""
    melt = 0.0
    if pack.refreeze_energy >= 0.0:
        frozen = min(pack.refreeze_energy / MELT_ENERGY * pack.time_step, state.surface_water)
        pack.surface_ice += frozen
        pack.ice += frozen
        state.surface_water -= frozen
    else:
        melt = abs(pack.refreeze_energy) / MELT_ENERGY * pack.time_step
    if state.surface_water < -pack.vapour:
        pack.vapour = -state.surface_water
        state.surface_water = 0.0
    else:
        state.surface_water += pack.vapour
    if melt < pack.ice:
        if melt <= pack.pack_ice:
            state.surface_water += melt
            pack.pack_ice -= melt
            pack.ice -= melt
        else:
            state.surface_water += melt + state.pack_water
            state.pack_water = 0.0
            pack.pack_ice = 0.0
            pack.ice -= melt
            pack.surface_ice = pack.ice
    else:
        state.surface_water += pack.ice
        pack.surface_ice = 0.0
        pack.pack_ice = 0.0
        pack.ice = 0.0
        state.surface_temperature = 0.0
        state.pack_temperature = 0.0


@compiled
def freeze_all(pack: Any, state: Any) -> None:
    """Below 0 degC all liquid of the surface layer freezes; vapour is exchanged with its ice."""
    pack.surface_ice += state.surface_water
    pack.ice += state.surface_water
    state.surface_water = 0.0
    if pack.surface_ice < -pack.vapour:
        pack.vapour = -pack.surface_ice
        pack.surface_ice = 0.0
        pack.ice = pack.pack_ice
    else:
        pack.surface_ice += pack.vapour
        pack.ice += pack.vapour


@compiled
def route_liquid(pack: Any, state: Any) -> None:
    """Liquid above 3.5 % of a layer's ice drains, refreezes below if the pack is cold, and leaves at the bottom."""
    surface, below = pack.surface_ice, pack.pack_ice
    drained = max(state.surface_water - LIQUID_WATER_CAPACITY * surface, 0.0)
    state.surface_water -= drained
    state.pack_water += drained
    freezing = state.pack_water * MELT_ENERGY
    if pack.pack_cold < -freezing:
        below += state.pack_water
        state.pack_water = 0.0
        if below > 0.0:
            pack.pack_cold = below * CH * state.pack_temperature + freezing
            state.pack_temperature = min(pack.pack_cold / (CH * below), 0.0)
        else:
            state.pack_temperature = 0.0
    else:
        state.pack_temperature = 0.0
        frozen = -pack.pack_cold / MELT_ENERGY
        state.pack_water -= frozen
        below += frozen
    outflow = max(state.pack_water - LIQUID_WATER_CAPACITY * below, 0.0)
    state.pack_water -= outflow
    pack.outflow = outflow
    pack.surface_ice, pack.pack_ice = surface, below
    redistribute_ice(pack, state)
    state.swe = pack.ice + state.pack_water + state.surface_water
    if state.swe == 0.0:
        state.surface_temperature = 0.0
        state.pack_temperature = 0.0
    state.cold_content = pack.surface_cold


@compiled
def redistribute_ice(pack: Any, state: Any) -> None:
    """Keep 0.125 m of ice in the surface layer. Cold content that moves up is taken twice (quirk Q7); for less ice the
    lower layer merges into the surface layer without its cold, whose content then lags a sub-step (quirk Q6)."""
    surface, below = pack.surface_ice, pack.pack_ice
    pack.ice = below + surface
    if pack.ice > SURFACE_LAYER_SWE:
        surface_cold = CH * state.surface_temperature * surface
        pack_cold = CH * state.pack_temperature * below
        if surface > SURFACE_LAYER_SWE:
            part = (surface - SURFACE_LAYER_SWE) / surface
            pack_cold += surface_cold * part
            surface_cold -= surface_cold * part
            below += surface - SURFACE_LAYER_SWE
            surface = SURFACE_LAYER_SWE
        elif surface < SURFACE_LAYER_SWE:
            part = (SURFACE_LAYER_SWE - surface) / below
            pack_cold -= pack_cold * part
            surface_cold += pack_cold * part
            below -= SURFACE_LAYER_SWE - surface
            surface = SURFACE_LAYER_SWE
        state.pack_temperature = pack_cold / (CH * below)
        state.surface_temperature = surface_cold / (CH * surface)
        pack.surface_cold, pack.pack_cold = surface_cold, pack_cold
    else:
        state.pack_temperature = 0.0
    pack.surface_ice, pack.pack_ice = surface, below


@compiled
def update_melt_season(pack: Any, state: Any) -> None:
    """The melt flag turns on when a pack has lost its cold in the warm half of the year, off with new snow."""
    day = pack.day_of_year
    warm_half = 60.0 < day < 273.0 if pack.latitude >= 0.0 else (day < 60.0 or day > 273.0)
    if state.cold_content >= 0.0 and warm_half:
        state.melting = 1
    elif state.melting == 1 and pack.snowfall > 3e-5:
        state.melting = 0
