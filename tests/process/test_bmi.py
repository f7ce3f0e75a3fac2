"""VIC behind the Basic Model Interface: the model's own numbers day by day, weather and moisture set, the protocol."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("bmipy")

from bmipy import Bmi

from paraformer.config import Study, load_study
from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.core.parameters import ParameterSpace
from paraformer.data.cube import build_cube
from paraformer.pipeline.world import make_world
from paraformer.process.bmi import INPUTS, OUTPUTS, STORES, VICBmi
from paraformer.process.files import ProcessFiles
from paraformer.process.recipe import ProcessRecipe
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
from process.drop_in import global_file, read_history
from process.drop_in import make_world as make_vic_files
from worlds import write_study

DAYS, CELLS = 45, (4, 1, 2)
RAIN, RUNOFF = "atmosphere_water__precipitation_leq-volume_flux", "land_surface_water__runoff_volume_flux"
AIR, LAYER_1 = "atmosphere_bottom_air__temperature", "soil_layer~1_water__areal_mass_density"
ET, MOISTURE = "land_surface_water__evapotranspiration_volume_flux", "soil_layer~1_water__volume_fraction"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("bmi")
    study = load_study(write_study(folder, data__synthetic={"rows": 2, "columns": 3, "years": 2}))
    make_world(study, folder)
    build_cube(study.data, folder / "cube.zarr", inputs=folder / "inputs.nc")
    return study, folder


def settings_file(world: tuple[Study, Path], **changes: object) -> str:
    study, folder = world
    content = {
        "cube": "cube.zarr",
        "cells": list(CELLS),
        "start": str(study.data.train.start),
        "end": str(np.datetime64(study.data.train.start) + DAYS - 1),
        "process": {"parameters": "params.nc", "domain": "domain.nc", "spin_up": {"days": 20, "cycles": 2}},
    }
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return str(path)


@pytest.fixture
def model(world: tuple[Study, Path]) -> VICBmi:
    model = VICBmi()
    model.initialize(settings_file(world))
    return model


def direct(world: tuple[Study, Path]) -> dict[str, np.ndarray]:
    """The same run in one piece, without the interface [cell, day]."""
    study, folder = world
    process = study.process.model_copy(
        update={"spin_up": study.process.spin_up.model_copy(update={"days": 20, "cycles": 2})}
    )
    files = ProcessFiles(folder / "params.nc", folder / "domain.nc")
    recipe = ProcessRecipe(process, ParameterSpace.of("infilt"), folder / "cube.zarr", files, (0, DAYS))
    names = ("runoff", "evapotranspiration", "soil_moisture", "soil_moisture_3", "swe")
    found = recipe.select(np.array(CELLS) - first_cell(folder)).simulate(None, names)
    return {name: values[:, 0] for name, values in found.items()}


def first_cell(folder: Path) -> int:
    from paraformer.core.schema import Cube

    return int(Cube.open(folder / "cube.zarr").cells[0])


def value(model: VICBmi, name: str) -> np.ndarray:
    return model.get_value(name, np.empty(model.get_grid_size(0)))


def test_days_one_by_one_are_the_run_in_one_piece(world: tuple[Study, Path], model: VICBmi) -> None:
    expected, found = direct(world), {name: np.empty((len(CELLS), DAYS)) for name in (RUNOFF, ET, MOISTURE)}
    assert np.isnan(value(model, RUNOFF)).all(), "no flux before the first day"
    for day in range(DAYS):
        assert model.get_current_time() == day
        model.update()
        for name, series in found.items():
            series[:, day] = value(model, name)
    np.testing.assert_array_equal(found[RUNOFF], expected["runoff"])
    np.testing.assert_array_equal(found[ET], expected["evapotranspiration"])
    np.testing.assert_allclose(found[MOISTURE], expected["soil_moisture"], rtol=1e-12)
    np.testing.assert_allclose(
        value(model, "soil_layer~3_water__areal_mass_density"), expected["soil_moisture_3"][:, -1], rtol=1e-12
    )
    np.testing.assert_allclose(value(model, "snowpack__liquid-equivalent_depth"), expected["swe"][:, -1], rtol=1e-12)
    with pytest.raises(ModelError, match="the run ends after 45 days"):
        model.update()


@pytest.mark.parametrize("steps", [1, 8])
def test_a_global_parameter_file_steps_as_it_runs(tmp_path: Path, steps: int) -> None:
    """Across the turn of a year, and so of a forcing file."""
    make_vic_files(tmp_path)
    path = global_file(tmp_path, model_steps=steps)
    model = VICBmi()
    model.initialize(str(path))
    run_global(read_global_parameters(path))
    expected = read_history(tmp_path / "out" / "daily.2000-12-20.nc", "OUT_RUNOFF")
    assert model.get_end_time() == len(expected)
    for day in range(len(expected)):
        model.update()
        np.testing.assert_array_equal(value(model, RUNOFF), expected[day])


def test_update_until_is_that_many_updates(world: tuple[Study, Path], model: VICBmi) -> None:
    other = VICBmi()
    other.initialize(settings_file(world))
    model.update_until(30.0)
    for _ in range(30):
        other.update()
    for name in (*INPUTS, *STORES, *OUTPUTS):
        np.testing.assert_array_equal(value(model, name), value(other, name))
    for bad in (29.0, 30.5, 46.0):
        with pytest.raises(ModelError, match=f"cannot run to {bad:g} d"):
            model.update_until(bad)


def test_weather_that_is_set_rains_once_and_keeps_the_water(world: tuple[Study, Path], model: VICBmi) -> None:
    """What is set counts for the coming day; the water balance of that day closes with the rain that was set."""
    model.update_until(10)
    other = VICBmi()
    other.initialize(settings_file(world))
    other.update_until(10)
    rain = value(model, RAIN)
    model.set_value_at_indices(RAIN, np.array([1]), np.array([60.0]))
    before = sum(value(model, name) for name in STORES)
    model.update()
    other.update()
    np.testing.assert_array_equal(value(model, RUNOFF)[[0, 2]], value(other, RUNOFF)[[0, 2]])
    assert value(model, RUNOFF)[1] > value(other, RUNOFF)[1]
    stored = sum(value(model, name) for name in STORES) - before
    kept = stored + value(model, ET) + value(model, RUNOFF) + value(model, "land_surface_water__baseflow_volume_flux")
    assert kept[1] == pytest.approx(60.0, abs=4.0), "the rest waits in canopy and snow"
    assert rain[1] < 50
    np.testing.assert_array_equal(value(model, RAIN), value(other, RAIN))  # the next day's own weather


def test_setting_what_is_there_changes_nothing(world: tuple[Study, Path], model: VICBmi) -> None:
    expected = direct(world)["runoff"]
    for day in range(15):
        for name in (*INPUTS, *STORES):
            model.set_value(name, value(model, name))
        model.update()
        np.testing.assert_array_equal(value(model, RUNOFF), expected[:, day])


def test_a_pointer_stays_and_writing_into_it_sets_the_value(world: tuple[Study, Path], model: VICBmi) -> None:
    pointer = model.get_value_ptr(AIR)
    pointer += 8.0
    model.update()
    assert model.get_value_ptr(AIR) is pointer
    as_it_was = VICBmi()
    as_it_was.initialize(settings_file(world))
    as_it_was.update()
    assert (value(model, ET) != value(as_it_was, ET)).all()
    model.finalize()
    with pytest.raises(ModelError, match="call initialize first"):
        model.update()


def test_moisture_that_is_set_enters_the_state_within_the_soil(model: VICBmi) -> None:
    model.update_until(5)
    moisture = value(model, LAYER_1)
    model.set_value(LAYER_1, moisture * np.array([0.8, 1.0, 1e3]))
    model.update()
    after = value(model, LAYER_1)
    assert after[0] < moisture[0] + value(model, RAIN)[0] + 20
    assert np.isfinite(after).all()
    assert value(model, MOISTURE)[2] < 0.7, "porosity is the limit"
    model.set_value_at_indices(LAYER_1, np.array([1]), np.array([np.nan]))
    with pytest.raises(DataError, match="moisture of layer 1, cell 1: found nan"):
        model.update()


def test_weather_vic_cannot_run_with_is_named(model: VICBmi) -> None:
    model.set_value(AIR, np.full(3, 290.0))
    with pytest.raises(DataError, match=r"forcing 'tair', cell 4, day 0, step 0: .* Kelvin"):
        model.update()


def test_errors(world: tuple[Study, Path], model: VICBmi) -> None:
    with pytest.raises(ModelError, match="no variable 'snowpack__dept'; did you mean 'snowpack__depth'"):
        model.get_value_ptr("snowpack__dept")
    with pytest.raises(ModelError, match="is an output"):
        model.set_value(RUNOFF, np.zeros(3))
    with pytest.raises(ModelError, match="no grid 1"):
        model.get_grid_size(1)
    with pytest.raises(ModelError, match="it has not a shape"):
        model.get_grid_shape(0, np.zeros(2))
    with pytest.raises(SettingsError, match=r"model.yaml, line \d+: unknown key 'cels'; did you mean 'cells'"):
        model.initialize(settings_file(world, cels=[1]))
    with pytest.raises(DataError, match="no cell 99"):
        model.initialize(settings_file(world, cells=[99]))
    with pytest.raises(DataError, match="start 2014-01-01 and end"):
        model.initialize(settings_file(world, start="2014-01-01"))


def test_every_method_of_the_protocol_is_there(model: VICBmi) -> None:
    assert isinstance(model, Bmi)
    for name in (*model.get_input_var_names(), *model.get_output_var_names()):
        grid = model.get_var_grid(name)
        assert model.get_var_nbytes(name) == model.get_grid_size(grid) * model.get_var_itemsize(name)
        assert model.get_var_location(name) == "node"
        assert np.dtype(model.get_var_type(name)) == np.float64
        assert model.get_var_units(name)
        pointer = model.get_value_ptr(name)
        some = model.get_value_at_indices(name, np.empty(2), np.array([2, 0]))
        np.testing.assert_array_equal(some, pointer[[2, 0]])
    assert (model.get_input_item_count(), model.get_output_item_count()) == (10, 9)
    assert (model.get_grid_type(0), model.get_grid_rank(0)) == ("unstructured", 2)
    assert model.get_grid_node_count(0) == len(CELLS)
    assert (model.get_grid_edge_count(0), model.get_grid_face_count(0)) == (0, 0)
    for method in ("edge_nodes", "face_edges", "face_nodes", "nodes_per_face"):
        empty = np.empty(0, dtype=int)
        assert getattr(model, f"get_grid_{method}")(0, empty) is empty
    assert np.isfinite(model.get_grid_x(0, np.empty(3))).all()
    assert (np.abs(model.get_grid_y(0, np.empty(3))) <= 90).all()
    assert (model.get_start_time(), model.get_time_step(), model.get_time_units()) == (0.0, 1.0, "d")
    assert model.get_end_time() == DAYS
    for name, method in inspect.getmembers(Bmi, inspect.isfunction):
        if not name.startswith("_"):
            own = list(inspect.signature(getattr(VICBmi, name)).parameters)
            assert own == list(inspect.signature(method).parameters), name


@pytest.mark.skipif(find_spec("bmi_tester") is None, reason="bmi-tester is not installed (extra: test)")
def test_bmi_tester_passes(world: tuple[Study, Path], tmp_path: Path) -> None:
    """The checks of CSDMS themselves, in processes of their own."""
    _, folder = world
    text = Path(settings_file(world)).read_text()
    for name in ("cube.zarr", "params.nc", "domain.nc"):
        text = text.replace(name, str(folder / name))
    (tmp_path / "model.yaml").write_text(text)  # alone, because the tester copies whatever is beside it
    command = [
        sys.executable,
        "-m",
        "bmi_tester",
        "paraformer.process.bmi:VICBmi",
        "--config-file=model.yaml",
        f"--root-dir={tmp_path}",
        "-v",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ)
    assert result.returncode == 0, result.stdout + result.stderr
