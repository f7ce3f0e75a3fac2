"""The time axis of a file is decoded to UTC and proved."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.errors import DataError
from paraformer.core.time import (
    DAYS_OF_MONTH,
    DAYS_PER_YEAR,
    FIRST_DAY,
    LAST_DAY,
    Period,
    decode_times,
    require_steps,
)

APRIL = np.datetime64("2015-04-01", "s")


@pytest.mark.parametrize(
    ("units", "values"),
    [
        ("days since 2015-04-01", [0, 1]),
        ("day since 2015-4-1 00:00", [0, 1]),
        ("hours since 2015-03-31 00:00:00", [24, 48]),
        ("Hours since 2015-03-31T12:00:00Z", [12, 36]),
        ("h since 2015-03-31 12 UTC", [12, 36]),
        ("minutes since 2015-04-01 00:00:00.0 +00:00", [0, 1440]),
        ("seconds since 1970-01-01 00:00:00 +0000", [1427846400, 1427932800]),
        ("days since 2015-04-01 00:00:00 0:00", [0, 1]),
    ],
)
@pytest.mark.parametrize("calendar", [None, "standard", "gregorian", "proleptic_gregorian", "Standard"])
def test_stamps_are_utc(units: str, values: list[float], calendar: str | None) -> None:
    attributes = {"units": units} | ({"calendar": calendar} if calendar else {})
    stamps = decode_times(np.array(values), attributes, source="f")
    np.testing.assert_array_equal(stamps, [APRIL, APRIL + np.timedelta64(86400, "s")])


def test_the_mixed_calendar_counts_from_its_own_first_day() -> None:
    """VIC's history files count from 0001-01-01, two days earlier in the mixed calendar."""
    for calendar, days in (("proleptic_gregorian", 735688), ("standard", 735690)):
        stamps = decode_times(np.array([days]), {"units": "days since 0001-01-01", "calendar": calendar}, source="f")
        assert stamps[0] == APRIL


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "has units '', expected 'days since"),
        ({"units": "days after 2015-04-01"}, "has units 'days after 2015-04-01'"),
        ({"units": "months since 2015-04-01"}, "has units 'months since"),
        ({"units": "days since 2015-04-31"}, "whose date is none"),
        ({"units": "days since 2015-04-01", "calendar": "noleap"}, "calendar 'noleap', expected one of standard"),
        ({"units": "days since 2015-04-01 00:00:00 -0600"}, "the time zone '-0600' in 'units', expected UTC"),
        ({"units": "days since 2015-04-01 00:00:00 EST"}, "the time zone 'EST'"),
        ({"units": "days since 2015-04-01 00:00 +05:30"}, "the time zone '.05:30'"),
        ({"units": "days since 2015-04-01", "tz": "-07:00"}, "the time zone '-07:00' in 'tz'"),
        ({"units": "days since 2015-04-01", "Time_Zone": "America/Denver"}, "'America/Denver' in 'Time_Zone'"),
    ],
)
def test_other_times_are_refused(attributes: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=rf"f.nc: variable 'time' .*{words}"):
        decode_times(np.array([0.0]), attributes, source="f.nc")


def test_missing_dates_are_refused() -> None:
    values = np.ma.masked_equal([0.0, -1.0], -1.0)
    with pytest.raises(DataError, match="missing date at position 1"):
        decode_times(values, {"units": "days since 2015-04-01"}, source="f.nc")


def test_steps_are_proved_and_rounding_is_taken_out() -> None:
    exact = APRIL + np.arange(8) * np.timedelta64(10800, "s")
    jitter = np.array([0, 100, -100, 7, 0, 0, 60, -60]).astype("timedelta64[s]")
    np.testing.assert_array_equal(require_steps(exact + jitter, 8, "f"), exact)
    for order, words in (
        ([0, 1, 1, 2], "there twice: found 2015-04-01T03:00:00 after 2015-04-01T03:00:00 at position 2"),
        ([0, 2, 1, 3], "time gap: found 2015-04-01T06:00:00 after 2015-04-01T00:00:00 .* expected 2015-04-01T03:00:00"),
        ([3, 2, 1, 0], "time runs backwards"),
    ):
        with pytest.raises(DataError, match=f"f.nc: {words}"):
            require_steps(exact[order], 8, "f.nc")
    with pytest.raises(DataError, match="at position 1: found 2015-04-01T01:00:00, expected a step of 8 a day"):
        require_steps(APRIL + np.array([0, 3600]).astype("timedelta64[s]"), 8, "f.nc")
    with pytest.raises(DataError, match="'time' is empty"):
        require_steps(exact[:0], 8, "f.nc")


def test_mean_months_are_those_of_four_years() -> None:
    days = np.arange("2013-01-01", "2017-01-01", dtype="datetime64[D]")
    month = days.astype("datetime64[M]").astype(int) % 12
    assert (np.bincount(month) / 4).tolist() == DAYS_OF_MONTH.tolist()
    assert DAYS_OF_MONTH.sum() == DAYS_PER_YEAR


def test_days_of_settings_are_those_that_nanoseconds_can_hold() -> None:
    assert Period(start=FIRST_DAY, end=LAST_DAY).end == LAST_DAY
    assert np.datetime64(FIRST_DAY, "ns").astype("datetime64[D]") == np.datetime64(FIRST_DAY)
    assert np.datetime64(LAST_DAY, "ns").astype("datetime64[D]") == np.datetime64(LAST_DAY)
    for start, end in ((FIRST_DAY - dt.timedelta(days=1), LAST_DAY), (FIRST_DAY, LAST_DAY + dt.timedelta(days=1))):
        with pytest.raises(ValidationError, match="expected a date from 1678-01-01 to 2261-12-31"):
            Period(start=start, end=end)
