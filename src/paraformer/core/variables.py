"""The vocabulary: one entry per variable, with unit, dimensions, valid range, CF standard name and role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Role = Literal["forcing", "observation", "attribute", "reference", "label", "output", "parameter", "state"]


@dataclass(frozen=True)
class Variable:
    """A named quantity.

    Attributes:
        valid: closed range of physically possible values in ``unit``; what lies outside is refused.
        usual: range outside which a value is possible but rare; ``core.proof`` warns of it.
        rounding: how far outside ``valid`` a value may lie by rounding alone; it is set to the end of the range.
        hint: what a value outside usually is, for the message (``Kelvin?``).
        in_step: ``valid`` in a step shorter than a day, where it is wider.
        whole: whether only whole numbers are valid.
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
    in_step: tuple[float, float] | None = None
    whole: bool = False

    def of_step(self) -> Variable:
        """The same variable in a step shorter than a day."""
        return self if self.in_step is None else replace(self, valid=self.in_step, usual=None)


def _table(*variables: Variable) -> dict[str, Variable]:
    return {v.name: v for v in variables}


_CT, _C, _CM = ("cell", "time"), ("cell",), ("cell", "month")

FORCING = _table(
    Variable(
        "prcp",
        "mm day-1",
        _CT,
        (0, 2000),
        "forcing",
        "precipitation",
        "precipitation_flux",
        usual=(0, 500),
        rounding=0.01,
        hint="a fill value, or a sum over more than a day?",
        in_step=(0, 12000),
    ),
    Variable(
        "tair",
        "degC",
        _CT,
        (-90, 60),
        "forcing",
        "air temperature at 2 m",
        "air_temperature",
        usual=(-60, 45),
        hint="Kelvin or degrees Fahrenheit?",
    ),
    Variable(
        "swdown",
        "W m-2",
        _CT,
        (0, 600),
        "forcing",
        "downward shortwave radiation",
        "surface_downwelling_shortwave_flux_in_air",
        usual=(0, 500),
        rounding=0.1,
        hint="J m-2, or an hourly value as that of a day?",
        in_step=(0, 1500),
    ),
    Variable(
        "lwdown",
        "W m-2",
        _CT,
        (20, 700),
        "forcing",
        "downward longwave radiation",
        "surface_downwelling_longwave_flux_in_air",
        usual=(60, 550),
        hint="J m-2, kWh m-2, or net instead of downward radiation?",
        in_step=(20, 1000),
    ),
    Variable(
        "wind",
        "m s-1",
        _CT,
        (0, 60),
        "forcing",
        "wind speed at 10 m",
        "wind_speed",
        usual=(0, 35),
        rounding=0.01,
        hint="km h-1, or a component instead of the speed?",
        in_step=(0, 120),
    ),
    Variable(
        "vp",
        "kPa",
        _CT,
        (0, 8),
        "forcing",
        "water vapour pressure",
        "water_vapor_partial_pressure_in_air",
        usual=(0, 5),
        rounding=1e-4,
        hint="Pa or hPa?",
    ),
    Variable(
        "pres",
        "kPa",
        _CT,
        (40, 110),
        "forcing",
        "surface air pressure",
        "surface_air_pressure",
        usual=(45, 107),
        hint="Pa or hPa?",
    ),
)
"""The seven forcings of VIC-5, in the order in which networks see them."""

MEANS = _table(
    Variable(
        "prcp",
        "mm year-1",
        _C,
        (0, 15000),
        "forcing",
        "mean precipitation",
        usual=(10, 12000),
        hint="m, m s-1, mm s-1 or kg m-2 s-1 instead of mm day-1?",
    ),
    Variable(
        "tair", "degC", _C, (-60, 40), "forcing", "mean air temperature", usual=(-30, 32), hint="degrees Fahrenheit?"
    ),
    Variable(
        "swdown",
        "W m-2",
        _C,
        (40, 400),
        "forcing",
        "mean shortwave radiation",
        usual=(70, 330),
        hint="MJ m-2, kWh m-2 or kW m-2?",
    ),
    Variable(
        "lwdown",
        "W m-2",
        _C,
        (60, 500),
        "forcing",
        "mean longwave radiation",
        usual=(100, 460),
        hint="MJ m-2, kWh m-2, or net instead of downward radiation?",
    ),
    Variable(
        "wind",
        "m s-1",
        _C,
        (0, 40),
        "forcing",
        "mean wind speed",
        usual=(0.3, 15),
        hint="km h-1, knots or cm s-1?",
    ),
    Variable(
        "vp",
        "1",
        _C,
        (0.02, 1.2),
        "forcing",
        "mean vapour pressure over that of saturation",
        usual=(0.1, 1.05),
        hint="specific or relative humidity, hPa or Pa instead of kPa?",
    ),
)
"""The mean of a cell over a year or more, where it shows a wrong unit that single days do not.

Annual means on land: precipitation 1 (Arica) to 12000 mm (Mawsynram), shortwave radiation about 80 to 310 W m-2,
longwave radiation 110 (South Pole) to 430 W m-2, temperature -57 to 34 degC, wind up to 20 m s-1 (Adelie Land).
"""

DRY_REGION = 5.0
"""Mean precipitation of all cells together below which the unit must be another [mm year-1]."""

ATTRIBUTES = _table(
    Variable("sand", "%", _C, (0, 100), "attribute", "sand fraction of the soil", rounding=0.01),
    Variable("silt", "%", _C, (0, 100), "attribute", "silt fraction of the soil", rounding=0.01),
    Variable("clay", "%", _C, (0, 100), "attribute", "clay fraction of the soil", rounding=0.01),
    Variable("bulk", "g cm-3", _C, (0.3, 2.3), "attribute", "bulk density of the soil", hint="kg m-3?"),
    Variable("capa", "%", _C, (0, 100), "attribute", "available water capacity of the soil", rounding=0.01),
    Variable("elevation", "m", _C, (-450, 9000), "attribute", "mean elevation", "surface_altitude", hint="feet or cm?"),
    Variable(
        "elevation_sd",
        "m",
        _C,
        (0, 4000),
        "attribute",
        "standard deviation of elevation inside the cell",
        rounding=1e-6,
    ),
    Variable(
        "ndvi", "1", _C, (-1, 1), "attribute", "normalized difference vegetation index", hint="scaled by 10000 or 250?"
    ),
    Variable(
        "landcover_igbp",
        "1",
        _C,
        (1, 17),
        "attribute",
        "IGBP land cover class",
        hint="IGBP classes are whole numbers from 1 to 17, water is 17",
        whole=True,
    ),
)
"""Static attributes with a known meaning; a cube may hold others, which are taken as they are."""

_VOLUMETRIC = Variable(
    "sm_obs",
    "m3 m-3",
    _CT,
    (0, 1),
    "observation",
    "surface soil moisture",
    "volume_fraction_of_condensed_water_in_soil",
    rounding=1e-4,
    hint="percent, or a degree of saturation?",
)

OBSERVATIONS = _table(
    replace(_VOLUMETRIC, name="sm_smap", long_name="surface soil moisture, SMAP level 3"),
    _VOLUMETRIC,
)

MEAN_MOISTURE = replace(
    _VOLUMETRIC, dims=_C, long_name="mean soil moisture", usual=(0.01, 0.7), hint="another unit, or a fill value of 0?"
)
"""The mean of a cell's observations."""


def series_variable(name: str) -> Variable:
    """The forcing or observation of a name; any other name is an observation of volumetric soil moisture."""
    known = FORCING.get(name) or OBSERVATIONS.get(name)
    return known or replace(_VOLUMETRIC, name=name, long_name="", standard_name="")


_CLIMATOLOGY = Variable(
    "et_obs",
    "mm month-1",
    _CM,
    (-50, 400),
    "reference",
    "evapotranspiration climatology",
    usual=(-15, 250),
    hint="a sum over the year, or W m-2?",
)

REFERENCES = _table(
    *(
        replace(_CLIMATOLOGY, name=f"et_{product.lower()}", long_name=f"{_CLIMATOLOGY.long_name}, {product}")
        for product in ("FLUXCOM", "GLEAM")
    ),
    replace(_CLIMATOLOGY, name="et_mod16", long_name=f"{_CLIMATOLOGY.long_name}, MODIS MOD16"),
    _CLIMATOLOGY,
    Variable(
        "runoff_ratio_obs",
        "1",
        _C,
        (0, 2),
        "reference",
        "share of precipitation that runs off",
        usual=(0, 1.2),
        hint="percent?",
    ),
    Variable(
        "baseflow_index_obs",
        "1",
        _C,
        (0, 1),
        "reference",
        "share of total runoff that is baseflow",
        rounding=1e-3,
        hint="percent?",
    ),
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


_CL, _CB, _CK = ("cell", "layer"), ("cell", "band"), ("cell", "class")
_CKZ, _CKM, _CKB = (*_CK, "zone"), (*_CK, "month"), (*_CK, "band")
_SHARE = 1e-4  # how far rounding takes a share beyond 0 or 1


def _parameter(
    name: str, unit: str, dims: tuple[str, ...], valid: tuple[float, float], what: str, **more: Any
) -> Variable:
    return Variable(name, unit, dims, valid, "parameter", what, **more)


VIC_PARAMETERS = _table(
    _parameter("infilt", "1", _C, (1e-5, 10), "shape of the infiltration curve", usual=(1e-3, 1)),
    _parameter(
        "Ds", "1", _C, (0, 1), "part of Dsmax where non-linear baseflow begins", rounding=_SHARE, hint="percent?"
    ),
    _parameter("Dsmax", "mm day-1", _C, (0, 1e5), "maximum baseflow", usual=(1e-3, 1e3), hint="another unit of time?"),
    _parameter("Ws", "1", _C, (1e-3, 1), "part of the moisture where non-linear baseflow begins", rounding=_SHARE),
    _parameter("c", "1", _C, (1e-2, 100), "exponent of the baseflow curve", usual=(1, 5)),
    _parameter("elev", "m", _C, (-450, 9000), "elevation", hint="feet, or a fill value?"),
    _parameter("avg_T", "degC", _C, (-60, 50), "mean soil temperature at the damping depth", hint="Kelvin?"),
    _parameter("dp", "m", _C, (1e-2, 100), "damping depth of soil temperature", usual=(1, 20), hint="cm or mm?"),
    _parameter("rough", "m", _C, (1e-6, 2), "roughness of bare soil", usual=(1e-4, 0.5), hint="cm or mm?"),
    _parameter("snow_rough", "m", _C, (1e-6, 2), "roughness of snow", usual=(1e-5, 0.1), hint="cm or mm?"),
    _parameter("expt", "1", _CL, (3.01, 200), "exponent of Brooks-Corey conductivity, above 3", usual=(4, 50)),
    _parameter(
        "Ksat",
        "mm day-1",
        _CL,
        (1, 1e6),
        "saturated hydraulic conductivity",
        usual=(10, 5e4),
        hint="in m s-1, m day-1 or cm h-1?",
    ),
    _parameter("depth", "m", _CL, (1e-3, 50), "thickness", usual=(0.02, 10), rounding=1e-9, hint="mm or cm?"),
    _parameter("bulk_density", "kg m-3", _CL, (20, 3000), "density of the dry soil", usual=(300, 2000), hint="g cm-3?"),
    _parameter(
        "soil_density", "kg m-3", _CL, (500, 4000), "density of the particles", usual=(1200, 3000), hint="g cm-3?"
    ),
    _parameter("quartz", "1", _CL, (0, 1), "share of quartz", rounding=_SHARE, hint="percent?"),
    _parameter("Wcr_FRACT", "1", _CL, (0, 1), "critical point, of maximum moisture", rounding=_SHARE, hint="percent?"),
    _parameter("Wpwp_FRACT", "1", _CL, (0, 1), "wilting point, of maximum moisture", rounding=_SHARE, hint="percent?"),
    _parameter(
        "resid_moist", "1", _CL, (0, 1), "residual moisture, of the depth", rounding=_SHARE, hint="mm or percent?"
    ),
    _parameter("init_moist", "mm", _CL, (0, 5e4), "moisture of a cold start", rounding=1e-6, hint="m3 m-3 or m?"),
    _parameter("AreaFract", "1", _CB, (0, 1), "area of the snow band", rounding=_SHARE, hint="percent?"),
    _parameter("elevation", "m", _CB, (-450, 9000), "elevation of the snow band", hint="feet, or a fill value?"),
    _parameter(
        "Pfactor", "1", _CB, (0, 1), "part of the precipitation in the snow band", rounding=_SHARE, hint="percent?"
    ),
    _parameter("Nveg", "1", _C, (0, 1000), "number of classes with area, less bare soil"),
    _parameter("Cv", "1", _CK, (0, 1), "area of the class", rounding=_SHARE, hint="percent?"),
    _parameter("overstory", "1", _CK, (0, 1), "whether the class has trees"),
    _parameter("rarc", "s m-1", _CK, (0, 1e4), "architectural resistance", usual=(0, 500)),
    _parameter("rmin", "s m-1", _CK, (0, 1e5), "minimum stomatal resistance", usual=(10, 5000)),
    _parameter("RGL", "W m-2", _CK, (0.1, 2000), "radiation that halves the resistance", usual=(10, 300)),
    _parameter("rad_atten", "1", _CK, (0, 10), "attenuation of radiation in the canopy", usual=(0, 2)),
    _parameter("wind_atten", "1", _CK, (0, 20), "attenuation of wind in the canopy", usual=(0, 5)),
    _parameter("trunk_ratio", "1", _CK, (0, 1), "height of the trunks, of the trees'", usual=(0, 0.9), hint="percent?"),
    _parameter("wind_h", "m", _CK, (0.5, 500), "height of the wind measurement", usual=(1, 150), hint="cm?"),
    _parameter("root_depth", "m", _CKZ, (0, 200), "thickness of the root zone", usual=(0, 20), hint="mm or cm?"),
    _parameter("root_fract", "1", _CKZ, (0, 1), "roots in the zone", rounding=_SHARE, hint="percent?"),
    _parameter("LAI", "1", _CKM, (0, 30), "leaf area index", usual=(0, 12), hint="a scale factor not applied?"),
    _parameter("fcanopy", "1", _CKM, (0, 1), "canopy fraction", rounding=_SHARE, hint="percent?"),
    _parameter("albedo", "1", _CKM, (0, 1), "albedo", usual=(0.02, 0.7), rounding=_SHARE, hint="percent?"),
    _parameter("veg_rough", "m", _CKM, (1e-5, 20), "roughness of the plants", usual=(1e-4, 6), hint="cm or mm?"),
    _parameter(
        "displacement", "m", _CKM, (0, 100), "displacement height of the plants", usual=(0, 40), hint="cm or mm?"
    ),
)
"""Variables of a VIC-5 parameter file, by their names there; bare soil needs none of a class but its wind_h, veg_rough
and displacement."""


def _state(name: str, unit: str, dims: tuple[str, ...], valid: tuple[float, float], what: str, **more: Any) -> Variable:
    return Variable(name, unit, dims, valid, "state", what, **more)


VIC_STATE = _table(
    _state(
        "STATE_SOIL_MOISTURE", "mm", (*_CKB, "layer"), (0, 5e4), "soil moisture", rounding=1e-6, hint="m3 m-3 or m?"
    ),
    _state("STATE_SOIL_NODE_TEMP", "degC", (*_CKB, "node"), (-90, 90), "soil temperature", hint="Kelvin?"),
    _state("STATE_CANOPY_WATER", "mm", _CKB, (0, 50), "water on leaves", usual=(0, 10), rounding=1e-6),
    _state("STATE_SNOW_CANOPY", "m", _CKB, (0, 5), "snow on leaves", usual=(0, 0.5), rounding=1e-6, hint="mm?"),
    _state("STATE_SNOW_WATER_EQUIVALENT", "m", _CKB, (0, 500), "snow water", usual=(0, 10), rounding=1e-6, hint="mm?"),
    _state("STATE_SNOW_SURF_WATER", "m", _CKB, (0, 5), "liquid water on top of the pack", rounding=1e-6, hint="mm?"),
    _state("STATE_SNOW_PACK_WATER", "m", _CKB, (0, 50), "liquid water in the pack", rounding=1e-6, hint="mm?"),
    _state(
        "STATE_SNOW_SURF_TEMP", "degC", _CKB, (-100, 0), "temperature of the pack's top", rounding=1e-3, hint="Kelvin?"
    ),
    _state("STATE_SNOW_PACK_TEMP", "degC", _CKB, (-100, 0), "temperature of the pack", rounding=1e-3, hint="Kelvin?"),
    _state("STATE_SNOW_COLD_CONTENT", "J m-2", _CKB, (-1e10, 0), "cold content of the pack's top", rounding=1.0),
    _state("STATE_SNOW_DENSITY", "kg m-3", _CKB, (0, 1000), "density of the pack", rounding=1e-3, hint="g cm-3?"),
    _state("STATE_SNOW_AGE", "1", _CKB, (0, 1e7), "steps since the last snowfall"),
    _state("STATE_SNOW_MELT_STATE", "1", _CKB, (0, 1), "whether the pack melts"),
    _state("STATE_FOLIAGE_TEMPERATURE", "degC", _CKB, (-100, 100), "temperature of the leaves", hint="Kelvin?"),
    _state("STATE_ENERGY_LONGUNDEROUT", "W m-2", _CKB, (0, 1500), "long-wave radiation below the canopy"),
    _state("PARAFORMER_CANOPY_MELT", "m", _CKB, (0, 5), "melted part of the snow on leaves", rounding=1e-6),
    _state("PARAFORMER_SNOW_ALBEDO", "1", _CKB, (0, 1), "albedo of snow", rounding=_SHARE),
)
"""Variables of a VIC-5 state file, by their names there."""

VIC_FORCING = _table(
    Variable("prcp", "mm", _CT, (0, 2000), "forcing", "precipitation of a step", rounding=1e-3, hint="a fill value?"),
    Variable("tair", "degC", _CT, (-90, 60), "forcing", "air temperature", hint="Kelvin?"),
    Variable("swdown", "W m-2", _CT, (0, 1500), "forcing", "short-wave radiation", rounding=1.0, hint="J m-2?"),
    Variable("lwdown", "W m-2", _CT, (0, 1000), "forcing", "long-wave radiation", usual=(30, 700), hint="J m-2?"),
    Variable("wind", "m s-1", _CT, (0, 120), "forcing", "wind speed", usual=(0, 60), rounding=1e-3, hint="km h-1?"),
    Variable("vp", "kPa", _CT, (0, 15), "forcing", "vapour pressure", usual=(0, 6), rounding=1e-6, hint="Pa or hPa?"),
    Variable("pres", "kPa", _CT, (20, 115), "forcing", "air pressure", usual=(40, 110), hint="Pa or hPa?"),
)
"""Forcing of VIC's own files at the snow step, wider than that of days: a step is short."""
