"""Daily discharge as gauge services and data sets give it: USGS, GRDC, Caravan, CAMELS-US, or a plain table.

Everything becomes days and m3 s-1, NaN where there is none. Days are those of the source: USGS and GRDC mean local
days.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.physics import M2_PER_KM2, MM_PER_M, SECONDS_PER_DAY

M3_PER_FT3 = 0.3048**3
MM_DAY_KM2 = M2_PER_KM2 / (MM_PER_M * SECONDS_PER_DAY)
"""m3 s-1 of 1 mm day-1 over 1 km2."""
_DATE_NAMES = ("date", "datetime", "time", "yyyy-mm-dd", "day")
_FLOW_NAMES = ("discharge", "streamflow", "flow", "value", "q", "discharge_m3s", "q_m3s", "qobs", "discharge_vol(m3/s)")


class GaugeSeries(NamedTuple):
    """A gauge's daily flow.

    Attributes:
        gauge: identifier, as the file has it.
        days: ascending (datetime64[D]).
        flow: mean of the day [m3 s-1]; NaN where there is none.
        quality: mark of the source for each day, empty text where it has none.
        area_km2: drainage area, NaN where the file has none.
    """

    gauge: str
    days: np.ndarray
    flow: Float[np.ndarray, " day"]
    quality: np.ndarray
    area_km2: float


def read_gauge_file(path: Path | str, *, area_km2: float | None = None) -> GaugeSeries:
    """Read a file of one gauge, whichever of the known forms it has.

    Args:
        path: USGS (RDB), GRDC (``;``), CAMELS-US (blanks: gauge year month day ft3/s mark), or CSV with a date and a
            flow (Caravan's ``streamflow`` is mm day-1 and needs the area).
        area_km2: drainage area, for flow in mm day-1.

    Raises:
        DataError: naming the line; a file of no known form; a day that stands twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror or error})") from error
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if first.startswith("agency_cd"):
        found = _usgs(path, lines)
    elif any(line.startswith(("# GRDC", "# Title:")) for line in lines[:12]):
        found = _grdc(path, lines)
    elif re.match(r"\s*\d{6,}\s+\d{4}\s+\d{1,2}\s+\d{1,2}\s", first):
        found = _camels(path, lines)
    else:
        found = _table(path, lines, area_km2)
    order = np.argsort(found.days, kind="stable")
    days = found.days[order]
    if (np.diff(days).astype(np.int64) == 0).any():
        at = int(np.argmax(np.diff(days).astype(np.int64) == 0))
        raise DataError(f"{path}: day {days[at]} stands twice")
    return found._replace(days=days, flow=found.flow[order], quality=found.quality[order])


def on_days(series: GaugeSeries, days: np.ndarray, drop: frozenset[str] = frozenset()) -> Float[np.ndarray, " day"]:
    """The flow on wanted days [m3 s-1], NaN where there is none or its mark is one of ``drop``."""
    kept = ~np.isin(series.quality, sorted(drop)) if drop else np.ones(len(series.days), dtype=bool)
    at = np.minimum(np.searchsorted(series.days, days), max(len(series.days) - 1, 0))
    if not len(series.days):
        return np.full(len(days), np.nan)
    return np.where((series.days[at] == days) & kept[at], series.flow[at], np.nan)


def _day(path: Path | str, number: int, text: str) -> np.datetime64:
    try:
        return np.datetime64(text.strip()[:10].replace("/", "-"), "D")
    except ValueError as error:
        raise DataError(f"{path}: line {number}: found '{text}', expected a date YYYY-MM-DD") from error


def _number(path: Path | str, number: int, text: str) -> float:
    """A flow; missing where the text is empty, a word of the source, or a mark below 0."""
    words = text.strip()
    if not words or words.lower() in ("nan", "na", "ice", "eqp", "ssn", "dis", "rat", "bkw", "***", "--", "mnt", "dry"):
        return np.nan
    try:
        value = float(words)
    except ValueError as error:
        raise DataError(f"{path}: line {number}: found '{text}', expected a flow") from error
    return value if value >= 0 else np.nan


def _series(
    gauge: str, rows: list[tuple[np.datetime64, float, str]], area_km2: float, scale: float = 1.0
) -> GaugeSeries:
    days = np.array([row[0] for row in rows], dtype="datetime64[D]")
    flow = scale * np.array([row[1] for row in rows], dtype=np.float64)
    return GaugeSeries(gauge, days, flow, np.array([row[2] for row in rows], dtype="U16"), area_km2)


def _usgs(path: Path | str, lines: list[str]) -> GaugeSeries:
    """National Water Information System, tab separated: parameter 00060, statistic 00003, ft3 s-1."""
    table = [(i, line.split("\t")) for i, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    header = table[0][1]
    at = next((i for i, name in enumerate(header) if re.fullmatch(r"\d+_00060_00003", name)), None)
    if at is None or "datetime" not in header:
        raise DataError(f"{path}: no daily mean discharge (00060_00003), found columns {', '.join(header)}")
    date, mark, rows, gauge = header.index("datetime"), f"{header[at]}_cd", [], ""
    for number, words in table[2:]:
        words = [*words, *[""] * len(header)]
        gauge = words[header.index("site_no")] if "site_no" in header else gauge
        quality = words[header.index(mark)] if mark in header else ""
        rows.append((_day(path, number, words[date]), _number(path, number, words[at]), quality))
    return _series(gauge, rows, np.nan, M3_PER_FT3)


def _grdc(path: Path | str, lines: list[str]) -> GaugeSeries:
    """Global Runoff Data Centre: a header of ``#`` lines, then ``YYYY-MM-DD;hh:mm;value`` in m3 s-1."""
    head = dict(re.findall(r"^#\s*([^:]+):\s*(.*?)\s*$", "\n".join(lines), flags=re.MULTILINE))
    gauge = head.get("GRDC-No.", "")
    area = next((value for key, value in head.items() if key.startswith("Catchment area")), "")
    rows = []
    for number, line in enumerate(lines, 1):
        words = line.split(";")
        if line.startswith("#") or len(words) < 3 or not re.match(r"\d{4}-\d{2}-\d{2}", words[0]):
            continue
        rows.append((_day(path, number, words[0]), _number(path, number, words[2]), "".join(words[3:4]).strip()))
    if not rows:
        raise DataError(f"{path}: no line of day; time; value")
    known = re.fullmatch(r"[\d.]+", area) is not None and float(area) > 0
    return _series(gauge, rows, float(area) if known else np.nan)


def _camels(path: Path | str, lines: list[str]) -> GaugeSeries:
    """CAMELS-US: gauge, year, month, day, ft3 s-1, mark."""
    rows, gauge = [], ""
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 5:
            raise DataError(
                f"{path}: line {number}: {len(words)} columns, expected gauge, year, month, day, flow, mark"
            )
        gauge = words[0]
        day = _day(path, number, f"{words[1]}-{words[2]:0>2}-{words[3]:0>2}")
        rows.append((day, _number(path, number, words[4]), "".join(words[5:6])))
    return _series(gauge, rows, np.nan, M3_PER_FT3)


def _table(path: Path | str, lines: list[str], area_km2: float | None) -> GaugeSeries:
    """A date and a flow in named columns; Caravan's ``streamflow`` without a unit is mm day-1."""
    kept = [(i, line) for i, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not kept:
        raise DataError(f"{path}: empty, expected daily flow")
    delimiter = ";" if kept[0][1].count(";") > kept[0][1].count(",") else ","
    rows = list(csv.reader((line for _, line in kept), delimiter=delimiter))
    header = [word.strip().lower() for word in rows[0]]
    date = next((header.index(name) for name in _DATE_NAMES if name in header), None)
    ymd = all(name in header for name in ("yyyy", "mm", "dd"))
    at = next((header.index(name) for name in _FLOW_NAMES if name in header), None)
    if (date is None and not ymd) or at is None:
        raise DataError(f"{path}: no column of days or of flow, found {', '.join(header) or 'none'}")
    depth = header[at] == "streamflow"
    if depth and not (area_km2 and area_km2 > 0):
        raise DataError(f"{path}: 'streamflow' is mm day-1, which needs the drainage area")
    found = []
    for (number, _), row in zip(kept[1:], rows[1:], strict=True):
        words = [*row, *[""] * len(header)]
        text = (
            words[date] if date is not None else "-".join(f"{words[header.index(n)]:0>2}" for n in ("yyyy", "mm", "dd"))
        )
        found.append((_day(path, number, text), _number(path, number, words[at]), ""))
    scale = MM_DAY_KM2 * float(area_km2) if depth and area_km2 else 1.0
    return _series(Path(path).stem, found, np.nan if area_km2 is None else area_km2, scale)
