"""Every key that VIC-5's manual or program has for a global parameter file, of either driver, and what is done with it.

One law for ``vic run`` and ``vic convert``: a key is obeyed, or it changes no number, or it is refused in one line. VIC
only warns of an unknown key; here it is an error, for a misspelt option would run another model than the one asked for.
``docs/vic_run.md`` shows this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paraformer.process.vic.driver.lines import Line, Problem, Refused
from paraformer.process.vic.parameters import MOST_ROOT_ZONES

Driver = Literal["image", "classic"]
OBEYED, NO_EFFECT, TOLD, REFUSED, OTHER = "obeyed", "no effect", "told", "refused", ""
"""What is done with a key: obeyed; without effect on any number; without effect, which a warning tells; refused; an
option of the other driver alone, so refused too. The fifth kind is ``only X``: obeyed for that value, else refused."""
ONLY = "only "


@dataclass(frozen=True)
class Key:
    """What is done with some keys; it iterates over their names.

    Attributes:
        names: the keys, by blanks.
        image: in a file of the image driver (``vic run``, ``vic convert``).
        classic: in a file of the classic driver (``vic convert``).
        why: the reason, or what the values may be.
    """

    names: str
    image: str
    classic: str
    why: str

    def __iter__(self) -> Iterator[str]:
        return iter(self.names.split())


STREAM_KEYS = ("OUTFILE", "AGGFREQ", "HISTFREQ", "COMPRESS", "OUT_FORMAT", "OUTVAR")
"""Keys of an output block; each block begins with the first."""
REPEATED_KEYS = ("DOMAIN_TYPE", "FORCE_TYPE", *STREAM_KEYS)
"""Keys that may stand more than once."""

_OTHER_MODE = "another mode than the water balance, which is all there is here"
_REMOVED = "VIC-5 has no such option"
TABLE: tuple[Key, ...] = (
    # period and steps
    Key(
        "MODEL_STEPS_PER_DAY SNOW_STEPS_PER_DAY RUNOFF_STEPS_PER_DAY",
        OBEYED,
        OBEYED,
        "model step 1, or 4 and more; the forcing has the snow step",
    ),
    Key("STARTYEAR STARTMONTH STARTDAY ENDYEAR ENDMONTH ENDDAY NRECS", OBEYED, OBEYED, "whole days"),
    Key("STARTSEC STATESEC", "only 0", "only 0", "runs and states begin at 00:00"),
    Key("CALENDAR", OBEYED, OBEYED, "STANDARD, GREGORIAN, PROLEPTIC_GREGORIAN"),
    Key("OUT_TIME_UNITS", OBEYED, OBEYED, "SECONDS, MINUTES, HOURS, DAYS"),
    # the model
    Key("NLAYER", "only 3", "only 3", "soil layers"),
    Key("NODES", "only 3", "only 3", "soil temperatures of the water balance"),
    Key("FULL_ENERGY FROZEN_SOIL CLOSE_ENERGY", "only FALSE", "only FALSE", _OTHER_MODE),
    Key("QUICK_FLUX", "only TRUE", "only TRUE", _OTHER_MODE),
    Key(
        "QUICK_SOLVE IMPLICIT EXP_TRANS NOFLUX NO_FLUX", "only FALSE", "only FALSE", "soil temperatures of other modes"
    ),
    Key("LAKES LAKE_PROFILE CARBON VEGLIB_PHOTO", "only FALSE", "only FALSE", "lakes and carbon are not modelled"),
    Key(
        "BLOWING SPATIAL_SNOW SPATIAL_FROST CORRPREC COMPUTE_TREELINE ORGANIC_FRACT MAX_SNOW_ALBEDO BULK_DENSITY_COMB",
        "only FALSE",
        "only FALSE",
        "not modelled",
    ),
    Key("SHARE_LAYER_MOIST TFALLBACK", "only TRUE", "only TRUE", "VIC's default"),
    Key("SNOW_DENSITY", "only DENS_BRAS", "only DENS_BRAS", "VIC's default"),
    Key("RC_MODE", "only RC_JARVIS", "only RC_JARVIS", "VIC's default"),
    Key("GRND_FLUX_TYPE", "only GF_410", "only GF_410", "VIC's default"),
    Key("AERO_RESIST_CANSNOW", "only AR_406_FULL", "only AR_406_FULL", "VIC's default"),
    Key("BASEFLOW", "only ARNO", "only ARNO", "VIC's default"),
    Key("CONSTANTS", REFUSED, REFUSED, "the constants are those of VIC 5.1"),
    Key(
        "BLOWING_VAR_THRESHOLD BLOWING_CALC_PROB BLOWING_SIMPLE BLOWING_FETCH BLOWING_SPATIAL_WIND",
        NO_EFFECT,
        NO_EFFECT,
        "with BLOWING TRUE alone",
    ),
    Key("JULY_TAVG_SUPPLIED", NO_EFFECT, NO_EFFECT, "with COMPUTE_TREELINE alone"),
    Key("CANOPY_LAYERS", NO_EFFECT, NO_EFFECT, "with CARBON TRUE alone"),
    Key("EQUAL_AREA RESOLUTION", NO_EFFECT, NO_EFFECT, "with LAKES alone"),
    Key("WIND_H", NO_EFFECT, TOLD, "image: with CORRPREC alone; classic: bare soil has the image driver's wind at 2 m"),
    Key("CONTINUEONERROR", OTHER, NO_EFFECT, "an error ends the run"),
    # inputs
    Key("DOMAIN DOMAIN_TYPE PARAMETERS", OBEYED, OTHER, "netCDF files"),
    Key("SOIL VEGLIB VEGPARAM", OTHER, OBEYED, "text files"),
    Key("VEGLIB_FCAN VEGPARAM_LAI VEGPARAM_FCAN VEGPARAM_ALB", OTHER, OBEYED, "what the text files hold"),
    Key("LAI_SRC FCAN_SRC ALB_SRC", OBEYED, OBEYED, "FROM_VEGLIB, FROM_VEGPARAM; FCAN_SRC also FROM_DEFAULT"),
    Key("ROOT_ZONES", OTHER, OBEYED, f"1 to {MOST_ROOT_ZONES}; the image driver counts those of the file"),
    Key("SNOW_BAND", OBEYED, OBEYED, "image: TRUE or FALSE; classic: number and file"),
    Key("FORCING1", OBEYED, OBEYED, "prefix of the forcing files"),
    Key("FORCING2", OBEYED, "only FALSE", "text forcing lies in one file a cell"),
    Key("FORCE_TYPE", OBEYED, OBEYED, "the seven VIC-5 needs; others are not read"),
    Key("FORCE_FORMAT", OTHER, "only ASCII", "text forcing"),
    Key("FORCE_STEPS_PER_DAY FORCEYEAR FORCEMONTH FORCEDAY GRID_DECIMAL", OTHER, OBEYED, "text forcing"),
    Key("FORCESEC", OTHER, "only 0", "forcing begins at 00:00"),
    Key("FORCE_ENDIAN N_TYPES", OTHER, NO_EFFECT, "binary forcing alone; columns are counted"),
    Key("INIT_STATE", OBEYED, "only FALSE", "a state is not converted; `convert` refuses it either way"),
    # outputs
    Key(
        "STATENAME STATEYEAR STATEMONTH STATEDAY STATE_FORMAT", OBEYED, OBEYED, "image: netCDF; classic: ASCII, BINARY"
    ),
    Key("RESULT_DIR", OBEYED, OBEYED, "folder of the history files"),
    Key("OUTFILE OUTVAR AGGFREQ COMPRESS OUT_FORMAT", OBEYED, OBEYED, "see below"),
    Key("HISTFREQ", OBEYED, OTHER, "see below"),
    Key("LOG_DIR", NO_EFFECT, NO_EFFECT, "there is no log file"),
    Key("ROUT_PARAM", OBEYED, OTHER, "RVIC parameter file: gives OUT_DISCHARGE; see `--ignore-routing`"),
    # what VIC-5 took away
    Key("MIN_WIND_SPEED", REFUSED, REFUSED, _REMOVED),
    Key("MAX_SNOW_TEMP", REFUSED, REFUSED, "since VIC-5 a constant, SNOW_MAX_SNOW_TEMP; here 0.5 degC"),
    Key("MIN_RAIN_TEMP", REFUSED, REFUSED, "since VIC-5 a constant, SNOW_MIN_RAIN_TEMP; here -0.5 degC"),
    Key(
        "PLAPSE SW_PREC_THRESH MTCLIM_SWE_CORR VP_ITER VP_INTERP LW_TYPE LW_CLOUD OUTPUT_FORCE ATMOS_STEPS_PER_DAY",
        REFUSED,
        REFUSED,
        "VIC-5 makes no forcing of its own",
    ),
    Key("TIME_STEP", REFUSED, REFUSED, "since VIC-5 MODEL_STEPS_PER_DAY"),
    Key("SNOW_STEP", REFUSED, REFUSED, "since VIC-5 SNOW_STEPS_PER_DAY"),
    Key("FORCE_DT", REFUSED, REFUSED, "since VIC-5 FORCE_STEPS_PER_DAY"),
    Key("OUT_STEP OUT_DT OUTPUT_STEPS_PER_DAY OUTFREQ", REFUSED, REFUSED, "since VIC-5 AGGFREQ"),
    Key("SKIPYEAR", REFUSED, REFUSED, "since VIC-5 AGGFREQ NEVER"),
    Key("BINARY_OUTPUT", REFUSED, REFUSED, "since VIC-5 OUT_FORMAT"),
    Key("BINARY_STATE_FILE", REFUSED, REFUSED, "since VIC-5 STATE_FORMAT"),
    Key("ARNO_PARAMS NIJSSEN2001_BASEFLOW", REFUSED, REFUSED, "since VIC-5 BASEFLOW"),
    Key("VEGCOVER_SRC", REFUSED, REFUSED, "since VIC-5 FCAN_SRC"),
    Key("VEGLIB_VEGCOVER", REFUSED, REFUSED, "since VIC-5 VEGLIB_FCAN"),
    Key("VEGPARAM_VEGCOVER", REFUSED, REFUSED, "since VIC-5 VEGPARAM_FCAN"),
    Key("MOISTFRACT", REFUSED, REFUSED, "since VIC-5 OUT_SOIL_LIQ_FRAC and OUT_SOIL_ICE_FRAC"),
    Key("PRT_SNOW_BAND", REFUSED, REFUSED, "since VIC-5 an OUTVAR for each variable of the bands"),
    Key("ARC_SOIL ALMA_OUTPUT PRT_HEADER", REFUSED, REFUSED, _REMOVED),
)
"""In the order of the page."""

KEYS: dict[str, Key] = {name: key for key in TABLE for name in key}


def treatment(name: str, driver: Driver) -> str:
    """What is done with a known key in a file of a driver."""
    return KEYS[name].image if driver == "image" else KEYS[name].classic


def require_obeyed(path: Path | str, line: Line, driver: Driver) -> None:
    """Refuse a line whose key cannot be obeyed: unknown, refused, or with a value other than the only one.

    Args:
        path: the file, for messages.
        line: the line.
        driver: whose file it is.

    Raises:
        Refused: naming what to set.
    """
    problem = _problem(line, driver)
    if problem:
        raise Refused(path, [Problem(line.number, problem)])


def _problem(line: Line, driver: Driver) -> str:
    if line.key not in KEYS:
        known = [name for name in KEYS if treatment(name, driver) not in (OTHER, REFUSED)]
        close = difflib.get_close_matches(line.key, known, n=1)
        return f"unknown option {line.key}{f'; did you mean {close[0]!r}?' if close else ''}"
    done, why = treatment(line.key, driver), KEYS[line.key].why
    if done == OTHER:
        other = "classic" if driver == "image" else "image"
        return f"{line.key} is an option of VIC's {other} driver: remove it"
    if done == REFUSED:
        return f"{line.key} is not supported ({why}): remove it"
    only, value = done.removeprefix(ONLY), line.value.upper()
    if only != done and (str(int(value)) if value.isdecimal() else value) != only:
        return f"VIC option {line.key} {line.value} is not supported: set {line.key} {only}"
    return ""


def told(line: Line, driver: Driver) -> str:
    """What a warning has to say about a line that has no effect here; nothing for most lines."""
    if line.key in KEYS and treatment(line.key, driver) == TOLD:
        return f"{line.key} has no effect ({KEYS[line.key].why})"
    return ""
