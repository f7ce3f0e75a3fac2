"""Opening VIC-5 image-driver files, and their grid: domain files, coordinates, active cells.

Grids may be regular (1-D ``lat``, ``lon``) or any y, x grid with 2-D coordinates; cells are the masked-in ones, row by
row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import netCDF4
import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError, nearest

Dataset = netCDF4.Dataset
FILLS: dict[str, Any] = netCDF4.default_fillvals
"""What stands for a missing value, by type."""


class GridNames(NamedTuple):
    """Names in a domain file, and of the coordinates in the files that go with it (VIC-5: ``DOMAIN_TYPE``)."""

    lat: str = "lat"
    lon: str = "lon"
    mask: str = "mask"
    ydim: str = ""  # of the grid's dimensions in files that are written; empty: ``lat``, ``lon``, or ``y``, ``x``
    xdim: str = ""


class Domain(NamedTuple):
    """The grid of a domain or parameter file and its active cells."""

    lat: Float[np.ndarray, "y x"]
    lon: Float[np.ndarray, "y x"]
    mask: Bool[np.ndarray, "y x"]

    @property
    def cell_lat(self) -> Float[np.ndarray, " cell"]:
        return self.lat[self.mask]

    @property
    def cell_lon(self) -> Float[np.ndarray, " cell"]:
        return self.lon[self.mask]

    @property
    def rows(self) -> slice:
        """From the first to the last row with an active cell."""
        rows = np.flatnonzero(self.mask.any(axis=1))
        return slice(int(rows[0]), int(rows[-1]) + 1) if rows.size else slice(0, 0)

    def find(self, lat: np.ndarray, lon: np.ndarray, tolerance: float = 1e-3) -> np.ndarray:
        """Positions of the active cells at the given coordinates.

        Raises:
            DataError: naming the first place without an active cell within ``tolerance`` degrees.
        """
        found = np.empty(len(lat), dtype=np.int64)
        for i, (y, x) in enumerate(zip(lat, lon, strict=True)):
            distance = np.maximum(abs(self.cell_lat - y), abs((self.cell_lon - x + 180.0) % 360.0 - 180.0))
            found[i] = int(distance.argmin())
            if not distance[found[i]] <= tolerance:
                raise DataError(f"no active cell at lat {y:g}, lon {x:g} (nearest is {distance.min():g} degrees away)")
        return found


@contextmanager
def open_dataset(path: Path | str, mode: Literal["r", "r+", "w"] = "r", format: Any = "NETCDF4") -> Iterator[Dataset]:
    """Context of an open netCDF file.

    Raises:
        DataError: if it cannot be opened, naming it.
    """
    try:
        dataset = netCDF4.Dataset(path, mode, format=format)
    except OSError as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    try:
        yield dataset
    finally:
        dataset.close()


def read_variable(dataset: Dataset, name: str, rows: slice | None = None) -> np.ndarray:
    """A variable, or some rows of its grid: float64 with NaN where missing, or integers with -1.

    Raises:
        DataError: if the file lacks it, naming file, variable and the nearest one.
    """
    if name not in dataset.variables:
        raise DataError(f"{dataset.filepath()}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    values = np.ma.asarray(dataset[name][...] if rows is None else dataset[name][..., rows, :])
    if values.dtype.kind == "f":
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.ma.filled(values, -1)


def read_grid(dataset: Dataset, names: GridNames) -> Domain:
    """Coordinates and mask (1 is active) under the given names."""
    lat, lon = read_variable(dataset, names.lat), read_variable(dataset, names.lon)
    if lat.ndim == 1:
        lon, lat = np.meshgrid(lon, lat)
    return Domain(lat, lon, read_variable(dataset, names.mask) == 1)


def read_domain(path: Path | str, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """Active cells of a VIC-5 domain file (``mask`` 1)."""
    with open_dataset(path) as dataset:
        return read_grid(dataset, names)


def read_run_cells(path: Path | str, domain: Domain, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """Cells a parameter file says to run (``run_cell`` 1), as VIC-5's image driver takes them.

    Raises:
        DataError: another grid than the domain's, or a cell outside the domain's mask.
    """
    with open_dataset(path) as dataset:
        grid = read_grid(dataset, names._replace(mask="run_cell"))
    if grid.mask.shape != domain.mask.shape:
        raise DataError(f"{path}: grid {grid.mask.shape} is not that of the domain {domain.mask.shape}")
    if not (np.allclose(grid.lat, domain.lat) and np.allclose(grid.lon, domain.lon)):
        raise DataError(f"{path}: '{names.lat}' and '{names.lon}' are not those of the domain")
    outside = grid.mask & ~domain.mask
    if outside.any():
        y, x = (int(i) for i in np.argwhere(outside)[0])
        raise DataError(f"{path}: run_cell is 1 at row {y}, column {x}, which the domain's mask leaves out")
    if not grid.mask.any():
        raise DataError(f"{path}: run_cell is 1 in no cell")
    return grid


def read_cells(dataset: Dataset, name: str, domain: Domain) -> np.ndarray:
    """A variable at the active cells, as ``read_variable`` gives it [cell, ...]; rows without one are not read.

    Raises:
        DataError: if the file lacks it, or its grid is not the domain's.
    """
    if name in dataset.variables and dataset[name].shape[-2:] != domain.mask.shape:
        found = dataset[name].shape[-2:]
        raise DataError(f"{dataset.filepath()}: '{name}' has grid {found}, not that of the domain {domain.mask.shape}")
    values = read_variable(dataset, name, domain.rows)
    flat = values.reshape(*values.shape[:-2], -1)[..., domain.mask[domain.rows].ravel()]
    return np.ascontiguousarray(np.moveaxis(flat, -1, 0))


def _is_regular(domain: Domain) -> bool:
    return bool((domain.lat == domain.lat[:, :1]).all() and (domain.lon == domain.lon[:1]).all())


def grid_dims(domain: Domain, names: GridNames = GridNames()) -> tuple[str, str]:  # noqa: B008
    """Names of the grid's dimensions."""
    if names.ydim and names.xdim:
        return names.ydim, names.xdim
    return ("lat", "lon") if _is_regular(domain) else ("y", "x")


def write_grid(dataset: Dataset, domain: Domain, names: GridNames = GridNames()) -> None:  # noqa: B008
    """Dimensions and coordinates, 1-D where the grid is regular."""
    dims = grid_dims(domain, names)
    for name, size in zip(dims, domain.mask.shape, strict=True):
        dataset.createDimension(name, size)
    regular = _is_regular(domain)
    lat, lon = (domain.lat[:, 0], domain.lon[0]) if regular else (domain.lat, domain.lon)
    for name, values, dim, unit, long_name in (
        (names.lat, lat, dims[0], "degrees_north", "latitude"),
        (names.lon, lon, dims[1], "degrees_east", "longitude"),
    ):
        variable = dataset.createVariable(name, "f8", (dim,) if regular else dims)
        variable.units, variable.long_name, variable.standard_name = unit, long_name, long_name
        variable[...] = values
