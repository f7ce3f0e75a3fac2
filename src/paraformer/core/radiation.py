"""Short-wave and long-wave radiation in each other's place: their ranges overlap, so that no single value shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.physics import KELVIN, STEFAN_BOLTZMANN, declination_of_sun, nearness_of_sun
from paraformer.core.proof import Proof
from paraformer.core.time import day_of_year

MOST_SUNLIGHT = (1.1, 10.0)
"""Part of the radiation at the top of the atmosphere, and radiation beside it [W m-2], that the mean of no day exceeds:
0.98 at most in the real data of NLDAS-2, Daymet, ERA5-Land, Swiss and USCRN stations that this was tried on."""
EMISSIVITY = (0.35, 1.3)
"""Least and largest long-wave radiation of a day over that of a black body as warm as the air: 0.47 to 1.06 there."""
OFTEN, RARELY = 0.02, 0.1
"""Part of a cell's days that cannot be, from which on the two are called exchanged; and how many of these may be left
when they are changed back."""

Daily = Float[np.ndarray, "cell day"]


def top_of_atmosphere(lat: Float[np.ndarray, " cell"], days: np.ndarray) -> Float[np.ndarray, "day cell"]:
    """Daily mean extraterrestrial radiation [W m-2] (Allen et al. 1998, FAO-56, eqs. 21-25)."""
    day = day_of_year(days)[:, None]
    phi = np.deg2rad(lat)[None, :]
    declination = declination_of_sun(day)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    course = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.maximum(1367.0 / np.pi * nearness_of_sun(day) * course, 0.0)


def prove_radiation(
    proof: Proof,
    forcing: Mapping[str, Float[np.ndarray, " cell *step"]],
    lat: Float[np.ndarray, " cell"],
    days: np.ndarray,
    place: Callable[[int, int], str],
    names: Mapping[str, str] | None = None,
) -> None:
    """Refuse ``swdown`` and ``lwdown`` that stand in each other's place.

    As they are, many daily means are of no weather: more sunlight than reaches the atmosphere, long-wave that no air
    sends; changed back, hardly one is.

    Args:
        proof: collects what is found; the caller finishes it.
        forcing: ``swdown``, ``lwdown`` [W m-2] and ``tair`` [degC], all steps of the days in their order.
        lat: [degree].
        days: datetime64[D].
        place: words for a cell and a day, by position.
        names: what the file calls them, where it is not by these names.
    """
    called = {"swdown": "swdown", "lwdown": "lwdown"} | dict(names or {})
    shape = (len(lat), len(days), -1)
    sun, long, air = (
        np.asarray(forcing[name], dtype=np.float64).reshape(shape).mean(axis=2) for name in ("swdown", "lwdown", "tair")
    )
    top, black = top_of_atmosphere(lat, days).T, STEFAN_BOLTZMANN * (air + KELVIN) ** 4
    wrong = _too_bright(sun, top) | _not_of_air(long, black)
    changed = _too_bright(long, top) | _not_of_air(sun, black)
    exchanged = (wrong.mean(axis=1) > OFTEN) & (changed.sum(axis=1) < RARELY * wrong.sum(axis=1))
    proof.require(
        ~(exchanged[:, None] & wrong),
        lambda i: (
            f"{called['swdown']} and {called['lwdown']} at {place(*i)}: found {sun[i]:.4g} and {long[i]:.4g} W m-2, "
            f"where {top[i]:.4g} W m-2 of sunlight reach the atmosphere and a black body sends {black[i]:.4g} W m-2 at "
            f"{air[i]:.4g} degC; expected short-wave and long-wave radiation: are they exchanged?"
        ),
    )


def _too_bright(sun: Daily, top: Daily) -> Bool[np.ndarray, "cell day"]:
    return np.asarray(sun > MOST_SUNLIGHT[0] * top + MOST_SUNLIGHT[1])


def _not_of_air(long: Daily, black: Daily) -> Bool[np.ndarray, "cell day"]:
    return np.asarray((long < EMISSIVITY[0] * black) | (long > EMISSIVITY[1] * black))
