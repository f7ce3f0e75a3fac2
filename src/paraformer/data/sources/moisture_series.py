"""Soil moisture of a product in a period, with its standard error: cells at once, values of some days on demand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.grid import Raster
from paraformer.core.time import Period
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.gridded_files import Window
from paraformer.data.sources.smap_days import DayFile

LOCAL_HOUR = 6.0
"""Of two values on one UTC day the one nearer this local solar time stays, when the soil is evenest [h]."""


@dataclass(frozen=True)
class MoistureSeries:
    """As ``smap.SmapSeries``: what ``products`` needs of an observation.

    Attributes:
        name: of the soil moisture; its standard error is ``<name>_uncertainty``.
        grid: whose identifiers the cells have.
        cells: with a value in the period, and their centres [degree].
        attrs: of the datasets; ``quality`` counts, as JSON, what was kept and dropped.
    """

    name: str
    grid: Raster
    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    attrs: dict[str, str]
    _at: Int[np.ndarray, " cell"]
    _values: DayFile
    _errors: DayFile | None

    @property
    def days(self) -> np.ndarray:
        """UTC days of the period."""
        return self._values.days

    def dataset(self, first: np.datetime64, last: np.datetime64) -> xr.Dataset:
        """The days from ``first`` to ``last`` that belong to the period, as a dataset of the simple format [m3 m-3]."""
        start, stop = (int(k) for k in np.searchsorted(self.days, [first, last + np.timedelta64(1, "D")]))
        variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]] = {
            self.name: (("cell", "time"), self._values.read(start, stop)[self._at], {"units": "m3 m-3"})
        }
        if self._errors is not None:
            said = {"units": "m3 m-3", "long_name": f"standard error of {self.name}"}
            said["comment"] = "of a regridded value: the mean of those of its cells, as if their errors were one"
            variables[f"{self.name}_uncertainty"] = (("cell", "time"), self._errors.read(start, stop)[self._at], said)
        return simple_dataset(self.cells, self.lat, self.lon, self.days[start:stop], variables, self.attrs)


class Gathering:
    """Collects the values of a product, day after day, on the UTC days that they are of.

    Args:
        folder: of the temporary file.
        with_errors: whether the product has standard errors.
    """

    def __init__(self, period: Period, window: Window, folder: Path | None, *, with_errors: bool) -> None:
        days = np.arange(np.datetime64(period.start, "D"), np.datetime64(period.end, "D") + 1)
        self._window = window
        self._values = DayFile(days, window.lon, LOCAL_HOUR, folder)
        self._errors = DayFile(days, window.lon, LOCAL_HOUR, folder) if with_errors else None

    def add(
        self,
        day: np.datetime64,
        values: Float[np.ndarray, " cell"],
        errors: Float[np.ndarray, " cell"] | None,
        time: np.ndarray,
        keep: Bool[np.ndarray, " cell"],
    ) -> None:
        """What to keep of a file whose name or stamp is of a day; ``time`` is the UTC moment of each value."""
        self._values.add(day, values.astype(np.float32), time, keep)
        if self._errors is not None and errors is not None:
            self._errors.add(day, errors.astype(np.float32), time, keep)

    def finish(self) -> Bool[np.ndarray, " cell"]:
        """Cells with a value."""
        self._values.finish()
        if self._errors is not None:
            self._errors.finish()
        return self._values.observed

    def series(self, name: str, grid: Raster, attrs: dict[str, str]) -> MoistureSeries:
        """All that was kept."""
        at, window = np.flatnonzero(self._values.observed), self._window
        return MoistureSeries(
            name, grid, window.cells[at], window.lat[at], window.lon[at], attrs, at, self._values, self._errors
        )
