"""Derived quantities: what the model computes once a run for one cell, one parameter set and its tiles."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from paraformer.process.vic.aerodynamics import exposed_soil_resistance, forest_aerodynamics, open_aerodynamics
from paraformer.process.vic.constants import (
    BARE_SOIL_ALBEDO,
    DEW_PER_LAI,
    DISPLACEMENT_PER_HEIGHT,
    MINIMUM_CANOPY_FRACTION,
    MM_PER_M,
)
from paraformer.process.vic.drainage import NEAREST_POWER, TERMS, drainage_coefficient, drainage_series
from paraformer.process.vic.ground_heat import dry_conductivity, saturated_conductivity
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.parameters import (
    MOST_OPEN_CANOPY,
    MOST_ROOT_ZONES,
    CellParameters,
    residual_fraction,
)
from paraformer.process.vic.radiation import canopy_transmission

SMALLEST_ROOT_FRACTION = 1e-4  # [1]


def _record(scalars: str, layers: str = "", months: str = "", flags: str = "", zones: str = "") -> np.dtype:
    fields: list[Any] = [(name, np.float64) for name in scalars.split()]
    fields += [(name, np.float64, (3,)) for name in layers.split()]
    fields += [(name, np.float64, (MOST_ROOT_ZONES,)) for name in zones.split()]
    fields += [(name, np.float64, (12,)) for name in months.split()]
    fields += [(name, np.int64) for name in flags.split()]
    return np.dtype(fields)


SITE = _record(
    "mean_elevation latitude avg_t dp rough snow_rough",
    "ksat bulk_density soil_density quartz wcr_fract wpwp_fract residual_fraction",
)
"""A-priori soil of a cell, units of ``CellParameters``; elevation is the mean of the bands."""

PLANT = _record(
    "rarc rmin rgl rad_atten wind_atten trunk_ratio wind_h",
    months="lai fcanopy albedo veg_rough displacement",
    flags="active bare overstory",
    zones="root_depth root_fract",
)
"""A-priori vegetation of a tile, units of ``CellParameters``; root zones that a file does not have are 0 m thick."""

BAND = _record("temperature_offset precipitation_factor")

SOIL = np.dtype(
    _record(
        "mean_elevation latitude avg_t infilt upper_maximum baseflow_linear baseflow_curved ws c "
        "depth_1 dp damping rise snow_height snow_log_height",
        "maximum residual critical wilting expt drainage_coefficient nearest_power dry_conductivity "
        "saturated_conductivity porosity solid_fraction depth",
    ).descr
    + [(f"{series}_{layer}", np.float64, (TERMS,)) for series in ("powers", "drained") for layer in (1, 2)]
)
"""Soil of one cell and parameter set. Moistures in mm, fluxes per runoff sub-step; see ``drainage_series``."""

TILE = _record(
    "rarc rmin rgl critical_of_rooted",
    "root",
    "canopy_fraction lai capacity transmission albedo canopy_wind snow_wind canopy_resistance snow_resistance "
    "soil_resistance thin_snow_resistance",
    "active bare overstory",
)
"""Vegetation of one tile; LAI and capacity per unit of canopy; winds and resistances for a wind of 1 m s-1."""


MONTHLY = ("lai", "fcanopy", "albedo", "veg_rough", "displacement")
ZONES = ("root_depth", "root_fract")


def mean_of_steps(value: np.ndarray, steps: int) -> np.ndarray:
    """Mean of a constant over the snow steps of a model step, summed one by one as VIC-5 does.

    It may differ from the value in the last bit, and a canopy that dries out magnifies that bit to 1e-8 mm.
    """
    total = np.zeros_like(value)
    for _ in range(steps):
        total += value
    return total / steps


def pack(parameters: CellParameters, snow_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A-priori parameters as records: ``SITE`` [cell], ``PLANT`` [cell, tile], ``BAND`` [cell, band].

    Args:
        parameters: of the cells.
        snow_steps: snow steps a model step.
    """
    site = np.zeros(parameters.n_cell, dtype=SITE)
    site["mean_elevation"] = parameters.mean_elevation()
    site["latitude"] = parameters.lat
    site["residual_fraction"] = residual_fraction(parameters)
    for name in SITE.names or ():
        if name in CellParameters._fields:
            site[name] = getattr(parameters, name)
    plant = np.zeros((parameters.n_cell, parameters.n_tile), dtype=PLANT)
    for name in PLANT.names or ():
        if name in CellParameters._fields:
            value = getattr(parameters, name)
            if name in ZONES:
                plant[name][..., : value.shape[-1]] = value
            else:
                plant[name] = mean_of_steps(value, snow_steps) if name in MONTHLY else value
    plant["active"] = parameters.cv > 0
    band = np.zeros((parameters.n_cell, parameters.n_band), dtype=BAND)
    band["temperature_offset"] = parameters.band_temperature_offset()
    band["precipitation_factor"] = parameters.band_precipitation_factor()
    return site, plant, band


@compiled
def derive_soil(site: Any, calibrated: Any, runoff_steps_per_day: float, soil: Any) -> None:
    """Fill ``soil`` (``SOIL``) from the a-priori ``site`` and θ (``calibrated``)."""
    soil.mean_elevation = site.mean_elevation
    soil.latitude = site.latitude
    soil.avg_t = site.avg_t
    soil.dp = site.dp
    soil.infilt = calibrated.infilt
    soil.ws = calibrated.ws
    soil.c = calibrated.c
    soil.depth[0], soil.depth[1], soil.depth[2] = calibrated.depth_1, calibrated.depth_2, calibrated.depth_3
    soil.expt[0], soil.expt[1], soil.expt[2] = calibrated.expt_1, calibrated.expt_2, calibrated.expt_3
    for layer in range(3):
        bulk, particles = site.bulk_density[layer], site.soil_density[layer]
        porosity = 1.0 - bulk / particles
        maximum = soil.depth[layer] * porosity * MM_PER_M
        soil.porosity[layer] = porosity
        soil.solid_fraction[layer] = bulk / particles
        soil.maximum[layer] = maximum
        soil.residual[layer] = site.residual_fraction[layer] * soil.depth[layer] * MM_PER_M
        critical, wilting = site.wcr_fract[layer], site.wpwp_fract[layer]
        soil.critical[layer] = (critical + (calibrated.wcr_factor - 1.0) * (critical - wilting)) * maximum
        soil.wilting[layer] = wilting * maximum
        conductivity = calibrated.ksat_factor * site.ksat[layer] / runoff_steps_per_day
        soil.drainage_coefficient[layer] = drainage_coefficient(
            conductivity, maximum, soil.residual[layer], soil.expt[layer]
        )
        soil.nearest_power[layer] = NEAREST_POWER / (soil.expt[layer] - 1.0)
        soil.dry_conductivity[layer] = dry_conductivity(bulk, particles)
        soil.saturated_conductivity[layer] = saturated_conductivity(site.quartz[layer], porosity)
    drainage_series(soil.expt[0], soil.powers_1, soil.drained_1)
    drainage_series(soil.expt[1], soil.powers_2, soil.drained_2)
    soil.upper_maximum = soil.maximum[0] + soil.maximum[1]
    dsmax = calibrated.dsmax / runoff_steps_per_day
    soil.baseflow_linear = dsmax * calibrated.ds / calibrated.ws
    soil.baseflow_curved = dsmax * (1.0 - calibrated.ds / calibrated.ws)
    soil.depth_1 = soil.depth[0]
    soil.damping = exp(-soil.depth_1 / site.dp)
    soil.rise = exp(soil.depth_1 / site.dp)
    soil.snow_height = 2.0 + site.snow_rough
    soil.snow_log_height = np.log((2.0 + site.snow_rough) / site.snow_rough)


@compiled
def derive_tile(site: Any, plant: Any, soil: Any, canopy_gap_factor: float, tile: Any) -> None:
    """Fill ``tile`` (``TILE``) from the a-priori ``plant``, the derived ``soil`` and θ."""
    tile.active = plant.active
    tile.bare = plant.bare
    tile.overstory = plant.overstory
    tile.rarc = plant.rarc
    tile.rmin = plant.rmin
    tile.rgl = plant.rgl
    if not plant.bare:
        root_fractions(plant.root_depth, plant.root_fract, soil.depth, tile.root)
    tile.critical_of_rooted = 0.0
    for layer in range(2):
        if tile.root[layer] > 0.0:
            tile.critical_of_rooted += soil.critical[layer]
    for month in range(12):
        derive_cover(plant, month, canopy_gap_factor, tile)
        derive_aerodynamics(site, plant, month, tile)


@compiled
def derive_cover(plant: Any, month: int, canopy_gap_factor: float, tile: Any) -> None:
    """Canopy fraction, LAI of the canopy, storage, transmission and albedo of a month (VIC-5 ``vic_force.c``)."""
    lai = plant.lai[month]
    fraction = plant.fcanopy[month]
    if fraction < MINIMUM_CANOPY_FRACTION or lai == 0.0 or plant.bare:
        fraction = 0.0
        lai = 0.0
    elif canopy_gap_factor != 1.0:
        fraction = max(1.0 - canopy_gap_factor * (1.0 - fraction), min(MOST_OPEN_CANOPY, fraction))
    tile.canopy_fraction[month] = fraction
    if fraction > 0.0:
        lai /= fraction
    tile.lai[month] = lai
    tile.capacity[month] = DEW_PER_LAI * lai
    tile.transmission[month] = canopy_transmission(fraction, plant.rad_atten, lai)
    tile.albedo[month] = BARE_SOIL_ALBEDO if plant.bare else plant.albedo[month]


@compiled
def derive_aerodynamics(site: Any, plant: Any, month: int, tile: Any) -> None:
    """Winds and resistances of a month for a wind of 1 m s-1, with the exposed soil between plants mixed in."""
    roughness = plant.veg_rough[month]
    if roughness == 0.0:
        roughness = site.rough
    displacement = plant.displacement[month]
    reference = plant.wind_h
    if displacement >= plant.wind_h:
        reference = displacement + plant.wind_h + roughness
    if plant.overstory:
        height = displacement / DISPLACEMENT_PER_HEIGHT
        air = forest_aerodynamics(
            reference, roughness, displacement, height, plant.trunk_ratio * height, plant.wind_atten, site.snow_rough
        )
    else:
        air = open_aerodynamics(reference, roughness, displacement, site.snow_rough)
    tile.canopy_wind[month] = air.canopy_wind
    tile.snow_wind[month] = air.snow_wind
    tile.canopy_resistance[month] = air.canopy_resistance
    tile.snow_resistance[month] = air.snow_resistance
    fraction = tile.canopy_fraction[month]
    tile.soil_resistance[month] = air.surface_resistance
    tile.thin_snow_resistance[month] = air.snow_resistance
    if fraction < 1.0:
        exposed = exposed_soil_resistance(site.rough) / air.surface_wind
        tile.soil_resistance[month] = 1.0 / (fraction / air.surface_resistance + (1.0 - fraction) / exposed)
        tile.thin_snow_resistance[month] = 1.0 / (fraction / air.snow_resistance + (1.0 - fraction) / exposed)


@compiled
def root_fractions(zone_depth: Any, zone_fraction: Any, layer_depth: Any, root: Any) -> None:
    """Roots in each soil layer [1], uniform inside a root zone; roots below the column count in the lowest layer.

    Args:
        zone_depth: thickness of the root zones [m].
        zone_fraction: roots in each zone [1].
        layer_depth: thickness of the layers [m].
        root: result, normalised to sum 1; fractions below 1e-4 are 0.
    """
    total = 0.0
    layer_top = 0.0
    for layer in range(3):
        layer_bottom = layer_top + layer_depth[layer]
        if layer == 2:
            layer_bottom = np.inf
        zone_top = 0.0
        root[layer] = 0.0
        for zone in range(len(zone_depth)):
            zone_bottom = zone_top + zone_depth[zone]
            overlap = min(layer_bottom, zone_bottom) - max(layer_top, zone_top)
            if overlap > 0.0:
                root[layer] += zone_fraction[zone] * (overlap / zone_depth[zone])
            zone_top = zone_bottom
        if root[layer] < SMALLEST_ROOT_FRACTION:
            root[layer] = 0.0
        total += root[layer]
        layer_top = layer_bottom
    if total > 0.0:
        for layer in range(3):
            root[layer] /= total
