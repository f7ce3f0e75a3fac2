"""Settings of the readers of published products."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from paraformer.core.settings import Distinct, Settings
from paraformer.core.time import Period
from paraformer.data.sources.forcing_config import CamelsConfig, CaravanConfig, DaymetConfig, Era5LandConfig
from paraformer.data.sources.land_config import LandConfig
from paraformer.data.sources.moisture_config import CciConfig, MoistureNetcdfConfig
from paraformer.data.sources.region import Region

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

    product: Literal["NLDAS-2"] = "NLDAS-2"
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

    path: Path = Field(description="file of the table")
    key: str | None = Field(default=None, description="column with the cells' identifiers; none matches by place")
    lat: str = Field(default="lat", description="column with latitudes [degree], where cells are matched by place")
    lon: str = Field(default="lon", description="column with longitudes [degree], where cells are matched by place")
    columns: dict[str, str] | None = Field(
        default=None, description="attribute by column, with the unit of the vocabulary; none takes all numeric columns"
    )
    tolerance: float = Field(default=0.01, gt=0, description="largest distance of the same place [degree]")


ForcingProduct = Annotated[
    NldasConfig | Era5LandConfig | DaymetConfig | CamelsConfig | CaravanConfig, Field(discriminator="product")
]
"""Where forcing comes from; without ``product`` it is NLDAS-2."""

MoistureProduct = Annotated[SmapConfig | CciConfig | MoistureNetcdfConfig, Field(discriminator="product")]
"""Where soil moisture comes from."""

OBSERVED = {
    "SPL3SMP": "sm_smap",
    "SPL3SMP_E": "sm_smap",
    "ESA_CCI_COMBINED": "sm_cci",
    "ESA_CCI_PASSIVE": "sm_cci",
    "netCDF": "sm_obs",
}
"""Name of the soil moisture of each product, which ``data.observation`` takes."""

BASINS = (CamelsConfig, CaravanConfig)
"""Products that are series of basins, not of a grid."""

_RIM = 0.6
"""How far the regions of the parts reach beyond that of the study [degree]."""


class ProductsConfig(Settings):
    """Forcing, observation and attributes from granules in folders, put on the cells of one grid.

    ``region`` and ``period`` of the parts default to those given here; their regions reach 0.6 degree further, so that
    the cells of the grid at the rim are covered.
    """

    grid: Literal["ease2_36km", "ease2_9km", "nldas", "era5_land", "cci", "gauges"] = Field(
        description="whose cells the study has; gauges: one at each gauge of CAMELS-US or Caravan"
    )
    region: Region
    period: Period
    forcing: ForcingProduct = Field(description="where forcing comes from")
    observation: MoistureProduct = Field(description="where soil moisture comes from")
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
        wider = {
            "south": max(region.south - _RIM, -90.0),
            "north": min(region.north + _RIM, 90.0),
            "west": max(region.west - _RIM, -180.0),
            "east": min(region.east + _RIM, 180.0),
        }
        basins = filled.get("grid") == "gauges"
        for name, own in (("forcing", given["region"] if basins else wider), ("observation", wider)):
            part = filled.get(name)
            if isinstance(part, Mapping):
                filled[name] = {"region": own, "period": given["period"], **part}
        if isinstance(filled.get("forcing"), Mapping):
            filled["forcing"] = {"product": "NLDAS-2", **filled["forcing"]}
        if isinstance(filled.get("evapotranspiration"), Mapping):
            filled["evapotranspiration"] = {"period": given["period"], **filled["evapotranspiration"]}
        return filled

    @model_validator(mode="after")
    def _forcing_is_in_utc(self) -> ProductsConfig:
        if isinstance(self.forcing, NldasConfig) and self.forcing.day != "utc":
            raise ValueError("forcing.day must be 'utc': observations belong to UTC days")
        return self

    @model_validator(mode="after")
    def _estimates_have_an_elevation(self) -> ProductsConfig:
        if isinstance(self.forcing, Era5LandConfig | DaymetConfig) and self.land is None and not self.attributes:
            for name in ("lwdown", "pres"):
                if name in self.forcing.estimate:
                    raise ValueError(
                        f"forcing.estimate: {name} needs the elevation of the cells, from 'land' or a column of "
                        "'attributes'"
                    )
        return self

    @model_validator(mode="after")
    def _basins_are_at_gauges(self) -> ProductsConfig:
        basins = isinstance(self.forcing, BASINS)
        if basins and self.grid != "gauges":
            raise ValueError(f"grid must be 'gauges' for forcing of {self.forcing.product}, which has basins, no grid")
        if self.grid == "gauges":
            if not basins:
                raise ValueError(f"grid 'gauges' needs forcing of CAMELS-US or Caravan, not {self.forcing.product}")
            for name in ("land", "evapotranspiration", "cache"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} applies to the cells of a grid, not to gauges")
        return self
