"""One model step of one column: sub-steps of snow and evaporation, then soil water (VIC-5 ``surface_fluxes.c``)."""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.canopy import evaporate_intercepted
from paraformer.process.vic.canopy_snow import evolve_canopy
from paraformer.process.vic.column import Timing, Work
from paraformer.process.vic.constants import (
    BARE_SOIL_ARCHITECTURAL_RESISTANCE,
    INFINITE_RESISTANCE,
    MM_PER_M,
    SECONDS_PER_DAY,
)
from paraformer.process.vic.evaporation import arno_evaporation_fraction, limit_to_available
from paraformer.process.vic.ground_heat import GroundHeat, Thermal, ground_heat, thermal_properties
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.quirks import (
    dew_balance_scale,
    lost_interception,
    rain_and_snow,
    report_sub_step,
    storage_per_canopy,
    storage_per_tile,
)
from paraformer.process.vic.radiation import longwave_emission
from paraformer.process.vic.snow_pack import evolve_pack
from paraformer.process.vic.soil_water import advance_soil_water
from paraformer.process.vic.transpiration import transpire
from paraformer.process.vic.vapour import latent_heat_of_vaporisation, penman_air, penman_monteith


@compiled
def advance_column(
    tile: Any,
    month: int,
    day_of_year: int,
    band: Any,
    model_met: Any,
    snow_met: Any,
    first: int,
    timing: Timing,
    state: Any,
    work: Work,
) -> None:
    """Advance one column by a model step; fluxes are left in ``work.column``.

    A day without snow and without possible snowfall is one step; otherwise snow, canopy and evaporation run in
    ``timing.snow_steps`` sub-steps. Soil moisture changes once, at the end.

    Args:
        tile: derived tile.
        month: 0..11.
        day_of_year: 1..366.
        band: temperature offset and precipitation factor.
        model_met: meteorology of the model step.
        snow_met: meteorology of the snow steps of the cell.
        first: position of the model step's first snow step.
        timing: steps of the run.
        state: state of the column, advanced in place.
        work: the thread's working records; ``work.soil`` is the derived soil.
    """
    soil, column = work.soil, work.column
    reset(column, state)
    column.day_of_year = day_of_year
    column.transmission = tile.transmission[month]
    thermal = thermal_properties(soil, column.moisture[0], column.moisture[1])
    snowy = state.swe > 0.0 or state.canopy_snow > 0.0 or model_met.snow_possible > 0.0
    steps = timing.snow_steps if snowy else 1
    column.time_step = timing.model_step if steps == 1 else timing.snow_step
    column.days = column.time_step / SECONDS_PER_DAY
    fraction = tile.canopy_fraction[month]
    if fraction < 1.0:  # no soil evaporates under a closed canopy
        column.evaporation_fraction = arno_evaporation_fraction(column.moisture[0], soil.maximum[0], soil.infilt)
    shed_rain, shed_snow = lost_interception(state, fraction, timing.conserving)
    longwave_up = 0.0
    for sub_step in range(steps):
        met = model_met if steps == 1 else snow_met[first + sub_step]
        storage_per_canopy(state, fraction, sub_step, timing.conserving)
        advance_sub_step(tile, month, band, met, thermal, shed_rain, shed_snow, timing.conserving, state, work)
        shed_rain = 0.0
        shed_snow = 0.0
        longwave_up += state.longwave_up
    state.longwave_up = longwave_up / steps
    advance_soil_water(soil, column, timing, state)


@compiled
def reset(column: Any, state: Any) -> None:
    """Start a model step."""
    for layer in range(3):
        column.moisture[layer] = state.moisture[layer]
        column.evaporation[layer] = 0.0
    column.ground_temperature = state.surface_soil_temperature
    column.precipitation = 0.0
    column.rainfall = 0.0
    column.snowfall = 0.0
    column.inflow = 0.0
    column.transpiration = 0.0
    column.bare_soil_evaporation = 0.0
    column.canopy_evaporation = 0.0
    column.snow_sublimation = 0.0
    column.canopy_sublimation = 0.0
    column.snow_melt = 0.0
    column.root_finder_fallbacks = 0.0


@compiled
def advance_sub_step(
    tile: Any,
    month: int,
    band: Any,
    met: Any,
    thermal: Thermal,
    shed_rain: float,
    shed_snow: float,
    conserving: bool,
    state: Any,
    work: Work,
) -> None:
    """Advance snow, canopy and heat of a column by a sub-step."""
    column = work.column
    temperature = met.temperature + band.temperature_offset
    rain, snow = rain_and_snow(met.precipitation * band.precipitation_factor, temperature, conserving)
    column.rainfall += rain
    column.snowfall += snow
    column.precipitation += rain + snow
    if state.swe > 0.0 or snow + shed_snow > 0.0 or (state.canopy_snow > 0.0 and tile.overstory):
        advance_with_snow(
            tile, month, met, thermal, temperature, rain, snow, shed_rain, shed_snow, conserving, state, work
        )
    else:
        advance_without_snow(tile, month, met, thermal, temperature, rain, shed_rain, conserving, state, work)


@compiled
def wind_resistance(unit_resistance: float, wind: float) -> float:
    """Aerodynamic resistance [s m-1] from that of a wind of 1 m s-1; calm air exchanges nothing."""
    return unit_resistance / wind if wind > 0.0 else INFINITE_RESISTANCE


@compiled
def advance_without_snow(
    tile: Any,
    month: int,
    met: Any,
    thermal: Thermal,
    temperature: float,
    rain: float,
    shed_rain: float,
    conserving: bool,
    state: Any,
    work: Work,
) -> None:
    """A sub-step without snow: ground heat, net radiation, canopy evaporation, transpiration, soil evaporation."""
    soil, column = work.soil, work.column
    state.snow_age = 0
    state.melting = 0
    state.foliage_temperature = temperature
    heat = exchange_ground_heat(soil, column, thermal, temperature, column.transmission, state)
    shortwave = met.shortwave * (1.0 - tile.albedo[month])
    longwave_up = longwave_emission(temperature)
    state.longwave_up = longwave_up
    net_radiation = shortwave + met.longwave - longwave_up + heat.flux + heat.storage_change
    air = penman_air(temperature, soil.mean_elevation)
    fraction = tile.canopy_fraction[month]
    inflow = rain
    if fraction > 0.0:
        resistance = wind_resistance(tile.canopy_resistance[month], met.wind)
        wet = evaporate_intercepted(
            air,
            net_radiation,
            met.vpd,
            resistance,
            tile.rarc,
            state.canopy_water,
            tile.capacity[month],
            rain,
            column.time_step,
        )
        state.canopy_water = wet.storage
        column.canopy_evaporation += wet.evaporation * fraction
        inflow = (1.0 - fraction) * rain + fraction * wet.throughfall
        transpiration = transpire(
            soil,
            tile,
            column,
            air,
            shortwave,
            net_radiation,
            temperature,
            met.vpd,
            tile.lai[month],
            resistance,
            wet.dry_fraction,
            fraction,
        )
        column.transpiration = report_sub_step(column.transpiration, transpiration, conserving)
    storage_per_tile(state, fraction)
    column.inflow += inflow + shed_rain
    if fraction < 1.0:
        resistance = wind_resistance(tile.soil_resistance[month], met.wind)
        potential = penman_monteith(
            air, column.transmission * net_radiation, met.vpd, resistance, 0.0, BARE_SOIL_ARCHITECTURAL_RESISTANCE
        )
        evaporation = (1.0 - fraction) * limit_to_available(
            potential * column.days * column.evaporation_fraction,
            min(column.moisture[0], soil.maximum[0]),
            soil.residual[0],
        )
        column.evaporation[0] += evaporation
        column.bare_soil_evaporation = report_sub_step(column.bare_soil_evaporation, evaporation, conserving)


@compiled
def exchange_ground_heat(
    soil: Any, column: Any, thermal: Thermal, temperature: float, exposure: float, state: Any
) -> GroundHeat:
    """Advance soil temperatures by a sub-step."""
    heat = ground_heat(
        soil, thermal, temperature, state.surface_soil_temperature, state.soil_temperature, exposure, column.time_step
    )
    state.surface_soil_temperature = temperature
    state.soil_temperature = heat.temperature
    return heat


@compiled
def advance_with_snow(
    tile: Any,
    month: int,
    met: Any,
    thermal: Thermal,
    temperature: float,
    rain_above: float,
    snow_above: float,
    shed_rain: float,
    shed_snow: float,
    conserving: bool,
    state: Any,
    work: Work,
) -> None:
    """A sub-step with snow on the ground, in the canopy or falling. Soil and plants do not evaporate."""
    soil, column = work.soil, work.column
    fraction = tile.canopy_fraction[month]
    rain, snow = rain_above, snow_above
    longwave = met.longwave
    canopy_evaporation = 0.0
    canopy_loss = 0.0
    column.transpiration = report_sub_step(column.transpiration, 0.0, conserving)
    column.bare_soil_evaporation = report_sub_step(column.bare_soil_evaporation, 0.0, conserving)
    if tile.overstory and not tile.bare:  # also in months without leaves, where only its radiation counts (quirk Q33)
        run_forest(tile, month, met, temperature, rain, snow, conserving, state, work)
        forest = work.forest
        rain, snow = forest.rain * MM_PER_M, forest.snowfall * MM_PER_M
        longwave = longwave_emission(state.foliage_temperature)
        canopy_evaporation = forest.evaporation
        canopy_loss = -forest.vapour
        column.root_finder_fallbacks += forest.fallbacks
    else:
        if not tile.overstory:
            column.transmission = 1.0  # and stays so for the rest of the model step (quirk Q4)
        if snow_above > 0.0 and state.canopy_water > 0.0:
            rain += state.canopy_water
            state.canopy_water = 0.0
        if not tile.bare:
            state.foliage_temperature = temperature
    if not tile.bare:
        rain = (1.0 - fraction) * rain_above + fraction * rain
        snow = (1.0 - fraction) * snow_above + fraction * snow
        storage_per_tile(state, fraction)
        column.canopy_evaporation += canopy_evaporation * fraction
        column.canopy_sublimation += canopy_loss * fraction * MM_PER_M
    rain += shed_rain
    snow += shed_snow
    state.longwave_up = longwave_emission(temperature)
    if state.swe > 0.0 or snow > 0.0:
        run_pack(tile, month, met, temperature, rain, snow, snow_above + shed_snow, longwave, state, work)
    else:
        column.inflow += rain
        state.snow_age = 0
        state.melting = 0
    exposure = 1.0 if state.swe > 0.0 else column.transmission
    exchange_ground_heat(soil, column, thermal, temperature, exposure, state)


@compiled
def run_forest(
    tile: Any,
    month: int,
    met: Any,
    temperature: float,
    rain: float,
    snow: float,
    conserving: bool,
    state: Any,
    work: Work,
) -> None:
    """Hand a sub-step to the canopy snow model; rain and snow in mm."""
    forest, column = work.forest, work.column
    fraction = tile.canopy_fraction[month]
    absorbed = (1.0 - column.transmission) * met.shortwave
    forest.air_temperature = temperature
    forest.shortwave = absorbed / fraction if fraction > 0.0 else absorbed
    forest.snow_free_albedo = tile.albedo[month]
    forest.longwave = met.longwave
    forest.longwave_up = state.longwave_up
    forest.air_density = met.density
    forest.pressure = met.pressure
    forest.vapour_pressure = met.vapour_pressure
    forest.vpd = met.vpd
    forest.wind = tile.canopy_wind[month] * met.wind
    forest.resistance = wind_resistance(tile.canopy_resistance[month], met.wind)
    forest.architectural_resistance = tile.rarc
    forest.elevation = work.soil.mean_elevation
    forest.lai = tile.lai[month]
    forest.capacity = tile.capacity[month]
    forest.time_step = column.time_step
    forest.latent_scale = dew_balance_scale(fraction, conserving)
    forest.rain = rain / MM_PER_M
    forest.snowfall = snow / MM_PER_M
    forest.snow = state.canopy_snow
    forest.liquid = state.canopy_water / MM_PER_M
    forest.fallbacks = 0.0
    evolve_canopy(forest, state)
    state.canopy_snow = forest.snow
    state.canopy_water = forest.liquid * MM_PER_M


@compiled
def run_pack(
    tile: Any,
    month: int,
    met: Any,
    temperature: float,
    rain: float,
    snow: float,
    snow_above: float,
    longwave: float,
    state: Any,
    work: Work,
) -> None:
    """Hand a sub-step to the ground pack; rain and snow in mm."""
    pack, column, soil = work.pack, work.column, work.soil
    pack.air_temperature = temperature
    pack.shortwave = met.shortwave * column.transmission
    pack.longwave = longwave
    pack.air_density = met.density
    pack.pressure = met.pressure
    pack.vapour_pressure = met.vapour_pressure
    pack.vpd = met.vpd
    pack.resistance = wind_resistance(tile.snow_resistance[month], met.wind)
    pack.thin_resistance = wind_resistance(tile.thin_snow_resistance[month], met.wind)
    pack.wind = tile.snow_wind[month] * met.wind
    pack.height = soil.snow_height
    pack.log_height = soil.snow_log_height
    pack.latent_heat = latent_heat_of_vaporisation(temperature)
    pack.snow_above = snow_above
    pack.snowfall = snow / MM_PER_M
    pack.rain = rain / MM_PER_M
    pack.time_step = column.time_step
    pack.ground_temperature = column.ground_temperature
    pack.latitude = soil.latitude
    pack.day_of_year = column.day_of_year
    pack.fallbacks = 0.0
    evolve_pack(pack, state)
    column.root_finder_fallbacks += pack.fallbacks
    column.inflow += pack.outflow * MM_PER_M
    if pack.solved == 1.0:
        column.snow_melt += pack.outflow * MM_PER_M
    column.snow_sublimation -= pack.vapour * MM_PER_M
    if pack.solved == 1.0 and state.swe > 0.0:
        state.longwave_up = pack.longwave_up
