"""VIC-5 image-driver files in and out: parameters and forcing here, grids and states in modules of their own.

All of them are found under this name.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, nearest
from paraformer.process.vic.domain import (
    Dataset,
    Domain,
    GridNames,
    grid_dims,
    open_dataset,
    read_cells,
    read_domain,
    read_grid,
    read_run_cells,
    read_variable,
    write_grid,
)
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import THETA, CellParameters, canopy_with_gaps, critical_point
from paraformer.process.vic.state_files import read_state, write_state

__all__ = [
    "FORCING_NAMES",
    "CanopySource",
    "Dataset",
    "Domain",
    "GridNames",
    "as_forcing",
    "grid_dims",
    "open_dataset",
    "read_domain",
    "read_forcing",
    "read_parameters",
    "read_run_cells",
    "read_series",
    "read_state",
    "read_variable",
    "write_grid",
    "write_parameters",
    "write_state",
]

CanopySource = Literal["FROM_VEGPARAM", "FROM_DEFAULT"]

_SOIL = {
    "infilt": "infilt",
    "ds": "Ds",
    "dsmax": "Dsmax",
    "ws": "Ws",
    "c": "c",
    "elev": "elev",
    "avg_t": "avg_T",
    "dp": "dp",
    "rough": "rough",
    "snow_rough": "snow_rough",
    "expt": "expt",
    "ksat": "Ksat",
    "depth": "depth",
    "bulk_density": "bulk_density",
    "soil_density": "soil_density",
    "quartz": "quartz",
    "wcr_fract": "Wcr_FRACT",
    "wpwp_fract": "Wpwp_FRACT",
    "resid_moist": "resid_moist",
    "init_moist": "init_moist",
}
_BANDS = {"area_fract": "AreaFract", "elevation": "elevation", "pfactor": "Pfactor"}
_PLANTS = {
    "cv": "Cv",
    "overstory": "overstory",
    "rarc": "rarc",
    "rmin": "rmin",
    "rgl": "RGL",
    "rad_atten": "rad_atten",
    "wind_atten": "wind_atten",
    "trunk_ratio": "trunk_ratio",
    "wind_h": "wind_h",
    "root_depth": "root_depth",
    "root_fract": "root_fract",
    "lai": "LAI",
    "albedo": "albedo",
    "veg_rough": "veg_rough",
    "displacement": "displacement",
}
FORCING_NAMES: dict[str, str] = {
    "prcp": "prcp",
    "tair": "tas",
    "swdown": "dswrf",
    "lwdown": "dlwrf",
    "wind": "wind",
    "vp": "vp",
    "pres": "pres",
}
"""Variable names in forcing files, as in the VIC sample data; a study may give others."""


def read_parameters(
    path: Path | str,
    domain: Domain | None = None,
    *,
    canopy_source: CanopySource = "FROM_VEGPARAM",
    snow_bands: bool = True,
    names: GridNames = GridNames(),  # noqa: B008
) -> CellParameters:
    """Parameters of the active cells of a VIC-5 image-driver parameter file.

    Args:
        path: the file.
        domain: which cells are active; ``None`` takes the file's own ``run_cell``.
        canopy_source: ``FCAN_SRC``: monthly ``fcanopy`` of the file, or 1 for every class but the last.
        snow_bands: ``SNOW_BAND``; ``False`` runs one band at the cell's elevation.
        names: names of the coordinates.

    Raises:
        DataError: missing variable, or a grid that does not fit the domain.
    """
    with open_dataset(path) as dataset:
        grid = read_grid(dataset, names._replace(mask="run_cell"))
        if domain is not None:
            if domain.mask.shape != grid.mask.shape:
                raise DataError(f"{path}: grid {grid.mask.shape} is not that of the domain {domain.mask.shape}")
            grid = grid._replace(mask=domain.mask)

        def read(name: str) -> np.ndarray:
            return read_cells(dataset, name, grid)

        soil = {field: read(name).astype(np.float64) for field, name in _SOIL.items()}
        n_cell = len(soil["infilt"])
        bands = {field: read(name) for field, name in _BANDS.items()} if snow_bands else _one_band(soil["elev"])
        cover = read("Cv")
        tile_class = _tile_classes(cover)
        bare = np.zeros(tile_class.shape, dtype=bool)
        last = read("Nveg").astype(np.int64)  # tiles beyond Nveg are bare soil
        bare[:] = (np.arange(tile_class.shape[1]) == last[:, None]) & (tile_class >= 0)
        plants = {field: _per_tile(read(name), tile_class) for field, name in _PLANTS.items()}
        plants["overstory"] = plants["overstory"] > 0
        plants["fcanopy"] = _per_tile(_canopy_fraction(read, cover.shape, canopy_source), tile_class)
    return CellParameters(
        cell=np.arange(n_cell), lat=grid.cell_lat, **soil, **bands, tile_class=tile_class, bare=bare, **plants
    )


def _one_band(elevation: np.ndarray) -> dict[str, np.ndarray]:
    one = np.ones((len(elevation), 1))
    return {"area_fract": one, "elevation": elevation[:, None].astype(np.float64), "pfactor": one}


def _tile_classes(cover: np.ndarray) -> np.ndarray:
    """Classes with Cv > 0 of each cell, in class order, padded with -1 [cell, tile]."""
    classes = np.full((len(cover), max(1, int((cover > 0).sum(axis=1).max(initial=1)))), -1, dtype=np.int64)
    for cell, row in enumerate(cover):
        active = np.flatnonzero(row > 0)
        classes[cell, : len(active)] = active
    return classes


def _per_tile(values: np.ndarray, tile_class: np.ndarray) -> np.ndarray:
    """[cell, class, ...] to [cell, tile, ...]; 0 where there is no tile."""
    index = np.maximum(tile_class, 0)
    taken = values[np.arange(len(values))[:, None], index].astype(np.float64)
    taken[tile_class < 0] = 0.0
    return taken


def _canopy_fraction(read: Any, shape: tuple[int, ...], source: CanopySource) -> np.ndarray:
    if source == "FROM_VEGPARAM":
        return read("fcanopy")
    fraction = np.ones((*shape, 12))
    fraction[:, -1] = 1e-4
    return fraction


def write_parameters(
    source: Path | str,
    target: Path | str,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    names: Sequence[str],
    theta: Float[np.ndarray, "cell parameter"],
) -> None:
    """Copy a VIC-5 parameter file, with θ put into the fields VIC reads, at full precision.

    Args:
        source: a-priori parameter file.
        target: file to write.
        lat: latitudes of the cells to change, cells of ``source``.
        lon: their longitudes.
        names: names of θ's last axis.
        theta: physical values.

    Raises:
        DataError: no such cell, wrong shape, or a float32 field that cannot hold the value.
    """
    if theta.shape != (len(lat), len(names)):
        raise DataError(f"theta has shape {theta.shape}; expected [cell={len(lat)}, parameter={len(names)}]")
    shutil.copyfile(source, target)
    with open_dataset(target, "r+") as dataset:
        grid = read_grid(dataset, GridNames(mask="run_cell"))
        row, column = (index[grid.find(lat, lon)] for index in np.nonzero(grid.mask))
        for position, name in enumerate(names):
            if name not in THETA:
                raise DataError(f"unknown VIC parameter '{name}'{nearest(name, THETA)}")
            _put(dataset, name, theta[:, position], row, column)


_FIELDS = {"ds": "Ds", "dsmax": "Dsmax", "ws": "Ws", "ksat": "Ksat", "wcr": "Wcr_FRACT", "canopy_gap": "fcanopy"}
"""Variables of a parameter file that θ is written to, where they are not called like θ, or like θ without its layer."""


def require_writable(path: Path | str, names: Sequence[str]) -> None:
    """Raise DataError unless a parameter file can hold every θ: in double precision, as VIC reads it."""
    with open_dataset(path) as dataset:
        for name in names:
            field = _FIELDS.get(name, name.partition("_")[0])
            if field in dataset.variables and dataset[field].dtype != np.float64:
                raise DataError(f"{path}: variable '{field}' is {dataset[field].dtype}; θ ('{name}') needs float64")


def _put(dataset: Dataset, name: str, value: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    """Replace (or, for multipliers, multiply) one parameter at the given grid cells."""
    simple = {"infilt": "infilt", "ds": "Ds", "dsmax": "Dsmax", "ws": "Ws", "c": "c"}
    base, _, layer = name.partition("_")
    if name in simple:
        field, values = simple[name], read_variable(dataset, simple[name])
        values[row, column] = value
    elif base in ("expt", "depth"):
        field, values = base, read_variable(dataset, base)
        values[int(layer) - 1 if layer else slice(None), row, column] = value
    elif name == "ksat":
        field, values = "Ksat", read_variable(dataset, "Ksat")
        values[:, row, column] *= value
    elif name == "wcr":
        field, values = "Wcr_FRACT", read_variable(dataset, "Wcr_FRACT")
        wilting = read_variable(dataset, "Wpwp_FRACT")[:, row, column]
        values[:, row, column] = critical_point(values[:, row, column], wilting, value)
    else:
        field, values = "fcanopy", read_variable(dataset, "fcanopy")
        values[..., row, column] = canopy_with_gaps(values[..., row, column], value)
    if dataset[field].dtype != np.float64:
        raise DataError(f"{dataset.filepath()}: '{field}' is {dataset[field].dtype}; θ needs float64")
    dataset[field][...] = np.ma.masked_invalid(values)


def read_forcing(
    paths: Sequence[Path | str],
    domain: Domain,
    days: np.ndarray,
    steps_per_day: int,
    names: Mapping[str, str] = FORCING_NAMES,
) -> Forcing:
    """Forcing of the active cells on the given UTC days.

    Args:
        paths: files in time order, dims time, y, x; units as in VIC-5 (mm per step, degC, W m-2, kPa, m s-1).
        domain: active cells.
        days: consecutive days (datetime64[D]).
        steps_per_day: values a day.
        names: variable names in the files, for each field of ``Forcing``.

    Raises:
        DataError: missing variable or days the files do not hold.
    """
    return as_forcing(read_series(paths, domain, days, steps_per_day, names), days)


def as_forcing(series: Mapping[str, Float[np.ndarray, "cell time"]], days: np.ndarray) -> Forcing:
    """``Forcing`` of the given days."""
    days = days.astype("datetime64[D]")
    year = days.astype("datetime64[Y]")
    return Forcing(
        **series,
        month=days.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=(days - year.astype("datetime64[D]")).astype(np.int64) + 1,
    )


def read_series(
    paths: Sequence[Path | str], domain: Domain, days: np.ndarray, steps_per_day: int, names: Mapping[str, str]
) -> dict[str, Float[np.ndarray, "cell time"]]:
    """As ``read_forcing``, for the variables in ``names`` only. Rows without an active cell are not read."""
    days = days.astype("datetime64[D]")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    found = 0
    for path in paths:
        with open_dataset(path) as dataset:
            stamps = _stamps(dataset)
            inside = (stamps >= days[0]) & (stamps < days[-1] + 1)
            found += int(inside.sum())
            if inside.any():
                part = slice(int(inside.argmax()), int(inside.argmax() + inside.sum()))
                for name, variable in names.items():
                    if variable not in dataset.variables:
                        raise DataError(f"{path}: variable '{variable}' is missing")
                    if dataset[variable].shape[1:] != domain.mask.shape:
                        raise DataError(
                            f"{path}: '{variable}' has grid {dataset[variable].shape[1:]}, not that of the domain "
                            f"{domain.mask.shape}"
                        )
                    values = np.ma.asarray(dataset[variable][part, domain.rows]).astype(np.float64)
                    parts[name].append(np.ma.filled(values, np.nan)[:, domain.mask[domain.rows]])
    expected = len(days) * steps_per_day
    if found != expected:
        raise DataError(f"{paths[0]} ...: {found} values from {days[0]} to {days[-1]}, expected {expected}")
    return {name: np.ascontiguousarray(np.concatenate(parts[name]).T) for name in names}


def _stamps(dataset: Dataset) -> np.ndarray:
    """Time axis as datetime64[s]."""
    time = dataset["time"]
    dates: Any = netCDF4.num2date(time[:], time.units, getattr(time, "calendar", "proleptic_gregorian"))
    return np.array([np.datetime64(date.isoformat(), "s") for date in dates])
