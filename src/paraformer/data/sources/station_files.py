"""Stations from whatever is named: USCRN or ISMN files, or a netCDF file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.netcdf import read_dataset
from paraformer.core.units import same_unit
from paraformer.data.sources.granules import reading
from paraformer.data.sources.ismn_files import read_ismn
from paraformer.data.sources.uscrn import read_uscrn, uscrn_files
from paraformer.data.stations import Probe, daily_means, stations_dataset

_PROBE = re.compile(r"sm_(\d{3})")
"""Soil moisture of a probe in a file of cells, by its depth [cm]."""

EXPECTED = (
    "USCRN files (CRND0103-*.txt, CRNH0203-*.txt), an ISMN download (folder or zip), or a netCDF file of stations"
)


def read_stations(path: str | Path) -> xr.Dataset:
    """Soil moisture of stations (``data.stations``).

    Args:
        path: folder of USCRN files or one of them; folder or zip of ISMN; netCDF file as ``data.stations`` describes
            it, or one of cells with variables ``sm_005 (cell, time)`` ... by depth [cm].

    Raises:
        DataError: nothing of the kind, or damaged.
        SettingsError: ISMN without the library ``ismn``.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected {EXPECTED}")
    if path.suffix in (".nc", ".nc4"):
        return _of_netcdf(path)
    if uscrn_files(path):
        return read_uscrn(path)
    if path.suffix == ".zip" or (path.is_dir() and next(path.rglob("*.stm"), None) is not None):
        return read_ismn(path)
    raise DataError(f"{path}: no station's data; expected {EXPECTED}")


def _of_netcdf(path: Path) -> xr.Dataset:
    with reading(path):
        found = read_dataset(path)
    if "soil_moisture" in found and found["soil_moisture"].dims == ("station", "depth", "time"):
        missing = [name for name in ("station", "lat", "lon", "depth", "time") if name not in found.variables]
        if missing:
            raise DataError(f"{path}: variable '{missing[0]}' is missing")
        if "name" not in found.variables:
            found = found.assign_coords(name=("station", found["station"].values.astype(object)))
        return found
    return station_variables(found, path)


def station_variables(cells: xr.Dataset, path: Path) -> xr.Dataset:
    """Stations that stand in a file of cells, one a cell.

    Args:
        cells: with ``sm_005 (cell, time)`` and so on [m3 m-3], by depth in centimetres; ``station (cell)`` names them.
        path: for messages.

    Raises:
        DataError: no such variable, or one that is not soil moisture.
    """
    depths = {str(name): int(match[1]) for name in cells.data_vars if (match := _PROBE.fullmatch(str(name)))}
    if not depths:
        raise DataError(
            f"{path}: no soil moisture of stations; expected 'soil_moisture (station, depth, time)', or 'sm_005', "
            "'sm_020', ... (cell, time) by depth in cm"
        )
    for name in depths:
        unit = str(cells[name].attrs.get("units", ""))
        if cells[name].dims != ("cell", "time") or not same_unit(unit, "m3 m-3"):
            raise DataError(
                f"{path}: variable '{name}' has dims {cells[name].dims} and unit '{unit}', expected ('cell', 'time') "
                "and 'm3 m-3'"
            )
    days = cells["time"].values.astype("datetime64[D]")
    known = "station" in cells.variables
    names = cells["station"].values.astype(str) if known else cells["cell"].values.astype(str)
    if len(set(names)) < len(names):
        names = np.array([f"{name}/{cell}" for name, cell in zip(names, cells["cell"].values, strict=True)])
    place = {name: cells[name].values if name in cells.variables else None for name in ("elevation", "sand", "clay")}
    probes = []
    for i, station in enumerate(names):
        about = {name: float(values[i]) for name, values in place.items() if values is not None}
        lat, lon = (float(cells[axis].values[i]) for axis in ("lat", "lon"))
        for name, depth in depths.items():
            values = cells[name].values[i].astype(np.float64)
            bad = (values < 0) | (values > 1)
            if bad.any():
                at = int(np.argmax(bad))
                raise DataError(
                    f"{path}: '{name}', station {station}, {days[at]}: found {values[at]:g}, expected 0 to 1 m3 m-3"
                )
            own, daily = daily_means(days, values, 1)  # of a sub-daily file, the value of the day
            probes.append(Probe(station, station, lat, lon, depth / 100.0, own, daily, **about))
    attrs = {key: str(cells.attrs[key]) for key in ("title", "source", "references", "license") if key in cells.attrs}
    found = stations_dataset(
        probes, {"day": "as in the file", **attrs}, {"of the file": cells.attrs.get("comment", "")}
    )
    of = dict(zip(names.tolist(), cells["cell"].values.tolist(), strict=True))
    return found.assign_coords(cell=("station", np.array([of[name] for name in found["station"].values])))
