"""Gauges put on the cells of a network by drainage area; both areas are told, the user's own cell is kept."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.grid import require_places, unit_vectors
from paraformer.core.physics import M2_PER_KM2, RIVER_RADIUS
from paraformer.routing.network import Gauges, Network, upstream_area

logger = logging.getLogger(__name__)
TOLERANCE = 0.25
"""Largest part by which the drainage area of a cell may differ from that of its gauge."""
SEARCH = 1
"""How many cells around its own one a gauge may be moved."""
_COLUMNS = {
    "name": ("name", "names", "id", "gauge", "gauge_id", "station"),
    "lat": ("lat", "latitude", "lats"),
    "lon": ("lon", "longitude", "lons"),
    "area": ("area_km2", "area", "drainage_area_km2"),
    "cell": ("cell", "network_cell"),
}


class GaugeRow(NamedTuple):
    """A line of a gauge table; area NaN and cell -1 where not given."""

    name: str
    lat: float
    lon: float
    area_km2: float
    cell: int
    line: int


class Snapped(NamedTuple):
    """Where a gauge was put, for a table."""

    name: str
    cell: int
    cells_moved: int
    reported_km2: float
    model_km2: float
    kept: bool  # the user's own cell


def read_gauges(path: Path | str) -> list[GaugeRow]:
    """A table with columns ``name, lat, lon`` and, if known, ``area_km2`` and ``cell`` (the network's, kept as it is).

    Raises:
        DataError: naming the line.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            lines = [(i, line) for i, line in enumerate(file, 1) if line.strip() and not line.lstrip().startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable table ({error})") from error
    rows = list(csv.reader(line for _, line in lines))
    if not rows:
        raise DataError(f"{path}: empty, expected a table of gauges")
    header = [word.strip().lower() for word in rows[0]]
    at = {field: next((header.index(n) for n in names if n in header), -1) for field, names in _COLUMNS.items()}
    lacking = [field for field in ("lat", "lon") if at[field] < 0]
    if lacking:
        raise DataError(f"{path}: no column {' and no column '.join(lacking)}, found {', '.join(header)}")
    found: list[GaugeRow] = []
    for (number, _), row in zip(lines[1:], rows[1:], strict=True):
        words = [word.strip() for word in row] + [""] * len(header)

        def value(field: str, missing: float, words: list[str] = words, number: int = number) -> float:
            text = words[at[field]] if at[field] >= 0 else ""
            try:
                return float(text) if text else missing
            except ValueError as error:
                raise DataError(f"{path}: line {number}: {field}: found '{text}', expected a number") from error

        name = words[at["name"]] if at["name"] >= 0 else f"p-{len(found)}"
        row_found = GaugeRow(
            name, value("lat", np.nan), value("lon", np.nan), value("area", np.nan), int(value("cell", -1)), number
        )
        if not np.isnan(row_found.area_km2) and row_found.area_km2 <= 0:
            raise DataError(f"{path}: line {number}: area: found {row_found.area_km2:g}, expected above 0 km2")
        found.append(row_found)
    lat, lon = (np.array([getattr(row, field) for row in found]) for field in ("lat", "lon"))
    require_places(lat, lon, lambda i: f"line {found[i].line} ({found[i].name})", source=str(path))
    return found


def place_gauges(
    network: Network,
    rows: list[GaugeRow],
    fraction: np.ndarray | None = None,
    *,
    search: int = SEARCH,
    tolerance: float = TOLERANCE,
    source: str = "gauges",
) -> tuple[Network, list[Snapped]]:
    """Put gauges on cells.

    A gauge goes to the cell whose drainage area is nearest to its own, by ratio, within ``search`` cells around the one
    it lies in; without an area, to the cell it lies in; with a ``cell``, there.

    Args:
        network: the river.
        rows: the gauges.
        fraction: part of each cell that lies in the basins [1].
        search: cells to look around.
        tolerance: largest part by which the areas may differ; with a ``cell`` it is a warning.
        source: file, for messages.

    Raises:
        DataError: a gauge without a cell near it, or whose area no cell near it has; a cell that is not there.
    """
    share = np.ones(network.n_cell) if fraction is None else fraction
    drained = upstream_area(network.downstream, network.area * share)
    places = unit_vectors(network.lat, network.lon)
    size = _spacing(network)
    cells, table = [], []
    for row in rows:
        where = f"{source}: line {row.line}: gauge {row.name}"
        ring = np.zeros(network.n_cell, np.int64)
        if row.cell >= 0:
            own = np.flatnonzero(network.cells == row.cell)
            if not len(own):
                raise DataError(f"{where}: cell {row.cell} is not in the network")
            cell = int(own[0])
        else:
            ring = _cells_away(network, row, size)
            near = np.flatnonzero(ring <= (search if row.area_km2 == row.area_km2 else 0))
            if not len(near):
                raise DataError(
                    f"{where}: no cell of the network within {search} cells of lat {row.lat}, lon {row.lon}"
                )
            cell = _best(near, drained, row, places)
        gap = drained[cell] / (row.area_km2 * M2_PER_KM2) - 1
        if abs(gap) > tolerance:
            text = (
                f"{where}: drainage area {row.area_km2:g} km2, found {drained[cell] / M2_PER_KM2:.4g} km2 at "
                f"{network.words(cell)}, {100 * gap:+.0f} %"
            )
            if row.cell < 0:
                raise DataError(f"{text}, expected within {100 * tolerance:.0f} %; name its cell to keep it")
            logger.warning("%s", text)
        cells.append(cell)
        table.append(
            Snapped(
                row.name,
                int(network.cells[cell]),
                int(ring[cell]),
                row.area_km2,
                drained[cell] / M2_PER_KM2,
                row.cell >= 0,
            )
        )
    unknown = [row.name for row in rows if np.isnan(row.area_km2)]
    if unknown:
        logger.warning("%s: no drainage area given, not checked: %s", source, ", ".join(unknown))
    gauges = Gauges(
        names=tuple(row.name for row in rows),
        lat=np.array([row.lat for row in rows]),
        lon=np.array([row.lon for row in rows]),
        cell=np.array(cells, np.int64),
        reported_area=np.array([row.area_km2 for row in rows]) * M2_PER_KM2,
    )
    return network.with_gauges(gauges, share), table


def _best(near: np.ndarray, drained: np.ndarray, row: GaugeRow, places: np.ndarray) -> int:
    """The cell with the nearest area by ratio, or, without an area, the nearest one."""
    if np.isnan(row.area_km2):
        gauge = unit_vectors(np.array([row.lat]), np.array([row.lon]))
        return int(near[np.argmin(((places[near] - gauge) ** 2).sum(axis=1))])
    return int(near[np.argmin(np.abs(np.log(drained[near] / (row.area_km2 * M2_PER_KM2))))])


def _cells_away(network: Network, row: GaugeRow, size: float) -> np.ndarray:
    """How many cells each cell is away from the one a gauge lies in."""
    east = (network.lon - row.lon + 180) % 360 - 180
    if size:
        apart = np.maximum(np.abs(network.lat - row.lat), np.abs(east)) / size
        return np.maximum(np.ceil(apart - 0.5 - 1e-6), 0).astype(np.int64)
    away = np.deg2rad(np.hypot(network.lat - row.lat, east * np.cos(np.deg2rad(row.lat)))) * RIVER_RADIUS
    return np.maximum(np.ceil(away / np.sqrt(np.median(network.area)) - 0.75), 0).astype(np.int64)


def _spacing(network: Network) -> float:
    """Size of the cells of a grid of latitude and longitude [degree]; 0 of a projection's or of segments."""
    steps = [np.diff(np.unique(np.round(values, 7))) for values in (network.lat, network.lon)]
    if any(len(step) + 1 > max(0.5 * network.n_cell, 50) for step in steps):
        return 0.0
    found = [float(step.min()) for step in steps if len(step)]
    return min(found) if found else 1.0
