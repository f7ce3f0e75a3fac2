"""Settings of soil moisture beside SMAP: ESA CCI, and any netCDF file on a regular grid of latitude and longitude."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from paraformer.core.settings import Distinct, Settings
from paraformer.core.time import Period
from paraformer.data.sources.region import Region

CciFlag = Literal[
    "frozen_or_snow",
    "dense_vegetation",
    "no_convergence",
    "outside_physical_range",
    "low_weight",
    "unreliable",
    "barren_ground",
]
"""Bits 0 to 6 of ``flag``; the last one is advice, the others say that a value should not be used."""

CCI_BITS: dict[str, int] = {name: bit for bit, name in enumerate(get_args(CciFlag))}


class MoistureConfig(Settings):
    """What these products have in common."""

    folder: Path = Field(description="folder with the files, searched with its sub-folders")
    region: Region
    period: Period = Field(description="UTC days of the result")
    maximum_uncertainty: float | None = Field(
        default=None, gt=0, le=1, description="drop values with a larger standard error, or with none [m3 m-3]"
    )


class CciConfig(MoistureConfig):
    """ESA CCI soil moisture, 0.25 degree: ``ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-YYYYMMDD000000-fv09.1.nc``."""

    product: Literal["ESA_CCI_COMBINED", "ESA_CCI_PASSIVE"] = Field(
        description="radars and radiometers, or radiometers alone; the radars' own product is no volume fraction"
    )
    quality: Literal["recommended", "retrieved"] = Field(
        default="recommended", description="values without a flag (barren_ground aside), or all"
    )
    exclude: Annotated[tuple[CciFlag, ...], Distinct] = Field(
        default=(), description="drop values with one of these bits of flag"
    )
    on_bad: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="what to do with empty, truncated or foreign files"
    )


class MoistureNetcdfConfig(MoistureConfig):
    """Soil moisture of any origin: netCDF files with one value a UTC day on a regular latitude-longitude grid."""

    product: Literal["netCDF"]
    variable: str = Field(description="name of the volumetric soil moisture in the files [m3 m-3]")
    uncertainty: str | None = Field(
        default=None, description="name of its standard error in the files [m3 m-3]; none has none"
    )

    @model_validator(mode="after")
    def _bound_has_a_variable(self) -> MoistureNetcdfConfig:
        if self.maximum_uncertainty is not None and self.uncertainty is None:
            raise ValueError("maximum_uncertainty needs 'uncertainty', the name of the standard error in the files")
        return self
