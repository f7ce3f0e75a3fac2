"""The time axis of the simple format: UTC days, or UTC steps of days."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from paraformer.core.arrays import Arrays
from paraformer.core.errors import DataError
from paraformer.core.lazy import deferred
from paraformer.core.physics import SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.core.time import ZONE_ATTRIBUTES, decode_times, require_steps

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

logger = logging.getLogger(__name__)

STEPS_PER_DAY = (1, 2, 3, 4, 6, 8, 12, 24)
_JITTER = 0.01
"""Largest distance from a whole step, as a part of a step, that rounding of the numbers explains."""
_NOON = (11 * SECONDS_PER_HOUR, 13 * SECONDS_PER_HOUR)
"""Stamps of daily values that stand in the middle of their day [s]."""


def time_axis(dataset: xr.Dataset | Arrays, numbers: np.ndarray, source: str) -> tuple[np.ndarray, int]:
    """UTC days (datetime64[D]) and steps a day.

    Args:
        dataset: with the variable ``time`` as it is stored.
        numbers: its values.

    Raises:
        DataError: units, calendar or time zone that are not those of UTC days; a missing, duplicate or unordered time;
            a gap; a step that does not divide the day; a sub-daily axis that starts or ends inside a day; bounds that
            say another day than the stamps.
    """
    everywhere = {str(key): value for key, value in dataset.attrs.items() if str(key).lower() in ZONE_ATTRIBUTES}
    attributes = everywhere | {str(key): value for key, value in dataset["time"].attrs.items()}
    stamps = decode_times(numbers, attributes, source=source)
    steps = _steps_per_day(stamps, source)
    offset = _time_of_day(stamps[0]) if steps == 1 else 0
    exact = require_steps(stamps - np.timedelta64(offset, "s"), steps, source) + np.timedelta64(offset, "s")
    off = np.abs(stamps - exact).max() / np.timedelta64(1, "s")
    if off:
        logger.warning("%s: variable 'time': stamps up to %g s beside their step are set to it", source, off)
    if offset and not _NOON[0] <= offset <= _NOON[1]:
        logger.warning(
            "%s: variable 'time': daily values stamped %s UTC are taken for the UTC day of the stamp",
            source,
            str(exact[0])[11:16],
        )
    if steps > 1:
        _require_whole_days(exact, steps, source)
    _check_bounds(dataset, exact, steps, attributes, source)
    return exact[::steps].astype("datetime64[D]"), steps


def _steps_per_day(stamps: np.ndarray, source: str) -> int:
    """From the usual distance of two stamps."""
    if len(stamps) < 2:
        return 1
    step = np.diff(stamps).astype(np.int64)
    for bad, what in ((step == 0, "duplicate time"), (step < 0, "time runs backwards")):
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(f"{source}: {what} {stamps[at + 1]} at position {at + 1}, after {stamps[at]}")
    seconds = float(np.median(step))
    steps = round(SECONDS_PER_DAY / seconds)
    if steps not in STEPS_PER_DAY or abs(seconds * steps / SECONDS_PER_DAY - 1) > _JITTER:
        raise DataError(
            f"{source}: variable 'time' steps by {seconds:g} s; expected 24 h / k with k one of {STEPS_PER_DAY}"
        )
    return steps


def _time_of_day(stamp: np.datetime64) -> int:
    """Seconds since midnight of daily stamps; 0 if they only miss it by rounding."""
    seconds = int(stamp.astype("datetime64[s]").astype(np.int64)) % int(SECONDS_PER_DAY)
    return 0 if min(seconds, int(SECONDS_PER_DAY) - seconds) <= _JITTER * SECONDS_PER_DAY else seconds


def _require_whole_days(stamps: np.ndarray, steps: int, source: str) -> None:
    if stamps[0] != stamps[0].astype("datetime64[D]"):
        raise DataError(f"{source}: sub-daily time starts at {stamps[0]}; expected the day's first step, 00:00 UTC")
    if len(stamps) % steps:
        raise DataError(
            f"{source}: sub-daily time ends at {stamps[-1]}, inside a day: found {len(stamps) % steps} steps, "
            f"expected {steps}"
        )


def _check_bounds(
    dataset: xr.Dataset | Arrays, stamps: np.ndarray, steps: int, attributes: dict[str, object], source: str
) -> None:
    """Where the file says from when to when a value counts, that must be the day or step it is taken for."""
    name = str(attributes.get("bounds", ""))
    if name not in dataset.variables or dataset[name].shape != (len(stamps), 2):
        return
    given = dataset[name].attrs
    named = attributes | {str(key): value for key, value in given.items()}
    begin = decode_times(dataset[name].values[:, 0], named, source=f"{source}: variable '{name}'")
    length = np.timedelta64(int(SECONDS_PER_DAY) // steps, "s")
    expected = stamps.astype("datetime64[D]").astype("datetime64[s]") if steps == 1 else stamps
    wrong = np.abs(begin - expected) > _JITTER * length
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{source}: variable '{name}' says that the value stamped {stamps[at]} begins at {begin[at]}, expected "
            f"{expected[at]}: a value is stamped inside its UTC day, or at the beginning of its step"
        )
