"""Calendar of the project: UTC days, proleptic Gregorian; a period names its first and last day, both included."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool
from pydantic import BeforeValidator, model_validator

from paraformer.core.errors import DataError
from paraformer.core.settings import Settings

DAYS_OF_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Days of the mean calendar month; they sum to the 365.25 of a mean year."""


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

    start: Day
    end: Day

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
    wrong = step != np.timedelta64(86400, "s")
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{source}: time gap after {stamps[at]}: found {stamps[at + 1]}, "
            f"expected {stamps[at] + np.timedelta64(86400, 's')}"
        )
