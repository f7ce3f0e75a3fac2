"""Small rivers for tests."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

from paraformer.routing.directions import Codes
from paraformer.routing.grids import read_grid
from paraformer.routing.make import RiverOptions, network_of_grid
from paraformer.routing.network import Network

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


def write_text_grid(path: Path, values: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> None:
    """Write an ESRI text grid, as the Lohmann program reads it."""
    size = abs(lat[0] - lat[1]) if len(lat) > 1 else abs(lon[1] - lon[0])
    header = {
        "ncols": len(lon),
        "nrows": len(lat),
        "xllcorner": lon[0] - size / 2,
        "yllcorner": lat[-1] - size / 2,
        "cellsize": size,
        "NODATA_value": -9999,
    }
    rows = [" ".join(f"{value:.12g}" for value in row) for row in np.where(np.isnan(values), -9999, values)]
    path.write_text("\n".join([*(f"{name:<14}{value:.12g}" for name, value in header.items()), *rows]) + "\n")


def network_of_directions(
    path: Path,
    codes: Codes | None = None,
    options: RiverOptions | None = None,
    *,
    variable: str | None = None,
    ends_outside: bool = False,
) -> Network:
    """Network of a file of flow directions."""
    return network_of_grid(read_grid(path, variable), codes, options or RiverOptions(), ends_outside=ends_outside)


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
