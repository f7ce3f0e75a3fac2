"""A compiled VIC behind the contract, shown with a program that obeys VIC's file protocol and runs our own model."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.core.schema import Cube
from paraformer.process.build import build_process
from paraformer.process.compiled import CompiledVIC, read_compiled_files
from paraformer.process.config import ProcessConfig
from paraformer.process.files import process_files
from paraformer.process.vic import files
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.drop_in import FIRST_DAY, N_DAY, STEPS, global_file, make_world

SPACE = ParameterSpace(
    (
        Parameter(name="infilt", lower=0.001, upper=0.9, unit="1", transform="log", meaning="infiltration"),
        Parameter(name="depth_1", lower=0.05, upper=0.2, unit="m", meaning="depth of layer 1"),
        Parameter(name="expt", lower=4.0, upper=30.0, unit="1", meaning="exponent"),
    )
)
OUTPUTS = ("soil_moisture", "soil_moisture_mean", "soil_moisture_3", "evapotranspiration", "swe")
PROGRAM = """#!{python}
import os, sys
print("VIC starts", flush=True)
mode = os.environ.get("FAKE_VIC", "")
if mode == "fail":
    print("reading parameters\\nERROR: no such soil", flush=True)
    sys.exit(3)
if mode == "silent":
    sys.exit(0)
if mode == "hang":
    import time
    time.sleep(30)
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
assert sys.argv[1] == "-g"
run = read_global_parameters(sys.argv[2])
if mode == "short":
    import dataclasses
    run = dataclasses.replace(run, n_day=run.n_day - 1)
run_global(run, threads=1)
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_world(tmp_path)
    program = tmp_path / "vic_image.exe"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return tmp_path


def _compiled(folder: Path, **options: object) -> CompiledVIC:
    found = read_compiled_files(global_file(folder, extra=f"STATENAME {folder}/state\nLOG_DIR {folder}/"))
    return CompiledVIC(SPACE, found, (str(folder / "vic_image.exe"),), folder / "work", processes=2, **options)  # type: ignore[arg-type]


def _in_process(folder: Path) -> VIC:
    domain = files.read_domain(folder / "domain.nc")
    days = FIRST_DAY + np.arange(N_DAY)
    names = {
        "prcp": "prec",
        "tair": "air_temp",
        "swdown": "swdown",
        "lwdown": "lwdown",
        "wind": "wind",
        "vp": "vp",
        "pres": "pressure",
    }
    forcing = files.read_forcing([folder / "forcing.2000.nc", folder / "forcing.2001.nc"], domain, days, STEPS, names)
    parameters = files.read_parameters(folder / "params.nc", domain)
    return VIC(SPACE, parameters, forcing, VICSettings(water_balance="vic"))


def _theta(n_set: int) -> np.ndarray:
    return SPACE.from_unit(np.random.default_rng(3).random((3, n_set, len(SPACE))))


def test_it_is_a_forward_model_that_agrees_with_the_model_in_process(world: Path) -> None:
    compiled, ours = _compiled(world), _in_process(world)
    assert isinstance(compiled, ForwardModel)
    theta = _theta(2)
    found, expected = compiled.simulate(theta, OUTPUTS), ours.simulate(theta, OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-10, err_msg=name)
    assert compiled.runs == ours.runs == 6
    np.testing.assert_array_equal(compiled.prior(), ours.prior())
    np.testing.assert_array_equal(compiled.time, FIRST_DAY + np.arange(N_DAY))
    work = sorted(p.name for p in (world / "work").iterdir())
    assert work == ["logs"]  # every run's folder is gone, its log is not
    logs = list((world / "work" / "logs").iterdir())
    assert len(logs) == 2
    assert "VIC starts" in logs[0].read_text()


def test_a_priori_parameters_and_subsets(world: Path) -> None:
    """One set is dealt out as blocks of cells; a subset runs its own cells only."""
    compiled, ours = _compiled(world), _in_process(world)
    whole = ours.simulate(None, ("soil_moisture", "swe"))
    for name, values in compiled.simulate(None, ("soil_moisture", "swe")).items():
        np.testing.assert_array_equal(values, whole[name])
    assert len(list((world / "work" / "logs").iterdir())) == 2  # two processes, three cells
    part = compiled.select(np.array([2, 0]))
    assert part.n_cells == 2
    found = part.simulate(_theta(1)[[2, 0]], ("soil_moisture",))["soil_moisture"]
    expected = ours.simulate(_theta(1), ("soil_moisture",))["soil_moisture"][[2, 0]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert (part.runs, compiled.runs) == (2, 3)


def test_no_netcdf_file_is_open_while_a_program_is_started(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process forked then would hold HDF5's lock on the file, and the next to open it would be refused."""
    start, seen = subprocess.Popen, []

    def slowly(*args: object, **options: object) -> object:
        until = time.monotonic() + 0.2  # the other threads have all this time to open theirs
        while time.monotonic() < until:
            for number in os.listdir("/proc/self/fd"):
                with contextlib.suppress(FileNotFoundError):  # closed since
                    seen.append(os.readlink(f"/proc/self/fd/{number}"))
        return start(*args, **options)  # type: ignore[call-overload]

    model = _compiled(world)
    monkeypatch.setattr(subprocess, "Popen", slowly)
    model.simulate(_theta(3), ("swe",))
    assert seen
    assert not [path for path in seen if path.startswith(str(world)) and path.endswith(".nc")]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (
            "fail",
            r"ended with code 3; files in .*/run_.*; its last words: VIC starts \| reading parameters \| ERROR: no ",
        ),
        ("silent", r"gave no usable result \(.*day.2000-12-20.nc: .*its last words: VIC starts"),
        ("short", r"29 days of swe, expected 30"),
        ("hang", r"did not end within 1 s"),
    ],
)
def test_failure_shows_the_end_of_the_log_and_keeps_the_files(
    world: Path, monkeypatch: pytest.MonkeyPatch, mode: str, words: str
) -> None:
    monkeypatch.setenv("FAKE_VIC", mode)
    model = _compiled(world, timeout=1.0 if mode == "hang" else None).select(np.array([0]))
    with pytest.raises(ModelError, match=words) as failure:
        model.simulate(None, ("swe",))
    assert "\n" not in str(failure.value)
    kept = next((world / "work").glob("run_*"))
    assert {"params.nc", "global.txt", "log.txt"} <= {p.name for p in kept.iterdir()}
    assert model.runs == 0


def test_what_is_asked_wrongly(world: Path) -> None:
    model = _compiled(world)
    with pytest.raises(ModelError, match="VIC has no output 'runof'; did you mean 'runoff'"):
        model.simulate(None, ("runof",))
    with pytest.raises(DataError, match="infilt"):
        model.simulate(np.full((3, 1, 3), 99.0), ("swe",))
    with pytest.raises(DataError, match="theta has 2 cells, expected 3"):
        model.simulate(_theta(1)[:2], ("swe",))
    model.command = (str(world / "nothing.exe"),)
    with pytest.raises(ModelError, match=r"no program '.*nothing.exe' that can be run"):
        model.simulate(None, ("swe",))


def test_options_are_the_programs_business(world: Path) -> None:
    path = global_file(world)
    path.write_text(path.read_text().replace("FULL_ENERGY FALSE", "FULL_ENERGY TRUE"))
    assert "FULL_ENERGY TRUE" in read_compiled_files(path).lines
    path.write_text(path.read_text().replace(f"DOMAIN {world}/domain.nc", ""))
    with pytest.raises(SettingsError, match="DOMAIN is missing"):
        read_compiled_files(path)


def _cube(lat: list[float], lon: list[float], days: int, late: int = 0) -> Cube:
    time = (FIRST_DAY + late + np.arange(days)).astype("datetime64[ns]")
    coords = {"cell": np.arange(len(lat)), "time": time, "lat": ("cell", lat), "lon": ("cell", lon)}
    return Cube(xr.Dataset(coords=coords))


def test_a_study_s_settings_give_it_on_the_cells_and_days_of_the_cube(world: Path) -> None:
    """Cells in another order, and fewer days than the global parameter file asks for, as a search sees them."""
    config = ProcessConfig.model_validate(
        {
            "model": "compiled",
            "executable": world / "vic_image.exe",
            "global_parameters": global_file(world),
            "work": world / "work",
            "processes": 2,
            "spin_up": {"days": 0},
        }
    )
    files = process_files(config, {})
    assert set(files.hashes()) == {"executable", "global_parameters", "parameters", "domain"}
    assert files.parameters == world / "params.nc"
    model = build_process(config, SPACE, _cube([41.0, 40.0], [-99.0, -100.0], 12), files)
    assert isinstance(model, CompiledVIC)
    theta = _theta(1)
    found = model.simulate(theta[[2, 0]], ("soil_moisture",))["soil_moisture"]
    expected = _in_process(world).simulate(theta, ("soil_moisture",))["soil_moisture"][[2, 0], :, :12]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.prior(), _in_process(world).prior()[[2, 0]])
    assert model.cell_parameters.n_cell == 2
    with pytest.raises(SettingsError, match=r"the run is 2000-12-20\.\.2001-01-18, .* begin on the same day"):
        build_process(config, SPACE, _cube([40.0], [-99.0], 12, late=1), files)
    with pytest.raises(SettingsError, match="not end before"):
        build_process(config, SPACE, _cube([40.0], [-99.0], 31), files)
    with pytest.raises(DataError, match=r"vic_none\.exe: no such file"):
        process_files(config.model_copy(update={"executable": world / "vic_none.exe"}), {})
