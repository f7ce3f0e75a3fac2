"""Forcings that a product lacks, by stated formulas from those that it has.

Each is named in the log and marked in the data: attribute ``origin`` is ``estimated``, ``method`` says how. Only what a
study allows (``estimate``) is estimated; anything else that is missing is refused.

Errors where they are known, of daily values against NLDAS-2 in 304 cells of the conterminous United States: long-wave
radiation from temperature, humidity and cloud has a bias of 4.8 and a root mean square error of 17.8 W m-2. Of daily
air pressure, the course in time is missing: 0.3 to 0.7 kPa, standard deviation in three basins of ERA5-Land.

* Brutsaert, W. (1975), Water Resour. Res. 11, 742-744 (clear sky).
* Unsworth, M. H. and Monteith, J. L. (1975), Q. J. R. Meteorol. Soc. 101, 13-24 (clouds).
* Allen, R. G. et al. (1998), FAO Irrigation and Drainage Paper 56, eqs. 21-25, 37 and 48.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.physics import KELVIN, STEFAN_BOLTZMANN, saturation_vapour_pressure
from paraformer.core.radiation import top_of_atmosphere
from paraformer.core.variables import FORCING
from paraformer.data.sources.forcing_config import ForcingConfig
from paraformer.data.sources.weather import air_pressure

logger = logging.getLogger(__name__)

EMISSIVITY = 0.98
"""Of the ground, where net long-wave radiation is turned into downward radiation."""
ALBEDO, ALBEDO_OF_SNOW, FULL_SNOW = 0.17, 0.25, 20.0
"""Of snow-free ground, what snow adds, and the snow water equivalent that adds all of it [mm]."""
DARK = 10.0
"""Clear-sky short-wave radiation below which it says nothing about clouds (polar night) [W m-2]."""
HALF_CLOUDY = 0.5
"""Cloud cover where it is dark."""

HELPERS = {
    "tmin": ("degC", "daily minimum of air temperature"),
    "net_shortwave": ("W m-2", "net short-wave radiation"),
    "net_longwave": ("W m-2", "net long-wave radiation, downward"),
    "snow_water": ("mm", "snow water equivalent"),
}
"""What readers hand over for estimates alone; it is not kept."""

Series = Float[np.ndarray, "cell time"]
Inputs = Mapping[str, Series]


def cloudy_longwave(tair: Series, vp: Series, cloud: Series) -> Series:
    """Downward long-wave radiation [W m-2] of air temperature [degC], vapour pressure [kPa] and cloud cover [1].

    ``((1 - 0.84 c) ε + 0.84 c) σ T^4`` (Unsworth and Monteith 1975) with ``ε = 1.24 (e / T)^(1/7)``, e [hPa], T [K]
    (Brutsaert 1975).
    """
    kelvin = tair + KELVIN
    clear = 1.24 * (10.0 * vp / kelvin) ** (1 / 7)
    return ((1 - 0.84 * cloud) * clear + 0.84 * cloud) * STEFAN_BOLTZMANN * kelvin**4


def cloud_cover(swdown: Series, top: Series, elevation: Series) -> Series:
    """Cloud cover [1] of daily short-wave radiation: ``c = 1 - SW / ((0.75 + 2e-5 z) Ra)`` (FAO-56, eq. 37), 0 to 1.

    Where the clear sky gives less than ``DARK``, half the sky is taken as cloudy.

    Args:
        swdown, top: at the ground and at the top of the atmosphere [W m-2].
        elevation: [m].
    """
    clear = (0.75 + 2e-5 * elevation) * top
    cover = 1.0 - np.divide(swdown, clear, out=np.zeros_like(clear), where=clear >= DARK)
    return np.where(clear >= DARK, np.clip(cover, 0.0, 1.0), HALF_CLOUDY)


def _shortwave_of_net(found: Inputs) -> Series:
    snow = np.clip(found["snow_water"] / FULL_SNOW, 0.0, 1.0)
    return found["net_shortwave"] / (1.0 - ALBEDO - ALBEDO_OF_SNOW * snow)


def _pressure(found: Inputs) -> Series:
    flat = air_pressure(found["elevation"].ravel(), found["tair"].ravel())
    return flat.reshape(found["tair"].shape)


def _longwave_of_net(found: Inputs) -> Series:
    return found["net_longwave"] + EMISSIVITY * STEFAN_BOLTZMANN * (found["tair"] + KELVIN) ** 4


def _longwave_of_air(found: Inputs) -> Series:
    return cloudy_longwave(found["tair"], found["vp"], found["cloud"])


@dataclass(frozen=True)
class Formula:
    """How a forcing is estimated.

    Attributes:
        inputs: what it needs; ``cloud`` is made of ``swdown`` and ``elevation``.
        method: in words, as the data and the log say it.
    """

    name: str
    inputs: tuple[str, ...]
    values: Callable[[Inputs], Series]
    method: str


FORMULAS = (
    Formula(
        "swdown",
        ("net_shortwave", "snow_water"),
        _shortwave_of_net,
        "net / (1 - albedo), albedo 0.17 + 0.25 min(snow water equivalent / 20 mm, 1)",
    ),
    Formula(
        "vp",
        ("tmin",),
        lambda found: saturation_vapour_pressure(found["tmin"]),
        "saturated at the daily minimum of air temperature (FAO-56, eq. 48)",
    ),
    Formula("lwdown", ("net_longwave", "tair"), _longwave_of_net, "net + 0.98 sigma T^4, T the air temperature"),
    Formula(
        "lwdown",
        ("tair", "vp", "cloud"),
        _longwave_of_air,
        "Brutsaert (1975), clouds by Unsworth and Monteith (1975), cloud cover of short-wave over clear-sky radiation "
        "(FAO-56, eq. 37)",
    ),
    Formula(
        "pres",
        ("elevation", "tair"),
        _pressure,
        "hydrostatic, of elevation and air temperature",
    ),
)
"""In the order in which they are tried; a forcing may have several, for products that have different things."""


_ORDER = ("swdown", "vp", "lwdown", "pres", "wind")
"""Long-wave radiation is estimated from what may be estimated itself."""


class Completion:
    """Fills in the forcings that the blocks of a product lack, and says once what it estimated.

    Args:
        config: what may be estimated, and the wind.
    """

    def __init__(self, config: ForcingConfig) -> None:
        self._config = config
        self._said = False

    def __call__(self, block: xr.Dataset) -> xr.Dataset:
        """A block with all seven forcings; what was there for estimates alone is gone.

        Raises:
            DataError: a forcing is missing that the study does not allow to be estimated, or what its formula needs is.
        """
        missing = [name for name in FORCING if name not in block]
        refuse_unasked(self._config, missing)
        found = block
        for name in (n for n in _ORDER if n in missing):
            values, method = self._estimate(name, found)
            attrs = {"units": FORCING[name].unit, "long_name": FORCING[name].long_name, "cell_methods": "time: mean"}
            attrs |= {"origin": "estimated", "method": method}
            found = found.assign({name: (("cell", "time"), values.astype(np.float32), attrs)})
        found = found.drop_vars(list(HELPERS), errors="ignore")
        if not self._said:
            say_estimated(found, self._config.product)
            self._said = True
        return found

    def _estimate(self, name: str, block: xr.Dataset) -> tuple[Series, str]:
        """Values of a forcing and how they were made."""
        if name == "wind":
            return np.full(block["prcp"].shape, self._config.wind_speed), f"constant {self._config.wind_speed:g} m s-1"
        formulas = [f for f in FORMULAS if f.name == name]
        wants = [_absent(f, block) for f in formulas]
        for formula, absent in zip(formulas, wants, strict=True):
            if not absent:
                return formula.values(_inputs(formula, block)), formula.method
        needs = " or ".join(", ".join(absent) for absent in wants)
        hint = (
            "; elevation comes from data.products.land, or from a column 'elevation' of data.products.attributes"
            if any("elevation" in absent for absent in wants)
            else ""
        )
        raise DataError(f"{self._config.folder}: the estimate of {name} lacks {needs}{hint}")


def refuse_unasked(config: ForcingConfig, missing: Iterable[str]) -> None:
    """Raise DataError for a forcing that the files lack and the study does not allow to be estimated."""
    unasked = [name for name in missing if name not in config.estimate]
    if unasked:
        listed = ", ".join([*config.estimate, *unasked])
        raise DataError(
            f"{config.folder}: {config.product} has no {', '.join(unasked)} here; add the files, or allow the estimate "
            f"with data.products.forcing.estimate: [{listed}]"
        )


def say_estimated(block: xr.Dataset, product: str) -> None:
    """Log every forcing of a block that is marked as estimated."""
    for name in FORCING:
        attrs = block[name].attrs
        if attrs.get("origin") == "estimated":
            logger.warning("%s: %s is estimated: %s", product, name, attrs.get("method", ""))


def _needs(formula: Formula) -> tuple[str, ...]:
    """What a block must hold for a formula."""
    return tuple(part for name in formula.inputs for part in (("swdown", "elevation") if name == "cloud" else (name,)))


def _absent(formula: Formula, block: xr.Dataset) -> list[str]:
    return [name for name in _needs(formula) if name not in block]


def _inputs(formula: Formula, block: xr.Dataset) -> dict[str, Series]:
    """Inputs of a formula [cell, time]."""
    found = {name: block[name].values.astype(np.float64) for name in _needs(formula)}
    if "elevation" in found:
        found["elevation"] = np.broadcast_to(found["elevation"][:, None], block["tair"].shape)
    if "cloud" in formula.inputs:
        time = block["time"].values
        days = np.unique(time.astype("datetime64[D]"))
        steps = len(time) // len(days)
        top = top_of_atmosphere(block["lat"].values, days).T
        daily = found["swdown"].reshape(len(found["swdown"]), len(days), steps).mean(axis=2)
        found["cloud"] = np.repeat(cloud_cover(daily, top, found["elevation"][:, : len(days)]), steps, axis=1)
    return found
