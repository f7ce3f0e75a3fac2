"""U.S. Climate Reference Network: soil moisture of ``daily01`` (CRND0103) and ``hourly02`` (CRNH0203) text files.

A line a day or hour, columns separated by spaces, one file a station and year. Missing moisture is -99 (or -9999). A
day of ``daily01`` is one of local standard time; hours are stamped at their end in UTC, so that 00:00 belongs to the
day before, and their mean is that of a UTC day. The files hold no flags of soil moisture; values in frozen soil are of
its liquid water alone and are dropped by the soil temperature at the same depth.

Sources: README of both products (NOAA NCEI); Diamond et al. 2013, doi 10.1175/BAMS-D-12-00170.1; Bell et al. 2013,
doi 10.1175/JHM-D-12-0146.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.data.sources.granules import reading
from paraformer.data.stations import Probe, daily_means, stations_dataset

DEPTHS = (5, 10, 20, 50, 100)
"""Depths of the probes [cm]."""

FROZEN = 1.0
"""Soil temperature below which moisture is dropped [degC]: a day's mean of 1 may have had frost in the night."""

MISSING = -99.0
"""Soil moisture, and with -9999 any other value, that is not there."""

_HOURS = 12
"""Hours that a day needs."""


class Layout(NamedTuple):
    """Where the columns of a product stand, from 0."""

    columns: int
    date: int
    lon: int
    lat: int
    moisture: int
    temperature: int
    day: str


DAILY = Layout(28, 1, 3, 4, 18, 23, "local")
HOURLY = Layout(38, 1, 6, 7, 28, 33, "UTC")
LAYOUTS = {"CRND0103": DAILY, "CRNH0203": HOURLY}
"""By the beginning of the file's name."""

_NAME = re.compile(r"(CRND0103|CRNH0203)-(?P<year>\d{4})-(?P<name>.+)\.txt")


def uscrn_files(folder: Path) -> list[Path]:
    """Files of both products below a folder, or the file itself."""
    found = [folder] if folder.is_file() else sorted(folder.rglob("CRN[DH]0?03-*.txt"))
    return [path for path in found if _NAME.fullmatch(path.name)]


def read_uscrn(folder: Path, *, frozen: float = FROZEN) -> xr.Dataset:
    """Soil moisture of all stations in a folder (``data.stations``).

    Args:
        folder: with files of one of the products as the archive names them; or one such file.
        frozen: soil temperature below which values are dropped [degC]; values without one are dropped, too.

    Raises:
        DataError: no file, files of both products, a line that is not of the layout, a day twice, or a value that no
            soil has; naming the file.
    """
    paths = uscrn_files(Path(folder))
    if not paths:
        raise DataError(f"{folder}: no file of USCRN (CRND0103-*.txt or CRNH0203-*.txt)")
    kinds = {path.name[:8] for path in paths}
    if len(kinds) > 1:
        raise DataError(f"{folder}: files of daily01 and of hourly02, expected one of the two products")
    layout = LAYOUTS[kinds.pop()]
    tables: dict[str, list[tuple[Path, pd.DataFrame]]] = {}
    for path in paths:
        table = _table(path, layout)
        for number, part in table.groupby(0, sort=False):
            tables.setdefault(str(number), []).append((path, part))
    dropped: Counter[str] = Counter()
    probes = [probe for number, parts in tables.items() for probe in _probes(number, parts, layout, frozen, dropped)]
    attrs = {
        "title": "Soil moisture of the U.S. Climate Reference Network",
        "source": f"NOAA USCRN {'daily01' if layout is DAILY else 'hourly02'}",
        "references": "Diamond et al. 2013, doi 10.1175/BAMS-D-12-00170.1; Bell et al. 2013, "
        "doi 10.1175/JHM-D-12-0146.1",
        "day": layout.day,
    }
    rules = {"frozen": f"soil temperature below {frozen:g} degC at the depth of the probe"}
    return stations_dataset(probes, attrs, {"dropped": dict(dropped), "rules": rules})


def _table(path: Path, layout: Layout) -> pd.DataFrame:
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    with reading(path):
        table = pd.read_csv(path, sep=r"\s+", header=None, dtype=str)
    if table.shape[1] != layout.columns or table.isna().any(axis=None):
        bad = table.isna().any(axis=1).to_numpy()
        at = int(np.argmax(bad)) + 1 if bad.any() else 1
        count = int(table.iloc[at - 1].notna().sum())
        raise DataError(f"{path}: line {at} has {count} columns, expected {layout.columns}")
    return table


def _probes(
    number: str, parts: list[tuple[Path, pd.DataFrame]], layout: Layout, frozen: float, dropped: Counter[str]
) -> Iterator[Probe]:
    """Probes of one station from its files."""
    path = parts[0][0]
    table = pd.concat([part for _, part in parts], ignore_index=True)
    time = _time(path, table, layout)
    unique, first = np.unique(time, return_index=True)
    if unique.size < time.size:
        twice = time[np.setdiff1d(np.arange(time.size), first)[0]]
        raise DataError(f"{path}: station {number}: {twice} stands twice in {len(parts)} file(s)")
    match = _NAME.fullmatch(path.name)
    assert match is not None
    name = match["name"].replace("_", " ")
    lat, lon = (float(_numbers(path, table, column)[-1]) for column in (layout.lat, layout.lon))
    for i, depth in enumerate(DEPTHS):
        moisture = _numbers(path, table, layout.moisture + i)
        temperature = _numbers(path, table, layout.temperature + i)
        missing = moisture <= MISSING
        moisture = np.where(missing, np.nan, moisture)
        bad = (moisture < 0) | (moisture > 1)
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(
                f"{path}: station {number}, {depth} cm, {time[at]}: soil moisture {moisture[at]:g} m3 m-3, expected 0 "
                f"to 1, or {MISSING:g}"
            )
        unknown, cold = temperature <= -9999.0, temperature < frozen
        dropped["missing"] += int(missing.sum())
        dropped["without soil temperature"] += int((~missing & unknown).sum())
        dropped["frozen"] += int((~missing & ~unknown & cold).sum())
        moisture = np.where(cold, np.nan, moisture)  # -9999 is cold as well
        days, values = (time, moisture) if layout is DAILY else daily_means(time, moisture, _HOURS)
        yield Probe(number, name, lat, lon, depth / 100.0, days, values)


def _numbers(path: Path, table: pd.DataFrame, column: int) -> np.ndarray:
    found = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(found).all():
        at = int(np.argmin(np.isfinite(found)))
        raise DataError(f"{path}: column {column + 1}: '{table[column].iloc[at]}' is no number")
    return found


def _time(path: Path, table: pd.DataFrame, layout: Layout) -> np.ndarray:
    """Days, or the beginnings of the hours in UTC."""
    text, form = table[layout.date], "%Y%m%d"
    if layout is HOURLY:
        text, form = text + table[layout.date + 1].str.zfill(4), "%Y%m%d%H%M"
    found = pd.to_datetime(text, format=form, errors="coerce")
    if found.isna().any():
        raise DataError(f"{path}: '{text[found.isna()].iloc[0]}' is no date, expected YYYYMMDD")
    if layout is DAILY:
        return found.to_numpy().astype("datetime64[D]")
    return found.to_numpy().astype("datetime64[m]") - np.timedelta64(60, "m")
