"""Pedotransfer functions: what a soil holds and conducts, from its texture, bulk density and organic matter.

Sources: Cosby, B. J. et al. (1984), Water Resour. Res. 20, 682-690, multivariate regressions (Table 5); Saxton, K. E.
and Rawls, W. J. (2006), Soil Sci. Soc. Am. J. 70, 1569-1578, eqs. 1 to 10 and 16 (Table 1), evaluated with the full
precision of the printed coefficients; Rosetta 3 of Zhang and Schaap (2017) by way of ``data.van_genuchten``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.data.van_genuchten import brooks_corey, rosetta_curves

PARTICLE_DENSITY = 2.685
"""Density of soil particles that goes with Cosby's regressions in the reference data [g cm-3]."""

MINERAL_DENSITY = 2.65
"""Density of soil particles in Saxton and Rawls (2006) [g cm-3]."""

RESIDUAL = 0.02
"""Residual moisture where the function knows none [m3 m-3]."""

INCH_PER_HOUR = 609.6
"""mm day-1 of one inch per hour."""

FIELD_CAPACITY_SUCTION, WILTING_SUCTION = 336.5, 15295.0
"""33 kPa and 1500 kPa [cm of water]."""

CM_PER_KPA = 10.197
"""Suction of one kPa [cm of water]."""

_DENSITY_FACTOR = (0.9, 1.3)
"""Range of the density factor (Saxton and Rawls 2006, p. 1573)."""

_LEAST_WATER = 0.01
"""Water content at 1500 kPa, and between that and 33 kPa, that pure sand keeps [m3 m-3]: the regressions leave it
none."""

Soil = Float[np.ndarray, "*soil"]


class SoilWater(NamedTuple):
    """Hydraulic properties of soils; the water contents are shares of the porosity, as VIC wants them."""

    porosity: Soil  # [m3 m-3]
    field_capacity: Soil  # water content at 33 kPa, of the porosity [1]
    wilting_point: Soil  # water content at 1500 kPa, of the porosity [1]
    conductivity: Soil  # at saturation [mm day-1]
    exponent: Soil  # of the unsaturated conductivity, K = Ks s^exponent [1]
    suction: Soil  # air entry [cm]
    density: Soil  # of the particles [g cm-3]
    residual: Soil  # water content that stays [m3 m-3]


def cosby(sand: Soil, silt: Soil, clay: Soil, bulk: Soil) -> SoilWater:
    """Cosby et al. (1984): Clapp-Hornberger curves from texture [%]; porosity from the bulk density [g cm-3].

    ``b = 3.10 + 0.157 clay - 0.003 sand``; ``psi_s = 10^(1.54 - 0.0095 sand + 0.0063 silt)`` cm;
    ``Ks = 10^(-0.60 + 0.0126 sand - 0.0064 clay)`` inch h-1; ``exponent = 2 b + 3``; water contents of the porosity are
    ``(psi_s / psi)^(1/b)``.
    """
    b = 3.10 + 0.157 * clay - 0.003 * sand
    suction = 10 ** (1.54 - 0.0095 * sand + 0.0063 * silt)
    return SoilWater(
        porosity=1 - bulk / PARTICLE_DENSITY,
        field_capacity=(suction / FIELD_CAPACITY_SUCTION) ** (1 / b),
        wilting_point=(suction / WILTING_SUCTION) ** (1 / b),
        conductivity=10 ** (-0.60 + 0.0126 * sand - 0.0064 * clay) * INCH_PER_HOUR,
        exponent=2 * b + 3,
        suction=suction,
        density=np.full_like(sand, PARTICLE_DENSITY),
        residual=np.full_like(sand, RESIDUAL),
    )


def saxton_rawls(sand: Soil, clay: Soil, organic: Soil, bulk: Soil | None = None) -> SoilWater:
    """Saxton and Rawls (2006): Brooks-Corey curves from texture [%] and organic matter [%].

    Args:
        sand, clay: shares of the fine earth by weight [%].
        organic: organic matter by weight [%]; the regressions hold up to 8 %, more is taken as 8 %.
        bulk: bulk density [g cm-3]; ``None`` takes the normal density of the texture. A density beyond 0.9 to 1.3
            times the normal one is taken as that (the range of eq. 7).

    The regressions were made without soils of more than 60 % clay or nearly pure sand; there the order of the water
    contents is kept by ``_LEAST_WATER``.
    """
    s, c, om = sand / 100, clay / 100, np.minimum(organic, 8.0)
    t1500 = -0.024 * s + 0.487 * c + 0.006 * om + 0.005 * s * om - 0.013 * c * om + 0.068 * s * c + 0.031
    theta_1500 = t1500 + 0.14 * t1500 - 0.02
    t33 = -0.251 * s + 0.195 * c + 0.011 * om + 0.006 * s * om - 0.027 * c * om + 0.452 * s * c + 0.299
    theta_33 = t33 + 1.283 * t33**2 - 0.374 * t33 - 0.015
    ts33 = 0.278 * s + 0.034 * c + 0.022 * om - 0.018 * s * om - 0.027 * c * om - 0.584 * s * c + 0.078
    drained = ts33 + 0.636 * ts33 - 0.107
    saturated = theta_33 + drained - 0.097 * s + 0.043
    entry = -21.67 * s - 27.93 * c - 81.97 * drained + 71.12 * s * drained + 8.29 * c * drained + 14.05 * s * c + 27.16
    entry = entry + 0.02 * entry**2 - 0.113 * entry - 0.70
    if bulk is not None:
        normal = (1 - saturated) * MINERAL_DENSITY
        density = np.clip(bulk / normal, *_DENSITY_FACTOR) * normal
        looser = 1 - density / MINERAL_DENSITY
        theta_33, saturated = theta_33 - 0.2 * (saturated - looser), looser
    theta_1500 = np.maximum(theta_1500, _LEAST_WATER)
    theta_33 = np.maximum(theta_33, theta_1500 + _LEAST_WATER)
    slope = (np.log(1500) - np.log(33)) / (np.log(theta_33) - np.log(theta_1500))
    drainable = np.maximum(saturated - theta_33, 0.5 * _LEAST_WATER)  # dense clay holds its water against gravity
    capacity = np.minimum(theta_33 / saturated, 1.0)
    return SoilWater(
        porosity=saturated,
        field_capacity=capacity,
        wilting_point=np.minimum(theta_1500 / saturated, 0.95 * capacity),
        conductivity=1930 * drainable ** (3 - 1 / slope) * 24,
        exponent=3 + 2 * slope,
        suction=np.maximum(entry, 0.1) * CM_PER_KPA,
        density=np.full_like(sand, MINERAL_DENSITY),
        residual=np.full_like(sand, RESIDUAL),
    )


def rosetta(sand: Soil, clay: Soil, bulk: Soil) -> SoilWater:
    """Rosetta 3 (Zhang and Schaap 2017): water contents by van Genuchten's curve, the exponent by Brooks and Corey's.

    Args:
        sand, clay: shares of the fine earth by weight [%].
        bulk: bulk density [g cm-3].

    Raises:
        SettingsError, DataError: as ``rosetta_curves``.
    """
    curve = rosetta_curves(sand, clay, bulk)
    straight = brooks_corey(curve)
    return SoilWater(
        porosity=curve.saturated,
        field_capacity=curve.water_content(FIELD_CAPACITY_SUCTION) / curve.saturated,
        wilting_point=curve.water_content(WILTING_SUCTION) / curve.saturated,
        conductivity=curve.conductivity,
        exponent=3 + 2 / straight.slope,
        suction=straight.entry,
        density=np.full(np.shape(sand), MINERAL_DENSITY),
        residual=curve.residual,
    )


PEDOTRANSFER: dict[str, Callable[[Soil, Soil, Soil, Soil], SoilWater]] = {
    "cosby": lambda sand, clay, organic, bulk: cosby(sand, 100 - sand - clay, clay, bulk),
    "saxton_rawls": saxton_rawls,
    "rosetta": lambda sand, clay, organic, bulk: rosetta(sand, clay, bulk),
}
"""Functions by their name in the settings, of sand, clay, organic matter [%] and bulk density [g cm-3]."""
