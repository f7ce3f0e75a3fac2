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
from paraformer.process.files import Places, ProcessFiles, land_at
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
from paraformer.process.vic.files import read_domain, read_parameters, write_parameters
from process.drop_in import MASK, global_file
from process.vic_files import FILES, read_run, rearrange

ORDER = st.permutations(range(MASK.size)).map(np.array)
CHANGE = st.fixed_dictionaries({"order": ORDER, "eastward": st.booleans(), "flat": st.booleans()})
few = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a smaller example tells no more, and every one reads files
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def places(folder: Path) -> Places:
    domain = read_domain(folder / "domain.nc")
    return Places(np.array([70, 80, 90]), domain.cell_lat, domain.cell_lon)


def read_study(folder: Path, wanted: Places) -> list[np.ndarray]:
    """Everything a study takes from the files, in the order of its cells."""
    land = land_at(ProcessFiles(*(folder / name for name in ("params.nc", "domain.nc", "state.nc"))), wanted)
    assert land.state is not None
    return [*land.parameters, land.state]


@few
@given(changes=st.dictionaries(st.sampled_from(FILES[:3]), CHANGE), order=st.permutations(range(3)))
def test_a_study_reads_the_same_cells_from_files_in_any_order(
    vic_world: Path, tmp_path: Path, changes: Mapping[str, dict], order: list[int]
) -> None:
    for name in FILES[:3]:
        shutil.copy(vic_world / name, tmp_path)
    for name, change in changes.items():
        rearrange(vic_world / name, tmp_path / name, **change)
    wanted = places(vic_world).select(np.array(order))
    for expected, found in zip(read_study(vic_world, wanted), read_study(tmp_path, wanted), strict=True):
        np.testing.assert_array_equal(expected, found)
    turned = wanted._replace(lon=wanted.lon % 360)
    for expected, found in zip(read_study(vic_world, wanted), read_study(tmp_path, turned), strict=True):
        np.testing.assert_array_equal(expected, found)


@few
@given(changes=st.dictionaries(st.sampled_from(FILES), CHANGE))
def test_vic_run_reads_the_same_cells_from_files_in_any_order(
    vic_world: Path, tmp_path: Path, changes: Mapping[str, dict]
) -> None:
    for name in FILES:
        shutil.copy(vic_world / name, tmp_path)
    for name, change in changes.items():
        rearrange(vic_world / name, tmp_path / name, **change)
    for expected, found in zip(read_run(vic_world), read_run(tmp_path), strict=True):
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("shift", [0.02, 0.5, 1.0, -40.0])
def test_a_file_shifted_against_the_others_is_refused(vic_copy: Path, vic_world: Path, name: str, shift: float) -> None:
    rearrange(vic_world / name, vic_copy / name, np.arange(4), flat=False, shift=shift)
    with pytest.raises(DataError, match=r"no cell at the place of row \d, column \d \(lat 4[01], lon -?\d+"):
        read_run(vic_copy)
    if name != "forcing.2000.nc":
        with pytest.raises(DataError, match=r"\.nc: no cell at the place of cell [789]0 \(lat 4[01]"):
            read_study(vic_copy, places(vic_world))


def test_a_study_obeys_mask_and_run_cell(vic_copy: Path, vic_world: Path) -> None:
    with netCDF4.Dataset(vic_copy / "params.nc", "r+") as dataset:
        dataset["run_cell"][0, 1] = 0
    with pytest.raises(DataError, match=r"params.nc: run_cell at cell 80 \(lat 40, lon -99\): found 0, expected 1$"):
        read_study(vic_copy, places(vic_world))
    read_study(vic_copy, places(vic_world).select(np.array([0, 2])))
    with netCDF4.Dataset(vic_copy / "domain.nc", "r+") as dataset:
        dataset["mask"][0, 0] = 0
    with pytest.raises(DataError, match=r"domain.nc: cell 70 \(lat 40, lon -100\) is masked out, expected an active"):
        read_study(vic_copy, places(vic_world))


def test_theta_goes_to_the_cells_of_its_places(vic_copy: Path, vic_world: Path) -> None:
    """Written into a file in another order, and read back from it."""
    rearrange(vic_world / "params.nc", vic_copy / "params.nc", np.array([2, 0, 3, 1]), eastward=True)
    wanted = places(vic_world)
    theta = np.array([[0.11, 7.0], [0.12, 8.0], [0.13, 9.0]])
    write_parameters(vic_copy / "params.nc", vic_copy / "theta.nc", wanted.lat, wanted.lon, ("infilt", "expt_2"), theta)
    found = read_parameters(vic_copy / "theta.nc", read_domain(vic_copy / "domain.nc"))
    np.testing.assert_array_equal(found.infilt, theta[:, 0])
    np.testing.assert_array_equal(found.expt[:, 1], theta[:, 1])
    with pytest.raises(DataError, match=r"params.nc: no cell at the place of cell 70 \(lat 45"):
        write_parameters(
            vic_copy / "params.nc",
            vic_copy / "x.nc",
            wanted.lat + 5,
            wanted.lon,
            ("ds",),
            theta[:, :1],
            cells=wanted.cells,
        )


def test_a_run_gives_the_same_history_and_state(vic_copy: Path, vic_world: Path) -> None:
    """`vic run` from end to end, parameters and forcing in other orders than the domain."""
    extra = f"STATENAME {{}}/end\nSTATEYEAR 2001\nSTATEMONTH 1\nSTATEDAY 10\nINIT_STATE {vic_world}/state.nc"
    expected = run_global(read_global_parameters(global_file(vic_world, extra=extra.format(vic_world))))
    rearrange(vic_world / "params.nc", vic_copy / "params.nc", np.array([1, 3, 0, 2]), eastward=True)
    rearrange(vic_world / "forcing.2000.nc", vic_copy / "forcing.2000.nc", np.array([3, 2, 1, 0]), flat=False)
    found = run_global(read_global_parameters(global_file(vic_copy, extra=extra.format(vic_copy))))
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
def test_coordinates_and_masks_that_cannot_be(vic_copy: Path, name: str, spoil: tuple[str, float], words: str) -> None:
    with netCDF4.Dataset(vic_copy / name, "r+") as dataset:
        dataset[spoil[0]][:1] = spoil[1]
    with pytest.raises(DataError, match=words):
        read_run(vic_copy)


def test_units_text_and_missing_coordinates_are_refused(vic_copy: Path) -> None:
    with netCDF4.Dataset(vic_copy / "params.nc", "r+") as dataset:
        dataset["lat"].units = "radians"
    with pytest.raises(DataError, match=r"params.nc: variable 'lat' has units 'radians', expected degrees of lat"):
        read_run(vic_copy)
    with netCDF4.Dataset(vic_copy / "params.nc", "r+") as dataset:
        dataset["lat"].units = "degrees_east"
    with pytest.raises(DataError, match=r"has units 'degrees_east', expected degrees of lat"):
        read_run(vic_copy)
    with netCDF4.Dataset(vic_copy / "params.nc", "r+") as dataset:
        dataset.renameVariable("lat", "old")
        dataset.createVariable("lat", str, ("lat",))[:] = np.array(["40N", "41N"], dtype=object)
    with pytest.raises(DataError, match=r"params.nc: variable 'lat' holds text"):
        read_run(vic_copy)
    with netCDF4.Dataset(vic_copy / "domain.nc", "r+") as dataset:
        dataset.renameVariable("lon", "x_of_cell")
    with pytest.raises(DataError, match=r"domain.nc: variable 'lon' is missing"):
        read_run(vic_copy)


def test_files_without_an_active_cell_are_refused(vic_copy: Path) -> None:
    for name, mask in (("params.nc", "run_cell"), ("domain.nc", "mask")):
        with netCDF4.Dataset(vic_copy / name, "r+") as dataset:
            dataset[mask][:] = 0
        with pytest.raises(DataError, match=rf"{name}: '{mask}' is 1 in no cell, expected one at least"):
            read_run(vic_copy)


def test_a_truncated_file_is_named(vic_copy: Path, vic_world: Path) -> None:
    """Of a classic format, which the library reads as zeros."""
    path = vic_copy / "forcing.2000.nc"
    with netCDF4.Dataset(vic_world / path.name) as old, netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as new:
        for name, dimension in old.dimensions.items():
            new.createDimension(name, None if dimension.isunlimited() else len(dimension))
        for name, variable in old.variables.items():
            made = new.createVariable(name, variable.dtype, variable.dimensions)
            made.setncatts({key: variable.getncattr(key) for key in variable.ncattrs()})
            made[:] = variable[:]
    read_run(vic_copy)
    whole = path.read_bytes()
    path.write_bytes(whole[:-400])
    with pytest.raises(DataError, match=rf"forcing.2000.nc: incomplete: found {len(whole) - 400} bytes"):
        read_run(vic_copy)
