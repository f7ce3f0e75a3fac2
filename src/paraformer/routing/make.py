"""Networks from what users have: grids of flow directions, mizuRoute's segments, basins that are one cell each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from paraformer.core.errors import DataError, nearest
from paraformer.core.grid import unit_vectors
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import M2_PER_KM2, MEAN_RADIUS
from paraformer.routing.directions import Codes, decode
from paraformer.routing.gauges import read_gauges
from paraformer.routing.grids import Grid, numbers_of, value_on
from paraformer.routing.network import DIFFUSIVITY, VELOCITY, Gauges, Hillslope, Network, no_gauges, no_hillslope


@dataclass(frozen=True)
class RiverOptions:
    """What a network is made of beside the directions; text is a number, or a map ``FILE`` or ``FILE::VARIABLE``.

    Attributes:
        velocity, diffusivity: of the flood wave [m s-1], [m2 s-1].
        length: way through each cell [m]; empty: the distance between the cells' centres, times ``sinuosity``.
        sinuosity: how much longer rivers are than that.
        area: of the cells [m2]; empty: that of the grid's cells on the sphere.
    """

    velocity: str = str(VELOCITY)
    diffusivity: str = str(DIFFUSIVITY)
    length: str = ""
    sinuosity: float = 1.0
    area: str = ""


def network_of_grid(grid: Grid, codes: Codes | None, options: RiverOptions, *, ends_outside: bool = False) -> Network:
    """Network of a grid of flow directions (D8 of VIC or ArcInfo, LDD, NEXTXY).

    Args:
        grid: ESRI text grid, GeoTIFF or netCDF, as it was read.
        codes: which codes; found where only one kind fits.
        options: velocity and the rest.
        ends_outside: whether rivers that leave the grid end there.

    Raises:
        DataError: loops, water that leaves the grid, unknown codes, lengths of 0, each with cells.
    """
    found = decode(grid, codes, ends_outside=ends_outside)
    row, column = np.divmod(found.cells, len(grid.lon))
    lat, lon = grid.places(found.cells)

    def at(given: str) -> np.ndarray:
        return value_on(given, grid)[row, column]

    length = at(options.length) if options.length else options.sinuosity * distances(lat, lon, found.downstream)
    return Network(
        cells=found.cells + 1,
        lat=lat,
        lon=lon,
        downstream=found.downstream,
        length=length,
        area=at(options.area) if options.area else grid.areas()[row, column],
        velocity=at(options.velocity),
        diffusivity=at(options.diffusivity),
        hillslope=no_hillslope(len(lat)),
        gauges=no_gauges(),
        fraction=np.empty(0),
        source=grid.source,
    )


def distances(lat: np.ndarray, lon: np.ndarray, downstream: np.ndarray) -> np.ndarray:
    """Great-circle distance from each cell to the next [m]; 0 where the river ends."""
    places = unit_vectors(lat, lon)
    chord = np.linalg.norm(places - places[np.maximum(downstream, 0)], axis=1)
    return np.where(downstream >= 0, 2000.0 * MEAN_RADIUS * np.arcsin(np.minimum(chord / 2, 1.0)), 0.0)


def network_of_segments(path: Path | str, options: RiverOptions = RiverOptions()) -> Network:
    """Network of a mizuRoute file: segments ``segId``, ``downSegId``, ``length``, and HRUs ``hruSegId``, ``area``.

    A segment with the HRUs that drain to it is one cell; as everywhere here, its water runs its whole length.

    Raises:
        DataError: missing variables, a segment or HRU that drains to one that is not there.
    """
    require_whole(path)
    with netCDF4.Dataset(path) as dataset:

        def read(*names: str) -> np.ndarray:
            found = [name for name in names if name in dataset.variables]
            if not found:
                raise DataError(f"{path}: no variable '{names[0]}'{nearest(names[0], dataset.variables)}")
            return numbers_of(dataset[found[0]])

        segments, below = read("segId", "seg_id").astype(np.int64), read("downSegId", "tosegment").astype(np.int64)
        length, of_hru = read("length", "Length"), read("hruSegId", "seg_hru_id", "hru_seg_id").astype(np.int64)
        area = read("area", "Basin_Area")
        lat, lon = (
            read(*names) if any(name in dataset.variables for name in names) else np.full(len(segments), np.nan)
            for names in (("lat", "seg_lat", "latitude"), ("lon", "seg_lon", "longitude"))
        )
    order = np.argsort(segments, kind="stable")

    def position(wanted: np.ndarray, what: str) -> np.ndarray:
        at = order[np.minimum(np.searchsorted(segments[order], wanted), len(order) - 1)]
        lost = segments[at] != wanted
        if lost.any():
            raise DataError(f"{path}: {what} {wanted[int(np.argmax(lost))]} is no segment ({int(lost.sum())} such)")
        return at

    drains = of_hru > 0
    areas = np.bincount(position(of_hru[drains], "hruSegId"), area[drains], minlength=len(segments))
    downstream = np.full(len(segments), -1, np.int64)
    downstream[below > 0] = position(below[below > 0], "downSegId")
    n = len(segments)
    return Network(
        cells=segments,
        lat=np.resize(lat, n),
        lon=np.resize(lon, n),
        downstream=downstream,
        length=length,
        area=areas,
        velocity=np.full(n, number_of(options.velocity, "velocity")),
        diffusivity=np.full(n, number_of(options.diffusivity, "diffusivity")),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
        source=str(path),
    )


def number_of(text: str, name: str) -> float:
    """A number where a map can be given too.

    Raises:
        DataError: it is none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{name}: found '{text}', expected a number: these cells lie on no grid") from error


def lumped_network(
    cells: np.ndarray, lat: np.ndarray, lon: np.ndarray, area: np.ndarray, hillslope: Hillslope | None = None
) -> Network:
    """Basins that are one cell each: no channel, the gauge sees the hillslope alone.

    Args:
        cells: identifiers.
        lat, lon: of the gauges [degree].
        area: of the basins [m2].
        hillslope: times to the gauge.
    """
    n = len(cells)
    return Network(
        cells=np.asarray(cells, np.int64),
        lat=lat,
        lon=lon,
        downstream=np.full(n, -1, np.int64),
        length=np.zeros(n),
        area=area,
        velocity=np.full(n, VELOCITY),
        diffusivity=np.full(n, DIFFUSIVITY),
        hillslope=hillslope or no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
        source="lumped basins",
    )


def lumped_of_table(path: Path | str) -> Network:
    """Basins from a gauge table with areas: each line is a basin of one cell with its gauge.

    Raises:
        DataError: a line without an area.
    """
    rows = read_gauges(path)
    for row in rows:
        if np.isnan(row.area_km2):
            raise DataError(f"{path}: line {row.line}: {row.name} has no area_km2, which a basin of one cell needs")
    lat, lon, area = (np.array([getattr(row, name) for row in rows]) for name in ("lat", "lon", "area_km2"))
    cells = np.array([row.cell if row.cell >= 0 else i + 1 for i, row in enumerate(rows)])
    network = lumped_network(cells, lat, lon, area * M2_PER_KM2)
    at = np.arange(len(rows))
    return network.with_gauges(Gauges(tuple(row.name for row in rows), lat, lon, at, area * M2_PER_KM2))
