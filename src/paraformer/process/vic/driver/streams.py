"""Output streams of a global parameter file: which variables, how aggregated, into which files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from paraformer.core.errors import SettingsError, nearest
from paraformer.process.vic.driver.history import HISTORY, NOT_COMPUTED, Aggregation
from paraformer.process.vic.driver.keys import Line

STREAM_KEYS = ("OUTFILE", "AGGFREQ", "HISTFREQ", "COMPRESS", "OUT_FORMAT", "OUTVAR")
_FORMATS = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4_CLASSIC", "NETCDF4")
_TYPES = {"*": "f4", "OUT_TYPE_DEFAULT": "f4", "OUT_TYPE_FLOAT": "f4", "OUT_TYPE_DOUBLE": "f8", "OUT_TYPE_INT": "i4"}
_AGGREGATIONS: dict[str, Aggregation | None] = {
    "*": None,
    "AGG_TYPE_DEFAULT": None,
    "AGG_TYPE_AVG": "mean",
    "AGG_TYPE_BEG": "begin",
    "AGG_TYPE_END": "end",
    "AGG_TYPE_MAX": "max",
    "AGG_TYPE_MIN": "min",
    "AGG_TYPE_SUM": "sum",
}
DEFAULT_COMPRESSION = 5

Unit = Literal["NEVER", "NSTEPS", "NSECONDS", "NMINUTES", "NHOURS", "NDAYS", "NMONTHS", "NYEARS", "DATE", "END"]
_SECONDS = {"NSECONDS": 1, "NMINUTES": 60, "NHOURS": 3600, "NDAYS": 86400}


class Frequency(NamedTuple):
    """How often a record, or a file, ends: VIC's AGGFREQ and HISTFREQ."""

    unit: Unit
    every: int = 1
    date: np.datetime64 | None = None

    @property
    def date_format(self) -> str:
        """The date in the names of its files, as exact as its records are (VIC-5: ``initialize_history_file``)."""
        return {"NDAYS": "YYYY-MM-DD", "NMONTHS": "YYYY-MM", "NYEARS": "YYYY"}.get(self.unit, "YYYY-MM-DD-SSSSS")

    def edges(self, first_day: np.datetime64, n_day: int, steps_per_day: int) -> np.ndarray:
        """Steps at which periods begin, and the end of the last whole one; VIC never writes an unfinished period.

        ``DATE`` is one period up to that date, ``END`` one period, ``NEVER`` none.

        Raises:
            SettingsError: a period that is no whole number of steps, or a month without the day the run starts on.
        """
        n_step = n_day * steps_per_day
        if self.unit == "NEVER":
            return np.array([0])
        if self.unit == "END":
            return np.array([0, n_step])
        if self.unit == "DATE":
            assert self.date is not None
            end = int((self.date - first_day).astype(int)) * steps_per_day
            if not 0 < end <= n_step:
                raise SettingsError(f"DATE {self.date} is not in the run: {first_day + 1} to {first_day + n_day}")
            return np.array([0, end])
        if self.unit in ("NMONTHS", "NYEARS"):
            days = self._calendar_edges(first_day, n_day)
            return (days - first_day).astype(np.int64) * steps_per_day
        length = self.every
        if self.unit != "NSTEPS":
            seconds, step = self.every * _SECONDS[self.unit], 86400 // steps_per_day
            if seconds % step:
                raise SettingsError(f"{self.unit} {self.every} is not a whole number of model steps of {step} s")
            length = seconds // step
        return np.arange(0, n_step + 1, length)

    def _calendar_edges(self, first_day: np.datetime64, n_day: int) -> np.ndarray:
        """The same day of the month after every period."""
        month = first_day.astype("datetime64[M]")
        offset = first_day - month.astype("datetime64[D]")
        months = self.every * (12 if self.unit == "NYEARS" else 1)
        edges = [first_day]
        while edges[-1] <= first_day + n_day:
            month = month + months
            following = month.astype("datetime64[D]") + offset
            if following.astype("datetime64[M]") != month:
                raise SettingsError(f"{self.unit} from {first_day}: {month} has no such day; start on another day")
            edges.append(following)
        return np.array(edges[:-1])


class OutputVariable(NamedTuple):
    """One OUTVAR line."""

    name: str
    type: str  # netCDF type
    multiplier: float
    aggregation: Aggregation


@dataclass(frozen=True)
class OutputStream:
    """One OUTFILE block.

    Attributes:
        prefix: start of the file names.
        frequency: AGGFREQ, how long a record is.
        files: HISTFREQ, after how long a new file begins.
        format: netCDF format.
        compression: zlib level, 0 for none.
        variables: what is written.
        missing: variables asked for that this model does not compute.
    """

    prefix: str
    frequency: Frequency
    files: Frequency
    format: str
    compression: int
    variables: tuple[OutputVariable, ...]
    missing: tuple[str, ...] = ()


def read_streams(path: Path | str, lines: list[Line]) -> tuple[OutputStream, ...]:
    """The OUTFILE blocks of a file.

    Args:
        path: the file, for messages.
        lines: its lines.

    Raises:
        SettingsError: unknown variable, type, aggregation or frequency, naming file and line.
    """
    blocks: list[list[Line]] = []
    for line in lines:
        if line.key not in STREAM_KEYS:
            continue
        where = f"{path}, line {line.number}"
        if not line.values:
            raise SettingsError(f"{where}: {line.key} has no value")
        if line.key == "OUTFILE":
            blocks.append([line])
        elif not blocks:
            raise SettingsError(f"{where}: {line.key} stands before the first OUTFILE")
        else:
            blocks[-1].append(line)
    streams = tuple(_stream(path, block) for block in blocks)
    seen: dict[tuple[str, str], int] = {}
    for stream, block in zip(streams, blocks, strict=True):
        names = (stream.prefix, stream.frequency.date_format)
        if stream.frequency.unit != "NEVER" and names in seen:
            raise SettingsError(
                f"{path}, line {block[0].number}: OUTFILE {stream.prefix} would write the files of that in line "
                f"{seen[names]}: give it another name"
            )
        seen[names] = block[0].number
    return streams


def _stream(path: Path | str, block: list[Line]) -> OutputStream:
    settings: dict[str, Any] = {
        "AGGFREQ": Frequency("NDAYS"),
        "HISTFREQ": Frequency("END"),
        "COMPRESS": 0,
        "OUT_FORMAT": "NETCDF4_CLASSIC",
    }
    variables: list[OutputVariable] = []
    missing: list[str] = []
    for line in block[1:]:
        where = f"{path}, line {line.number}"
        if line.key in ("AGGFREQ", "HISTFREQ"):
            settings[line.key] = _frequency(where, line.key, line.values)
        elif line.key == "COMPRESS":
            settings[line.key] = _compression(where, line.values[0].upper())
        elif line.key == "OUT_FORMAT":
            settings[line.key] = line.values[0].upper()
            if settings[line.key] not in _FORMATS:
                raise SettingsError(f"{where}: OUT_FORMAT {line.values[0]} is not one of {', '.join(_FORMATS)}")
        elif line.values[0] in NOT_COMPUTED:
            missing.append(line.values[0])
        else:
            found = _variable(where, line.values)
            if found.name in {variable.name for variable in variables}:
                raise SettingsError(f"{where}: OUTVAR {found.name} occurs twice in OUTFILE {block[0].values[0]}")
            variables.append(found)
    if not variables and not missing:
        raise SettingsError(f"{path}, line {block[0].number}: OUTFILE {block[0].values[0]} has no OUTVAR")
    return OutputStream(
        prefix=block[0].values[0],
        frequency=settings["AGGFREQ"],
        files=settings["HISTFREQ"],
        format=settings["OUT_FORMAT"],
        compression=settings["COMPRESS"],
        variables=tuple(variables),
        missing=tuple(missing),
    )


def _frequency(where: str, key: str, values: tuple[str, ...]) -> Frequency:
    unit = values[0].upper()
    if unit not in get_args(Unit):
        raise SettingsError(f"{where}: {key} {values[0]} is unknown{nearest(unit, get_args(Unit))}")
    if unit == "DATE":
        try:
            return Frequency("DATE", 1, np.datetime64(values[1], "D"))
        except (IndexError, ValueError) as error:
            raise SettingsError(f"{where}: {key} DATE needs a date, YYYY-MM-DD") from error
    count = values[1] if len(values) > 1 and unit not in ("NEVER", "END") else "1"
    if not re.fullmatch(r"0*[1-9]\d*", count):
        raise SettingsError(f"{where}: {key} {unit} needs a whole number above 0, got '{count}'")
    return Frequency(unit, int(count))  # type: ignore[arg-type]


def _compression(where: str, value: str) -> int:
    if value in ("TRUE", "FALSE"):
        return DEFAULT_COMPRESSION if value == "TRUE" else 0
    if not re.fullmatch(r"\d", value):
        raise SettingsError(f"{where}: COMPRESS must be TRUE, FALSE or a level from 0 to 9, got '{value}'")
    return int(value)


def _variable(where: str, values: tuple[str, ...]) -> OutputVariable:
    """``OUTVAR name format type multiplier aggregation``; the format is for text output."""
    name, _, kind, multiplier, aggregation = (*values, "*", "*", "*", "*")[:5]
    if name not in HISTORY:
        raise SettingsError(f"{where}: VIC has no output {name}{nearest(name, HISTORY)}")
    if kind.upper() not in _TYPES:
        raise SettingsError(f"{where}: {kind} is not supported: set one of {', '.join(_TYPES)}")
    if aggregation.upper() not in _AGGREGATIONS:
        raise SettingsError(f"{where}: unknown {aggregation}{nearest(aggregation, _AGGREGATIONS)}")
    try:
        factor = 1.0 if multiplier in ("*", "OUT_MULT_DEFAULT") else float(multiplier)
    except ValueError as error:
        raise SettingsError(f"{where}: the multiplier of {name} must be a number, got '{multiplier}'") from error
    chosen = _AGGREGATIONS[aggregation.upper()] or HISTORY[name].aggregation
    return OutputVariable(name, _TYPES[kind.upper()], factor if factor else 1.0, chosen)


_DEFAULT_STREAMS = {
    "fluxes": "OUT_PREC OUT_EVAP OUT_RUNOFF OUT_BASEFLOW OUT_WDEW OUT_SOIL_LIQ OUT_SWNET OUT_R_NET OUT_EVAP_CANOP "
    "OUT_TRANSP_VEG OUT_EVAP_BARE OUT_SUB_CANOP OUT_SUB_SNOW OUT_AERO_RESIST OUT_SURF_TEMP OUT_ALBEDO OUT_REL_HUMID "
    "OUT_IN_LONG OUT_AIR_TEMP OUT_WIND",
    "snow": "OUT_SWE OUT_SNOW_DEPTH OUT_SNOW_CANOPY OUT_SNOW_COVER",
}


def default_streams() -> tuple[OutputStream, ...]:
    """What VIC writes in water-balance mode when no OUTFILE is given: daily fluxes and snow, float32."""
    streams = []
    for prefix, text in _DEFAULT_STREAMS.items():
        names = text.split()
        variables = tuple(OutputVariable(n, "f4", 1.0, HISTORY[n].aggregation) for n in names if n in HISTORY)
        missing = tuple(n for n in names if n in NOT_COMPUTED)
        streams.append(
            OutputStream(prefix, Frequency("NDAYS"), Frequency("END"), "NETCDF4_CLASSIC", 0, variables, missing)
        )
    return tuple(streams)
