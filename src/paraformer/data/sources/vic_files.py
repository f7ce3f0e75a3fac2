"""VIC-5 image-driver files of the built-in world: ``params.nc`` and ``domain.nc``, a-priori values by pedotransfer.

Soil by Cosby et al. (1984); vegetation by IGBP class with the monthly course of the leaf area index of the NLDAS Mosaic
classes times a factor of wetness, an assumption.
Names, dims and conventions are those of the image driver: pseudo-grid ``y, x`` with one row, 3 layers, snow bands, and
a last class (barren) that is the bare-soil tile, not counted in ``Nveg``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.arrays import Arrays
from paraformer.core.physics import MM_PER_M
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.data.igbp import IGBP_CLASSES
from paraformer.data.pedotransfer import SoilWater, cosby
from paraformer.data.sources.land import Land

LAYER_DEPTHS = (0.1, 0.3, 1.5)
"""Thickness of the soil layers [m]."""

GridVariable = tuple[tuple[str, ...], np.ndarray, dict[str, str]]

_FULL = (1.0,) * 12
_GRASS_COURSE = (0.16, 0.19, 0.21, 0.23, 0.37, 0.77, 1.0, 0.88, 0.42, 0.26, 0.21, 0.19)
_DECIDUOUS_COURSE = (0.07, 0.07, 0.12, 0.29, 0.63, 0.94, 1.0, 0.91, 0.70, 0.30, 0.12, 0.07)
_MIXED_COURSE = (0.53, 0.55, 0.61, 0.69, 0.84, 0.99, 1.0, 0.95, 0.86, 0.68, 0.57, 0.53)
_NEEDLE_COURSE = (0.81, 0.85, 0.91, 0.94, 0.96, 1.0, 0.98, 0.95, 0.94, 0.91, 0.85, 0.81)
_SHRUB_COURSE = (0.34, 0.35, 0.27, 0.19, 0.21, 0.28, 0.37, 0.69, 1.0, 0.68, 0.43, 0.35)
_MOSAIC_COURSE = (0.27, 0.29, 0.32, 0.36, 0.50, 0.83, 1.0, 0.90, 0.54, 0.38, 0.31, 0.29)


class VegetationClass(NamedTuple):
    """One IGBP class as the built-in world's VIC sees it: resistances [s m-1], ``rgl`` [W m-2], lengths [m], leaf area
    index [1].

    The values are not those of ``data.vegetation``: the world's numbers rest on the classes of the reference runs
    (Mosaic's courses, roots in fixed zones), which real studies have no reason to take.
    """

    igbp: int
    overstory: bool
    rarc: float
    rmin: float
    rgl: float
    wind_h: float
    height: float
    albedo: float
    lai: float
    course: tuple[float, ...]
    root_depth: tuple[float, float, float]
    root_fract: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Name of the class."""
        return IGBP_CLASSES[self.igbp]


_DEEP = ((0.1, 1.0, 5.0), (0.05, 0.45, 0.5))
_SHALLOW = ((0.1, 0.75, 0.5), (0.1, 0.6, 0.3))

CLASSES = (
    VegetationClass(1, True, 60, 150, 30, 22, 12.0, 0.12, 4.5, _NEEDLE_COURSE, *_DEEP),
    VegetationClass(4, True, 60, 150, 30, 20, 10.0, 0.18, 5.0, _DECIDUOUS_COURSE, *_DEEP),
    VegetationClass(5, True, 60, 140, 50, 20, 10.0, 0.18, 5.0, _MIXED_COURSE, *_DEEP),
    VegetationClass(7, False, 50, 135, 75, 10, 1.5, 0.19, 0.9, _SHRUB_COURSE, *_SHALLOW),
    VegetationClass(10, False, 25, 100, 100, 10, 0.6, 0.20, 3.7, _GRASS_COURSE, *_SHALLOW),
    VegetationClass(12, False, 25, 100, 100, 10, 1.0, 0.18, 3.8, _GRASS_COURSE, *_SHALLOW),
    VegetationClass(14, False, 40, 110, 90, 10, 1.4, 0.19, 4.3, _MOSAIC_COURSE, (0.1, 1.0, 0.75), (0.1, 0.6, 0.3)),
    VegetationClass(16, False, 0, 50, 100, 10, 0.1, 0.20, 0.0, _FULL, *_SHALLOW),
)
"""Classes of the world; the last one is bare soil."""

_COMPANION = {1: 10, 4: 12, 5: 14, 7: 10, 10: 7, 12: 14, 14: 12, 16: 7}
"""Class of the second tile by that of the first."""


def soil_hydraulics(
    sand: Float[np.ndarray, "*soil"],
    silt: Float[np.ndarray, "*soil"],
    clay: Float[np.ndarray, "*soil"],
    bulk: Float[np.ndarray, "*soil"],
) -> dict[str, Float[np.ndarray, "*soil"]]:
    """A-priori soil parameters of VIC from texture [%] and bulk density [g cm-3] (Cosby et al. 1984)."""
    return vic_soil(cosby(sand, silt, clay, bulk), sand, bulk)


def vic_soil(
    water: SoilWater, sand: Float[np.ndarray, "*soil"], bulk: Float[np.ndarray, "*soil"]
) -> dict[str, Float[np.ndarray, "*soil"]]:
    """Variables of VIC's parameter file from the hydraulic properties of the soil.

    Critical point 70 % of field capacity, but at least a quarter of the way from the wilting point to it; residual
    moisture that of ``water``, or the wilting point where that is less.

    Args:
        sand: [%], for the quartz.
        bulk: bulk density [g cm-3] that gives the porosity of ``water``.
    """
    capacity, wilting = water.field_capacity, water.wilting_point
    return {
        "expt": water.exponent,
        "Ksat": water.conductivity,
        "bubble": water.suction,
        "quartz": sand / 100,
        "bulk_density": 1000 * bulk,
        "soil_density": 1000 * water.density,
        "Wcr_FRACT": np.maximum(0.7 * capacity, wilting + 0.25 * (capacity - wilting)),
        "Wpwp_FRACT": wilting,
        "resid_moist": np.minimum(water.residual, wilting * water.porosity),
        "phi_s": np.full_like(sand, -999.0),
    }


def tile_cover(land: Land) -> Float[np.ndarray, "veg cell"]:
    """Area fractions of the classes ``CLASSES`` (Cv): one tile in most cells, two in every third, three in some.

    Which cells have several tiles follows the terrain: rough and dry land is patchy.
    """
    order = {c.igbp: k for k, c in enumerate(CLASSES)}
    first = np.array([order[int(k)] for k in land.attributes["landcover_igbp"]])
    second = np.array([order[_COMPANION[int(k)]] for k in land.attributes["landcover_igbp"]])
    n = len(first)
    cover = np.zeros((len(CLASSES), n))
    rank = np.argsort(np.argsort(land.attributes["elevation_sd"] * (1.2 - land.climate.wetness)))
    two, three = rank >= 2 * n // 3, rank >= n - max(n // 10, 1)
    cover[first, np.arange(n)] = np.where(three, 0.5, np.where(two, 0.65, 1.0))
    cover[second, np.arange(n)] += np.where(three, 0.3, np.where(two, 0.35, 0.0))
    cover[-1] += np.where(three, 0.2, 0.0)
    return cover


def snow_bands(land: Land) -> dict[str, Float[np.ndarray, "band cell"]]:
    """Area, elevation [m] and share of precipitation of three bands; all but the roughest tenth of cells have one."""
    elevation, spread = land.attributes["elevation"], land.attributes["elevation_sd"]
    n = len(elevation)
    mountain = np.argsort(np.argsort(spread)) >= n - max(n // 10, 1)
    area = np.where(mountain, np.array([[0.5], [0.25], [0.25]]), np.array([[1.0], [0.0], [0.0]]))
    height = np.where(mountain, np.array([[0.0], [-1.2], [1.2]]) * spread, 0.0) + elevation
    share = np.where(mountain, np.array([[0.5], [0.2], [0.3]]), np.array([[1.0], [0.0], [0.0]]))
    return {"AreaFract": area, "elevation": height, "Pfactor": share}


def make_parameters(land: Land) -> Arrays:
    """The complete a-priori parameter file of the world, VIC-5 image driver, float64."""
    n = len(land.lat)
    soil = soil_hydraulics(*(np.asarray(land.attributes[k]) for k in ("sand", "silt", "clay", "bulk")))
    depth = np.array(LAYER_DEPTHS)[:, None] * np.ones(n)
    porosity = 1 - soil["bulk_density"] / soil["soil_density"]
    cover = tile_cover(land)
    cells = {
        "infilt": 0.2,
        "Ds": 0.02,
        "Dsmax": 10.0,
        "Ws": 0.8,
        "c": 2.0,
        "elev": land.attributes["elevation"],
        "avg_T": land.climate.temperature,
        "dp": 4.0,
        "off_gmt": 0.0,
        "rough": 0.01,
        "snow_rough": 0.03,
        "annual_prec": DAYS_PER_YEAR * _mean_precipitation(land),
        "lats": land.lat,
        "lons": land.lon,
        "cellnum": np.arange(1.0, n + 1),
        "lat": land.lat,
        "lon": land.lon,
    }
    integers = {
        "mask": np.ones(n),
        "run_cell": np.ones(n),
        "gridcell": np.arange(1, n + 1),
        "fs_active": np.zeros(n),
        "Nveg": (cover[:-1] > 0).sum(axis=0),
    }
    layers = {name: np.broadcast_to(values, (3, n)) for name, values in soil.items()}
    layers |= {"depth": depth, "init_moist": layers["Wcr_FRACT"] * porosity * depth * MM_PER_M}
    variables: dict[str, Any] = {
        name: grid_variable((), np.broadcast_to(np.asarray(v, float), (n,))) for name, v in cells.items()
    }
    variables |= {name: grid_variable((), v.astype(np.int32)) for name, v in integers.items()}
    variables |= {name: grid_variable(("nlayer",), v) for name, v in layers.items()}
    variables |= {name: grid_variable(("snow_band",), v) for name, v in snow_bands(land).items()}
    variables |= {"Cv": grid_variable(("veg_class",), cover)} | _vegetation_variables(land)
    names = "; ".join(f"{c.igbp} {c.name}" for c in CLASSES)
    coords: dict[str, Any] = {"veg_class": ("veg_class", np.array([c.igbp for c in CLASSES], dtype=np.int32))}
    attrs = {"title": "a-priori parameters of the built-in world", "veg_classes": names}
    return Arrays(variables | coords, attrs, coords=("veg_class",))


def make_domain(land: Land) -> Arrays:
    """The domain file of the world, VIC-5 image driver."""
    n = len(land.lat)
    area = (land.side * 111.2e3) ** 2 * np.cos(np.deg2rad(land.lat))
    return Arrays(
        {
            "lat": grid_variable((), land.lat, units="degrees_north", long_name="latitude"),
            "lon": grid_variable((), land.lon, units="degrees_east", long_name="longitude"),
            "mask": grid_variable((), np.ones(n, dtype=np.int32), long_name="domain mask"),
            "frac": grid_variable((), np.ones(n), units="1", long_name="fraction of the cell that is active"),
            "area": grid_variable((), area, units="m2", long_name="area of the cell"),
        },
        attrs={"title": "domain of the built-in world, 1 x n pseudo-grid"},
    )


def grid_variable(
    dims: tuple[str, ...], values: np.ndarray, **attrs: str
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """A variable on the pseudo-grid: cells along ``x``, one row ``y``."""
    return (*dims, "y", "x"), np.ascontiguousarray(values)[..., None, :], dict(attrs)


def _mean_precipitation(land: Land) -> Float[np.ndarray, " cell"]:
    """Long-term mean the weather generator aims at [mm day-1] (wet-day share times wet-day amount)."""
    return (0.10 + 0.35 * land.climate.wetness) * (3.5 + 5.5 * land.climate.wetness)


def _vegetation_variables(land: Land) -> dict[str, GridVariable]:
    """Class parameters, the same in every cell but for the leaf area index and what follows from it."""
    n = len(land.lat)
    factor = 0.35 + 0.65 * land.climate.wetness
    lai = np.array([c.lai * np.array(c.course) for c in CLASSES])[:, :, None] * factor
    overstory = np.array([c.overstory for c in CLASSES])
    gaps = np.where(overstory[:, None, None], 0.0, np.exp(-0.5 * lai))
    fcanopy = np.where(lai > 0, 1 - gaps, 0.0)

    def each(values: list[float]) -> np.ndarray:
        return np.repeat(np.array(values, dtype=float)[:, None], n, axis=1)

    def monthly(values: list[float]) -> np.ndarray:
        return np.broadcast_to(np.array(values, dtype=float)[:, None, None], (len(values), 12, n))

    def rooted(values: list[tuple[float, float, float]]) -> np.ndarray:
        return np.broadcast_to(np.array(values, dtype=float)[:, :, None], (len(values), 3, n))

    by_class = {
        "rarc": [c.rarc for c in CLASSES],
        "rmin": [c.rmin for c in CLASSES],
        "RGL": [c.rgl for c in CLASSES],
        "wind_h": [c.wind_h for c in CLASSES],
        "rad_atten": [0.5 for _ in CLASSES],
        "wind_atten": [0.5 for _ in CLASSES],
        "trunk_ratio": [0.2 for _ in CLASSES],
    }
    by_month = {
        "albedo": [c.albedo for c in CLASSES],
        "veg_rough": [0.123 * c.height for c in CLASSES],
        "displacement": [0.67 * c.height for c in CLASSES],
    }
    variables = {name: grid_variable(("veg_class",), each(values)) for name, values in by_class.items()}
    variables["overstory"] = grid_variable(("veg_class",), np.repeat(overstory[:, None], n, axis=1).astype(np.int32))
    for name, zones in (
        ("root_depth", [c.root_depth for c in CLASSES]),
        ("root_fract", [c.root_fract for c in CLASSES]),
    ):
        variables[name] = grid_variable(("veg_class", "root_zone"), rooted(zones))
    for name, values in by_month.items():
        variables[name] = grid_variable(("veg_class", "month"), monthly(values))
    variables["LAI"] = grid_variable(("veg_class", "month"), lai)
    variables["fcanopy"] = grid_variable(("veg_class", "month"), fcanopy)
    return variables
