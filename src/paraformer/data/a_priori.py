"""A-priori parameters of VIC-5 from maps: ``params.nc`` and ``domain.nc`` of the image driver, ready to run.

Soil by a pedotransfer function, layer by layer; vegetation by the shares of IGBP classes in the cell, the library of
``data.vegetation`` and, where it is mapped, the leaf area index. What no map shows (infiltration, baseflow) takes the
first values of the settings: it is what a study learns. Layout and names are those of ``sources.vic_files``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.physics import EARTH_RADIUS, MM_PER_M
from paraformer.core.schema import Cube
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.data.igbp import WATER
from paraformer.data.pedotransfer import PEDOTRANSFER, SoilWater
from paraformer.data.sources.land_config import LandConfig
from paraformer.data.sources.vic_files import GridVariable, domain_of, grid_variable, vic_soil, with_meanings
from paraformer.data.vegetation import LIBRARY, leaf_area, root_zones

TITLE = "a-priori parameters of VIC-5 from maps of soil, land cover, leaf area and terrain"
"""Title of the parameter file, by which it is known as one of ours."""

DAMPING_DEPTH = 4.0
"""Depth below which the soil has its mean temperature all year, VIC's ``dp`` [m]."""

SOIL_ROUGHNESS, SNOW_ROUGHNESS = 0.01, 0.03
"""Roughness lengths of bare soil and snow (VIC's documentation: 0.001 to 0.03) [m]."""

DSMAX_RANGE = (0.1, 50.0)
"""Bounds of a maximum baseflow from conductivity and slope [mm day-1]."""


@dataclass(frozen=True)
class Sites:
    """The cells that parameters are wanted for, and their climate.

    Attributes:
        cells: identifiers.
        lat, lon: centres [degree].
        area: [m2].
        temperature: mean air temperature, VIC's ``avg_T`` [degC].
        precipitation: [mm year-1].
    """

    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    area: Float[np.ndarray, " cell"]
    temperature: Float[np.ndarray, " cell"]
    precipitation: Float[np.ndarray, " cell"]


def sites_of(cube: Cube, raster: Raster) -> Sites:
    """The cells of a cube, which are cells of a raster; climate is the mean over all days.

    Args:
        raster: the whole raster, or a window of it with all cells.

    Raises:
        DataError: a cell of the cube is not in the raster.
    """
    row = raster.positions(cube.cells) // raster.columns
    area = np.full(len(row), abs(raster.dx * raster.dy))
    if raster.geographic:
        height = np.sin(np.deg2rad(raster.y_edges[row + 1])) - np.sin(np.deg2rad(raster.y_edges[row]))
        area = np.abs(height) * np.deg2rad(abs(raster.dx)) * EARTH_RADIUS**2
    means = {name: cube.dataset[name].values.mean(axis=1, dtype=np.float64) for name in ("tair", "prcp")}
    return Sites(cube.cells, cube.lat, cube.lon, area, means["tair"], means["prcp"] * DAYS_PER_YEAR)


def a_priori_parameters(config: LandConfig, maps: xr.Dataset, sites: Sites) -> xr.Dataset:
    """The complete parameter file of the sites, float64, on a pseudo-grid of one row.

    Args:
        maps: result of ``land_maps.read_land``.

    Raises:
        DataError: a site is not in the maps.
    """
    here = _at(maps, sites)
    soil = {name: here[name].values.T for name in ("sand", "clay", "organic", "bulk")}
    water = PEDOTRANSFER[config.soil.pedotransfer](soil["sand"], soil["clay"], soil["organic"], soil["bulk"])
    layers = vic_soil(water, soil["sand"], (1 - water.porosity) * water.density)
    depth = np.array(config.layers)[:, None] * np.ones(len(sites.cells))
    layers |= {"depth": depth, "init_moist": layers["Wcr_FRACT"] * water.porosity * depth * MM_PER_M}
    elevation = here["elevation"].values
    variables = _cell_variables(config, sites, elevation, water, here["slope"].values)
    variables |= {name: grid_variable(("nlayer",), values) for name, values in layers.items()}
    variables |= _snow_bands(here)
    cover = _cover(here["cover"].values.T, config.minimum_cover)
    observed = here["leaf_area"].values.T if "leaf_area" in here else None
    variables |= _vegetation_variables(cover, leaf_area(cover, observed))
    coords = {"veg_class": ("veg_class", np.array([plant.igbp for plant in LIBRARY], dtype=np.int32))}
    attrs = {
        "title": TITLE,
        "pedotransfer": config.soil.pedotransfer,
        "veg_classes": "; ".join(f"{plant.igbp} {plant.name}" for plant in LIBRARY),
    }
    return with_meanings({**variables, **coords}, attrs).to_xarray()


def a_priori_domain(sites: Sites) -> xr.Dataset:
    """The domain file that goes with ``a_priori_parameters``."""
    return domain_of(sites.lat, sites.lon, sites.area, f"domain of {TITLE}").to_xarray()


def _at(maps: xr.Dataset, sites: Sites) -> xr.Dataset:
    known = np.isin(sites.cells, maps["cell"].values)
    if not known.all():
        raise DataError(f"cell {sites.cells[int(np.argmin(known))]} is not in the maps of soil and land cover")
    return maps.sel(cell=sites.cells)


def _snow_bands(here: xr.Dataset) -> dict[str, GridVariable]:
    """The bands of the maps, else one at the mean elevation."""
    elevation = here["elevation"].values
    bands = {
        "AreaFract": np.ones((1, len(elevation))),
        "elevation": elevation[None],
        "Pfactor": np.ones((1, len(elevation))),
    }
    if "band_area" in here:
        names = {"AreaFract": "band_area", "elevation": "band_elevation", "Pfactor": "band_precipitation"}
        bands = {name: here[source].values.T for name, source in names.items()}
    return {name: grid_variable(("snow_band",), values) for name, values in bands.items()}


def _cell_variables(
    config: LandConfig,
    sites: Sites,
    elevation: Float[np.ndarray, " cell"],
    water: SoilWater,
    slope: Float[np.ndarray, " cell"],
) -> dict[str, GridVariable]:
    n, first = len(sites.cells), config.baseflow
    dsmax = first.dsmax
    if dsmax == "conductivity_slope":
        dsmax = np.clip(water.conductivity[-1] * slope, *DSMAX_RANGE)
    values = {
        "infilt": first.infilt,
        "Ds": first.ds,
        "Dsmax": dsmax,
        "Ws": first.ws,
        "c": 2.0,
        "elev": elevation,
        "avg_T": sites.temperature,
        "dp": DAMPING_DEPTH,
        "off_gmt": 0.0,
        "rough": SOIL_ROUGHNESS,
        "snow_rough": SNOW_ROUGHNESS,
        "annual_prec": sites.precipitation,
        "lats": sites.lat,
        "lons": sites.lon,
        "cellnum": sites.cells,
        "lat": sites.lat,
        "lon": sites.lon,
    }
    integers = {"mask": 1, "run_cell": 1, "gridcell": sites.cells, "fs_active": 0}
    variables = {name: grid_variable((), np.broadcast_to(np.asarray(v, float), (n,))) for name, v in values.items()}
    variables |= {
        name: grid_variable((), np.broadcast_to(np.asarray(v, np.int32), (n,))) for name, v in integers.items()
    }
    return variables


def _cover(shares: Float[np.ndarray, "igbp cell"], minimum: float) -> Float[np.ndarray, "class cell"]:
    """Shares of the library's classes in the land of each cell; small ones go to the others, the largest always
    stays."""
    land = np.delete(shares, WATER, axis=0)
    land = land / land.sum(axis=0)
    kept = np.where((land >= minimum) | (land == land.max(axis=0)), land, 0.0)
    return kept / kept.sum(axis=0)


def _vegetation_variables(
    cover: Float[np.ndarray, "class cell"], lai: Float[np.ndarray, "class month cell"]
) -> dict[str, GridVariable]:
    """Parameters of the classes, the same in every cell but for cover, leaf area and what follows from it.

    Plants without a canopy layer of their own leave the ground between them bare: ``fcanopy = 1 - exp(-0.5 LAI)``.
    """
    n = cover.shape[1]
    trees = np.array([plant.overstory for plant in LIBRARY])
    canopy = np.where(trees[:, None, None], 1.0, 1 - np.exp(-0.5 * lai))

    def each(values: list[float]) -> GridVariable:
        return grid_variable(("veg_class",), np.repeat(np.array(values, dtype=float)[:, None], n, axis=1))

    def rows(dim: str, values: Sequence[Sequence[float] | np.ndarray]) -> GridVariable:
        return grid_variable(("veg_class", dim), np.repeat(np.array(values, dtype=float)[:, :, None], n, axis=2))

    zones = [root_zones(plant) for plant in LIBRARY]
    return {
        "Nveg": grid_variable((), (cover[:-1] > 0).sum(axis=0).astype(np.int32)),
        "Cv": grid_variable(("veg_class",), cover),
        "overstory": grid_variable(("veg_class",), np.repeat(trees[:, None], n, axis=1).astype(np.int32)),
        "rarc": each([plant.rarc for plant in LIBRARY]),
        "rmin": each([plant.rmin for plant in LIBRARY]),
        "RGL": each([plant.rgl for plant in LIBRARY]),
        "wind_h": each([plant.wind_height for plant in LIBRARY]),
        "rad_atten": each([0.5] * len(LIBRARY)),
        "wind_atten": each([0.5] * len(LIBRARY)),
        "trunk_ratio": each([0.2] * len(LIBRARY)),
        "root_depth": rows("root_zone", [thickness for thickness, _ in zones]),
        "root_fract": rows("root_zone", [share for _, share in zones]),
        "albedo": rows("month", [plant.albedo for plant in LIBRARY]),
        "veg_rough": rows("month", [(plant.rough,) * 12 for plant in LIBRARY]),
        "displacement": rows("month", [(plant.displacement,) * 12 for plant in LIBRARY]),
        "LAI": grid_variable(("veg_class", "month"), lai),
        "fcanopy": grid_variable(("veg_class", "month"), canopy),
    }
