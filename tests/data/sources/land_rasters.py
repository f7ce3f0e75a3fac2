"""Small raster files as soil, land cover, leaf area and elevation maps come: GeoTIFF in any projection, MODIS tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from pyhdf.SD import SD, SDC
from rasterio.transform import from_origin

SIZE = 2400


def write_raster(
    path: Path,
    values: np.ndarray,
    west: float,
    north: float,
    size: float,
    crs: str = "EPSG:4326",
    nodata: float | None = None,
) -> Path:
    """Bands of a GeoTIFF [band, row, column] or one band [row, column]; row 0 in the north."""
    bands = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[1],
        width=bands.shape[2],
        count=len(bands),
        dtype=bands.dtype,
        crs=crs,
        transform=from_origin(west, north, size, size),
        nodata=nodata,
    ) as file:
        file.write(bands)
    return path


def centres(west: float, north: float, size: float, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixels [row, column]."""
    return np.meshgrid(west + size * (np.arange(shape[1]) + 0.5), north - size * (np.arange(shape[0]) + 0.5))


def write_land_tile(folder: Path, product: str, day: str, h: int, v: int, counts: np.ndarray, **changes: float) -> Path:
    """A tile of MCD12Q1 or MCD15A2H version 6.1; ``day`` is YYYYDDD, ``counts`` uint8 [2400, 2400]."""
    name, scale = {"MCD12Q1": ("LC_Type1", None), "MCD15A2H": ("Lai_500m", 0.1)}[product]
    path = folder / f"{product}.A{day}.h{h:02d}v{v:02d}.061.2022001120000.hdf"
    folder.mkdir(parents=True, exist_ok=True)
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    data = file.create(name, SDC.UINT8, (SIZE, SIZE))
    data.setcompress(SDC.COMP_DEFLATE, 1)
    data[:] = np.broadcast_to(np.asarray(counts, np.uint8), (SIZE, SIZE)).copy()
    scale = changes.get("scale", scale)
    if scale is not None:
        data.attr("scale_factor").set(SDC.FLOAT64, scale)
    data.attr("_FillValue").set(SDC.UINT8, 255)
    data.endaccess()
    file.end()
    return path
