"""A proof refuses what cannot be, clips what rounding made, says what is rare."""

import logging

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.core.proof import Proof
from paraformer.core.variables import Variable

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
        "weather.nc: prcp at cell 1, day 1: missing or not a number; a rate in mm day-1?; also prcp at cell 1, day 0: "
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
