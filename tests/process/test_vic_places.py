"""VIC's files are joined by place: in whatever order their cells are, a run is the same bit for bit, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from paraformer.core.errors import DataError
from paraformer.process.build import Places, ProcessFiles, read_land
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.inputs import read_days, read_start
from paraformer.process.vic.driver.inputs import read_land as read_run_land
from paraformer.process.vic.driver.run import run_global
from paraformer.process.vic.files import read_domain, read_parameters, write_parameters, write_state
from paraformer.process.vic.forcing import SERIES
from paraformer.process.vic.state import cold_start
from process.drop_in import FIRST_DAY, MASK, global_file, make_world
from process.rearranged import rearrange

FILES = ("domain.nc", "params.nc", "state.nc", "forcing.2000.nc")
ORDER = st.permutations(range(MASK.size)).map(np.array)
CHANGE = st.fixed_dictionaries({"order": ORDER, "eastward": st.booleans(), "flat": st.booleans()})
few = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a smaller example tells no more, and every one reads files
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cells with a state of their own."""
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    parameters = read_parameters(folder / "params.nc", read_domain(folder / "domain.nc"))
    state = cold_start(parameters)[:, 0]
    state["moisture"] *= np.array([0.7, 0.8, 0.9])[:, None, None]
    state["swe"], state["density"] = np.array([[0.1], [0.2], [0.3]]), 200.0
    write_state(folder / "state.nc", state, parameters, read_domain(folder / "domain.nc"), FIRST_DAY, 4)
    return folder


@pytest.fixture
def copy(world: Path, tmp_path: Path) -> Path:
    for name in (*FILES, "forcing.2001.nc"):
        shutil.copy(world / name, tmp_path)
    return tmp_path


def places(folder: Path) -> Places:
    domain = read_domain(folder / "domain.nc")
    return Places(np.array([70, 80, 90]), domain.cell_lat, domain.cell_lon)


def read_study(folder: Path, wanted: Places) -> list[np.ndarray]:
    """Everything a study takes from the files, in the order of its cells."""
    land = read_land(ProcessFiles(*(folder / name for name in ("params.nc", "domain.nc", "state.nc"))), wanted)
    assert land.state is not None
    return [*land.parameters, land.state]


def read_run(folder: Path) -> list[np.ndarray]:
    """Everything `vic run` takes from the files, by place."""
    run = read_global_parameters(global_file(folder, extra=f"INIT_STATE {folder}/state.nc", last="2000-12-31"))
    domain, parameters = read_run_land(run)
    forcing = read_days(run, domain, run.days)
    order = np.lexsort((domain.cell_lon % 360, domain.cell_lat))
    series = [getattr(forcing, name)[order] for name in SERIES]
    state = read_start(run, domain, parameters)
    kept = [field for name, field in zip(parameters._fields, parameters, strict=True) if name != "cell"]
    return [*(field[order] for field in kept), state[order], *series]


@few
@given(changes=st.dictionaries(st.sampled_from(FILES[:3]), CHANGE), order=st.permutations(range(3)))
def test_a_study_reads_the_same_cells_from_files_in_any_order(
    world: Path, tmp_path: Path, changes: Mapping[str, dict], order: list[int]
) -> None:
    for name in FILES[:3]:
        shutil.copy(world / name, tmp_path)
    for name, change in changes.items():
        rearrange(world / name, tmp_path / name, **change)
    wanted = places(world).select(np.array(order))
    for expected, found in zip(read_study(world, wanted), read_study(tmp_path, wanted), strict=True):
        np.testing.assert_array_equal(expected, found)
    turned = wanted._replace(lon=wanted.lon % 360)
    for expected, found in zip(read_study(world, wanted), read_study(tmp_path, turned), strict=True):
        np.testing.assert_array_equal(expected, found)


@few
@given(changes=st.dictionaries(st.sampled_from(FILES), CHANGE))
def test_vic_run_reads_the_same_cells_from_files_in_any_order(
    world: Path, tmp_path: Path, changes: Mapping[str, dict]
) -> None:
    for name in FILES:
        shutil.copy(world / name, tmp_path)
    for name, change in changes.items():
        rearrange(world / name, tmp_path / name, **change)
    for expected, found in zip(read_run(world), read_run(tmp_path), strict=True):
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("shift", [0.02, 0.5, 1.0, -40.0])
def test_a_file_shifted_against_the_others_is_refused(copy: Path, world: Path, name: str, shift: float) -> None:
    rearrange(world / name, copy / name, np.arange(4), flat=False, shift=shift)
    with pytest.raises(DataError, match=r"no cell at the place of row \d, column \d \(lat 4[01], lon -?\d+"):
        read_run(copy)
    if name != "forcing.2000.nc":
        with pytest.raises(DataError, match=r"\.nc: no cell at the place of cell [789]0 \(lat 4[01]"):
            read_study(copy, places(world))


def test_a_study_obeys_mask_and_run_cell(copy: Path, world: Path) -> None:
    with netCDF4.Dataset(copy / "params.nc", "r+") as dataset:
        dataset["run_cell"][0, 1] = 0
    with pytest.raises(DataError, match=r"params.nc: run_cell at cell 80 \(lat 40, lon -99\): found 0, expected 1$"):
        read_study(copy, places(world))
    read_study(copy, places(world).select(np.array([0, 2])))
    with netCDF4.Dataset(copy / "domain.nc", "r+") as dataset:
        dataset["mask"][0, 0] = 0
    with pytest.raises(DataError, match=r"domain.nc: cell 70 \(lat 40, lon -100\) is masked out, expected an active"):
        read_study(copy, places(world))


def test_theta_goes_to_the_cells_of_its_places(copy: Path, world: Path) -> None:
    """Written into a file in another order, and read back from it."""
    rearrange(world / "params.nc", copy / "params.nc", np.array([2, 0, 3, 1]), eastward=True)
    wanted = places(world)
    theta = np.array([[0.11, 7.0], [0.12, 8.0], [0.13, 9.0]])
    write_parameters(copy / "params.nc", copy / "theta.nc", wanted.lat, wanted.lon, ("infilt", "expt_2"), theta)
    found = read_parameters(copy / "theta.nc", read_domain(copy / "domain.nc"))
    np.testing.assert_array_equal(found.infilt, theta[:, 0])
    np.testing.assert_array_equal(found.expt[:, 1], theta[:, 1])
    with pytest.raises(DataError, match=r"params.nc: no cell at the place of cell 70 \(lat 45"):
        write_parameters(
            copy / "params.nc", copy / "x.nc", wanted.lat + 5, wanted.lon, ("ds",), theta[:, :1], cells=wanted.cells
        )


def test_a_run_gives_the_same_history_and_state(copy: Path, world: Path) -> None:
    """`vic run` from end to end, parameters and forcing in other orders than the domain."""
    extra = f"STATENAME {{}}/end\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 10\nINIT_STATE {world}/state.nc"
    expected = run_global(read_global_parameters(global_file(world, extra=extra.format(world))))
    rearrange(world / "params.nc", copy / "params.nc", np.array([1, 3, 0, 2]), eastward=True)
    rearrange(world / "forcing.2000.nc", copy / "forcing.2000.nc", np.array([3, 2, 1, 0]), flat=False)
    found = run_global(read_global_parameters(global_file(copy, extra=extra.format(copy))))
    assert expected.state is not None
    assert found.state is not None
    for ours, theirs in ((found.history[0], expected.history[0]), (found.state, expected.state)):
        with netCDF4.Dataset(ours) as one, netCDF4.Dataset(theirs) as other:
            for name in other.variables:
                np.testing.assert_array_equal(one[name][:], other[name][:], err_msg=name)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("domain.nc", ("lat", np.nan), r"domain.nc: 'lat' at position 0: found nan, expected -90 to 90 degrees"),
        ("domain.nc", ("lat", -105.0), r"domain.nc: 'lat' at position 0: found -105"),
        ("params.nc", ("lon", 1e20), r"params.nc: 'lon' at position 0: found 1e\+20, expected -180 to 360"),
        ("domain.nc", ("mask", 2), r"domain.nc: 'mask' at row 0, column 0 .* found 2, expected 0 or 1"),
        ("params.nc", ("run_cell", 7), r"params.nc: 'run_cell' at row 0, column 0 .* found 7, expected 0 or 1"),
    ],
)
def test_coordinates_and_masks_that_cannot_be(copy: Path, name: str, spoil: tuple[str, float], words: str) -> None:
    with netCDF4.Dataset(copy / name, "r+") as dataset:
        dataset[spoil[0]][:1] = spoil[1]
    with pytest.raises(DataError, match=words):
        read_run(copy)


def test_units_text_and_missing_coordinates_are_refused(copy: Path) -> None:
    with netCDF4.Dataset(copy / "params.nc", "r+") as dataset:
        dataset["lat"].units = "radians"
    with pytest.raises(DataError, match=r"params.nc: variable 'lat' has units 'radians', expected degrees of lat"):
        read_run(copy)
    with netCDF4.Dataset(copy / "params.nc", "r+") as dataset:
        dataset["lat"].units = "degrees_east"
    with pytest.raises(DataError, match=r"has units 'degrees_east', expected degrees of lat"):
        read_run(copy)
    with netCDF4.Dataset(copy / "params.nc", "r+") as dataset:
        dataset.renameVariable("lat", "old")
        dataset.createVariable("lat", str, ("lat",))[:] = np.array(["40N", "41N"], dtype=object)
    with pytest.raises(DataError, match=r"params.nc: variable 'lat' holds text"):
        read_run(copy)
    with netCDF4.Dataset(copy / "domain.nc", "r+") as dataset:
        dataset.renameVariable("lon", "x_of_cell")
    with pytest.raises(DataError, match=r"domain.nc: variable 'lon' is missing"):
        read_run(copy)


def test_files_without_an_active_cell_are_refused(copy: Path) -> None:
    for name, mask in (("params.nc", "run_cell"), ("domain.nc", "mask")):
        with netCDF4.Dataset(copy / name, "r+") as dataset:
            dataset[mask][:] = 0
        with pytest.raises(DataError, match=rf"{name}: '{mask}' is 1 in no cell, expected one at least"):
            read_run(copy)


def test_a_truncated_file_is_named(copy: Path, world: Path) -> None:
    """Of a classic format, which the library reads as zeros."""
    path = copy / "forcing.2000.nc"
    with netCDF4.Dataset(world / path.name) as old, netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as new:
        for name, dimension in old.dimensions.items():
            new.createDimension(name, None if dimension.isunlimited() else len(dimension))
        for name, variable in old.variables.items():
            made = new.createVariable(name, variable.dtype, variable.dimensions)
            made.setncatts({key: variable.getncattr(key) for key in variable.ncattrs()})
            made[:] = variable[:]
    read_run(copy)
    whole = path.read_bytes()
    path.write_bytes(whole[:-400])
    with pytest.raises(DataError, match=rf"forcing.2000.nc: incomplete: found {len(whole) - 400} bytes"):
        read_run(copy)
