"""`ROUT_PARAM`: discharge along with a run, its restart, its steps, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from paraformer.cli import app
from paraformer.core.contracts import Routed
from paraformer.core.errors import DataError, SettingsError
from paraformer.process.vic.driver.discharge import read_places
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import RunResult, run_global
from paraformer.routing.router import parameter_router
from paraformer.routing.rvic import ParameterFile, read_parameter_file, warn_of_vic, write_parameter_file
from process.drop_in import global_file, make_world, read_history

LAT, LON = np.array([40.0, 41.0]), np.array([-100.0, -99.0])
AREA = np.array([[4e8, 5e8], [6e8, 7e8]])
STREAMS = "OUTFILE q\nAGGFREQ NSTEPS 1\n" + "".join(
    f"OUTVAR {name} * OUT_TYPE_DOUBLE\n" for name in ("OUT_DISCHARGE", "OUT_RUNOFF", "OUT_BASEFLOW")
)
SMALL = 40_000  # bytes: a few days at a time


def parameter_file(step: float = 86400.0) -> ParameterFile:
    """Two outlets, (40, -99) and (41, -99); the first has all three cells, the other one its own; long offsets."""
    ordinates = np.array([[0.2, 0.3, 0.1], [0.5, 0.2, 0.3], [0.1, 0.1, 0.4], [0.6, 0.3, 0.1]])
    return ParameterFile(
        step=step,
        full_length=12,
        outlet_lat=np.array([40.0, 41.0]),
        outlet_lon=np.array([-99.0, -99.0]),
        outlet_names=("mouth", "head"),
        source_lat=np.array([40.0, 40.0, 41.0, 41.0]),
        source_lon=np.array([-100.0, -99.0, -99.0, -99.0]),
        outlet=np.array([0, 0, 0, 1]),
        offset=np.array([1, 0, 9, 0]),
        ordinates=ordinates,
        source="made",
    )


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_world(tmp_path)
    with netCDF4.Dataset(tmp_path / "domain.nc", "r+") as dataset:
        dataset.createVariable("area", "f8", ("lat", "lon"))[:] = AREA
    write_parameter_file(parameter_file(), tmp_path / "rout.nc", LAT, LON, AREA)
    return tmp_path


def run(path: Path, **options: object) -> RunResult:
    read = read_global_parameters(path)
    assert read.routing is not None
    file, places = read_parameter_file(read.routing), read_places(read)
    return run_global(read, router=parameter_router(file, *places[:3], source=places.source), **options)  # type: ignore[arg-type]


def expected_flow(path: Path, together: int = 1) -> np.ndarray:
    """The triple loop over the run's own runoff and baseflow, in steps of ``together`` records [time, outlet]."""
    water = np.asarray(read_history(path, "OUT_RUNOFF") + read_history(path, "OUT_BASEFLOW"))
    water = water.reshape(-1, together, 3).sum(axis=1)
    file, cell = parameter_file(), [0, 1, 2, 2]
    found = np.zeros((len(water), 2))
    for source in range(4):
        for lag in range(3):
            shift = file.offset[source] + lag
            found[shift:, file.outlet[source]] += (
                file.ordinates[source, lag] * water[: len(water) - shift, cell[source]]
            )
    return found * np.array([5e8, 7e8]) / (1000 * 86400)


@pytest.mark.parametrize("steps", [1, 8])
def test_discharge_is_the_loop_over_the_runs_runoff(world: Path, steps: int, caplog: pytest.LogCaptureFixture) -> None:
    extra = f"ROUT_PARAM {world}/rout.nc"
    result = run(global_file(world, model_steps=steps, streams=STREAMS, extra=extra), memory_bytes=SMALL)
    found = np.asarray(read_history(result.history[0], "OUT_DISCHARGE"))
    expected = np.repeat(expected_flow(result.history[0], steps), steps, axis=0)
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-12)
    assert (found[:, 0] == 0).all()
    assert expected.max() > 0


def test_restart_is_exact(world: Path) -> None:
    state = f"STATENAME {world}/%s\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY %d\nROUT_PARAM {world}/rout.nc"
    whole = run(global_file(world, streams=STREAMS, extra=state % ("whole", 19)))
    first = run(global_file(world, streams=STREAMS, last="2001-01-04", result="a", extra=state % ("first", 5)))
    begin = f"INIT_STATE {first.state}\n" + state % ("second", 19)
    second = run(global_file(world, streams=STREAMS, first="2001-01-05", result="b", extra=begin))
    parts = [read_history(result.history[0], "OUT_DISCHARGE") for result in (first, second)]
    np.testing.assert_array_equal(np.concatenate(parts), read_history(whole.history[0], "OUT_DISCHARGE"))
    assert whole.state is not None
    assert second.state is not None
    with netCDF4.Dataset(whole.state) as a, netCDF4.Dataset(second.state) as b:
        assert a["STATE_ROUT_RING"].shape == (12, 2)
        np.testing.assert_array_equal(a["STATE_ROUT_RING"][:], b["STATE_ROUT_RING"][:])
        assert a["STATE_ROUT_RING"][:].max() > 0


def test_the_stub_ignores_the_line_when_asked(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = global_file(world, streams=STREAMS, extra="ROUT_PARAM /nowhere.nc")
    with pytest.raises(SettingsError, match=r"ROUT_PARAM /nowhere.nc asks for routing, and no router is given"):
        run_global(read_global_parameters(path))
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        result = run_global(read_global_parameters(path, ignore_routing=True))
    assert "ROUT_PARAM is ignored" in caplog.text
    assert result.missing == ("OUT_DISCHARGE",)


def test_the_command_routes_and_warns_of_vics_faults(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = global_file(world, model_steps=8, streams=STREAMS, extra=f"ROUT_PARAM {world}/rout.nc")
    result = CliRunner().invoke(app, ["vic", "run", str(path), "-q"])
    assert result.exit_code == 0, result.output
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "never lets pass what lands beyond, up to 32 % of an outlet's water" in said
    assert "routes 8 times too fast" in said
    result = CliRunner().invoke(app, ["vic", "run", str(path), "-q", "--ignore-routing"])
    assert result.exit_code == 0, result.output


def test_no_fault_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    file = parameter_file()._replace(offset=np.zeros(4, np.int64))
    warn_of_vic(file, 86400.0)
    assert caplog.text == ""


class Router(NamedTuple):
    """A router of one gauge or two, of which nothing passes."""

    gauges: tuple[str, ...]
    outlets: np.ndarray
    step: float = 86400.0
    n_cells: int = 3
    lags: int = 2

    @property
    def scale(self) -> np.ndarray:
        return np.ones(len(self.gauges))

    def route(self, runoff: np.ndarray, baseflow: np.ndarray | None, coming: np.ndarray | None = None) -> Routed:
        raise AssertionError("the driver goes step by step")

    def advance(self, runoff: np.ndarray, baseflow: np.ndarray | None, coming: np.ndarray) -> Routed:
        return Routed(np.zeros((len(self.gauges), runoff.shape[1])), coming)


def test_what_a_grid_or_a_day_cannot_hold_is_refused(world: Path) -> None:
    read = read_global_parameters(global_file(world, streams=STREAMS, extra=f"ROUT_PARAM {world}/rout.nc"))
    with pytest.raises(DataError, match=r"outlets a and b lie in one cell, row 0, column 1 \(lat 40, lon -99\)"):
        run_global(read, router=Router(("a", "b"), np.array([1, 1])))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="in steps of 50000 s fit neither a day nor model steps of 86400 s"):
        run_global(read, router=Router(("a",), np.array([1]), step=50000.0))  # type: ignore[arg-type]


def test_a_source_outside_the_cells_that_are_run_is_named(world: Path) -> None:
    file = parameter_file()._replace(source_lat=np.array([40.0, 40.0, 45.0, 41.0]))
    write_parameter_file(file, world / "far.nc", LAT, LON, AREA)
    with pytest.raises(DataError, match=r"source: no cell at the place of lat 45, lon -99 of .*far.nc"):
        run(global_file(world, streams=STREAMS, extra=f"ROUT_PARAM {world}/far.nc"))


def test_parameter_files_come_back(tmp_path: Path) -> None:
    write_parameter_file(parameter_file(), tmp_path / "p.nc", LAT, LON, AREA)
    found = read_parameter_file(tmp_path / "p.nc")
    for name, value in parameter_file()._asdict().items():
        if name != "source":
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
    with netCDF4.Dataset(tmp_path / "p.nc", "r+") as dataset:
        dataset["source_time_offset"][2] = 11
    with pytest.raises(DataError, match=r"source 2 \(lat 41, lon -99\): offset \+ 3 lags leave the ring"):
        read_parameter_file(tmp_path / "p.nc")
