"""Settings of the readers of published products."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from paraformer.core.settings import Distinct, Settings
from paraformer.core.time import Period
from paraformer.data.sources.land_config import LandConfig

SurfaceFlag = Literal[
    "static_water",
    "radar_water",
    "coastal",
    "urban",
    "precipitation",
    "snow",
    "permanent_ice",
    "frozen_radiometer",
    "frozen_model",
    "mountainous",
    "dense_vegetation",
    "nadir",
]
"""Bits 0 to 11 of ``surface_flag`` (SPL3SMP_E user guide, versions 5 and 6; SPL3SMP user guide, versions 8 and 9)."""

SURFACE_BITS: dict[str, int] = {name: bit for bit, name in enumerate(get_args(SurfaceFlag))}


class Region(Settings):
    """A latitude-longitude box [degree]; a cell belongs to it if its centre does."""

    south: float = Field(ge=-90, le=90)
    north: float = Field(ge=-90, le=90)
    west: float = Field(ge=-180, le=180)
    east: float = Field(ge=-180, le=180)

    @model_validator(mode="after")
    def _is_a_box(self) -> Region:
        if self.south >= self.north:
            raise ValueError(f"south ({self.south:g}) must be below north ({self.north:g})")
        if self.west >= self.east:
            raise ValueError(f"west ({self.west:g}) must be below east ({self.east:g}); the date line is not crossed")
        return self


class SmapConfig(Settings):
    """Daily SMAP level-3 soil moisture from a folder of granules (``SMAP_L3_SM_P[_E]_YYYYMMDD_Rnnnnn_nnn.h5``)."""

    folder: Path = Field(description="folder with the granules, searched with its sub-folders")
    product: Literal["SPL3SMP_E", "SPL3SMP"] = Field(description="enhanced, 9 km, or standard, 36 km")
    overpass: Literal["am", "pm"] = Field(description="6 am (descending) or 6 pm (ascending); the two are never mixed")
    region: Region
    period: Period = Field(description="UTC days of the result")
    algorithm: Literal["baseline", "dca", "scav", "scah"] = Field(
        default="baseline", description="the product's own choice, dual channel, or single channel V or H"
    )
    quality: Literal["recommended", "retrieved"] = Field(
        default="recommended",
        description="retrievals of recommended quality (bit 0 of retrieval_qual_flag), or all successful ones",
    )
    exclude: Annotated[tuple[SurfaceFlag, ...], Distinct] = Field(
        default=(), description="drop retrievals with one of these bits of surface_flag"
    )
    maximum_water: float = Field(default=1.0, ge=0, le=1, description="drop cells with a larger share of static water")
    on_bad: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="what to do with empty, truncated or foreign files"
    )


class NldasConfig(Settings):
    """NLDAS-2 primary forcing from a folder of hourly files (``NLDAS_FORA0125_H.AYYYYMMDD.HH00.020.nc``)."""

    folder: Path = Field(description="folder with the files, searched with its sub-folders")
    region: Region
    period: Period = Field(description="days of the result")
    steps: Literal[1, 8, 24] = Field(
        default=1, description="steps a day: 8 or 24 keep the course of the day for the process model's snow steps"
    )
    day: Literal["utc", "local"] = Field(
        default="utc", description="days of UTC, or of local solar time in whole hours (for comparisons with gauges)"
    )

    @model_validator(mode="after")
    def _steps_are_of_utc(self) -> NldasConfig:
        if self.day == "local" and self.steps > 1:
            raise ValueError(
                f"steps {self.steps} applies to day 'utc' only: sub-daily files of the simple format are in UTC"
            )
        return self


class RegridConfig(Settings):
    """How values of one raster become values of another, and which of its cells are kept."""

    method: Literal["conservative", "nearest"] = Field(
        default="conservative", description="area-weighted mean, or the cell that holds the centre"
    )
    minimum_share: float = Field(
        default=0.5, gt=0, le=1, description="keep cells of which at least this share is land with a value"
    )
    maximum_water: float = Field(
        default=1.0, ge=0, le=1, description="drop cells whose variable water_share, where there is one, is larger"
    )
    cache: Path | None = Field(default=None, description="folder that keeps weights between runs")


class ModisConfig(Settings):
    """MODIS evapotranspiration from a folder of tiles (``MOD16A2[GF].AYYYYDDD.hXXvYY.061.*.hdf``)."""

    folder: Path = Field(description="folder with the tiles, searched with its sub-folders")
    product: Literal["MOD16A2GF", "MOD16A2"] = Field(
        default="MOD16A2GF", description="gap-filled at the end of the year, or as first produced"
    )
    period: Period = Field(description="days of the result; composites that touch it are read")
    quality: Literal["any", "main", "good"] = Field(
        default="any",
        description="pixels by the quality of the leaf area they rest on: any, main algorithm (SCF_QC), good (MODLAND)",
    )
    minimum_valid: float = Field(
        default=0.5, gt=0, le=1, description="a cell has a value if at least this share of it is valid pixels"
    )
    on_bad: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="what to do with empty, damaged or missing tiles"
    )
    cache: Path | None = Field(default=None, description="folder that keeps regridding weights between runs")


class HydrodlConfig(Settings):
    """A data base in the CSV layout of hydroDL and Tsai et al. (2021): ``Subset``, ``ROOT/YEAR/VAR.csv``, ``const``."""

    folder: Path = Field(description="folder that holds Subset/ and the data folders")
    subset: str = Field(description="name of a file of Subset/, without .csv")
    period: Period = Field(description="days of the result")
    observation: str = Field(default="SMAP_AM", description="variable that becomes sm_smap")
    elevation: Path | None = Field(
        default=None,
        description="CSV with one elevation [m] a cell of crd.csv; gives the air pressure where there is no PRES_FORA",
    )
    incomplete: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="what to do with cells that lack forcing or an attribute (-9999)"
    )


class TableConfig(Settings):
    """A table of attributes, one row a cell (CAMELS and the like): CSV, text with ``;``, or parquet."""

    path: Path
    key: str | None = Field(default=None, description="column with the cells' identifiers; none matches by place")
    lat: str = Field(default="lat", description="column with latitudes [degree], where cells are matched by place")
    lon: str = Field(default="lon", description="column with longitudes [degree], where cells are matched by place")
    columns: dict[str, str] | None = Field(
        default=None, description="attribute by column, with the unit of the vocabulary; none takes all numeric columns"
    )
    tolerance: float = Field(default=0.01, gt=0, description="largest distance of the same place [degree]")


class ProductsConfig(Settings):
    """Forcing, observation and attributes from granules in folders, put on the cells of one grid.

    ``region`` and ``period`` of the parts default to those given here; their regions reach 0.6 degree further, so that
    the cells of the grid at the rim are covered.
    """

    grid: Literal["ease2_36km", "ease2_9km", "nldas"] = Field(description="whose cells the study has")
    region: Region
    period: Period
    forcing: NldasConfig
    observation: SmapConfig
    regrid: RegridConfig = RegridConfig()
    cache: Path | None = Field(
        default=None,
        description="folder that keeps months of forcing on the cells: a longer period reads new ones only",
    )
    evapotranspiration: ModisConfig | None = Field(
        default=None, description="MOD16 tiles, for a monthly climatology that results are compared with"
    )
    attributes: tuple[TableConfig, ...] = Field(default=(), description="tables of attributes, matched to the cells")
    land: LandConfig | None = Field(
        default=None, description="maps that give attributes, and VIC's parameters ('paraformer parameters')"
    )

    @model_validator(mode="before")
    @classmethod
    def _parts_take_region_and_period(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "region" not in given or "period" not in given:
            return given
        filled = dict(given)
        try:
            region = Region.model_validate(given["region"])
        except ValidationError:
            return given  # the field's own validation reports the error with its key
        rim = 0.6
        wider = {
            "south": max(region.south - rim, -90.0),
            "north": min(region.north + rim, 90.0),
            "west": max(region.west - rim, -180.0),
            "east": min(region.east + rim, 180.0),
        }
        for name in ("forcing", "observation"):
            part = filled.get(name)
            if isinstance(part, Mapping):
                filled[name] = {"region": wider, "period": given["period"], **part}
        if isinstance(filled.get("evapotranspiration"), Mapping):
            filled["evapotranspiration"] = {"period": given["period"], **filled["evapotranspiration"]}
        return filled

    @model_validator(mode="after")
    def _forcing_is_in_utc(self) -> ProductsConfig:
        if self.forcing.day != "utc":
            raise ValueError("forcing.day must be 'utc': observations belong to UTC days")
        return self
