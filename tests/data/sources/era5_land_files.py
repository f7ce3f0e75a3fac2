"""Small files of ERA5-Land as the Climate Data Store delivers them: of its present service, of the one before, daily.

Present hourly files: netCDF-4, axes valid_time (seconds since 1970), latitude falling, longitude; scalar number, text
expver along the time. Files of the service before: netCDF-3 with 64-bit offsets, 16-bit packed numbers, time in hours
since 1900, at recent dates an axis expver of 1 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np

UNITS = {
    "t2m": "K",
    "d2m": "K",
    "u10": "m s**-1",
    "v10": "m s**-1",
    "sp": "Pa",
    "tp": "m",
    "ssrd": "J m**-2",
    "strd": "J m**-2",
}
LAT, LON = np.array([7.2, 7.1, 7.0]), np.array([1.0, 1.1, 1.2, 1.3])
"""Nine rows above the Gulf of Guinea: Benin."""
CONSTANT = {"t2m": 300.0, "d2m": 290.0, "u10": 3.0, "v10": -4.0, "sp": 98000.0}

Fields = Mapping[str, np.ndarray]
"""Values [time, lat, lon] by variable; what has two axes less is the same everywhere."""


def hours(first: str, count: int) -> np.ndarray:
    return np.datetime64(first, "h") + np.arange(count)


def since_midnight(amounts: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Sums since 00 UTC at each stamp, of the amounts of the hours that end at them."""
    found = np.array(amounts, dtype=np.float64)
    for k in range(1, len(stamps)):
        if stamps[k - 1] != stamps[k - 1].astype("datetime64[D]"):  # at 00 UTC the sum of the day before ended
            found[k] += found[k - 1]
    return found


def whole(values: np.ndarray | float, count: int, lat: np.ndarray = LAT, lon: np.ndarray = LON) -> np.ndarray:
    """Values on all three axes."""
    given = np.asarray(values, dtype=np.float64)
    given = given.reshape(*given.shape, *(1,) * (3 - given.ndim)) if given.ndim else given
    return np.broadcast_to(given, (count, len(lat), len(lon)))


def write_hourly(
    path: Path,
    stamps: np.ndarray,
    fields: Mapping[str, np.ndarray | float],
    lat: np.ndarray = LAT,
    lon: np.ndarray = LON,
    **units: str,
) -> Path:
    """A file of the present service."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        _axes(file, "valid_time", stamps, "seconds since 1970-01-01", "i8", lat, lon)
        file.createVariable("number", "i8", ()).long_name = "ensemble member numerical id"
        version = file.createVariable("expver", str, ("valid_time",))
        version[:] = np.array(["0001"] * len(stamps), dtype=object)
        for name, values in fields.items():
            variable = file.createVariable(
                name, "f4", ("valid_time", "latitude", "longitude"), zlib=True, fill_value=np.float32(np.nan)
            )
            variable.units = units.get(name, UNITS[name])
            variable.GRIB_stepType = "accum" if name in ("tp", "ssrd", "strd") else "instant"
            variable[:] = whole(values, len(stamps), lat, lon)
    return path


def write_packed(
    path: Path,
    stamps: np.ndarray,
    fields: Mapping[str, np.ndarray | float],
    preliminary: np.ndarray | None = None,
) -> Path:
    """A file of the service before; with ``preliminary`` (which stamps) on an axis expver too."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        _axes(file, "time", stamps, "hours since 1900-01-01 00:00:00.0", "i4", LAT, LON)
        dims: tuple[str, ...] = ("time", "latitude", "longitude")
        if preliminary is not None:
            file.createDimension("expver", 2)
            file.createVariable("expver", "i4", ("expver",))[:] = [1, 5]
            dims = ("time", "expver", "latitude", "longitude")
        for name, given in fields.items():
            values = whole(given, len(stamps))
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            scale = (high - low) / 65000 or 1.0
            variable = file.createVariable(name, "i2", dims, fill_value=np.int16(-32767))
            variable.units, variable.missing_value = UNITS[name], np.int16(-32767)
            variable.scale_factor, variable.add_offset = scale, (high + low) / 2
            variable.set_auto_maskandscale(False)
            counts = np.where(np.isfinite(values), np.rint((values - (high + low) / 2) / scale), -32767)
            if preliminary is not None:
                both = np.stack([counts, counts], axis=1)
                both[preliminary, 0], both[~preliminary, 1] = -32767, -32767
                counts = both
            variable[:] = counts.astype(np.int16)
    return path


def _axes(
    file: netCDF4.Dataset, time: str, stamps: np.ndarray, units: str, kind: str, lat: np.ndarray, lon: np.ndarray
) -> None:
    unit, origin = units.split(" since ")
    for name, values, text in (("latitude", lat, "degrees_north"), ("longitude", lon, "degrees_east")):
        file.createDimension(name, len(values))
        variable = file.createVariable(name, "f8" if time == "valid_time" else "f4", (name,))
        variable.units = text
        variable[:] = values
    file.createDimension(time, len(stamps))
    variable = file.createVariable(time, kind, (time,))
    variable.units, variable.calendar = units, "proleptic_gregorian"
    step = np.timedelta64(1, "s" if unit == "seconds" else "h")
    variable[:] = ((stamps.astype("datetime64[s]") - np.datetime64(origin[:10], "s")) / step).astype(np.int64)
