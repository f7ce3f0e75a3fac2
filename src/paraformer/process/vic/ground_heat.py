"""Heat in the soil: thermal properties, temperature below layer 1, ground heat flux."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from paraformer.process.vic.constants import MM_PER_M
from paraformer.process.vic.jit import compiled


@compiled
def dry_conductivity(bulk_density: float, soil_density: float) -> float:
    """Thermal conductivity of dry soil [W m-1 K-1] (Johansen 1975; Farouki 1986); densities in kg m-3."""
    return (0.135 * bulk_density + 64.7) / (soil_density - 0.947 * bulk_density)


@compiled
def saturated_conductivity(quartz: float, porosity: float) -> float:
    """Thermal conductivity of saturated, unfrozen soil [W m-1 K-1] (Johansen 1975); fractions [1]."""
    other = 3.0 if quartz < 0.2 else 2.2
    solids = 7.7**quartz * other ** (1.0 - quartz)
    return solids ** (1.0 - porosity) * 0.57**porosity


@compiled
def soil_conductivity(water: float, porosity: float, dry: float, saturated: float) -> float:
    """Thermal conductivity of moist soil [W m-1 K-1] (Johansen 1975): Kersten number 0.7 log10(w / porosity) + 1.

    Args:
        water: w, volumetric moisture [1].
        porosity: [1].
        dry: conductivity of dry soil [W m-1 K-1].
        saturated: conductivity of saturated soil [W m-1 K-1].
    """
    if water <= 0.0:
        return dry
    kersten = 0.7 * np.log10(water / porosity) + 1.0
    return max((saturated - dry) * kersten + dry, dry)


@compiled
def soil_heat_capacity(water: float, solids: float) -> float:
    """Volumetric heat capacity of soil [J m-3 K-1]: 2.0e6 solids + 4.2e6 water + 1.3e3 air, fractions [1]."""
    return 2.0e6 * solids + 4.2e6 * water + 1.3e3 * (1.0 - (solids + water))


class Thermal(NamedTuple):
    """Thermal properties of layers 1 and 2, held through a model step."""

    conductivity_1: float  # [W m-1 K-1]
    conductivity_2: float
    capacity_1: float  # [J m-3 K-1]
    capacity_2: float


@compiled
def thermal_properties(soil: Any, moisture_1: float, moisture_2: float) -> Thermal:
    """Properties of layers 1 and 2 for their moisture [mm]."""
    water_1 = moisture_1 / (soil.depth[0] * MM_PER_M)
    water_2 = moisture_2 / (soil.depth[1] * MM_PER_M)
    return Thermal(
        soil_conductivity(water_1, soil.porosity[0], soil.dry_conductivity[0], soil.saturated_conductivity[0]),
        soil_conductivity(water_2, soil.porosity[1], soil.dry_conductivity[1], soil.saturated_conductivity[1]),
        soil_heat_capacity(water_1, soil.solid_fraction[0]),
        soil_heat_capacity(water_2, soil.solid_fraction[1]),
    )


class GroundHeat(NamedTuple):
    """Fluxes towards the surface [W m-2] and the new temperature at the bottom of layer 1 [degC]."""

    flux: float
    storage_change: float
    temperature: float


@compiled
def ground_heat(
    soil: Any,
    thermal: Thermal,
    surface: float,
    previous_surface: float,
    previous: float,
    exposure: float,
    time_step: float,
) -> GroundHeat:
    """Ground heat flux with a temperature profile that decays exponentially below layer 1 (Liang et al. 1999,
    JGR 104, 9509, eqs. 7-12; averaged over two depths as in VIC 4.1.0, option GF_410).

    Args:
        soil: derived soil (depth_1, dp, damping = exp(-D/dp), rise = exp(D/dp), avg_t).
        thermal: properties of layers 1 and 2.
        surface: T_s, new surface temperature [degC].
        previous_surface: T_0, surface temperature of the previous sub-step [degC].
        previous: T_1, temperature at the bottom of layer 1 [degC].
        exposure: part of the ground that exchanges heat [1].
        time_step: [s].
    """
    d, e = soil.depth_1, soil.damping
    k1, k2 = thermal.conductivity_1, thermal.conductivity_2
    c1 = thermal.capacity_2 * soil.dp / d * (1.0 - e)
    c2 = -(1.0 - soil.rise) * e
    c3 = k1 / d - k2 / d + k2 / d * e
    temperature = (
        k1 / 2.0 / d / d * surface + c1 / time_step * previous + (2.0 * c2 - 1.0 + e) * k2 / 2.0 / d / d * soil.avg_t
    ) / (c1 / time_step + k2 / d / d * c2 + c3 / 2.0 / d)
    flux = exposure * (k1 / d * (temperature - surface) + k2 / d * (1.0 - e) * (soil.avg_t - temperature)) / 2.0
    storage_change = (
        thermal.capacity_1 * ((previous_surface + previous) - (surface + temperature)) * d / (2.0 * time_step)
    )
    return GroundHeat(flux, storage_change, temperature)
