"""Output streams of a global parameter file: which variables, how aggregated, into which files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from paraformer.core.errors import SettingsError, nearest
from paraformer.core.physics import SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.process.vic.driver.history import HISTORY, NOT_COMPUTED, Aggregation
from paraformer.process.vic.driver.keys import STREAM_KEYS
from paraformer.process.vic.driver.lines import Line, Problem, Refusals, Refused

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
MULTIPLIER = "a multiplier of OUTVAR is not applied, as VIC's image driver applies none"
EXTREMES = "AGG_TYPE_MAX and AGG_TYPE_MIN are taken over the period; VIC-5 takes 0 along"
WHOLE_RUN = "AGGFREQ END gives one record of the whole run; VIC-5 writes none"
FILES_MISSED = "HISTFREQ ends where no record ends; as in VIC-5, no new file begins from then on"
"""What a warning says about lines that do something else than one may expect, or than VIC-5."""

Unit = Literal["NEVER", "NSTEPS", "NSECONDS", "NMINUTES", "NHOURS", "NDAYS", "NMONTHS", "NYEARS", "DATE", "END"]
_SECONDS = {"NSECONDS": 1, "NMINUTES": 60, "NHOURS": int(SECONDS_PER_HOUR), "NDAYS": int(SECONDS_PER_DAY)}


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

        ``DATE`` is one period that ends with the first step of that date (VIC-5 compares the date with the beginning of
        a step), ``END`` one period, ``NEVER`` none.

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
            before = int((self.date - first_day).astype(int))
            if not 0 <= before < n_day:
                raise SettingsError(f"DATE {self.date} is not in the run: {first_day} to {first_day + n_day - 1}")
            return np.array([0, before * steps_per_day + 1])
        if self.unit in ("NMONTHS", "NYEARS"):
            days = self._calendar_edges(first_day, n_day)
            return (days - first_day).astype(np.int64) * steps_per_day
        length = self.every
        if self.unit != "NSTEPS":
            seconds, step = self.every * _SECONDS[self.unit], int(SECONDS_PER_DAY) // steps_per_day
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
        lines: key -> number of its line.
        notes: number of a line, and what a warning has to say about it.
    """

    prefix: str
    frequency: Frequency
    files: Frequency
    format: str
    compression: int
    variables: tuple[OutputVariable, ...]
    missing: tuple[str, ...] = ()
    lines: dict[str, int] = field(default_factory=dict, compare=False)
    notes: tuple[Problem, ...] = field(default=(), compare=False)

    def without(self, name: str) -> OutputStream:
        """The stream with a variable that is not computed after all."""
        if name not in {variable.name for variable in self.variables}:
            return self
        kept = tuple(variable for variable in self.variables if variable.name != name)
        return replace(self, variables=kept, missing=(*self.missing, name))

    def file_of(self, edges: np.ndarray, first_day: np.datetime64, n_day: int, steps_per_day: int) -> np.ndarray:
        """In which file each record lies, from 0.

        VIC-5 looks when it has written a record: after that many records (``HISTFREQ NSTEPS``), or where the record
        ends when the file should. A file whose end falls inside a record ends no more.

        Args:
            edges: steps at which records begin, and the end of the last one.
            first_day: of the run.
            n_day: days of the run.
            steps_per_day: model steps.
        """
        if self.files.unit == "NSTEPS":
            return np.arange(len(edges) - 1) // self.files.every
        ends = self.files.edges(first_day, n_day, steps_per_day)[1:]
        met = np.isin(ends, edges[1:])
        return np.searchsorted(ends[: len(ends) if met.all() else int(met.argmin())], edges[:-1], side="right")

    def misses_files(self, first_day: np.datetime64, n_day: int, steps_per_day: int) -> bool:
        """Whether a file should end inside a record that is written."""
        if self.files.unit == "NSTEPS":
            return False
        records = self.frequency.edges(first_day, n_day, steps_per_day)
        ends = self.files.edges(first_day, n_day, steps_per_day)[1:]
        return not np.isin(ends[ends < records[-1]], records).all()


def read_streams(path: Path | str, lines: list[Line]) -> tuple[OutputStream, ...]:
    """The OUTFILE blocks of a file.

    Args:
        path: the file, for messages.
        lines: its lines.

    Raises:
        Refused: unknown variables, types, aggregations or frequencies, each with its line.
    """
    refusals = Refusals(path)
    blocks: list[list[Line]] = []
    for line in lines:
        if line.key not in STREAM_KEYS:
            continue
        if not line.values:
            refusals.add(Problem(line.number, f"{line.key} has no value"))
        elif line.key == "OUTFILE":
            blocks.append([line])
        elif not blocks:
            refusals.add(Problem(line.number, f"{line.key} stands before the first OUTFILE"))
        else:
            blocks[-1].append(line)
    streams = [stream for block in blocks if (stream := refusals.attempt(_stream, path, block)) is not None]
    seen: dict[tuple[str, str], int] = {}
    for stream in streams:
        names, number = (stream.prefix, stream.frequency.date_format), stream.lines["OUTFILE"]
        if stream.frequency.unit != "NEVER" and names in seen:
            text = f"OUTFILE {stream.prefix} would write the files of that in line {seen[names]}: give it another name"
            refusals.add(Problem(number, text))
        if Path(stream.prefix).is_absolute() or ".." in Path(stream.prefix).parts:
            refusals.add(
                Problem(number, f"OUTFILE {stream.prefix} leads out of RESULT_DIR; give the beginning of a name")
            )
        seen[names] = number
    refusals.finish()
    return tuple(streams)


def _stream(path: Path | str, block: list[Line]) -> OutputStream:
    refusals = Refusals(path)
    name = block[0].values[0]
    settings: dict[str, Any] = {
        "AGGFREQ": Frequency("NDAYS"),
        "HISTFREQ": Frequency("END"),
        "COMPRESS": 0,
        "OUT_FORMAT": "NETCDF4_CLASSIC",
    }
    variables: list[OutputVariable] = []
    missing: list[str] = []
    notes: list[Problem] = []
    for line in block[1:]:
        if line.key == "OUTVAR" and line.value in NOT_COMPUTED:
            missing.append(line.value)
        elif line.key == "OUTVAR":
            found = refusals.attempt(_variable, path, line)
            if found is not None and found.name in {variable.name for variable in variables}:
                refusals.add(Problem(line.number, f"OUTVAR {found.name} occurs twice in OUTFILE {name}"))
            elif found is not None:
                variables.append(found)
                notes += [Problem(line.number, note) for note in _notes_on(line, found)]
        else:
            settings[line.key] = refusals.attempt(_SETTING[line.key], path, line)
            if line.key == "AGGFREQ" and line.value.upper() == "END":
                notes.append(Problem(line.number, WHOLE_RUN))
    if not any(line.key == "OUTVAR" for line in block):
        refusals.add(Problem(block[0].number, f"OUTFILE {name} has no OUTVAR"))
    refusals.finish()
    return OutputStream(
        prefix=name,
        frequency=settings["AGGFREQ"],
        files=settings["HISTFREQ"],
        format=settings["OUT_FORMAT"],
        compression=settings["COMPRESS"],
        variables=tuple(variables),
        missing=tuple(missing),
        lines={line.key: line.number for line in block},
        notes=tuple(notes),
    )


def _refuse(path: Path | str, line: Line, problem: str) -> Refused:
    return Refused(path, [Problem(line.number, problem)])


def _frequency(path: Path | str, line: Line) -> Frequency:
    key, unit = line.key, line.value.upper()
    if unit not in get_args(Unit):
        raise _refuse(path, line, f"{key} {line.value} is unknown{nearest(unit, get_args(Unit))}")
    if unit == "DATE":
        try:
            return Frequency("DATE", 1, np.datetime64(line.values[1], "D"))
        except (IndexError, ValueError) as error:
            raise _refuse(path, line, f"{key} DATE needs a date, YYYY-MM-DD") from error
    count = line.values[1] if len(line.values) > 1 and unit not in ("NEVER", "END") else "1"
    if not re.fullmatch(r"0*[1-9]\d*", count):
        raise _refuse(path, line, f"{key} {unit} needs a whole number above 0, got '{count}'")
    return Frequency(unit, int(count))  # type: ignore[arg-type]


def _compression(path: Path | str, line: Line) -> int:
    value = line.value.upper()
    if value in ("TRUE", "FALSE"):
        return DEFAULT_COMPRESSION if value == "TRUE" else 0
    if not re.fullmatch(r"\d", value):
        raise _refuse(path, line, f"COMPRESS must be TRUE, FALSE or a level from 0 to 9, got '{value}'")
    return int(value)


def _format(path: Path | str, line: Line) -> str:
    if line.value.upper() not in _FORMATS:
        raise _refuse(path, line, f"OUT_FORMAT {line.value} is not one of {', '.join(_FORMATS)}")
    return line.value.upper()


_SETTING = {"AGGFREQ": _frequency, "HISTFREQ": _frequency, "COMPRESS": _compression, "OUT_FORMAT": _format}


def _variable(path: Path | str, line: Line) -> OutputVariable:
    """``OUTVAR name format type multiplier aggregation``; the format is for text output, the multiplier for binary."""
    name, _, kind, multiplier, aggregation = (*line.values, "*", "*", "*", "*")[:5]
    if name not in HISTORY:
        raise _refuse(path, line, f"VIC has no output {name}{nearest(name, HISTORY)}")
    if kind.upper() not in _TYPES:
        raise _refuse(path, line, f"{kind} is not supported: set one of {', '.join(_TYPES)}")
    if aggregation.upper() not in _AGGREGATIONS:
        raise _refuse(path, line, f"unknown {aggregation}{nearest(aggregation, _AGGREGATIONS)}")
    if multiplier not in _NO_MULTIPLIER:
        try:
            float(multiplier)
        except ValueError as error:
            raise _refuse(path, line, f"the multiplier of {name} must be a number, got '{multiplier}'") from error
    return OutputVariable(name, _TYPES[kind.upper()], _AGGREGATIONS[aggregation.upper()] or HISTORY[name].aggregation)


_NO_MULTIPLIER = ("*", "OUT_MULT_DEFAULT")


def _notes_on(line: Line, variable: OutputVariable) -> list[str]:
    multiplied = (
        len(line.values) > 3 and line.values[3] not in _NO_MULTIPLIER and float(line.values[3]) not in (0.0, 1.0)
    )
    return [MULTIPLIER] * multiplied + [EXTREMES] * (variable.aggregation in ("max", "min"))


_DEFAULT_STREAMS = {
    "fluxes": "OUT_PREC OUT_EVAP OUT_RUNOFF OUT_BASEFLOW OUT_WDEW OUT_SOIL_LIQ OUT_SWNET OUT_R_NET OUT_EVAP_CANOP "
    "OUT_TRANSP_VEG OUT_EVAP_BARE OUT_SUB_CANOP OUT_SUB_SNOW OUT_AERO_RESIST OUT_SURF_TEMP OUT_ALBEDO OUT_REL_HUMID "
    "OUT_IN_LONG OUT_AIR_TEMP OUT_WIND",
    "snow": "OUT_SWE OUT_SNOW_DEPTH OUT_SNOW_CANOPY OUT_SNOW_COVER",
    "snowband": "OUT_SWE_BAND OUT_SNOW_DEPTH_BAND OUT_SNOW_CANOPY_BAND OUT_SWNET_BAND OUT_LWNET_BAND OUT_ALBEDO_BAND "
    "OUT_LATENT_BAND OUT_SENSIBLE_BAND OUT_GRND_FLUX_BAND",
}


def default_streams() -> tuple[OutputStream, ...]:
    """What VIC writes in water-balance mode when no OUTFILE is given: daily fluxes, snow and snow bands, float32.

    VIC writes ``snowband`` with ``SNOW_BAND FALSE`` too; nothing of it is computed here.
    """
    streams = []
    for prefix, text in _DEFAULT_STREAMS.items():
        names = text.split()
        variables = tuple(OutputVariable(n, "f4", HISTORY[n].aggregation) for n in names if n in HISTORY)
        missing = tuple(n for n in names if n in NOT_COMPUTED)
        streams.append(
            OutputStream(prefix, Frequency("NDAYS"), Frequency("END"), "NETCDF4_CLASSIC", 0, variables, missing)
        )
    return tuple(streams)
