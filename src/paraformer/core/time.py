"""Calendar of the project: UTC days, proleptic Gregorian; a period names its first and last day, both included."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

import cftime
import numpy as np
from jaxtyping import Bool
from pydantic import BeforeValidator, Field, model_validator

from paraformer.core.errors import DataError
from paraformer.core.physics import SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.core.settings import Settings

DAYS_OF_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Days of the mean calendar month; they sum to those of a mean year."""
DAYS_PER_YEAR = 365.25
"""Mean length of a year."""
FIRST_YEAR = 365
"""Days from the beginning of a series that stand for those before it."""

FIRST_DAY, LAST_DAY = dt.date(1678, 1, 1), dt.date(2261, 12, 31)
"""What time axes in nanoseconds, as xarray has them, can hold."""


def _day(given: Any) -> dt.date:
    if isinstance(given, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
        given = dt.date.fromisoformat(given)
    if type(given) is not dt.date:
        raise ValueError("expected a date, YYYY-MM-DD")
    if not FIRST_DAY <= given <= LAST_DAY:
        raise ValueError(f"expected a date from {FIRST_DAY} to {LAST_DAY}, found {given}")
    return given


Day = Annotated[dt.date, BeforeValidator(_day)]
"""A UTC day of a setting: a date, or its text ``YYYY-MM-DD``; no number stands for one."""


class Period(Settings):
    """A span of UTC days, first and last included. In a study file: ``{start: 2015-04-01, end: 2016-03-31}``."""

    start: Day = Field(description="first day (UTC)")
    end: Day = Field(description="last day, included")

    @model_validator(mode="after")
    def _is_ordered(self) -> Period:
        if self.end < self.start:
            raise ValueError(f"period ends ({self.end}) before it starts ({self.start})")
        return self

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.end - self.start).days + 1

    def mask(self, days: np.ndarray) -> Bool[np.ndarray, " time"]:
        """Days [datetime64] inside the period.

        Raises:
            DataError: if the period is not wholly inside ``days``.
        """
        days = days.astype("datetime64[D]")
        start, end = np.datetime64(self.start, "D"), np.datetime64(self.end, "D")
        if start < days[0] or end > days[-1]:
            raise DataError(f"period {self} is not inside the data's time axis {days[0]}..{days[-1]}")
        return (days >= start) & (days <= end)

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"


def month_of(days: np.ndarray) -> np.ndarray:
    """Calendar month 1..12 of each day (int64)."""
    days = days.astype("datetime64[D]")
    return days.astype("datetime64[M]").astype(np.int64) % 12 + 1


def day_of_year(days: np.ndarray) -> np.ndarray:
    """Day of year 1..366 of each day (int64)."""
    days = days.astype("datetime64[D]")
    return (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1


def require_daily(days: np.ndarray, source: str) -> None:
    """Raise unless ``days`` steps by exactly one day.

    Raises:
        DataError: naming the first gap, with the file.
    """
    stamps = days.astype("datetime64[s]")
    if stamps.size == 0:
        raise DataError(f"{source}: variable 'time' is empty")
    missing = np.isnat(stamps)
    if missing.any():
        raise DataError(f"{source}: variable 'time' holds a missing date at position {int(np.argmax(missing))}")
    step = np.diff(stamps)
    wrong = step != np.timedelta64(1, "D")
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{source}: time gap after {stamps[at]}: found {stamps[at + 1]}, "
            f"expected {stamps[at] + np.timedelta64(1, 'D')}"
        )


CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_SECONDS = dict.fromkeys(("day", "d"), SECONDS_PER_DAY) | dict.fromkeys(("hour", "hr", "h"), SECONDS_PER_HOUR)
_SECONDS |= dict.fromkeys(("minute", "min"), 60.0) | dict.fromkeys(("second", "sec", "s"), 1.0)
_UNITS = re.compile(
    r"\s*(?P<unit>[a-z]+?)s?\s+since\s+(?P<year>\d{1,4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"([t\s]+(?P<hour>\d{1,2})(:(?P<minute>\d{1,2})(:(?P<second>\d{1,2})(\.0*)?)?)?)?\s*(?P<zone>\S.*)?",
    re.IGNORECASE,
)
_UTC = re.compile(r"(utc|gmt|z)?\s*([+-]?0{1,2}(:?0{1,2})?)?", re.IGNORECASE)
ZONE_ATTRIBUTES = {"time_zone", "timezone", "tz", "utc_offset"}
_EPOCH = "seconds since 1970-01-01"


def decode_times(values: np.ndarray, attributes: Mapping[str, Any], *, source: str) -> np.ndarray:
    """UTC stamps, rounded to the second, of a CF time axis (datetime64[s]).

    Args:
        values: numbers of the variable ``time``.
        attributes: its attributes: ``units`` (``days since 2015-04-01``), ``calendar``, ``standard`` by default.
        source: the file, as errors begin.

    Raises:
        DataError: other units or calendar, a time zone that is not UTC, or a missing value.
    """
    calendar = str(attributes.get("calendar", "standard")).strip().lower()
    if calendar not in CALENDARS:
        raise DataError(f"{source}: variable 'time' has calendar '{calendar}', expected one of {', '.join(CALENDARS)}")
    units = str(attributes.get("units", ""))
    found = _UNITS.fullmatch(units)
    seconds = _SECONDS.get(found["unit"].lower()) if found else None
    if found is None or seconds is None:
        raise DataError(f"{source}: variable 'time' has units '{units}', expected 'days since YYYY-MM-DD' or of hours")
    zones = {name: str(attributes[name]) for name in attributes if name.lower() in ZONE_ATTRIBUTES}
    for name, zone in {"units": found["zone"] or "", **zones}.items():
        if zone.strip() and not _UTC.fullmatch(zone.strip()):
            raise DataError(f"{source}: variable 'time' has the time zone '{zone.strip()}' in '{name}', expected UTC")
    numbers = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise DataError(f"{source}: variable 'time' holds a missing date at position {int(np.argmax(bad))}")
    parts = [int(found[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        origin = cftime.date2num(cftime.datetime(*parts, calendar=calendar), _EPOCH, calendar)
    except ValueError as error:
        raise DataError(f"{source}: variable 'time' has units '{units}', whose date is none ({error})") from error
    return np.datetime64(0, "s") + (np.rint(numbers * seconds).astype(np.int64) + int(origin))


def require_steps(stamps: np.ndarray, steps_per_day: int, source: str) -> np.ndarray:
    """Stamps of equal steps of a day, each set to the step it is within a hundredth of (datetime64[s]).

    Raises:
        DataError: naming the first stamp that is no step, that runs backwards, is there twice, or follows a gap.
    """
    if stamps.size == 0:
        raise DataError(f"{source}: variable 'time' is empty")
    length = int(SECONDS_PER_DAY) // steps_per_day
    seconds = stamps.astype("datetime64[s]").astype(np.int64)
    number = np.rint(seconds / length).astype(np.int64)
    exact = np.datetime64(0, "s") + number * length
    off = np.abs(seconds - number * length) > length / 100
    if off.any():
        at = int(np.argmax(off))
        raise DataError(
            f"{source}: variable 'time' at position {at}: found {stamps[at]}, expected a step of {steps_per_day} a day"
        )
    step = np.diff(number)
    if (step != 1).any():
        at = int(np.argmax(step != 1))
        what = "there twice" if step[at] == 0 else "time runs backwards" if step[at] < 0 else "time gap"
        raise DataError(
            f"{source}: {what}: found {exact[at + 1]} after {exact[at]} at position {at + 1}, "
            f"expected {exact[at] + np.timedelta64(length, 's')}"
        )
    return exact
