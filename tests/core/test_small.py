"""Units, time, seeding, grid, vocabulary."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from paraformer.core.errors import DataError, nearest
from paraformer.core.seeding import derive_seed, generator
from paraformer.core.time import Period, day_of_year, month_of, require_daily
from paraformer.core.units import canonical, same_unit
from paraformer.core.variables import VOCABULARY


@given(st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31)))
def test_calendar_agrees_with_the_standard_library(day: dt.date) -> None:
    days = np.array([day], dtype="datetime64[D]")
    assert month_of(days)[0] == day.month
    assert day_of_year(days)[0] == day.timetuple().tm_yday


def test_period_is_inclusive_and_must_lie_in_the_data() -> None:
    days = np.arange("2015-04-01", "2015-05-01", dtype="datetime64[D]")
    assert Period(start="2015-04-02", end="2015-04-04").mask(days).sum() == 3
    with pytest.raises(DataError, match=r"2015-04-02..2015-05-01 is not inside"):
        Period(start="2015-04-02", end="2015-05-01").mask(days)
    with pytest.raises(ValidationError, match="before it starts"):
        Period(start="2015-04-02", end="2015-04-01")


def test_time_gap_names_both_days() -> None:
    days = np.array(["2015-04-01", "2015-04-02", "2015-04-04"], dtype="datetime64[D]")
    with pytest.raises(DataError, match=r"in.nc: time gap after 2015-04-02.*found 2015-04-04.*expected 2015-04-03"):
        require_daily(days, "in.nc")
    require_daily(days[:2], "in.nc")


def test_unit_spellings() -> None:
    assert same_unit("mm/d", "mm day-1")
    assert same_unit("deg C", "celsius")
    assert not same_unit("K", "degC")
    assert not same_unit("Pa", "kPa")
    for variable in VOCABULARY.values():
        assert canonical(variable.unit) == variable.unit


def test_streams_depend_on_their_names_alone() -> None:
    one = generator(3, "ensemble", "own").random(4)
    generator(3, "something else").random(100)
    np.testing.assert_array_equal(one, generator(3, "ensemble", "own").random(4))
    assert derive_seed(3, "a") != derive_seed(4, "a") != derive_seed(3, "b")


def test_nearest_name() -> None:
    assert nearest("dropuot", ["dropout", "seed"]) == "; did you mean 'dropout'?"
    assert "valid: a, b" in nearest("zzzz", ["b", "a"])
