"""The global parameter file of VIC-5's image driver: what is understood, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paraformer.core.errors import DataError, SettingsError
from paraformer.process.vic.driver.global_param import GlobalParameters, read_global_parameters
from paraformer.process.vic.driver.lines import read_lines
from paraformer.process.vic.driver.streams import Frequency
from process.drop_in import global_file

REFERENCE_FILES = sorted(
    (Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "vic5").glob("*/global/*.txt")
)


def _read(folder: Path, extra: str = "", **options: str) -> GlobalParameters:
    return read_global_parameters(global_file(folder, extra=extra, **options))  # type: ignore[arg-type]


def test_everything_is_understood(tmp_path: Path) -> None:
    run = _read(
        tmp_path,
        "INIT_STATE /a/state.nc\nSTATENAME /b/state\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 1\n"
        "STATESEC 0\nDOMAIN_TYPE LAT latitude\nDOMAIN_TYPE YDIM y\nDOMAIN_TYPE XDIM x\n"
        "OUT_TIME_UNITS hours",
    )
    assert (run.settings.model_steps_per_day, run.settings.snow_steps_per_day) == (1, 8)
    assert run.settings.water_balance == "vic"
    assert (run.first_day, run.n_day) == (np.datetime64("2000-12-20"), 30)
    assert run.forcing[0].path(2001) == tmp_path / "forcing.2001.nc"
    assert run.forcing[0].names["tair"] == "air_temp"
    assert (run.canopy_source, run.snow_bands) == ("FROM_VEGPARAM", True)
    assert run.initial_state == Path("/a/state.nc")
    assert run.state is not None
    assert run.state.path == Path("/b/state.20010101_00000.nc")
    assert (run.grid_names.lat, run.grid_names.lon, run.grid_names.ydim) == ("latitude", "lon", "y")
    assert run.time_unit == "hours"


def test_records_are_counted_in_model_steps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = global_file(tmp_path, model_steps=8, extra="NRECS 80")
    assert read_global_parameters(path).n_day == 10
    assert "NRECS 80 gives the end of the run; ENDYEAR, ENDMONTH, ENDDAY are not read, as in VIC" in caplog.text


def test_defaults_are_those_of_vic(tmp_path: Path) -> None:
    path = global_file(tmp_path, streams="")
    path.write_text(
        "\n".join(
            line
            for line in path.read_text().splitlines()
            if line.split()[:1] not in (["CALENDAR"], ["FCAN_SRC"], ["SNOW_BAND"])
        )
    )
    run = read_global_parameters(path)
    assert (run.calendar, run.canopy_source, run.snow_bands) == ("standard", "FROM_DEFAULT", False)
    assert [stream.prefix for stream in run.streams] == ["fluxes", "snow", "snowband"]
    assert "OUT_PREC" in [v.name for v in run.streams[0].variables]
    assert "OUT_R_NET" in run.streams[0].missing
    assert (run.streams[2].variables, len(run.streams[2].missing)) == ((), 9)  # VIC's, with SNOW_BAND FALSE too


def test_streams(tmp_path: Path) -> None:
    run = _read(
        tmp_path,
        streams="""
        OUTFILE fluxes  # a comment
        aggfreq nmonths 3
        HISTFREQ NYEARS
        COMPRESS TRUE
        OUT_FORMAT NETCDF3_64BIT_OFFSET
        OUTVAR OUT_EVAP
        OUTVAR OUT_SWE %.3f OUT_TYPE_DOUBLE 0.001 AGG_TYPE_MAX
        OUTVAR OUT_R_NET
        OUTFILE end
        AGGFREQ DATE 2001-01-03
        OUTVAR OUT_WDEW * * *
    """,
    )
    first, second = run.streams
    assert (first.frequency, first.files) == (Frequency("NMONTHS", 3), Frequency("NYEARS", 1))
    assert (first.compression, first.format, first.missing) == (5, "NETCDF3_64BIT_OFFSET", ("OUT_R_NET",))
    assert first.variables[0][1:] == ("f4", "sum")
    assert first.variables[1][1:] == ("f8", "max")
    assert second.frequency.date == np.datetime64("2001-01-03")
    assert second.variables[0][1:] == ("f4", "end")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("FULL_ENERGYY FALSE", "unknown option FULL_ENERGYY; did you mean 'FULL_ENERGY'?"),
        ("CARBON TRUE", "VIC option CARBON TRUE is not supported: set CARBON FALSE"),
        ("LAKES lakes.nc", "VIC option LAKES lakes.nc is not supported: set LAKES FALSE"),
        ("QUICK_FLUX FALSE", "set QUICK_FLUX TRUE"),
        ("IMPLICIT TRUE", "set IMPLICIT FALSE"),
        ("AERO_RESIST_CANSNOW AR_406", "set AERO_RESIST_CANSNOW AR_406_FULL"),
        ("STARTSEC 3600", "set STARTSEC 0"),
        ("NODES 10", "set NODES 3"),
        ("CONSTANTS c.txt", "CONSTANTS is not supported .*: remove it"),
        ("MAX_SNOW_TEMP 0.5", "MAX_SNOW_TEMP is not supported .*since VIC-5 a constant, SNOW_MAX_SNOW_TEMP"),
        ("PRT_SNOW_BAND TRUE", "PRT_SNOW_BAND is not supported .*: remove it"),
        ("XYZ", "global.txt, line 28: unknown option XYZ$"),
        ("GRID_DECIMAL 4", "GRID_DECIMAL is an option of VIC's classic driver: remove it"),
        ("SOIL soil.txt", "a file of VIC's classic driver"),
        ("CALENDAR NOLEAP", "CALENDAR was given another value in line 10"),
        ("INIT_STATE ${NOWHERE}/s.nc", "line 28: environment variable NOWHERE is not set"),
        ("DOMAIN_TYPE LATT lat", "unknown DOMAIN_TYPE LATT; did you mean 'LAT'?"),
        ("FORCE_TYPE AIRTEMP t", "unknown FORCE_TYPE AIRTEMP; did you mean 'AIR_TEMP'?"),
        ("NRECS 0", "NRECS 0 is not a whole number of days"),
        ("NRECS ten", "NRECS must be a whole number, got 'ten'"),
        ("STATENAME s\nSTATEYEAR 2001\nSTATEMONTH 2\nSTATEDAY 1", "2001-02-01 is not in the run"),
        ("STATENAME s", "STATEYEAR is missing"),
        ("STATE_FORMAT ASCII\nSTATENAME s\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 1", "STATE_FORMAT ASCII is not"),
    ],
)
def test_what_is_refused(tmp_path: Path, extra: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refusal:
        _read(tmp_path, extra)
    assert "\n" not in str(refusal.value)
    assert "global.txt" in str(refusal.value)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ("OUTVAR OUT_EVAP", "OUTVAR stands before the first OUTFILE"),
        ("OUTFILE x", "OUTFILE x has no OUTVAR"),
        ("OUTFILE ../../x\nOUTVAR OUT_EVAP", r"line \d+: OUTFILE ../../x leads out of RESULT_DIR"),
        ("OUTFILE /tmp/x\nOUTVAR OUT_EVAP", r"line \d+: OUTFILE /tmp/x leads out of RESULT_DIR"),
        ("OUTFILE x\nOUTVAR OUT_EVPA", "VIC has no output OUT_EVPA; did you mean 'OUT_EVAP'?"),
        ("OUTFILE x\nAGGFREQ NDAY 1\nOUTVAR OUT_EVAP", "AGGFREQ NDAY is unknown; did you mean 'NDAYS'?"),
        ("OUTFILE x\nAGGFREQ NDAYS 0\nOUTVAR OUT_EVAP", "needs a whole number above 0"),
        ("OUTFILE x\nAGGFREQ DATE soon\nOUTVAR OUT_EVAP", "AGGFREQ DATE needs a date"),
        ("OUTFILE x\nCOMPRESS 12\nOUTVAR OUT_EVAP", "COMPRESS must be TRUE, FALSE or a level"),
        ("OUTFILE x\nOUT_FORMAT ASCII\nOUTVAR OUT_EVAP", "OUT_FORMAT ASCII is not one of NETCDF3_CLASSIC"),
        ("OUTFILE x\nOUTVAR OUT_EVAP * OUT_TYPE_CHAR", "OUT_TYPE_CHAR is not supported"),
        ("OUTFILE x\nOUTVAR OUT_EVAP * * two", "multiplier of OUT_EVAP must be a number"),
        ("OUTFILE x\nOUTVAR OUT_EVAP * * * AGG_TYPE_MEAN", "unknown AGG_TYPE_MEAN"),
        ("OUTFILE x\nOUTVAR OUT_EVAP\nOUTVAR OUT_SWE\nOUTVAR OUT_EVAP", r"line \d+: OUTVAR OUT_EVAP occurs twice in"),
        ("OUTFILE x\nOUTVAR OUT_EVAP\nOUTFILE x\nAGGFREQ NDAYS 2\nOUTVAR OUT_SWE", "OUTFILE x would write the files"),
        (
            "OUTFILE x\nAGGFREQ NHOURS 3\nOUTVAR OUT_EVAP",
            r"global.txt, line \d+: OUTFILE x: AGGFREQ NHOURS 3 is not a whole",
        ),
        ("OUTFILE x\nHISTFREQ NMINUTES 30\nOUTVAR OUT_EVAP", "OUTFILE x: HISTFREQ NMINUTES 30 is not a whole"),
    ],
)
def test_streams_that_are_refused(tmp_path: Path, streams: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        _read(tmp_path, streams=streams)


def test_streams_of_one_name_whose_files_differ_are_allowed(tmp_path: Path) -> None:
    """Daily and monthly records have dates of their own in the names of their files."""
    days, months = "OUTFILE x\nOUTVAR OUT_EVAP\n", "OUTFILE x\nAGGFREQ NMONTHS 1\nOUTVAR OUT_EVAP"
    assert [s.frequency.unit for s in _read(tmp_path, streams=days + months).streams] == ["NDAYS", "NMONTHS"]


def test_missing_keys_are_named(tmp_path: Path) -> None:
    path = global_file(tmp_path)
    text = path.read_text()
    for key in ("MODEL_STEPS_PER_DAY", "STARTYEAR", "ENDDAY", "DOMAIN", "PARAMETERS", "RESULT_DIR"):
        path.write_text("\n".join(line for line in text.splitlines() if line.split()[:1] != [key]))
        with pytest.raises(SettingsError, match=rf"global.txt: {key} is missing"):
            read_global_parameters(path)
    path.write_text(text.replace("FORCE_TYPE WIND wind", ""))
    with pytest.raises(SettingsError, match="FORCE_TYPE WIND is missing"):
        read_global_parameters(path)
    path.write_text(text.replace("STARTDAY 20", "STARTDAY 32"))
    with pytest.raises(SettingsError, match="2000-12-32 is not a date"):
        read_global_parameters(path)
    path.write_text(text.replace("ENDYEAR 2001", "ENDYEAR 1999"))
    with pytest.raises(SettingsError, match="before it starts"):
        read_global_parameters(path)
    path.write_text(text.replace("MODEL_STEPS_PER_DAY 1", "MODEL_STEPS_PER_DAY 3"))
    with pytest.raises(SettingsError, match="model_steps_per_day must be 1, or from 4"):
        read_global_parameters(path)
    with pytest.raises(DataError, match="cannot read the global parameter file"):
        read_global_parameters(tmp_path / "none.txt")


def test_forcing_may_lie_in_two_series_of_files(tmp_path: Path) -> None:
    path = global_file(tmp_path)
    text = path.read_text().replace("FORCE_TYPE WIND wind\n", "")
    path.write_text(text + "FORCING2 /more/wind.\nFORCE_TYPE WIND u10\nFORCE_TYPE FDIR not_used\n")
    first, second = read_global_parameters(path).forcing
    assert len(first.names) == 6
    assert second == ("/more/wind.", {"wind": "u10"})
    path.write_text(text + "FORCING2 /more/wind.\nFORCE_TYPE WIND u10\nFORCE_TYPE VP twice\n")
    with pytest.raises(SettingsError, match="FORCE_TYPE VP is repeated"):
        read_global_parameters(path)


def test_environment_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "g.txt"
    path.write_text("  # indented comment\n\nDOMAIN ${A}/$B.nc # ${UNSET}\nforcing1 x#y\n")
    marked = tmp_path / "marked.txt"  # with the byte-order mark that some editors write
    marked.write_text("DOMAIN x\n", encoding="utf-8-sig")
    assert read_lines(marked, {}) == [(1, "DOMAIN", ("x",))]
    lines = read_lines(path, {"A": "/data", "B": "grid"})
    assert lines == [(3, "DOMAIN", ("/data/grid.nc",)), (4, "FORCING1", ("x#y",))]


@pytest.mark.parametrize(
    ("frequency", "steps", "edges"),
    [
        (Frequency("NDAYS", 7), 1, [0, 7, 14, 21, 28]),
        (
            Frequency("NHOURS", 36),
            8,
            [0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168, 180, 192, 204, 216, 228, 240],
        ),
        (Frequency("NSTEPS", 100), 4, [0, 100]),
        (Frequency("NMONTHS", 1), 1, [0]),  # 20 December to 18 January: no whole month
        (Frequency("END"), 2, [0, 60]),
        (Frequency("NEVER"), 2, [0]),
        (Frequency("DATE", 1, np.datetime64("2000-12-31")), 2, [0, 23]),  # with the first step of that date
    ],
)
def test_periods(frequency: Frequency, steps: int, edges: list[int]) -> None:
    assert frequency.edges(np.datetime64("2000-12-20"), 30, steps).tolist() == edges


def test_months_and_years_follow_the_calendar() -> None:
    start = np.datetime64("1999-11-15")
    assert np.diff(Frequency("NMONTHS", 1).edges(start, 180, 1)).tolist() == [30, 31, 31, 29, 31]
    assert np.diff(Frequency("NYEARS", 1).edges(start, 800, 1)).tolist() == [366, 365]
    with pytest.raises(SettingsError, match="2001-02 has no such day"):
        Frequency("NMONTHS", 1).edges(np.datetime64("2001-01-31"), 60, 1)
    with pytest.raises(SettingsError, match="not a whole number of model steps of 86400 s"):
        Frequency("NHOURS", 1).edges(start, 10, 1)
    assert Frequency("DATE", 1, start).edges(start, 10, 1).tolist() == [0, 1]
    with pytest.raises(SettingsError, match="DATE 1999-11-25 is not in the run: 1999-11-15 to 1999-11-24"):
        Frequency("DATE", 1, start + 10).edges(start, 10, 1)


@pytest.mark.shared
@pytest.mark.parametrize("path", REFERENCE_FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_reference_files_are_understood(path: Path) -> None:
    environment = dict.fromkeys(("REF", "OUT", "TILEFORC", "PARAMS_OF_SET", "CLASSIC_INPUT", "VIC_SAMPLE_DATA"), "/x")
    if path.stem.startswith("classic"):
        with pytest.raises(SettingsError, match="classic driver"):
            read_global_parameters(path, environment=environment)
    else:
        assert read_global_parameters(path, environment=environment).streams[0].prefix == "daily"


@pytest.mark.shared
def test_sample_with_full_energy_is_refused_in_one_line(shared: Path) -> None:
    path = shared / "reference" / "vic5" / "samples_global" / "sample_image_walnut.global.txt"
    with pytest.raises(SettingsError, match="line 13: VIC option FULL_ENERGY TRUE is not supported: set FULL_ENERGY F"):
        read_global_parameters(path, environment={"VIC_SAMPLE_DATA": "/x", "OUT": "/y"})
