"""Climate indices of a cell, from the daily forcing of the training period alone.

Definitions follow the climatic attributes of CAMELS: Addor, N., Newman, A. J., Mizukami, N., Clark, M. P. (2017),
Hydrol. Earth Syst. Sci. 21, 5293-5313, Table 2; seasonality after Woods, R. A. (2009), Adv. Water Resour. 32,
1465-1481, eqs. 2, 3 and 14.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from paraformer.core.physics import KELVIN, STEFAN_BOLTZMANN, saturation_slope, saturation_vapour_pressure
from paraformer.core.time import DAYS_PER_YEAR, day_of_year

CLIMATE: dict[str, tuple[str, str]] = {
    "climate_p_mean": ("mm day-1", "mean precipitation"),
    "climate_pet_mean": ("mm day-1", "mean potential evapotranspiration (Priestley-Taylor)"),
    "climate_aridity": ("1", "mean potential evapotranspiration over mean precipitation"),
    "climate_p_seasonality": ("1", "seasonality and timing of precipitation (positive: summer peak)"),
    "climate_frac_snow": ("1", "share of precipitation on days below 0 degC"),
    "climate_high_prec_freq": ("day year-1", "frequency of days with at least 5 times the mean precipitation"),
    "climate_low_prec_freq": ("day year-1", "frequency of days with less than 1 mm of precipitation"),
    "climate_low_prec_dur": ("day", "mean length of spells of days with less than 1 mm of precipitation"),
    "climate_t_mean": ("degC", "mean air temperature"),
    "climate_t_amplitude": ("K", "amplitude of the annual course of air temperature"),
    "climate_vpd_mean": ("kPa", "mean deficit of vapour pressure to saturation"),
    "climate_swdown_mean": ("W m-2", "mean downward shortwave radiation"),
    "climate_wind_mean": ("m s-1", "mean wind speed"),
}
"""Name -> unit and meaning of every index, in the order in which learners see them."""

Series = Float[np.ndarray, "cell time"]


def priestley_taylor(tair: Series, swdown: Series, lwdown: Series, pres: Series) -> Series:
    """Potential evapotranspiration [mm day-1], never negative.

    ``PET = 1.26 Δ / (Δ + γ) Rn / λ`` (Priestley and Taylor 1972, Mon. Weather Rev. 100, 81-92, with α = 1.26 and
    no ground heat flux on a daily mean); ``Rn = (1 - 0.23) SW + 0.97 (LW - σ (T + 273.15)^4)`` with the albedo of the
    reference crop (Allen et al. 1998, FAO-56, eq. 38); ``γ = cp p / (0.622 λ)`` [kPa K-1]; ``λ = 2.501 - 0.002361 T``
    [MJ kg-1].

    Args:
        tair: [degC]; swdown, lwdown: [W m-2]; pres: [kPa].
    """
    slope = saturation_slope(tair)
    latent = 2.501 - 0.002361 * tair
    gamma = 1.013e-3 * pres / (0.622 * latent)
    net = 0.77 * swdown + 0.97 * (lwdown - STEFAN_BOLTZMANN * (tair + KELVIN) ** 4)
    return np.maximum(1.26 * slope / (slope + gamma) * net * 0.0864 / latent, 0.0)


def climate_indices(forcing: Mapping[str, Series], days: np.ndarray) -> dict[str, Float[np.ndarray, " cell"]]:
    """Climate indices of every cell.

    Args:
        forcing: daily forcing by name, units of ``core.variables.FORCING``, training period only.
        days: the same days, datetime64[D].

    Returns:
        One array [cell] for every entry of ``CLIMATE``. In a cell without precipitation the aridity is that of
        0.01 mm a day, and the indices of precipitation are 0 (frequency of dry days: all).
    """
    f = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in forcing.items()}
    prcp, tair = f["prcp"], f["tair"]
    p_mean, t_mean = prcp.mean(axis=1), tair.mean(axis=1)
    pet = priestley_taylor(tair, f["swdown"], f["lwdown"], f["pres"]).mean(axis=1)
    t_amplitude, t_phase = _annual_course(tair, days)
    p_amplitude, p_phase = _annual_course(prcp, days)
    wet = np.maximum(p_mean, 0.01)
    dry_days = prcp < 1.0
    high = (prcp >= 5 * p_mean[:, None]) & (prcp > 0)
    return {
        "climate_p_mean": p_mean,
        "climate_pet_mean": pet,
        "climate_aridity": pet / wet,
        "climate_p_seasonality": p_amplitude / wet * np.cos(p_phase - t_phase),
        "climate_frac_snow": np.where(tair < 0.0, prcp, 0.0).mean(axis=1) / wet,
        "climate_high_prec_freq": high.mean(axis=1) * DAYS_PER_YEAR,
        "climate_low_prec_freq": dry_days.mean(axis=1) * DAYS_PER_YEAR,
        "climate_low_prec_dur": _mean_spell(dry_days),
        "climate_t_mean": t_mean,
        "climate_t_amplitude": t_amplitude,
        "climate_vpd_mean": np.maximum(saturation_vapour_pressure(tair) - f["vp"], 0.0).mean(axis=1),
        "climate_swdown_mean": f["swdown"].mean(axis=1),
        "climate_wind_mean": f["wind"].mean(axis=1),
    }


def _annual_course(values: Series, days: np.ndarray) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Amplitude and phase [rad] of the least-squares annual sine (Woods 2009, eqs. 2 and 3).

    The amplitude is not negative, so the sign of the temperature's amplitude in Woods' eq. 14 is in the phase.
    """
    angle = 2 * np.pi * day_of_year(days) / DAYS_PER_YEAR
    design = np.stack([np.ones(len(days)), np.sin(angle), np.cos(angle)], axis=1)
    solve = np.linalg.pinv(design, rcond=1e-6)
    sine = (values * solve[1]).sum(axis=1)
    cosine = (values * solve[2]).sum(axis=1)
    return np.hypot(sine, cosine), np.arctan2(cosine, sine)


def _mean_spell(flag: np.ndarray) -> Float[np.ndarray, " cell"]:
    """Mean length of the runs of True along time, 0 where there is none."""
    starts = flag & ~np.pad(flag, ((0, 0), (1, 0)))[:, :-1]
    return flag.sum(axis=1) / np.maximum(starts.sum(axis=1), 1)
