"""Regridding between EASE-Grid 2.0, regular latitude-longitude grids and the MODIS sinusoidal grid.

Conservative weights are the areas that cells of two rasters share. Cells of cylindrical rasters lie between parallels
and meridians, so their shared areas are products of shared lengths in the equal-area plane of EASE-Grid 2.0. A pixel of
the sinusoidal grid is bounded by parallels and by two curves of constant x = R λ cos φ; its share west of a meridian is
integrated in closed form. Missing data are an explicit mask: a mean is over the part of a cell with values, and comes
with the share of the cell that it stands for.

Sources: Jones, P. W. (1999), Mon. Weather Rev. 127, 2204-2210 (conservative weights); Snyder, J. P. (1987), USGS
Professional Paper 1395, eqs. 10-1 to 10-5 and 30-1, 30-2 (the two projections).
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy import sparse

from paraformer.core.errors import DataError
from paraformer.core.files import atomic_path, hash_json
from paraformer.core.grid import Raster, ease2_global
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import RegridConfig

logger = logging.getLogger(__name__)

Method = Literal["conservative", "nearest"]

_SMALL = 1 / 16
"""Largest pixels, as a part of a cell, that may count as a whole where their centre lies."""

FORMAT = 1
"""Version of the weights; cached ones of another version are made anew."""


class NoCell(DataError):
    """Nothing is wrong with what was read, but no cell is left of it."""


@dataclass(frozen=True)
class Remapped:
    """Values on the target raster.

    Attributes:
        values: NaN where the share is zero [target, ...].
        share: part of the target cell that the value stands for, 0 to 1 [target, ...].
    """

    values: Float[np.ndarray, "target ..."]
    share: Float[np.ndarray, "target ..."]


@dataclass(frozen=True)
class Weights:
    """Shared areas of the cells of two rasters, both in row order.

    Attributes:
        overlap: sparse matrix of shared areas, target x source [m2]; for ``nearest`` ones and zeros.
        target_area: [target], in the unit of ``overlap``.
    """

    overlap: sparse.csr_array
    target_area: Float[np.ndarray, " target"]

    def apply(self, values: Float[np.ndarray, "source ..."], valid: Bool[np.ndarray, "source ..."]) -> Remapped:
        """Mean of the valid values in each target cell, and the share of the cell that they cover."""
        shape = (len(self.target_area), *values.shape[1:])
        weight = (self.overlap @ valid.reshape(len(valid), -1).astype(np.float64)).reshape(shape)
        total = (self.overlap @ np.where(valid, values, 0.0).reshape(len(valid), -1)).reshape(shape)
        covered = weight > 0
        mean = np.divide(total, weight, out=np.full(shape, np.nan), where=covered)
        area = self.target_area.reshape(-1, *(1,) * (len(shape) - 1))
        return Remapped(mean, np.clip(weight / area, 0.0, 1.0))


def weights(source: Raster, target: Raster, method: Method = "conservative", cache: Path | None = None) -> Weights:
    """Weights from one raster to another, from the cache if they are there.

    Args:
        cache: folder of ``weights-<hash>.npz`` files, named by both rasters and the method.

    Raises:
        DataError: a projection other than EPSG:6933, geographic and sinusoidal; two sinusoidal rasters.
        RunError: the cache cannot be written.
    """
    if cache is None:
        return _make(source, target, method)
    key = hash_json({"format": FORMAT, "source": asdict(source), "target": asdict(target), "method": method})
    path = cache / f"weights-{key}.npz"
    found = _load(path)
    if found is None:
        found = _make(source, target, method)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            matrix = found.overlap
            np.savez(
                file,
                data=matrix.data,
                indices=matrix.indices,
                indptr=matrix.indptr,
                shape=np.array(matrix.shape),
                target_area=found.target_area,
            )
    return found


def _load(path: Path) -> Weights | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            parts = (file["data"], file["indices"], file["indptr"])
            return Weights(sparse.csr_array(parts, shape=tuple(file["shape"])), file["target_area"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        logger.warning("%s: cannot be read (%s); making the weights anew", path, error)
        return None


def _make(source: Raster, target: Raster, method: Method) -> Weights:
    if method == "nearest":
        return _nearest(source, target)
    kinds = (_kind(source), _kind(target))
    if kinds == ("other", "cylindrical"):
        return _by_centres(source, target)
    if kinds == ("cylindrical", "cylindrical"):
        return _cylindrical(source, target)
    if kinds == ("sinusoidal", "cylindrical"):
        return _sinusoidal(source, target)
    if kinds == ("cylindrical", "sinusoidal"):
        reverse = _sinusoidal(target, source)
        area = np.full(target.rows * target.columns, abs(target.dx * target.dy))
        return Weights(sparse.csr_array(reverse.overlap.T), area)
    for raster, kind in zip((source, target), kinds, strict=True):
        if kind == "other":
            raise _unknown(raster)
    raise DataError(f"no conservative weights between two sinusoidal rasters ({source.name} and {target.name})")


def _kind(raster: Raster) -> Literal["cylindrical", "sinusoidal", "other"]:
    if raster.geographic or raster.crs == ease2_global(36).crs:
        return "cylindrical"
    if "+proj=sinu" in raster.crs:
        return "sinusoidal"
    return "other"


def _unknown(raster: Raster, more: str = "") -> DataError:
    return DataError(f"{raster.name}: no conservative weights for the projection {raster.crs}{more}")


def _by_centres(source: Raster, target: Raster) -> Weights:
    """The area of each pixel of any projection, all of it in the target cell that holds its centre [m2].

    For pixels much smaller than cells, as of Daymet; the areas are those of their corners in the equal-area plane.

    Raises:
        DataError: pixels larger than a sixteenth of the cells.
    """
    edge_x, edge_y = np.meshgrid(source.x_edges, source.y_edges)
    plane = ease2_global(36)
    x, y = plane.project(*source.geographic_of(edge_x, edge_y))
    a, b = (x[1:, 1:] - x[:-1, :-1], y[1:, 1:] - y[:-1, :-1]), (x[1:, :-1] - x[:-1, 1:], y[1:, :-1] - y[:-1, 1:])
    area = 0.5 * np.abs(a[0] * b[1] - a[1] * b[0]).ravel()  # of the diagonals of a quadrangle
    (tx, ty) = _plane_edges(target)
    target_area = np.abs(np.outer(np.diff(ty), np.diff(tx))).ravel()
    row, column = np.divmod(np.arange(source.rows * source.columns), source.columns)
    at_row, at_column = target.index(*source.centres(row, column))
    hit = np.flatnonzero(at_row >= 0)
    cell = at_row[hit] * target.columns + at_column[hit]
    if hit.size and (not np.isfinite(area[hit]).all() or (area[hit] > _SMALL * target_area[cell]).any()):
        raise _unknown(source, f", whose cells are too large beside those of {target.name}")
    shape = (target_area.size, row.size)
    return Weights(sparse.csr_array((area[hit], (cell, hit)), shape=shape), target_area)


def _nearest(source: Raster, target: Raster) -> Weights:
    """One for the source cell that holds the centre of the target cell."""
    row, column = np.divmod(np.arange(target.rows * target.columns), target.columns)
    at_row, at_column = source.index(*target.centres(row, column))
    hit = np.flatnonzero(at_row >= 0)
    cell = at_row[hit] * source.columns + at_column[hit]
    shape = (row.size, source.rows * source.columns)
    return Weights(sparse.csr_array((np.ones(hit.size), (hit, cell)), shape=shape), np.ones(row.size))


def _cylindrical(source: Raster, target: Raster) -> Weights:
    """Products of shared lengths in the plane of EASE-Grid 2.0 [m]."""
    (sx, sy), (tx, ty) = _plane_edges(source), _plane_edges(target)
    area = np.abs(np.outer(np.diff(ty), np.diff(tx))).ravel()
    overlap = sparse.kron(_shared_lengths(ty, sy), _shared_lengths(tx, sx), format="csr")
    return Weights(sparse.csr_array(overlap), area)


def _plane_edges(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    """Column and row edges in the plane of EASE-Grid 2.0 [m]."""
    if not raster.geographic:
        return raster.x_edges, raster.y_edges
    plane = ease2_global(36)
    one_degree = float(plane.project(np.zeros(1), np.ones(1))[0][0])
    return raster.x_edges * one_degree, plane.project(raster.y_edges, np.zeros(raster.rows + 1))[1]


def _shared_lengths(target: Float[np.ndarray, " a"], source: Float[np.ndarray, " b"]) -> sparse.csr_array:
    """Lengths that the intervals between two monotonic lists of edges share, target x source."""
    edges = np.unique(np.concatenate([target, source]))
    middle, length = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    (t, in_t), (s, in_s) = _interval(target, middle), _interval(source, middle)
    both = in_t & in_s
    shape = (len(target) - 1, len(source) - 1)
    return sparse.csr_array((length[both], (t[both], s[both])), shape=shape)


def _interval(edges: np.ndarray, points: np.ndarray) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Number of the interval that holds each point, in the order of the edges, and whether there is one."""
    count = len(edges) - 1
    falling = edges[-1] < edges[0]
    at = np.searchsorted(edges[::-1] if falling else edges, points) - 1
    inside = (at >= 0) & (at < count)
    return (count - 1 - at if falling else at), inside


def _sinusoidal(source: Raster, target: Raster) -> Weights:
    """Shared areas of sinusoidal pixels and cylindrical cells on the sphere of the sinusoidal grid [m2]."""
    radius = float(source.project(np.zeros(1), np.ones(1))[0][0]) / np.deg2rad(1.0)
    lat, lon = _geographic_edges(target)
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    rows = source.y_edges / radius
    edges = np.unique(np.concatenate([rows, phi, [0.0]]))
    middle = 0.5 * (edges[1:] + edges[:-1])
    (row, in_source), (band, in_target) = _interval(rows, middle), _interval(phi, middle)
    pixel_area = abs(source.dx * source.dy)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for k in np.flatnonzero(in_source & in_target):
        column, cell, share = _split(source.x_edges, radius * lam, float(edges[k]), float(edges[k + 1]))
        part = (edges[k + 1] - edges[k]) / abs(source.dy / radius) * pixel_area
        found.append((band[k] * target.columns + cell, row[k] * source.columns + column, share * part))
    area = radius**2 * np.abs(np.outer(np.diff(np.sin(phi)), np.diff(lam))).ravel()
    shape = (area.size, source.rows * source.columns)
    if not found:
        return Weights(sparse.csr_array(shape, dtype=np.float64), area)
    at, pixel, shared = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Weights(sparse.csr_array((shared, (at, pixel)), shape=shape), area)


def _geographic_edges(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes of the row edges and longitudes of the column edges [degree]."""
    if raster.geographic:
        return raster.y_edges, raster.x_edges
    lat, _ = raster.geographic_of(np.zeros(raster.rows + 1), raster.y_edges)
    _, one = raster.geographic_of(np.array([raster.dx]), np.zeros(1))
    return lat, raster.x_edges / raster.dx * one[0]


def _split(
    x: Float[np.ndarray, " column_edge"], meridian: Float[np.ndarray, " edge"], low: float, high: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of pixels in the cells between meridians, in a band of latitude on one side of the equator.

    A pixel has one entry of share 1 in the easternmost cell that it touches; each meridian through it then moves the
    share C to its west from the cell in the east to the cell in the west. So the shares of a pixel add up to 1 whatever
    the rounding of C.

    Args:
        x: edges of the pixel columns [m], ascending.
        meridian: R λ of the cells' edges [m], ascending.
        low, high: latitudes of the band [rad].

    Returns:
        Pixel columns, cell columns and shares; pixels outside the cells have no entry.
    """
    dx = float(x[1] - x[0])
    ends = meridian[:, None] * np.cos([low, high])
    west, east = ends.min(axis=1), ends.max(axis=1)
    column = np.arange(len(x) - 1)
    # Comparisons of the same numbers throughout: no rounding makes a pixel neither crossed nor left in the west.
    first_full = np.searchsorted(west, x[1:], side="left")
    crossed_from, crossed_to = np.searchsorted(x[1:], west, side="right"), np.searchsorted(x[:-1], east, side="left")
    count = np.maximum(crossed_to - crossed_from, 0)
    edge = np.repeat(np.arange(len(meridian)), count)
    pixel = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(crossed_from, count)
    share = _west_of(meridian[edge], x[pixel], dx, low, high)
    cells = np.concatenate([first_full - 1, edge - 1, edge])
    pixels = np.concatenate([column, pixel, pixel])
    shares = np.concatenate([np.ones(len(column)), share, -share])
    inside = (cells >= 0) & (cells < len(meridian) - 1)
    return pixels[inside], cells[inside], shares[inside]


def _west_of(
    meridian: Float[np.ndarray, " n"], x: Float[np.ndarray, " n"], dx: float, low: float, high: float
) -> Float[np.ndarray, " n"]:
    """Share of pixels west of meridians in a band: the mean over latitude of ``clip((R λ cos φ - x) / dx, 0, 1)``.

    The curve R λ cos φ runs one way through the band, so the clipped part is an interval of latitude with ends
    ``arccos(x / R λ)``; over it, the mean of the cosine is ``cos(middle) sin(half) / half``.
    """
    sign = 1.0 if low + high >= 0 else -1.0
    inner, outer = (
        (low, high) if sign > 0 else (-high, -low)
    )  # latitude by its size: the other side is the mirror image
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a meridian within rounding of the middle one
        at_zero = np.arccos(np.clip(x / meridian, -1.0, 1.0))
        at_one = np.arccos(np.clip((x + dx) / meridian, -1.0, 1.0))
    eastern = meridian > 0  # there the curve runs westwards with latitude: full first, then none
    first = np.clip(np.where(eastern, at_one, at_zero), inner, outer)
    last = np.clip(np.where(eastern, at_zero, at_one), inner, outer)
    half = 0.5 * (last - first)
    middle = 0.5 * (last + first)
    mean = (meridian * np.cos(middle) * np.sinc(half / np.pi) - x) / dx
    full = np.where(eastern, first - inner, outer - last)
    return np.clip((np.clip(mean, 0.0, 1.0) * 2 * half + full) / (outer - inner), 0.0, 1.0)


def remap(dataset: xr.Dataset, source: Raster, target: Raster, config: RegridConfig) -> xr.Dataset:
    """A dataset of the simple format on the cells of another raster; as ``Remapping``, for one dataset."""
    return Remapping(dataset, source, target, config)(dataset)


class Remapping:
    """From the cells of one raster to those of another, for datasets on the same cells, such as blocks of a period.

    Attributes:
        source, target: rasters; ``target`` may be a window, identifiers of the result are those of the whole raster.
        cells: identifiers of the datasets, ``row * columns + column`` of ``source``; others count as no land.
    """

    def __init__(self, dataset: xr.Dataset, source: Raster, target: Raster, config: RegridConfig) -> None:
        """Weights, and the cells that pass the rules of ``config``.

        Args:
            dataset: on the cells that all have; ``water_share (cell)`` [1] counts if it is there.

        Raises:
            NoCell: no cell of the target passes the rules.
        """
        self.source, self.target, self._config = source, target, config
        self.cells = dataset["cell"].values
        table = weights(source, target, config.method, config.cache)
        table = Weights(sparse.csr_array(table.overlap[:, source.positions(self.cells)]), table.target_area)
        land = table.apply(np.ones(len(self.cells)), np.ones(len(self.cells), dtype=bool)).share
        kept = land >= config.minimum_share
        if "water_share" in dataset:
            kept &= ~(_on(table, dataset["water_share"].values, config).ravel() > config.maximum_water)
        if not kept.any():
            raise NoCell(f"{target.name}: no cell has a land share of {config.minimum_share:g} of {source.name} cells")
        self._table = Weights(sparse.csr_array(table.overlap[np.flatnonzero(kept)]), table.target_area[kept])
        self._land, self._kept = land[kept], np.flatnonzero(kept)

    def __call__(self, dataset: xr.Dataset) -> xr.Dataset:
        """Floating-point variables ``(cell)`` and ``(cell, time)`` on the cells that passed.

        ``land_share (cell)`` [1] is the share of the cell covered by the cells of the dataset.

        Raises:
            DataError: the dataset has other cells.
        """
        if not np.array_equal(dataset["cell"].values, self.cells):
            raise DataError(f"{self.source.name}: a dataset to regrid has other cells than the one before it")
        variables = {
            str(name): (
                tuple(map(str, value.dims)),
                _on(self._table, value.values, self._config).astype(value.dtype),
                dict(value.attrs),
            )
            for name, value in dataset.data_vars.items()
            if name not in ("lat", "lon") and value.dims[:1] == ("cell",) and value.dtype.kind == "f"
        }
        named = {"units": "1", "long_name": f"share covered by {self.source.name} cells"}
        variables["land_share"] = (("cell",), self._land, named)
        row, column = np.divmod(self._kept, self.target.columns)
        lat, lon = self.target.centres(row, column)
        time = dataset["time"].values
        return simple_dataset(self.target.identifiers(row, column), lat, lon, time, variables, dataset.attrs)


def _on(
    table: Weights, values: Float[np.ndarray, "source ..."], config: RegridConfig
) -> Float[np.ndarray, "target ..."]:
    """Values on the target cells, NaN where too small a share of the cell has one."""
    found = table.apply(values.astype(np.float64), np.isfinite(values))
    return np.where(found.share >= config.minimum_share, found.values, np.nan)
