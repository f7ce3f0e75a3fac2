"""Daily means to the snow steps of a day, as the forcing of the shared reference runs was made."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from paraformer.core.time import day_of_year, month_of
from paraformer.core.variables import FORCING
from paraformer.process.vic.forcing import Forcing

SOLAR_CONSTANT = 1367.0  # [W m-2]
CLEARNESS_AT_1_K = 0.17  # clearness index at a diurnal temperature range of 1 K; the range goes with its square
DTR_LIMITS = (2.0, 20.0)  # diurnal temperature range [K]
WARMEST_HOUR = 15.0  # local solar time [h]
_QUADRATURE = 96  # points a day at which the sun's height is taken (15 minutes)


def solar_geometry(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], days: np.ndarray, steps_per_day: int
) -> tuple[Float[np.ndarray, "cell time step"], Float[np.ndarray, "cell time"]]:
    """Mean cosine of the solar zenith angle of each UTC block [1], and the day's mean top-of-atmosphere flux [W m-2].

    Declination and distance: Spencer (1971), Search 2, 172, the simple forms 0.409 sin(2π DOY/365 - 1.39) and
    1 + 0.033 cos(2π DOY/365) of Allen et al. (1998), FAO-56, eqs. 23 and 24; no equation of time.
    """
    angle = 2 * np.pi * day_of_year(days) / 365.0
    declination = 0.409 * np.sin(angle - 1.39)
    distance = 1.0 + 0.033 * np.cos(angle)
    hour = (np.arange(_QUADRATURE) + 0.5) * 24.0 / _QUADRATURE
    hour_angle = np.pi / 12.0 * (hour[None, :] + np.asarray(lon)[:, None] / 15.0 - 12.0)
    phi = np.deg2rad(np.asarray(lat))[:, None]
    constant = np.sin(phi) * np.sin(declination)[None, :]
    amplitude = np.cos(phi) * np.cos(declination)[None, :]
    height = constant[:, :, None] + amplitude[:, :, None] * np.cos(hour_angle)[:, None, :]
    cosine = np.maximum(height, 0.0).reshape(*constant.shape, steps_per_day, -1).mean(axis=-1)
    return cosine, SOLAR_CONSTANT * distance[None, :] * cosine.mean(axis=-1)
