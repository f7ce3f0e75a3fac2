"""Soil moisture of any origin: netCDF files on a regular grid of latitude and longitude, one value a UTC day.

The files may be named, cut and joined as one likes. The unit must be m3 m-3, the grid regular, and a day there once.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.proof import Proof, place_of
from paraformer.core.variables import series_variable
from paraformer.data.sources.gridded_files import GriddedFiles
from paraformer.data.sources.moisture_config import MoistureNetcdfConfig
from paraformer.data.sources.moisture_series import Gathering, MoistureSeries

_UNEVEN = 1e-3
"""Largest departure of an axis from even spacing, as a part of it."""


def find_moisture(config: MoistureNetcdfConfig) -> GriddedFiles:
    """The variable, and its standard error, in the files of the folder.

    Raises:
        DataError: no file has them, or a day is there twice.
    """
    names = [config.variable, *([config.uncertainty] if config.uncertainty else [])]
    first, last = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D")
    files = GriddedFiles(config.folder, dict.fromkeys(names, "m3 m-3"), _days, first, last)
    for name in names:
        files.require(name, " (data.products.observation)")
    return files


def _days(_name: str, stamps: np.ndarray) -> np.ndarray:
    return stamps.astype("datetime64[D]")


def open_moisture_netcdf(
    config: MoistureNetcdfConfig, folder: Path | None, progress: Progress | None = None
) -> MoistureSeries:
    """Read every day of the period that is there.

    Args:
        folder: where values wait for ``MoistureSeries.dataset``; ``None`` takes the system's temporary folder.

    Raises:
        DataError: as ``find_moisture``; an uneven grid, another unit, a value that is no share of a volume, or none.
        RunError: the disk is full.
    """
    files = find_moisture(config)
    path, lat, lon = files.axes(config.variable)
    grid = regular_grid(path, lat, lon)
    window = files.window(config.variable, grid, config.region)
    gathering = Gathering(config.period, window, folder, with_errors=config.uncertainty is not None)
    counts = {"retrievals": 0, "kept": 0}
    days = files.moments(config.variable)
    known = series_variable("sm_obs")
    with (progress or Progress()).task("reading soil moisture", len(days), unit="days") as advance:
        for day in days:
            values = files.read(config.variable, np.array([day]), window)[0]
            errors = None
            keep = np.isfinite(values)
            counts["retrievals"] += int(keep.sum())
            proof = Proof(f"{config.folder}: {day}")
            place = place_of(lambda k: f"lat {window.lat[k]:.6g}, lon {window.lon[k]:.7g}")
            values = proof.values(known, values, place, used=keep, name=config.variable)
            proof.finish()
            if config.uncertainty is not None:
                errors = files.read(config.uncertainty, np.array([day]), window)[0]
                if config.maximum_uncertainty is not None:
                    keep &= errors <= config.maximum_uncertainty
            counts["kept"] += int(keep.sum())
            gathering.add(day, values, errors, np.full(len(values), day.astype("datetime64[s]")), keep)
            advance()
    if not gathering.finish().any():
        raise DataError(f"{config.folder}: no value of '{config.variable}' passes the rules in {config.period}")
    attrs = {
        "title": f"soil moisture, variable {config.variable}",
        "source": f"variable {config.variable} of netCDF files in {config.folder.name}",
        "quality": json.dumps({**counts, "granules": len(files.files(days[0], days[-1]))}, sort_keys=True),
    }
    return gathering.series("sm_obs", grid, attrs)


def regular_grid(path: Path, lat: np.ndarray, lon: np.ndarray) -> Raster:
    """The raster whose centres the coordinates are; identifiers count from its first row and column.

    Raises:
        DataError: fewer than two rows or columns, or uneven ones.
    """
    west = np.unwrap(lon, period=360.0)
    steps = []
    for name, axis in (("latitude", lat), ("longitude", west)):
        if len(axis) < 2:
            raise DataError(f"{path}: {name} has {len(axis)} value, expected two or more of a regular grid")
        step = float(axis[-1] - axis[0]) / (len(axis) - 1)
        if not step or np.abs(np.diff(axis) - step).max() > _UNEVEN * abs(step):
            raise DataError(f"{path}: {name} is not evenly spaced, expected a regular latitude-longitude grid")
        steps.append(step)
    (dy, dx), name = steps, f"{abs(steps[0]):.4g} degree"
    if dx < 0:
        raise DataError(f"{path}: longitude runs westwards, expected eastwards")
    x0 = (float(west[0]) - dx / 2 + 180.0) % 360.0
    if len(lon) * dx > 360.0 - dx / 2:  # around the globe: the raster begins at the date line
        x0 = x0 % dx
        x0 = 0.0 if min(x0, dx - x0) < _UNEVEN * dx else x0 - dx
    return Raster(
        name, "EPSG:4326", x0=x0 - 180.0, y0=float(lat[0]) - dy / 2, dx=dx, dy=dy, rows=len(lat), columns=len(lon)
    )
