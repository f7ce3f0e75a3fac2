"""The global parameter file of VIC-5's image driver, typed and checked before anything is opened.

Keys, defaults and rules are those of VIC 5.1 (manual: *Global Parameter File, image driver*); what is done with each is
in ``keys.TABLE``. All lines that cannot be obeyed are refused at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from paraformer.core.errors import SettingsError, nearest
from paraformer.process.vic.driver.keys import REPEATED_KEYS, require_obeyed, told
from paraformer.process.vic.driver.lines import Keys, Line, Problem, Refusals, read_lines
from paraformer.process.vic.driver.streams import FILES_MISSED, OutputStream, default_streams, read_streams
from paraformer.process.vic.files import CanopySource, GridNames
from paraformer.process.vic.forcing import SERIES
from paraformer.process.vic.settings import VICSettings, WaterBalance

logger = logging.getLogger(__name__)

FORCE_TYPES: dict[str, str] = {
    "PREC": "prcp",
    "AIR_TEMP": "tair",
    "SWDOWN": "swdown",
    "LWDOWN": "lwdown",
    "WIND": "wind",
    "VP": "vp",
    "PRESSURE": "pres",
}
"""``FORCE_TYPE`` -> field of ``Forcing``."""
UNUSED_FORCE_TYPES = {"ALBEDO", "CATM", "CHANNEL_IN", "FCANOPY", "FDIR", "LAI", "PAR", "SKIP"}


CALENDARS = ("STANDARD", "GREGORIAN", "PROLEPTIC_GREGORIAN")
FORMATS = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4_CLASSIC", "NETCDF4")
TIME_UNITS = ("SECONDS", "MINUTES", "HOURS", "DAYS")


class ForcingFiles(NamedTuple):
    """Yearly forcing files ``<prefix>YYYY.nc`` and the variables taken from them."""

    prefix: str
    names: dict[str, str]  # field of ``Forcing`` -> variable

    def path(self, year: int) -> Path:
        return Path(f"{self.prefix}{year:04d}.nc")


class StateFile(NamedTuple):
    """A state file to write."""

    prefix: str
    day: np.datetime64  # the state holds at 00:00 of this day
    format: str

    @property
    def path(self) -> Path:
        """VIC's name: ``<prefix>.YYYYMMDD_SSSSS.nc``."""
        return Path(f"{self.prefix}.{str(self.day).replace('-', '')}_00000.nc")


@dataclass(frozen=True)
class GlobalParameters:
    """A global parameter file of the image driver, checked.

    Attributes:
        path: the file.
        settings: steps a day.
        first_day: first day of the run; it starts at 00:00.
        n_day: number of days.
        calendar: CF calendar.
        time_unit: unit of the time axis of history files.
        domain: domain file.
        grid_names: names of its variables, and of the coordinates in the parameter file.
        parameters: parameter file.
        forcing: yearly forcing files.
        canopy_source: FCAN_SRC, as this model knows it.
        snow_bands: SNOW_BAND.
        initial_state: INIT_STATE, or ``None`` for a cold start.
        state: state file to write.
        result_directory: folder of the history files.
        streams: history files.
        text: the file as the run read it, environment replaced.
        notes: lines a warning has something to say about: they have no effect, or another one than one may expect.
    """

    path: Path
    settings: VICSettings
    first_day: np.datetime64
    n_day: int
    calendar: str
    time_unit: str
    domain: Path
    grid_names: GridNames
    parameters: Path
    forcing: tuple[ForcingFiles, ...]
    canopy_source: CanopySource
    snow_bands: bool
    initial_state: Path | None
    state: StateFile | None
    result_directory: Path
    streams: tuple[OutputStream, ...]
    text: str
    notes: tuple[Problem, ...] = ()

    @property
    def days(self) -> np.ndarray:
        """Days of the run (datetime64[D])."""
        return self.first_day + np.arange(self.n_day)


def is_classic(lines: list[Line]) -> bool:
    """Whether the file belongs to the classic driver (it names a text soil file)."""
    return any(line.key in ("SOIL", "VEGPARAM") for line in lines)


def read_global_parameters(
    path: Path | str, *, water_balance: WaterBalance = "vic", environment: Mapping[str, str] | None = None
) -> GlobalParameters:
    """Read and check a global parameter file of VIC-5's image driver.

    Args:
        path: the file.
        water_balance: ``vic`` repeats VIC-5, ``conserving`` closes the balance (no option of VIC-5).
        environment: variables for ``${NAME}``; the process's own by default.

    Raises:
        DataError: no such file.
        SettingsError: unknown or missing keys, wrong values, options outside water-balance mode: one line that names
            the file and, for every line refused, its number, the option, and what to set.
    """
    refusals = Refusals(path)
    attempt = refusals.attempt
    lines = read_lines(path, environment, refusals)
    if is_classic(lines):
        raise SettingsError(f"{path}: a file of VIC's classic driver; make an image-driver one with 'vic convert'")
    keys = Keys(path, lines, REPEATED_KEYS, refusals)
    for line in lines:
        attempt(require_obeyed, path, line, "image")
    days = attempt(period, keys)
    settings = attempt(read_settings, keys, water_balance)
    streams = attempt(read_streams, path, lines)
    if streams is not None and days is not None and settings is not None:
        for stream in streams:
            attempt(_require_periods, keys, stream, days, settings.model_steps_per_day)
    found: dict[str, Any] = {
        "calendar": attempt(keys.choice, "CALENDAR", CALENDARS, "STANDARD"),
        "time_unit": attempt(keys.choice, "OUT_TIME_UNITS", TIME_UNITS, "DAYS"),
        "domain": attempt(keys.path_of, "DOMAIN"),
        "grid_names": attempt(grid_names, keys),
        "parameters": attempt(keys.path_of, "PARAMETERS"),
        "forcing": attempt(_forcing, keys),
        "canopy_source": attempt(_sources, keys),
        "snow_bands": attempt(keys.flag, "SNOW_BAND", "FALSE"),
        "initial_state": attempt(_initial_state, keys),
        "state": attempt(read_state_file, keys, days, FORMATS, "NETCDF4_CLASSIC"),
        "result_directory": attempt(keys.path_of, "RESULT_DIR"),
    }
    refusals.finish()
    assert days is not None
    assert settings is not None
    assert streams is not None
    streams = streams or default_streams()
    found |= {name: found[name].lower() for name in ("calendar", "time_unit")}
    return GlobalParameters(
        path=Path(path),
        settings=settings,
        first_day=days[0],
        n_day=days[1],
        streams=streams,
        text="\n".join(" ".join((line.key, *line.values)) for line in lines) + "\n",
        notes=_notes(lines, streams, days, settings.model_steps_per_day),
        **found,
    )


def _notes(
    lines: list[Line], streams: tuple[OutputStream, ...], days: tuple[np.datetime64, int], steps_per_day: int
) -> tuple[Problem, ...]:
    found = [Problem(line.number, text) for line in lines if (text := told(line, "image"))]
    for stream in streams:
        found += stream.notes
        if stream.misses_files(*days, steps_per_day):
            found.append(Problem(stream.lines["HISTFREQ"], FILES_MISSED))
    return tuple(found)


def _require_periods(keys: Keys, stream: OutputStream, days: tuple[np.datetime64, int], steps_per_day: int) -> None:
    """Records and files must begin and end with model steps of the run."""
    refusals = Refusals(keys.path)
    for key, frequency in (("AGGFREQ", stream.frequency), ("HISTFREQ", stream.files)):
        try:
            frequency.edges(*days, steps_per_day)
        except SettingsError as error:
            number = stream.lines.get(key, stream.lines["OUTFILE"])
            refusals.add(Problem(number, f"OUTFILE {stream.prefix}: {key} {error}"))
    refusals.finish()


def read_settings(keys: Keys, water_balance: WaterBalance = "vic") -> VICSettings:
    """Steps a day."""
    refusals = Refusals(keys.path)
    steps = {
        f"{name}_steps_per_day": refusals.attempt(keys.integer, f"{name.upper()}_STEPS_PER_DAY")
        for name in ("model", "snow", "runoff")
    }
    refusals.finish()
    try:
        return VICSettings(**steps, water_balance=water_balance)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise keys.error(keys.line(problem.split()[0].upper()), problem) from error


def period(keys: Keys) -> tuple[np.datetime64, int]:
    """First day and number of days of a run (STARTYEAR ... and NRECS or ENDYEAR ...)."""
    refusals = Refusals(keys.path)
    first = refusals.attempt(keys.day, "STARTYEAR", "STARTMONTH", "STARTDAY")
    if "NRECS" in keys:
        per_day = refusals.attempt(keys.integer, "MODEL_STEPS_PER_DAY")
        records = refusals.attempt(keys.integer, "NRECS")
        refusals.finish()
        assert first is not None
        assert records is not None
        if not records or not per_day or records % per_day:
            raise keys.error(keys.line("NRECS"), f"NRECS {records} is not a whole number of days of {per_day} steps")
        if "ENDYEAR" in keys:
            text = "%s, line %d: NRECS %d gives the end of the run; ENDYEAR, ENDMONTH, ENDDAY are not read, as in VIC"
            logger.warning(text, keys.path, keys.line("NRECS").number, records)
        return first, records // per_day
    last = refusals.attempt(keys.day, "ENDYEAR", "ENDMONTH", "ENDDAY")
    refusals.finish()
    assert first is not None
    assert last is not None
    if last < first:
        raise keys.error(keys.line("ENDDAY"), f"the run ends ({last}) before it starts ({first})")
    return first, int((last - first).astype(int)) + 1


def grid_names(keys: Keys) -> GridNames:
    """Names of coordinates, mask and dimensions (DOMAIN_TYPE)."""
    names, refusals = {}, Refusals(keys.path)
    valid = ("LAT", "LON", "MASK", "AREA", "FRAC", "YDIM", "XDIM")
    for line in keys.lines:
        if line.key != "DOMAIN_TYPE":
            continue
        if len(line.values) < 2:
            refusals.add(Problem(line.number, "DOMAIN_TYPE needs a type and a variable"))
        elif line.value.upper() not in valid:
            refusals.add(Problem(line.number, f"unknown DOMAIN_TYPE {line.value}{nearest(line.value, valid)}"))
        else:
            names[line.value.lower()] = line.values[1]
    refusals.finish()
    return GridNames(*(names.get(field, getattr(GridNames(), field)) for field in GridNames._fields))


def require_force_types(given: list[str], refusals: Refusals) -> None:
    """Gather the forcing that VIC-5 needs and a file lacks, or has twice; ``given`` are its FORCE_TYPEs."""
    for kind in FORCE_TYPES:
        if given.count(kind) != 1:
            refusals.add(Problem(0, f"FORCE_TYPE {kind} is {'repeated' if kind in given else 'missing'}"))


def force_type(keys: Keys, line: Line) -> str:
    """The type of a FORCE_TYPE line.

    Raises:
        Refused: no such type.
    """
    kind, valid = line.value.upper(), (*FORCE_TYPES, *UNUSED_FORCE_TYPES)
    if kind not in valid:
        raise keys.error(line, f"unknown FORCE_TYPE {kind}{nearest(kind, valid)}")
    return kind


def _forcing(keys: Keys) -> tuple[ForcingFiles, ...]:
    """FORCING1 and FORCING2, each with the FORCE_TYPE lines that follow it."""
    found: list[ForcingFiles] = []
    given: list[str] = []
    refusals = Refusals(keys.path)
    for line in keys.lines:
        if line.key in ("FORCING1", "FORCING2") and not line.values:
            refusals.add(Problem(line.number, f"{line.key} has no value"))
        elif line.key in ("FORCING1", "FORCING2") and line.value.upper() != "FALSE":
            found.append(ForcingFiles(line.value, {}))
        elif line.key == "FORCE_TYPE" and (kind := refusals.attempt(force_type, keys, line)) in FORCE_TYPES:
            given.append(kind)
            if not found or len(line.values) < 2:
                text = f"FORCE_TYPE {kind} needs a variable name and a FORCING1 line before it"
                refusals.add(Problem(line.number, text))
            else:
                found[-1].names[FORCE_TYPES[kind]] = line.values[1]
    require_force_types(given, refusals)
    refusals.finish()
    assert sorted(field for files in found for field in files.names) == sorted(SERIES)
    return tuple(files for files in found if files.names)


def _sources(keys: Keys) -> CanopySource:
    """FCAN_SRC; LAI and albedo come from the parameter file, whichever of its two names the source has."""
    refusals = Refusals(keys.path)
    for key in ("LAI_SRC", "ALB_SRC"):
        refusals.attempt(keys.choice, key, ("FROM_VEGPARAM", "FROM_VEGLIB"), "FROM_VEGLIB")
    valid = ("FROM_DEFAULT", "FROM_VEGPARAM", "FROM_VEGLIB")
    source = refusals.attempt(keys.choice, "FCAN_SRC", valid, "FROM_DEFAULT")
    refusals.finish()
    return "FROM_DEFAULT" if source == "FROM_DEFAULT" else "FROM_VEGPARAM"


def _initial_state(keys: Keys) -> Path | None:
    return None if keys.text("INIT_STATE", "FALSE").upper() == "FALSE" else keys.path_of("INIT_STATE")


def read_state_file(
    keys: Keys, days: tuple[np.datetime64, int] | None, formats: tuple[str, ...], default: str
) -> StateFile | None:
    """The state to write (STATENAME and its date); ``None`` if the file asks for none.

    Args:
        keys: of the file.
        days: first day and number of days of the run, if they are known.
        formats: values STATE_FORMAT may have.
        default: that of a file without it.
    """
    if "STATENAME" not in keys:
        return None
    refusals = Refusals(keys.path)
    name = refusals.attempt(keys.text, "STATENAME")
    format = refusals.attempt(keys.choice, "STATE_FORMAT", formats, default)
    day = refusals.attempt(keys.day, "STATEYEAR", "STATEMONTH", "STATEDAY")
    if day is not None and days is not None:
        first_day, n_day = days
        if not first_day < day <= first_day + n_day:
            text = f"the state's date {day} is not in the run: {first_day + 1} to {first_day + n_day}"
            refusals.add(Problem(keys.line("STATEDAY").number, text))
    refusals.finish()
    return StateFile(str(name), day, str(format))  # type: ignore[arg-type]
