"""Constants and formulas of physics that more than one room takes; what is VIC's alone is in ``process.vic.constants``.

A value stands here once. Factors of a published formula stay in the formula.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

KELVIN = 273.15  # 0 degC [K]
STEFAN_BOLTZMANN = 5.67e-8  # [W m-2 K-4]
LAPSE_RATE = -0.0065  # change of air temperature with height [K m-1]
GRAVITY = 9.80616  # [m s-2]
STANDARD_PRESSURE = 101325.0  # [Pa]

MM_PER_M = 1000.0
M2_PER_KM2 = 1e6
PA_PER_KPA = 1000.0
SECONDS_PER_DAY, SECONDS_PER_HOUR = 86400.0, 3600.0

EARTH_RADIUS = 6_371_007.181
"""Sphere of the same area as the earth's ellipsoid, that of the MODIS grids: for areas [m]."""
MEAN_RADIUS = 6371.0
"""Mean radius of the earth: for distances [km]."""
RIVER_RADIUS = 6_371_229.0
"""Sphere on which the cells of river networks lie, as those of VIC and the Lohmann program do [m]."""

SVP_A, SVP_B, SVP_C = 0.61078, 17.269, 237.3
"""Saturation vapour pressure over water is ``A exp(B T / (C + T))``: [kPa], [1], [degC]."""
SVP_ICE_1, SVP_ICE_2 = 0.00972, 0.000042
"""That over ice is ``1 + a T + b T^2`` times as much, says VIC-5 (``svp.c``): [degC-1], [degC-2]."""


def saturation_vapour_pressure(tair: Float[np.ndarray, "*n"], *, ice: bool = False) -> Float[np.ndarray, "*n"]:
    """Saturation vapour pressure [kPa] at an air temperature T [degC].

    Over water ``e_s = 0.61078 exp(17.269 T / (237.3 + T))``: Murray (1967), J. Appl. Meteorol. 6, 203-204. Below 0 degC
    air over snow is saturated with less: VIC-5 takes it times ``1 + 0.00972 T + 4.2e-5 T^2``.

    Args:
        ice: saturation over ice below 0 degC, as VIC-5 computes it; else over water at any temperature, to which
            weather services refer humidity.
    """
    water = SVP_A * np.exp(SVP_B * tair / (SVP_C + tair))
    return np.where(tair < 0, water * (1 + SVP_ICE_1 * tair + SVP_ICE_2 * tair**2), water) if ice else water


def saturation_slope(tair: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Slope of the saturation vapour pressure over water [kPa K-1] at T [degC]: ``B C / (C + T)^2 e_s``."""
    return SVP_B * SVP_C / (SVP_C + tair) ** 2 * saturation_vapour_pressure(tair)


def declination_of_sun(day_of_year: np.ndarray) -> Float[np.ndarray, "*n"]:
    """Declination of the sun [rad] on a day of the year, 1 to 366: Allen et al. (1998), FAO-56, eq. 24."""
    return 0.409 * np.sin(2 * np.pi * day_of_year / 365 - 1.39)


def nearness_of_sun(day_of_year: np.ndarray) -> Float[np.ndarray, "*n"]:
    """Inverse relative distance of earth and sun, squared [1], on a day of the year: Allen et al. (1998), eq. 23."""
    return 1 + 0.033 * np.cos(2 * np.pi * day_of_year / 365)
