"""Settings of forcing products beside NLDAS-2: ERA5-Land, Daymet, and time series of basins (CAMELS-US, Caravan)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from paraformer.core.settings import Distinct, Settings
from paraformer.core.time import Period
from paraformer.data.sources.region import Region

Estimated = Literal["swdown", "lwdown", "vp", "wind", "pres"]
"""Forcings that have formulas (``sources.estimates``); precipitation and air temperature have none."""


class ForcingConfig(Settings):
    """What these products have in common. None of them has all seven forcings at any time and place."""

    product: str
    folder: Path = Field(description="folder with the files, searched with its sub-folders")
    region: Region
    period: Period = Field(description="days of the result")
    estimate: Annotated[tuple[Estimated, ...], Distinct] = Field(
        default=(), description="forcings that a stated formula may give where the files lack them"
    )
    wind_speed: float = Field(default=3.0, gt=0, le=20, description="wind where it is estimated, constant [m s-1]")


class Era5LandConfig(ForcingConfig):
    """ERA5-Land from netCDF files of the Climate Data Store, whatever their names; GRIB is not read."""

    product: Literal["ERA5-Land"]
    files: Literal["hourly", "daily"] = Field(
        default="hourly", description="hourly data, or daily means (post-processed daily statistics, time zone UTC)"
    )
    accumulation: Literal["day", "hour"] = Field(
        default="day",
        description="hourly files: tp, ssrd and strd are sums since 00 UTC, as in the archive's hourly data, or of the "
        "hour before the stamp (time-series service)",
    )
    totals: Literal["end", "begin"] | None = Field(
        default=None,
        description="daily files: a day's tp, ssrd and strd are stamped 00 UTC of the next day (hourly data at 00:00), "
        "or on the day itself (daily sums)",
    )
    steps: Literal[1, 8, 24] = Field(
        default=1, description="steps a day: 8 or 24 keep the course of the day; hourly files only"
    )

    @model_validator(mode="after")
    def _settings_fit_the_files(self) -> Era5LandConfig:
        if self.files == "hourly" and self.totals is not None:
            raise ValueError("totals applies to files 'daily' only")
        if self.files == "daily":
            if self.totals is None:
                raise ValueError(
                    "totals is missing: daily files do not say whether tp, ssrd and strd of a day are stamped at its "
                    "'end' (hourly data at 00 UTC of the next day) or at its 'begin' (daily sums)"
                )
            if self.steps > 1:
                raise ValueError(f"steps {self.steps} applies to files 'hourly' only")
            if self.accumulation != "day":
                raise ValueError("accumulation applies to files 'hourly' only")
        return self


class DaymetConfig(ForcingConfig):
    """Daymet version 4, daily, 1 km, North America: netCDF files, whole or cut by the archive's subset service."""

    product: Literal["Daymet"]
    december_31: Literal["refuse", "repeat"] = Field(
        default="refuse", description="31 December of leap years, which Daymet has not: refused, or that of the 30th"
    )


class CamelsConfig(ForcingConfig):
    """Basin means of CAMELS-US (``GAUGE_lump_KIND_forcing_leap.txt``)."""

    product: Literal["CAMELS-US"]
    weather: Literal["daymet", "nldas", "maurer"] = Field(description="which of the three weather data sets")
    places: tuple[Path, ...] = Field(
        min_length=1, description="tables with gauge_id, gauge_lat and gauge_lon (camels_topo.txt)"
    )
    gauges: Annotated[tuple[str, ...], Distinct] | None = Field(
        default=None, description="gauges that are read, with their leading zeros; none takes all in the region"
    )


class CaravanConfig(ForcingConfig):
    """Basin means of ERA5-Land as Caravan has them (``GAUGE.csv`` or ``GAUGE.nc``)."""

    product: Literal["Caravan"]
    places: tuple[Path, ...] = Field(
        min_length=1, description="tables with gauge_id, gauge_lat and gauge_lon (attributes_other_*.csv)"
    )
    gauges: Annotated[tuple[str, ...], Distinct] | None = Field(
        default=None, description="gauges that are read (camels_01022500); none takes all in the region"
    )
