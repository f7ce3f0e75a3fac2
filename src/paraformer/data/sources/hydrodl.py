"""The CSV layout of hydroDL, in which Fang et al. (2017) and Tsai et al. (2021) publish their data.

``Subset/NAME.csv`` names the data folder in its first line and the cells in the others, counted from 1; -1 stands for
all. ``ROOT/crd.csv`` has latitude and longitude of every cell; ``ROOT/YEAR/VAR.csv`` a row a cell and a column a day
(of a year that starts on 1 April), with the days in ``timeStr.csv`` or, as MATLAB day numbers, in ``time.csv``;
``ROOT/const/VAR.csv`` a row a cell. -9999 is no value. Nothing in the layout says units: they are those of NLDAS-2,
with precipitation as the mean of hourly sums [mm h-1].

Sources: hydroDL, example/data/DATA.md and hydroDL/data/dbCsv.py (github.com/mhpi/hydroDL); Fang, K. et al. (2017),
Geophys. Res. Lett. 44, 11030-11039; Tsai, W.-P. et al. (2021), Nat. Commun. 12, 5988.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError
from paraformer.core.physics import KELVIN, PA_PER_KPA
from paraformer.core.time import Period, require_daily
from paraformer.data.names import require_free
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import HydrodlConfig
from paraformer.data.sources.granules import folder_of
from paraformer.data.sources.nldas import vapour_pressure
from paraformer.data.sources.weather import air_pressure

logger = logging.getLogger(__name__)

MISSING = -9999.0
MATLAB_DAY_OF_1970 = 719529
"""MATLAB's number of 1970-01-01."""

ATTRIBUTES = {
    "Sand": "sand",
    "Silt": "silt",
    "Clay": "clay",
    "Bulk": "bulk",
    "Capa": "capa",
    "NDVI": "ndvi",
    "flag_landcover": "landcover_igbp",
}
"""Names of the vocabulary by files of ``const/``; others keep their own."""

_FORCING = ("APCP_FORA", "TMP_2_FORA", "DSWRF_FORA", "DLWRF_FORA", "UGRD_10_FORA", "VGRD_10_FORA", "SPFH_2_FORA")


@dataclass(frozen=True)
class _Base:
    """The cells of a subset and the years of its data folder.

    Attributes:
        root: the data folder.
        total: cells of ``crd.csv``, which every file must have.
        cells: rows of the subset, counted from 0 [cell].
        lat, lon: [degree] [cell].
        years: days of each year folder that touches the period.
    """

    root: Path
    total: int
    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    years: dict[Path, np.ndarray]


def read_hydrodl(config: HydrodlConfig) -> xr.Dataset:
    """A subset of the data base as a dataset of the simple format; one file is held at a time beside the result.

    Wind is the speed of the daily mean vector, a lower bound of the mean speed. Air pressure is that of PRES_FORA, or
    constant in time by elevation. A cell is identified by its row in ``crd.csv``, counted from 0.

    Returns:
        The seven forcings and ``sm_smap (cell, time)``, the attributes of ``const/`` ``(cell)``.

    Raises:
        DataError: a file is missing, has other rows than ``crd.csv`` has cells or other columns than its year has days,
            or holds text; days of the period are missing or there twice; a cell lacks forcing or an attribute
            (``incomplete: refuse``); neither PRES_FORA nor elevation.
    """
    base = open_base(config)
    days = np.arange(np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1)
    complete = np.ones(len(base.cells), dtype=bool)
    raw = {name: _series(config, base, name, days, complete) for name in _FORCING}
    tair = raw["TMP_2_FORA"] - KELVIN
    pressure = _pressure(config, base, days, tair, complete)
    forcing = {
        "prcp": raw["APCP_FORA"] * 24.0,
        "tair": tair,
        "swdown": raw["DSWRF_FORA"],
        "lwdown": raw["DLWRF_FORA"],
        "wind": np.hypot(raw["UGRD_10_FORA"], raw["VGRD_10_FORA"]),
        "vp": vapour_pressure(raw["SPFH_2_FORA"], pressure),
        "pres": pressure,
    }
    static = _constants(config, base, complete)
    observed = _series(config, base, config.observation, days, None)
    if not complete.any():
        raise DataError(f"{base.root}: every cell of subset '{config.subset}' lacks forcing or an attribute")
    if not complete.all():
        left = base.cells[~complete]
        logger.warning("%s: %d cells without forcing or an attribute are left out: %s", base.root, len(left), left)
    variables: dict[str, Any] = {
        name: (("cell", "time"), values[complete].astype(np.float32), {"cell_methods": "time: mean"})
        for name, values in forcing.items()
    }
    variables["sm_smap"] = (("cell", "time"), observed[complete].astype(np.float32), {})
    variables |= {name: (("cell",), values[complete], {}) for name, values in static.items()}
    attrs = {
        "title": f"hydroDL data base, subset {config.subset}",
        "source": f"{config.subset}: NLDAS-2 FORA, {config.observation}, const/ of the hydroDL CSV layout",
        "references": "Fang et al. (2017), doi:10.1002/2017GL075619",
    }
    return simple_dataset(base.cells[complete], base.lat[complete], base.lon[complete], days, variables, attrs)


def sample_hydrodl(config: HydrodlConfig) -> Iterator[xr.Dataset]:
    """``read_hydrodl`` of the first and the last year folder of the period; of the others, files must be there.

    Raises:
        DataError: as ``read_hydrodl``, but for what only the other years hold.
    """
    base = open_base(config)
    for folder in base.years:
        for name in _FORCING:
            if not (folder / f"{name}.csv").is_file():
                raise DataError(f"{folder / name}.csv: file does not exist")
    ends = list(base.years.values())
    for days in ends if len(ends) < 2 else (ends[0], ends[-1]):
        start, end = max(days[0].item(), config.period.start), min(days[-1].item(), config.period.end)
        yield read_hydrodl(config.model_copy(update={"period": Period(start=start, end=end)}))


def open_base(config: HydrodlConfig) -> _Base:
    """Cells and years of a subset, without a value of theirs; raises DataError as ``read_hydrodl``."""
    path = folder_of(config.folder) / "Subset" / f"{config.subset}.csv"
    lines = _lines(path)
    root = config.folder / lines[0].strip()
    crd = _matrix(root / "crd.csv")
    if crd.shape[1] != 2:
        raise DataError(f"{root / 'crd.csv'}: found {crd.shape[1]} columns, expected latitude and longitude")
    try:
        chosen = np.array([int(line) for line in lines[1:] if line.strip()], dtype=np.int64)
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected row numbers counted from 1, or -1") from error
    cells = np.arange(len(crd)) if np.array_equal(chosen, [-1]) else chosen - 1
    outside = (cells < 0) | (cells >= len(crd))
    if not cells.size or outside.any():
        found = chosen[int(np.argmax(outside))] if cells.size else "no cell"
        raise DataError(f"{path}: found {found}, expected rows 1 to {len(crd)} of {root / 'crd.csv'}, or -1")
    _check_places(root / "crd.csv", crd)
    if len(np.unique(cells)) < len(cells):
        raise DataError(f"{path}: a row of crd.csv is named twice")
    return _Base(root, len(crd), cells, crd[cells, 0], crd[cells, 1], _years(config, root))


def _check_places(path: Path, crd: Float[np.ndarray, "row 2"]) -> None:
    """Latitudes first, longitudes second, each place once: otherwise the order of the cells is not what it seems."""
    bad = ~((np.abs(crd[:, 0]) <= 90) & (crd[:, 1] >= -180) & (crd[:, 1] <= 360))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(f"{path}: row {at + 1}: found {crd[at, 0]:g}, {crd[at, 1]:g}, expected latitude, longitude")
    _, first, counts = np.unique(crd, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        at = int(first[counts > 1][0])
        raise DataError(f"{path}: the place {crd[at, 0]:g}, {crd[at, 1]:g} of row {at + 1} is there twice")


def _years(config: HydrodlConfig, root: Path) -> dict[Path, np.ndarray]:
    """Days of the year folders that touch the period; together they must hold every day once."""
    start, end = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D")
    found: dict[Path, np.ndarray] = {}
    for folder in sorted(path for path in folder_of(root).iterdir() if path.is_dir() and path.name.isdigit()):
        days = _days(folder)
        if days[0] <= end and days[-1] >= start:
            found[folder] = days
    if not found:
        raise DataError(f"{root}: no year folder holds days of {config.period}")
    joined = np.concatenate(list(found.values()))
    require_daily(joined, str(root))
    if joined[0] > start or joined[-1] < end:
        raise DataError(f"{root}: holds {joined[0]}..{joined[-1]}, expected {config.period}")
    return found


def _days(folder: Path) -> np.ndarray:
    text, number = folder / "timeStr.csv", folder / "time.csv"
    if text.exists():
        try:
            return np.array([line.strip() for line in _lines(text) if line.strip()], dtype="datetime64[D]")
        except ValueError as error:
            raise DataError(f"{text}: {error}; expected dates as yyyy-mm-dd") from error
    count = _matrix(number).ravel()
    return np.datetime64("1970-01-01", "D") + (count - MATLAB_DAY_OF_1970).astype(np.int64)


def _series(
    config: HydrodlConfig, base: _Base, name: str, days: np.ndarray, complete: Bool[np.ndarray, " cell"] | None
) -> Float[np.ndarray, "cell day"]:
    """Values on the days of the period, NaN for -9999; with ``complete``, cells that have one are refused or marked."""
    found = np.full((len(base.cells), len(days)), np.nan)
    for folder, of_year in base.years.items():
        path = folder / f"{name}.csv"
        if complete is None and not path.exists():
            logger.warning("%s: no such file: no observation from %s to %s", path, of_year[0], of_year[-1])
            continue
        values = _matrix(path, (base.total, len(of_year)))[base.cells]
        values = np.where(values == MISSING, np.nan, values)
        at = (of_year - days[0]).astype(np.int64)
        inside = (at >= 0) & (at < len(days))
        found[:, at[inside]] = values[:, inside]
        lost = ~np.isfinite(values[:, inside])
        if complete is None or not lost.any():
            continue
        if config.incomplete == "refuse":
            cell, day = (int(i) for i in np.argwhere(lost)[0])
            raise DataError(f"{path}: cell {base.cells[cell]}, time {of_year[inside][day]}: missing value in forcing")
        complete &= ~lost.any(axis=1)
    return found


def _constants(config: HydrodlConfig, base: _Base, complete: Bool[np.ndarray, " cell"]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for path in sorted(folder_of(base.root / "const").glob("*.csv")):
        values = _matrix(path, (base.total, 1)).ravel()[base.cells]
        lost = (values == MISSING) | ~np.isfinite(values)
        if lost.any() and config.incomplete == "refuse":
            raise DataError(f"{path}: cell {base.cells[int(np.argmax(lost))]}: missing value (-9999) in an attribute")
        complete &= ~lost
        name = ATTRIBUTES.get(path.stem, path.stem)
        try:
            require_free((name,))
        except ValueError as error:
            raise DataError(f"{path}: variable {error}") from error
        found[name] = np.where(lost, 0, values).astype(np.int32) if name == "landcover_igbp" else values
    return found


def _pressure(
    config: HydrodlConfig, base: _Base, days: np.ndarray, tair: np.ndarray, complete: Bool[np.ndarray, " cell"]
) -> Float[np.ndarray, "cell day"]:
    """Air pressure [kPa]: PRES_FORA [Pa] if the base has it, else by elevation and the period's mean temperature."""
    if all((folder / "PRES_FORA.csv").exists() for folder in base.years):
        return _series(config, base, "PRES_FORA", days, complete) / PA_PER_KPA
    if config.elevation is None:
        raise DataError(
            f"{base.root}: no PRES_FORA.csv and no setting 'elevation': the air pressure needs one of the two"
        )
    elevation = _matrix(config.elevation, (base.total, 1)).ravel()[base.cells]
    mean = np.where(complete[:, None], tair, 0.0).mean(axis=1)
    return np.broadcast_to(air_pressure(elevation, mean)[:, None], tair.shape)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: file does not exist")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines:
        raise DataError(f"{path}: empty file")
    return lines


def _matrix(path: Path, shape: tuple[int, int] | None = None) -> Float[np.ndarray, "row column"]:
    """Numbers of a CSV file without a header.

    Raises:
        DataError: no file, no numbers, lines of different length, or another shape than expected.
    """
    if not path.is_file():
        raise DataError(f"{path}: file does not exist")
    try:
        values = pd.read_csv(path, header=None, dtype=np.float64).to_numpy()
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: not a table of numbers ({str(error).splitlines()[0]})") from error
    commas, expected = path.read_bytes().count(b","), values.shape[0] * (values.shape[1] - 1)
    if commas < expected:  # pandas fills the end of a short line
        raise DataError(
            f"{path}: incomplete: found {commas + values.shape[0]} values, expected {values.shape[1]} in each of "
            f"{values.shape[0]} lines"
        )
    if shape is not None and values.shape != shape:
        hint = "; the file is transposed" if values.shape == shape[::-1] else ""
        raise DataError(
            f"{path}: found {values.shape[0]} rows and {values.shape[1]} columns, expected a row for each of the "
            f"{shape[0]} cells of crd.csv and {shape[1]} columns{hint}"
        )
    return values
