"""Transpiration from the root zone."""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.canopy import canopy_resistance, moisture_stress
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.vapour import PenmanAir, penman_monteith


@compiled
def rooted_moisture(column: Any, tile: Any, layer: int) -> float:
    """Moisture roots can draw on [mm]: none in an upper layer without roots (asked of layers 1 and 2 only)."""
    if layer < 2 and tile.root[layer] <= 0.0:
        return 0.0
    return column.moisture[layer]


@compiled
def roots_can_compensate(column: Any, tile: Any, soil: Any) -> bool:
    """Whether wet layers can make up for dry ones (Liang et al. 1994, eq. 12: enough water where most roots are)."""
    upper = rooted_moisture(column, tile, 0) + rooted_moisture(column, tile, 1)
    upper_wet = upper >= tile.critical_of_rooted
    lower_wet = column.moisture[2] >= soil.critical[2]
    if upper_wet and lower_wet and tile.critical_of_rooted > 0.0:
        return True
    if upper_wet and 1.0 - tile.root[2] >= 0.5:
        return True
    return lower_wet and tile.root[2] >= 0.5


@compiled
def transpire(
    soil: Any,
    tile: Any,
    column: Any,
    air: PenmanAir,
    shortwave: float,
    net_radiation: float,
    temperature: float,
    vpd: float,
    lai: float,
    resistance: float,
    dry_part: float,
    canopy_fraction: float,
) -> float:
    """Transpiration of a sub-step [mm], added to ``column.evaporation`` layer by layer (Liang et al. 1994, eqs. 6-13).

    All layers see the moisture of the start of the model step (``column.moisture``); a layer gives water down to its
    wilting point.

    Args:
        soil: derived soil.
        tile: derived tile.
        column: moisture in, layer evaporation out.
        air: properties of the air.
        shortwave: net short-wave radiation [W m-2].
        net_radiation: with ground heat [W m-2].
        temperature: of the air [degC].
        vpd: [Pa].
        lai: leaf area per unit of canopy [1].
        resistance: aerodynamic, of the canopy [s m-1].
        dry_part: part of the step and leaves that transpires [1].
        canopy_fraction: [1].
    """
    if roots_can_compensate(column, tile, soil):
        surface = canopy_resistance(tile.rmin, shortwave, tile.rgl, temperature, vpd, lai, 1.0)
        demand = penman_monteith(air, net_radiation, vpd, resistance, surface, tile.rarc)
        return take_with_compensation(soil, tile, column, demand * column.days * dry_part, canopy_fraction)
    total = 0.0
    for layer in range(3):
        stress = moisture_stress(rooted_moisture(column, tile, layer), soil.wilting[layer], soil.critical[layer])
        taken = 0.0
        if stress > 0.0:
            surface = canopy_resistance(tile.rmin, shortwave, tile.rgl, temperature, vpd, lai, stress)
            demand = penman_monteith(air, net_radiation, vpd, resistance, surface, tile.rarc)
            taken = demand * column.days * dry_part * tile.root[layer]
        total += take(soil, column, layer, taken, canopy_fraction)
    return total


@compiled
def take_with_compensation(soil: Any, tile: Any, column: Any, demand: float, canopy_fraction: float) -> float:
    """Each layer gives its root share; wet layers add what dry ones lack, but only for the lowest dry layer (Q10)."""
    wet_roots = 1.0
    spare = 0.0
    for layer in range(3):
        stress = moisture_stress(rooted_moisture(column, tile, layer), soil.wilting[layer], soil.critical[layer])
        if stress < 1.0:
            wet_roots -= tile.root[layer]
            spare = demand * tile.root[layer] * (1.0 - stress)
    total = 0.0
    for layer in range(3):
        stress = moisture_stress(rooted_moisture(column, tile, layer), soil.wilting[layer], soil.critical[layer])
        taken = demand * stress * tile.root[layer]
        if spare > 0.0 and stress == 1.0:
            taken += tile.root[layer] * spare / wet_roots
        total += take(soil, column, layer, taken, canopy_fraction)
    return total


@compiled
def take(soil: Any, column: Any, layer: int, wanted: float, canopy_fraction: float) -> float:
    """Take water from a layer, at most down to its wilting point. Returns what is taken [mm over the tile]."""
    taken = max(min(wanted, column.moisture[layer] - soil.wilting[layer]), 0.0) * canopy_fraction
    column.evaporation[layer] += taken
    return taken
