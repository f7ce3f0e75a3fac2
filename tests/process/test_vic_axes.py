"""Axes of VIC's files: read in the order of their coordinates, or refused; packed values, valid ranges."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.process.vic.parameters import CellParameters
from process.vic_files import Change, change, read, rewrite, state_of


@pytest.mark.parametrize(
    ("axis", "coordinate", "numbers"),
    [
        ("month", "month", [10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("month", "month", [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("nlayer", "layer", [3, 1, 2]),
        ("nlayer", "nlayer", [2, 0, 1]),
        ("snow_band", "snow_band", [2, 1]),
        ("root_zone", "root_zone", [3, 2, 1]),
        ("veg_class", "veg_class", [2, 1, 3, 11]),
    ],
)
def test_an_axis_is_read_in_the_order_of_its_coordinates(
    vic_copy: Path, axis: str, coordinate: str, numbers: list[int]
) -> None:
    expected = read(vic_copy)
    order = np.argsort(np.argsort(numbers))  # what stands where the number says
    rewrite(vic_copy / "params.nc", {}, {axis: order}, {coordinate: np.array(numbers)})
    found = read(vic_copy)
    for name in set(CellParameters._fields) - {"tile_class"}:
        np.testing.assert_array_equal(getattr(expected, name), getattr(found, name), err_msg=name)


@pytest.mark.parametrize(
    ("coordinate", "numbers", "words"),
    [
        ("month", np.arange(12), r"the coordinate of the months is 0, 1, 2, .*, expected 1 to 12"),
        ("month", np.array([1, 1, *range(3, 13)]), r".* months is 1, 1, 3, .*, expected 1 to 12"),
        ("month", np.linspace(0.5, 11.5, 12), r".* months is 0.5, 1.5"),
        ("layer", np.array([1, 2, 4]), r"the coordinate of the layers is 1, 2, 4, expected 1 to 3"),
        ("snow_band", np.array([1, 1]), r"the coordinate of the bands is 1, 1, expected 1 to 2"),
        ("root_zone", np.array([0.1, 1.0, 2.0]), r"the coordinate of the zones is 0.1, 1, 2, expected 1 to 3"),
        ("veg_class", np.array([1, 2, 3, 3]), r"'veg_class' is 1, 2, 3, 3, expected whole numbers .* each once"),
        ("veg_class", np.array([1, 2, 3, 111]), r"'veg_class' is 1, 2, 3, 111, expected whole numbers from 0 to 99"),
        ("veg_class", np.array([4, 3, 2, 1]), r".*veg_class ends with 1, expected the largest number, 4, last"),
    ],
)
def test_axes_that_do_not_count_are_refused(vic_copy: Path, coordinate: str, numbers: np.ndarray, words: str) -> None:
    rewrite(vic_copy / "params.nc", {}, {}, {coordinate: numbers})
    with pytest.raises(DataError, match=rf"params.nc: {words}"):
        read(vic_copy)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"month": 11}, r"'LAI' has 11 months, expected 12"),
        ({"month": 13}, r"'LAI' has 13 months, expected 12"),
        ({"nlayer": 2}, r"'expt' has 2 layers, expected 3"),
        ({"nlayer": 4}, r"'expt' has 4 layers, expected 3"),
        ({"root_zone": 7}, r"found 7 root zones, expected at most 6"),
    ],
)
def test_axes_of_another_size_are_refused_in_one_line(vic_copy: Path, sizes: dict[str, int], words: str) -> None:
    rewrite(vic_copy / "params.nc", sizes, {}, {})
    with pytest.raises(DataError, match=rf"params.nc: {words}"):
        read(vic_copy)


def test_any_number_of_root_zones_is_read(vic_copy: Path) -> None:
    """Two zones, and a third without roots: the same plants."""
    rewrite(vic_copy / "params.nc", {"root_zone": 2}, {}, {})
    change(vic_copy / "params.nc", lambda d: d["root_fract"].__setitem__(slice(None), 0.5))
    assert read(vic_copy).root_depth.shape == (3, 3, 2)


def test_another_dimension_and_another_order_of_dimensions_are_refused(vic_copy: Path) -> None:
    def extra(dataset: netCDF4.Dataset) -> None:
        dataset.createDimension("time", 1)
        dataset.renameVariable("infilt", "old")
        dataset.createVariable("infilt", "f8", ("time", "lat", "lon"))[:] = 0.2

    change(vic_copy / "params.nc", extra)
    with pytest.raises(DataError, match=r"'infilt' has dimensions time, lat, lon, expected lat, lon"):
        read(vic_copy)

    def turned(dataset: netCDF4.Dataset) -> None:
        dataset.renameVariable("infilt", "extra")
        dataset.createVariable("infilt", "f8", ("lon", "lat"))[:] = 0.2

    change(vic_copy / "params.nc", turned)
    with pytest.raises(DataError, match=r"'infilt' has dimensions lon, lat, expected lat, lon"):
        read(vic_copy)


def test_packed_values_are_unpacked_and_a_scale_of_0_is_refused(vic_copy: Path) -> None:
    def packed(scale: float) -> Change:
        def how(dataset: netCDF4.Dataset) -> None:
            name = "infilt" if "infilt_" not in dataset.variables else "packed"
            dataset.renameVariable(name, f"{name}_")
            made = dataset.createVariable("infilt", "i2", ("lat", "lon"), fill_value=-1)
            made.set_auto_maskandscale(False)
            made.setncatts({"scale_factor": scale, "valid_range": np.array([0, 500], dtype="i2")})
            made[:] = [[100, 200], [-1, 300]]

        return how

    change(vic_copy / "params.nc", packed(0.001))
    np.testing.assert_allclose(read(vic_copy).infilt, [0.1, 0.2, 0.3])
    change(vic_copy / "params.nc", lambda d: d["infilt"].setncattr("valid_range", np.array([0, 250], dtype="i2")))
    with pytest.raises(DataError, match=r"infilt at cell 90 .*: missing"):
        read(vic_copy)
    change(vic_copy / "params.nc", lambda d: d["infilt"].setncattr("scale_factor", 0.0))
    with pytest.raises(DataError, match=r"params.nc: variable 'infilt' cannot be read .*scale_factor is 0"):
        read(vic_copy)


def test_a_state_is_read_in_the_order_of_its_axes(vic_copy: Path) -> None:
    expected = state_of(vic_copy)
    numbers = {"snow_band": np.array([1, 0]), "veg_class": np.array([4, 1, 3, 2]), "layer": np.array([2, 1, 0])}
    order = {"nlayer" if k == "layer" else k: np.argsort(np.argsort(v)) for k, v in numbers.items()}
    rewrite(vic_copy / "state.nc", {}, order, numbers)
    np.testing.assert_array_equal(state_of(vic_copy), expected)


def test_classes_that_a_state_does_not_count_are_refused(vic_copy: Path) -> None:
    rewrite(vic_copy / "state.nc", {}, {}, {"veg_class": np.array([1, 2, 5, 6])})
    with pytest.raises(DataError, match=r"state.nc: the coordinate of the classes is 1, 2, 5, 6, expected 1 to 4"):
        state_of(vic_copy)
