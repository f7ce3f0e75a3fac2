"""A small region as the archives give it: SMAP, NLDAS-2 and MOD16 granules, and maps of soil, cover, leaves and
terrain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from data.sources.land_rasters import centres, write_land_tile, write_raster
from data.sources.modis_tiles import SIZE, write_tile
from data.sources.nldas_files import LAT, LON, repeat_hour, write_hours
from data.sources.smap_granules import Overpass, write_granule
from paraformer.core.grid import ease2_global
from paraformer.data.sources.nldas import GRID
from paraformer.data.sources.smap import FILL_FLOAT

BOX = {"south": 33.0, "north": 34.5, "west": -101.5, "east": -100.0}
"""Four by four cells of the 36 km grid, inside MODIS tile h09v05."""

BLOCKS = {"south": 33.0, "north": 35.0, "west": -102.0, "east": -100.0}
"""Two by two blocks of 8 x 8 cells of the NLDAS-2 grid, in the same tile."""

FIRST, DAYS = np.datetime64("2016-06-01", "D"), 30
"""First day, and days after which rain falls as before."""
_RAINY = (2, 9, 14, 19, 24)
_WEST, _NORTH = -103.0, 35.6


@dataclass(frozen=True)
class Region:
    """What is written: the box, the products of soil moisture and evapotranspiration, days from ``FIRST`` on.

    ``evaporated`` are counts of 0.1 mm a composite, by pixel of the tile or everywhere.
    """

    box: dict[str, float]
    smap: Literal["SPL3SMP", "SPL3SMP_E"]
    modis: Literal["MOD16A2", "MOD16A2GF"]
    days: int = DAYS
    evaporated: np.ndarray | int = 150


def write_region(folder: Path, region: Region) -> None:
    """Write everything below ``folder``, named as in the study templates; leaf area is one file."""
    for name in ("smap", "nldas", "mod16"):
        (folder / name).mkdir()
    _write_weather(folder / "nldas", region)
    _write_moisture(folder / "smap", region)
    for start in _composites(region.days):
        day = int((start - start.astype("datetime64[Y]")).astype(int)) + 1
        write_tile(
            folder / "mod16", f"{start.astype('datetime64[Y]')}{day:03d}", 9, 5, region.evaporated, product=region.modis
        )
    write_land_tile(folder / "cover", "MCD12Q1", "2016001", 9, 5, _cover())
    leaves = np.broadcast_to(np.arange(1.0, 13.0)[:, None, None] / 6, (12, 40, 60)).astype(np.float32)
    write_raster(folder / "leaf_area.tif", leaves, _WEST, _NORTH, 0.08)
    x, y = centres(_WEST, _NORTH, 0.02, (160, 240))
    write_raster(folder / "elevation.tif", 900 - 120 * (x + 101) + 30 * np.sin(9 * y), _WEST, _NORTH, 0.02)
    _write_soil(folder / "soil")


def _composites(days: int) -> list[np.datetime64]:
    """First days of the 8-day composites that touch the period."""
    every = np.arange(FIRST - 7, FIRST + days)
    return [day for day in every if int((day - day.astype("datetime64[Y]")).astype(int)) % 8 == 0]


def _write_weather(folder: Path, region: Region) -> None:
    box = region.box
    rows, columns = GRID.box(box["south"] - 0.7, box["north"] + 0.7, box["west"] - 0.7, box["east"] + 0.7)

    def sun(hour: int, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return 900 * np.maximum(np.sin(2 * np.pi * (hour + lon / 15 - 6) / 24), 0) + 0 * lat

    def rain(hour: int, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return (0.8 + 0.2 * (lon + 101)) * (hour // 24 in _RAINY) + 0 * lat

    def air(hour: int, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return 297 - (lat - 34) + 6 * np.sin(2 * np.pi * (hour + lon / 15 - 9) / 24)

    constant = {"Qair": 0.009, "PSurf": 9.2e4, "LWdown": 350.0}
    courses = {"SWdown": sun, "Rainf": rain, "Tair": air}
    courses |= {name: lambda hour, lat, lon, value=value: value + 0 * lat for name, value in constant.items()}
    first, last = np.datetime64(FIRST, "h"), np.datetime64(FIRST + region.days, "h")
    written = write_hours(folder, str(first), 24 * min(region.days, DAYS), courses, LAT[rows], LON[columns])
    for stamp in np.arange(first + len(written), last + 1):
        repeat_hour(written[int((stamp - first).astype(int)) % len(written)], stamp)


def _write_moisture(folder: Path, region: Region) -> None:
    """Wet after rain, drier in the west; two passes in three days; no recommended value in the west on some days."""
    kilometres, rim = {"SPL3SMP": (36, 0.0), "SPL3SMP_E": (9, 0.2)}[region.smap]
    box = region.box
    row, column = ease2_global(kilometres).box(
        box["south"] - rim, box["north"] + rim, box["west"] - rim, box["east"] + rim
    )
    shape = (row.stop - row.start, column.stop - column.start)
    east = np.broadcast_to(np.linspace(0, 0.06, shape[1]), shape)
    for k in range(region.days):
        if k % 3 == 1:
            continue
        dry = min([k % DAYS - wet for wet in _RAINY if wet <= k % DAYS] or [9])
        moisture = (0.10 + east + 0.12 * np.exp(-dry / 4)).astype(np.float32)
        flags, quality = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
        flags[:, 0] = quality[:, 0] = 1 if k % 5 == 0 else 0  # water, and so not recommended
        moisture[0, 0] = FILL_FLOAT if k < 3 else moisture[0, 0]
        stamp = np.full(shape, (FIRST + k).astype("datetime64[ms]") + np.timedelta64(12 * 3600 + 1800, "s"))
        morning = Overpass(row.start, column.start, stamp, moisture, quality, flags)
        write_granule(folder, region.smap, str(FIRST + k), morning)


def _cover() -> np.ndarray:
    """Grass with stripes of crops, forest and bare soil."""
    classes = np.full((SIZE, SIZE), 10, np.uint8)
    classes[:, ::3], classes[::5], classes[::7, ::2] = 12, 5, 16
    return classes


def _write_soil(folder: Path) -> None:
    """SoilGrids' files in its own integer units, in Goode's homolosine as it comes."""
    from pyproj import Transformer

    there = Transformer.from_crs("EPSG:4326", "ESRI:54052", always_xy=True)
    x, y = there.transform(*np.meshgrid([_WEST, -98.5], [_NORTH, 32.0]))
    west, north, size = x.min(), y.max(), 4000.0
    shape = (int((north - y.min()) / size), int((x.max() - west) / size))
    lon, _ = there.transform(*centres(west, north, size, shape), direction="INVERSE")
    for k, depth in enumerate(("0-5cm", "5-15cm", "15-30cm", "30-60cm", "60-100cm", "100-200cm")):
        for name, values in (
            ("sand", 500 + 60 * (lon + 101) - 20 * k),
            ("clay", 180 - 40 * (lon + 101) + 15 * k),
            ("bdod", 135 + 3 * k + 0 * lon),
            ("soc", 150 - 22 * k + 0 * lon),
        ):
            path = folder / f"{name}_{depth}_mean.tif"
            write_raster(path, np.rint(values).astype(np.int16), west, north, size, "ESRI:54052", nodata=-32768)
