"""Energy balance of the surface of the snow pack on the ground
(Andreadis, Storck & Lettenmaier 2009, WRR 45, W05429; VIC-5 ``SnowPackEnergyBalance.c``).

Most of a snowy run is spent here, since a root search evaluates the balance about ten times. So all that does not
depend on the surface temperature is computed once, and the balance reads no record.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from paraformer.process.vic.aerodynamics import largest_richardson, richardson_per_kelvin, stability_factor
from paraformer.process.vic.constants import (
    AIR_HEAT_CAPACITY,
    ICE_VOLUMETRIC_HEAT_CAPACITY,
    LATENT_HEAT_FUSION,
    MINIMUM_SNOW_DEPTH,
    MOLECULAR_WEIGHT_RATIO,
    SNOW_CONDUCTIVITY,
    WATER_DENSITY,
    WATER_HEAT_CAPACITY,
)
from paraformer.process.vic.jit import compiled, contracted_inlined
from paraformer.process.vic.radiation import longwave_emission
from paraformer.process.vic.roots import refreezing
from paraformer.process.vic.vapour import latent_heat_of_sublimation, saturation_near_freezing


class PackSurface(NamedTuple):
    """What the energy balance needs besides the surface temperature, once a sub-step."""

    air_temperature: float  # [degC]
    radiation: float  # net short-wave and incoming long-wave [W m-2]
    conductance: float  # aerodynamic, neutral [m s-1]
    richardson: float  # g z / u^2 [1]
    most_richardson: float  # limit of the same product with temperatures [K]
    heat: float  # c_p rho, of air [J m-3 K-1]
    vapour: float  # 0.622 rho / P [kg m-3 Pa-1]
    vapour_pressure: float  # of air [Pa]
    saturated: bool  # no vapour pressure deficit, and so no sublimation
    latent_heat: float  # of vaporisation [J kg-1]
    advected: float  # heat of rain [W m-2]
    ground: float  # ground heat per kelvin and second, see quirk Q5
    ground_temperature: float  # [degC]
    storage: float  # of the surface layer per kelvin [W m-2 K-1]
    previous_temperature: float  # of the surface layer [degC]
    available: float  # heat of freezing all liquid of the surface layer [W m-2]


class PackFluxes(NamedTuple):
    """The balance at a surface temperature."""

    rest: float  # energy left over [W m-2]
    refreeze_energy: float  # negative = melt [W m-2]
    mass_flux: float  # of vapour, deposition positive [kg m-2 s-1]
    longwave_up: float  # [W m-2]


@compiled
def pack_surface(pack: Any, state: Any) -> PackSurface:
    """All terms that do not depend on the surface temperature."""
    richardson = 0.0
    if pack.wind > 0.0:
        richardson = richardson_per_kelvin(pack.height, pack.wind)
    ground = 0.0
    if state.depth > MINIMUM_SNOW_DEPTH:
        ground = SNOW_CONDUCTIVITY * state.density * state.density / (state.depth * pack.time_step)
    return PackSurface(
        pack.air_temperature,
        pack.net_shortwave + pack.longwave,
        1.0 / pack.resistance,
        richardson,
        largest_richardson(pack.log_height, pack.air_temperature),
        AIR_HEAT_CAPACITY * pack.air_density,
        pack.air_density * (MOLECULAR_WEIGHT_RATIO / pack.pressure),
        pack.vapour_pressure,
        pack.vpd == 0.0,
        pack.latent_heat,
        WATER_HEAT_CAPACITY * WATER_DENSITY * pack.air_temperature * pack.rain / pack.time_step,
        ground,
        pack.ground_temperature,
        ICE_VOLUMETRIC_HEAT_CAPACITY * pack.surface_ice / pack.time_step,
        pack.previous_temperature,
        state.surface_water * LATENT_HEAT_FUSION * WATER_DENSITY / pack.time_step,
    )


@contracted_inlined
def pack_fluxes(temperature: float, surface: PackSurface) -> PackFluxes:
    """Fluxes and the energy left over at a surface temperature; 0 at 0 degC where the excess can go into melt.

    Net radiation + sensible + latent + rain heat + ground flux - change of cold content + refreezing. The ground flux
    is divided by the time step and counted twice (quirk Q5); its size is negligible.
    """
    conductance = surface.conductance * stability_factor(
        surface.richardson, surface.most_richardson, temperature, surface.air_temperature
    )
    longwave_up = longwave_emission(temperature)
    sensible = surface.heat * (surface.air_temperature - temperature) * conductance
    mass_flux = surface.vapour * (surface.vapour_pressure - saturation_near_freezing(temperature)) * conductance
    if surface.saturated and mass_flux < 0.0:
        mass_flux = 0.0
    latent_heat = surface.latent_heat if temperature >= 0.0 else latent_heat_of_sublimation(temperature)
    advected = surface.advected if temperature == 0.0 else 0.0
    ground = surface.ground * (surface.ground_temperature - temperature)
    storage = surface.storage * (temperature - surface.previous_temperature) - ground
    rest = surface.radiation - longwave_up + sensible + latent_heat * mass_flux + advected + ground - storage
    refreeze_energy, rest = refreezing(temperature, rest, surface.available)
    return PackFluxes(rest, refreeze_energy, mass_flux, longwave_up)


@contracted_inlined
def pack_energy_balance(temperature: float, surface: PackSurface) -> float:
    """Energy left over at a surface temperature [W m-2]."""
    return pack_fluxes(temperature, surface).rest
