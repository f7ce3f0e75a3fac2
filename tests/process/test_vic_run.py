"""`paraformer vic run`: VIC-5's files in, VIC-5's files out, the numbers of the model itself."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import problems
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.process.vic.driver.aggregate import Aggregator
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.history import DISCHARGE, HISTORY, NOT_COMPUTED
from paraformer.process.vic.driver.run import RunResult, run_global
from paraformer.process.vic.driver.streams import Frequency, OutputStream, OutputVariable
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Simulation, simulate
from process.drop_in import FIRST_DAY, N_DAY, STEPS, global_file, make_world, read_history

CELLS = tuple(name for name in HISTORY if name != DISCHARGE)
EVERYTHING = "OUTFILE all\nAGGFREQ NSTEPS 1\nOUT_FORMAT NETCDF4\n" + "".join(
    f"OUTVAR {name} * OUT_TYPE_DOUBLE\n" for name in CELLS
)
SMALL = 40_000  # bytes: two or three days at a time


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_world(tmp_path)
    return tmp_path


def _run(path: Path, **options: Any) -> RunResult:
    return run_global(read_global_parameters(path), **options)


def _model(folder: Path, steps: int, outputs: tuple[str, ...], frequency: Any = "day", **options: Any) -> Simulation:
    """The model as a library, on the same cells and days."""
    parameters, forcing = make_world(folder)
    month = (FIRST_DAY + np.arange(N_DAY)).astype("datetime64[M]").astype(int) % 12 + 1
    day = np.concatenate([np.arange(355, 367), np.arange(1, 19)])
    parameters = parameters._replace(lat=np.array([40.0, 40.0, 41.0]))
    return simulate(
        parameters,
        forcing._replace(month=month, day_of_year=day),
        VICSettings(model_steps_per_day=steps, water_balance="vic"),
        outputs=outputs,
        output_frequency=frequency,
        **options,
    )


@pytest.mark.parametrize("steps", [1, 8])
def test_daily_history_is_that_of_the_model(world: Path, steps: int) -> None:
    result = _run(global_file(world, model_steps=steps))
    names = ("evapotranspiration", "soil_moisture_1", "soil_moisture_2", "soil_moisture_3", "swe", "runoff")
    expected = _model(world, steps, names).outputs
    path = world / "out" / "daily.2000-12-20.nc"
    assert result.history == (path,)
    for vic, name in (("OUT_EVAP", "evapotranspiration"), ("OUT_SWE", "swe"), ("OUT_RUNOFF", "runoff")):
        np.testing.assert_array_equal(read_history(path, vic), expected[name][:, 0].T, err_msg=vic)
    moisture = read_history(path, "OUT_SOIL_MOIST")
    for layer in range(3):
        np.testing.assert_array_equal(moisture[:, layer], expected[f"soil_moisture_{layer + 1}"][:, 0].T)
    assert result.max_abs_water_error == _model(world, steps, names).max_abs_water_error.max()
    assert expected["swe"].max() > 1.0  # there is snow to get wrong


def test_time_axis_names_and_attributes(world: Path) -> None:
    streams = "OUTFILE a\nAGGFREQ NHOURS 6\nOUTVAR OUT_EVAP\nOUTVAR OUT_R_NET\n"
    _run(global_file(world, model_steps=8, streams=streams, extra="OUT_TIME_UNITS HOURS"))
    with netCDF4.Dataset(world / "out" / "a.2000-12-20-00000.nc") as dataset:
        time = dataset["time"]
        assert (time.units, time.calendar, time.bounds) == (
            "hours since 0001-01-01 00:00:00",
            "proleptic_gregorian",
            "time_bnds",
        )
        dates = netCDF4.num2date(time[:], time.units, time.calendar)
        assert str(dates[0]) == "2000-12-20 00:00:00"
        assert str(dates[-1]) == "2001-01-18 18:00:00"
        np.testing.assert_array_equal(dataset["time_bnds"][:-1, 1], time[1:])
        evaporation = dataset["OUT_EVAP"]
        assert (evaporation.dtype, evaporation.dimensions) == (np.float32, ("time", "lat", "lon"))
        assert (evaporation.units, evaporation.cell_methods) == ("mm", "time: sum")
        assert dataset.not_computed == "OUT_R_NET"
        assert "FULL_ENERGY FALSE\n" in dataset.global_parameter_file


NOT_CF = {
    "Conventions": "VIC-5 says CF-1.6 in history files, and nothing in state files",
    "attribute history": "VIC-5 writes a date and a user; without them equal runs give equal bytes",
    "is not defined in Standard Name Table": "names are those that VIC-5 gives",
    'Units "mm" for variable': "so are units: mm of what CF calls a mass",
    "time_bnds": "VIC-5 gives bounds attributes of their own",
    "contains an invalid method: end": "VIC-5's word for the value at the end of a step",
    "Attribute long_name or/and standard_name": "state files of VIC-5 have none",
    "are not recognized by UDUNITS": "units of state variables, as VIC-5 spells them",
}
"""What CF-1.8 asks for and files that VIC-5 defines do not have, with the reason: scripts of VIC users read them."""


def test_files_that_vic_defines_follow_the_cf_conventions_but_for_what_vic_gives_them(world: Path) -> None:
    date = "STATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 19\nSTATESEC 0"
    result = _run(global_file(world, extra=f"STATENAME {world}/state\n{date}"))
    assert result.state is not None
    for path in (*result.history, result.state):
        found = problems(path, world)
        assert [line for line in found if not any(words in line for words in NOT_CF)] == []


def test_mixed_calendar_gives_the_same_dates(world: Path) -> None:
    path = global_file(world)
    path.write_text(path.read_text().replace("PROLEPTIC_GREGORIAN", "STANDARD"))
    _run(path)
    with netCDF4.Dataset(world / "out" / "daily.2000-12-20.nc") as dataset:
        time = dataset["time"]
        assert time.calendar == "standard"
        assert str(netCDF4.num2date(time[-1], time.units, time.calendar)) == "2001-01-18 00:00:00"


@pytest.mark.parametrize(("steps", "memory"), [(1, SMALL), (1, 10), (8, SMALL)], ids=["days", "cells", "sub-daily"])
def test_no_number_depends_on_how_memory_cuts_the_run(world: Path, steps: int, memory: int) -> None:
    streams = (
        EVERYTHING + "OUTFILE slow\nAGGFREQ NDAYS 7\n" + "".join(f"OUTVAR {name} * OUT_TYPE_DOUBLE\n" for name in CELLS)
    )
    options: dict[str, Any] = {"model_steps": steps, "streams": streams, "last": "2001-01-05"}
    state = "STATENAME {}\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 5"
    whole = _run(global_file(world, **options, extra=state.format(world / "s1")))
    cut = _run(global_file(world, **options, result="cut", extra=state.format(world / "s2")), memory_bytes=memory)
    for one, other in zip((*whole.history, whole.state), (*cut.history, cut.state), strict=True):
        assert one is not None
        assert other is not None
        with netCDF4.Dataset(one) as a, netCDF4.Dataset(other) as b:
            assert list(a.variables) == list(b.variables)
            for name in a.variables:
                np.testing.assert_array_equal(np.ma.filled(a[name][:], -9.0), np.ma.filled(b[name][:], -9.0), name)


@pytest.mark.parametrize("steps", [1, 8])
def test_restart_is_exact(world: Path, steps: int) -> None:
    """Run(2n) == run(n), state, run(n): every history value and the final state, bit for bit."""
    end = f"STATENAME {world}/%s\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY %d"
    whole = _run(global_file(world, model_steps=steps, streams=EVERYTHING, extra=end % ("whole", 19)))
    first = _run(
        global_file(
            world, model_steps=steps, streams=EVERYTHING, last="2001-01-04", result="first", extra=end % ("first", 5)
        )
    )
    assert first.state is not None
    second = _run(
        global_file(
            world,
            model_steps=steps,
            streams=EVERYTHING,
            first="2001-01-05",
            result="second",
            extra=f"INIT_STATE {first.state}\n" + end % ("second", 19),
        )
    )
    for name in CELLS:
        parts = [read_history(run.history[0], name) for run in (first, second)]
        if name.startswith("OUT_DEL"):  # the store before the first step is a sum over columns in another order
            np.testing.assert_allclose(np.concatenate(parts), read_history(whole.history[0], name), rtol=0, atol=1e-12)
        else:
            np.testing.assert_array_equal(np.concatenate(parts), read_history(whole.history[0], name), err_msg=name)
    assert whole.state is not None
    assert second.state is not None
    with netCDF4.Dataset(whole.state) as a, netCDF4.Dataset(second.state) as b:
        assert (a["STATE_SNOW_WATER_EQUIVALENT"][:] > 0).any()
        for name in a.variables:
            np.testing.assert_array_equal(np.ma.filled(a[name][:], -9), np.ma.filled(b[name][:], -9), name)


def test_balance_closes_in_the_files_alone(world: Path) -> None:
    """Precipitation less losses is the change of the stores, from history variables only."""
    result = run_global(read_global_parameters(global_file(world, streams=EVERYTHING), water_balance="conserving"))
    found = {name: read_history(result.history[0], name) for name in CELLS}
    change = found["OUT_DELSOILMOIST"] + found["OUT_DELSWE"] + found["OUT_DELINTERCEPT"]
    residual = found["OUT_PREC"] - found["OUT_EVAP"] - found["OUT_RUNOFF"] - found["OUT_BASEFLOW"] - change
    assert np.abs(residual).max() < 1e-10
    np.testing.assert_allclose(found["OUT_PREC"], found["OUT_RAINF"] + found["OUT_SNOWF"], atol=1e-12)
    np.testing.assert_array_equal(found["OUT_SOIL_MOIST"], found["OUT_SOIL_LIQ"] + found["OUT_SOIL_ICE"])
    _, forcing = make_world(world)
    daily = forcing.tair.reshape(3, N_DAY, STEPS).mean(axis=2)
    np.testing.assert_allclose(found["OUT_AIR_TEMP"], daily.T, atol=1e-12)
    humidity = found["OUT_VP"] / (found["OUT_VP"] + found["OUT_VPD"])
    np.testing.assert_allclose(found["OUT_REL_HUMID"], 100.0 * humidity, rtol=1e-12)
    np.testing.assert_allclose(found["OUT_QAIR"], 0.62189 * found["OUT_VP"] / found["OUT_PRESSURE"], rtol=1e-4)


def test_a_new_file_every_twelve_days(world: Path) -> None:
    path = global_file(world, streams="OUTFILE m\nHISTFREQ NDAYS 12\nOUTVAR OUT_EVAP * OUT_TYPE_DOUBLE\n")
    result = _run(path, memory_bytes=SMALL)
    assert [p.name for p in result.history] == ["m.2000-12-20.nc", "m.2001-01-01.nc", "m.2001-01-13.nc"]
    parts = [read_history(p, "OUT_EVAP") for p in result.history]
    assert [len(part) for part in parts] == [12, 12, 6]
    np.testing.assert_array_equal(
        np.concatenate(parts), _model(world, 1, ("evapotranspiration",)).outputs["evapotranspiration"][:, 0].T
    )


@pytest.mark.parametrize(
    ("frequency", "lengths"),
    [
        ("HISTFREQ NSTEPS 8\nAGGFREQ NDAYS 2", [8, 7]),  # records, not model steps, as in VIC-5
        ("HISTFREQ NSTEPS 16\nAGGFREQ NHOURS 12", [16, 16, 16, 12]),
        ("HISTFREQ NDAYS 10\nAGGFREQ NDAYS 2", [5, 5, 5]),
        ("HISTFREQ NDAYS 9\nAGGFREQ NDAYS 2", [15]),  # its first end lies inside a record: VIC-5 never ends a file
        ("HISTFREQ NMONTHS 1\nAGGFREQ NDAYS 1", [30]),  # no whole month
        ("HISTFREQ DATE 2000-12-31\nAGGFREQ NSTEPS 1", [89, 151]),  # with the first step of that date
        ("HISTFREQ DATE 2000-12-31\nAGGFREQ NDAYS 1", [30]),
        ("AGGFREQ DATE 2000-12-31", [1]),
    ],
)
def test_files_end_where_those_of_vic_end(
    frequency: str, lengths: list[int], world: Path, caplog: pytest.LogCaptureFixture
) -> None:
    streams = f"OUTFILE m\n{frequency}\nOUTVAR OUT_PREC * OUT_TYPE_DOUBLE\n"
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        result = _run(global_file(world, model_steps=8, streams=streams), memory_bytes=SMALL)
    parts = [read_history(path, "OUT_PREC") for path in result.history]
    assert [len(part) for part in parts] == lengths
    missed = frequency in ("HISTFREQ NDAYS 9\nAGGFREQ NDAYS 2", "HISTFREQ DATE 2000-12-31\nAGGFREQ NDAYS 1")
    assert ("HISTFREQ ends where no record ends" in caplog.text) == missed
    steps = _model(world, 8, ("precipitation",), "step").outputs["precipitation"][:, 0].T
    last = 89 if frequency.startswith("AGGFREQ DATE") else len(steps)
    np.testing.assert_allclose(np.concatenate(parts).sum(axis=0), steps[:last].sum(axis=0), rtol=1e-12)


def test_what_differs_from_vic_is_said(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each kind once, with its lines; nothing is said of a file that does what it does in VIC."""
    streams = """OUTFILE a
        AGGFREQ END
        OUTVAR OUT_SWE * * * AGG_TYPE_MAX
        OUTVAR OUT_EVAP * * 1 AGG_TYPE_MIN"""
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        path = global_file(world, streams=streams, extra="ROUT_PARAM /nowhere.nc")
        run_global(read_global_parameters(path, ignore_routing=True))
    said = [record.getMessage().removeprefix(f"{world}/global.txt: ") for record in caplog.records]
    assert said == [
        "line 28: ROUT_PARAM is ignored, as by a VIC built without routing",
        "line 30: AGGFREQ END gives one record of the whole run; VIC-5 writes none",
        "lines 31, 32: AGG_TYPE_MAX and AGG_TYPE_MIN are taken over the period; VIC-5 takes 0 along",
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        result = _run(global_file(world, streams=""))
        assert [path.name for path in result.history] == ["fluxes.2000-12-20.nc", "snow.2000-12-20.nc"]
    assert "global.txt: not written, for nothing in it is computed: snowband" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        _run(global_file(world))
    assert caplog.text == ""


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4_CLASSIC", "NETCDF4"])
def test_formats_and_types(world: Path, format: str, caplog: pytest.LogCaptureFixture) -> None:
    """A multiplier is not applied, as VIC's image driver applies none, and a warning says so."""
    streams = f"""OUTFILE f
        OUT_FORMAT {format}
        COMPRESS 4
        OUTVAR OUT_SWE * OUT_TYPE_DOUBLE
        OUTVAR OUT_WDEW
        OUTVAR OUT_SNOW_COVER * OUT_TYPE_INT 100
        OUTVAR OUT_PREC * OUT_TYPE_DOUBLE 0.1"""
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        path = _run(global_file(world, streams=streams)).history[0]
    assert "lines 34, 35: a multiplier of OUTVAR is not applied" in caplog.text
    expected = _model(world, 1, ("swe", "canopy_water", "snow_cover", "precipitation")).outputs
    with netCDF4.Dataset(path) as dataset:
        assert dataset.data_model == format
        assert [dataset[n].dtype.str[1:] for n in ("OUT_SWE", "OUT_WDEW", "OUT_SNOW_COVER")] == ["f8", "f4", "i4"]
    np.testing.assert_array_equal(read_history(path, "OUT_WDEW"), expected["canopy_water"][:, 0].T.astype("f4"))
    cover = expected["snow_cover"][:, 0].T.astype("i4")
    np.testing.assert_array_equal(read_history(path, "OUT_SNOW_COVER"), cover)
    np.testing.assert_array_equal(read_history(path, "OUT_PREC"), expected["precipitation"][:, 0].T)


def test_only_cells_to_run_are_run(world: Path) -> None:
    whole = read_history(_run(global_file(world)).history[0], "OUT_EVAP")
    with netCDF4.Dataset(world / "params.nc", "r+") as dataset:
        dataset["run_cell"][0, 1] = 0
    result = _run(global_file(world, result="part"))
    assert result.n_cell == 2
    with netCDF4.Dataset(result.history[0]) as dataset:
        values = dataset["OUT_EVAP"][:]
    assert np.ma.getmaskarray(values)[:, 0, 1].all()
    np.testing.assert_array_equal(values[:, 0, 0], whole[:, 0])
    np.testing.assert_array_equal(values[:, 1, 1], whole[:, 2])


def test_names_of_the_grid_are_kept(world: Path) -> None:
    for name in ("domain.nc", "params.nc"):
        with netCDF4.Dataset(world / name, "r+") as dataset:
            dataset.renameVariable("lat", "latitude")
    with netCDF4.Dataset(world / "domain.nc", "r+") as dataset:
        dataset.renameVariable("mask", "land")
    extra = "DOMAIN_TYPE LAT latitude\nDOMAIN_TYPE MASK land\nDOMAIN_TYPE YDIM row\nDOMAIN_TYPE XDIM column"
    with netCDF4.Dataset(_run(global_file(world, extra=extra)).history[0]) as dataset:
        assert dataset["OUT_EVAP"].dimensions == ("time", "row", "column")
        assert dataset["latitude"].dimensions == ("row",)


# Refusals: nothing half-written stays behind


def test_broken_forcing_is_named_and_leaves_no_file(world: Path) -> None:
    with netCDF4.Dataset(world / "forcing.2001.nc", "r+") as dataset:
        dataset["air_temp"][5, 1, 1] = 290.0
    with pytest.raises(
        DataError, match=r"forcing.2001.nc: air_temp at row 1, column 1 .*, 2001-01-01T15:00:00: found 290"
    ):
        _run(global_file(world))
    assert list((world / "out").iterdir()) == []


def test_interrupted_run_leaves_no_file(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = []

    def interrupted(*arguments: Any, **options: Any) -> Simulation:
        if finished:
            raise KeyboardInterrupt
        finished.append(True)
        return simulate(*arguments, **options)

    monkeypatch.setattr("paraformer.process.vic.driver.run.simulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(global_file(world), memory_bytes=SMALL)
    assert list((world / "out").iterdir()) == []


def test_missing_inputs_are_named(world: Path) -> None:
    path = global_file(world)
    (world / "forcing.2001.nc").rename(world / "kept.nc")
    with pytest.raises(DataError, match=r"forcing.2001.nc: no such file"):
        _run(path)
    (world / "kept.nc").rename(world / "forcing.2001.nc")
    path.write_text(path.read_text().replace("FORCE_TYPE WIND wind", "FORCE_TYPE WIND gust"))
    with pytest.raises(DataError, match=r"forcing.2000.nc: variable 'gust' is missing"):
        _run(path)
    with netCDF4.Dataset(world / "params.nc", "r+") as dataset:
        dataset["run_cell"][1, 0] = 1
    with pytest.raises(DataError, match=r"params.nc: run_cell is 1 at row 1, column 0 .* which the domain's mask"):
        _run(global_file(world))


def test_forcing_that_ends_early_is_named(world: Path) -> None:
    with pytest.raises(DataError, match=r"forcing.2001.nc ...: 144 values from 2001-01-01 to 2001-01-20, expected 160"):
        _run(global_file(world, last="2001-01-20"))


def test_folder_that_cannot_be_written_is_named(world: Path) -> None:
    (world / "out").write_text("a file")
    with pytest.raises(RunError, match=r"out: cannot make the folder of the history files"):
        _run(global_file(world))


def test_variables_not_computed(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not NOT_COMPUTED & set(HISTORY)
    path = global_file(world, streams="OUTFILE a\nOUTVAR OUT_EVAP\nOUTVAR OUT_LATENT\nOUTFILE b\nOUTVAR OUT_ZWT\n")
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        result = _run(path)
    assert "left out, not computed in water-balance mode: OUT_LATENT, OUT_ZWT" in caplog.text
    assert result.missing == ("OUT_LATENT", "OUT_ZWT")
    assert [p.name for p in result.history] == ["a.2000-12-20.nc"]
    with pytest.raises(SettingsError, match="not computed in water-balance mode: OUT_LATENT, OUT_ZWT"):
        _run(path, strict=True)


# Aggregation


def _expected(values: np.ndarray, how: str) -> np.ndarray:
    first_to_last = {"begin": values[..., 0], "end": values[..., -1], "max": values.max(-1), "min": values.min(-1)}
    if how in first_to_last:
        return first_to_last[how]
    return values.sum(-1) / (values.shape[-1] if how == "mean" else 1)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    n_step=st.integers(1, 40),
    length=st.integers(1, 12),
    how=st.sampled_from(["sum", "mean", "end", "begin", "max", "min"]),
    split=st.integers(0, 3),
)
def test_records_are_right_wherever_the_run_is_cut(data: Any, n_step: int, length: int, how: Any, split: int) -> None:
    values = np.random.default_rng(n_step * 13 + length).normal(size=(1, 3, n_step))
    edges = Frequency("NSTEPS", length).edges(FIRST_DAY, n_step, 1)
    variable = OutputVariable("OUT_EVAP", "f8", how)
    stream = OutputStream("x", Frequency("NSTEPS", length), Frequency("END"), "NETCDF4", 0, (variable,))
    cuts = sorted({0, n_step, *data.draw(st.lists(st.integers(0, n_step), max_size=4))})
    aggregator = Aggregator(stream, edges, 3)
    records, first = [], []
    for start, stop in itertools.pairwise(cuts):
        aggregator.begin(start, stop)
        for cells in (slice(0, split), slice(split, 3)):
            aggregator.add(0, values[:, cells, start:stop], cells)
        done = aggregator.finish()
        first.append(done.first)
        records.append(done.values[0])
    found = np.concatenate(records)
    assert len(found) == len(edges) - 1
    assert first == np.concatenate([[0], np.cumsum([len(r) for r in records])])[:-1].tolist()
    for record, (start, stop) in zip(found, itertools.pairwise(edges), strict=True):
        np.testing.assert_allclose(record, _expected(values[..., start:stop], how), atol=1e-12)


# Command line

CODE = "import sys; from paraformer.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"
COMMAND = [sys.executable, "-c", CODE]


def test_command_line(world: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "vic", "run", str(global_file(world)), "--quiet", "--threads", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].endswith("daily.2000-12-20.nc")
    assert lines[1].startswith("3 cells, 30 days, largest water balance error")
    assert lines[-1] == "False"  # torch is not loaded
    failed = subprocess.run(
        [*COMMAND, "vic", "run", str(global_file(world, extra="LAKES TRUE"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 2
    assert failed.stderr.strip().endswith("VIC option LAKES TRUE is not supported: set LAKES FALSE")
    assert failed.stderr.count("\n") == 1


def test_a_state_of_another_day_is_said(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    end = f"STATENAME {world}/early\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 5"
    first = _run(global_file(world, last="2001-01-04", result="early", extra=end))
    for begin, said in (("2001-01-05", False), ("2001-01-12", True)):
        caplog.clear()
        _run(global_file(world, first=begin, result=begin, extra=f"INIT_STATE {first.state}"))
        assert ("the state is of 2001-01-05, and the run begins 2001-01-12" in caplog.text) is said
