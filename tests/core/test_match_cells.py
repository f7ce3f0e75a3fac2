"""Cells of two lists are joined by place, whatever the order and the convention of longitudes, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import DataError
from paraformer.core.grid import cell_words, match_cells


def grid(rows: int, columns: int, step: float, south: float, west: float) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = np.meshgrid(west + step * np.arange(columns), south + step * np.arange(rows))
    return lat.ravel(), (lon.ravel() + 180) % 360 - 180


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    step=st.sampled_from([0.008, 0.0625, 0.25, 2.0]),
    corner=st.tuples(st.floats(-60, 60), st.floats(-180, 180)),
    order=st.randoms(use_true_random=False),
    eastward=st.booleans(),
    error=st.floats(-0.2, 0.2),
)
def test_any_order_and_convention_gives_the_same_cells(
    shape: tuple[int, int], step: float, corner: tuple[float, float], order: object, eastward: bool, error: float
) -> None:
    """Coordinates rounded by up to a fifth of a cell, or 0.005 degree, still name their cell."""
    lat, lon = grid(*shape, step, *corner)
    there = np.arange(len(lat))
    order.shuffle(there)  # type: ignore[attr-defined]
    moved = error * min(step, 0.025)
    other_lon = (lon[there] + moved) % 360 if eastward else (lon[there] + moved + 180) % 360 - 180
    np.testing.assert_array_equal(match_cells(lat, lon, lat[there], other_lon, source="f"), np.argsort(there))


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(2, 4)),
    step=st.sampled_from([0.008, 0.0625, 0.25]),
    shift=st.floats(0.3, 0.7),
    along=st.booleans(),
)
def test_a_shift_is_refused(shape: tuple[int, int], step: float, shift: float, along: bool) -> None:
    lat, lon = grid(*shape, step, 10.0, 20.0)
    with pytest.raises(DataError, match=r"f.nc: no cell at the place of"):
        match_cells(lat, lon, lat + shift * step * along, lon + shift * step * (not along), source="f.nc")


def test_the_neighbour_of_a_missing_cell_is_no_partner() -> None:
    """A grid of 0.008 degree: nearer than 0.01 degree is not near enough."""
    lat, lon = np.zeros(5), 0.008 * np.arange(5)
    with pytest.raises(DataError) as error:
        match_cells(lat, lon, lat[:4], lon[:4], source="f.nc", words=cell_words(lat, lon, np.arange(5) + 90))
    assert str(error.value) == (
        "f.nc: no cell at the place of cell 94 (lat 0, lon 0.032): the nearest, lat 0, lon 0.024, is 0.008 degree "
        "away, expected less than 0.002"
    )


def test_a_place_belongs_to_one_cell() -> None:
    lat, lon = np.array([1.0, 2.0, 1.0]), np.array([5.0, 5.0, 5.0])
    with pytest.raises(
        DataError, match=r"f.nc: one cell for cell 7 .lat 1, lon 5. and cell 9 .lat 1, lon 5., expected one"
    ):
        match_cells(lat, lon, lat[:2], lon[:2], source="f.nc", words=cell_words(lat, lon, np.array([7, 8, 9])))
    with pytest.raises(DataError, match=r"f.nc: more than one cell at the place of the cell at position 0"):
        match_cells(lat[:2], lon[:2], lat, lon, source="f.nc")
    match_cells(lat[1:2], lon[1:2], lat, lon, source="f.nc")  # what nobody asks for may be there twice


@pytest.mark.parametrize(
    ("lat", "lon", "words"),
    [
        (np.nan, 5.0, "latitude of .* found nan, expected -90 to 90"),
        (-105.0, 40.0, "found -105, expected -90 to 90 degrees; latitude and longitude swapped"),
        (5.0, 400.0, "longitude of .* found 400, expected -180 to 360"),
    ],
)
def test_places_that_cannot_be_are_refused(lat: float, lon: float, words: str) -> None:
    with pytest.raises(DataError, match=words):
        match_cells(np.array([1.0, lat]), np.array([5.0, lon]), np.array([1.0]), np.array([5.0]), source="f.nc")


def test_places_without_a_number_are_passed_over() -> None:
    index = match_cells(np.array([1.0]), np.array([5.0]), np.array([np.nan, 1.0]), np.array([np.nan, 5.0]), source="f")
    assert index.tolist() == [1]
    with pytest.raises(DataError, match=r"no cell with a latitude in -90\.\.90"):
        match_cells(np.array([1.0]), np.array([5.0]), np.array([np.nan]), np.array([5.0]), source="f")
    assert match_cells(np.empty(0), np.empty(0), np.array([1.0]), np.array([5.0]), source="f").size == 0


def test_a_hundred_thousand_cells_need_no_table_of_distances() -> None:
    lat, lon = grid(320, 320, 0.1, -10.0, 100.0)
    order = np.random.default_rng(0).permutation(len(lat))
    np.testing.assert_array_equal(match_cells(lat, lon, lat[order], lon[order], source="f"), np.argsort(order))
