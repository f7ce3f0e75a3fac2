"""The global parameter file of VIC-5's image driver, typed and checked before anything is opened.

Keys, defaults and rules are those of VIC 5.1 (manual: *Global Parameter File, image driver*). Unlike VIC, which only
warns, an unknown key is an error: a misspelt option would run another model than the one asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from paraformer.core.errors import SettingsError, nearest
from paraformer.process.vic.driver.keys import Keys, Line, read_lines
from paraformer.process.vic.driver.streams import STREAM_KEYS, OutputStream, default_streams, read_streams
from paraformer.process.vic.files import CanopySource, GridNames
from paraformer.process.vic.forcing import SERIES
from paraformer.process.vic.settings import ONLY_OPTION, VICSettings, WaterBalance, require_supported_options

CLASSIC_KEYS = {
    "SOIL",
    "VEGLIB",
    "VEGPARAM",
    "VEGPARAM_LAI",
    "VEGPARAM_FCAN",
    "VEGPARAM_ALB",
    "VEGLIB_FCAN",
    "FORCE_FORMAT",
    "FORCE_ENDIAN",
    "FORCE_STEPS_PER_DAY",
    "FORCEYEAR",
    "FORCEMONTH",
    "FORCEDAY",
    "FORCESEC",
    "GRID_DECIMAL",
    "NLAYER",
    "ROOT_ZONES",
    "BINARY_STATE_FILE",
    "PRT_HEADER",
    "PRT_SNOW_BAND",
    "CONTINUEONERROR",
    "OUTPUT_FORCE",
}
"""Keys of the classic driver; VIC's image driver refuses them too."""

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

_ONLY_DRIVER_OPTION = {
    "IMPLICIT": "FALSE",
    "EXP_TRANS": "FALSE",
    "NOFLUX": "FALSE",
    "NO_FLUX": "FALSE",
    "QUICK_SOLVE": "FALSE",
    "VEGLIB_PHOTO": "FALSE",
    "LAKE_PROFILE": "FALSE",
    "STARTSEC": "0",
    "STATESEC": "0",
}
"""The one value each further option of the driver may have here."""
_NO_EFFECT = {
    "WIND_H",
    "JULY_TAVG_SUPPLIED",
    "CANOPY_LAYERS",
    "BLOWING_VAR_THRESHOLD",
    "BLOWING_CALC_PROB",
    "BLOWING_SIMPLE",
    "BLOWING_FETCH",
    "BLOWING_SPATIAL_WIND",
    "LOG_DIR",
}
"""Options that change no number in water-balance mode."""
_REMOVE = {
    "CONSTANTS": "the model's constants are those of VIC 5.1",
    "ROUT_PARAM": "runoff is not routed here",
    "ROUTING": "runoff is not routed here",
}
_SCALAR = {
    "MODEL_STEPS_PER_DAY",
    "SNOW_STEPS_PER_DAY",
    "RUNOFF_STEPS_PER_DAY",
    "STARTYEAR",
    "STARTMONTH",
    "STARTDAY",
    "ENDYEAR",
    "ENDMONTH",
    "ENDDAY",
    "NRECS",
    "CALENDAR",
    "OUT_TIME_UNITS",
    "DOMAIN",
    "PARAMETERS",
    "FORCING1",
    "FORCING2",
    "INIT_STATE",
    "STATENAME",
    "STATEYEAR",
    "STATEMONTH",
    "STATEDAY",
    "STATE_FORMAT",
    "LAI_SRC",
    "FCAN_SRC",
    "ALB_SRC",
    "SNOW_BAND",
    "RESULT_DIR",
}
REPEATED_KEYS = {"DOMAIN_TYPE", "FORCE_TYPE", *STREAM_KEYS}
"""Keys that may stand more than once."""
KEYS = _SCALAR | REPEATED_KEYS | _NO_EFFECT | set(_ONLY_DRIVER_OPTION) | set(_REMOVE) | (set(ONLY_OPTION) - {"NLAYER"})
"""Every key an image-driver file may hold."""

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
        SettingsError: unknown key, missing key, wrong value or an option outside water-balance mode: one line that
            names file, line and option, and what to set.
    """
    lines = read_lines(path, environment)
    if is_classic(lines):
        raise SettingsError(f"{path}: a file of VIC's classic driver; make an image-driver one with 'vic convert'")
    keys = Keys(path, lines, REPEATED_KEYS)
    _require_known(keys)
    _require_supported(keys)
    first_day, n_day = period(keys)
    forcing = _forcing(keys)
    streams = read_streams(keys.path, lines) or default_streams()
    settings = _settings(keys, water_balance)
    _require_periods(keys, streams, first_day, n_day, settings.model_steps_per_day)
    return GlobalParameters(
        path=Path(path),
        settings=settings,
        first_day=first_day,
        n_day=n_day,
        calendar=keys.choice("CALENDAR", CALENDARS, "STANDARD").lower(),
        time_unit=keys.choice("OUT_TIME_UNITS", TIME_UNITS, "DAYS").lower(),
        domain=keys.path_of("DOMAIN"),
        grid_names=grid_names(keys),
        parameters=keys.path_of("PARAMETERS"),
        forcing=forcing,
        canopy_source=_sources(keys),
        snow_bands=keys.flag("SNOW_BAND", "FALSE"),
        initial_state=None if keys.text("INIT_STATE", "FALSE").upper() == "FALSE" else keys.path_of("INIT_STATE"),
        state=_state(keys, first_day, n_day),
        result_directory=keys.path_of("RESULT_DIR"),
        streams=streams,
        text="\n".join(" ".join((line.key, *line.values)) for line in lines) + "\n",
    )


def _require_periods(
    keys: Keys, streams: tuple[OutputStream, ...], first_day: np.datetime64, n_day: int, steps_per_day: int
) -> None:
    """Records and files of every stream must begin and end with model steps of the run."""
    for stream in streams:
        for key, frequency in (("AGGFREQ", stream.frequency), ("HISTFREQ", stream.files)):
            try:
                frequency.edges(first_day, n_day, steps_per_day)
            except SettingsError as error:
                raise SettingsError(f"{keys.path}: OUTFILE {stream.prefix}: {key} {error}") from error


def _require_known(keys: Keys) -> None:
    for line in keys.lines:
        if line.key in CLASSIC_KEYS:
            raise keys.error(line, f"{line.key} is an option of VIC's classic driver: remove it")
        if line.key in _REMOVE:
            raise keys.error(line, f"{line.key} is not supported ({_REMOVE[line.key]}): remove it")
        if line.key not in KEYS:
            raise keys.error(line, f"unknown option {line.key}{nearest(line.key, KEYS)}")


def _require_supported(keys: Keys) -> None:
    """Options outside water-balance mode, each refused with its line and what to set."""
    for line in keys.lines:
        value = line.values[0] if line.values else ""
        only = _ONLY_DRIVER_OPTION.get(line.key)
        if only is not None and value.upper() != only:
            raise keys.error(line, f"VIC option {line.key} {value} is not supported: set {line.key} {only}")
        try:
            require_supported_options({line.key: value})
        except SettingsError as error:
            raise keys.error(line, str(error)) from error


def _settings(keys: Keys, water_balance: WaterBalance) -> VICSettings:
    steps = {
        f"{name}_steps_per_day": keys.integer(f"{name.upper()}_STEPS_PER_DAY") for name in ("model", "snow", "runoff")
    }
    try:
        return VICSettings(**steps, water_balance=water_balance)
    except ValidationError as error:
        raise SettingsError(f"{keys.path}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def period(keys: Keys) -> tuple[np.datetime64, int]:
    """First day and number of days of a run (STARTYEAR ... and NRECS or ENDYEAR ...)."""
    first = keys.day("STARTYEAR", "STARTMONTH", "STARTDAY")
    if "NRECS" in keys:
        per_day, records = keys.integer("MODEL_STEPS_PER_DAY"), keys.integer("NRECS")
        if records == 0 or per_day == 0 or records % per_day:
            raise keys.error(keys.line("NRECS"), f"NRECS {records} is not a whole number of days of {per_day} steps")
        return first, records // per_day
    last = keys.day("ENDYEAR", "ENDMONTH", "ENDDAY")
    if last < first:
        raise keys.error(keys.line("ENDDAY"), f"the run ends ({last}) before it starts ({first})")
    return first, int((last - first).astype(int)) + 1


def grid_names(keys: Keys) -> GridNames:
    """Names of coordinates, mask and dimensions (DOMAIN_TYPE)."""
    names = {}
    valid = ("LAT", "LON", "MASK", "AREA", "FRAC", "YDIM", "XDIM")
    for line in keys.lines:
        if line.key == "DOMAIN_TYPE":
            if len(line.values) < 2:
                raise keys.error(line, "DOMAIN_TYPE needs a type and a variable")
            if line.values[0].upper() not in valid:
                raise keys.error(line, f"unknown DOMAIN_TYPE {line.values[0]}{nearest(line.values[0], valid)}")
            names[line.values[0].lower()] = line.values[1]
    return GridNames(*(names.get(field, getattr(GridNames(), field)) for field in GridNames._fields))


def _forcing(keys: Keys) -> tuple[ForcingFiles, ...]:
    """FORCING1 and FORCING2, each with the FORCE_TYPE lines that follow it."""
    found: list[ForcingFiles] = []
    valid = [*FORCE_TYPES, *UNUSED_FORCE_TYPES]
    for line in keys.lines:
        if line.key in ("FORCING1", "FORCING2") and keys.text(line.key).upper() != "FALSE":
            found.append(ForcingFiles(keys.text(line.key), {}))
        elif line.key == "FORCE_TYPE":
            kind = line.values[0].upper() if line.values else ""
            if kind in FORCE_TYPES and (not found or len(line.values) < 2):
                raise keys.error(line, f"FORCE_TYPE {kind} needs a variable name and a FORCING1 line before it")
            if kind not in valid:
                raise keys.error(line, f"unknown FORCE_TYPE {kind}{nearest(kind, valid)}")
            if kind in FORCE_TYPES:
                found[-1].names[FORCE_TYPES[kind]] = line.values[1]
    given = [field for files in found for field in files.names]
    for kind, field in FORCE_TYPES.items():
        if given.count(field) != 1:
            raise SettingsError(f"{keys.path}: FORCE_TYPE {kind} is {'missing' if field not in given else 'repeated'}")
    assert sorted(given) == sorted(SERIES)
    return tuple(files for files in found if files.names)


def _sources(keys: Keys) -> CanopySource:
    """FCAN_SRC; LAI and albedo come from the parameter file, whichever of its two names the source has."""
    for key in ("LAI_SRC", "ALB_SRC"):
        keys.choice(key, ("FROM_VEGPARAM", "FROM_VEGLIB"), "FROM_VEGLIB")
    source = keys.choice("FCAN_SRC", ("FROM_DEFAULT", "FROM_VEGPARAM", "FROM_VEGLIB"), "FROM_DEFAULT")
    return "FROM_DEFAULT" if source == "FROM_DEFAULT" else "FROM_VEGPARAM"


def _state(keys: Keys, first_day: np.datetime64, n_day: int) -> StateFile | None:
    if "STATENAME" not in keys:
        return None
    day = keys.day("STATEYEAR", "STATEMONTH", "STATEDAY")
    if not first_day < day <= first_day + n_day:
        raise keys.error(
            keys.line("STATEDAY"), f"the state's date {day} is not in the run: {first_day + 1} to {first_day + n_day}"
        )
    return StateFile(keys.text("STATENAME"), day, keys.choice("STATE_FORMAT", FORMATS, "NETCDF4_CLASSIC"))
