"""Water on leaves, stomata and transpiration."""

from __future__ import annotations

from typing import NamedTuple

from paraformer.process.vic.constants import CLOSURE_VPD, MAXIMUM_CANOPY_RESISTANCE, MINIMUM_VPD_FACTOR, SECONDS_PER_DAY
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.vapour import PenmanAir, penman_monteith


class WetCanopy(NamedTuple):
    """Result of ``evaporate_intercepted``, per unit of canopy."""

    evaporation: float  # [mm]
    throughfall: float  # [mm]
    storage: float  # [mm]
    dry_fraction: float  # part of the step and leaves that is not wet, and transpires [1]


@compiled
def wet_fraction(storage: float, capacity: float) -> float:
    """Part of the leaves that is wet [1]: (storage / capacity)^(2/3) (Deardorff 1978); both in mm. 0 without leaves."""
    if capacity == 0.0:
        return 0.0
    return (min(storage, capacity) / capacity) ** (2.0 / 3.0)


@compiled
def evaporation_of_leaves(
    wet: float, potential: float, storage: float, rain: float, time_step: float
) -> tuple[float, float]:
    """Evaporation of water on leaves [mm], and the part of the step in which it lasts [1] (Liang et al. 1994, eq. 5).

    Args:
        wet: part of the leaves that is wet [1].
        potential: evaporation of wet leaves [mm day-1].
        storage: water on leaves [mm].
        rain: [mm]; only a 24-h step may also evaporate the step's own rain.
        time_step: [s].
    """
    evaporation = wet * potential * time_step / SECONDS_PER_DAY
    part = 1.0
    if evaporation > 0.0:
        available = storage + rain if time_step == SECONDS_PER_DAY else storage
        part = min(1.0, available / evaporation)
    return evaporation * part, part


@compiled
def evaporate_intercepted(
    air: PenmanAir,
    net_radiation: float,
    vpd: float,
    resistance: float,
    architectural_resistance: float,
    storage: float,
    capacity: float,
    rain: float,
    time_step: float,
) -> WetCanopy:
    """Evaporation of water on leaves and throughfall (Liang et al. 1994, eqs. 1-5).

    Args:
        air: properties of the air.
        net_radiation: [W m-2].
        vpd: [Pa].
        resistance: aerodynamic resistance of the canopy [s m-1].
        architectural_resistance: [s m-1].
        storage: water on leaves before the step [mm].
        capacity: the most they hold [mm].
        rain: [mm].
        time_step: [s].
    """
    potential = penman_monteith(air, net_radiation, vpd, resistance, 0.0, architectural_resistance)
    return water_on_leaves(wet_fraction(storage, capacity), potential, storage, capacity, rain, time_step)


@compiled
def water_on_leaves(
    wet: float, potential: float, storage: float, capacity: float, rain: float, time_step: float
) -> WetCanopy:
    """Evaporation, throughfall and storage of a step; arguments as in ``evaporation_of_leaves`` and
    ``evaporate_intercepted``."""
    throughfall = 0.0
    if storage > capacity:
        throughfall = storage - capacity
        storage = capacity
    evaporation, part = evaporation_of_leaves(wet, potential, storage, rain, time_step)
    left = max(storage + (rain - evaporation), 0.0)
    if left > capacity:
        throughfall += left - capacity
        left = capacity
    return WetCanopy(evaporation, throughfall, left, 1.0 - part * wet)


@compiled
def canopy_resistance(
    rmin: float, shortwave: float, rgl: float, temperature: float, vpd: float, lai: float, moisture_factor: float
) -> float:
    """Jarvis canopy resistance [s m-1] (Jarvis 1976; Dickinson et al. 1991; Wigmosta et al. 1994).

    r_c = r_min / (LAI g_sm g_T g_D) (1 + f) / (f + r_min / 5000), f = SW_net / RGL, at most 5000.

    Args:
        rmin: minimum stomatal resistance [s m-1].
        shortwave: net short-wave radiation [W m-2].
        rgl: radiation that halves the resistance [W m-2].
        temperature: of the air [degC].
        vpd: [Pa].
        lai: leaf area per unit of canopy [1].
        moisture_factor: g_sm, 1 = no water stress.
    """
    if rmin == 0.0:
        return 0.0
    if lai == 0.0:
        return MAXIMUM_CANOPY_RESISTANCE
    light = shortwave / rgl
    day_factor = (1.0 + light) / (light + rmin / MAXIMUM_CANOPY_RESISTANCE)
    warmth = 0.08 * temperature - 0.0016 * temperature * temperature
    if warmth <= 0.0:
        warmth = 1e-10
    dryness = max(1.0 - vpd / CLOSURE_VPD, MINIMUM_VPD_FACTOR)
    resistance = rmin / (lai * moisture_factor * warmth * dryness) * day_factor
    return min(resistance, MAXIMUM_CANOPY_RESISTANCE)


@compiled
def moisture_stress(moisture: float, wilting: float, critical: float) -> float:
    """Soil-moisture factor of transpiration: 1 above the critical point, 0 below wilting, linear between [1]."""
    if moisture >= critical:
        return 1.0
    if moisture >= wilting:
        return (moisture - wilting) / (critical - wilting)
    return 0.0
