"""Retrievals on their UTC days, kept in a file day by day: a period of any length takes the memory of a few days.

Granules come in the order of their days, and a retrieval lies at most a day from that in its granule's name. So a day
is complete once the granule two days later comes, and goes to the file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import RunError

REACH = 1
"""Days that a retrieval may lie from the day in its granule's name."""


class DayFile:
    """The growing series of the cells of a box: one row a day, NaN where there is no retrieval.

    Of two retrievals of a cell on one day the one nearer the nominal local time stays, which is the rule by which the
    product itself composites overlapping half-orbits.

    Attributes:
        days: UTC days [day].
        observed: cells with a retrieval on any day so far [cell].
        water: share of static water [1], NaN until a granule says it [cell].
    """

    def __init__(
        self, days: np.ndarray, lon: Float[np.ndarray, " cell"], local_hour: float, folder: Path | None
    ) -> None:
        """
        Args:
            lon: longitudes of the cells [degree].
            local_hour: nominal local solar time of the overpass [h].
            folder: where the file is, which has no name and ends with the process; ``None`` takes the system's.
        """
        self.days, self._lon, self._local_hour = days, lon, local_hour
        self.observed = np.zeros(len(lon), dtype=bool)
        self.water = np.full(len(lon), np.nan, np.float32)
        self._open: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._written = 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the series

    def add(
        self,
        day: np.datetime64,
        moisture: Float[np.ndarray, " cell"],
        time: np.ndarray,
        keep: Bool[np.ndarray, " cell"],
    ) -> None:
        """Put the kept retrievals of the granule of a day on their UTC days.

        Args:
            day: the day in the granule's name; those of later calls are later.
            moisture: [m3 m-3].
            time: UTC of the overpasses.

        Raises:
            RunError: the disk is full.
        """
        self._close_before(int((day - self.days[0]) / np.timedelta64(1, "D")) - REACH)
        at = (time.astype("datetime64[D]") - self.days[0]).astype(np.int64)
        midnight = time.astype("datetime64[D]")
        hour = (time - midnight) / np.timedelta64(1, "h") + self._lon / 15.0
        apart = np.abs((hour - self._local_hour + 12.0) % 24.0 - 12.0).astype(np.float32)
        for k in np.unique(at[keep]):
            if not self._written <= k < len(self.days):
                continue
            if k not in self._open:
                size = len(self._lon)
                self._open[int(k)] = (np.full(size, np.nan, np.float32), np.full(size, np.inf, np.float32))
            values, distance = self._open[int(k)]
            nearer = keep & (at == k) & (apart < distance)
            np.copyto(values, moisture, where=nearer)
            np.copyto(distance, apart, where=nearer)

    def finish(self) -> None:
        """Write the days that are still open; nothing can be added after that."""
        self._close_before(len(self.days))

    def read(self, first: int, stop: int) -> Float[np.ndarray, "cell day"]:
        """Values of the days ``first`` to before ``stop`` of a finished series."""
        size = len(self._lon)
        self._file.seek(4 * size * first)
        rows = np.frombuffer(self._file.read(4 * size * (stop - first)), np.float32)
        return rows.reshape(stop - first, size).T

    def _close_before(self, stop: int) -> None:
        nothing = np.full(len(self._lon), np.nan, np.float32)
        for k in range(self._written, min(stop, len(self.days))):
            values = self._open.pop(k, (nothing, nothing))[0]
            self.observed |= np.isfinite(values)
            try:
                self._file.write(values.tobytes())
                self._file.flush()
            except OSError as error:
                raise RunError(f"temporary file of soil moisture: cannot write ({error.strerror or error})") from error
            self._written = k + 1
