"""Energy balance of foliage with snow in it or around it (Andreadis, Storck & Lettenmaier 2009, WRR 45, W05429; VIC-5
``func_canopy_energy_bal.c``). A root search evaluates it about ten times, so it reads no record."""

from __future__ import annotations

from typing import Any, NamedTuple

from paraformer.process.vic.canopy import evaporation_of_leaves, wet_fraction
from paraformer.process.vic.constants import (
    AIR_HEAT_CAPACITY,
    LATENT_HEAT_FUSION,
    MM_PER_M,
    MOLECULAR_WEIGHT_RATIO,
    WATER_DENSITY,
    WATER_HEAT_CAPACITY,
)
from paraformer.process.vic.jit import compiled, inlined
from paraformer.process.vic.radiation import longwave_emission
from paraformer.process.vic.roots import refreezing
from paraformer.process.vic.vapour import (
    PenmanTerms,
    latent_heat_of_sublimation,
    penman_air,
    penman_potential,
    penman_terms,
    saturation_vapour_pressure,
)


class CanopySurface(NamedTuple):
    """What the energy balance needs besides the foliage temperature, once a sub-step.

    Only what leaves every rounding as it is in VIC-5 is computed ahead: whether a canopy that loses its last snow keeps
    1e-19 m of it depends on the last bit, and the soil remembers that (quirk Q14).
    """

    snowy: bool  # whether snow lies in the canopy
    air_temperature: float  # [degC]
    radiation: float  # net short-wave, long-wave from above and below [W m-2]
    resistance: float  # ten times the canopy's over snow [s m-1]
    heat: float  # c_p rho, of air [J m-3 K-1]
    vapour: float  # 0.622 rho / P [kg m-3 Pa-1]
    vapour_pressure: float  # of air [Pa]
    vpd: float  # [Pa]
    penman: PenmanTerms  # of leaves
    wet: float  # part of the leaves [1]
    storage: float  # water on leaves [mm]
    rain: float  # [mm]
    time_step: float  # [s]
    latent_heat: float  # of vaporisation [J kg-1]
    latent_scale: float  # 1, or the canopy fraction (quirk Q1)
    advected: float  # heat of rain [W m-2]
    available: float  # heat of freezing all liquid [W m-2]


@compiled
def canopy_surface(forest: Any) -> CanopySurface:
    """All terms that do not depend on the foliage temperature."""
    snowy = forest.snow > 0.0
    resistance = 10.0 * forest.resistance if snowy else forest.resistance
    storage = forest.initial_liquid * MM_PER_M
    wet, latent_heat, penman = 0.0, 0.0, PenmanTerms(0.0, 0.0, 0.0)
    if not snowy:
        wet = wet_fraction(storage, forest.capacity)
        air = penman_air(forest.air_temperature, forest.elevation)
        latent_heat = air.latent_heat
        penman = penman_terms(air, forest.vpd, resistance, 0.0, forest.architectural_resistance)
    return CanopySurface(
        snowy,
        forest.air_temperature,
        forest.net_shortwave + forest.longwave + forest.longwave_up,
        resistance,
        AIR_HEAT_CAPACITY * forest.air_density,
        forest.air_density * (MOLECULAR_WEIGHT_RATIO / forest.pressure),
        forest.vapour_pressure,
        forest.vpd,
        penman,
        wet,
        min(storage, forest.capacity),
        forest.rain * MM_PER_M,
        forest.time_step,
        latent_heat,
        forest.latent_scale,
        WATER_HEAT_CAPACITY * WATER_DENSITY * forest.air_temperature * forest.rain / forest.time_step,
        forest.initial_liquid * LATENT_HEAT_FUSION * WATER_DENSITY / forest.time_step,
    )


@inlined
def canopy_net_radiation(temperature: float, canopy: CanopySurface) -> float:
    """Net radiation of the canopy, which emits on both sides [W m-2]."""
    return canopy.radiation - 2.0 * longwave_emission(temperature)


@inlined
def snow_balance(temperature: float, canopy: CanopySurface) -> tuple[float, float, float]:
    """Vapour flux to snow in the canopy [m s-1], refreeze energy and energy left over [W m-2]."""
    difference = canopy.vapour_pressure - saturation_vapour_pressure(temperature)
    mass_flux = canopy.vapour * difference / canopy.resistance
    if canopy.vpd == 0.0 and mass_flux < 0.0:
        mass_flux = 0.0
    depth_flux = mass_flux / WATER_DENSITY
    latent = latent_heat_of_sublimation(temperature) * depth_flux * WATER_DENSITY
    sensible = canopy.heat * (canopy.air_temperature - temperature) / canopy.resistance
    rest = sensible + latent + canopy_net_radiation(temperature, canopy) + canopy.advected
    refreeze_energy, rest = refreezing(temperature, rest, canopy.available)
    return depth_flux, refreeze_energy, rest


@inlined
def canopy_energy_balance(temperature: float, canopy: CanopySurface) -> float:
    """Energy left over at a foliage temperature [W m-2]; 0 at 0 degC where the excess can melt snow.

    Sensible + latent + net radiation + rain heat + refreezing. Evaporation from snow-free leaves enters with a
    positive sign (quirk Q9).
    """
    if canopy.snowy:
        return snow_balance(temperature, canopy)[2]
    net_radiation = canopy_net_radiation(temperature, canopy)
    potential = penman_potential(canopy.penman, net_radiation, canopy.vpd)
    evaporation, _ = evaporation_of_leaves(canopy.wet, potential, canopy.storage, canopy.rain, canopy.time_step)
    latent = canopy.latent_heat * (evaporation * canopy.latent_scale / (MM_PER_M * canopy.time_step)) * WATER_DENSITY
    sensible = canopy.heat * (canopy.air_temperature - temperature) / canopy.resistance
    return sensible + latent + net_radiation + canopy.advected
