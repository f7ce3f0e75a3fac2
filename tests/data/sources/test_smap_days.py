"""The file of days against the same rule over the whole period in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import RunError
from paraformer.data.sources.smap_days import DayFile

DAYS = np.arange(np.datetime64("2016-05-30"), np.datetime64("2016-06-09"))
LON = np.array([-120.0, -90.0, 0.0, 179.0, 30.0])
HOUR = 6.0


def granules(seed: int, count: int):
    """Granules in the order of their days, some days without one; overpasses up to a day before or after."""
    rng = np.random.default_rng(seed)
    offsets = np.sort(rng.choice(np.arange(-2, len(DAYS) + 2), size=count, replace=False))
    for day in DAYS[0] + offsets:
        seconds = rng.integers(-86400, 2 * 86400, len(LON)).astype("timedelta64[s]")
        time = day.astype("datetime64[ms]") + seconds
        yield day, rng.random(len(LON)).astype(np.float32), time, rng.random(len(LON)) < 0.7


def expected(seed: int, count: int) -> np.ndarray:
    """Value by value: of all retrievals of a cell and UTC day the first that is nearest to the nominal local time."""
    best: dict[tuple[int, int], tuple[float, float]] = {}
    for _, moisture, time, keep in granules(seed, count):
        for cell in np.flatnonzero(keep):
            day = int((time[cell].astype("datetime64[D]") - DAYS[0]).astype(int))
            hour = (time[cell] - time[cell].astype("datetime64[D]")) / np.timedelta64(1, "h") + LON[cell] / 15
            apart = float(np.float32(abs((hour - HOUR + 12) % 24 - 12)))
            if (cell, day) not in best or apart < best[cell, day][0]:
                best[cell, day] = (apart, moisture[cell])
    found = np.full((len(LON), len(DAYS)), np.nan, np.float32)
    for (cell, day), (_, value) in best.items():
        if 0 <= day < len(DAYS):
            found[cell, day] = value
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_as_the_whole_period_in_memory(seed, count):
    file = DayFile(DAYS, LON, HOUR, None)
    most = 0
    for day, moisture, time, keep in granules(seed, count):
        file.add(day, moisture, time, keep)
        most = max(most, len(file._open))
    file.finish()
    whole = expected(seed, count)
    np.testing.assert_array_equal(file.read(0, len(DAYS)), whole)
    np.testing.assert_array_equal(file.read(3, 5), whole[:, 3:5])
    assert file.read(4, 4).shape == (len(LON), 0)
    np.testing.assert_array_equal(file.observed, np.isfinite(whole).any(axis=1))
    assert most <= 3  # so memory does not grow with the period


def test_a_full_disk_is_one_line():
    file = DayFile(DAYS, LON, HOUR, None)

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

    file._file = Full()
    with pytest.raises(RunError, match="No space left"):
        file.finish()
