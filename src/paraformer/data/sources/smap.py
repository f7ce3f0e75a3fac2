"""SMAP level-3 soil moisture, SPL3SMP_E (9 km, versions 5 and 6) and SPL3SMP (36 km, versions 8 and 9).

A granule holds one day of one grid in HDF5, with the groups ``Soil_Moisture_Retrieval_Data_AM`` and ``..._PM``; every
dataset of the second has the suffix ``_pm``. Granules are read one by one, only in the asked box. A retrieval belongs
to the UTC day of its overpass (``tb_time_seconds``), which near the date line and for evening overpasses of the
Americas is not the day in the file's name.

Sources: O'Neill, P. E. et al., SMAP Enhanced L3 Radiometer Global and Polar Grid Daily 9 km EASE-Grid Soil Moisture,
versions 5 and 6, and SMAP L3 Radiometer Global Daily 36 km EASE-Grid Soil Moisture, versions 8 and 9, user guides,
NASA National Snow and Ice Data Center DAAC.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError, nearest
from paraformer.core.grid import Raster, ease2_global
from paraformer.core.log import Progress
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import SURFACE_BITS, SmapConfig
from paraformer.data.sources.granules import OnBad, Unusable, evenly, granules_in, left_out, reading, usable
from paraformer.data.sources.smap_days import DayFile

logger = logging.getLogger(__name__)

FILL_FLOAT, FILL_INTEGER = -9999.0, 65534
"""Fill values of floating-point and 16-bit datasets (user guides, table of data fields)."""

NOT_RECOMMENDED, NOT_ATTEMPTED, NOT_SUCCESSFUL = 1 << 0, 1 << 1, 1 << 2
"""Bits of ``retrieval_qual_flag``; 0 is the good state of each (user guides, retrieval_qual_flag)."""

EPOCH = np.datetime64("2000-01-01T11:58:55.816", "ms")
"""J2000 in UTC, from which ``tb_time_seconds`` counts SI seconds."""

LEAP_SECONDS = np.array(["2006-01-01", "2009-01-01", "2012-07-01", "2015-07-01", "2017-01-01"], dtype="datetime64[ms]")
"""First moments after the leap seconds since the epoch (IERS Bulletin C)."""

_NAME = re.compile(r"SMAP_L3_SM_P(?P<enhanced>_E)?_(?P<day>\d{8})_R(?P<release>\d{5})_(?P<count>\d{3})\.h5")
_SUBSET = re.compile(
    r"SMAP_L3_SM_P(?P<enhanced>_E)?_(?P<day>\d{8})_R\d{5}_\d{3}(?P<rest>.*)\.(h5|hdf5|nc4?|tiff?)", re.IGNORECASE
)
"""The same as a service of the archive hands it out, cut to a box or converted (``_HEGOUT``, ``_subsetted``)."""
_KILOMETRES = {"SPL3SMP_E": 9, "SPL3SMP": 36}
_LOCAL_HOUR = {"am": 6.0, "pm": 18.0}
_DOI = {
    ("SPL3SMP_E", "18"): "version 5, doi:10.5067/4DQ54OUIJ9DL",
    ("SPL3SMP_E", "19"): "version 6, doi:10.5067/M20OXIZHY3RJ",
    ("SPL3SMP", "18"): "version 8, doi:10.5067/OMHVSRGFX38O",
    ("SPL3SMP", "19"): "version 9, doi:10.5067/4XXOGX0OOW1S",
}
"""Version and identifier by product and the first two digits of the composite release identifier in file names."""


@dataclass(frozen=True)
class SmapFile:
    """A granule by its name: day of the name, composite release identifier, product counter."""

    path: Path
    day: np.datetime64
    release: str
    count: int


def find_smap(config: SmapConfig) -> tuple[list[SmapFile], list[Unusable]]:
    """Granules of the period and the day on either side of it, one a day, and the files that were left out.

    Of several granules of one day the one with the highest release and product counter is taken.

    Raises:
        DataError: no granule at all; an unusable one, or a subset in place of one (``on_bad: refuse``); granules of
            different major releases, whose retrievals do not form one series.
    """
    day = np.timedelta64(1, "D")
    first, last = np.datetime64(config.period.start) - day, np.datetime64(config.period.end) + day
    found: dict[Path, SmapFile] = {}
    subsets: dict[np.datetime64, Path] = {}
    for path in granules_in(config.folder, "SMAP_L3_SM_P_*"):
        whole = _NAME.fullmatch(path.name)
        match = whole or _SUBSET.fullmatch(path.name)
        if match is None or (match["enhanced"] is not None) != (config.product == "SPL3SMP_E"):
            continue
        stamp = np.datetime64(f"{match['day'][:4]}-{match['day'][4:6]}-{match['day'][6:]}", "D")
        if not first <= stamp <= last:
            continue
        if whole is None:
            subsets[stamp] = path
        else:
            found[path] = SmapFile(path, stamp, whole["release"], int(whole["count"]))
    good, bad = usable(found, "HDF5", config.on_bad)
    days = {found[path].day for path in good}
    bad += [_no_whole_granule(path, config.on_bad) for day, path in subsets.items() if day not in days]
    newest: dict[np.datetime64, SmapFile] = {}
    for file in sorted((found[path] for path in good), key=lambda f: (f.day, f.release, f.count)):
        if file.day in newest:
            bad.append(left_out(newest[file.day].path, f"superseded by {file.path.name}"))
        newest[file.day] = file
    if not newest:
        raise DataError(f"{config.folder}: no usable {config.product} granule for {config.period}")
    files = list(newest.values())
    for file in files:
        if file.release[:2] != files[0].release[:2]:
            raise DataError(
                f"{file.path}: release R{file.release} differs from R{files[0].release} of {files[0].path.name}; "
                "the versions of a product are not mixed"
            )
    return files, bad


def _no_whole_granule(path: Path, on_bad: OnBad) -> Unusable:
    reason = "a subset or converted copy of a granule; expected the whole one, ordered without any service"
    if on_bad == "refuse":
        raise DataError(f"{path}: {reason}")
    return left_out(path, reason)


def read_smap(config: SmapConfig, progress: Progress | None = None) -> xr.Dataset:
    """All days of ``open_smap`` in memory; for large regions and long periods take its days part by part instead."""
    found = open_smap(config, None, progress)
    return found.dataset(found.days[0], found.days[-1])


def open_smap(config: SmapConfig, folder: Path | None, progress: Progress | None = None) -> SmapSeries:
    """Read every granule of the period once; retrievals that pass the rules wait in a file for ``SmapSeries.dataset``.

    Args:
        folder: where that file is; it has no name and ends with the process. ``None`` takes the system's folder.

    Raises:
        DataError: no granule, an unusable one (``on_bad: refuse``), one whose structure or place is not the product's,
            or no retrieval left.
        RunError: the disk is full.
    """
    files, bad = find_smap(config)
    series = _read_series(config, files, files, bad, folder, progress)
    if not series.cells.size:
        raise DataError(f"{config.folder}: no {config.product} retrieval passes the rules in {config.period}")
    return series


def sample_smap(
    config: SmapConfig, count: int, folder: Path | None, progress: Progress | None = None
) -> tuple[SmapSeries, int, int]:
    """``open_smap`` of ``count`` granules, the first and the last among them; perhaps no retrieval of theirs is left.

    Returns:
        The series, the number of granules that were read, and of those that there are.

    Raises:
        DataError: as ``open_smap``, but for what only the other granules hold.
    """
    files, bad = find_smap(config)
    chosen = [files[k] for k in evenly(len(files), count)]
    return _read_series(config, files, chosen, bad, folder, progress), len(chosen), len(files)


def _read_series(
    config: SmapConfig,
    files: list[SmapFile],
    read: list[SmapFile],
    bad: list[Unusable],
    folder: Path | None,
    progress: Progress | None,
) -> SmapSeries:
    """The series of the granules ``read``, which are some or all of ``files``."""
    grid = ease2_global(9 if _KILOMETRES[config.product] == 9 else 36)
    region = config.region
    rows, columns = grid.box(region.south, region.north, region.west, region.east)
    box = _Box(grid, rows, columns)
    days = np.arange(np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1)
    series = DayFile(days, box.lon, _LOCAL_HOUR[config.overpass], folder)
    counts: dict[str, int] = {}
    with (progress or Progress()).task("reading SMAP", len(read), unit="granules") as advance:
        for file in read:
            try:
                layer = _read_granule(file, config, box)
            except DataError as error:
                if config.on_bad == "refuse":
                    raise
                bad.append(left_out(file.path, str(error)))
            else:
                np.copyto(series.water, layer.water, where=np.isfinite(layer.water))
                series.add(file.day, layer.moisture, layer.time, _passing(layer, config, counts))
            advance()
    series.finish()
    unread = {entry.path for entry in bad}
    missing = sorted({str(day) for day in days} - {str(file.day) for file in files if file.path not in unread})
    if missing:
        logger.warning("%s: no granule for %d of %d days, first %s", config.folder, len(missing), len(days), missing[0])
    kept = series.observed & ~(series.water > config.maximum_water)
    return SmapSeries(
        series,
        _identifier(box)[kept],
        np.flatnonzero(kept),
        box.lat[kept],
        box.lon[kept],
        _attributes(config, _report(files, bad, missing, counts)),
    )


@dataclass(frozen=True)
class SmapSeries:
    """Soil moisture of one overpass in a period: cells and provenance here, values of some days on demand.

    Cells are those of the product's own EASE-Grid 2.0 in the region that have a retrieval in the period.

    Attributes:
        cells: ``row * columns + column`` of the global grid.
        attrs: attributes of the datasets; ``quality`` counts, as JSON, what was kept, dropped and left out.
    """

    _rows: DayFile
    cells: Int[np.ndarray, " cell"]
    _at: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    attrs: dict[str, str]

    @property
    def days(self) -> np.ndarray:
        """UTC days of the period."""
        return self._rows.days

    def dataset(self, first: np.datetime64, last: np.datetime64) -> xr.Dataset:
        """The days from ``first`` to ``last`` that belong to the period, as a dataset of the simple format.

        Returns:
            ``sm_smap (cell, time)`` [m3 m-3], NaN where there is no retrieval that passes the rules; ``water_share
            (cell)`` [1], ``lat``, ``lon``. Days without a granule have no observation.
        """
        start, stop = np.searchsorted(self.days, [first, last + np.timedelta64(1, "D")])
        water = self._rows.water[self._at]
        variables = {
            "sm_smap": (("cell", "time"), self._rows.read(int(start), int(stop))[self._at], {}),
            "water_share": (
                ("cell",),
                np.where(np.isfinite(water), water, 0.0),
                {"units": "1", "long_name": "share of static water in the cell"},
            ),
        }
        return simple_dataset(self.cells, self.lat, self.lon, self.days[start:stop], variables, self.attrs)


class _Box:
    """The asked rectangle of the grid and its cell centres, flattened in row order."""

    def __init__(self, grid: Raster, rows: slice, columns: slice) -> None:
        self.grid, self.rows, self.columns = grid, rows, columns
        row, column = np.meshgrid(
            np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop), indexing="ij"
        )
        self.row, self.column = row.ravel(), column.ravel()
        self.lat, self.lon = grid.centres(self.row, self.column)
        self.size = self.row.size

    def values(self, path: Path, group: h5py.Group, name: str) -> np.ndarray:
        """Values of a dataset in the box [cell], fill values in place."""
        if name not in group:
            raise DataError(f"{path}: group '{group.name}': dataset '{name}' is missing{nearest(name, group)}")
        variable = group[name]
        if variable.shape != (self.grid.rows, self.grid.columns):
            raise DataError(
                f"{path}: dataset '{name}' has shape {variable.shape}, expected {(self.grid.rows, self.grid.columns)} "
                f"of the {self.grid.name} grid (a spatial subset?)"
            )
        with reading(path, name):
            return variable[self.rows, self.columns].ravel()


@dataclass(frozen=True)
class _Layer:
    """One granule in the box [cell]: volumetric soil moisture, flags, UTC time of the overpass, share of water."""

    path: Path
    moisture: Float[np.ndarray, " cell"]
    quality: Int[np.ndarray, " cell"]
    surface: Int[np.ndarray, " cell"]
    retrieved: Bool[np.ndarray, " cell"]
    time: np.ndarray
    water: Float[np.ndarray, " cell"]


def _read_granule(file: SmapFile, config: SmapConfig, box: _Box) -> _Layer:
    group_name = f"Soil_Moisture_Retrieval_Data_{config.overpass.upper()}"
    suffix = "_pm" if config.overpass == "pm" else ""
    kind = "" if config.algorithm == "baseline" else f"_{config.algorithm}"
    # Not through the netCDF library: it stops the process on the fixed-length text of tb_time_utc.
    with reading(file.path):
        dataset = h5py.File(file.path, "r")
    with dataset:
        if group_name not in dataset:
            raise DataError(f"{file.path}: group '{group_name}' is missing{nearest(group_name, dataset)}")
        group = dataset[group_name]

        def read(name: str) -> np.ndarray:
            return box.values(file.path, group, f"{name}{suffix}")

        moisture = read(f"soil_moisture{kind}").astype(np.float32)
        seconds = read("tb_time_seconds").astype(np.float64)
        seen = (moisture != FILL_FLOAT) & np.isfinite(moisture)
        _check_place(file.path, box, read("EASE_row_index"), read("EASE_column_index"))
        _check_values(file, box, moisture, seconds, seen)
        water = read("static_water_body_fraction").astype(np.float32)
        return _Layer(
            path=file.path,
            moisture=moisture,
            quality=read(f"retrieval_qual_flag{kind}").astype(np.int64),
            surface=read("surface_flag").astype(np.int64),
            retrieved=seen,
            time=utc_of_j2000(np.where(seen, seconds, 0.0)),
            water=np.where(water == FILL_FLOAT, np.nan, water),
        )


def _check_place(path: Path, box: _Box, row: np.ndarray, column: np.ndarray) -> None:
    """The cells of the file must be where the grid says; an index is filled where there was no overpass."""
    wrong = (row != FILL_INTEGER) & (column != FILL_INTEGER) & ((row != box.row) | (column != box.column))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{path}: the cell in row {box.row[at]}, column {box.column[at]} says it is row {row[at]}, "
            f"column {column[at]} of the {box.grid.name} grid"
        )


def _check_values(file: SmapFile, box: _Box, moisture: np.ndarray, seconds: np.ndarray, seen: np.ndarray) -> None:
    """Retrievals must be volume fractions, and of an overpass within a day of the file's name."""
    bad = seen & ~((moisture >= 0) & (moisture <= 1))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{file.path}: variable 'soil_moisture', cell {_identifier(box)[at]}, time {file.day}: found "
            f"{moisture[at]:g}, expected [0, 1] m3 m-3"
        )
    apart = np.abs((utc_of_j2000(np.where(seen, seconds, 0.0)) - file.day) / np.timedelta64(1, "D") - 0.5)
    bad = seen & ((seconds == FILL_FLOAT) | (apart > 1.5))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{file.path}: variable 'tb_time_seconds', cell {_identifier(box)[at]}: "
            f"found {seconds[at]:g} s since J2000, expected an overpass near {file.day}"
        )


def _identifier(box: _Box) -> Int[np.ndarray, " cell"]:
    return box.row * box.grid.columns + box.column


def utc_of_j2000(seconds: Float[np.ndarray, "*n"]) -> np.ndarray:
    """UTC [datetime64[ms]] of SI seconds since J2000: the leap seconds in between are taken out."""
    time = EPOCH + np.round(seconds * 1e3).astype("timedelta64[ms]")
    after = LEAP_SECONDS + np.arange(1, len(LEAP_SECONDS) + 1).astype("timedelta64[s]")
    return time - np.searchsorted(after, time, side="right").astype("timedelta64[s]")


def _passing(layer: _Layer, config: SmapConfig, counts: dict[str, int]) -> Bool[np.ndarray, " cell"]:
    """Retrievals that pass the rules; ``counts`` adds up what was kept and what each rule dropped."""

    def count(key: str, number: np.integer) -> None:
        counts[key] = counts.get(key, 0) + int(number)

    flagged = layer.quality == FILL_INTEGER
    if config.quality == "recommended":
        flagged |= (layer.quality & NOT_RECOMMENDED) != 0
    else:
        flagged |= (layer.quality & (NOT_ATTEMPTED | NOT_SUCCESSFUL)) != 0
    count("retrievals", layer.retrieved.sum())
    count(f"dropped: not {config.quality}", (layer.retrieved & flagged).sum())
    keep = layer.retrieved & ~flagged
    excluded = np.zeros_like(keep)
    for name in config.exclude:
        hit = keep & ((layer.surface == FILL_INTEGER) | ((layer.surface >> SURFACE_BITS[name]) & 1 == 1))
        count(f"dropped: {name}", hit.sum())
        excluded |= hit
    keep &= ~excluded
    count("kept", keep.sum())
    return keep


def _report(
    files: list[SmapFile], bad: list[Unusable], missing: list[str], counts: Mapping[str, int]
) -> dict[str, object]:
    return {
        **counts,
        "granules": len(files),
        "left_out": {entry.path.name: entry.reason for entry in bad},
        "days_without_granule": missing,
        "release": files[0].release[:2],
    }


def _attributes(config: SmapConfig, report: Mapping[str, object]) -> dict[str, str]:
    version = _DOI.get((config.product, str(report["release"])), f"release R{report['release']}")
    return {
        "title": f"SMAP level-3 soil moisture, {config.product}, {config.overpass.upper()} overpass",
        "source": f"{config.product} {version}; algorithm {config.algorithm}, quality {config.quality}"
        + (f", without {', '.join(config.exclude)}" if config.exclude else ""),
        "references": "O'Neill et al., NASA NSIDC DAAC; Entekhabi et al. (2010), Proc. IEEE 98, 704-716",
        "quality": json.dumps(report, sort_keys=True),
    }
