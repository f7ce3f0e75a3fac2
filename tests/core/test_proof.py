"""A proof refuses what cannot be, clips what rounding made, says what is rare."""

import logging

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.core.proof import Proof, is_fill, numbered, place_of, rounded
from paraformer.core.variables import VOCABULARY, Variable

RAIN = Variable(
    "prcp",
    "mm day-1",
    ("cell", "time"),
    (0, 2000),
    "forcing",
    "precipitation",
    usual=(0, 500),
    rounding=1e-6,
    hint="a rate in mm day-1?",
)


def place(index: tuple[int, ...]) -> str:
    return f"cell {index[0]}, day {index[1]}"


def test_what_cannot_be_is_refused_with_place_found_and_expected() -> None:
    proof = Proof("weather.nc")
    proof.values(RAIN, np.array([[0.0, 1.0], [3000.0, np.nan]]), place)
    with pytest.raises(DataError) as error:
        proof.finish()
    assert str(error.value) == (
        "weather.nc: prcp at cell 1, day 1: missing or not a number; also prcp at cell 1, day 0: "
        "found 3000 mm day-1, expected 0 to 2000 mm day-1; a rate in mm day-1?"
    )


def test_rounding_is_clipped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    proof = Proof("weather.nc")
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        values = proof.values(RAIN, np.array([[-1e-9, 1.0]]), place)
        proof.finish()
    assert values.tolist() == [[0.0, 1.0]]
    assert "1 values in 1 cell outside 0 to 2000 mm day-1 set to the nearer end (largest change 1e-09" in caplog.text


def test_what_is_rare_is_said_with_the_number_of_cells(caplog: pytest.LogCaptureFixture) -> None:
    proof = Proof("weather.nc")
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        proof.values(RAIN, np.array([[600.0, 700.0], [1.0, 2.0]]), place)
        proof.finish()
    assert "2 values in 1 cell outside the usual 0 to 500 mm day-1, first 600 at cell 0, day 0" in caplog.text


def test_values_that_do_not_matter_are_not_proved() -> None:
    proof = Proof("params.nc")
    proof.values(RAIN, np.array([[np.nan, 1.0]]), place, used=np.array([[False, True]]))
    proof.finish()
    assert proof.refused == proof.warned == []


def test_a_file_is_proved_part_by_part(caplog: pytest.LogCaptureFixture) -> None:
    proof = Proof("weather.nc")
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        for start, rain in ((0, [[-1e-9, 600.0]]), (1, [[700.0, -2e-9], [1.0, 2.0]])):
            proof.values(RAIN, np.array(rain), lambda i, start=start: place((start + i[0], i[1])))
        proof.finish()
    assert len(caplog.records) == 2
    assert "2 values in 2 cells outside 0 to 2000 mm day-1 set to the nearer end (largest change 2e-09" in caplog.text
    assert "2 values in 2 cells outside the usual 0 to 500 mm day-1, first 600 at cell 0, day 1" in caplog.text


def test_what_looks_like_an_undeclared_fill_value_is_called_so() -> None:
    for value in (-9999.0, 9.96921e36, 1e20):
        proof = Proof("weather.nc")
        proof.values(RAIN, np.array([[value]]), place)
        with pytest.raises(DataError, match="a fill value that the file does not declare"):
            proof.finish()


def test_a_fault_is_named_once() -> None:
    """Infinity is beyond the range and no number; two tests of one file may find the same."""
    proof = Proof("weather.nc")
    for _ in range(2):
        proof.values(RAIN, np.array([[np.inf]]), place)
    with pytest.raises(DataError) as refused:
        proof.finish()
    assert str(refused.value).count("prcp at ") == 1
    assert "found inf mm day-1, expected 0 to 2000 mm day-1" in str(refused.value)


def test_a_class_is_a_whole_number() -> None:
    cover = VOCABULARY["landcover_igbp"]
    Proof("a.nc").values(cover, np.array([1.0, 17.0]), place_of(numbered("cell")))
    for value, expected in ((10.5, "expected a whole number"), (0.0, "expected 1 to 17"), (18.0, "expected 1 to 17")):
        proof = Proof("a.nc")
        proof.values(cover, np.array([1.0, value]), place_of(numbered("cell")))
        with pytest.raises(DataError, match=rf"landcover_igbp at cell 2: found {value:g}, {expected}"):
            proof.finish()


def test_rounding_is_undone_with_all_other_bits_the_same() -> None:
    values = np.array([-1e-9, 0.1, -0.0, 2000.0, -1.0], "f4")
    np.testing.assert_array_equal(rounded(RAIN, values), np.array([0.0, 0.1, -0.0, 2000.0, -1.0], "f4"))
    assert rounded(RAIN, values).dtype == np.float32
    assert np.shares_memory(rounded(RAIN, values[1:4]), values)


def test_a_step_has_a_wider_range_than_a_day() -> None:
    assert VOCABULARY["swdown"].of_step().valid == (0, 1500)
    assert VOCABULARY["tair"].of_step() == VOCABULARY["tair"]


@pytest.mark.parametrize(("value", "kept"), [(0.0, 0.0), (2000.0, 2000.0), (-1e-6, 0.0), (2000.0 + 5e-7, 2000.0)])
def test_both_ends_of_a_range_belong_to_it_and_rounding_is_set_to_them(value: float, kept: float) -> None:
    proof = Proof("weather.nc", quiet=True)
    assert proof.values(RAIN, np.array([[value]]), place).tolist() == [[kept]]
    proof.finish()
    assert rounded(RAIN, np.array([value])).tolist() == [kept]


@pytest.mark.parametrize("value", [-2e-6, 2000.0 + 2e-6, np.inf, -np.inf])
def test_what_lies_beyond_rounding_is_refused(value: float) -> None:
    proof = Proof("weather.nc", quiet=True)
    proof.values(RAIN, np.array([[value]]), place)
    with pytest.raises(DataError, match="cell 0, day 0"):
        proof.finish()
    assert rounded(RAIN, np.array([value])).tolist() == [value]


@pytest.mark.parametrize(("value", "said"), [(500.0, False), (np.nextafter(500.0, 501.0), True)])
def test_the_usual_range_is_closed_too(value: float, said: bool, caplog: pytest.LogCaptureFixture) -> None:
    proof = Proof("weather.nc")
    proof.values(RAIN, np.array([[value]]), place)
    proof.finish()
    assert ("outside the usual" in caplog.text) is said


def test_what_files_take_for_missing_and_forget_to_declare() -> None:
    fills = np.array([-9999.0, -99999.0, -999.0, -32768.0, -32767.0, 1e15, -1e15, 1e20, 9.96921e36])
    assert is_fill(fills).all()
    assert not is_fill(np.array([9999.0, 99999.0, 999.0, 32768.0, 32767.0, -9998.0, 9.9e14, 0.0, -1.0, np.nan])).any()
