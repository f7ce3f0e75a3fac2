"""Daymet version 4: daily netCDF files, one variable and year each, 1 km, North America, Hawaii or Puerto Rico.

A day is that of local time. Short-wave radiation is the mean over the daylight, whose length is given. A year has 365
days: 31 December of leap years is not there. There is no wind, air pressure or long-wave radiation.

Source: Thornton, M. M. et al. (2022), Daymet: Daily Surface Weather Data on a 1-km Grid for North America, Version 4
R1, user guide, ORNL DAAC.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.physics import PA_PER_KPA, SECONDS_PER_DAY
from paraformer.core.units import same_unit
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.estimates import refuse_unasked
from paraformer.data.sources.forcing_config import DaymetConfig
from paraformer.data.sources.gridded_files import GriddedFiles, Window
from paraformer.data.sources.netcdf_files import open_netcdf, variable_of
from paraformer.data.sources.region import Region

logger = logging.getLogger(__name__)

GRID = Raster(
    "Daymet 1 km",
    "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs",
    x0=-4560750.0,
    y0=4984500.0,
    dx=1000.0,
    dy=-1000.0,
    rows=8075,
    columns=7814,
)
"""Row 0 is the northernmost."""

UNITS = {"prcp": "mm day-1", "tmax": "degC", "tmin": "degC", "srad": "W m-2", "vp": "Pa", "dayl": "s"}
"""Variables that are read, with the unit they must state."""

_DAY = np.timedelta64(1, "D")
_BLOCK_BYTES = 256 * 2**20
_METRES = {"m": 1.0, "km": 1000.0}
_OFF_CENTRE = 0.01


def around(region: Region) -> Raster:
    """The smallest window of the grid that holds a region, whose sides are no lines of the projection.

    Raises:
        DataError: the region lies outside the grid.
    """
    along = np.linspace(0.0, 1.0, 201)
    lat = region.south + (region.north - region.south) * along
    lon = region.west + (region.east - region.west) * along
    south, north, west, east = (np.full(201, v) for v in (region.south, region.north, region.west, region.east))
    x, y = GRID.project(np.concatenate([lat, lat, south, north]), np.concatenate([west, east, lon, lon]))
    spans = []
    for place, count in (((y - GRID.y0) / GRID.dy, GRID.rows), ((x - GRID.x0) / GRID.dx, GRID.columns)):
        first, last = (int(np.clip(edge, 0, count)) for edge in (np.floor(place.min()), np.ceil(place.max())))
        if last <= first:
            raise DataError(f"{GRID.name}: the region lies outside the grid")
        spans.append(slice(first, last))
    return GRID.window(*spans)


def find_daymet(config: DaymetConfig) -> GriddedFiles:
    """Variables of the folder and when the period has them.

    Raises:
        DataError: no netCDF file, one that cannot be read, a day twice, a variable missing, or a period with the
            31 December of a leap year (``december_31: refuse``).
    """
    days = np.arange(np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1)
    lost = days[_is_lost(days)]
    if lost.size and config.december_31 == "refuse":
        raise DataError(
            f"{config.folder}: Daymet has no {lost[0]}, the last day of a leap year; leave it out of the period, or "
            "take that of the 30th (data.products.forcing.december_31: repeat)"
        )
    first, last = _there(days)[[0, -1]]
    files = GriddedFiles(config.folder, UNITS, lambda _, stamps: stamps.astype("datetime64[D]"), first, last)
    for name in UNITS:
        files.require(name, " of Daymet")
        files.require_moments(name, np.unique(_there(days)))
    refuse_unasked(config, ("lwdown", "wind", "pres"))
    return files


def _is_lost(days: np.ndarray) -> np.ndarray:
    """Last days of leap years."""
    years = days.astype("datetime64[Y]")
    return np.asarray((days - years.astype("datetime64[D]")) / _DAY == 365)


def _there(days: np.ndarray) -> np.ndarray:
    """Days to read for some days: the 30th of December for the 31st that is not there."""
    return np.where(_is_lost(days), days - _DAY, days)


def daymet_blocks(config: DaymetConfig, progress: Progress | None = None) -> Iterator[xr.Dataset]:
    """Forcings as blocks of the simple format that follow each other in time, each at most about 256 MiB.

    Cells are the pixels with values whose centre lies in the region, identified by ``row * 7814 + column`` (``GRID``).

    Yields:
        ``prcp, tair, swdown, vp (cell, time)``; ``tair`` is the mean of the day's extremes.

    Raises:
        DataError: as ``find_daymet``; a day is missing, a variable has another unit or place, or a pixel loses its
            values.
    """
    files = find_daymet(config)
    window, land = _land(config, files)
    start, stop = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1
    length = int(np.clip(_BLOCK_BYTES // (len(UNITS) * len(window.cells) * 8), 1, 31))
    logger.warning("%s: days of Daymet are those of local time; they are taken for UTC days", config.folder)
    with (progress or Progress()).task("reading Daymet", int((stop - start) // _DAY), unit="days") as advance:
        for begin in np.arange(start, stop, length):
            days = np.arange(begin, min(begin + length, stop))
            yield _block(config, files, window, land, days)
            advance(len(days))


def _block(config: DaymetConfig, files: GriddedFiles, window: Window, land: np.ndarray, days: np.ndarray) -> xr.Dataset:
    read: dict[str, Float[np.ndarray, "day cell"]] = {}
    for name in UNITS:
        read[name] = _days_of(files, name, days, window)[:, land]
        lost = ~np.isfinite(read[name])
        if lost.any():
            day, cell = np.argwhere(lost)[0]
            at = land[cell]
            raise DataError(
                f"{config.folder}: variable '{name}', lat {window.lat[at]:.6g}, lon {window.lon[at]:.7g}, {days[day]}: "
                "missing value in forcing"
            )
    found = {
        "prcp": read["prcp"],
        "tair": 0.5 * (read["tmin"] + read["tmax"]),
        "swdown": read["srad"] * read["dayl"] / SECONDS_PER_DAY,
        "vp": read["vp"] / PA_PER_KPA,
    }
    attrs = {"cell_methods": "time: mean", "origin": "observed"}
    variables = {name: (("cell", "time"), values.T.astype(np.float32), dict(attrs)) for name, values in found.items()}
    variables["tair"][2]["method"] = "mean of the day's minimum and maximum"
    about = {
        "title": "Daymet",
        "source": "Daymet version 4 R1, doi:10.3334/ORNLDAAC/2129",
        "references": "Thornton et al. (2021), Sci. Data 8, 190",
        "day": "local",
    }
    if _is_lost(days).any():
        about["comment"] = "31 December of leap years, which Daymet has not, is that of the 30th"
    return simple_dataset(window.cells[land], window.lat[land], window.lon[land], days, variables, about)


def _days_of(files: GriddedFiles, name: str, days: np.ndarray, window: Window) -> Float[np.ndarray, "day cell"]:
    """Values of some days, that of the 30th of December standing in for the 31st that is not there."""
    wanted, back = np.unique(_there(days), return_inverse=True)
    return files.read(name, wanted, window)[back]


def _land(config: DaymetConfig, files: GriddedFiles) -> tuple[Window, np.ndarray]:
    """The rectangle of the files around the region, and the pixels in it that count."""
    path, y, x = files.axes("prcp")
    row, column = _lattice(path, y, x)
    region, part = config.region, around(config.region)
    rows = np.flatnonzero((row >= part.row0) & (row < part.row0 + part.rows))
    columns = np.flatnonzero((column >= part.column0) & (column < part.column0 + part.columns))
    if not rows.size or not columns.size:
        raise DataError(f"{path}: no pixel of Daymet in the region")
    grid_row, grid_column = (part.ravel() for part in np.meshgrid(row[rows], column[columns], indexing="ij"))
    centre = GRID.centres(grid_row, grid_column)
    window = Window((y, x), rows, columns, GRID.identifiers(grid_row, grid_column), *centre)
    inside = (centre[0] >= region.south) & (centre[0] <= region.north)
    inside &= (centre[1] >= region.west) & (centre[1] <= region.east)
    first = _there(np.array([np.datetime64(config.period.start, "D")]))
    for name in UNITS:
        inside &= np.isfinite(files.read(name, first, window)[0])
    if not inside.any():
        raise DataError(f"{config.folder}: no pixel of the region has forcing on {first[0]}")
    return window, np.flatnonzero(inside)


def _lattice(path: Path, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the whole grid that the axes of a file are."""
    found = []
    with open_netcdf(path) as dataset:
        for name, axis, origin, size in (("y", y, GRID.y0, GRID.dy), ("x", x, GRID.x0, GRID.dx)):
            unit = str(getattr(variable_of(path, dataset, name), "units", ""))
            factor = next((metres for known, metres in _METRES.items() if same_unit(unit, known)), None)
            if factor is None:
                raise DataError(f"{path}: variable '{name}' has unit '{unit}', expected 'm' or 'km'")
            place = (axis * factor - origin) / size - 0.5
            if (np.abs(place - np.rint(place)) > _OFF_CENTRE).any():
                raise DataError(f"{path}: variable '{name}' has no cell centres of the grid {GRID.name}")
            found.append(np.rint(place).astype(np.int64))
    return found[0], found[1]
