"""ERA5-Land: hourly or daily netCDF files of the Climate Data Store, 0.1 degree, land only.

At a stamp t, temperature, dew point, wind and pressure are of that moment; precipitation and radiation are sums since
00 UTC of the day, and at 00 UTC those of the whole day before. Both are brought to the hour that begins at t, as in
``nldas``: sums are differences of the two stamps, everything else is the mean of both. A UTC day needs 25 stamps.
Daily files hold means of the UTC day; the sums of a day are what the hourly data have at 00 UTC of the next.

Sources: Munoz-Sabater, J. et al. (2021), Earth Syst. Sci. Data 13, 4349-4383; ECMWF, ERA5-Land: data documentation
(accumulations; computation of near-surface humidity); IFS Documentation CY45R1, Part IV, eqs. 7.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.physics import KELVIN, MM_PER_M, PA_PER_KPA, SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.estimates import refuse_unasked
from paraformer.data.sources.forcing_config import Era5LandConfig
from paraformer.data.sources.gridded_files import GriddedFiles, Window

GRID = Raster("ERA5-Land 0.1 degree", "EPSG:4326", x0=-180.05, y0=89.95, dx=0.1, dy=-0.1, rows=1799, columns=3600)
"""Row 0 is that of 89.9 N, column 0 that of 180 W; the two poles, whose cells would reach beyond them, are left out."""

STATES = {"t2m": "K", "d2m": "K", "u10": "m s-1", "v10": "m s-1", "sp": "Pa"}
TOTALS = {"tp": "m", "ssrd": "J m-2", "strd": "J m-2"}
"""Variables that are read, with the unit they must state."""

MEANING = {
    "t2m": "2m_temperature",
    "d2m": "2m_dewpoint_temperature",
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "sp": "surface_pressure",
    "tp": "total_precipitation",
    "ssrd": "surface_solar_radiation_downwards",
    "strd": "surface_thermal_radiation_downwards",
}
"""Names by which they are ordered."""

REQUIRED = ("t2m", "d2m", "tp", "ssrd")
OPTIONAL = {"strd": "lwdown", "sp": "pres", "u10": "wind", "v10": "wind"}
"""Variables whose forcing has an estimate, if a study allows it."""

FALL = 0.01
"""Part of a sum since 00 UTC by which packed numbers may fall from one hour to the next, and ..."""
SLIGHT = {"tp": 1e-5, "ssrd": SECONDS_PER_HOUR, "strd": SECONDS_PER_HOUR}
"""... what they may fall beside that: 0.01 mm, and 1 W m-2 of an hour."""
BRIGHTEST = 1500.0
"""Largest short-wave radiation of an hour [W m-2]."""

_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")
_BLOCK_BYTES = 256 * 2**20
_COPIES = 3
"""Of what is read, while means and differences are made."""


def dewpoint_vapour_pressure(dewpoint: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Vapour pressure [kPa] of the dew point [K], over water: ``0.61121 exp(17.502 (T - 273.16) / (T - 32.19))``.

    Source: IFS Documentation CY45R1, Part IV, eq. 7.5, with which the dew point was made.
    """
    return 0.61121 * np.exp(17.502 * (dewpoint - 273.16) / (dewpoint - 32.19))


def find_era5_land(config: Era5LandConfig) -> GriddedFiles:
    """Variables of the folder and when the period has them.

    Raises:
        DataError: no netCDF file, one that cannot be read, a time missing or twice, or a variable missing that has no
            estimate or whose estimate the study does not allow.
    """
    first, last = np.datetime64(config.period.start, "h"), np.datetime64(config.period.end, "h") + 24 * _HOUR
    hourly = config.files == "hourly"
    twice = "" if hourly else "; hourly files (data.products.forcing.files: hourly)?"
    files = GriddedFiles(config.folder, STATES | TOTALS, _keys(config), first, last, twice)
    for name in REQUIRED:
        files.require(name, f" ({MEANING[name]} of ERA5-Land)")
    refuse_unasked(config, dict.fromkeys(field for name, field in OPTIONAL.items() if name not in files))
    needed = np.arange(first, last + 1 if hourly else last, _HOUR if hourly else _DAY)
    why = "; a UTC day is made of 25 hours, 00:00 to 00:00 of the next day (daily files: data.products.forcing.files)"
    why = why if hourly else ""
    for name in STATES | TOTALS:
        if name in files:
            files.require_moments(name, needed[1:] if hourly and name in TOTALS else needed, why)
    return files


def _keys(config: Era5LandConfig) -> Callable[[str, np.ndarray], np.ndarray]:
    """What stamps stand for: the hour itself, or the day of a mean or a sum."""

    def hourly(name: str, stamps: np.ndarray) -> np.ndarray:
        hours = stamps.astype("datetime64[h]")
        if (hours != stamps).any():
            odd = stamps[int(np.argmax(hours != stamps))]
            raise DataError(f"{config.folder}: variable '{name}' is stamped {odd}, expected whole hours")
        return hours

    def daily(name: str, stamps: np.ndarray) -> np.ndarray:
        days = stamps.astype("datetime64[D]")
        if name in STATES or config.totals == "begin":
            return days.astype("datetime64[h]")
        ended = np.where(days == stamps, days - _DAY, np.datetime64("NaT", "D"))
        return ended.astype("datetime64[h]")

    return hourly if config.files == "hourly" else daily


def era5_land_blocks(config: Era5LandConfig, progress: Progress | None = None) -> Iterator[xr.Dataset]:
    """Forcings as blocks of the simple format that follow each other in time, each at most about 256 MiB.

    Cells are the land cells of the 0.1 degree grid in the region, identified by ``row * 3600 + column`` (``GRID``).

    Yields:
        Those of ``FORCING (cell, time)`` that the files give; precipitation is a rate [mm day-1] in every step.

    Raises:
        DataError: as ``find_era5_land``; a time is missing, a variable has another unit or place, sums that are not
            since 00 UTC, or a cell loses its values.
    """
    files = find_era5_land(config)
    start, stop = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D") + 1
    reader = _Reader(config, files, start)
    per_day = _COPIES * len(STATES | TOTALS) * len(reader.window.cells) * (25 if config.files == "hourly" else 1) * 8
    length = int(np.clip(_BLOCK_BYTES // per_day, 1, 31))
    with (progress or Progress()).task("reading ERA5-Land", int((stop - start) // _DAY), unit="days") as advance:
        for begin in np.arange(start, stop, length):
            end = min(begin + length, stop)
            yield reader.block(begin, end)
            advance(int((end - begin) // _DAY))


class _Reader:
    """Land cells of the region, and blocks of their forcing.

    Attributes:
        land: positions of cells with values in the window.
    """

    def __init__(self, config: Era5LandConfig, files: GriddedFiles, start: np.datetime64) -> None:
        self.config, self.files = config, files
        self.hourly = config.files == "hourly"
        self.window: Window = files.window("t2m", GRID, config.region)
        self.names = [name for name in STATES | TOTALS if name in files]
        first = start.astype("datetime64[h]")
        at = {name: first + _HOUR if self.hourly and name in TOTALS else first for name in self.names}
        values = [files.read(name, np.array([at[name]]), self.window)[0] for name in self.names]
        self.land = np.flatnonzero(np.isfinite(values).all(axis=0))
        if not self.land.size:
            raise DataError(f"{config.folder}: no cell of the region has forcing on {start} (ERA5-Land is land only)")

    def block(self, begin: np.datetime64, end: np.datetime64) -> xr.Dataset:
        """Means of the steps of the days ``begin`` to before ``end``."""
        found = self._hourly(begin, end) if self.hourly else self._daily(begin, end)
        minutes = 1440 // self.config.steps
        count = int((end - begin) // _DAY) * self.config.steps
        time = begin.astype("datetime64[m]") + np.arange(count) * np.timedelta64(minutes, "m")
        variables = {name: self._variable(name, values) for name, values in found.items()}
        cells, lat, lon = (part[self.land] for part in (self.window.cells, self.window.lat, self.window.lon))
        return simple_dataset(cells, lat, lon, time, variables, self._attributes())

    def _hourly(self, begin: np.datetime64, end: np.datetime64) -> dict[str, Float[np.ndarray, "step cell"]]:
        stamps = np.arange(begin.astype("datetime64[h]"), end.astype("datetime64[h]") + 1)
        ends = {name: self._read(name, stamps) for name in self.names if name in STATES}
        states = {name: 0.5 * (both[1:] + both[:-1]) for name, both in _of_states(ends).items()}
        totals = {name: self._amounts(name, stamps) for name in self.names if name in TOTALS}
        hours = states | _of_totals(totals, SECONDS_PER_HOUR)
        per_step = 24 // self.config.steps
        return {name: values.reshape(-1, per_step, values.shape[1]).mean(axis=1) for name, values in hours.items()}

    def _daily(self, begin: np.datetime64, end: np.datetime64) -> dict[str, Float[np.ndarray, "day cell"]]:
        days = np.arange(begin, end).astype("datetime64[h]")
        read = {name: self._read(name, days) for name in self.names}
        states = _of_states({name: read[name] for name in read if name in STATES})
        return states | _of_totals({name: read[name] for name in read if name in TOTALS}, 24 * SECONDS_PER_HOUR)

    def _read(self, name: str, keys: np.ndarray) -> Float[np.ndarray, "key cell"]:
        """Values of the land cells, all there."""
        values = self.files.read(name, keys, self.window)[:, self.land]
        lost = ~np.isfinite(values)
        if lost.any():
            moment, cell = np.argwhere(lost)[0]
            at = self.land[cell]
            raise DataError(
                f"{self.config.folder}: variable '{name}', cell {self.window.cells[at]} (lat "
                f"{self.window.lat[at]:.6g}, lon {self.window.lon[at]:.7g}), {keys[moment]}: missing value in forcing"
            )
        return values

    def _amounts(self, name: str, stamps: np.ndarray) -> Float[np.ndarray, "hour cell"]:
        """What fell or shone in each hour: of sums since 00 UTC, or as the files have it."""
        ends = stamps[1:]
        values = self._read(name, ends)
        if self.config.accumulation == "hour":
            return self._require_hours(name, ends, values)
        before = np.zeros_like(values)
        before[1:] = values[:-1]
        before[(ends - ends.astype("datetime64[D]")) == _HOUR] = 0.0  # the first sum of a day
        fall = before - values
        wrong = fall > FALL * before + SLIGHT[name]
        if wrong.any():
            hour, cell = np.argwhere(wrong)[0]
            raise DataError(
                f"{self.config.folder}: variable '{name}', cell {self.window.cells[self.land[cell]]}, {ends[hour]}: "
                f"found {values[hour, cell]:g} after {before[hour, cell]:g} {TOTALS[name]}, but sums since 00 UTC do "
                "not fall; are they of single hours (data.products.forcing.accumulation: hour)?"
            )
        return np.maximum(-fall, 0.0)

    def _require_hours(self, name: str, ends: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Refuse radiation that no hour has, being sums since 00 UTC after all, and what is below zero."""
        if name == "ssrd" and (values > BRIGHTEST * SECONDS_PER_HOUR).any():
            hour, cell = np.argwhere(values > BRIGHTEST * SECONDS_PER_HOUR)[0]
            raise DataError(
                f"{self.config.folder}: variable 'ssrd', cell {self.window.cells[self.land[cell]]}, {ends[hour]}: "
                f"found {values[hour, cell]:g} J m-2, more than {BRIGHTEST * SECONDS_PER_HOUR:g} in an hour; are they "
                "sums since 00 UTC (data.products.forcing.accumulation: day)?"
            )
        if (values < -SLIGHT[name]).any():
            hour, cell = np.argwhere(values < -SLIGHT[name])[0]
            raise DataError(
                f"{self.config.folder}: variable '{name}', cell {self.window.cells[self.land[cell]]}, {ends[hour]}: "
                f"found {values[hour, cell]:g} {TOTALS[name]}, expected nothing below 0"
            )
        return np.maximum(values, 0.0)

    def _variable(self, name: str, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:
        attrs = {"cell_methods": "time: mean", "origin": "reanalysis"}
        if name == "wind" and not self.hourly:
            attrs |= {"origin": "estimated", "method": "speed of the daily mean wind vector, a lower bound"}
        if name == "vp" and not self.hourly:
            attrs |= {"origin": "estimated", "method": "vapour pressure at the daily mean dew point"}
        return ("cell", "time"), values.T.astype(np.float32), attrs

    def _attributes(self) -> dict[str, str]:
        kind = "hourly data" if self.hourly else "daily means of hourly data"
        return {
            "title": "ERA5-Land forcing",
            "source": f"ERA5-Land {kind}, doi:10.24381/cds.e2161bac",
            "references": "Munoz-Sabater et al. (2021), Earth Syst. Sci. Data 13, 4349-4383",
            "day": "utc",
        }


def _of_states(read: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Forcings of the moments or daily means of the files, in the project's units."""
    found = {"tair": read["t2m"] - KELVIN, "vp": dewpoint_vapour_pressure(read["d2m"])}
    if {"u10", "v10"} <= read.keys():
        found["wind"] = np.hypot(read["u10"], read["v10"])
    if "sp" in read:
        found["pres"] = read["sp"] / PA_PER_KPA
    return found


def _of_totals(read: dict[str, np.ndarray], seconds: float) -> dict[str, np.ndarray]:
    """Forcings of sums over so many seconds."""
    found = {"prcp": read["tp"] * MM_PER_M * SECONDS_PER_DAY / seconds, "swdown": read["ssrd"] / seconds}
    if "strd" in read:
        found["lwdown"] = read["strd"] / seconds
    return found
