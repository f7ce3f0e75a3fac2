"""ESA CCI soil moisture, COMBINED and PASSIVE, daily netCDF files on a global grid of 0.25 degree.

A file is of 00:00 UTC of its day and holds the values nearest to that, which may be of the evening before; ``t0`` says
when each was observed. A value belongs to the UTC day of ``t0``. ``flag`` is a set of bits, 0 for a good value.

Sources: Dorigo, W. et al. (2017), Remote Sens. Environ. 203, 185-215; Gruber, A. et al. (2019), Earth Syst. Sci. Data
11, 717-739; ESA CCI soil moisture, product user guide.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.time import decode_times
from paraformer.data.sources.granules import Unusable, granules_in, left_out, usable
from paraformer.data.sources.gridded_files import Window, window_in
from paraformer.data.sources.moisture_config import CCI_BITS, CciConfig
from paraformer.data.sources.moisture_series import Gathering, MoistureSeries
from paraformer.data.sources.netcdf_files import (
    Attributes,
    attributes_of,
    axis_of,
    open_netcdf,
    require_unit,
    values_of,
    variable_of,
)

logger = logging.getLogger(__name__)

GRID = Raster("0.25 degree", "EPSG:4326", x0=-180.0, y0=90.0, dx=0.25, dy=-0.25, rows=720, columns=1440)
"""Row 0 is that of 89.875 N, column 0 that of 179.875 W."""

ADVICE = CCI_BITS["barren_ground"]
"""The bit that does not cost a value its recommendation."""

_NAME = re.compile(
    r"ESACCI-SOILMOISTURE-L3S-SSM(?P<unit>[VS])-(?P<product>ACTIVE|COMBINED|PASSIVE)-(?P<day>\d{8})000000-"
    r"fv(?P<version>\d{2}\.\d)\.nc"
)
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class CciFile:
    """A file by its name."""

    path: Path
    day: np.datetime64
    version: str


def find_cci(config: CciConfig) -> tuple[list[CciFile], list[Unusable]]:
    """Files of the period and the day on either side of it, whose values may be of it, and those that were left out.

    Raises:
        DataError: no file, an unusable one (``on_bad: refuse``), a day twice, or files of several versions.
    """
    wanted = config.product.removeprefix("ESA_CCI_")
    first, last = np.datetime64(config.period.start) - _DAY, np.datetime64(config.period.end) + _DAY
    found: dict[Path, CciFile] = {}
    others: set[str] = set()
    for path in granules_in(config.folder, "ESACCI-SOILMOISTURE-L3S-*.nc"):
        match = _NAME.fullmatch(path.name)
        if match is None or match["product"] != wanted:
            others |= {match["product"]} if match else set()
            continue
        day = np.datetime64(f"{match['day'][:4]}-{match['day'][4:6]}-{match['day'][6:]}", "D")
        if first <= day <= last:
            found[path] = CciFile(path, day, match["version"])
    good, bad = usable(found, "netCDF", config.on_bad)
    files = sorted((found[path] for path in good), key=lambda file: file.day)
    if not files:
        there = f"; found {', '.join(sorted(others))}" if others else ""
        raise DataError(f"{config.folder}: no usable ESA CCI {wanted} file for {config.period}{there}")
    for one, other in pairwise(files):
        if one.version != other.version:
            raise DataError(
                f"{other.path}: version {other.version} differs from {one.version} of {one.path.name}; the versions of "
                "a product are not mixed"
            )
        if one.day == other.day:
            raise DataError(f"{other.path}: the day {one.day} is already in {one.path}")
    return files, bad


def open_cci(config: CciConfig, folder: Path | None, progress: Progress | None = None) -> MoistureSeries:
    """Read every file of the period once.

    Args:
        folder: where values wait for ``MoistureSeries.dataset``; ``None`` takes the system's temporary folder.

    Raises:
        DataError: as ``find_cci``; a file whose structure, unit, place or time is not the product's; no value left.
        RunError: the disk is full.
    """
    files, bad = find_cci(config)
    window = _window(files[0].path, config)
    gathering = Gathering(config.period, window, folder, with_errors=True)
    counts: dict[str, int] = {}
    with (progress or Progress()).task("reading ESA CCI", len(files), unit="files") as advance:
        for file in files:
            try:
                layer = _read(file, window)
            except DataError as error:
                if config.on_bad == "refuse":
                    raise
                bad.append(left_out(file.path, str(error)))
            else:
                gathering.add(file.day, layer.moisture, layer.error, layer.time, _passing(layer, config, counts))
            advance()
    if not gathering.finish().any():
        raise DataError(f"{config.folder}: no value of {config.product} passes the rules in {config.period}")
    return gathering.series("sm_cci", GRID, _attributes(config, files, bad, counts))


def _window(path: Path, config: CciConfig) -> Window:
    with open_netcdf(path) as dataset:
        axes = axis_of(path, dataset, "lat"), axis_of(path, dataset, "lon")
    return window_in(path, GRID, axes, config.region)


@dataclass(frozen=True)
class _Layer:
    """One file in the window [cell]: soil moisture and its standard error [m3 m-3], flags, UTC of the observation."""

    moisture: Float[np.ndarray, " cell"]
    error: Float[np.ndarray, " cell"]
    flag: Int[np.ndarray, " cell"]
    seen: Bool[np.ndarray, " cell"]
    time: np.ndarray


def _read(file: CciFile, window: Window) -> _Layer:
    path, index = file.path, (0, *window.positions)
    with open_netcdf(path) as dataset:
        for name, axis in zip(("lat", "lon"), window.axes, strict=True):
            if not np.array_equal(axis_of(path, dataset, name), axis):
                raise DataError(f"{path}: variable '{name}' differs from that of the first file")
        found = {}
        for name, unit in (("sm", "m3 m-3"), ("sm_uncertainty", "m3 m-3"), ("flag", None), ("t0", None)):
            variable = variable_of(path, dataset, name)
            if variable.dimensions != ("time", "lat", "lon"):
                raise DataError(
                    f"{path}: variable '{name}' has dims {variable.dimensions}, expected ('time', 'lat', 'lon')"
                )
            if unit is not None:
                require_unit(path, variable, unit)
            found[name] = values_of(path, variable, index, {"missing_value": -9999.0}).ravel()
        clock = attributes_of(dataset["t0"])
    seen = np.isfinite(found["sm"])
    bad = seen & ~((found["sm"] >= 0) & (found["sm"] <= 1))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{path}: variable 'sm', cell {window.cells[at]} (lat {window.lat[at]:.6g}, lon {window.lon[at]:.7g}): "
            f"found {found['sm'][at]:g}, expected [0, 1] m3 m-3"
        )
    flag = np.where(np.isfinite(found["flag"]), found["flag"], 127).astype(np.int64)
    return _Layer(found["sm"], found["sm_uncertainty"], flag, seen, _times(file, window, found["t0"], clock, seen))


def _times(
    file: CciFile, window: Window, stored: np.ndarray, clock: Attributes, seen: Bool[np.ndarray, " cell"]
) -> np.ndarray:
    """When each value was observed [datetime64[s]]."""
    told = np.isfinite(stored)
    nominal = file.day.astype("datetime64[s]")
    time = decode_times(np.where(told, stored, 0.0), clock, source=f"{file.path}: variable 't0'")
    wrong = seen & (~told | (np.abs((time - nominal) / _DAY) > 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{file.path}: variable 't0', cell {window.cells[at]} (lat {window.lat[at]:.6g}, lon "
            f"{window.lon[at]:.7g}): found {stored[at]:g} {clock.get('units', '')}, expected a time within a day of "
            f"{file.day} 00:00 UTC"
        )
    return np.where(seen, time, nominal)


def _passing(layer: _Layer, config: CciConfig, counts: dict[str, int]) -> Bool[np.ndarray, " cell"]:
    """Values that pass the rules; counts what each rule dropped."""

    def count(key: str, number: np.integer) -> None:
        counts[key] = counts.get(key, 0) + int(number)

    keep = layer.seen.copy()
    count("retrievals", keep.sum())
    if config.quality == "recommended":
        flagged = keep & ((layer.flag & ~(1 << ADVICE)) != 0)
        count("dropped: not recommended", flagged.sum())
        keep &= ~flagged
    for name in config.exclude:
        hit = keep & ((layer.flag >> CCI_BITS[name]) & 1 == 1)
        count(f"dropped: {name}", hit.sum())
        keep &= ~hit
    if config.maximum_uncertainty is not None:
        unsure = keep & ~(layer.error <= config.maximum_uncertainty)
        count("dropped: uncertain", unsure.sum())
        keep &= ~unsure
    count("kept", keep.sum())
    return keep


def _attributes(config: CciConfig, files: list[CciFile], bad: list[Unusable], counts: dict[str, int]) -> dict[str, str]:
    days = np.arange(np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1)
    unread = {entry.path for entry in bad}
    missing = sorted({str(day) for day in days} - {str(file.day) for file in files if file.path not in unread})
    if missing:
        logger.warning("%s: no file for %d of %d days, first %s", config.folder, len(missing), len(days), missing[0])
    report = {
        **counts,
        "granules": len(files),
        "left_out": {entry.path.name: entry.reason for entry in bad},
        "days_without_granule": missing,
    }
    kind = config.product.removeprefix("ESA_CCI_")
    return {
        "title": f"ESA CCI soil moisture, {kind}",
        "source": f"ESA CCI soil moisture {kind} version {files[0].version}, quality {config.quality}"
        + (f", without {', '.join(config.exclude)}" if config.exclude else ""),
        "references": "Dorigo et al. (2017), Remote Sens. Environ. 203, 185-215; Gruber et al. (2019), Earth Syst. "
        "Sci. Data 11, 717-739",
        "quality": json.dumps(report, sort_keys=True),
    }
