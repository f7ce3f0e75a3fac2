"""Cells on the globe: matching two lists of cells by position, and rasters of a projection (EASE-Grid 2.0)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.core.physics import MEAN_RADIUS


def unit_vectors(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]) -> Float[np.ndarray, "cell 3"]:
    """Points on the unit sphere from latitude and longitude [degree]."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def points(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]) -> Float[np.ndarray, "cell 3"]:
    """Points on the Earth's sphere [km]; straight lines between them are 0.1 % shorter than arcs of 1000 km."""
    return MEAN_RADIUS * unit_vectors(np.asarray(lat, float), np.asarray(lon, float))


Words = Callable[[int], str]
"""Words for the cell at a position of a list: ``cell 17 (lat 40.1, lon -100.3)``."""


def cell_words(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], cells: Int[np.ndarray, " cell"] | None = None
) -> Words:
    """Words for cells by identifier, or by position where they have none, and place."""

    def words(position: int) -> str:
        name = f"cell {cells[position]}" if cells is not None else f"the cell at position {position}"
        return f"{name} (lat {lat[position]:.6g}, lon {lon[position]:.7g})"

    return words


def require_places(lat: np.ndarray, lon: np.ndarray, words: Words, *, source: str) -> None:
    """Raise unless every latitude lies in -90..90 and every longitude in -180..360.

    Raises:
        DataError: naming the first cell.
    """
    for name, values, low, high in (("latitude", lat, -90, 90), ("longitude", lon, -180, 360)):
        bad = ~((values >= low) & (values <= high))  # not a number is bad
        if bad.any():
            at = int(np.argmax(bad))
            swapped = "; latitude and longitude swapped?" if name == "latitude" and 90 < abs(values[at]) <= 360 else ""
            raise DataError(
                f"{source}: {name} of {words(at)}: found {values[at]:g}, expected {low} to {high} degrees{swapped}"
            )


SAME_PLACE = 0.01
"""Largest distance between two files' coordinates of one cell [degree of arc], and ..."""
SAME_PLACE_PART = 0.25
"""... the same as a part of the smallest distance between neighbouring cells."""
_DUPLICATE = 1e-7  # cells nearer than this share a place [degree of arc]


def match_cells(
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    other_lat: Float[np.ndarray, " other"],
    other_lon: Float[np.ndarray, " other"],
    *,
    source: str,
    words: Words | None = None,
    tolerance: float = SAME_PLACE,
) -> Int[np.ndarray, " cell"]:
    """Position in the other list of each cell, by latitude and longitude [degree], whatever the order.

    Longitudes may be given from 0 to 360 or from -180 to 180. Cells are the same if they are nearer than a quarter of
    the smallest distance between neighbours in either list, and than ``tolerance``; so no two share a partner.

    Args:
        other_lat, other_lon: where to look; what is no place is passed over.
        source: the file with the other list, as errors begin.
        words: what errors call the cells; their positions by default.
        tolerance: largest distance that still counts as the same place [degree of arc].

    Raises:
        DataError: naming the first cell that has no partner, more than one, or one that another cell has too.
    """
    words = words or cell_words(lat, lon)
    require_places(lat, lon, words, source=source)
    known = np.flatnonzero((np.abs(other_lat) <= 90) & (other_lon >= -180) & (other_lon <= 360))
    here = unit_vectors(np.asarray(lat, float), np.asarray(lon, float))
    there = unit_vectors(np.asarray(other_lat, float)[known], np.asarray(other_lon, float)[known])
    if not len(here) or not len(there):
        if len(here):
            raise DataError(f"{source}: no cell with a latitude in -90..90 and a longitude, expected {words(0)}")
        return np.empty(0, dtype=np.int64)
    tree = cKDTree(there)
    distance, index = tree.query(here)
    between = np.minimum(_spacing(cKDTree(here), here), _spacing(tree, there[index]))
    limit = min(_chord(tolerance), SAME_PLACE_PART * between[between > _chord(_DUPLICATE)].min(initial=np.inf))
    far = ~(distance < limit)
    if far.any():
        at = int(np.argmax(far))
        found = known[index[at]]
        raise DataError(
            f"{source}: no cell at the place of {words(at)}: the nearest, lat {other_lat[found]:.6g}, lon "
            f"{other_lon[found]:.7g}, is {_degrees(distance[at]):.2g} degree away, expected less than "
            f"{_degrees(limit):.2g}"
        )
    _require_one_to_one(tree, there[index], index, words, source)
    return known[index].astype(np.int64)


def have_partner(
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    other_lat: Float[np.ndarray, " other"],
    other_lon: Float[np.ndarray, " other"],
) -> Bool[np.ndarray, " cell"]:
    """Which cells lie at the place of one of the other list, whose places are proved [degree]."""
    tree = cKDTree(unit_vectors(np.asarray(other_lat, float), np.asarray(other_lon, float)))
    distance, _ = tree.query(unit_vectors(np.asarray(lat, float), np.asarray(lon, float)))
    return np.asarray(distance < _chord(SAME_PLACE))


def _spacing(tree: cKDTree, places: Float[np.ndarray, "cell 3"]) -> Float[np.ndarray, " cell"]:
    """Distance of places of a tree to their nearest neighbour in it; infinite where there is none."""
    return np.asarray(tree.query(places, k=2)[0][:, 1])


def _require_one_to_one(
    tree: cKDTree, partners: Float[np.ndarray, "cell 3"], index: np.ndarray, words: Words, source: str
) -> None:
    """Raise for two cells with one partner, and for a partner that shares its place."""
    order = np.argsort(index, kind="stable")
    shared = np.flatnonzero(np.diff(index[order]) == 0)
    if shared.size:
        first, second = (int(order[shared[0] + i]) for i in (0, 1))
        more = f" ({shared.size} such pairs)" if shared.size > 1 else ""
        raise DataError(f"{source}: one cell for {words(first)} and {words(second)}, expected one for each{more}")
    double = _spacing(tree, partners) <= _chord(_DUPLICATE)
    if double.any():
        raise DataError(f"{source}: more than one cell at the place of {words(int(np.argmax(double)))}, expected one")


def _chord(degrees: float) -> float:
    """Length of the straight line that spans an arc on the unit sphere."""
    return float(2 * np.sin(np.deg2rad(degrees) / 2))


def _degrees(chord: float) -> float:
    return float(np.rad2deg(2 * np.arcsin(np.minimum(chord / 2, 1.0))))


@dataclass(frozen=True)
class Raster:
    """Rows and columns of equal size in the plane of a projection; row 0 is the first row of the product's files.

    Attributes:
        name: what errors call it.
        crs: projection as pyproj reads it; x and y are in its unit ([m], or [degree] for a geographic one).
        x0, y0: outer edge of column 0 and of row 0 of the whole raster.
        dx, dy: size of a cell; dy is negative where rows run southwards.
        rows, columns: size.
        row0, column0: first row and column, of the whole raster, of this window of it.
        whole_columns: columns of the whole raster; 0 if this is the whole.
    """

    name: str
    crs: str
    x0: float
    y0: float
    dx: float
    dy: float
    rows: int
    columns: int
    row0: int = 0
    column0: int = 0
    whole_columns: int = 0

    @property
    def x_edges(self) -> Float[np.ndarray, " edge"]:
        """Edges of the columns, one more than there are columns."""
        return self.x0 + self.dx * np.arange(self.column0, self.column0 + self.columns + 1)

    @property
    def y_edges(self) -> Float[np.ndarray, " edge"]:
        """Edges of the rows, in row order."""
        return self.y0 + self.dy * np.arange(self.row0, self.row0 + self.rows + 1)

    @property
    def geographic(self) -> bool:
        """Whether x and y are longitude and latitude."""
        return bool(_projection(self.crs)[0].is_geographic)

    def window(self, rows: slice, columns: slice) -> Raster:
        """The part of this raster in the given rows and columns (of this raster, not of the whole)."""
        (r0, r1, _), (c0, c1, _) = rows.indices(self.rows), columns.indices(self.columns)
        return replace(
            self,
            row0=self.row0 + r0,
            column0=self.column0 + c0,
            rows=r1 - r0,
            columns=c1 - c0,
            whole_columns=self.whole_columns or self.columns,
        )

    def identifiers(self, row: Int[np.ndarray, "*n"], column: Int[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """``row * columns + column`` in the whole raster, of rows and columns of this window."""
        return (row + self.row0) * (self.whole_columns or self.columns) + column + self.column0

    def positions(self, identifiers: Int[np.ndarray, " cell"]) -> Int[np.ndarray, " cell"]:
        """``row * columns + column`` in this window, of identifiers of the whole raster.

        Raises:
            DataError: naming the first identifier that is not in this window.
        """
        row, column = np.divmod(identifiers, self.whole_columns or self.columns)
        row, column = row - self.row0, column - self.column0
        outside = (row < 0) | (row >= self.rows) | (column < 0) | (column >= self.columns)
        if outside.any():
            raise DataError(f"{self.name}: cell {identifiers[int(np.argmax(outside))]} is not in the raster")
        return row * self.columns + column

    def project(
        self, lat: Float[np.ndarray, "*n"], lon: Float[np.ndarray, "*n"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
        """Plane coordinates x, y of latitude and longitude [degree]; infinite where the projection has none."""
        x, y = _projection(self.crs)[1].transform((np.asarray(lon, float) + 180.0) % 360.0 - 180.0, lat)
        return np.asarray(x), np.asarray(y)

    def geographic_of(
        self, x: Float[np.ndarray, "*n"], y: Float[np.ndarray, "*n"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
        """Latitude and longitude [degree] of plane coordinates; infinite outside the projection."""
        lon, lat = _projection(self.crs)[1].transform(x, y, direction="INVERSE")
        return np.asarray(lat), np.asarray(lon)

    def centres(
        self, row: Int[np.ndarray, "*n"], column: Int[np.ndarray, "*n"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
        """Latitude and longitude [degree] of cell centres; rows and columns of this window."""
        x = self.x0 + self.dx * (np.asarray(column) + self.column0 + 0.5)
        y = self.y0 + self.dy * (np.asarray(row) + self.row0 + 0.5)
        return self.geographic_of(x, y)

    def index(
        self, lat: Float[np.ndarray, "*n"], lon: Float[np.ndarray, "*n"]
    ) -> tuple[Int[np.ndarray, "*n"], Int[np.ndarray, "*n"]]:
        """Row and column of the cells that hold the points [degree]; -1, -1 for points outside."""
        x, y = self.project(lat, lon)
        with np.errstate(invalid="ignore"):
            column = np.floor((x - self.x0) / self.dx) - self.column0
            row = np.floor((y - self.y0) / self.dy) - self.row0
            inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        return np.where(inside, row, -1).astype(np.int64), np.where(inside, column, -1).astype(np.int64)

    def box(self, south: float, north: float, west: float, east: float) -> tuple[slice, slice]:
        """Rows and columns of the smallest rectangle with every cell centre of a latitude-longitude box [degree].

        For cylindrical rasters, whose rows are parallels and whose columns are meridians.

        Raises:
            DataError: no cell centre lies in the box.
        """
        lat, _ = self.centres(np.arange(self.rows), np.zeros(self.rows, dtype=np.int64))
        _, lon = self.centres(np.zeros(self.columns, dtype=np.int64), np.arange(self.columns))
        row = np.flatnonzero((lat >= south) & (lat <= north))
        column = np.flatnonzero((lon >= west) & (lon <= east))
        if not row.size or not column.size:
            raise DataError(
                f"{self.name}: no cell centre between latitude {south:g} and {north:g}, longitude {west:g} and {east:g}"
            )
        return slice(int(row[0]), int(row[-1]) + 1), slice(int(column[0]), int(column[-1]) + 1)


@lru_cache(maxsize=16)
def _projection(crs: str) -> tuple[Any, Any]:
    """Projection and the transformation to it from its own geographic coordinates, longitude first."""
    from pyproj import CRS, Transformer  # here, because it takes longer to load than the rest of this room

    found = CRS.from_user_input(crs)
    return found, Transformer.from_crs(found.geodetic_crs, found, always_xy=True)


_EASE2_COLUMNS_36 = 964
_EASE2_ROWS_36 = 406
_EASE2_SIZE_36 = 36032.220840584
"""Cells of the 36 km grid and their size [m] (Brodzik et al. 2012, 2014)."""


def ease2_global(kilometres: Literal[9, 36]) -> Raster:
    """Global cylindrical EASE-Grid 2.0, M09 (3856 x 1624) or M36 (964 x 406), EPSG:6933.

    The grids are nested: the outer edges are those of the 36 km grid, whose cells hold 4 x 4 cells of 9 km.

    Source: Brodzik, M. J. et al. (2012), ISPRS Int. J. Geo-Inf. 1, 32-45; correction 2014, 3, 1154-1156.
    """
    part = 36 // kilometres
    return Raster(
        name=f"EASE-Grid 2.0 M{kilometres:02d}",
        crs="EPSG:6933",
        x0=-_EASE2_COLUMNS_36 / 2 * _EASE2_SIZE_36,
        y0=_EASE2_ROWS_36 / 2 * _EASE2_SIZE_36,
        dx=_EASE2_SIZE_36 / part,
        dy=-_EASE2_SIZE_36 / part,
        rows=_EASE2_ROWS_36 * part,
        columns=_EASE2_COLUMNS_36 * part,
    )
