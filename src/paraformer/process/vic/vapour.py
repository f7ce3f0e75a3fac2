"""Water vapour and air: saturation, latent heat, density, and the Penman-Monteith combination equation."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from paraformer.process.vic.constants import (
    AIR_HEAT_CAPACITY,
    DRY_AIR_GAS_CONSTANT,
    GRAVITY,
    KELVIN,
    LAPSE_RATE,
    LATENT_HEAT_VAPORISATION,
    MOLECULAR_WEIGHT_RATIO,
    PA_PER_KPA,
    SECONDS_PER_DAY,
    STANDARD_PRESSURE,
    SVP_A,
    SVP_B,
    SVP_C,
    SVP_ICE_1,
    SVP_ICE_2,
)
from paraformer.process.vic.jit import compiled, contracted_inlined


@compiled
def saturation_vapour_pressure(temperature: float) -> float:
    """Saturation vapour pressure [Pa] at ``temperature`` T [degC].

    e_s = 610.78 exp(17.269 T / (237.3 + T)), over ice times 1 + 0.00972 T + 4.2e-5 T^2
    (Tetens form; Shuttleworth in Maidment 1993, Handbook of Hydrology, eq. 4.2.2; ice term: VIC-5 ``svp.c``).
    """
    pressure = SVP_A * exp((SVP_B * temperature) / (SVP_C + temperature))
    if temperature < 0.0:
        pressure *= 1.0 + SVP_ICE_1 * temperature + SVP_ICE_2 * temperature * temperature
    return pressure * PA_PER_KPA


COLDEST_OF_SERIES, WARMEST_OF_SERIES = -50.0, 10.0  # [degC]
SERIES = (
    124.6265012481612,
    324.4719304618503,
    377.5942917285231,
    256.127793687221,
    110.07148387014446,
    30.072354857667076,
    4.730980836521133,
    0.23052506289951935,
    -0.04830150258882205,
    -0.0055353068379426626,
    0.0006708855527044955,
    7.671092860815224e-05,
    -1.340903294137246e-05,
    -5.072311311481203e-07,
    2.428217916357322e-07,
    -1.1035960428993206e-08,
)
"""Polynomial in (T + 20) / 30 through 610.78 exp(17.269 T / (237.3 + T)) at its 16 Chebyshev points, solved in 60
digits [Pa]."""


@contracted_inlined
def saturation_near_freezing(temperature: float) -> float:
    """``saturation_vapour_pressure`` to 1e-12 Pa, by a polynomial from -50 to 10 degC: a root search waits neither for
    a division nor for an exponential."""
    if not COLDEST_OF_SERIES <= temperature <= WARMEST_OF_SERIES:
        return saturation_vapour_pressure(temperature)
    x = (temperature + 20.0) * (1.0 / 30.0)
    x2 = x * x
    x4 = x2 * x2
    c = SERIES
    first = (c[0] + c[1] * x) + (c[2] + c[3] * x) * x2
    second = (c[4] + c[5] * x) + (c[6] + c[7] * x) * x2
    third = (c[8] + c[9] * x) + (c[10] + c[11] * x) * x2
    fourth = (c[12] + c[13] * x) + (c[14] + c[15] * x) * x2
    pressure = (first + second * x4) + (third + fourth * x4) * (x4 * x4)
    ice = 1.0 + SVP_ICE_1 * temperature + SVP_ICE_2 * temperature * temperature
    return pressure * ice if temperature < 0.0 else pressure


@compiled
def saturation_slope(temperature: float, saturation: float) -> float:
    """Slope of the saturation vapour pressure [Pa K-1] (Maidment 1993, eq. 4.2.3); the ice term is not differentiated.

    Args:
        temperature: T [degC].
        saturation: e_s(T) [Pa].
    """
    return (SVP_B * SVP_C) / ((SVP_C + temperature) * (SVP_C + temperature)) * saturation


@compiled
def latent_heat_of_vaporisation(temperature: float) -> float:
    """L_v = 2.501e6 - 2361 T [J kg-1], T in degC (Maidment 1993, eq. 4.2.1)."""
    return LATENT_HEAT_VAPORISATION - 2361.0 * temperature


@compiled
def latent_heat_of_sublimation(temperature: float) -> float:
    """L_s = (677 - 0.07 T) 4186.8 [J kg-1], T in degC (Bras 1990, Hydrology, p. 235)."""
    return (677.0 - 0.07 * temperature) * 4.1868 * 1000.0


@compiled
def air_density(pressure: float, temperature: float) -> float:
    """Density of dry air [kg m-3], ideal gas: P [Pa], T [degC]."""
    return pressure / (DRY_AIR_GAS_CONSTANT * (KELVIN + temperature))


@compiled
def vapour_mass_flux(
    density: float, pressure: float, vapour_pressure: float, surface_pressure: float, resistance: float
) -> float:
    """Vapour flux towards a surface [kg m-2 s-1]: rho (0.622 / P)(e - e_s) / r_a, pressures in Pa, r_a in s m-1."""
    return density * (MOLECULAR_WEIGHT_RATIO / pressure) * (vapour_pressure - surface_pressure) / resistance


class PenmanAir(NamedTuple):
    """What Penman-Monteith needs to know about the air; the same for every surface of a column."""

    slope: float  # of the saturation vapour pressure [Pa K-1]
    psychrometric: float  # [Pa K-1]
    latent_heat: float  # of vaporisation [J kg-1]
    density: float  # [kg m-3]


@compiled
def penman_air(temperature: float, elevation: float) -> PenmanAir:
    """Air properties for Penman-Monteith at T [degC] and elevation z [m], from a standard pressure profile.

    p(z) = 101325 exp(-z / H), H = R_d / g (T + 273.15 + 0.5 z (-0.0065)); gamma = 1628.6 p / L_v (VIC-5 ``penman.c``).
    The forcing's pressure is not used.
    """
    scale_height = DRY_AIR_GAS_CONSTANT / GRAVITY * ((temperature + KELVIN) + 0.5 * elevation * LAPSE_RATE)
    pressure = STANDARD_PRESSURE * exp(-elevation / scale_height)
    latent_heat = latent_heat_of_vaporisation(temperature)
    return PenmanAir(
        saturation_slope(temperature, saturation_vapour_pressure(temperature)),
        1628.6 * pressure / latent_heat,
        latent_heat,
        0.003486 * pressure / (275.0 + temperature),
    )


class PenmanTerms(NamedTuple):
    """What of ``penman_monteith`` does not depend on net radiation."""

    slope: float  # s [Pa K-1]
    aerodynamic: float  # rho c_p D / r_a
    denominator: float  # L_v (s + gamma (1 + (r_c + r_arc) / r_a))


@compiled
def penman_terms(
    air: PenmanAir,
    vpd: float,
    aerodynamic_resistance: float,
    surface_resistance: float,
    architectural_resistance: float,
) -> PenmanTerms:
    """Terms of ``penman_monteith``, whose arguments these are."""
    return PenmanTerms(
        air.slope,
        air.density * AIR_HEAT_CAPACITY * vpd / aerodynamic_resistance,
        air.latent_heat
        * (
            air.slope
            + air.psychrometric * (1.0 + (surface_resistance + architectural_resistance) / aerodynamic_resistance)
        ),
    )


@compiled
def penman_potential(terms: PenmanTerms, net_radiation: float, vpd: float) -> float:
    """Evaporation [mm day-1] at a net radiation [W m-2]; only a negative deficit ``vpd`` [Pa] allows condensation."""
    evaporation = (terms.slope * net_radiation + terms.aerodynamic) / terms.denominator * SECONDS_PER_DAY
    if vpd >= 0.0 and evaporation < 0.0:
        evaporation = 0.0
    return evaporation


@compiled
def penman_monteith(
    air: PenmanAir,
    net_radiation: float,
    vpd: float,
    aerodynamic_resistance: float,
    surface_resistance: float,
    architectural_resistance: float,
) -> float:
    """Evaporation [mm day-1] (Monteith 1965; Maidment 1993, eq. 4.2.27).

    E = (s R_n + rho c_p D / r_a) / (L_v (s + gamma (1 + (r_c + r_arc) / r_a))) 86400

    Args:
        air: s, gamma, L_v, rho.
        net_radiation: R_n [W m-2].
        vpd: D, vapour pressure deficit [Pa]; a daily mean may be negative, only then is condensation allowed.
        aerodynamic_resistance: r_a [s m-1].
        surface_resistance: r_c [s m-1].
        architectural_resistance: r_arc [s m-1].
    """
    terms = penman_terms(air, vpd, aerodynamic_resistance, surface_resistance, architectural_resistance)
    return penman_potential(terms, net_radiation, vpd)
