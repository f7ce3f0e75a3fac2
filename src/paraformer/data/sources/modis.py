"""MODIS evapotranspiration, MOD16A2 and MOD16A2GF version 6.1: sums of 8 days on 500 m pixels of the sinusoidal grid.

A tile (hXXvYY, 2400 x 2400 pixels, HDF4-EOS) holds ``ET_500m`` [0.1 kg m-2 a composite] and ``ET_QC_500m``.
Composites begin on days 1, 9, ..., 361 of the year; the last has 5 days, in leap years 6, and its value is the sum of
those. Values from 32761 on are land without evapotranspiration in the product (water, barren, snow, wetland, urban,
unclassified) and lie above ``valid_range``, not at a single fill value. Tiles are read one after the other, only the
rows that touch the target, and averaged by area over the valid pixels; the share of the cell that they cover goes with
the value.

Sources: Running, S. W. et al. (2021), User's Guide MODIS Global Terrestrial Evapotranspiration (ET) Product (MOD16A2/A3
and year-end gap-filled MOD16A2GF/A3GF), version 1.1 for collection 6.1 (scale, fill classes, quality bits, composites);
MODIS land grid of the MODIS Land team (tiles, radius of the sphere).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from paraformer.core.cf import missing
from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.core.log import Progress
from paraformer.core.physics import EARTH_RADIUS
from paraformer.core.time import month_of
from paraformer.data.regrid import weights
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import ModisConfig
from paraformer.data.sources.granules import Unusable, evenly, granules_in, left_out, open_hdf4, reading, usable

logger = logging.getLogger(__name__)

PIXELS = 2400
"""Pixels along the side of a tile; 36 x 18 tiles."""
_CORNER = 20015109.354
"""Distance of the grid's western edge from its middle as its files state it [m]; 2 mm less than pi times the radius."""
_SIZE = 2 * _CORNER / 36 / PIXELS

SINUSOIDAL = Raster(
    "MODIS sinusoidal 500 m",
    f"+proj=sinu +R={EARTH_RADIUS} +lon_0=0 +units=m +no_defs",
    x0=-_CORNER,
    y0=_CORNER / 2,
    dx=_SIZE,
    dy=-_SIZE,
    rows=18 * PIXELS,
    columns=36 * PIXELS,
)
"""The whole grid of 463.3127 m pixels."""

SCALE = 0.1
"""kg m-2 of one count of ``ET_500m``."""
MAXIMUM = 32700
"""Largest valid count; negative counts (dew) are valid down to -32767."""
FILL_CLASSES = {
    32761: "unclassified",
    32762: "urban",
    32763: "wetland",
    32764: "snow and ice",
    32765: "barren",
    32766: "water",
    32767: "fill",
}
"""Counts above the valid range and the land cover they stand for (user's guide, table of fill values)."""

QC_FILL = 255
MODLAND_NOT_GOOD = 1 << 0
"""Bit 0 of ``ET_QC_500m``: leaf area by the back-up algorithm, or filled."""
SCF_QC_SHIFT, SCF_QC_MAIN = 5, 1
"""Bits 5 to 7: 0 main algorithm, 1 main algorithm with saturation, 2 and 3 empirical, 4 not produced."""

_NAME = re.compile(
    r"(?P<product>MOD16A2(?:GF)?)\.A(?P<year>\d{4})(?P<day>\d{3})\.h(?P<h>\d{2})v(?P<v>\d{2})"
    r"\.061\.(?P<made>\d{13})\.hdf"
)
COLLECTION = "061"
_ANY = re.compile(r"(?P<product>M[A-Z]D\w+)\.A\d{7}\.h\d{2}v\d{2}\.\d{3}\.")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class ModisFile:
    """A tile by its name: first day of the composite, place, time of production."""

    path: Path
    start: np.datetime64
    h: int
    v: int
    made: str


def composite_days(start: np.datetime64) -> int:
    """Days of the composite that begins on ``start``: 8, and what is left of the year for the last one.

    Raises:
        DataError: no composite begins on that day of the year.
    """
    year = start.astype("datetime64[Y]")
    after = int((start - year.astype("datetime64[D]")) / _DAY)
    if after % 8:
        raise DataError(f"no 8-day composite begins on day {after + 1} of a year ({start})")
    left = int(((year + 1).astype("datetime64[D]") - start) / _DAY)
    return min(8, left)


def tile_window(h: int, v: int) -> Raster:
    """The raster of one tile."""
    return SINUSOIDAL.window(slice(v * PIXELS, (v + 1) * PIXELS), slice(h * PIXELS, (h + 1) * PIXELS))


def find_modis(config: ModisConfig) -> tuple[list[ModisFile], list[Unusable]]:
    """Tiles whose composites touch the period; of several productions of one the latest is taken.

    Raises:
        DataError: no tile; an unusable one (``on_bad: refuse``); a name with an impossible day.
    """
    start, end = np.datetime64(config.period.start, "D"), np.datetime64(config.period.end, "D")
    found: dict[Path, ModisFile] = {}
    for path in granules_in(config.folder, f"{config.product}.A*.hdf"):
        match = _NAME.fullmatch(path.name)
        if match is None or match["product"] != config.product:
            continue
        first = np.datetime64(f"{match['year']}-01-01", "D") + int(match["day"]) - 1
        try:
            days = composite_days(first)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if first <= end and first + days > start:
            found[path] = ModisFile(path, first, int(match["h"]), int(match["v"]), match["made"])
    good, bad = usable(found, "HDF4", config.on_bad)
    newest: dict[tuple[Any, int, int], ModisFile] = {}
    for file in sorted((found[path] for path in good), key=lambda f: f.made):
        key = (file.start, file.h, file.v)
        if key in newest:
            bad.append(left_out(newest[key].path, f"superseded by {file.path.name}"))
        newest[key] = file
    other = other_collections(config.folder, (config.product,))
    if newest and other:
        logger.warning("%s: tiles of version 061 are read%s", config.folder, other)
    if not newest:
        raise DataError(f"{config.folder}: no usable {config.product} tile of version 061 for {config.period}{other}")
    return sorted(newest.values(), key=lambda f: (f.h, f.v, f.start)), bad


def other_collections(folder: Path, products: Sequence[str]) -> str:
    """Words for tiles of other collections in a folder, which nothing reads; empty if there is none."""
    found = [
        path for path in granules_in(folder, "M*.hdf") if (m := _ANY.match(path.name)) and m["product"] in products
    ]
    other = [path.name for path in found if f".{COLLECTION}." not in path.name]
    return f"; found {len(other)} of another collection, first {other[0]}" if other else ""


def read_modis(config: ModisConfig, target: Raster, progress: Progress | None = None) -> xr.Dataset:
    """Evapotranspiration of every composite on the cells of a raster.

    Args:
        target: cylindrical raster or a window of one (``ease2_global(9).window(...)``); cells without a valid pixel in
            any composite are left out.

    Returns:
        ``et_mod16 (cell, time)`` [mm], the sum over the composite, NaN where less than ``minimum_valid`` of the cell is
        valid; ``valid_share (cell, time)`` [1]; ``days (time)``. ``time`` is the first day of each composite. The
        attribute ``pixels`` counts, as JSON, pixels by class.

    Raises:
        DataError: as ``find_modis``; a tile that is missing in one composite but there in others (``on_bad: refuse``);
            a tile whose structure is not the product's; no valid pixel.
    """
    files, bad = find_modis(config)
    starts = np.unique([file.start for file in files])
    total = np.zeros((target.rows * target.columns, len(starts)))
    area = np.zeros_like(total)
    cell_area = np.ones(len(total))
    pixels: dict[str, int] = {}
    tiles = sorted({(file.h, file.v) for file in files})
    with (progress or Progress()).task("reading MOD16A2", len(files), unit="tiles") as advance:
        for h, v in tiles:
            here = {file.start: file for file in files if (file.h, file.v) == (h, v)}
            window = touched_rows(tile_window(h, v), target)
            if window is None:
                advance(len(here))
                continue
            table = weights(window, target, "conservative", config.cache)
            cell_area = table.target_area
            used = np.asarray(table.overlap.sum(axis=0)).ravel() > 0
            for k, start in enumerate(starts):
                layer = _layer(config, here.get(start), (h, v), start, window, bad)
                if layer is None:
                    continue
                values, valid = layer
                _count(pixels, values[used], valid[used])
                total[:, k] += table.overlap @ np.where(valid, values * SCALE, 0.0)
                area[:, k] += table.overlap @ valid.astype(np.float64)
                advance()
    share = np.clip(area / cell_area[:, None], 0.0, 1.0)
    enough = share >= config.minimum_valid
    mean = np.divide(total, area, out=np.full(total.shape, np.nan), where=enough)
    return _dataset(config, target, starts, mean, share, {"pixels": pixels, "bad": bad})


def sample_modis(config: ModisConfig, target: Raster, count: int) -> tuple[int, int]:
    """Read ``count`` of the tiles that touch a raster; of all, names and first bytes are looked at.

    Returns:
        Number of tiles that were read, and of those that touch the raster.

    Raises:
        DataError: as ``read_modis``, but for what only the other tiles hold.
    """
    files, bad = find_modis(config)
    by_name = {(file.h, file.v, file.start): file for file in files}
    touching: list[tuple[ModisFile, Raster]] = []
    for h, v in sorted({(file.h, file.v) for file in files}):
        window = touched_rows(tile_window(h, v), target)
        if window is None:
            continue
        for start in np.unique([file.start for file in files]):
            found = by_name.get((h, v, start))
            if found is None:
                _layer(config, None, (h, v), start, window, bad)  # refused, or left out
            else:
                touching.append((found, window))
    if not touching:
        raise DataError(f"{config.folder}: no {config.product} tile lies in {target.name}")
    chosen = [touching[k] for k in evenly(len(touching), count)]
    for file, window in chosen:
        _layer(config, file, (file.h, file.v), file.start, window, bad)
    return len(chosen), len(touching)


def touched_rows(tile: Raster, target: Raster) -> Raster | None:
    """The rows of a tile between the parallels of the target, ``None`` if it lies wholly elsewhere."""
    lat, lon = target.geographic_of(target.x_edges[[0, -1]], target.y_edges[[0, -1]])
    edges = np.rad2deg(tile.y_edges / EARTH_RADIUS)
    inside = (edges[:-1] > lat.min()) & (edges[1:] < lat.max())
    if not inside.any():
        return None
    rows = np.flatnonzero(inside)
    cosine = np.cos(np.deg2rad(np.clip(edges[[rows[0], rows[-1] + 1]], -89.9, 89.9)))
    reach = [float(edge / (EARTH_RADIUS * c)) for edge in tile.x_edges[[0, -1]] for c in cosine]
    if np.rad2deg(max(reach)) <= lon.min() or np.rad2deg(min(reach)) >= lon.max():
        return None
    return tile.window(slice(int(rows[0]), int(rows[-1]) + 1), slice(0, tile.columns))


def _layer(
    config: ModisConfig,
    file: ModisFile | None,
    tile: tuple[int, int],
    start: np.datetime64,
    window: Raster,
    bad: list[Unusable],
) -> tuple[Float[np.ndarray, " pixel"], Bool[np.ndarray, " pixel"]] | None:
    """Counts of a tile's rows and which of them are valid; ``None`` for a tile that is left out."""
    try:
        if file is None:
            raise DataError(
                f"{config.folder}: tile h{tile[0]:02d}v{tile[1]:02d} of the composite {start} is missing, though the "
                "folder has it for others"
            )
        return _read_tile(config, file, window)
    except DataError as error:
        if config.on_bad == "refuse":
            raise
        bad.append(left_out(config.folder if file is None else file.path, str(error)))
        return None


def _read_tile(
    config: ModisConfig, file: ModisFile, window: Raster
) -> tuple[Float[np.ndarray, " pixel"], Bool[np.ndarray, " pixel"]]:
    first = window.row0 - file.v * PIXELS
    with open_hdf4(file.path) as store:

        def read(name: str) -> tuple[np.ndarray, Mapping[str, Any]]:
            with reading(file.path, name):
                if name not in store.datasets():
                    raise DataError(f"{file.path}: dataset '{name}' is missing")
                data = store.select(name)
                if tuple(data.info()[2]) != (PIXELS, PIXELS):
                    raise DataError(
                        f"{file.path}: dataset '{name}' has shape {tuple(data.info()[2])}, expected {(PIXELS, PIXELS)}"
                    )
                return np.asarray(data[first : first + window.rows, :]).ravel(), data.attributes()

        counts, attributes = read("ET_500m")
        if abs(float(attributes.get("scale_factor", np.nan)) - SCALE) > 1e-9:
            found = attributes.get("scale_factor")
            raise DataError(f"{file.path}: dataset 'ET_500m' has scale_factor {found}, expected {SCALE}")
        valid = (counts <= MAXIMUM) & (counts > -32768) & ~missing(counts, attributes)
        if config.quality != "any":
            valid &= _good(read("ET_QC_500m")[0].astype(np.int64), config.quality)
    return counts.astype(np.float64), valid


def _good(qc: np.ndarray, quality: str) -> Bool[np.ndarray, " pixel"]:
    if quality == "good":
        return (qc & MODLAND_NOT_GOOD == 0) & (qc != QC_FILL)
    return (qc >> SCF_QC_SHIFT <= SCF_QC_MAIN) & (qc != QC_FILL)


def _count(pixels: dict[str, int], counts: np.ndarray, valid: np.ndarray) -> None:
    for value, name in FILL_CLASSES.items():
        pixels[name] = pixels.get(name, 0) + int((counts == value).sum())
    pixels["valid"] = pixels.get("valid", 0) + int(valid.sum())
    pixels["dropped by quality"] = pixels.get("dropped by quality", 0) + int((~valid & (counts <= MAXIMUM)).sum())


def _dataset(
    config: ModisConfig, target: Raster, starts: np.ndarray, mean: np.ndarray, share: np.ndarray, report: dict[str, Any]
) -> xr.Dataset:
    kept = np.flatnonzero((share > 0).any(axis=1))
    if not kept.size:
        raise DataError(f"{config.folder}: no valid pixel of {config.product} in {target.name}")
    row, column = np.divmod(kept, target.columns)
    lat, lon = target.centres(row, column)
    attrs = {
        "title": f"MODIS evapotranspiration, {config.product}",
        "source": f"{config.product} version 6.1, doi:10.5067/MODIS/{config.product}.061; quality {config.quality}",
        "references": "Running et al., NASA LP DAAC; Mu et al. (2011), Remote Sens. Environ. 115, 1781-1800",
        "pixels": json.dumps(report["pixels"], sort_keys=True),
        "left_out": json.dumps({entry.path.name: entry.reason for entry in report["bad"]}, sort_keys=True),
    }
    days = np.array([composite_days(start) for start in starts])
    variables: dict[str, Any] = {
        "et_mod16": (("cell", "time"), mean[kept], {"units": "mm", "long_name": "evapotranspiration of the composite"}),
        "valid_share": (("cell", "time"), share[kept], {"units": "1", "long_name": "share of valid pixels, by area"}),
        "days": (("time",), days, {"units": "days", "long_name": "days of the composite"}),
    }
    return simple_dataset(target.identifiers(row, column), lat, lon, starts, variables, attrs)


def sum_over(dataset: xr.Dataset, span: Literal["month", "year"], minimum_days: float = 1.0) -> xr.Dataset:
    """Sums over calendar months or years of the composites of ``read_modis``; a composite is spread over its days.

    Args:
        minimum_days: a span has a sum if at least this share of its days lies in composites with a value; the sum of
            the days with a value is then scaled to all days of the span.

    Returns:
        ``et_mod16 (cell, time)`` [mm] and ``valid_share (cell, time)`` [1], the mean over the days with a value of the
        share of valid pixels; ``time`` is the first day of each span.
    """
    starts, length = dataset["time"].values.astype("datetime64[D]"), dataset["days"].values.astype(np.int64)
    unit = "M" if span == "month" else "Y"
    last = starts[-1] + int(length[-1]) - 1
    spans = np.arange(starts[0].astype(f"datetime64[{unit}]"), last.astype(f"datetime64[{unit}]") + 1)
    begin, end = spans.astype("datetime64[D]"), (spans + 1).astype("datetime64[D]")
    first, past = np.maximum(starts[:, None], begin), np.minimum((starts + length)[:, None], end)
    overlap = np.maximum((past - first) / _DAY, 0.0)
    value = dataset["et_mod16"].values
    seen = np.isfinite(value)
    days = seen.astype(np.float64) @ overlap
    total = np.where(seen, value / length, 0.0) @ overlap
    share = np.where(seen, dataset["valid_share"].values, 0.0) @ overlap
    whole = (end - begin) / _DAY
    enough = (days >= minimum_days * whole) & (days > 0)
    variables: dict[str, Any] = {
        "et_mod16": (
            ("cell", "time"),
            np.divide(total * whole, days, out=np.full(days.shape, np.nan), where=enough),
            {"units": "mm", "long_name": f"evapotranspiration of the {span}"},
        ),
        "valid_share": (
            ("cell", "time"),
            np.divide(share, days, out=np.zeros(days.shape), where=days > 0),
            {"units": "1", "long_name": "share of valid pixels, by area"},
        ),
    }
    cells, lat, lon = (dataset[name].values for name in ("cell", "lat", "lon"))
    return simple_dataset(cells, lat, lon, begin, variables, dataset.attrs)


def monthly_climatology(monthly: xr.Dataset) -> xr.DataArray:
    """Mean of the sums of each calendar month, ``et_mod16 (cell, month)`` [mm month-1], as references are given.

    A month without a sum in any year is NaN.
    """
    value, month = monthly["et_mod16"].values, month_of(monthly["time"].values)
    climate = np.full((value.shape[0], 12), np.nan)
    for k in range(12):
        of_month = value[:, month == k + 1]
        seen = np.isfinite(of_month)
        count = seen.sum(axis=1)
        np.divide(np.where(seen, of_month, 0.0).sum(axis=1), count, out=climate[:, k], where=count > 0)
    attrs = {"units": "mm month-1", "long_name": "evapotranspiration climatology, MODIS MOD16"}
    coords = {"cell": monthly["cell"], "month": np.arange(1, 13)}
    return xr.DataArray(climate, coords, ("cell", "month"), "et_mod16", attrs)
