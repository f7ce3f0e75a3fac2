"""NLDAS-2 primary forcing, NLDAS_FORA0125_H version 2.0: hourly netCDF files on a 1/8 degree grid.

A file holds one hour. Its time stamp t means two things: the state of the air and radiation *at* t, and the
precipitation of the hour that *ends* at t [kg m-2]. Both are brought to the hour that begins at t: precipitation is
that of the next file, everything else the mean of this file and the next (the mean of the line between them). A day
therefore needs 25 files, from 00:00 to 00:00 of the next day, and its precipitation is exactly what fell on it.

Sources: NLDAS-2 README document, NASA GES DISC (variables, units, backward accumulation); Xia, Y. et al. (2012),
J. Geophys. Res. 117, D03109.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.physics import KELVIN, PA_PER_KPA
from paraformer.core.variables import FORCING
from paraformer.data.sources.blocks import join_blocks, simple_dataset
from paraformer.data.sources.config import NldasConfig
from paraformer.data.sources.granules import fault_of, granules_in, reading
from paraformer.data.sources.netcdf_files import axis_of, open_netcdf, require_unit, values_of, variable_of

logger = logging.getLogger(__name__)

GRID = Raster("NLDAS-2 1/8 degree", "EPSG:4326", x0=-125.0, y0=25.0, dx=0.125, dy=0.125, rows=224, columns=464)
"""Row 0 is the southernmost; centres from 25.0625 N, 124.9375 W (README, section on the grid)."""

UNITS = {
    "Tair": "K",
    "Qair": "kg kg-1",
    "PSurf": "Pa",
    "Wind_E": "m s-1",
    "Wind_N": "m s-1",
    "LWdown": "W m-2",
    "SWdown": "W m-2",
    "Rainf": "kg m-2",
}
"""Variables that are read, with the unit they must state."""

"""0 degC [K]."""

_NAME = re.compile(
    r"NLDAS_FORA0125_H\.A(?P<day>\d{8})\.(?P<hour>\d{2})00\.020\.nc4?(?P<service>(\.SUB)?(\.dap)?\.nc4?)?"
)
"""A file as it lies in the archive, or as one of its services hands it out (``.nc.SUB.nc4``); no sidecar, no part."""
_LEGACY = re.compile(r"NLDAS_FORA0125_H\.A\d{8}\.\d{4}\.002\.(grb|grib).*")
_BLOCK_BYTES = 256 * 2**20
_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")


def find_nldas(config: NldasConfig) -> dict[np.datetime64, Path]:
    """Files of a folder by their time stamp [datetime64[h]], inside the period and 24 h on either side.

    Raises:
        DataError: no file; GRIB-1 files of the withdrawn version 002 only; one hour twice in files of one kind.
    """
    first = np.datetime64(config.period.start, "h") - 24 * _HOUR
    last = np.datetime64(config.period.end, "h") + 48 * _HOUR
    services: dict[str, dict[np.datetime64, Path]] = {}
    legacy: Path | None = None
    for path in granules_in(config.folder, "NLDAS_FORA0125_H.A*"):
        match = _NAME.fullmatch(path.name)
        if match is None:
            legacy = path if _LEGACY.fullmatch(path.name) else legacy
            continue
        day = match["day"]
        stamp = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}T{match['hour']}", "h")
        if not first <= stamp <= last:
            continue
        found = services.setdefault(match["service"] or "", {})
        if stamp in found:
            raise DataError(f"{path}: the hour {stamp}:00 is already in {found[stamp]}")
        found[stamp] = path
    if not services and legacy is not None:
        raise DataError(
            f"{legacy}: GRIB-1 file of NLDAS-2 version 002, which NASA has withdrawn; expected the netCDF files of "
            "version 2.0 (NLDAS_FORA0125_H.AYYYYMMDD.HH00.020.nc)"
        )
    if not services:
        raise DataError(f"{config.folder}: no NLDAS_FORA0125_H file of version 2.0 for {config.period}")
    return _one_an_hour(config, services)


def _one_an_hour(config: NldasConfig, services: Mapping[str, dict[np.datetime64, Path]]) -> dict[np.datetime64, Path]:
    """Of hours that are there twice, as a whole and as a subset, the file of the kind with the most hours."""
    kinds = sorted(services, key=lambda service: (-len(services[service]), service))
    found: dict[np.datetime64, Path] = {}
    twice: list[tuple[Path, Path]] = []
    for kind in kinds:
        twice += [(found[stamp], path) for stamp, path in services[kind].items() if stamp in found]
        found = services[kind] | found
    if twice:
        read, other = twice[0]
        logger.warning(
            "%s: %d hours are there twice; of each one file is read, first %s, not %s",
            config.folder,
            len(twice),
            read.name,
            other.name,
        )
    return found


def read_nldas(config: NldasConfig, progress: Progress | None = None) -> xr.Dataset:
    """All blocks of ``nldas_blocks`` in memory; for large regions write the blocks with ``write_blocks`` instead."""
    return join_blocks(nldas_blocks(config, progress))


def nldas_blocks(config: NldasConfig, progress: Progress | None = None) -> Iterator[xr.Dataset]:
    """The seven forcings as blocks of the simple format that follow each other in time, each at most about 256 MiB.

    Cells are the land cells of the NLDAS-2 grid in the region, identified by ``row * 464 + column`` (row 0: south).

    Yields:
        The seven of ``FORCING (cell, time)`` in their units; precipitation is a rate [mm day-1] in every step.

    Raises:
        DataError: an hour is missing, a file is unusable, or a variable is missing, has another unit or another place,
            or loses a cell that had a value in the first file.
    """
    files = find_nldas(config)
    start = np.datetime64(config.period.start, "D")
    stop = np.datetime64(config.period.end, "D") + 1
    site = _first_site(config, files, start)
    length = int(np.clip(_BLOCK_BYTES // (len(FORCING) * site.cells.size * config.steps * 8), 1, 31))
    with (progress or Progress()).task("reading NLDAS-2", int((stop - start) // _DAY), unit="days") as advance:
        for begin in np.arange(start, stop, length):
            end = min(begin + length, stop)
            yield _block(config, files, site, begin, end)
            advance(int((end - begin) // _DAY))


def sample_nldas(config: NldasConfig, days: np.ndarray) -> Iterator[xr.Dataset]:
    """Blocks of single days of ``nldas_blocks``; of all files of the period, names, first bytes and lengths are proved.

    Args:
        days: of the period [datetime64[D]].

    Raises:
        DataError: as ``nldas_blocks``, but for what only the other days hold.
    """
    files = find_nldas(config)
    first, last = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D")
    site = _first_site(config, files, first)
    for stamp in _stamps(site, first, last + 1):
        path = _file_at(config, files, stamp)
        if fault := fault_of(path, "HDF5"):
            raise DataError(f"{path}: {fault}")
    for day in days:
        yield _block(config, files, site, day, day + _DAY)


@dataclass(frozen=True)
class _Site:
    """Land cells of the region and where they are in the files.

    Attributes:
        rows, columns: rectangle of the files' own arrays.
        lat, lon: axes of the files, which may be spatial subsets of the grid [degree].
        land: cells of the rectangle with forcing, flattened.
        cells: identifiers [land].
        cell_lat, cell_lon: centres [land].
        zone: hours from UTC to the day that is asked for [land].
    """

    rows: slice
    columns: slice
    lat: np.ndarray
    lon: np.ndarray
    land: np.ndarray
    cells: Int[np.ndarray, " land"]
    cell_lat: Float[np.ndarray, " land"]
    cell_lon: Float[np.ndarray, " land"]
    zone: Int[np.ndarray, " land"]


def _first_site(config: NldasConfig, files: Mapping[np.datetime64, Path], start: np.datetime64) -> _Site:
    """Read the first hour of the period to learn which cells of the region are land."""
    path = _file_at(config, files, start.astype("datetime64[h]"))
    with open_netcdf(path, "HDF5") as dataset:
        lat, lon = (axis_of(path, dataset, name) for name in ("lat", "lon"))
        region = config.region
        rows, columns = (
            _span(path, name, axis, low, high)
            for name, axis, low, high in (
                ("lat", lat, region.south, region.north),
                ("lon", lon, region.west, region.east),
            )
        )
        grid_lat, grid_lon = np.meshgrid(lat[rows], lon[columns], indexing="ij")
        row, column = GRID.index(grid_lat.ravel(), grid_lon.ravel())
        centre = GRID.centres(row, column)
        off = np.maximum(np.abs(centre[0] - grid_lat.ravel()), np.abs(centre[1] - grid_lon.ravel()))
        if (row < 0).any() or (off > 1e-3).any():
            raise DataError(f"{path}: variables 'lat' and 'lon' are not cell centres of the {GRID.name} grid")
        values = [_values(path, dataset, name, rows, columns) for name in UNITS]
    land = np.isfinite(np.stack(values)).all(axis=0)
    if not land.any():
        raise DataError(f"{path}: no cell of the region has forcing")
    zone = np.round(centre[1] / 15.0).astype(np.int64) if config.day == "local" else np.zeros(row.size, np.int64)
    cells = row * GRID.columns + column
    return _Site(rows, columns, lat, lon, land, cells[land], centre[0][land], centre[1][land], zone[land])


def _block(
    config: NldasConfig, files: Mapping[np.datetime64, Path], site: _Site, begin: np.datetime64, end: np.datetime64
) -> xr.Dataset:
    """Means of the steps of the days ``begin`` to before ``end``."""
    n_steps = int((end - begin) // _DAY) * config.steps
    hours = 24 // config.steps
    total = np.zeros((len(FORCING), n_steps, site.cells.size))
    zones: list[tuple[int, Any]] = [(int(zone), np.flatnonzero(site.zone == zone)) for zone in np.unique(site.zone)]
    if len(zones) == 1:
        zones = [(zones[0][0], slice(None))]  # no copies: this runs once an hour
    first, stamps = begin.astype("datetime64[h]"), _stamps(site, begin, end)
    before = _hour(config, files, site, stamps[0])
    for stamp in stamps[1:]:
        after = _hour(config, files, site, stamp)
        mean = 0.5 * (before + after)
        mean[0] = after[0]
        for zone, at in zones:
            step = (int((stamp - _HOUR - first) // _HOUR) + zone) // hours
            if 0 <= step < n_steps:
                total[:, step, at] += mean[:, at]
        before = after
    time = begin.astype("datetime64[m]") + np.arange(n_steps) * np.timedelta64(60 * hours, "m")
    variables = {
        name: (("cell", "time"), (total[k] / hours).T.astype(np.float32), {"cell_methods": "time: mean"})
        for k, name in enumerate(FORCING)
    }
    block = simple_dataset(site.cells, site.cell_lat, site.cell_lon, time, variables, _attributes(config))
    if config.day == "local":
        block["time"].attrs["long_name"] = "local day: UTC plus longitude / 15, in whole hours"
    return block


def _stamps(site: _Site, begin: np.datetime64, end: np.datetime64) -> np.ndarray:
    """Hours of the files that the days ``begin`` to before ``end`` are made of."""
    first, last = begin.astype("datetime64[h]"), end.astype("datetime64[h]")
    return np.arange(first - int(site.zone.max()), last - int(site.zone.min()) + 1)


def _attributes(config: NldasConfig) -> dict[str, str]:
    return {
        "title": "NLDAS-2 primary forcing",
        "source": "NLDAS_FORA0125_H version 2.0, doi:10.5067/THUF4J1RLSYG",
        "references": "Xia et al. (2012), J. Geophys. Res. 117, D03109",
        "day": config.day,
    }


def _hour(
    config: NldasConfig, files: Mapping[np.datetime64, Path], site: _Site, stamp: np.datetime64
) -> Float[np.ndarray, "forcing land"]:
    """The seven forcings of one file in their units, in the order of ``FORCING``."""
    path = _file_at(config, files, stamp)
    found: dict[str, np.ndarray] = {}
    with open_netcdf(path, "HDF5") as dataset:
        _check_time(path, dataset, stamp)
        for name, axis in (("lat", site.lat), ("lon", site.lon)):
            if not np.array_equal(axis_of(path, dataset, name), axis):
                raise DataError(f"{path}: variable '{name}' differs from that of the first file")
        for name in UNITS:
            values = _values(path, dataset, name, site.rows, site.columns)[site.land]
            lost = ~np.isfinite(values)
            if lost.any():
                cell = site.cells[int(np.argmax(lost))]
                raise DataError(f"{path}: variable '{name}', cell {cell}, time {stamp}:00: missing value in forcing")
            found[name] = values
    forcing = {
        "prcp": found["Rainf"] * 24.0,
        "tair": found["Tair"] - KELVIN,
        "swdown": found["SWdown"],
        "lwdown": found["LWdown"],
        "wind": np.hypot(found["Wind_E"], found["Wind_N"]),
        "vp": vapour_pressure(found["Qair"], found["PSurf"] / PA_PER_KPA),
        "pres": found["PSurf"] / PA_PER_KPA,
    }
    return np.stack([forcing[name] for name in FORCING])


def vapour_pressure(q: Float[np.ndarray, "*n"], pressure: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Vapour pressure [kPa] of specific humidity [kg kg-1] and air pressure [kPa]: ``e = q p / (0.622 + 0.378 q)``.

    From ``q = 0.622 e / (p - 0.378 e)`` (Wallace and Hobbs 2006, Atmospheric Science, eqs. 3.57-3.59).
    """
    return q * pressure / (0.622 + 0.378 * q)


def _file_at(config: NldasConfig, files: Mapping[np.datetime64, Path], stamp: np.datetime64) -> Path:
    if stamp not in files:
        name = f"NLDAS_FORA0125_H.A{str(stamp)[:10].replace('-', '')}.{str(stamp)[11:13]}00.020.nc"
        raise DataError(f"{config.folder}: the hour {stamp}:00 is missing, expected file {name}")
    return files[stamp]


def _span(path: Path, name: str, axis: np.ndarray, low: float, high: float) -> slice:
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    if not inside.size:
        raise DataError(
            f"{path}: variable '{name}' spans {axis.min():g} to {axis.max():g}, none in {low:g} to {high:g}"
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _values(path: Path, dataset: netCDF4.Dataset, name: str, rows: slice, columns: slice) -> Float[np.ndarray, " cell"]:
    """Values of a variable in the rectangle, NaN where the file has its fill value."""
    variable = variable_of(path, dataset, name)
    if variable.dimensions != ("time", "lat", "lon"):
        raise DataError(f"{path}: variable '{name}' has dims {variable.dimensions}, expected ('time', 'lat', 'lon')")
    require_unit(path, variable, UNITS[name])
    return values_of(path, variable, (0, rows, columns), {"missing_value": -9999.0}).ravel()


def _check_time(path: Path, dataset: netCDF4.Dataset, stamp: np.datetime64) -> None:
    """The time inside the file must be that of its name."""
    variable = variable_of(path, dataset, "time")
    with reading(path, "time"):
        found: Any = netCDF4.num2date(np.asarray(variable[:1]), variable.units)
    if np.datetime64(found[0].isoformat(), "s") != stamp:
        raise DataError(f"{path}: variable 'time' is {found[0]}, expected {stamp}:00 by the file's name")
