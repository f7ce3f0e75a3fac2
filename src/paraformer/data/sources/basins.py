"""Weather of basins, one series a gauge: CAMELS-US (text) and Caravan (CSV or netCDF).

Cells are gauges, at the gauges' places. Days are those of the data set, local ones; they are taken for UTC days.

Sources: Newman, A. J. et al. (2015), Hydrol. Earth Syst. Sci. 19, 209-223 (CAMELS-US); Kratzert, F. et al. (2023), Sci.
Data 10, 61 (Caravan).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError, nearest
from paraformer.core.log import Progress
from paraformer.core.physics import PA_PER_KPA, SECONDS_PER_DAY
from paraformer.core.time import Period
from paraformer.core.variables import FORCING
from paraformer.data.climate import saturation_vapour_pressure
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.estimates import HELPERS, refuse_unasked
from paraformer.data.sources.forcing_config import CamelsConfig, CaravanConfig
from paraformer.data.sources.granules import granules_in, reading
from paraformer.data.sources.netcdf_files import open_netcdf, stamps_of, values_of, variable_of
from paraformer.data.sources.region import Region

logger = logging.getLogger(__name__)

CAMELS_COLUMNS = ("dayl(s)", "prcp(mm/day)", "srad(w/m2)", "swe(mm)", "tmax(c)", "tmin(c)", "vp(pa)")
"""After year, month, day and hour; the files differ in capitals."""

CARAVAN = {
    "prcp": "total_precipitation_sum",
    "tair": "temperature_2m_mean",
    "pres": "surface_pressure_mean",
    "tmin": "temperature_2m_min",
    "net_shortwave": "surface_net_solar_radiation_mean",
    "net_longwave": "surface_net_thermal_radiation_mean",
    "snow_water": "snow_depth_water_equivalent_mean",
}
"""Columns by what they are here, in the same unit: mm day-1, degC, kPa, W m-2, mm."""
_DEWPOINT, _WIND = "dewpoint_temperature_2m_mean", ("u_component_of_wind_10m_mean", "v_component_of_wind_10m_mean")

_KIND = {"daymet": "cida", "nldas": "nldas", "maurer": "maurer"}
_FILL = -999.0
"""And below: no value in the text files of CAMELS."""


@dataclass(frozen=True)
class Gauge:
    """A gauge: its name, whole number, place [degree] and file."""

    name: str
    cell: int
    lat: float
    lon: float
    path: Path


def find_gauges(config: CamelsConfig | CaravanConfig) -> list[Gauge]:
    """Gauges of the folder that are asked for, or that lie in the region, by name.

    Raises:
        DataError: no file, a gauge twice, without a place or a file, or two whose names end with the same number.
    """
    paths = _files(config)
    refuse_unasked(config, ("lwdown", "wind", "pres") if isinstance(config, CamelsConfig) else ("swdown", "lwdown"))
    places = _places(config.places)
    wanted = config.gauges if config.gauges is not None else [n for n in sorted(paths) if n in places]
    if not wanted:
        raise DataError(f"{config.folder}: no gauge of the files is in {', '.join(str(p) for p in config.places)}")
    found: list[Gauge] = []
    cells: dict[int, str] = {}
    for name in wanted:
        for where, there in ((config.folder, paths), (config.places[0], places)):
            if name not in there:
                raise DataError(f"{where}: gauge '{name}' is missing{nearest(name, there)}")
        lat, lon = places[name]
        if config.gauges is None and not _inside(config.region, lat, lon):
            continue
        cell = _number(name, paths[name])
        if cell in cells:
            raise DataError(f"{paths[name]}: gauges '{name}' and '{cells[cell]}' have the same number {cell}")
        cells[cell] = name
        found.append(Gauge(name, cell, lat, lon, paths[name]))
    if not found:
        raise DataError(f"{config.folder}: no gauge lies in the region")
    return found


def _inside(region: Region, lat: float, lon: float) -> bool:
    return region.south <= lat <= region.north and region.west <= lon <= region.east


def _files(config: CamelsConfig | CaravanConfig) -> dict[str, Path]:
    """Files of the series by gauge."""
    if isinstance(config, CamelsConfig):
        pattern = re.compile(rf"(\d+)_lump_{_KIND[config.weather]}_forcing_leap\.txt")
        paths = granules_in(config.folder, f"*_lump_{_KIND[config.weather]}_forcing_leap.txt")
    else:
        pattern = re.compile(r"(?!attributes)(.+)\.(?:csv|nc)")
        paths = [p for ending in ("csv", "nc") for p in granules_in(config.folder, f"*_*.{ending}")]
    found: dict[str, Path] = {}
    for path in paths:
        match = pattern.fullmatch(path.name)
        if match is None:
            continue
        if match[1] in found:
            raise DataError(f"{path}: gauge '{match[1]}' is already in {found[match[1]]}")
        found[match[1]] = path
    if not found:
        raise DataError(f"{config.folder}: no file of {config.product}")
    return found


def _places(tables: Iterable[Path]) -> dict[str, tuple[float, float]]:
    """Latitude and longitude by gauge."""
    found: dict[str, tuple[float, float]] = {}
    for path in tables:
        if not path.is_file():
            raise DataError(f"{path}: file does not exist")
        with reading(path):
            table = pd.read_csv(path, sep=None, engine="python", dtype={"gauge_id": str})
        for column in ("gauge_id", "gauge_lat", "gauge_lon"):
            if column not in table.columns:
                raise DataError(f"{path}: column '{column}' is missing{nearest(column, map(str, table.columns))}")
        for name, lat, lon in zip(table["gauge_id"], table["gauge_lat"], table["gauge_lon"], strict=True):
            if not (-90 <= float(lat) <= 90 and -180 <= float(lon) <= 360):
                raise DataError(f"{path}: gauge '{name}': found {lat}, {lon}, expected latitude and longitude")
            found[str(name)] = float(lat), (float(lon) + 180.0) % 360.0 - 180.0
    return found


def _number(name: str, path: Path) -> int:
    """The whole number that a gauge's name ends with (``camels_01022500``: 1022500)."""
    match = re.search(r"(\d+)\D*$", name)
    if match is None:
        raise DataError(f"{path}: gauge '{name}' has no number in its name, which identifies its cell")
    return int(match[1])


def basin_blocks(config: CamelsConfig | CaravanConfig, progress: Progress | None = None) -> Iterator[xr.Dataset]:
    """One block with all gauges: the forcings that the files have, and what estimates need.

    Raises:
        DataError: as ``find_gauges``; a file that is none of the data set, or a day without a value.
    """
    gauges = find_gauges(config)
    days = np.arange(np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1)
    series: list[dict[str, np.ndarray]] = []
    with (progress or Progress()).task(f"reading {config.product}", len(gauges), unit="gauges") as advance:
        for gauge in gauges:
            read = _camels if isinstance(config, CamelsConfig) else _caravan
            series.append(read(gauge, config.period))
            advance()
    logger.warning("%s: days of %s are local ones; they are taken for UTC days", config.folder, config.product)
    names = set(series[0]).intersection(*series)
    static = [name for name in ("elevation",) if name in names]
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]] = {}
    for name in (*FORCING, *HELPERS):
        if name in names:
            values = np.stack([one[name] for one in series])
            variables[name] = (("cell", "time"), values.astype(np.float32), _attrs(config, name))
    for name in static:
        variables[name] = (("cell",), np.array([float(one[name]) for one in series]), {})
    cells, lat, lon = (np.array([getattr(g, key) for g in gauges]) for key in ("cell", "lat", "lon"))
    yield simple_dataset(cells, lat, lon, days, variables, _about(config))


def _attrs(config: CamelsConfig | CaravanConfig, name: str) -> dict[str, str]:
    """What is known of a variable."""
    if name in HELPERS:
        return {"units": HELPERS[name][0], "long_name": HELPERS[name][1]}
    attrs = {"cell_methods": "time: mean", "origin": "observed"}
    if isinstance(config, CaravanConfig):
        attrs["origin"] = "reanalysis"
        if name == "wind":
            attrs |= {"origin": "estimated", "method": "speed of the daily mean wind vector, a lower bound"}
        if name == "vp":
            attrs |= {"origin": "estimated", "method": "vapour pressure at the daily mean dew point"}
    elif name == "tair":
        attrs["method"] = "mean of the day's minimum and maximum"
    return attrs


def _about(config: CamelsConfig | CaravanConfig) -> dict[str, str]:
    if isinstance(config, CamelsConfig):
        return {
            "title": f"CAMELS-US, {config.weather}",
            "source": f"CAMELS-US basin mean forcing, {config.weather}, doi:10.5065/D6MW2F4D",
            "references": "Newman et al. (2015), Hydrol. Earth Syst. Sci. 19, 209-223",
            "day": "local",
        }
    return {
        "title": "Caravan",
        "source": "Caravan, basin means of ERA5-Land, doi:10.24381/cds.e2161bac",
        "references": "Kratzert et al. (2023), Sci. Data 10, 61; Munoz-Sabater et al. (2021), Earth Syst. Sci. Data "
        "13, 4349-4383",
        "day": "local",
    }


def _camels(gauge: Gauge, period: Period) -> dict[str, np.ndarray]:
    """Series of a text file: latitude, elevation and area in three lines, a header, and a line a day."""
    with reading(gauge.path):
        lines = gauge.path.read_text(encoding="utf-8").splitlines()
    header = tuple(word.lower() for word in lines[3].split()[-len(CAMELS_COLUMNS) :]) if len(lines) > 4 else ()
    if header != CAMELS_COLUMNS:
        there = " ".join(header) or "no header in line 4"
        raise DataError(f"{gauge.path}: found {there}, expected {' '.join(CAMELS_COLUMNS)}")
    try:
        elevation = float(lines[1].split()[0])
        table = np.array([line.split() for line in lines[4:] if line.strip()], dtype=np.float64)
    except (ValueError, IndexError) as error:
        raise DataError(f"{gauge.path}: not a file of CAMELS-US ({error})") from error
    if table.ndim != 2 or table.shape[1] != 4 + len(CAMELS_COLUMNS):
        raise DataError(f"{gauge.path}: found lines of {table.shape[-1]} numbers, expected {4 + len(CAMELS_COLUMNS)}")
    year, month, day = (table[:, k].astype(np.int64) for k in range(3))
    stamps = np.array([f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year, month, day, strict=True)], "datetime64[D]")
    columns = {name: table[:, 4 + k] for k, name in enumerate(CAMELS_COLUMNS)}
    found = _of_period(gauge, stamps, {k: np.where(v <= _FILL, np.nan, v) for k, v in columns.items()}, period)
    return {
        "prcp": found["prcp(mm/day)"],
        "tair": 0.5 * (found["tmax(c)"] + found["tmin(c)"]),
        "tmin": found["tmin(c)"],
        "swdown": found["srad(w/m2)"] * found["dayl(s)"] / SECONDS_PER_DAY,
        "vp": found["vp(pa)"] / PA_PER_KPA,
        "elevation": np.array(elevation),
    }


def _caravan(gauge: Gauge, period: Period) -> dict[str, np.ndarray]:
    """Series of a CSV or netCDF file; the columns that the versions of the data set have."""
    stamps, columns = _csv(gauge.path) if gauge.path.suffix == ".csv" else _netcdf(gauge.path)
    wanted = [name for name in (*CARAVAN.values(), _DEWPOINT, *_WIND) if name in columns]
    found = _of_period(gauge, stamps, {name: columns[name] for name in wanted}, period)
    for name in ("total_precipitation_sum", "temperature_2m_mean"):
        if name not in found:
            raise DataError(f"{gauge.path}: column '{name}' is missing{nearest(name, columns)}")
    series = {ours: found[theirs] for ours, theirs in CARAVAN.items() if theirs in found}
    if _DEWPOINT in found:
        series["vp"] = saturation_vapour_pressure(found[_DEWPOINT])
    if set(_WIND) <= found.keys():
        series["wind"] = np.hypot(*(found[name] for name in _WIND))
    return series


def _csv(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with reading(path):
        table = pd.read_csv(path)
    if "date" not in table.columns:
        raise DataError(f"{path}: column 'date' is missing{nearest('date', map(str, table.columns))}")
    with reading(path, "date"):
        stamps = table["date"].to_numpy().astype("datetime64[D]")
    numeric = table.select_dtypes("number")
    return stamps, {str(name): numeric[name].to_numpy(dtype=np.float64) for name in numeric.columns}


def _netcdf(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with open_netcdf(path) as dataset:
        stamps = stamps_of(path, dataset, "date").astype("datetime64[D]")
        names = [name for name in (*CARAVAN.values(), _DEWPOINT, *_WIND) if name in dataset.variables]
        found = {}
        for name in names:
            variable = variable_of(path, dataset, name)
            if variable.dimensions != ("date",):
                raise DataError(f"{path}: variable '{name}' has dims {variable.dimensions}, expected ('date',)")
            found[name] = values_of(path, variable, (slice(None),))
    return stamps, found


def _of_period(
    gauge: Gauge, stamps: np.ndarray, columns: dict[str, np.ndarray], period: Period
) -> dict[str, Float[np.ndarray, " day"]]:
    """Values on the days of the period, each there once and none missing."""
    days = np.arange(np.datetime64(period.start, "D"), np.datetime64(period.end, "D") + 1)
    at = np.searchsorted(stamps, days)
    ordered = len(stamps) and (np.diff(stamps).astype(np.int64) > 0).all()
    if not ordered:
        raise DataError(f"{gauge.path}: dates are not in order, or one is there twice")
    lost = (at >= len(stamps)) | (stamps[np.minimum(at, len(stamps) - 1)] != days)
    if lost.any():
        raise DataError(
            f"{gauge.path}: {days[int(np.argmax(lost))]} is missing; the file has {stamps[0]}..{stamps[-1]}"
        )
    found = {name: values[at] for name, values in columns.items()}
    for name, values in found.items():
        if not np.isfinite(values).all():
            day = days[int(np.argmax(~np.isfinite(values)))]
            raise DataError(f"{gauge.path}: column '{name}', {day}: missing value in forcing")
    return found
