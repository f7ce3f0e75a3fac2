"""Wind profile and aerodynamic resistances (Storck 2000; VIC-5 ``CalcAerodynamic.c``), and stability over snow."""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from paraformer.process.vic.constants import (
    DISPLACEMENT_PER_HEIGHT,
    EVAPORATION_HEIGHT_FACTOR,
    GRAVITY,
    KELVIN,
    ROUGHNESS_PER_HEIGHT,
    VON_KARMAN,
)
from paraformer.process.vic.jit import compiled, contracted_inlined

K2 = VON_KARMAN * VON_KARMAN


class Aerodynamics(NamedTuple):
    """For a reference wind of 1 m s-1: wind [m s-1] scales with, resistance [s m-1] inversely to the wind."""

    surface_wind: float
    canopy_wind: float
    snow_wind: float
    surface_resistance: float
    canopy_resistance: float
    snow_resistance: float


@compiled
def vapour_resistance(roughness: float, displacement: float) -> float:
    """Resistance to vapour of a rough surface at unit wind [s m-1].

    ln((2 + c d) / z0) ln((2 + c d) / (0.1 z0)) / k^2, c = 1 / 0.63 - 1 (roughness for vapour 0.1 z0).
    """
    height = 2.0 + EVAPORATION_HEIGHT_FACTOR * displacement
    return np.log(height / roughness) * np.log(height / (0.1 * roughness)) / K2


@compiled
def exposed_soil_resistance(roughness: float) -> float:
    """``vapour_resistance`` of the soil between plants [s m-1]; its displacement follows from its roughness."""
    return vapour_resistance(roughness, DISPLACEMENT_PER_HEIGHT * (roughness / ROUGHNESS_PER_HEIGHT))


@compiled
def open_aerodynamics(reference: float, roughness: float, displacement: float, snow_rough: float) -> Aerodynamics:
    """Logarithmic profile over low vegetation or soil; heights in m."""
    wind = np.log((2.0 + roughness) / roughness) / np.log((reference - displacement) / roughness)
    resistance = vapour_resistance(roughness, displacement)
    snow_log = np.log((2.0 + snow_rough) / snow_rough)
    reference_log = np.log(reference / snow_rough)
    return Aerodynamics(wind, wind, snow_log / reference_log, resistance, resistance, snow_log * reference_log / K2)


@compiled
def forest_aerodynamics(
    reference: float,
    roughness: float,
    displacement: float,
    height: float,
    trunk: float,
    attenuation: float,
    snow_rough: float,
) -> Aerodynamics:
    """Profile through a forest: logarithmic above, exponential in the crowns, logarithmic in the trunk space.

    Args:
        reference: height of the wind measurement [m].
        roughness: of the canopy [m].
        displacement: zero-plane displacement [m].
        height: of the trees [m].
        trunk: height of the trunk space [m].
        attenuation: exponent n of the wind profile in the crowns [1].
        snow_rough: roughness of snow on the ground [m].
    """
    n = attenuation
    top = 1.5 * height - 0.5 * displacement  # top of the roughness sublayer [m]
    log_reference = np.log((reference - displacement) / roughness)
    canopy_resistance = (
        log_reference
        / K2
        * (
            height / (n * (top - displacement)) * (exp(n * (1.0 - (displacement + roughness) / height)) - 1.0)
            + (top - height) / (top - displacement)
            + np.log((reference - displacement) / (top - displacement))
        )
    )
    top_wind = np.log((top - displacement) / roughness) / log_reference
    crown_wind = top_wind - (1.0 - (height - displacement) / (top - displacement)) / log_reference
    canopy_wind = crown_wind * exp(n * ((roughness + displacement) / height - 1.0))
    trunk_wind = crown_wind * exp(n * (trunk / height - 1.0))
    surface_wind = np.log((2.0 + roughness) / roughness) / log_reference
    snow_log = np.log((2.0 + snow_rough) / snow_rough)
    trunk_log = np.log(trunk / snow_rough)
    if trunk > 2.0 + snow_rough:
        snow_wind = trunk_wind * snow_log / trunk_log
        snow_resistance = snow_log * trunk_log / (K2 * trunk_wind)
    else:
        crown = height * log_reference / (n * K2 * (top - displacement))
        snow_resistance = trunk_log * trunk_log / (K2 * trunk_wind)
        if height > 2.0 + snow_rough:
            snow_wind = crown_wind * exp(n * ((2.0 + snow_rough) / height - 1.0))
            snow_resistance += crown * (exp(n * (1.0 - trunk / height)) - exp(n * (1.0 - (snow_rough + 2.0) / height)))
        else:
            snow_wind = crown_wind
            snow_resistance += crown * (exp(n * (1.0 - trunk / height)) - 1.0)
    return Aerodynamics(
        surface_wind,
        canopy_wind,
        snow_wind,
        vapour_resistance(roughness, displacement),
        canopy_resistance,
        snow_resistance,
    )


@compiled
def richardson_per_kelvin(height: float, wind: float) -> float:
    """g z / u^2 [1], which with (T_a - T_s) / T gives the bulk Richardson number.

    Args:
        height: z, of the air temperature above the displacement [m].
        wind: u, above 0 [m s-1].
    """
    return GRAVITY * height / (wind * wind)


@compiled
def largest_richardson(log_height: float, air_temperature: float) -> float:
    """Largest Richardson number times the mean temperature [K]: T_a / (ln(z / z0) + 5), T_a in K.

    Args:
        log_height: ln(height / roughness).
        air_temperature: [degC].
    """
    return (air_temperature + KELVIN) / (log_height + 5.0)


@contracted_inlined
def stability_factor(per_kelvin: float, largest: float, surface_temperature: float, air_temperature: float) -> float:
    """Factor that divides a resistance for atmospheric stability [1] (bulk Richardson number; VIC-5
    ``StabilityCorrection.c``): (1 - Ri / 0.2)^2 stable, sqrt(1 - 16 Ri) unstable.

    Args:
        per_kelvin: from ``richardson_per_kelvin``; 0 without wind.
        largest: from ``largest_richardson`` [K].
        surface_temperature: [degC].
        air_temperature: [degC].
    """
    mean = ((air_temperature + KELVIN) + (surface_temperature + KELVIN)) / 2.0
    richardson = min(per_kelvin * (air_temperature - surface_temperature), largest) / mean
    if richardson > 0.0:
        return (1.0 - 5.0 * richardson) * (1.0 - 5.0 * richardson)
    return sqrt(1.0 - 16.0 * max(richardson, -0.5))
