"""The vocabulary of VIC-5's own files, by the names there: parameters, states and forcing of the image driver.

Axes beside the cell: soil ``layer``, snow ``band``, vegetation ``class``, root ``zone``, ``month``, soil ``node``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paraformer.core.variables import FORCING, Variable, table

_C, _CL, _CB, _CK = ("cell",), ("cell", "layer"), ("cell", "band"), ("cell", "class")
_CKZ, _CKM, _CKB = (*_CK, "zone"), (*_CK, "month"), (*_CK, "band")
_SHARE = 1e-3  # how far rounding takes a share beyond 0 or 1


def _parameter(
    name: str, unit: str, dims: tuple[str, ...], valid: tuple[float, float], what: str, **more: Any
) -> Variable:
    return Variable(name, unit, dims, valid, "parameter", what, **more)


VIC_PARAMETERS = table(
    _parameter("infilt", "1", _C, (1e-5, 10), "shape of the infiltration curve", usual=(1e-3, 1)),
    _parameter(
        "Ds", "1", _C, (0, 1), "part of Dsmax where non-linear baseflow begins", rounding=_SHARE, hint="percent?"
    ),
    _parameter("Dsmax", "mm day-1", _C, (0, 1e5), "maximum baseflow", usual=(1e-3, 1e3), hint="another unit of time?"),
    _parameter("Ws", "1", _C, (1e-3, 1), "part of the moisture where non-linear baseflow begins", rounding=1e-4),
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
    _parameter("Nveg", "1", _C, (0, 1000), "number of classes with area, less bare soil", whole=True),
    _parameter("Cv", "1", _CK, (0, 1), "area of the class", rounding=_SHARE, hint="percent?"),
    _parameter("overstory", "1", _CK, (0, 1), "whether the class has trees", whole=True),
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


VIC_STATE = table(
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
    _state("STATE_SNOW_AGE", "1", _CKB, (0, 1e7), "steps since the last snowfall", whole=True),
    _state("STATE_SNOW_MELT_STATE", "1", _CKB, (0, 1), "whether the pack melts", whole=True),
    _state("STATE_FOLIAGE_TEMPERATURE", "degC", _CKB, (-100, 100), "temperature of the leaves", hint="Kelvin?"),
    _state("STATE_ENERGY_LONGUNDEROUT", "W m-2", _CKB, (0, 1500), "long-wave radiation below the canopy"),
    _state("PARAFORMER_CANOPY_MELT", "m", _CKB, (0, 5), "melted part of the snow on leaves", rounding=1e-6),
    _state("PARAFORMER_SNOW_ALBEDO", "1", _CKB, (0, 1), "albedo of snow", rounding=_SHARE),
)
"""Variables of a VIC-5 state file, by their names there."""

VIC_FORCING = {name: replace(variable.of_step(), usual=None) for name, variable in FORCING.items()}
VIC_FORCING["prcp"] = replace(VIC_FORCING["prcp"], unit="mm", valid=(0, 2000), rounding=1e-3)
"""Forcing of VIC's own files at the snow step; precipitation is the sum of a step."""
