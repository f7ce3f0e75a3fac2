"""Small hourly files with the structure of NLDAS_FORA0125_H version 2.0.

Follows the NLDAS-2 README document (GES DISC) for variables, units and the grid, and the header of the netCDF files:
dimensions time (unlimited, 1), lat (224), lon (464), bnds; float with fill value -9999; time in hours since 1979. A
file may be a spatial subset, as the archive's subsetting service gives it, so that the tests stay small.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import netCDF4
import numpy as np

VARIABLES = {
    "Tair": ("K", "2-meter above ground Temperature", "time: point"),
    "Qair": ("kg kg-1", "2-meter above ground Specific humidity", "time: point"),
    "PSurf": ("Pa", "Surface pressure", "time: point"),
    "Wind_E": ("m s-1", "10-meter above ground Zonal wind speed", "time: point"),
    "Wind_N": ("m s-1", "10-meter above ground Meridional wind speed", "time: point"),
    "LWdown": ("W m-2", "Longwave radiation flux downwards (surface)", "time: point"),
    "CRainf_frac": ("1", "Fraction of total precipitation that is convective", "time: point"),
    "CAPE": ("J kg-1", "Convective Available Potential Energy", "time: point"),
    "PotEvap": ("kg m-2", "Potential evaporation", "time: sum"),
    "Rainf": ("kg m-2", "Total precipitation", "time: sum"),
    "SWdown": ("W m-2", "Shortwave radiation flux downwards (surface)", "time: point"),
}
LAT, LON = 25.0625 + 0.125 * np.arange(224), -124.9375 + 0.125 * np.arange(464)
CONSTANT = {
    "Tair": 280.0,
    "Qair": 0.006,
    "PSurf": 9e4,
    "Wind_E": 3.0,
    "Wind_N": -4.0,
    "LWdown": 300.0,
    "CRainf_frac": 0.0,
    "CAPE": 0.0,
    "PotEvap": 0.1,
    "Rainf": 0.5,
    "SWdown": 200.0,
}
Course = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""Values [lat, lon] of hours since the first file, latitude and longitude."""


def write_hour(
    folder: Path,
    stamp: np.datetime64,
    values: Mapping[str, np.ndarray | float],
    lat: np.ndarray = LAT,
    lon: np.ndarray = LON,
    units: Mapping[str, str] | None = None,
) -> Path:
    path = _path(folder, stamp)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        for name, size in (("time", None), ("lat", len(lat)), ("lon", len(lon)), ("bnds", 2)):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar, time.bounds = "hours since 1979-01-01 00:00:00", "standard", "time_bnds"
        hours = _hours(stamp)
        time[0] = hours
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[0] = [hours - 1, hours]
        for name, axis, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            variable = file.createVariable(name, "f8", (name,))
            variable.units = unit
            variable[:] = axis
        for name, (unit, long_name, method) in VARIABLES.items():
            variable = file.createVariable(name, "f4", ("time", "lat", "lon"), zlib=True, fill_value=np.float32(-9999))
            variable.units, variable.long_name = (units or {}).get(name, unit), long_name
            variable.cell_methods, variable.missing_value = method, np.float32(-9999)
            variable[0] = np.broadcast_to(values.get(name, CONSTANT[name]), (len(lat), len(lon)))
    return path


def repeat_hour(source: Path, stamp: np.datetime64) -> Path:
    """The file of another hour with the same weather: ten times faster than to write it."""
    path = shutil.copyfile(source, _path(source.parent, stamp))
    with h5py.File(path, "r+") as file:
        file["time"][0] = _hours(stamp)
        file["time_bnds"][0] = [_hours(stamp) - 1, _hours(stamp)]
    return path


def _path(folder: Path, stamp: np.datetime64) -> Path:
    text = str(stamp.astype("datetime64[h]"))
    return folder / f"NLDAS_FORA0125_H.A{text[:10].replace('-', '')}.{text[11:13]}00.020.nc"


def _hours(stamp: np.datetime64) -> float:
    return float((stamp - np.datetime64("1979-01-01T00", "h")) / np.timedelta64(1, "h"))


def write_hours(
    folder: Path, first: str, hours: int, courses: Mapping[str, Course], lat: np.ndarray, lon: np.ndarray
) -> list[Path]:
    """Files of consecutive hours; variables without a course are constant."""
    grid_lat, grid_lon = np.meshgrid(lat, lon, indexing="ij")
    return [
        write_hour(
            folder,
            np.datetime64(first, "h") + hour,
            {name: course(hour, grid_lat, grid_lon) for name, course in courses.items()},
            lat,
            lon,
        )
        for hour in range(hours)
    ]
