"""Settings of the maps of soil, land cover, leaf area and terrain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from paraformer.core.settings import Settings

_DEPTH = re.compile(r"(?P<top>\d+(?:\.\d+)?)-(?P<bottom>\d+(?:\.\d+)?)cm")


class RasterConfig(Settings):
    """A raster file that rasterio opens (GeoTIFF, VRT, netCDF), or a folder with tiles of MCD12Q1 or MCD15A2H."""

    path: Path = Field(description="{depth} and {month} stand for a depth of the soil and a month, 01 to 12")
    band: int = Field(default=1, ge=1, description="band of the file; for leaf area without {month}, that of January")
    scale: float = Field(default=1.0, description="factor to the unit asked for, after the scale that the file states")
    offset: float = Field(default=0.0, description="added after the factor")
    nodata: float | None = Field(default=None, description="value of missing pixels, beside that which the file states")

    def at(self, *, depth: str = "", month: int = 0) -> RasterConfig:
        """The raster of one depth or month: another file if the path says so, else another band for a month."""
        path = str(self.path).replace("{depth}", depth).replace("{month}", f"{month:02d}")
        band = self.band + month - 1 if month and "{month}" not in str(self.path) else self.band
        return self.model_copy(update={"path": Path(path), "band": band})


class SoilConfig(Settings):
    """Texture, bulk density and organic matter by depth; the defaults are the depths of SoilGrids 2.0."""

    sand: RasterConfig = Field(description="[% of weight]")
    clay: RasterConfig = Field(description="[% of weight]; silt is the rest")
    bulk: RasterConfig = Field(description="bulk density of the fine earth [g cm-3]")
    organic: RasterConfig | None = Field(
        default=None, description="organic matter [% of weight]; 1.724 times the carbon"
    )
    depths: tuple[str, ...] = Field(
        default=("0-5cm", "5-15cm", "15-30cm", "30-60cm", "60-100cm", "100-200cm"),
        description="from the top down, top and bottom [cm]; what {depth} in a path stands for",
    )
    pedotransfer: Literal["cosby", "saxton_rawls", "rosetta"] = Field(
        default="cosby",
        description="Cosby et al. 1984 (texture, bulk density), Saxton and Rawls 2006 (organic matter too), Rosetta 3 "
        "(texture, bulk density; extra 'rosetta')",
    )

    @property
    def edges(self) -> tuple[float, ...]:
        """Depths at which one horizon ends and the next begins [m]."""
        parts = [_DEPTH.fullmatch(text) for text in self.depths]
        return (0.0, *(float(part["bottom"]) / 100 for part in parts if part))

    @model_validator(mode="after")
    def _depths_follow_each_other(self) -> SoilConfig:
        bottom = "0"
        for text in self.depths:
            part = _DEPTH.fullmatch(text)
            if part is None:
                raise ValueError(f"depth {text!r} is not of the form 0-5cm")
            if float(part["top"]) != float(bottom) or float(part["bottom"]) <= float(part["top"]):
                raise ValueError(f"depth {text!r} does not begin where the one above it ends, at {bottom} cm")
            bottom = part["bottom"]
        if not self.depths:
            raise ValueError("depths is empty")
        if self.pedotransfer == "saxton_rawls" and self.organic is None:
            raise ValueError("organic is missing: pedotransfer 'saxton_rawls' needs organic matter")
        return self


class BaseflowConfig(Settings):
    """First values of what no map shows: infiltration and baseflow. They are what is learned."""

    infilt: float = Field(default=0.2, gt=0, description="shape of the infiltration curve [1]")
    ds: float = Field(default=0.02, gt=0, le=1, description="fraction of dsmax where non-linear baseflow begins [1]")
    dsmax: float | Literal["conductivity_slope"] = Field(
        default=10.0,
        description="maximum baseflow [mm day-1]; 'conductivity_slope': that of the deepest layer times mean slope",
    )
    ws: float = Field(default=0.8, gt=0, le=1, description="fraction of moisture where non-linear baseflow begins [1]")


class SnowBandConfig(Settings):
    """Elevation bands in which VIC keeps snow apart, from the pixels of the elevation model."""

    number: int = Field(ge=2, le=25, description="bands of a cell")
    by: Literal["area", "height"] = Field(default="area", description="bands of equal area, or of equal height")
    minimum_range: float = Field(
        default=200.0, ge=0, description="cells whose elevations span less have one band; each band costs time [m]"
    )
    precipitation_gradient: float = Field(
        default=0.0, ge=0, le=2, description="increase of precipitation with height, of the cell's mean [km-1]"
    )


class LandConfig(Settings):
    """Rasters of soil, land cover, leaf area and terrain: attributes of the cells, and a-priori parameters of VIC."""

    soil: SoilConfig
    cover: RasterConfig = Field(description="IGBP classes (0 or 17: water), or a folder of MCD12Q1 tiles")
    elevation: RasterConfig = Field(description="elevation model [m]")
    leaf_area: RasterConfig | None = Field(
        default=None,
        description="leaf area index by month [1]: {month}, 12 bands, or a folder of MCD15A2H tiles; none: by class",
    )
    layers: tuple[float, float, float] = Field(default=(0.1, 0.3, 1.5), description="thickness of VIC's layers [m]")
    topsoil: float = Field(default=0.3, gt=0, description="depth of the soil that the attributes describe [m]")
    minimum_valid: float = Field(
        default=0.5, gt=0, le=1, description="keep cells of which at least this share of every raster has a value"
    )
    minimum_cover: float = Field(
        default=0.02, ge=0, lt=0.5, description="classes with a smaller share of a cell's land are left out"
    )
    baseflow: BaseflowConfig = BaseflowConfig()
    snow_bands: SnowBandConfig | None = Field(
        default=None, description="elevation bands of VIC's snow; none: one band at the cell's mean elevation"
    )

    @model_validator(mode="after")
    def _layers_are_thick_enough(self) -> LandConfig:
        if min(self.layers) <= 0 or self.layers[0] > self.layers[1]:
            raise ValueError("layers must be above 0 m, and the first no thicker than the second")
        return self
