"""Fields in netCDF files whose names say nothing: which file has which variable when, and parts of them by time.

Services cut, join and name files as a user asks them to, so that only the contents count. A variable has the axes time,
row and column, and at most an axis ``expver`` of the Climate Data Store: 1 for final, 5 for preliminary data, each
missing where the other is there. Axes of length 1 beside these count as none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.units import same_unit
from paraformer.data.sources.granules import granules_in
from paraformer.data.sources.netcdf_files import (
    axis_of,
    open_netcdf,
    require_unit,
    stamps_of,
    values_of,
    variable_of,
)
from paraformer.data.sources.region import Region

logger = logging.getLogger(__name__)

Keys = Callable[[str, np.ndarray], np.ndarray]
"""Moments that stamps of a variable stand for [datetime64]; NaT for those that are of no use."""

_SUFFIXES = {".nc", ".nc4", ".netcdf", ".cdf"}
_ELSE = {".grib": "GRIB files", ".grb": "GRIB files", ".grib2": "GRIB files", ".zip": "zip archives to be unpacked"}
_ROWS, _COLUMNS = ("latitude", "lat", "y"), ("longitude", "lon", "x")
_PRELIMINARY = 5
"""Version of the data of the last months, until the final ones come."""
_OFF_CENTRE = 1e-3
"""Largest distance of a file's coordinates from the centres of cells, as a part of a cell."""


@dataclass(frozen=True)
class Window:
    """Rows and columns of files that lie in a region, and the cells of a raster that they are.

    Attributes:
        axes: coordinates of the files' rows and columns, which all of them must have.
        rows, columns: positions on the axes.
        cells: identifiers of the raster, in row order [cell].
        lat, lon: centres of the cells [degree] [cell].
    """

    axes: tuple[np.ndarray, np.ndarray]
    rows: Int[np.ndarray, " row"]
    columns: Int[np.ndarray, " column"]
    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]

    @property
    def positions(self) -> tuple[Any, Any]:
        """Rows and columns as netCDF4 reads them fastest."""
        return _slice(self.rows), _slice(self.columns)


@dataclass(frozen=True)
class _Layer:
    """A variable in a file: its axes by name, and the stamps of its times."""

    path: Path
    name: str
    time: str
    row: str
    column: str
    expver: str
    stamps: np.ndarray


@dataclass(frozen=True)
class _Held:
    """Moments of a variable, ascending, with the file and the position in it of each."""

    keys: np.ndarray
    layer: Int[np.ndarray, " key"]
    position: Int[np.ndarray, " key"]
    layers: tuple[_Layer, ...]


class GriddedFiles:
    """Variables of a product in a folder.

    Args:
        folder: searched with its sub-folders.
        units: the variables that are looked for, with the unit that they must state.
        keys: what the stamps stand for.
        first, last: moments that are of use, both included.

    Raises:
        DataError: no folder, no netCDF file, one that is none, a time twice, or a variable with other axes.
    """

    def __init__(
        self, folder: Path, units: Mapping[str, str], keys: Keys, first: np.datetime64, last: np.datetime64
    ) -> None:
        self.folder, self.units = folder, units
        found: dict[str, list[_Layer]] = {}
        for path in _netcdf_in(folder):
            status = path.stat()
            for layer in _layers(path, tuple(units), (status.st_mtime_ns, status.st_size)):
                found.setdefault(layer.name, []).append(layer)
        self._held = {name: _held(tuple(layers), keys, first, last) for name, layers in found.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def require(self, name: str, why: str = "") -> None:
        """Raise DataError unless a file of the folder has the variable."""
        if name not in self._held:
            there = ", ".join(sorted(self._held)) or "none of the product"
            raise DataError(f"{self.folder}: no netCDF file has the variable '{name}'{why}; found {there}")

    def files(self, first: np.datetime64, last: np.datetime64) -> list[Path]:
        """Files with a moment from ``first`` to ``last``."""
        paths: set[Path] = set()
        for held in self._held.values():
            inside = (held.keys >= first) & (held.keys <= last)
            paths |= {held.layers[k].path for k in np.unique(held.layer[inside])}
        return sorted(paths)

    def axes(self, name: str) -> tuple[Path, np.ndarray, np.ndarray]:
        """A file with the variable, and the coordinates of its rows and columns as they are stored."""
        self.require(name)
        layer = self._held[name].layers[0]
        with open_netcdf(layer.path) as dataset:
            return layer.path, _coordinates(layer, dataset, layer.row), _coordinates(layer, dataset, layer.column)

    def window(self, name: str, grid: Raster, region: Region) -> Window:
        """The cells of a raster of latitude and longitude in a region.

        Raises:
            DataError: coordinates that are no centres of its cells, or none in the region.
        """
        path, lat, lon = self.axes(name)
        return window_in(path, grid, (lat, lon), region)

    def moments(self, name: str) -> np.ndarray:
        """Moments of a variable, ascending."""
        return self._held[name].keys

    def read(self, name: str, keys: np.ndarray, window: Window) -> Float[np.ndarray, "key cell"]:
        """Values of a variable at some moments, ascending; NaN where the files have none.

        Raises:
            DataError: a moment is missing, a file has another unit or other axes.
        """
        at = self.require_moments(name, keys)
        held = self._held[name]
        found = np.empty((len(keys), len(window.cells)))
        layers = held.layer[at]
        for start, stop in _runs(layers):
            layer = held.layers[layers[start]]
            with open_netcdf(layer.path) as dataset:
                found[start:stop] = self._part(layer, dataset, held.position[at[start:stop]], window)
        return found

    def require_moments(self, name: str, keys: np.ndarray) -> Int[np.ndarray, " key"]:
        """Where some moments of a variable stand; raises DataError naming the first that no file has."""
        self.require(name)
        held = self._held[name]
        at = np.searchsorted(held.keys, keys)
        lost = (at >= len(held.keys)) | (held.keys[np.minimum(at, len(held.keys) - 1)] != keys)
        if lost.any():
            moment = keys[int(np.argmax(lost))]
            raise DataError(
                f"{self.folder}: variable '{name}': {moment} is missing (the first of {int(lost.sum())}); the files "
                f"have {held.keys[0]}..{held.keys[-1]}"
            )
        return at

    def _part(self, layer: _Layer, dataset: netCDF4.Dataset, position: np.ndarray, window: Window) -> np.ndarray:
        """Values of one file [position, cell]."""
        for axis, expected in zip((layer.row, layer.column), window.axes, strict=True):
            if not np.array_equal(_coordinates(layer, dataset, axis), expected):
                raise DataError(f"{layer.path}: variable '{axis}' differs from that of the other files")
        variable = variable_of(layer.path, dataset, layer.name)
        require_unit(layer.path, variable, self.units[layer.name])
        order = np.argsort(position)  # the library reads forwards only
        part = {layer.time: position[order], layer.row: window.rows, layer.column: window.columns}
        index = tuple(_slice(part[d]) if d in part else slice(None) for d in variable.dimensions)
        values = values_of(layer.path, variable, index)
        wanted = [d for d in (layer.time, layer.expver, layer.row, layer.column) if d]
        there = [d for d in variable.dimensions if d in wanted]
        single = tuple(k for k, d in enumerate(variable.dimensions) if d not in wanted)
        values = np.squeeze(values, axis=single).transpose([there.index(d) for d in wanted])
        if layer.expver:
            values = _final(layer, dataset, values)
        return values.reshape(len(position), -1)[np.argsort(order)]


def window_in(path: Path, grid: Raster, axes: tuple[np.ndarray, np.ndarray], region: Region) -> Window:
    """The part of a file's latitudes and longitudes in a region, as cells of a raster.

    Cells outside the raster are left out.

    Raises:
        DataError: coordinates that are no centres of its cells, or none in the region.
    """
    found = []
    for which, axis, low, high in (
        ("latitude", axes[0], region.south, region.north),
        ("longitude", (axes[1] + 180.0) % 360.0 - 180.0, region.west, region.east),
    ):
        found.append(np.flatnonzero((axis >= low) & (axis <= high)))
        if not found[-1].size:
            raise DataError(f"{path}: {which} spans {axis.min():g} to {axis.max():g}, none in {low:g} to {high:g}")
    rows, columns = found
    lat, lon = (part.ravel() for part in np.meshgrid(axes[0][rows], axes[1][columns], indexing="ij"))
    inside = grid.index(lat, lon)[0].reshape(len(rows), len(columns)) >= 0
    rows, columns = rows[inside.any(axis=1)], columns[inside.any(axis=0)]
    lat, lon = (part.ravel() for part in np.meshgrid(axes[0][rows], axes[1][columns], indexing="ij"))
    row, column = grid.index(lat, lon)
    centre = grid.centres(row, column)
    off = np.maximum(np.abs(centre[0] - lat), np.abs((centre[1] - lon + 180.0) % 360.0 - 180.0))
    wrong = (row < 0) | (off > _OFF_CENTRE * abs(grid.dx))
    if not row.size or wrong.any():
        at = int(np.argmax(wrong)) if row.size else 0
        first = f": found {lat[at]:.8g}, {lon[at]:.8g}" if row.size else ""
        raise DataError(f"{path}: latitudes and longitudes are no cell centres of the grid {grid.name}{first}")
    return Window(axes, rows, columns, grid.identifiers(row, column), *centre)


def _netcdf_in(folder: Path) -> list[Path]:
    """netCDF files by their suffix; raises DataError without one, naming what is there instead."""
    paths = granules_in(folder, "*")
    found = [path for path in paths if path.suffix.lower() in _SUFFIXES]
    if not found:
        other = next((_ELSE[p.suffix.lower()] for p in paths if p.suffix.lower() in _ELSE), "")
        raise DataError(f"{folder}: no netCDF file (*.nc){f'; found {other}' if other else ''}")
    return found


@lru_cache(maxsize=20_000)
def _layers(path: Path, names: tuple[str, ...], _version: tuple[int, int]) -> tuple[_Layer, ...]:
    """Variables of a file among ``names``; remembered, since a study asks for every month of a long period."""
    with open_netcdf(path) as dataset:
        if "expver" in dataset.variables and _PRELIMINARY in axis_of(path, dataset, "expver"):
            logger.warning("%s: holds preliminary data (expver 5), which may still change", path)
        found = []
        for name in names:
            if name in dataset.variables:
                axes = {_role(dataset, d): d for d in dataset[name].dimensions}
                if not {"time", "row", "column"} <= axes.keys() or "" in axes:
                    raise DataError(
                        f"{path}: variable '{name}' has dims {dataset[name].dimensions}, expected time, latitude and "
                        "longitude (or y and x)"
                    )
                stamps = stamps_of(path, dataset, axes["time"])
                found.append(
                    _Layer(path, name, axes["time"], axes["row"], axes["column"], axes.get("expver", ""), stamps)
                )
        return tuple(found)


def _role(dataset: netCDF4.Dataset, dimension: str) -> str:
    """What a dimension is, by its name or the unit of its coordinates; empty for what has no place here."""
    variable = dataset.variables.get(dimension)
    units = str(getattr(variable, "units", ""))
    if dimension in ("valid_time", "time") or " since " in units:
        return "time"
    if dimension in _ROWS or same_unit(units, "degrees_north"):
        return "row"
    if dimension in _COLUMNS or same_unit(units, "degrees_east"):
        return "column"
    if dimension == "expver":
        return "expver"
    return "single" if dataset.dimensions[dimension].size == 1 else ""


def _held(layers: tuple[_Layer, ...], keys: Keys, first: np.datetime64, last: np.datetime64) -> _Held:
    """Moments of a variable over all files that have it; raises DataError for one that is there twice."""
    moments = [keys(layer.name, layer.stamps) for layer in layers]
    joined = np.concatenate(moments)
    layer = np.repeat(np.arange(len(layers)), [len(m) for m in moments])
    position = np.concatenate([np.arange(len(m)) for m in moments])
    useful = ~np.isnat(joined) & (joined >= first) & (joined <= last)
    order = np.argsort(joined[useful], kind="stable")
    found = _Held(joined[useful][order], layer[useful][order], position[useful][order], layers)
    twice = found.keys[1:] == found.keys[:-1]
    if twice.any():
        at = int(np.argmax(twice))
        a, b = (layers[found.layer[k]].path for k in (at, at + 1))
        where = f"is already in {a}" if a != b else "is there twice"
        raise DataError(f"{b}: variable '{layers[0].name}': {found.keys[at]} {where}")
    if not found.keys.size:
        span = [min(m.stamps.min() for m in layers), max(m.stamps.max() for m in layers)]
        raise DataError(
            f"{layers[0].path}: variable '{layers[0].name}' has nothing for {first}..{last}; the files have "
            f"{span[0]}..{span[1]}"
        )
    return found


def _coordinates(layer: _Layer, dataset: netCDF4.Dataset, name: str) -> Float[np.ndarray, " n"]:
    return axis_of(layer.path, dataset, name)


def _runs(labels: np.ndarray) -> list[tuple[int, int]]:
    """Beginnings and ends of the stretches with one label."""
    edges = (np.flatnonzero(np.diff(labels)) + 1).tolist()
    return list(zip([0, *edges], [*edges, len(labels)], strict=True))


def _slice(positions: np.ndarray) -> Any:
    """A slice where positions follow each other, which is read many times faster than a list."""
    first, last = int(positions[0]), int(positions[-1])
    return slice(first, last + 1) if np.array_equal(positions, np.arange(first, last + 1)) else positions


def _final(layer: _Layer, dataset: netCDF4.Dataset, values: Float[np.ndarray, "time expver row column"]) -> np.ndarray:
    """Final values where there are any, else preliminary ones (experiment version 5)."""
    versions = [int(v) for v in np.atleast_1d(np.asarray(axis_of(layer.path, dataset, layer.expver)))]
    if not set(versions) <= {1, _PRELIMINARY}:
        raise DataError(f"{layer.path}: variable 'expver' is {versions}, expected 1 (final) and 5 (preliminary)")
    order = np.argsort(versions)
    found = values[:, order[0]]
    for k in order[1:]:
        found = np.where(np.isfinite(found), found, values[:, k])
    return found
