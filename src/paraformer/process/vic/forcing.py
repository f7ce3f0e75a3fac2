"""Forcing of the cells, its checks, and the disaggregation of daily means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError


class Forcing(NamedTuple):
    """Forcing at the snow step. The time axis is day x step; ``month`` and ``day_of_year`` have one value a day."""

    prcp: Float[np.ndarray, "cell time"]  # precipitation [mm step-1]
    tair: Float[np.ndarray, "cell time"]  # air temperature [degC]
    swdown: Float[np.ndarray, "cell time"]  # incoming short-wave radiation [W m-2]
    lwdown: Float[np.ndarray, "cell time"]  # incoming long-wave radiation [W m-2]
    wind: Float[np.ndarray, "cell time"]  # [m s-1]
    vp: Float[np.ndarray, "cell time"]  # vapour pressure [kPa]
    pres: Float[np.ndarray, "cell time"]  # air pressure [kPa]
    month: Int[np.ndarray, " day"]  # 1..12
    day_of_year: Int[np.ndarray, " day"]  # 1..366

    @property
    def n_cell(self) -> int:
        return self.prcp.shape[0]

    @property
    def n_day(self) -> int:
        return len(self.month)

    def select(self, cells: np.ndarray | Sequence[int]) -> Forcing:
        """The same forcing for a subset (or repetition) of the cells, by position."""
        index = np.asarray(cells)
        return self._replace(**{name: getattr(self, name)[index] for name in SERIES})

    def select_days(self, start: int, stop: int) -> Forcing:
        """The days [start, stop)."""
        steps = self.prcp.shape[1] // self.n_day
        part = slice(start * steps, stop * steps)
        series = {name: np.ascontiguousarray(getattr(self, name)[:, part]) for name in SERIES}
        return self._replace(**series, month=self.month[start:stop], day_of_year=self.day_of_year[start:stop])


SERIES = Forcing._fields[:7]

PHYSICAL_RANGE: dict[str, tuple[float, float, str]] = {
    "prcp": (0.0, 2000.0, "mm per step"),
    "tair": (-90.0, 60.0, "degC"),
    "swdown": (0.0, 1500.0, "W m-2"),
    "lwdown": (0.0, 1000.0, "W m-2"),
    "wind": (0.0, 120.0, "m s-1"),
    "vp": (0.0, 15.0, "kPa"),
    "pres": (20.0, 115.0, "kPa"),
}
"""Values outside are taken for a wrong unit or a broken file."""


def require_valid(forcing: Forcing, cell_ids: np.ndarray, steps_per_day: int) -> None:
    """Raise unless the forcing can run.

    Raises:
        DataError: wrong shape, NaN or a value outside ``PHYSICAL_RANGE``, naming variable, cell and time.
    """
    shape = (len(cell_ids), forcing.n_day * steps_per_day)
    if len(forcing.day_of_year) != forcing.n_day:
        raise DataError(f"forcing: {forcing.n_day} months but {len(forcing.day_of_year)} days of year")
    if forcing.n_day and not (forcing.month.min() >= 1 and forcing.month.max() <= 12):
        raise DataError("forcing: month must lie in 1..12")
    for name in SERIES:
        values = getattr(forcing, name)
        if values.shape != shape:
            raise DataError(
                f"forcing '{name}' has shape {values.shape}; expected {shape} "
                f"({steps_per_day} steps a day for {forcing.n_day} days)"
            )
        low, high, unit = PHYSICAL_RANGE[name]
        if values.size and not (values.min() >= low and values.max() <= high):  # NaN fails both
            _refuse(name, values, cell_ids, steps_per_day, low, high, unit)


def _refuse(
    name: str, values: np.ndarray, cell_ids: np.ndarray, steps_per_day: int, low: float, high: float, unit: str
) -> None:
    cell, time = (int(i) for i in np.argwhere(~((values >= low) & (values <= high)))[0])
    where = f"forcing '{name}', cell {cell_ids[cell]}, day {time // steps_per_day}, step {time % steps_per_day}"
    if np.isnan(values[cell, time]):
        raise DataError(f"{where}: missing value (NaN)")
    hint = ": Kelvin?" if name == "tair" and values[cell, time] > 150 else ""
    hint = ": Pa?" if name in ("vp", "pres") and values[cell, time] > high else hint
    raise DataError(f"{where}: found {values[cell, time]:g}, expected [{low:g}, {high:g}] {unit}{hint}")


SOLAR_CONSTANT = 1361.0  # [W m-2]
QUADRATURE_MINUTES = 15
HOTTEST_HOUR = 15.0  # local solar time, without the equation of time
ONE_KELVIN_TRANSMISSION = 0.17  # kt at which the diurnal temperature range is 1 K
SMALLEST_RANGE, LARGEST_RANGE = 2.0, 20.0  # diurnal temperature range [K]


def cosine_of_zenith(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], day_of_year: Int[np.ndarray, " day"], steps: int
) -> Float[np.ndarray, "cell day step"]:
    """Mean cosine of the solar zenith angle over blocks of a UTC day, 0 at night (quadrature of 15 minutes).

    cos Z = sin(lat) sin(dec) + cos(lat) cos(dec) cos(h); dec = 0.409 sin(2 pi J / 365 - 1.39) (Allen et al. 1998,
    FAO 56, eq. 24); h from UTC, longitude and the equation of time 9.87 sin 2B - 7.53 cos B - 1.5 sin B minutes,
    B = 2 pi (J - 81) / 364.
    """
    per_block = 1440 // steps // QUADRATURE_MINUTES
    minutes = QUADRATURE_MINUTES * (np.arange(steps * per_block) + 0.5)
    b = 2.0 * np.pi * (day_of_year - 81) / 364.0
    equation_of_time = 9.87 * np.sin(2.0 * b) - 7.53 * np.cos(b) - 1.5 * np.sin(b)
    declination = 0.409 * np.sin(2.0 * np.pi * day_of_year / 365.0 - 1.39)
    hour = (minutes[None, :] + equation_of_time[:, None]) / 60.0 + lon[:, None, None] / 15.0
    latitude = np.deg2rad(lat)
    constant = np.sin(latitude)[:, None] * np.sin(declination)[None, :]
    varying = np.cos(latitude)[:, None] * np.cos(declination)[None, :]
    cosine = constant[:, :, None] + varying[:, :, None] * np.cos(np.deg2rad(15.0) * (hour - 12.0))
    return np.maximum(cosine, 0.0).reshape(len(lat), len(day_of_year), steps, per_block).mean(axis=3)


def diurnal_course(lon: Float[np.ndarray, " cell"], steps: int) -> Float[np.ndarray, "cell step"]:
    """Block means of cos(2 pi (local solar hour - 15) / 24), with a daily mean of 0 [1]."""
    edges = 2.0 * np.pi * (24.0 * np.arange(steps + 1) / steps + lon[:, None] / 15.0 - HOTTEST_HOUR) / 24.0
    course = np.diff(np.sin(edges), axis=1) * steps / (2.0 * np.pi)
    return course - course.mean(axis=1, keepdims=True)


def disaggregate(
    daily: Forcing, lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], steps: int
) -> Forcing:
    """Daily means (``prcp``: sums) to ``steps`` values a UTC day; daily means and sums are kept.

    Short-wave radiation follows the solar zenith angle. Temperature has a cosine course with a range of
    (kt / 0.17)^2 K between 2 and 20 K, kt the daily over the top-of-atmosphere radiation (after Bristow & Campbell
    1984). Precipitation, long-wave radiation, wind, vapour pressure and pressure are uniform.

    Args:
        daily: one value a day; already sub-daily forcing needs no disaggregation.
        lat: latitudes [degrees north].
        lon: longitudes [degrees east].
        steps: steps a day, a divisor of 96.

    Raises:
        DataError: wrong shape, or a number of steps that does not divide the day into quarters of an hour.
    """
    if steps < 1 or 96 % steps:
        raise DataError(f"cannot disaggregate to {steps} steps a day: use a divisor of 96")
    require_valid(daily, np.arange(len(lat)), 1)
    cosine = cosine_of_zenith(lat, lon, daily.day_of_year, steps)
    mean_cosine = cosine.mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(mean_cosine[..., None] > 0.0, cosine / mean_cosine[..., None], 1.0)
        distance = 1.0 + 0.033 * np.cos(2.0 * np.pi * daily.day_of_year / 365.0)
        transmission = np.where(mean_cosine > 0.0, daily.swdown / (SOLAR_CONSTANT * distance * mean_cosine), 0.0)
    temperature_range = np.clip((transmission / ONE_KELVIN_TRANSMISSION) ** 2, SMALLEST_RANGE, LARGEST_RANGE)
    n_cell = len(lat)

    def uniform(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, steps, axis=1)

    tair = daily.tair[..., None] + temperature_range[..., None] / 2.0 * diurnal_course(lon, steps)[:, None, :]
    return daily._replace(
        prcp=uniform(daily.prcp / steps),
        tair=tair.reshape(n_cell, -1),
        swdown=(daily.swdown[..., None] * shape).reshape(n_cell, -1),
        lwdown=uniform(daily.lwdown),
        wind=uniform(daily.wind),
        vp=uniform(daily.vp),
        pres=uniform(daily.pres),
    )
