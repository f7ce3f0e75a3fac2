"""The vocabulary: one entry per variable, with unit, dimensions, valid range, CF standard name and role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["forcing", "observation", "attribute", "reference", "label", "output"]


@dataclass(frozen=True)
class Variable:
    """A named quantity.

    Attributes:
        valid: closed range of physically possible values in ``unit``; what lies outside is refused.
        usual: range outside which a value is possible but rare; ``core.proof`` warns of it.
        rounding: how far outside ``valid`` a value may lie by rounding alone; it is set to the end of the range.
        hint: what a value outside usually is, for the message (``Kelvin?``).
    """

    name: str
    unit: str
    dims: tuple[str, ...]
    valid: tuple[float, float]
    role: Role
    long_name: str
    standard_name: str = ""
    usual: tuple[float, float] | None = None
    rounding: float = 0.0
    hint: str = ""


def _table(*variables: Variable) -> dict[str, Variable]:
    return {v.name: v for v in variables}


_CT, _C, _CM = ("cell", "time"), ("cell",), ("cell", "month")

FORCING = _table(
    Variable("prcp", "mm day-1", _CT, (0, 2000), "forcing", "precipitation", "precipitation_flux"),
    Variable("tair", "degC", _CT, (-90, 60), "forcing", "air temperature at 2 m", "air_temperature"),
    Variable(
        "swdown",
        "W m-2",
        _CT,
        (0, 600),
        "forcing",
        "downward shortwave radiation",
        "surface_downwelling_shortwave_flux_in_air",
    ),
    Variable(
        "lwdown",
        "W m-2",
        _CT,
        (20, 700),
        "forcing",
        "downward longwave radiation",
        "surface_downwelling_longwave_flux_in_air",
    ),
    Variable("wind", "m s-1", _CT, (0, 60), "forcing", "wind speed at 10 m", "wind_speed"),
    Variable("vp", "kPa", _CT, (0, 8), "forcing", "water vapour pressure", "water_vapor_partial_pressure_in_air"),
    Variable("pres", "kPa", _CT, (40, 110), "forcing", "surface air pressure", "surface_air_pressure"),
)
"""The seven forcings of VIC-5, in the order in which networks see them."""

ATTRIBUTES = _table(
    Variable("sand", "%", _C, (0, 100), "attribute", "sand fraction of the soil"),
    Variable("silt", "%", _C, (0, 100), "attribute", "silt fraction of the soil"),
    Variable("clay", "%", _C, (0, 100), "attribute", "clay fraction of the soil"),
    Variable("bulk", "g cm-3", _C, (0.3, 2.3), "attribute", "bulk density of the soil"),
    Variable("capa", "%", _C, (0, 100), "attribute", "available water capacity of the soil"),
    Variable("elevation", "m", _C, (-450, 9000), "attribute", "mean elevation", "surface_altitude"),
    Variable("elevation_sd", "m", _C, (0, 4000), "attribute", "standard deviation of elevation inside the cell"),
    Variable("ndvi", "1", _C, (-1, 1), "attribute", "normalized difference vegetation index"),
    Variable("landcover_igbp", "1", _C, (0, 17), "attribute", "IGBP land cover class"),
)
"""Static attributes with a known meaning; a cube may hold others, which are taken as they are."""

OBSERVATIONS = _table(
    Variable(
        "sm_smap",
        "m3 m-3",
        _CT,
        (0, 1),
        "observation",
        "surface soil moisture, SMAP level 3",
        "volume_fraction_of_condensed_water_in_soil",
    ),
    Variable(
        "sm_obs",
        "m3 m-3",
        _CT,
        (0, 1),
        "observation",
        "surface soil moisture",
        "volume_fraction_of_condensed_water_in_soil",
    ),
)

REFERENCES = _table(
    Variable("et_fluxcom", "mm month-1", _CM, (-50, 400), "reference", "evapotranspiration climatology, FLUXCOM"),
    Variable("et_gleam", "mm month-1", _CM, (-50, 400), "reference", "evapotranspiration climatology, GLEAM"),
    Variable("et_mod16", "mm month-1", _CM, (-50, 400), "reference", "evapotranspiration climatology, MODIS MOD16"),
    Variable("et_obs", "mm month-1", _CM, (-50, 400), "reference", "evapotranspiration climatology"),
    Variable("runoff_ratio_obs", "1", _C, (0, 2), "reference", "share of precipitation that runs off"),
    Variable("baseflow_index_obs", "1", _C, (0, 1), "reference", "share of total runoff that is baseflow"),
)
"""What other variables than soil moisture are compared with: climatologies, signatures of runoff; NaN where unknown."""

OUTPUTS = _table(
    Variable("soil_moisture_1", "mm", _CT, (0, 1e4), "output", "soil moisture of layer 1, end of day"),
    Variable("soil_moisture_2", "mm", _CT, (0, 1e4), "output", "soil moisture of layer 2, end of day"),
    Variable("soil_moisture_3", "mm", _CT, (0, 1e4), "output", "soil moisture of layer 3, end of day"),
    Variable("soil_moisture_1_mean", "mm", _CT, (0, 1e4), "output", "soil moisture of layer 1, daily mean"),
    Variable(
        "evapotranspiration",
        "mm day-1",
        _CT,
        (-50, 100),
        "output",
        "total evaporation and transpiration",
        "water_evapotranspiration_flux",
    ),
    Variable("runoff", "mm day-1", _CT, (0, 2000), "output", "surface runoff", "surface_runoff_flux"),
    Variable("baseflow", "mm day-1", _CT, (0, 2000), "output", "baseflow", "subsurface_runoff_flux"),
    Variable("swe", "mm", _CT, (0, 1e5), "output", "snow water equivalent", "lwe_thickness_of_surface_snow_amount"),
    Variable(
        "soil_moisture",
        "m3 m-3",
        _CT,
        (0, 1),
        "output",
        "volumetric soil moisture of layer 1",
        "volume_fraction_of_condensed_water_in_soil",
    ),
)

VOCABULARY: dict[str, Variable] = {**FORCING, **ATTRIBUTES, **OBSERVATIONS, **REFERENCES, **OUTPUTS}
