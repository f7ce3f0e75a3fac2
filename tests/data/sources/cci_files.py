"""Small files of ESA CCI soil moisture: the names, axes, types and flags of versions 7 to 9, cut to a box.

Axes time (1, days since 1970), lat (falling), lon; float with fill value -9999; ``flag`` of bits;
``t0`` in days since 1970 with a fraction.
"""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

LAT, LON = np.array([7.375, 7.125, 6.875, 6.625]), np.array([0.875, 1.125, 1.375, 1.625])
EPOCH = np.datetime64("1970-01-01", "s")


def write_day(
    folder: Path,
    day: str,
    moisture: np.ndarray | float,
    hour: np.ndarray | float = 6.0,
    flag: np.ndarray | int = 0,
    error: np.ndarray | float = 0.02,
    version: str = "09.1",
    product: str = "COMBINED",
    lat: np.ndarray = LAT,
    lon: np.ndarray = LON,
    **units: str,
) -> Path:
    """A file of a day; ``hour`` counts from 00 UTC of it, before that below zero."""
    shape = (len(lat), len(lon))
    seen = np.isfinite(np.broadcast_to(moisture, shape))
    start = (np.datetime64(day, "s") - EPOCH) / np.timedelta64(1, "D")
    kind = "S" if product == "ACTIVE" else "V"
    name = f"ESACCI-SOILMOISTURE-L3S-SSM{kind}-{product}-{day.replace('-', '')}000000-fv{version}.nc"
    folder.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(folder / name, "w", format="NETCDF4") as file:
        for axis, values, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            file.createDimension(axis, len(values))
            variable = file.createVariable(axis, "f8", (axis,))
            variable.units = unit
            variable[:] = values
        file.createDimension("time", 1)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "days since 1970-01-01 00:00:00 UTC", "standard"
        time[0] = start
        for field, kind_of, fill, values, unit in (
            ("sm", "f4", -9999.0, np.where(seen, moisture, -9999.0), "m3 m-3"),
            ("sm_uncertainty", "f4", -9999.0, np.where(seen, error, -9999.0), "m3 m-3"),
            ("flag", "i2", None, np.broadcast_to(flag, shape), None),
            ("t0", "f8", -9999.0, np.where(seen, start + np.broadcast_to(hour, shape) / 24, -9999.0), time.units),
        ):
            variable = file.createVariable(field, kind_of, ("time", "lat", "lon"), fill_value=fill, zlib=True)
            if unit is not None:
                variable.units = units.get(field, unit)
            variable[0] = values
    return folder / name
