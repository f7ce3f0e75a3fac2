"""Land-surface inputs of VIC between its two layouts: the image driver's parameter file and the classic text files.

Names, units and shapes are those of the parameter file, cells first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.physics import EARTH_RADIUS
from paraformer.process.vic.axes import CellReader
from paraformer.process.vic.datasets import open_dataset
from paraformer.process.vic.domain import Domain, GridNames, grid_dims, locate, write_grid

SOIL = {
    "infilt": 1,
    "Ds": 1,
    "Dsmax": 1,
    "Ws": 1,
    "c": 1,
    "expt": 3,
    "Ksat": 3,
    "phi_s": 3,
    "init_moist": 3,
    "elev": 1,
    "depth": 3,
    "avg_T": 1,
    "dp": 1,
    "bubble": 3,
    "quartz": 3,
    "bulk_density": 3,
    "soil_density": 3,
    "off_gmt": 1,
    "Wcr_FRACT": 3,
    "Wpwp_FRACT": 3,
    "rough": 1,
    "snow_rough": 1,
    "annual_prec": 1,
    "resid_moist": 3,
    "fs_active": 1,
}
"""Soil variables in the order of the classic soil file, and their number of values a cell."""
BANDS = ("AreaFract", "elevation", "Pfactor")
LIBRARY = {
    "overstory": 1,
    "rarc": 1,
    "rmin": 1,
    "veg_rough": 12,
    "displacement": 12,
    "wind_h": 1,
    "RGL": 1,
    "rad_atten": 1,
    "wind_atten": 1,
    "trunk_ratio": 1,
}
"""Variables of a vegetation class that the classic driver keeps once for all cells."""
MONTHLY = ("LAI", "fcanopy", "albedo")
"""Monthly variables of a tile, in the order of the classic vegetation file."""
ROOTS = ("root_depth", "root_fract")
BARE = {"rarc": 100.0, "wind_h": 2.0, "albedo": 0.2}
"""Values of the class that stands for bare soil, as in VIC's samples; all others are 0."""
_UNKNOWN = {"phi_s": -999.0, "annual_prec": 0.0, "fs_active": 0.0}  # no flux of the water balance depends on them
_NO_BARE = 1e-6  # a remainder of bare soil below it is rounding [1]
_INTEGER = ("run_cell", "gridcell", "Nveg", "overstory", "fs_active")


@dataclass(frozen=True)
class Surface:
    """Inputs of some cells.

    Attributes:
        gridcell: identifiers [cell].
        lat, lon: [degree] [cell].
        soil: ``SOIL`` -> [cell] or [cell, layer].
        bands: ``BANDS`` -> [cell, band].
        classes: numbers of the vegetation classes; bare soil is none of them [class].
        names: what the classes are called [class].
        plant_classes: ``LIBRARY`` -> [class] or [class, month].
        cover: Cv of the vegetated tiles; the rest of a cell is bare soil [cell, class].
        plants: ``MONTHLY`` and ``ROOTS`` -> [cell, class, month or zone]; ``fcanopy`` may lack.
    """

    gridcell: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    soil: dict[str, np.ndarray]
    bands: dict[str, np.ndarray]
    classes: np.ndarray
    names: tuple[str, ...]
    plant_classes: dict[str, np.ndarray]
    cover: np.ndarray
    plants: dict[str, np.ndarray]


_AXES = {
    **dict.fromkeys(BANDS, ("band",)),
    **dict.fromkeys(ROOTS, ("class", "zone")),
    **dict.fromkeys(MONTHLY, ("class", "month")),
    **{name: ("class",) if size == 1 else ("class", "month") for name, size in LIBRARY.items()},
    **{name: () if size == 1 else ("layer",) for name, size in SOIL.items()},
    "Cv": ("class",),
}
"""Axes of the variables beside the cell; the rest have none."""


def read_surface(path: Path | str, domain: Domain, names: GridNames, *, snow_bands: bool, canopy: bool) -> Surface:
    """Surface of the active cells of a parameter file, which ``read_parameters`` has proved.

    Args:
        path: the file.
        domain: active cells.
        names: names of the coordinates.
        snow_bands: whether elevation bands are used; else, or if the file has but one, there is one at the cell's
            elevation.
        canopy: whether the canopy fraction is taken from the file.

    Raises:
        DataError: missing variable, or a class whose library values differ between cells.
    """
    with open_dataset(path) as dataset:
        reader = CellReader(dataset, locate(dataset, domain, names))

        def read(name: str) -> np.ndarray:
            return reader.read(name, *_AXES.get(name, ()))

        expt = read("expt")
        unknown = {"bubble": 0.32 * expt + 4.3, "off_gmt": domain.cell_lon * 24.0 / 360.0}
        unknown |= {
            name: np.full(expt.shape if size == 3 else len(expt), _UNKNOWN[name])
            for name, size in SOIL.items()
            if name in _UNKNOWN
        }
        soil = {
            name: read(name) if name in dataset.variables or name not in unknown else unknown[name] for name in SOIL
        }
        soil |= {name: np.where(np.isnan(soil[name]), values, soil[name]) for name, values in unknown.items()}
        one = np.ones((len(expt), 1))
        flat = dict(zip(BANDS, (one, soil["elev"][:, None], one), strict=True))
        bands = {name: read(name) for name in BANDS} if snow_bands else flat
        bands = flat if bands["elevation"].shape[1] == 1 else bands  # VIC-5 does not read the values of a single band
        cover = np.nan_to_num(read("Cv"))
        numbers = reader.classes()
        vegetated = _vegetated(cover, read("Nveg"), np.argsort(numbers))
        kept = np.flatnonzero(vegetated.any(axis=0) | ~(cover > 0).any(axis=0))  # not a class of bare soil only
        labels = _class_names(dataset, numbers)
        library = {name: _common(path, name, read(name), vegetated, numbers)[kept] for name in LIBRARY}
        wanted = [name for name in (*MONTHLY, *ROOTS) if name != "fcanopy" or canopy]
        plants = {name: np.nan_to_num(read(name)[:, kept]) for name in wanted}
        gridcell = read("gridcell") if "gridcell" in dataset.variables else np.arange(1.0, len(expt) + 1)
    return Surface(
        gridcell=gridcell.astype(np.int64),
        lat=domain.cell_lat,
        lon=domain.cell_lon,
        soil=soil,
        bands=bands,
        classes=numbers[kept],
        names=tuple(labels[i] for i in kept),
        plant_classes=library,
        cover=np.where(vegetated, cover, 0.0)[:, kept],
        plants=plants,
    )


def _vegetated(cover: np.ndarray, n_plants: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which tiles are vegetated: the first Nveg of a cell, in the given order of the classes [cell, class]."""
    vegetated = np.zeros(cover.shape, dtype=bool)
    vegetated[:, order] = np.cumsum(cover[:, order] > 0, axis=1) <= n_plants[:, None]
    return vegetated & (cover > 0)


def _class_names(dataset: Any, numbers: np.ndarray) -> list[str]:
    if "veg_descr" not in dataset.variables:
        return [f"class {number}" for number in numbers]
    return [
        "".join(part.decode() if isinstance(part, bytes) else part for part in np.ma.compressed(row)).strip()
        if np.ndim(row)
        else str(row)
        for row in dataset["veg_descr"][:]
    ]


def _common(path: Path | str, name: str, values: np.ndarray, used: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The one value of each class over the cells that have it [class, ...]; of all cells, if none has it."""
    result = np.zeros(values.shape[1:])
    for position, number in enumerate(numbers):
        here = used[:, position]
        found = values[here, position] if here.any() else np.nan_to_num(values[:1, position])
        if not (found == found[0]).all():
            cell = int(np.flatnonzero(here)[np.flatnonzero((found != found[0]).reshape(len(found), -1).any(axis=1))[0]])
            raise DataError(
                f"{path}: '{name}' of class {number} differs between cells (first in cell {cell}); the classic driver "
                "keeps one value a class"
            )
        result[position] = found[0]
    return result


def write_surface(path: Path | str, surface: Surface, domain: Domain, names: GridNames) -> None:
    """Write a parameter file of the image driver; bare soil becomes the last class."""
    n_class = len(surface.classes) + 1
    bare = np.clip(1.0 - surface.cover.sum(axis=1), 0.0, None)
    order = _grid_order(surface, domain)
    with open_dataset(path, "w") as dataset:
        write_grid(dataset, domain, names)
        n_band, n_zone = surface.bands["AreaFract"].shape[1], surface.plants["root_depth"].shape[2]
        sizes = {"nlayer": 3, "snow_band": n_band, "veg_class": n_class, "root_zone": n_zone, "month": 12}
        for name, size in sizes.items():
            dataset.createDimension(name, size)
        grid = grid_dims(domain, names)

        def put(name: str, values: np.ndarray, *middle: str) -> None:
            kind = "i4" if name in _INTEGER else "f8"
            variable = dataset.createVariable(
                name, kind, (*middle, *grid), fill_value=-2147483647 if kind == "i4" else 9.969209968386869e36
            )
            full = np.ma.masked_all((*values.shape[1:], *domain.mask.shape), dtype=kind)
            full[..., domain.mask] = np.moveaxis(values[order], 0, -1)
            variable[...] = full

        for name, values in {"run_cell": np.ones(len(bare)), "gridcell": surface.gridcell}.items():
            put(name, values)
        for name, size in SOIL.items():
            put(name, surface.soil[name], *(("nlayer",) if size == 3 else ()))
        for name in BANDS:
            put(name, surface.bands[name], "snow_band")
        put("Nveg", (surface.cover > 0).sum(axis=1))
        put("Cv", np.concatenate([surface.cover, np.where(bare < _NO_BARE, 0.0, bare)[:, None]], axis=1), "veg_class")
        for name in LIBRARY:
            values = np.concatenate([surface.plant_classes[name], _bare(name, surface.plant_classes[name])])
            put(
                name,
                np.broadcast_to(values, (len(bare), *values.shape)),
                "veg_class",
                *(("month",) if LIBRARY[name] == 12 else ()),
            )
        for name, values in surface.plants.items():
            last = np.full((len(bare), 1, values.shape[2]), BARE.get(name, 0.0))
            put(name, np.concatenate([values, last], axis=1), "veg_class", "root_zone" if name in ROOTS else "month")
        number = dataset.createVariable("veg_class", "i4", ("veg_class",))
        number[:] = [*surface.classes, int(surface.classes.max(initial=0)) + 1]
        number.description = "; ".join((*surface.names, "bare soil"))


def _bare(name: str, like: np.ndarray) -> np.ndarray:
    return np.full((1, *like.shape[1:]), BARE.get(name, 0.0))


def _grid_order(surface: Surface, domain: Domain) -> np.ndarray:
    """Positions of the grid's active cells, row by row, among the surface's cells."""
    place = {(lat, lon): i for i, (lat, lon) in enumerate(zip(surface.lat, surface.lon, strict=True))}
    return np.array([place[cell] for cell in zip(domain.cell_lat, domain.cell_lon, strict=True)], dtype=np.int64)


def regular_grid(lat: np.ndarray, lon: np.ndarray, cells: np.ndarray) -> Domain:
    """The smallest grid of rows and columns that holds the cells, which keep their identifiers.

    Raises:
        DataError: if two cells share a place.
    """
    rows, y = np.unique(lat, return_inverse=True)
    columns, x = np.unique(lon, return_inverse=True)
    mask = np.zeros((len(rows), len(columns)), dtype=bool)
    mask[y, x] = True
    if mask.sum() != len(lat):
        raise DataError("soil file: two cells have the same latitude and longitude")
    grid_lon, grid_lat = np.meshgrid(columns, rows)
    number = np.zeros(mask.shape, dtype=np.int64)
    number[y, x] = cells
    return Domain(grid_lat, grid_lon, mask, "soil file", number[mask])


def write_domain(path: Path | str, domain: Domain, names: GridNames) -> None:
    """Write a domain file: mask, area of the grid cells [m2] and fraction, 1 in active cells."""
    sides = []
    for values in (domain.lat[:, 0], domain.lon[0]):
        step = np.diff(values)
        sides.append(float(step.min()) if len(step) else np.nan)
    height, width = (side if np.isfinite(side) else other for side, other in (sides, sides[::-1]))
    north, south = (np.sin(np.deg2rad(domain.lat + sign * height / 2)) for sign in (1, -1))
    area = EARTH_RADIUS**2 * np.deg2rad(width) * (north - south)
    with open_dataset(path, "w") as dataset:
        write_grid(dataset, domain, names)
        for name, kind, values in (
            ("mask", "i4", domain.mask),
            ("frac", "f8", domain.mask),
            ("area", "f8", np.nan_to_num(area)),
        ):
            dataset.createVariable(name, kind, grid_dims(domain, names))[:] = values.astype(kind)
