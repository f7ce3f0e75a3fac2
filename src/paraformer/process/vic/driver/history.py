"""The history variables of VIC-5 this model computes: name, unit, how a period is made of steps, and from what.

Names, units and the way a period is made of steps are VIC-5's (manual: *Output Variables*).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.process.vic.constants import MINIMUM_CANOPY_FRACTION, MOLECULAR_WEIGHT_RATIO, PA_PER_KPA
from paraformer.process.vic.parameters import CellParameters, column_moisture_capacity

Aggregation = Literal["sum", "mean", "end", "begin", "max", "min"]
LAYERS = ("soil_moisture_1", "soil_moisture_2", "soil_moisture_3")
STORES = (*LAYERS, "swe", "canopy_snow", "canopy_water")
"""Outputs that are stores: their changes need the value before the first step."""


@dataclass(frozen=True)
class Steps:
    """Some model steps of some cells, from which history variables are computed.

    Attributes:
        outputs: output of the model -> [cell, time].
        meteorology: forcing of the model steps, dtype ``MET`` [cell, time]; ``None`` if no variable needs it.
        before: store -> value before the first step [cell].
        parameters: of the cells.
        month: calendar month of each step, 1..12 [time].
    """

    outputs: Mapping[str, Float[np.ndarray, "cell time"]]
    meteorology: np.ndarray | None
    before: Mapping[str, Float[np.ndarray, " cell"]]
    parameters: CellParameters
    month: Int[np.ndarray, " time"]

    def met(self, name: str) -> Float[np.ndarray, "cell time"]:
        """One field of the forcing."""
        assert self.meteorology is not None
        return self.meteorology[name]

    def change(self, *stores: str) -> Float[np.ndarray, "1 cell time"]:
        """Change of the sum of stores in each step."""
        now = np.sum([self.outputs[name] for name in stores], axis=0)
        first = np.sum([self.before[name] for name in stores], axis=0)
        return np.diff(now, axis=1, prepend=first[:, None])[None]


class HistoryVariable(NamedTuple):
    """One variable. ``compute`` gives [element, cell, time]; ``element`` is a layer, or 1."""

    standard_name: str
    unit: str
    description: str
    aggregation: Aggregation
    compute: Callable[[Steps], Float[np.ndarray, "element cell time"]]
    outputs: tuple[str, ...] = ()  # outputs of the model it is made of
    layered: bool = False
    forcing: bool = False  # needs the forcing

    @property
    def n_element(self) -> int:
        return 3 if self.layered else 1


def _plain(output: str, standard_name: str, unit: str, description: str, how: Aggregation) -> HistoryVariable:
    return HistoryVariable(standard_name, unit, description, how, lambda steps: steps.outputs[output][None], (output,))


def _layers(standard_name: str, description: str) -> HistoryVariable:
    return HistoryVariable(
        standard_name,
        "mm",
        description,
        "end",
        lambda steps: np.stack([steps.outputs[name] for name in LAYERS]),
        LAYERS,
        True,
    )


def _change(standard_name: str, description: str, *stores: str) -> HistoryVariable:
    return HistoryVariable(standard_name, "mm", description, "sum", lambda steps: steps.change(*stores), stores)


def _forcing(name: str, standard_name: str, unit: str, description: str, scale: float = 1.0) -> HistoryVariable:
    return HistoryVariable(
        standard_name, unit, description, "mean", lambda steps: steps.met(name)[None] / scale, forcing=True
    )


def _no_ice(steps: Steps) -> np.ndarray:
    return np.zeros((3, *steps.outputs[LAYERS[0]].shape))


def _wetness(steps: Steps) -> np.ndarray:
    """Mean over the layers of (moisture - wilting point) / (maximum - wilting point)."""
    maximum = column_moisture_capacity(steps.parameters)
    wilting = steps.parameters.wpwp_fract * maximum
    parts = [
        (steps.outputs[name] - wilting[:, i, None]) / (maximum - wilting)[:, i, None] for i, name in enumerate(LAYERS)
    ]
    return np.mean(parts, axis=0)[None]


def _specific_humidity(steps: Steps) -> np.ndarray:
    return (MOLECULAR_WEIGHT_RATIO * steps.met("vapour_pressure") / steps.met("pressure"))[None]


def _relative_humidity(steps: Steps) -> np.ndarray:
    vapour = steps.met("vapour_pressure")
    return (100.0 * vapour / (vapour + steps.met("vpd")))[None]


def _cover(steps: Steps, leaf_area: bool) -> np.ndarray:
    """Cell mean of the month's canopy fraction, or of LAI (per area of the tile); both 0 in months without leaves."""
    p = steps.parameters
    cover = p.cv / p.cv.sum(axis=1, keepdims=True)
    leafless = (p.fcanopy < MINIMUM_CANOPY_FRACTION) | (p.lai == 0.0) | p.bare[:, :, None]
    value = np.where(leafless, 0.0, p.lai if leaf_area else p.fcanopy)
    monthly = (cover[:, :, None] * value).sum(axis=1)
    return monthly[:, steps.month - 1][None]


def _routed(steps: Steps) -> np.ndarray:
    raise AssertionError("discharge is made of all cells of a step together (driver.discharge)")


DISCHARGE = "OUT_DISCHARGE"
HISTORY: dict[str, HistoryVariable] = {
    DISCHARGE: HistoryVariable(
        "river_discharge",
        "m3 s-1",
        "volume transport of water in the river, at the outlets of ROUT_PARAM; 0 elsewhere",
        "mean",
        _routed,
        ("runoff", "baseflow"),
    ),
    "OUT_PREC": _plain("precipitation", "precipitation_amount", "mm", "incoming precipitation", "sum"),
    "OUT_RAINF": _plain("rainfall", "rainfall_amount", "mm", "liquid rainfall amount", "sum"),
    "OUT_SNOWF": _plain("snowfall", "snowfall_lwe_amount", "mm", "snowfall", "sum"),
    "OUT_EVAP": _plain("evapotranspiration", "water_evaporation_flux_net", "mm", "total net evaporation", "sum"),
    "OUT_TRANSP_VEG": _plain("transpiration", "transpiration_amount", "mm", "net transpiration from vegetation", "sum"),
    "OUT_EVAP_BARE": _plain(
        "bare_soil_evaporation", "water_evaporation_from_soil", "mm", "net evaporation from bare soil", "sum"
    ),
    "OUT_EVAP_CANOP": _plain(
        "canopy_evaporation", "water_evaporation_from_canopy", "mm", "net evaporation from canopy interception", "sum"
    ),
    "OUT_SUB_SNOW": _plain(
        "snow_sublimation",
        "sublimation_amount_from_snow_pack",
        "mm",
        "net sublimation from snow pack (surface and blowing)",
        "sum",
    ),
    "OUT_SUB_CANOP": _plain(
        "canopy_sublimation",
        "sublimation_amount_from_canopy_snow",
        "mm",
        "net sublimation from snow stored in canopy",
        "sum",
    ),
    "OUT_RUNOFF": _plain("runoff", "runoff_amount", "mm", "surface runoff", "sum"),
    "OUT_BASEFLOW": _plain("baseflow", "baseflow_amount", "mm", "baseflow out of the bottom layer", "sum"),
    "OUT_INFLOW": _plain("inflow", "soil_column_inflow", "mm", "moisture that reaches top of soil column", "sum"),
    "OUT_SNOW_MELT": _plain("snow_melt", "snow_melt_amount", "mm", "snow melt", "sum"),
    "OUT_SWE": _plain("swe", "lwe_thickness_of_snow", "mm", "snow water equivalent in snow pack", "end"),
    "OUT_SNOW_DEPTH": _plain("snow_depth", "thickness_of_snow", "cm", "depth of snow pack", "end"),
    "OUT_SNOW_COVER": _plain("snow_cover", "snow_cover_area_fraction", "1", "fractional area of snow cover", "end"),
    "OUT_SNOW_CANOPY": _plain(
        "canopy_snow", "lwe_thickness_of_canopy_intercepted_snow", "mm", "snow interception storage in canopy", "end"
    ),
    "OUT_WDEW": _plain(
        "canopy_water",
        "soil_moisture_storage_depth_in_canopy",
        "mm",
        "total moisture interception storage in canopy",
        "end",
    ),
    "OUT_ASAT": _plain("saturated_area", "saturated_area_fraction", "1", "saturated area fraction", "end"),
    "OUT_WATER_ERROR": _plain("water_error", "water_budget_error", "mm", "water budget error", "mean"),
    "OUT_SNOWT_FBFLAG": _plain(
        "root_finder_fallbacks", "snow_surface_temperature_flag", "1", "snow surface temperature flag", "sum"
    ),
    "OUT_SOIL_MOIST": _layers("soil_moisture", "soil total moisture content"),
    "OUT_SOIL_LIQ": _layers("soil_moisture_liquid_depth", "soil liquid moisture content for each soil layer"),
    "OUT_SOIL_ICE": HistoryVariable(
        "soil_moisture_ice_depth", "mm", "soil ice content for each soil layer", "end", _no_ice, LAYERS[:1], True
    ),
    "OUT_SOIL_WET": HistoryVariable(
        "soil_moisture_wetness_fraction",
        "1",
        "vertical average of (soil moisture - wilting point)/(maximum soil moisture - wilting point)",
        "end",
        _wetness,
        LAYERS,
    ),
    "OUT_DELSOILMOIST": _change("change_in_soil_water_amount", "change in soil water content", *LAYERS),
    "OUT_DELSWE": _change("change_in_snow_lwe_thickness", "change in snow water equivalent", "swe", "canopy_snow"),
    "OUT_DELINTERCEPT": _change(
        "change_in_canopy_interception_amount", "change in canopy interception storage", "canopy_water"
    ),
    "OUT_LAI": HistoryVariable("leaf_area_index", "1", "leaf area index", "mean", lambda steps: _cover(steps, True)),
    "OUT_FCANOPY": HistoryVariable(
        "canopy_cover_area_fraction",
        "1",
        "fractional area covered by plant canopy",
        "mean",
        lambda steps: _cover(steps, False),
    ),
    "OUT_AIR_TEMP": _forcing("temperature", "air_temperature", "C", "air temperature"),
    "OUT_SWDOWN": _forcing("shortwave", "surface_downwelling_shortwave_flux_in_air", "W m-2", "incoming shortwave"),
    "OUT_LWDOWN": _forcing("longwave", "surface_downwelling_longwave_flux_in_air", "W m-2", "incoming longwave"),
    "OUT_PRESSURE": _forcing(
        "pressure", "surface_air_pressure", "kPa", "near surface atmospheric pressure", PA_PER_KPA
    ),
    "OUT_VP": _forcing(
        "vapour_pressure", "water_vapor_partial_pressure_in_air", "kPa", "near surface vapor pressure", PA_PER_KPA
    ),
    "OUT_VPD": _forcing(
        "vpd", "water_vapor_saturation_deficit", "kPa", "near surface vapor pressure deficit", PA_PER_KPA
    ),
    "OUT_WIND": _forcing("wind", "wind_speed", "m s-1", "near surface wind speed"),
    "OUT_DENSITY": _forcing("density", "air_density", "kg m-3", "near-surface atmospheric density"),
    "OUT_QAIR": HistoryVariable(
        "specific_humidity", "1", "specific humidity", "mean", _specific_humidity, forcing=True
    ),
    "OUT_REL_HUMID": HistoryVariable(
        "relative_humidity", "1", "relative humidity", "mean", _relative_humidity, forcing=True
    ),
}
"""VIC-5's name -> what this model writes under it."""

_OTHERS = """
OUT_LAKE_AREA_FRAC OUT_LAKE_DEPTH OUT_LAKE_ICE OUT_LAKE_ICE_FRACT OUT_LAKE_ICE_HEIGHT OUT_LAKE_MOIST
OUT_LAKE_SURF_AREA OUT_LAKE_SWE OUT_LAKE_SWE_V OUT_LAKE_VOLUME OUT_ROOTMOIST OUT_SMFROZFRAC OUT_SMLIQFRAC
OUT_SOIL_ICE_FRAC OUT_SOIL_LIQ_FRAC OUT_SOIL_EFF_SAT OUT_SURFSTOR OUT_SURF_FROST_FRAC OUT_ZWT OUT_ZWT_LUMPED
OUT_DELSURFSTOR OUT_LAKE_BF_IN OUT_LAKE_BF_IN_V OUT_LAKE_BF_OUT OUT_LAKE_BF_OUT_V OUT_LAKE_CHAN_IN
OUT_LAKE_CHAN_IN_V OUT_LAKE_CHAN_OUT OUT_LAKE_CHAN_OUT_V OUT_LAKE_DSTOR OUT_LAKE_DSTOR_V OUT_LAKE_DSWE
OUT_LAKE_DSWE_V OUT_LAKE_EVAP OUT_LAKE_EVAP_V OUT_LAKE_PREC_V OUT_LAKE_RCHRG OUT_LAKE_RCHRG_V OUT_LAKE_RO_IN
OUT_LAKE_RO_IN_V OUT_LAKE_VAPFLX OUT_LAKE_VAPFLX_V OUT_PET OUT_REFREEZE OUT_SUB_BLOWING OUT_SUB_SURFACE OUT_ALBEDO
OUT_BARESOILT OUT_FDEPTH OUT_LAKE_ICE_TEMP OUT_LAKE_SURF_TEMP OUT_RAD_TEMP OUT_SALBEDO OUT_SNOW_PACK_TEMP
OUT_SNOW_SURF_TEMP OUT_SOIL_TEMP OUT_SOIL_TNODE OUT_SOIL_TNODE_WL OUT_SOILT_FBFLAG OUT_SURF_TEMP OUT_SURFT_FBFLAG
OUT_TCAN_FBFLAG OUT_TDEPTH OUT_TFOL_FBFLAG OUT_VEGT OUT_ADV_SENS OUT_ADVECTION OUT_DELTACC OUT_DELTAH
OUT_ENERGY_ERROR OUT_FUSION OUT_GRND_FLUX OUT_IN_LONG OUT_LATENT OUT_LATENT_SUB OUT_MELT_ENERGY OUT_LWNET OUT_SWNET
OUT_R_NET OUT_RFRZ_ENERGY OUT_SENSIBLE OUT_SNOW_FLUX OUT_AERO_COND OUT_AERO_COND1 OUT_AERO_COND2 OUT_AERO_RESIST
OUT_AERO_RESIST1 OUT_AERO_RESIST2 OUT_CATM OUT_FDIR OUT_PAR OUT_SURF_COND OUT_ADV_SENS_BAND OUT_ADVECTION_BAND
OUT_ALBEDO_BAND OUT_DELTACC_BAND OUT_GRND_FLUX_BAND OUT_IN_LONG_BAND OUT_LATENT_BAND OUT_LATENT_SUB_BAND
OUT_MELT_ENERGY_BAND OUT_LWNET_BAND OUT_SWNET_BAND OUT_RFRZ_ENERGY_BAND OUT_SENSIBLE_BAND OUT_SNOW_CANOPY_BAND
OUT_SNOW_COVER_BAND OUT_SNOW_DEPTH_BAND OUT_SNOW_FLUX_BAND OUT_SNOW_MELT_BAND OUT_SNOW_PACKT_BAND
OUT_SNOW_SURFT_BAND OUT_SWE_BAND OUT_APAR OUT_GPP OUT_RAUT OUT_NPP OUT_LITTERFALL OUT_RHET OUT_NEE OUT_CLITTER
OUT_CINTER OUT_CSLOW OUT_TIME_VICRUN_WALL OUT_TIME_VICRUN_CPU
"""
NOT_COMPUTED = frozenset(_OTHERS.split())
"""Variables of VIC-5 that this model does not compute: energy terms, water table, lakes, carbon, bands."""
