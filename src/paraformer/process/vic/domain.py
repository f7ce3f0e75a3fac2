"""The grids of VIC-5 image-driver files: coordinates, active cells, and where the cells of one file are in another.

Grids may be regular (1-D ``lat``, ``lon``) or any y, x grid with 2-D coordinates; cells are the masked-in ones, row by
row. Files are joined by latitude and longitude alone (``core.grid.match_cells``).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import cell_words, match_cells, require_places
from paraformer.process.vic.datasets import Dataset, open_dataset, read_variable, require_variable


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
    source: str = ""  # the file, for messages
    cells: Int[np.ndarray, " cell"] | None = None  # identifiers of the active cells, for messages

    @property
    def cell_lat(self) -> Float[np.ndarray, " cell"]:
        return self.lat[self.mask]

    @property
    def cell_lon(self) -> Float[np.ndarray, " cell"]:
        return self.lon[self.mask]

    def words(self, position: int) -> str:
        """What messages call an active cell: its identifier, or its row and column, and its place."""
        if self.cells is not None:
            return cell_words(self.cell_lat, self.cell_lon, self.cells)(position)
        y, x = divmod(int(np.flatnonzero(self.mask)[position]), self.mask.shape[1])
        return f"row {y}, column {x} (lat {self.lat[y, x]:.6g}, lon {self.lon[y, x]:.7g})"

    def find(
        self, lat: Float[np.ndarray, " some"], lon: Float[np.ndarray, " some"], cells: np.ndarray | None = None
    ) -> Int[np.ndarray, " some"]:
        """Positions among the active cells of the cells at some places.

        Args:
            cells: their identifiers, for messages.

        Raises:
            DataError: naming the first cell without a partner (``match_cells``), or whose partner is not active.
        """
        words = cell_words(lat, lon, cells)
        found = match_cells(lat, lon, self.lat.ravel(), self.lon.ravel(), source=self.source, words=words)
        active = self.mask.ravel()
        if not active[found].all():
            out = ~active[found]
            raise DataError(
                f"{self.source}: {words(int(np.argmax(out)))} is masked out, expected an active cell{_count(out)}"
            )
        return (np.cumsum(active) - 1)[found]

    def only(self, positions: np.ndarray, cells: np.ndarray | None = None) -> Domain:
        """The same grid with some of its active cells: positions among them, ascending.

        Args:
            cells: identifiers of those; the domain's own by default.
        """
        mask = np.zeros(self.mask.size, dtype=bool)
        mask[np.flatnonzero(self.mask)[positions]] = True
        cells = self.cells[positions] if cells is None and self.cells is not None else cells
        return self._replace(mask=mask.reshape(self.mask.shape), cells=cells)


class Located(NamedTuple):
    """Where cells are in the grid of a file."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]  # the grid's dimensions
    row: Int[np.ndarray, " cell"]
    column: Int[np.ndarray, " cell"]

    @property
    def rows(self) -> slice:
        """From the first to the last row with a cell."""
        return slice(int(self.row.min()), int(self.row.max()) + 1) if self.row.size else slice(0, 0)

    def take(self, values: np.ndarray) -> np.ndarray:
        """The cells of the ``rows`` of a variable [..., row, column] -> [cell, ...]."""
        taken = values[..., self.row - self.rows.start, self.column]
        return np.ascontiguousarray(np.moveaxis(taken, -1, 0))


def _read_coordinates(dataset: Dataset, names: GridNames) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Latitude, longitude [y, x] and the names of the grid's dimensions; a 2-D grid may have cells without a place."""
    path, found = dataset.filepath(), {}
    for wanted, usual, other in ((names.lat, "lat", "east"), (names.lon, "lon", "north")):
        name = wanted if wanted in dataset.variables else usual  # VIC's forcing keeps the usual names
        unit = str(getattr(require_variable(dataset, name), "units", "")).lower()
        if "rad" in unit or other in unit:
            raise DataError(f"{path}: variable '{name}' has units '{unit}', expected degrees of {usual}")
        found[usual] = (dataset[name].dimensions, read_variable(dataset, name), name)
    (lat_dims, lat, lat_name), (lon_dims, lon, lon_name) = found["lat"], found["lon"]
    if lat.ndim == lon.ndim == 1 and lat_dims != lon_dims:
        for name, values, low, high in ((lat_name, lat, -90, 90), (lon_name, lon, -180, 360)):
            bad = ~((values >= low) & (values <= high))
            if bad.any():
                at = int(np.argmax(bad))
                raise DataError(
                    f"{path}: '{name}' at position {at}: found {values[at]:g}, expected {low} to {high} degrees"
                )
        lon, lat = np.meshgrid(lon, lat)
        return lat, lon, (lat_dims[0], lon_dims[0])
    if lat.ndim != 2 or lon_dims != lat_dims:
        raise DataError(
            f"{path}: '{lat_name}' {lat_dims} and '{lon_name}' {lon_dims} span no grid; expected one dimension each, "
            "or the same two"
        )
    return lat, lon, lat_dims


def read_grid(dataset: Dataset, names: GridNames) -> Domain:
    """Coordinates and mask (1 is active) under the given names.

    Raises:
        DataError: missing or impossible coordinates, a mask that is not 0 or 1 or has other dimensions.
    """
    path = dataset.filepath()
    lat, lon, dims = _read_coordinates(dataset, names)
    mask = read_variable(dataset, names.mask)
    if dataset[names.mask].dimensions != dims:
        raise DataError(f"{path}: '{names.mask}' has dimensions {dataset[names.mask].dimensions}, expected {dims}")
    odd = ~(np.isnan(mask) | (mask == 0) | (mask == 1))
    if odd.any():
        y, x = (int(i) for i in np.argwhere(odd)[0])
        raise DataError(
            f"{path}: '{names.mask}' at row {y}, column {x} (lat {lat[y, x]:.6g}, lon {lon[y, x]:.7g}): found "
            f"{mask[y, x]:g}, expected 0 or 1{_count(odd)}"
        )
    grid = Domain(lat, lon, mask == 1, path)
    if not grid.mask.any():
        raise DataError(f"{path}: '{names.mask}' is 1 in no cell, expected one at least")
    require_places(grid.cell_lat, grid.cell_lon, grid.words, source=path)
    return grid


def read_domain(path: Path | str, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """Active cells of a VIC-5 domain file (``mask`` 1).

    Raises:
        DataError: as ``read_grid``.
    """
    with open_dataset(path) as dataset:
        for name in (names.lat, names.lon):
            require_variable(dataset, name)  # of the domain itself, other files may keep the usual names
        return read_grid(dataset, names)


def read_run_cells(path: Path | str, domain: Domain, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """The cells of a domain that a parameter file says to run (``run_cell`` 1), as VIC-5's image driver takes them.

    Raises:
        DataError: a cell of one file that is not in the other, or a cell to run outside the domain's mask.
    """
    with open_dataset(path) as dataset:
        grid = read_grid(dataset, names._replace(mask="run_cell"))
        locate(dataset, domain, names)
    found = match_cells(
        grid.cell_lat, grid.cell_lon, domain.lat.ravel(), domain.lon.ravel(), source=domain.source, words=grid.words
    )
    outside = ~domain.mask.ravel()[found]
    if outside.any():
        raise DataError(
            f"{path}: run_cell is 1 at {grid.words(int(np.argmax(outside)))}, which the domain's mask leaves out"
            f"{_count(outside)}"
        )
    mask = np.zeros(domain.mask.size, dtype=bool)
    mask[found] = True
    return domain._replace(mask=mask.reshape(domain.mask.shape))


def locate(dataset: Dataset, domain: Domain, names: GridNames = GridNames()) -> Located:  # noqa: B008
    """Where the active cells of a domain are in a file.

    Raises:
        DataError: naming the first cell that is not there.
    """
    lat, lon, dims = _read_coordinates(dataset, names)
    if np.array_equal(lat, domain.lat, equal_nan=True) and np.array_equal(lon, domain.lon, equal_nan=True):
        row, column = np.nonzero(domain.mask)
    else:
        found = match_cells(
            domain.cell_lat,
            domain.cell_lon,
            lat.ravel(),
            lon.ravel(),
            source=dataset.filepath(),
            words=domain.words,
        )
        row, column = np.divmod(found, lat.shape[1])
    return Located(lat.shape, dims, row, column)


def _count(cells: np.ndarray) -> str:
    return f" ({int(cells.sum())} such cells)" if cells.sum() > 1 else ""


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
