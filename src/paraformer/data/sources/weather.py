"""Daily weather of the built-in world: a stochastic generator in the line of Richardson (1981), for many sites at once.

Occurrence of precipitation drives cloud, radiation, humidity and temperature, so that the seven forcings fit together:
wet days are cloudy, dim, humid and in summer cooler. Neighbours share their weather through spatially correlated noise
(Wilks 1998). All radiation is in W m-2, pressure in kPa, temperature in degC.

* Richardson, C. W. (1981), Water Resour. Res. 17, 182-190.
* Wilks, D. S. (1998), J. Hydrol. 210, 178-191.
* Allen, R. G. et al. (1998), FAO Irrigation and Drainage Paper 56.
* Kasten, F. and Czeplak, G. (1980), Solar Energy 24, 177-189.
* Prata, A. J. (1996), Q. J. R. Meteorol. Soc. 122, 1127-1151.
* Crawford, T. M. and Duchon, C. E. (1999), J. Appl. Meteorol. 38, 474-480.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaincinv

from paraformer.core.physics import (
    GRAVITY,
    KELVIN,
    LAPSE_RATE,
    PA_PER_KPA,
    STANDARD_PRESSURE,
    STEFAN_BOLTZMANN,
    saturation_vapour_pressure,
)
from paraformer.core.radiation import top_of_atmosphere
from paraformer.core.seeding import generator
from paraformer.core.time import DAYS_PER_YEAR, day_of_year
from paraformer.data.sources.fields import autoregressive, smooth_fields, uniform

WARMEST_DAY = 205.0
"""Day of year of the annual maximum of air temperature, northern hemisphere."""

_WEATHER_WIDTH = 1.6
"""Kernel width of weather systems [1.4 degree]: places 1.4 degree apart correlate at 0.91, six times that at 0.03."""

_GAMMA_SHAPE = 0.75
"""Shape of the gamma distribution of wet-day amounts; below 1, as Richardson and Wright (1984, USDA ARS-8) map it."""

Site = Float[np.ndarray, " cell"]
Days = Float[np.ndarray, "time cell"]


@dataclass(frozen=True)
class Climate:
    """What the weather of a cell is like.

    Attributes:
        lat: latitude [degree].
        elevation: [m].
        wetness: 0 (arid) to 1 (humid).
        temperature: annual mean air temperature [degC].
        amplitude: half the annual range of air temperature [K].
        season: -1 (winter rain) to 1 (summer rain).
        wind: mean wind speed [m s-1].
        spacing: distance of neighbouring cells [1.4 degree].
    """

    lat: Site
    elevation: Site
    wetness: Site
    temperature: Site
    amplitude: Site
    season: Site
    wind: Site
    spacing: float = 1.0


def air_pressure(elevation: Site, temperature: Site) -> Site:
    """Surface pressure [kPa] of a column with mean temperature [degC]: ``101.325 exp(-g z / (Rd Tl))``.

    Tl is the mean temperature of the air below, mean T - 0.5 LAPSE_RATE z [K] (hydrostatic equation).
    """
    column = temperature + KELVIN - 0.5 * LAPSE_RATE * elevation
    return STANDARD_PRESSURE / PA_PER_KPA * np.exp(-GRAVITY * elevation / (287.04 * column))


def transition_probabilities(climate: Climate, days: np.ndarray) -> tuple[Days, Days]:
    """Probability of a wet day after a dry one and after a wet one (Richardson 1981; Wilks 1998).

    The wet-day fraction π has a mean of 0.10 (arid) to 0.45 (humid) and an annual course; its lag-one autocorrelation
    r is 0.30: ``p01 = π (1 - r)``, ``p11 = π (1 - r) + r``.
    """
    share = (0.10 + 0.35 * climate.wetness)[None, :] * (1 + 0.35 * climate.season[None, :] * _summer(climate, days))
    share = np.clip(share, 0.02, 0.9)
    p01 = share * (1 - 0.30)
    return p01, p01 + 0.30


def simulate_weather(
    climate: Climate, shape: tuple[int, int], days: np.ndarray, seed: int, world: int
) -> dict[str, Float[np.ndarray, "cell time"]]:
    """Draw daily forcing for every cell.

    Args:
        climate: one entry a cell of the grid ``shape`` (rows, columns), in row order.
        days: UTC days, datetime64[D].
        seed, world: root seed and number of the world; the same pair gives the same weather, bit for bit.

    Returns:
        ``prcp, tair, swdown, lwdown, wind, vp, pres`` in the units of ``core.variables.FORCING``.
    """

    def noise(name: str) -> Days:
        rng = generator(seed, "world", world, "weather", name)
        return smooth_fields(rng, len(days), shape, _WEATHER_WIDTH, climate.spacing)

    wet = _occurrence(climate, days, noise("occurrence"))
    prcp = _amount(climate, days, wet, noise("amount"))
    cloud = _cloud(wet, autoregressive(noise("cloud"), 0.3))
    tair = _temperature(climate, days, wet, autoregressive(noise("temperature"), 0.7))
    vp = _vapour_pressure(climate, tair, wet, cloud, autoregressive(noise("humidity"), 0.6))
    clear = (0.75 + 2e-5 * climate.elevation)[None, :] * top_of_atmosphere(climate.lat, days)
    swdown = clear * (1 - 0.75 * cloud**3.4)  # Allen et al. 1998, eq. 37; Kasten and Czeplak 1980
    lwdown = longwave(tair, vp, 0.75 * cloud**3.4)
    spread = np.sqrt(np.log(1 + 0.45**2))
    gusts = autoregressive(noise("wind"), 0.4)
    wind = climate.wind[None, :] * np.exp(spread * gusts - 0.5 * spread**2)
    pres = np.broadcast_to(air_pressure(climate.elevation, climate.temperature), prcp.shape)
    forcing = {"prcp": prcp, "tair": tair, "swdown": swdown, "lwdown": lwdown, "wind": wind, "vp": vp, "pres": pres}
    return {name: np.ascontiguousarray(values.T) for name, values in forcing.items()}


def longwave(tair: Days, vp: Days, shading: Days) -> Days:
    """Downward longwave radiation [W m-2].

    Clear sky: ``ε0 = 1 - (1 + ξ) exp(-sqrt(1.2 + 3 ξ))``, ``ξ = 46.5 e / T`` with e [hPa], T [K] (Prata 1996). Cloudy:
    ``(s + (1 - s) ε0) σ T^4`` with s the share of clear-sky shortwave that clouds take away (Crawford and Duchon
    1999).
    """
    kelvin = tair + KELVIN
    xi = 46.5 * 10 * vp / kelvin
    emissivity = 1 - (1 + xi) * np.exp(-np.sqrt(1.2 + 3 * xi))
    return (shading + (1 - shading) * emissivity) * STEFAN_BOLTZMANN * kelvin**4


def _summer(climate: Climate, days: np.ndarray) -> Days:
    """Annual course, 1 in the warmest and -1 in the coldest time of the year."""
    course = np.cos(2 * np.pi * (day_of_year(days)[:, None] - WARMEST_DAY) / DAYS_PER_YEAR)
    return np.where(climate.lat[None, :] >= 0, course, -course)


def _occurrence(climate: Climate, days: np.ndarray, noise: Days) -> Bool[np.ndarray, "time cell"]:
    """Wet days: a two-state Markov chain in every cell, driven by correlated noise (Wilks 1998)."""
    draw = uniform(noise)
    p01, p11 = transition_probabilities(climate, days)
    wet = np.empty(draw.shape, dtype=bool)
    state = draw[0] < p01[0] / (1 + p01[0] - p11[0])
    for day in range(len(days)):
        state = draw[day] < np.where(state, p11[day], p01[day])
        wet[day] = state
    return wet


def _amount(climate: Climate, days: np.ndarray, wet: Bool[np.ndarray, "time cell"], noise: Days) -> Days:
    """Precipitation [mm day-1]: gamma-distributed amounts on wet days, larger in humid cells and in summer."""
    mean = (3.5 + 5.5 * climate.wetness)[None, :] * (1 + 0.25 * _summer(climate, days))
    prcp = np.zeros(wet.shape)
    prcp[wet] = gammaincinv(_GAMMA_SHAPE, uniform(noise)[wet]) * (mean / _GAMMA_SHAPE)[wet]
    return prcp


def _cloud(wet: Bool[np.ndarray, "time cell"], noise: Days) -> Days:
    """Cloud cover 0..1, logistic in a normal variable whose mean depends on wet or dry."""
    return 1 / (1 + np.exp(-(np.where(wet, 1.9, -0.4) + np.where(wet, 0.7, 1.2) * noise)))


def _temperature(climate: Climate, days: np.ndarray, wet: Bool[np.ndarray, "time cell"], noise: Days) -> Days:
    """Daily mean air temperature [degC]: annual course, AR(1) anomalies larger in winter, wet days cooler in summer."""
    summer = _summer(climate, days)
    spread = 3.2 - 1.2 * summer
    cooling = np.where(wet, -(0.8 + 1.4 * summer), 0.0)  # a little warmer in winter
    return climate.temperature[None, :] + climate.amplitude[None, :] * summer + spread * noise + cooling


def _vapour_pressure(
    climate: Climate, tair: Days, wet: Bool[np.ndarray, "time cell"], cloud: Days, noise: Days
) -> Days:
    """Vapour pressure [kPa] at the dew point, which lies below the air temperature.

    The depression of the dew point grows with aridity and warmth and shrinks under cloud and rain, after the finding of
    Kimball, J. S. et al. (1997), Agric. For. Meteorol. 85, 87-98, that dry air stays far from saturation even at night.
    """
    warmth = 1 / (1 + np.exp(-(tair - 10) / 10))
    dry = 2.0 + 22.0 * (1 - climate.wetness)[None, :] * warmth + 7.0 * warmth
    depression = dry * (1 - 0.5 * cloud) * np.where(wet, 0.5, 1.0) * np.exp(0.3 * noise)
    return saturation_vapour_pressure(tair - np.maximum(depression, 0.2), ice=True)
