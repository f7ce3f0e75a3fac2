"""The time axis: UTC days or steps; zones and shifted days are refused, rounding is set to its step and said."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.data.sources.time_axis import time_axis

SINCE = "days since 2015-04-01"
DAYS = np.arange(40.0)


def read(numbers: np.ndarray, units: str = SINCE, bounds: np.ndarray | None = None, **given):
    attributes = {"units": units, **given.pop("attributes", {})}
    dataset = xr.Dataset(coords={"time": ("time", numbers, attributes)}, attrs=given)
    if bounds is not None:
        dataset["time"].attrs["bounds"] = "time_bnds"
        dataset["time_bnds"] = (("time", "nv"), bounds)
    return time_axis(dataset, numbers, "in.nc")


@pytest.mark.parametrize("zone", [" 00:00:00 +05:30", " 00:00:00 -6:00", " 00:00:00 EST", " 00:00:00 Europe/Berlin"])
def test_a_time_zone_in_the_units_is_refused(zone):
    with pytest.raises(DataError, match=r"in\.nc: variable 'time' has the time zone '.*' in 'units', expected UTC"):
        read(DAYS, SINCE + zone)


@pytest.mark.parametrize("zone", [" 00:00:00 UTC", "T00:00:00Z", " 00:00:00 +00:00", " GMT", " 00:00:00.0"])
def test_utc_has_many_names(zone):
    days, steps = read(DAYS, SINCE + zone)
    assert (str(days[0]), str(days[-1]), steps) == ("2015-04-01", "2015-05-10", 1)


@pytest.mark.parametrize("name", ["time_zone", "tz", "timezone", "utc_offset"])
def test_a_time_zone_beside_the_units_is_refused(name):
    for given in ({"attributes": {name: "-07:00"}}, {name: "America/Denver"}):
        with pytest.raises(DataError, match=rf"has the time zone '.*' in '{name}', expected UTC"):
            read(DAYS, **given)
    read(DAYS, **{name: "UTC"})


@pytest.mark.parametrize(
    ("numbers", "seconds"),
    [
        (DAYS - 1e-4, 9),  # 9 s before midnight: not the day before
        (DAYS + 2e-4 * np.sin(DAYS), 17),
        ((DAYS + 42094).astype("f4") + np.float32(0.004), 338),
    ],
)
def test_stamps_that_rounding_moved_are_set_to_their_day_and_said(caplog, numbers, seconds):
    units = SINCE if numbers.dtype == np.float64 else "days since 1900-01-01"
    days, _ = read(numbers, units)
    assert (str(days[0]), str(days[-1])) == ("2015-04-01", "2015-05-10") if units == SINCE else True
    assert (np.diff(days) == np.timedelta64(1, "D")).all()
    assert f"stamps up to {seconds} s beside their step are set to it" in caplog.text


def test_stamps_beside_midnight_are_days_and_odd_ones_are_said(caplog):
    for hour in (0, 12):
        assert str(read(DAYS + hour / 24)[0][0]) == "2015-04-01"
    assert not caplog.text
    assert str(read(DAYS + 0.25)[0][0]) == "2015-04-01"
    assert "daily values stamped 06:00 UTC are taken for the UTC day of the stamp" in caplog.text


def test_sub_daily_rounding(caplog):
    days, steps = read(np.arange(80) / 8 + 1e-5 * np.sin(np.arange(80)))
    assert (len(days), steps) == (10, 8)
    assert "stamps up to 1 s beside their step" in caplog.text


@pytest.mark.parametrize("steps", [1, 4])
def test_bounds_must_say_the_day_that_is_taken(steps):
    numbers = np.arange(40.0) / steps
    read(numbers, bounds=np.stack([numbers, numbers + 1 / steps], axis=1))
    with pytest.raises(
        DataError, match=r"variable 'time_bnds' says that the value stamped 2015-04-01T00:00:00 begins at 2015-03-31"
    ):
        read(numbers, bounds=np.stack([numbers - 1 / steps, numbers], axis=1))
    if steps == 1:
        read(numbers + 0.5, bounds=np.stack([numbers, numbers + 1], axis=1))


@pytest.mark.parametrize(
    ("numbers", "units", "message"),
    [
        (DAYS[::-1], SINCE, "time runs backwards"),
        (np.r_[DAYS[:5], DAYS[4:]], SINCE, "duplicate time 2015-04-05"),
        (np.r_[DAYS[:5], DAYS[6:]], SINCE, "time gap: found 2015-04-07T00:00:00 after 2015-04-05"),
        (np.r_[DAYS[:5], np.nan, DAYS[6:]], SINCE, "missing date at position 5"),
        (DAYS, "days since 2015-02-30", "whose date is none"),
        (DAYS, "months since 2015-04-01", "expected 'days since YYYY-MM-DD'"),
        (DAYS / 5, SINCE, "steps by 17280 s"),
    ],
)
def test_an_axis_that_is_none_is_refused(numbers, units, message):
    with pytest.raises(DataError, match=rf"in\.nc: .*{message}"):
        read(numbers, units)
