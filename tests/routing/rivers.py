"""Small rivers for tests."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

DIRECTIONS = """ncols 4
nrows 3
xllcorner -100
yllcorner 40
cellsize 0.5
NODATA_value -9
3 5 -9 -9
3 4 5 -9
3 3 0 7
"""
"""VIC's codes; all drain to row 3, column 3: 2 -> 6 -> 7 <-> none; see the tests."""


def write_directions(folder: Path, text: str = DIRECTIONS) -> Path:
    path = folder / "directions.asc"
    path.write_text(text)
    return path


def write_runoff(
    path: Path, lat: np.ndarray, lon: np.ndarray, runoff: np.ndarray, baseflow: np.ndarray, *, hours: float = 24.0
) -> None:
    """Runoff and baseflow [time, lat, lon] in mm a step, from 2001-01-01."""
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", None), ("lat", len(lat)), ("lon", len(lon))):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",))
        time.units = "hours since 2001-01-01 00:00:00"
        time[:] = hours * np.arange(len(runoff))
        for name, values, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            dataset.createVariable(name, "f8", (name,))[:] = values
            dataset[name].units = unit
        for name, values in (("OUT_RUNOFF", runoff), ("OUT_BASEFLOW", baseflow)):
            variable = dataset.createVariable(name, "f8", ("time", "lat", "lon"))
            variable.units = "mm"
            variable[:] = values
