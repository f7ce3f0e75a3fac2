"""The vocabulary: one entry per variable, with unit, dimensions, valid range, CF standard name and role.

What VIC's own files hold is in ``core.vic_variables``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

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


def table(*variables: Variable) -> dict[str, Variable]:
    return {v.name: v for v in variables}


_CT, _C, _CM = ("cell", "time"), ("cell",), ("cell", "month")

FORCING = table(
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

MEANS = table(
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
        usual=(0.3, 10),
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

ATTRIBUTES = table(
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

CATEGORICAL = "landcover_igbp"
"""The attribute of which learners see one column a class."""


def class_column(number: int) -> str:
    """Name of the attribute that is 1 in cells of a class of ``CATEGORICAL``, else 0."""
    return f"{CATEGORICAL}_{number}"


def class_of(name: str) -> int | None:
    """Class that an attribute is the column of; ``None`` if it is none."""
    head, _, number = name.rpartition("_")
    return int(number) if head == CATEGORICAL and number.isdecimal() else None


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

OBSERVATIONS = table(
    replace(_VOLUMETRIC, name="sm_smap", long_name="surface soil moisture, SMAP level 3"),
    replace(_VOLUMETRIC, name="sm_cci", long_name="surface soil moisture, ESA CCI"),
    _VOLUMETRIC,
)

MEAN_MOISTURE = replace(
    _VOLUMETRIC, dims=_C, long_name="mean soil moisture", usual=(0.01, 0.6), hint="another unit, or a fill value of 0?"
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

MEAN_CLIMATOLOGY = replace(_CLIMATOLOGY, dims=_C, usual=(1.5, 150), hint="mm day-1, W m-2 or a sum over the year?")
"""The mean month of a cell."""

REFERENCES = table(
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

OUTPUTS = table(
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
