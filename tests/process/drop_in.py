"""A miniature world in VIC-5's own files: domain, parameters, yearly forcing and a global parameter file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np

from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.inputs import BANDS, PLANTS, SOIL
from paraformer.process.vic.parameters import CellParameters
from process.miniature import STEPS, make_forcing, make_parameters

FIRST_DAY = np.datetime64("2000-12-20")
N_DAY = 30  # over the end of a leap year
MASK = np.array([[True, True], [False, True]])
CLASSES = np.array([0, 1, 3])  # class 2 of 4 is used by no cell
FORCE_TYPES = {
    "prcp": "PREC",
    "tair": "AIR_TEMP",
    "swdown": "SWDOWN",
    "lwdown": "LWDOWN",
    "wind": "WIND",
    "vp": "VP",
    "pres": "PRESSURE",
}
STREAM = """
OUTFILE daily
AGGFREQ NDAYS 1
OUT_FORMAT NETCDF4
OUTVAR OUT_EVAP * OUT_TYPE_DOUBLE
OUTVAR OUT_SOIL_MOIST * OUT_TYPE_DOUBLE
OUTVAR OUT_SWE * OUT_TYPE_DOUBLE
OUTVAR OUT_RUNOFF * OUT_TYPE_DOUBLE
"""


def write_grid(dataset: netCDF4.Dataset) -> None:
    for name, values in (("lat", [40.0, 41.0]), ("lon", [-100.0, -99.0])):
        dataset.createDimension(name, 2)
        dataset.createVariable(name, "f8", (name,))[:] = values


def put_parameters(parameters: CellParameters, put: Callable[..., None]) -> None:
    """Every variable of a parameter file of three cells, by ``put(name, values [cell, ...], dimensions, type)``."""
    for field, name in SOIL.items():
        values = getattr(parameters, field)
        put(name, values, ("nlayer",) if values.ndim == 2 else ())
    for field, name in BANDS.items():
        put(name, getattr(parameters, field), ("snow_band",))
    for field, name in PLANTS.items():
        values = np.asarray(getattr(parameters, field), dtype=np.float64)
        spread = np.zeros((len(values), 4, *values.shape[2:]))
        spread[:, CLASSES] = values
        extra = {2: (), 3: ("root_zone",) if "root" in name else ("month",)}[values.ndim]
        put(name, spread, ("veg_class", *extra), "i4" if name == "overstory" else "f8")
    put("Nveg", np.full(3, 2), kind="i4")
    put("run_cell", np.ones(3), kind="i4")


def write_parameters(path: Path, parameters: CellParameters) -> None:
    """A VIC-5 parameter file and, beside it, ``domain.nc``."""
    with netCDF4.Dataset(path, "w") as dataset:
        write_grid(dataset)
        for name, size in (("nlayer", 3), ("snow_band", 2), ("veg_class", 4), ("root_zone", 3), ("month", 12)):
            dataset.createDimension(name, size)

        def put(name: str, values: np.ndarray, middle: tuple[str, ...] = (), kind: str = "f8") -> None:
            full = np.ma.masked_all((*values.shape[1:], *MASK.shape), dtype=kind)
            full[..., MASK] = np.moveaxis(values, 0, -1)
            dataset.createVariable(name, kind, (*middle, "lat", "lon"), fill_value=-999)[:] = full

        put_parameters(parameters, put)
    with netCDF4.Dataset(path.with_name("domain.nc"), "w") as dataset:
        write_grid(dataset)
        dataset.createVariable("mask", "i4", ("lat", "lon"))[:] = MASK.astype(int)


def write_forcing(prefix: str, forcing: Forcing) -> None:
    """``<prefix>2000.nc`` and ``<prefix>2001.nc``, variables under VIC's own names."""
    days = FIRST_DAY + np.arange(N_DAY)
    for year in (2000, 2001):
        inside = np.repeat(days.astype("datetime64[Y]") == np.datetime64(str(year)), STEPS)
        with netCDF4.Dataset(f"{prefix}{year}.nc", "w") as dataset:
            write_grid(dataset)
            dataset.createDimension("time", None)
            time = dataset.createVariable("time", "f8", ("time",))
            time.units = "hours since 2000-12-20"
            time[:] = np.flatnonzero(inside) * 24.0 / STEPS
            for field, name in FORCE_TYPES.items():
                full = np.full((int(inside.sum()), *MASK.shape), np.nan)
                full[:, MASK] = getattr(forcing, field)[:, inside].T
                dataset.createVariable(name.lower(), "f8", ("time", "lat", "lon"))[:] = full


def make_world(folder: Path) -> tuple[CellParameters, Forcing]:
    """Files of three cells for 30 days of snow, rain and frost."""
    parameters, forcing = make_parameters(3), make_forcing(3, N_DAY, temperature=0.0, rain=6.0)
    write_parameters(folder / "params.nc", parameters)
    write_forcing(str(folder / "forcing."), forcing)
    return parameters, forcing


def global_file(
    folder: Path,
    *,
    model_steps: int = 1,
    first: str = "2000-12-20",
    last: str = "2001-01-18",
    streams: str = STREAM,
    extra: str = "",
    result: str = "out",
    name: str = "global.txt",
) -> Path:
    """Write a global parameter file of the world."""
    start, end = ([str(int(part)) for part in date.split("-")] for date in (first, last))
    lines = [
        f"MODEL_STEPS_PER_DAY {model_steps}",
        f"SNOW_STEPS_PER_DAY {STEPS}",
        "RUNOFF_STEPS_PER_DAY 24",
        f"STARTYEAR {start[0]}",
        f"STARTMONTH {start[1]}",
        f"STARTDAY {start[2]}",
        f"ENDYEAR {end[0]}",
        f"ENDMONTH {end[1]}",
        f"ENDDAY {end[2]}",
        "CALENDAR PROLEPTIC_GREGORIAN",
        "FULL_ENERGY FALSE # only the water balance",
        "FROZEN_SOIL FALSE",
        f"DOMAIN {folder}/domain.nc",
        f"PARAMETERS {folder}/params.nc",
        f"FORCING1 {folder}/forcing.",
        *(f"FORCE_TYPE {kind} {kind.lower()}" for kind in FORCE_TYPES.values()),
        "LAI_SRC FROM_VEGPARAM",
        "FCAN_SRC FROM_VEGPARAM",
        "ALB_SRC FROM_VEGPARAM",
        "SNOW_BAND TRUE",
        f"RESULT_DIR {folder}/{result}",
        extra,
        streams,
    ]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def read_history(path: Path, name: str) -> np.ndarray:
    """A history variable of the active cells [time, (layer,) cell]; everything else must be missing."""
    with netCDF4.Dataset(path) as dataset:
        values = dataset[name][:]
    assert np.ma.getmaskarray(values)[..., ~MASK].all()
    return np.asarray(values[..., MASK])
