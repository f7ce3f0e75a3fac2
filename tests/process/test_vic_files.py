"""VIC-5 files in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.process.vic import axes, files
from paraformer.process.vic.forcing import SERIES, Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate
from paraformer.process.vic.state import cold_start
from process.drop_in import put_parameters
from process.miniature import STEPS, make_forcing, make_parameters

OUTPUTS = ("soil_moisture_1", "evapotranspiration", "swe", "runoff")
GRID = (2, 2)  # three active cells


def _mask() -> np.ndarray:
    return np.array([[True, True], [False, True]])


def _grid(dataset: netCDF4.Dataset, regular: bool) -> tuple[str, str]:
    dims = ("lat", "lon") if regular else ("y", "x")
    for name, size in zip(dims, GRID, strict=True):
        dataset.createDimension(name, size)
    lat, lon = np.array([40.0, 41.0]), np.array([-100.0, -99.0])
    if regular:
        dataset.createVariable("lat", "f8", ("lat",))[:] = lat
        dataset.createVariable("lon", "f8", ("lon",))[:] = lon
    else:
        grid = np.meshgrid(lon, lat)
        dataset.createVariable("lat", "f8", dims)[:] = grid[1] + 0.1 * grid[0]
        dataset.createVariable("lon", "f8", dims)[:] = grid[0]
    return dims


def _write_parameters(path: Path, parameters: CellParameters, regular: bool) -> None:
    """A VIC-5 parameter file as other programs write it; class 2 of 4 is used by no cell."""
    with netCDF4.Dataset(path, "w") as dataset:
        dims = _grid(dataset, regular)
        for name, size in (("nlayer", 3), ("snow_band", 2), ("veg_class", 4), ("root_zone", 3), ("month", 12)):
            dataset.createDimension(name, size)

        def put(name: str, values: np.ndarray, middle: tuple[str, ...] = (), kind: str = "f8") -> None:
            full = np.ma.array(np.zeros((*values.shape[1:], *GRID)), mask=True)
            full[..., _mask()] = np.moveaxis(values, 0, -1)
            dataset.createVariable(name, kind, (*middle, *dims), fill_value=-999)[:] = full

        put_parameters(parameters, put)
    with netCDF4.Dataset(path.with_name("domain.nc"), "w") as dataset:
        dims = _grid(dataset, regular)
        dataset.createVariable("mask", "i4", dims)[:] = _mask().astype(int)


def _write_forcing(path: Path, forcing: Forcing, regular: bool) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        dims = _grid(dataset, regular)
        dataset.createDimension("time", None)
        time = dataset.createVariable("time", "f8", ("time",))
        time.units = "hours since 2001-03-01"
        time[:] = np.arange(forcing.prcp.shape[1]) * 24.0 / STEPS
        for field, name in files.FORCING_NAMES.items():
            full = np.full((forcing.prcp.shape[1], *GRID), np.nan)
            full[:, _mask()] = getattr(forcing, field).T
            dataset.createVariable(name, "f8", ("time", *dims))[:] = full


@pytest.fixture(params=[True, False], ids=["regular", "two-dimensional"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, CellParameters, Forcing]:
    parameters, forcing = make_parameters(3), make_forcing(3, 60, temperature=0.0, rain=6.0)
    _write_parameters(tmp_path / "params.nc", parameters, request.param)
    _write_forcing(tmp_path / "forcing.nc", forcing, request.param)
    return tmp_path, parameters, forcing


def _read(folder: Path, name: str = "params.nc") -> tuple[files.Domain, CellParameters]:
    domain = files.read_domain(folder / "domain.nc")
    return domain, files.read_parameters(folder / name, domain)


def test_parameters_are_read_as_written(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder, expected, _ = world
    _, found = _read(folder)
    np.testing.assert_array_equal(found.tile_class, np.tile([0, 1, 3], (3, 1)))
    for name in set(CellParameters._fields) - {"cell", "lat", "tile_class"}:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_canopy_and_band_sources(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder = world[0]
    domain = files.read_domain(folder / "domain.nc")
    default = files.read_parameters(folder / "params.nc", domain, canopy_source="FROM_DEFAULT", snow_bands=False)
    np.testing.assert_array_equal(default.fcanopy[:, :, 0], np.tile([1.0, 1.0, 1e-4], (3, 1)))
    assert default.n_band == 1
    np.testing.assert_array_equal(default.mean_elevation(), default.elev)


def test_some_cells_are_read_without_the_rows_of_the_others(
    world: tuple[Path, CellParameters, Forcing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters and state of the last cell alone: its own values, from its row of the file."""
    folder, expected, forcing = world
    domain, parameters = _read(folder)
    run = simulate(parameters, forcing, VICSettings(), outputs=("runoff",), return_state=True)
    assert run.state is not None
    files.write_state(folder / "state.nc", run.state[:, 0], parameters, domain, np.datetime64("2001-04-30"), 4)
    last = domain._replace(mask=np.array([[False, False], [False, True]]))
    rows: list[slice] = []
    read = axes.read_variable

    def recorded(dataset: netCDF4.Dataset, name: str, part: tuple[Any, slice, slice]) -> np.ndarray:
        rows.append(part[1])
        return read(dataset, name, part)

    monkeypatch.setattr(axes, "read_variable", recorded)
    found = files.read_parameters(folder / "params.nc", last)
    state = files.read_state(folder / "state.nc", found, last)
    assert len(rows) > 50
    assert all(part == slice(1, 2) for part in rows)
    for name in set(CellParameters._fields) - {"cell", "lat", "tile_class"}:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[2:], err_msg=name)
    np.testing.assert_array_equal(found.lat, domain.cell_lat[2:])
    np.testing.assert_array_equal(state, run.state[2:])


def test_files_of_another_grid_are_refused(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder = world[0]
    domain, parameters = _read(folder)
    lon, lat = np.meshgrid([-100.0, -99.0, -98.0], [40.0, 41.0])
    wide = files.Domain(lat, lon, np.array([[True, True, True], [False, False, False]]))
    with pytest.raises(DataError, match=r"params.nc: no cell at the place of row 0, column [02] \(lat 40, lon -\d+\)"):
        files.read_parameters(folder / "params.nc", wide)
    state = cold_start(parameters)[:, 0]
    files.write_state(folder / "state.nc", state, parameters, domain, np.datetime64("2001-04-30"), 4)
    with pytest.raises(DataError, match=r"state.nc: no cell at the place of row 0"):
        files.read_state(folder / "state.nc", parameters, wide)


def test_forcing_is_read_as_written(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder, _, expected = world
    domain = files.read_domain(folder / "domain.nc")
    days = np.datetime64("2001-03-05") + np.arange(10)
    found = files.read_forcing([folder / "forcing.nc"], domain, days, STEPS)
    for name in SERIES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[:, 4 * STEPS : 14 * STEPS])
    assert found.month.tolist() == [3] * 10
    assert found.day_of_year.tolist() == list(range(64, 74))
    with pytest.raises(DataError, match="expected 800"):
        files.read_forcing([folder / "forcing.nc"], domain, np.datetime64("2001-03-05") + np.arange(100), STEPS)


def test_written_theta_runs_as_theta(world: tuple[Path, CellParameters, Forcing]) -> None:
    """A file with θ in it gives the same run, bit for bit, as θ given to the model."""
    folder, _, forcing = world
    domain, parameters = _read(folder)
    names = ("infilt", "ds", "dsmax", "ws", "c", "expt", "depth_1", "depth_3", "ksat", "wcr", "canopy_gap")
    theta = np.tile([0.123456789012345, 0.05, 3.3, 0.7, 1.5, 11.0 / 3.0, 0.07, 1.1, 0.3, 1.2, 0.5], (3, 1))
    theta[1, 0] = 1 / 3
    files.write_parameters(folder / "params.nc", folder / "theta.nc", domain.cell_lat, domain.cell_lon, names, theta)
    _, learned = _read(folder, "theta.nc")
    direct = simulate(parameters, forcing, VICSettings(), outputs=OUTPUTS, theta=theta[:, None], theta_names=names)
    through_file = simulate(learned, forcing, VICSettings(), outputs=OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(direct.outputs[name], through_file.outputs[name], rtol=0, atol=1e-11)
    np.testing.assert_array_equal(learned.infilt, theta[:, 0])


def test_only_named_cells_change(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder, expected, _ = world
    domain, _ = _read(folder)
    one = slice(1, 2)
    files.write_parameters(
        folder / "params.nc",
        folder / "theta.nc",
        domain.cell_lat[one],
        domain.cell_lon[one],
        ("expt_2",),
        np.array([[7.0]]),
    )
    _, learned = _read(folder, "theta.nc")
    changed = expected.expt.copy()
    changed[1, 1] = 7.0
    np.testing.assert_array_equal(learned.expt, changed)
    with pytest.raises(DataError, match=r"params.nc: no cell at the place of .* \(lat 50, lon 0\)"):
        files.write_parameters(
            folder / "params.nc", folder / "x.nc", np.array([50.0]), np.array([0.0]), ("ds",), np.array([[0.1]])
        )


@pytest.mark.parametrize("steps", [1, 8])
def test_restart_through_a_state_file_is_exact(world: tuple[Path, CellParameters, Forcing], steps: int) -> None:
    folder, _, forcing = world
    domain, parameters = _read(folder)
    settings = VICSettings(model_steps_per_day=steps)
    whole = simulate(parameters, forcing, settings, outputs=OUTPUTS, return_state=True)
    first = simulate(parameters, forcing.select_days(0, 30), settings, outputs=OUTPUTS, return_state=True)
    assert first.state is not None
    assert (first.state["swe"] > 0).any()
    files.write_state(folder / "state.nc", first.state[:, 0], parameters, domain, np.datetime64("2001-03-31"), 4)
    state = files.read_state(folder / "state.nc", parameters, domain)
    np.testing.assert_array_equal(state, first.state)
    second = simulate(
        parameters, forcing.select_days(30, 60), settings, outputs=OUTPUTS, initial_state=state, return_state=True
    )
    for name in OUTPUTS:
        np.testing.assert_array_equal(whole.outputs[name][..., 30:], second.outputs[name])
    np.testing.assert_array_equal(whole.state, second.state)


def test_broken_files(world: tuple[Path, CellParameters, Forcing]) -> None:
    folder = world[0]
    (folder / "bad.nc").write_bytes(b"not netCDF")
    with pytest.raises(DataError, match=r"bad.nc: not a readable netCDF file"):
        files.read_domain(folder / "bad.nc")
    with netCDF4.Dataset(folder / "params.nc", "r+") as dataset:
        dataset.renameVariable("infilt", "infilt_")
    with pytest.raises(DataError, match=r"params.nc: variable 'infilt' is missing; did you mean 'infilt_'"):
        _read(folder)
