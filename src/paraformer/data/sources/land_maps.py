"""Maps of soil, land cover, leaf area and terrain on the cells of a study, and the attributes that learners see of
them.

Soil is brought from the maps' depths to VIC's layers, weighted by thickness; a layer deeper than the maps takes their
deepest horizon. Cells of which too little is mapped (water, cities without soil) are left out.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.files import hash_json
from paraformer.core.grid import Raster
from paraformer.core.variables import VOCABULARY
from paraformer.data.igbp import WATER, WATER_BODIES
from paraformer.data.pedotransfer import PEDOTRANSFER
from paraformer.data.regrid import NoCell
from paraformer.data.sources.bands import snow_bands
from paraformer.data.sources.granules import folder_of
from paraformer.data.sources.land_config import LandConfig, RasterConfig, SoilConfig
from paraformer.data.sources.modis_land import find_tiles
from paraformer.data.sources.rasters import cell_means, class_shares, terrain
from paraformer.data.van_genuchten import require_rosetta

CLASSES = 17
"""IGBP classes 0 to 16."""

SOIL = {"sand": "%", "clay": "%", "bulk": "g cm-3", "organic": "%"}
"""What is known of the soil, with its unit."""

_RANGES = {
    "sand": (0.0, 100.0),
    "clay": (0.0, 100.0),
    "bulk": (0.05, 2.4),
    "organic": (0.0, 100.0),
    "leaf_area": (0.0, 15.0),
    "elevation": (-450.0, 9000.0),
}


Variables = dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]


def read_land(config: LandConfig, target: Raster) -> xr.Dataset:
    """The maps on the cells of a raster that are mapped well enough.

    Returns:
        ``sand, clay, bulk, organic (cell, layer)`` of VIC's layers, ``<name>_top (cell)`` of the topsoil;
        ``cover (cell, igbp)`` area shares, 0 water; ``leaf_area (cell, month)`` if there is one; ``elevation,
        elevation_sd`` [m], ``slope`` [1]; ``band_area, band_elevation, band_precipitation (cell, band)`` if the
        settings have snow bands; ``lat, lon``; identifiers as in ``Raster.identifiers``.

    Raises:
        DataError: a raster cannot be used (``rasters``), or a value no soil or land can have.
        NoCell: no cell is mapped.
        SettingsError: an extra that the settings need is not installed.
    """
    if config.soil.pedotransfer == "rosetta":
        require_rosetta()  # now, not after the maps and granules are read
    edges = np.concatenate([[0.0], np.cumsum(config.layers)])
    soil, shares = _soil(config.soil, target, [*pairwise(edges), (0.0, config.topsoil)])
    cover, share = class_shares(config.cover, target, CLASSES, {WATER_BODIES: WATER})
    land = terrain(config.elevation, target)
    shares += [share, land.share]
    variables: Variables = {}
    for name, values in soil.items():
        variables[name] = (("cell", "layer"), values[:-1].T, {"units": SOIL[name]})
        variables[f"{name}_top"] = (("cell",), values[-1], {"units": SOIL[name]})
    variables["cover"] = (("cell", "igbp"), cover.T, {"units": "1"})
    for name, values, unit in (
        ("elevation", land.elevation, "m"),
        ("elevation_sd", land.elevation_sd, "m"),
        ("slope", land.slope, "1"),
    ):
        variables[name] = (("cell",), values, {"units": unit})
    if config.leaf_area is not None:
        months = cell_means([config.leaf_area.at(month=k) for k in range(1, 13)], target)
        variables["leaf_area"] = (("cell", "month"), months.values.T, {"units": "1"})
        shares.append(months.share.min(axis=0))
    if config.snow_bands is not None:
        bands = snow_bands(config.snow_bands, config.elevation, target)
        for name, values, unit in (
            ("area", bands.area, "1"),
            ("elevation", bands.elevation, "m"),
            ("precipitation", bands.precipitation, "1"),
        ):
            variables[f"band_{name}"] = (("cell", "band"), values.T, {"units": unit})
    return _checked(config, target, variables, np.min(shares, axis=0))


def _soil(
    config: SoilConfig, target: Raster, layers: list[tuple[float, float]]
) -> tuple[dict[str, Float[np.ndarray, "layer cell"]], list[Float[np.ndarray, " cell"]]]:
    """Properties of the soil between two depths [m], and the part of the cell where each is known."""
    names = [name for name in SOIL if getattr(config, name) is not None]
    found = cell_means([getattr(config, name).at(depth=d) for name in names for d in config.depths], target)
    shape = (len(names), len(config.depths), -1)
    values, share = found.values.reshape(shape), found.share.reshape(shape)
    weight = np.stack([_thickness_inside(config.edges, top, bottom) for top, bottom in layers])
    mixed = {name: weight @ values[k] for k, name in enumerate(names)}
    mixed.setdefault("organic", np.zeros_like(mixed["sand"]))
    return mixed, [share[k].min(axis=0) for k in range(len(names))]


def _thickness_inside(edges: tuple[float, ...], top: float, bottom: float) -> Float[np.ndarray, " horizon"]:
    """Share of the soil between two depths that lies in each horizon; below the last one there is more of it."""
    ends = np.array([*edges[:-1], max(edges[-1], bottom)])
    return np.clip(np.minimum(ends[1:], bottom) - np.maximum(ends[:-1], top), 0.0, None) / (bottom - top)


def _checked(config: LandConfig, target: Raster, variables: Variables, share: Float[np.ndarray, " cell"]) -> xr.Dataset:
    """The dataset of the cells that are mapped and not all water, with no impossible value in it."""
    land = 1.0 - variables["cover"][1][:, WATER]
    kept = np.flatnonzero((share >= config.minimum_valid) & (land > 0) & np.isfinite(variables["slope"][1]))
    if not kept.size:
        raise NoCell(
            f"{config.cover.path.parent}: no cell of {target.name} has maps of soil, cover and terrain over at least "
            f"{config.minimum_valid:g} of its area (largest share {share.max():.2f})"
        )
    row, column = np.divmod(kept, target.columns)
    cells = target.identifiers(row, column)
    lat, lon = target.centres(row, column)
    data = {name: (dims, values[kept], attrs) for name, (dims, values, attrs) in variables.items()}
    for name, (_, values, attrs) in data.items():
        low, high = _RANGES.get(name.removesuffix("_top"), (-np.inf, np.inf))
        bad = ~(np.isfinite(values) & (values >= low) & (values <= high))
        if bad.any():
            at = tuple(int(k) for k in np.argwhere(bad)[0])
            raise DataError(
                f"{_source_of(config, name)}: '{name}', cell {cells[at[0]]}: found {values[at]:g}, expected "
                f"[{low:g}, {high:g}] {attrs['units']} (another scale?)"
            )
    coords = {"cell": cells, "lat": ("cell", lat), "lon": ("cell", lon), "igbp": np.arange(CLASSES)}
    return xr.Dataset(data, coords, {"title": "maps of soil, land cover and terrain on the cells"})


def _source_of(config: LandConfig, name: str) -> Path:
    """The raster behind a variable, for messages."""
    base = name.removesuffix("_top")
    raster = getattr(config.soil, base) if base in SOIL else getattr(config, base, None)
    return (raster or config.elevation).path


def land_attributes(config: LandConfig, land: xr.Dataset) -> Variables:
    """Attributes of the simple format: what learners may see of the maps.

    Those of the vocabulary (texture, bulk density, available water capacity of the topsoil, terrain, dominant class of
    the land) and ``organic`` [%], ``slope`` [1], ``leaf_area`` [1], annual mean, which a study has to name.
    """
    top = {name: land[f"{name}_top"].values for name in SOIL}
    water = PEDOTRANSFER[config.soil.pedotransfer](*(top[name] for name in ("sand", "clay", "organic", "bulk")))
    capacity = 100 * water.porosity * np.maximum(water.field_capacity - water.wilting_point, 0.0)
    values = {
        "sand": top["sand"],
        "silt": np.maximum(100 - top["sand"] - top["clay"], 0.0),
        "clay": top["clay"],
        "bulk": top["bulk"],
        "capa": capacity,
        "elevation": land["elevation"].values,
        "elevation_sd": land["elevation_sd"].values,
        "landcover_igbp": 1 + land["cover"].values[:, 1:].argmax(axis=1).astype(np.int32),
        "organic": top["organic"],
        "slope": land["slope"].values,
    }
    if "leaf_area" in land:
        values["leaf_area"] = land["leaf_area"].values.mean(axis=1)
    units = {"organic": "%", "slope": "1", "leaf_area": "1"}
    return {
        name: (("cell",), found, {"units": VOCABULARY[name].unit if name in VOCABULARY else units[name]})
        for name, found in values.items()
    }


def land_source(config: LandConfig) -> str:
    """Where the maps are from, as far as their files say: MODIS products with their identifier, rasters by name."""
    leaf = [] if config.leaf_area is None else [config.leaf_area]
    said = []
    for raster in (*(getattr(config.soil, name) for name in SOIL), config.cover, *leaf, config.elevation):
        if raster is None:
            continue
        if raster.path.is_dir():
            product = find_tiles(raster.path)[0].product
            said.append(f"{product} version 6.1, doi:10.5067/MODIS/{product}.061")
        else:
            said.append(f"raster {raster.path.name}")
    return "; ".join(said)


def land_key(config: LandConfig) -> str:
    """Hash of the settings and of names and sizes of the files.

    Raises:
        DataError: a file or folder is missing.
    """
    soil = [getattr(config.soil, name) for name in SOIL]
    rasters = [raster.at(depth=d) for raster in soil if raster is not None for d in config.soil.depths]
    rasters += [config.cover, config.elevation]
    if config.leaf_area is not None:
        rasters += [config.leaf_area.at(month=k) for k in range(1, 13)]
    files = sorted({entry for raster in rasters for entry in _sizes(raster)})
    settings = config.model_dump(mode="json", exclude={"snow_bands"} if config.snow_bands is None else None)
    return hash_json({"settings": settings, "files": files})


def _sizes(raster: RasterConfig) -> list[tuple[str, int]]:
    if raster.path.is_dir():
        return [(path.name, path.stat().st_size) for path in folder_of(raster.path).rglob("*.hdf")]
    if not raster.path.is_file():
        raise DataError(f"{raster.path}: file does not exist")
    return [(raster.path.name, raster.path.stat().st_size)]
