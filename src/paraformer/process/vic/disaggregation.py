"""Daily means to the snow steps of a day: the diurnal courses of sun and temperature, everything else uniform."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import SettingsError
from paraformer.core.physics import declination_of_sun, nearness_of_sun
from paraformer.core.time import day_of_year, month_of
from paraformer.process.vic.forcing import Forcing

SOLAR_CONSTANT = 1361.0  # [W m-2]
CLEARNESS_OF_1_K = 0.17  # clearness index at a diurnal temperature range of 1 K; the range goes with its square
RANGE_LIMITS = (2.0, 20.0)  # of the diurnal temperature range [K]
WARMEST_HOUR = 15.0  # local mean solar time [h]
QUADRATURE = 96  # points a day at which the sun's height is taken: every 15 minutes


def block_mean_sun(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], days: np.ndarray, steps_per_day: int
) -> tuple[Float[np.ndarray, "cell day step"], Float[np.ndarray, "cell day"]]:
    """Mean cosine of the solar zenith angle in each UTC block [1], and daily mean top-of-atmosphere radiation [W m-2].

    Declination, distance of the sun and equation of time: Allen et al. (1998), FAO Irrigation and Drainage Paper 56,
    eqs. 23, 24, 32 and 33.
    """
    day = day_of_year(days)
    declination = declination_of_sun(day)
    b = 2 * np.pi * (day - 81) / 364.0
    equation_of_time = 0.1645 * np.sin(2 * b) - 0.1255 * np.cos(b) - 0.025 * np.sin(b)  # [h]
    hour = (np.arange(QUADRATURE) + 0.5) * 24.0 / QUADRATURE
    cosine = np.empty((len(lat), len(days), steps_per_day))
    for i, (phi, longitude) in enumerate(zip(np.deg2rad(lat), lon, strict=True)):
        angle = np.pi / 12.0 * (hour[None, :] + longitude / 15.0 + equation_of_time[:, None] - 12.0)
        height = (np.sin(phi) * np.sin(declination))[:, None] + (np.cos(phi) * np.cos(declination))[:, None] * np.cos(
            angle
        )
        cosine[i] = np.maximum(height, 0.0).reshape(len(days), steps_per_day, -1).mean(axis=-1)
    return cosine, SOLAR_CONSTANT * nearness_of_sun(day) * cosine.mean(axis=-1)


def diurnal_temperature(lon: Float[np.ndarray, " cell"], steps_per_day: int) -> Float[np.ndarray, "cell step"]:
    """Block means of cos(2π (local mean solar hour - 15)/24), less their daily mean [1]."""
    edge = np.arange(steps_per_day + 1) * 24.0 / steps_per_day
    angle = 2 * np.pi / 24.0 * (edge[None, :] + np.asarray(lon)[:, None] / 15.0 - WARMEST_HOUR)
    course = np.diff(np.sin(angle), axis=1) / np.diff(angle, axis=1)
    return course - course.mean(axis=1, keepdims=True)


def require_divisor(steps_per_day: int) -> None:
    """Raise SettingsError unless daily forcing can be divided into so many steps."""
    if QUADRATURE % steps_per_day:
        raise SettingsError(
            f"process.vic.snow_steps_per_day: {steps_per_day} steps a day cannot be made from daily forcing; "
            f"use a divisor of {QUADRATURE}, or sub-daily forcing"
        )


def disaggregate(
    daily: Float[np.ndarray, "cell day forcing"],
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    days: np.ndarray,
    steps_per_day: int,
) -> Forcing:
    """Daily forcing to ``steps_per_day`` UTC blocks a day; every daily mean (precipitation: sum) is kept.

    Precipitation, long-wave radiation, wind, vapour pressure and air pressure are uniform over the day. Short-wave
    radiation follows the sun (``block_mean_sun``; uniform where it does not rise). Temperature is a cosine about the
    daily mean with its maximum at 15 h local solar time and the range clip((kt / 0.17)^2, 2, 20) K, kt the clearness
    index (inverse of Hargreaves & Samani 1982, J. Irrig. Drain. Div. 108, 225).

    Args:
        daily: prcp [mm day-1], tair [degC], swdown, lwdown [W m-2], wind [m s-1], vp, pres [kPa], in this order.
        days: UTC days (datetime64).

    Raises:
        SettingsError: if ``steps_per_day`` does not divide the 96 points of the quadrature.
    """
    require_divisor(steps_per_day)
    prcp, tair, swdown, lwdown, wind, vp, pres = (daily[..., i] for i in range(daily.shape[-1]))
    cosine, top = block_mean_sun(lat, lon, days, steps_per_day)
    mean = cosine.mean(axis=-1, keepdims=True)
    course = np.divide(cosine, mean, out=np.ones_like(cosine), where=mean > 0)
    clearness = np.divide(swdown, top, out=np.zeros_like(swdown), where=top > 0)
    span = np.clip((clearness / CLEARNESS_OF_1_K) ** 2, *RANGE_LIMITS)
    temperature = tair[..., None] + 0.5 * span[..., None] * diurnal_temperature(lon, steps_per_day)[:, None, :]

    def uniform(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, steps_per_day, axis=1)

    shape = (daily.shape[0], daily.shape[1] * steps_per_day)
    return Forcing(
        prcp=uniform(prcp / steps_per_day),
        tair=temperature.reshape(shape),
        swdown=(swdown[..., None] * course).reshape(shape),
        lwdown=uniform(lwdown),
        wind=uniform(wind),
        vp=uniform(vp),
        pres=uniform(pres),
        month=month_of(days),
        day_of_year=day_of_year(days),
    )
