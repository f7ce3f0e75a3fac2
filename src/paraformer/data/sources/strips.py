"""Raster files strip by strip, whatever their format: what rasterio opens (GeoTIFF, VRT, netCDF and others).

Read are the rows and columns around the cells of a study, a few million pixels at a time, with the scale and the
missing values that the file states and those of the settings on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.grid import Raster
from paraformer.core.netcdf_header import require_whole
from paraformer.data.sources.granules import reading
from paraformer.data.sources.land_config import RasterConfig

STRIP_PIXELS = 2_000_000
"""Pixels of one raster that are read together."""

_MARGIN = 2
"""Pixels that are read around the target."""


@dataclass(frozen=True)
class Strip:
    """Some rows of rasters of one grid.

    Attributes:
        values: NaN where a raster has none [raster, row, column].
        x, y: centres of columns and rows in the projection's plane.
        dx, dy: size of a pixel there.
        crs: the projection, as pyproj reads it.
        inner: rows that belong to this strip; the others are neighbours, there for differences.
    """

    values: Float[np.ndarray, "raster row column"]
    x: Float[np.ndarray, " column"]
    y: Float[np.ndarray, " row"]
    dx: float
    dy: float
    crs: str
    inner: slice = field(default_factory=lambda: slice(None))


def crs_of(text: str) -> Any:
    """pyproj's projection of a text."""
    return _crs(text)


@lru_cache(maxsize=16)
def _crs(text: str) -> Any:
    from pyproj import CRS  # here, because it takes longer to load than the rest of this room

    return CRS.from_user_input(text)


@contextmanager
def opened(raster: RasterConfig) -> Iterator[Any]:
    """An open raster file whose place is known.

    Raises:
        SettingsError: rasterio is not installed.
        DataError: a missing file, no raster, no projection, rotated rows, or a band that is not there.
    """
    try:
        import rasterio
    except ImportError as error:
        raise SettingsError("reading rasters needs rasterio: pip install 'paraformer[rasters]'") from error
    if not raster.path.is_file():
        raise DataError(f"{raster.path}: file does not exist")
    with reading(raster.path):
        with raster.path.open("rb") as opened:
            is_netcdf = opened.read(3) in (b"CDF", b"\x89HD")
        if is_netcdf:
            require_whole(raster.path)  # GDAL too reads what is cut off a classic netCDF file as zeros
        file = rasterio.open(raster.path)
    with file:
        if file.crs is None:
            raise DataError(f"{raster.path}: no coordinate reference system in the file")
        if file.transform.b or file.transform.d:
            raise DataError(f"{raster.path}: rows are no lines of constant y (a rotated raster)")
        if raster.band > file.count:
            raise DataError(f"{raster.path}: band {raster.band} is missing; the file has {file.count}")
        yield file


def same_grid(rasters: Sequence[RasterConfig]) -> list[list[int]]:
    """Positions of the raster files, those of the same grid together.

    Raises:
        DataError: as ``opened``.
    """
    groups: dict[object, list[int]] = {}
    for k, raster in enumerate(rasters):
        if raster.path.is_dir():
            groups[k] = [k]
            continue
        with opened(raster) as file:
            groups.setdefault((file.crs.to_wkt(), tuple(file.transform), file.shape), []).append(k)
    return list(groups.values())


def file_strips(rasters: Sequence[RasterConfig], target: Raster, halo: int = 0) -> Iterator[Strip]:
    """Strips of raster files of one grid that touch the target, from the first row to the last.

    Args:
        halo: rows of neighbours above and below each strip, as far as there are.

    Raises:
        DataError: a file lies elsewhere; as ``opened``.
    """
    with opened(rasters[0]) as first:
        transform, crs = first.transform, first.crs.to_wkt()
        rows, columns = _window(first, target)
    length = max(1, STRIP_PIXELS // (columns.stop - columns.start))
    x = transform.c + transform.a * (np.arange(columns.start, columns.stop) + 0.5)
    for start in range(rows.start, rows.stop, length):
        stop = min(start + length, rows.stop)
        low, high = max(start - halo, rows.start), min(stop + halo, rows.stop)
        values = np.stack([_read(raster, slice(low, high), columns) for raster in rasters])
        y = transform.f + transform.e * (np.arange(low, high) + 0.5)
        yield Strip(values, x, y, transform.a, transform.e, crs, slice(start - low, stop - low))


def _window(file: Any, target: Raster) -> tuple[slice, slice]:
    """Rows and columns of a file that hold the target, and some pixels around."""
    from pyproj import Transformer

    edge_x, edge_y = np.meshgrid(target.x_edges, target.y_edges)
    lat, lon = target.geographic_of(edge_x, edge_y)
    x, y = Transformer.from_crs("EPSG:4326", _crs(file.crs.to_wkt()), always_xy=True).transform(lon, lat)
    good = np.isfinite(x) & np.isfinite(y)
    found = []
    for place, origin, size, count in (
        (y[good], file.transform.f, file.transform.e, file.height),
        (x[good], file.transform.c, file.transform.a, file.width),
    ):
        at = (place - origin) / size
        low = int(np.clip(np.floor(at.min()) - _MARGIN, 0, count)) if at.size else 0
        high = int(np.clip(np.ceil(at.max()) + _MARGIN, 0, count)) if at.size else 0
        if high <= low:
            raise DataError(f"{file.name}: no pixel lies in the region of {target.name}")
        found.append(slice(low, high))
    return found[0], found[1]


def _read(raster: RasterConfig, rows: slice, columns: slice) -> Float[np.ndarray, "row column"]:
    """Values of a window in the unit asked for, NaN where there is none."""
    with opened(raster) as file, reading(raster.path):
        window = ((rows.start, rows.stop), (columns.start, columns.stop))
        raw = file.read(raster.band, window=window, masked=True)
        scale, offset = file.scales[raster.band - 1], file.offsets[raster.band - 1]
    values = np.ma.filled(raw.astype(np.float64), np.nan)
    if raster.nodata is not None:
        values[values == raster.nodata] = np.nan
    return (values * scale + offset) * raster.scale + raster.offset
