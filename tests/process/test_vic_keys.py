"""Every documented key of a global parameter file is obeyed, or changes nothing, or is refused in one line.

Held over the whole table, for files of both drivers; the page shows the table.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError, ParaformerError, SettingsError
from paraformer.process.vic.driver.convert import convert
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.keys import (
    KEYS,
    NO_EFFECT,
    OBEYED,
    ONLY,
    OTHER,
    REFUSED,
    TABLE,
    TOLD,
    Driver,
    treatment,
)
from paraformer.process.vic.driver.lines import read_lines
from process.classic_in import make_classic
from process.drop_in import STREAM, global_file, make_world

PAGE = Path(__file__).resolve().parents[2] / "docs" / "vic_run.md"
STATE = "STATENAME {0}/state\nSTATEYEAR {1}\nSTATEMONTH 1\nSTATEDAY 2"
OTHER_VALUE: dict[Driver, dict[str, str]] = {
    "image": {
        "MODEL_STEPS_PER_DAY": "8",
        "SNOW_STEPS_PER_DAY": "24",
        "RUNOFF_STEPS_PER_DAY": "12",
        "STARTYEAR": "1999",
        "STARTMONTH": "11",
        "STARTDAY": "21",
        "ENDYEAR": "2002",
        "ENDMONTH": "2",
        "ENDDAY": "17",
        "NRECS": "20",
        "CALENDAR": "STANDARD",
        "OUT_TIME_UNITS": "HOURS",
        "DOMAIN": "/other.nc",
        "DOMAIN_TYPE": "LAT latitude",
        "PARAMETERS": "/other.nc",
        "LAI_SRC": "FROM_VEGHIST",
        "FCAN_SRC": "FROM_DEFAULT",
        "ALB_SRC": "FROM_VEGHIST",
        "SNOW_BAND": "FALSE",
        "FORCING1": "/other.",
        "FORCING2": "/wind.\nFORCE_TYPE WIND gust",
        "FORCE_TYPE": "WIND gust",
        "INIT_STATE": "/state.nc",
        "ROUT_PARAM": "/rivers.nc",
        "STATENAME": "/other",
        "STATEYEAR": "1990",
        "STATEMONTH": "6",
        "STATEDAY": "3",
        "STATE_FORMAT": "NETCDF4",
        "RESULT_DIR": "/other",
        "OUTFILE": "other",
        "OUTVAR": "OUT_PREC",
        "AGGFREQ": "NDAYS 2",
        "HISTFREQ": "NDAYS 4",
        "COMPRESS": "TRUE",
        "OUT_FORMAT": "NETCDF3_CLASSIC",
    },
    "classic": {
        "MODEL_STEPS_PER_DAY": "1",
        "SNOW_STEPS_PER_DAY": "8",
        "RUNOFF_STEPS_PER_DAY": "8",
        "STARTYEAR": "1998",
        "STARTMONTH": "11",
        "STARTDAY": "30",
        "ENDYEAR": "2001",
        "ENDMONTH": "2",
        "ENDDAY": "3",
        "NRECS": "8",
        "CALENDAR": "STANDARD",
        "OUT_TIME_UNITS": "HOURS",
        "SOIL": "/other.txt",
        "VEGLIB": "/other.txt",
        "VEGPARAM": "/other.txt",
        "VEGLIB_FCAN": "TRUE",
        "ROOT_ZONES": "2",
        "VEGPARAM_LAI": "FALSE",
        "VEGPARAM_FCAN": "TRUE",
        "VEGPARAM_ALB": "TRUE",
        "LAI_SRC": "FROM_VEGLIB",
        "FCAN_SRC": "FROM_VEGLIB",
        "ALB_SRC": "FROM_VEGPARAM",
        "SNOW_BAND": "1",
        "FORCING1": "/other_",
        "FORCE_TYPE": "PREC",
        "FORCE_STEPS_PER_DAY": "8",
        "FORCEYEAR": "1998",
        "FORCEMONTH": "11",
        "FORCEDAY": "30",
        "GRID_DECIMAL": "3",
        "STATENAME": "/other",
        "STATEYEAR": "1990",
        "STATEMONTH": "6",
        "STATEDAY": "1",
        "STATE_FORMAT": "NETCDF4",
        "RESULT_DIR": "/other",
        "OUTFILE": "other",
        "OUTVAR": "OUT_PREC",
        "AGGFREQ": "NDAYS 2",
        "COMPRESS": "TRUE",
        "OUT_FORMAT": "NETCDF4",
    },
}
"""A value that must change something, be it that the file is refused for it."""


def _base(driver: Driver, folder: Path) -> Path:
    """A global parameter file with a state to write, and the inputs it names."""
    if driver == "image":
        path = global_file(folder, extra=STATE.format(folder, 2001))
    else:
        path = make_classic(folder)
        path.write_text(path.read_text() + STATE.format(folder, 2000))
    return path


def _put(path: Path, key: str, value: str) -> None:
    """Set a key: in place of its first line, or in a new one (inside the last output block)."""
    lines = path.read_text().splitlines()
    there = [i for i, line in enumerate(lines) if line.split()[:1] == [key]]
    if "FORCE_TYPE WIND" in value:  # which a file has once
        lines = [line for line in lines if not line.startswith("FORCE_TYPE WIND")]
    if there:
        lines[there[0]] = f"{key} {value}"
    else:
        lines.append(f"{key} {value}")
    path.write_text("\n".join(lines) + "\n")


def _content(folder: Path) -> dict[str, Any]:
    """Everything in the files of a folder, netCDF variables included."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".nc":
            with netCDF4.Dataset(path) as dataset:
                found |= {f"{path.name}/{n}": np.ma.filled(v[:], -9).tobytes() for n, v in dataset.variables.items()}
                found[path.name] = str({n: v.__dict__ for n, v in dataset.variables.items()})
        else:
            found[path.name] = path.read_text()
    return found


def _outcome(driver: Driver, path: Path) -> Any:
    """What a file leads to: the parameters of a run, the converted files, or the one line that refuses it."""
    try:
        if driver == "image":
            return dataclasses.replace(read_global_parameters(path), text="", notes=())
        shutil.rmtree(path.parent / "new", ignore_errors=True)
        convert(path, path.parent / "new")
    except ParaformerError as refusal:
        return str(refusal)
    return _content(path.parent / "new")


@pytest.fixture(scope="module", params=["image", "classic"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Driver, Path, str, Any]:
    """Driver, its file, the file's text, and what it leads to."""
    driver: Driver = request.param
    path = _base(driver, tmp_path_factory.mktemp(driver))
    outcome = _outcome(driver, path)
    assert not isinstance(outcome, str), outcome
    return driver, path, path.read_text(), outcome


def _with(case: tuple[Driver, Path, str, Any], key: str, value: str) -> Any:
    driver, path, text, _ = case
    path.write_text(text)
    _put(path, key, value)
    outcome = _outcome(driver, path)
    if isinstance(outcome, str):
        assert "\n" not in outcome
        assert str(path) in outcome or "/other" in outcome or str(path.parent) in outcome
    return outcome


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_obeyed_or_changes_nothing_or_is_refused(
    key: str, case: tuple[Driver, Path, str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    driver, expected = case[0], case[3]
    done = treatment(key, driver)
    if done == OBEYED:
        found = _with(case, key, OTHER_VALUE[driver][key])
        assert found != expected
    elif done in (NO_EFFECT, TOLD):
        with caplog.at_level(logging.WARNING, logger="paraformer"):
            assert _with(case, key, "TRUE") == expected
        if driver == "classic":  # a run tells when it begins (test_vic_run.py)
            assert (f"{key} has no effect" in caplog.text) == (done == TOLD)
    elif done.startswith(ONLY):
        assert _with(case, key, done.removeprefix(ONLY)) == expected
        refusal = _with(case, key, "SOMETHING")
        assert refusal.endswith(f"VIC option {key} SOMETHING is not supported: set {key} {done.removeprefix(ONLY)}")
    else:
        assert done in (REFUSED, OTHER)
        refusal = _with(case, key, "1")
        ours = f": {key} is " in refusal and refusal.endswith(": remove it")
        assert ours or (key in ("SOIL", "VEGPARAM") and "a file of VIC's classic driver; make" in refusal)


@pytest.mark.parametrize("driver", ["image", "classic"])
@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("FULL_ENERGYY", "FULL_ENERGY"),
        ("MODEL_STEP_PER_DAY", "MODEL_STEPS_PER_DAY"),
        ("OUTVARS", "OUTVAR"),
        ("STATE_NAME", "STATENAME"),
        ("ROOTZONES", "ROOT_ZONES"),
        ("PAREMETERS", "PARAMETERS"),  # of VIC's manual
    ],
)
def test_a_typo_gets_the_nearest_key_of_its_driver(driver: Driver, typo: str, meant: str, tmp_path: Path) -> None:
    path = _base(driver, tmp_path)
    _put(path, typo, "TRUE")
    refusal = _outcome(driver, path)
    assert f"unknown option {typo}" in refusal
    if treatment(meant, driver) not in (OTHER, REFUSED):
        assert refusal.endswith(f"; did you mean '{meant}'?")


def test_a_line_without_an_end_is_shown_in_part(tmp_path: Path) -> None:
    path = _base("image", tmp_path)
    _put(path, "OUTVAR", "x" * 100_000)
    assert len(_outcome("image", path)) < 1000


def test_all_lines_are_refused_at_once(tmp_path: Path) -> None:
    """Unknown, unsupported, of the other driver, a wrong value, date or stream, and what is missing: one line."""
    path = global_file(
        tmp_path, streams="OUTFILE x\nAGGFREQ NHOURS 3\nOUTVAR OUT_EVPA\nOUTVAR OUT_SWE\nOUT_FORMAT ASCII"
    )
    text = path.read_text().replace("FULL_ENERGY FALSE", "FULL_ENERGY TRUE").replace("STARTMONTH 12", "STARTMONTH 13")
    text = text.replace("CALENDAR PROLEPTIC_GREGORIAN", "CALENDAR NOLEAP").replace("SNOW_BAND TRUE", "SNOW_BAND 5")
    text = text.replace("FORCE_TYPE WIND wind\n", "").replace("FORCE_TYPE VP vp\n", "FORCE_TYPE VPP vp\n")
    path.write_text(text + "GRID_DECIMAL 4\nCONSTANTS c.txt\nSNOW_STEP 3\nINIT_STATE $NOWHERE/s.nc\nbaseflo ARNO\n")
    with pytest.raises(SettingsError) as refusal:
        read_global_parameters(path, environment={})
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: line 6: 2000-13-20 is not a date; line 10: CALENDAR NOLEAP is not supported")
    for words in (
        "line 11: VIC option FULL_ENERGY TRUE is not supported: set FULL_ENERGY FALSE",
        "SNOW_BAND 5 is not supported: set one of TRUE, FALSE",
        "unknown FORCE_TYPE VPP; did you mean 'VP'?",
        "VIC has no output OUT_EVPA; did you mean 'OUT_EVAP'?",
        "OUT_FORMAT ASCII is not one of",
        "GRID_DECIMAL is an option of VIC's classic driver: remove it",
        "CONSTANTS is not supported",
        "SNOW_STEP is not supported (since VIC-5 SNOW_STEPS_PER_DAY): remove it",
        "environment variable NOWHERE is not set",
        "unknown option BASEFLO; did you mean 'BASEFLOW'?",
        "; FORCE_TYPE WIND is missing; FORCE_TYPE VP is missing",
    ):
        assert words in message, words
    numbers = [int(part.split(":")[0]) for part in message.split("line ")[1:]]
    assert numbers == sorted(set(numbers))  # one problem a line, in their order


def test_all_lines_of_a_classic_file_are_refused_at_once(tmp_path: Path) -> None:
    path = make_classic(tmp_path)
    text = path.read_text().replace("NLAYER 3", "NLAYER 2").replace("FORCE_FORMAT ASCII", "FORCE_FORMAT BINARY")
    text = text.replace("OUT_FORMAT ASCII", "OUT_FORMAT NETCDF4").replace("VEGPARAM_LAI TRUE", "VEGPARAM_LAI FALSE")
    path.write_text(
        text.replace("FORCEDAY 31", "FORCEDAY 32") + "LAKES lakes.txt\nINIT_STATE s.txt\nFORCING2 more_\nX 1\n"
    )
    with pytest.raises(SettingsError) as refusal:
        convert(path, tmp_path / "new")
    message = str(refusal.value)
    for words in (
        "line 2: VIC option NLAYER 2 is not supported: set NLAYER 3",
        "set FORCE_FORMAT ASCII",
        "1999-12-32 is not a date",
        "LAI_SRC FROM_VEGPARAM needs VEGPARAM_LAI TRUE",
        "OUT_FORMAT NETCDF4 is not one of ASCII, BINARY",
        "set LAKES FALSE",
        "set INIT_STATE FALSE",
        "set FORCING2 FALSE",
        "unknown option X",
    ):
        assert words in message, words
    assert "\n" not in message
    assert not (tmp_path / "new").exists()


def test_what_the_classic_driver_lacks_is_refused(tmp_path: Path) -> None:
    """An image-driver file that runs, but cannot be converted."""
    make_world(tmp_path)
    path = global_file(tmp_path, streams=f"{STREAM}HISTFREQ NDAYS 3\n", extra="INIT_STATE /s.nc")
    with pytest.raises(
        SettingsError, match=r"line 28: INIT_STATE /s.nc.*line \d+: HISTFREQ NDAYS 3: the classic driver"
    ):
        convert(path, tmp_path / "classic")
    assert not (tmp_path / "classic").exists()


def test_the_state_to_write_is_converted_both_ways(tmp_path: Path) -> None:
    make_world(tmp_path)
    text = convert(global_file(tmp_path, extra=STATE.format(tmp_path, 2001)), tmp_path / "classic").global_param
    said = {line.key: line.value for line in read_lines(text)}
    assert (said["STATENAME"], said["STATEYEAR"], said["STATE_FORMAT"]) == (f"{tmp_path}/state", "2001", "ASCII")
    back = convert(text, tmp_path / "image").global_param
    state = read_global_parameters(back).state
    assert state is not None
    assert (state.path, state.format) == (tmp_path / "state.20010102_00000.nc", "NETCDF4_CLASSIC")


def test_a_variable_may_stand_for_a_line_or_for_none(tmp_path: Path) -> None:
    """As in VIC's system tests: ``$init_state`` is a whole line, a comment, or nothing."""
    path = global_file(tmp_path, extra="$init_state")
    for value, expected in (("INIT_STATE /a/s.nc", Path("/a/s.nc")), ("#INIT_STATE", None), ("", None)):
        assert read_global_parameters(path, environment={"init_state": value}).initial_state == expected
    with pytest.raises(SettingsError, match=r"line 28: environment variable init_state is not set"):
        read_global_parameters(path, environment={})


def test_page_shows_the_table() -> None:
    header = "| key | image driver's file | classic driver's file | |\n| --- | --- | --- | --- |\n"
    shown = {OTHER: "not an option", TOLD: "no effect, a warning"}
    rows = []
    for key in TABLE:
        done = [shown.get(value, value) for value in (key.image, key.classic)]
        done = [f"only `{value.removeprefix(ONLY)}`" if value.startswith(ONLY) else value for value in done]
        rows.append(f"| {', '.join(f'`{name}`' for name in key)} | {done[0]} | {done[1]} | {key.why} |\n")
    assert header + "".join(rows) in PAGE.read_text(encoding="utf-8")


def test_every_key_stands_once() -> None:
    names = [name for key in KEYS.values() for name in key]
    assert {n for n in names if names.count(n) > len(KEYS[n].names.split())} == set()
    for driver in ("image", "classic"):
        obeyed = {name for name in KEYS if treatment(name, driver) == OBEYED}
        assert obeyed == set(OTHER_VALUE[driver])


def test_a_file_that_is_not_there_stays_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the global parameter file"):
        convert(tmp_path / "none.txt", tmp_path)
