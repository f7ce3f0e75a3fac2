"""Networks and forcing of the routing references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np

from paraformer.routing.grids import Grid
from paraformer.routing.make import RiverOptions, network_of_grid
from paraformer.routing.network import Gauges, Network

REFERENCE = Path("reference") / "routing"
CFS_PER_M3S = 35.315
"""Cubic feet in a cubic metre, as the Lohmann program has it."""


def read(path: Path, *names: str, group: str = "") -> list[np.ndarray]:
    with netCDF4.Dataset(path) as dataset:
        part = dataset[group] if group else dataset
        return [np.ma.filled(part[name][...], np.nan) if part[name].dtype != str else part[name][...] for name in names]


def lohmann_network(path: Path, *, velocity: float | None = None) -> Network:
    """The network of a case of ``lohmann/``, its box as given; ``velocity`` where the case's own is refused."""
    lat, lon, direction, v, d, x, fraction = read(
        path, "lat", "lon", "flow_direction", "velocity", "diffusion", "flow_distance", "fraction"
    )
    box, row, column, names = read(path, "box_uh", "station_row", "station_col", "station_name")
    values = np.where(direction < 0, np.nan, direction)
    grid = Grid(values, lat, lon, path.name)
    network = network_of_grid(grid, "vic", RiverOptions(), ends_outside=True)
    at = np.divmod(network.cells - 1, len(lon))
    speed = v[at] if velocity is None else np.full(len(at[0]), velocity)
    network = replace(network, velocity=speed, diffusivity=d[at], length=x[at], box=box)
    position = {cell: i for i, cell in enumerate((network.cells - 1).tolist())}
    cells = np.array([position[r * len(lon) + c] for r, c in zip(row, column, strict=True)])
    gauges = Gauges(tuple(names), network.lat[cells], network.lon[cells], cells, np.full(len(cells), np.nan))
    return network.with_gauges(gauges, fraction[at])


def source_order(path: Path, network: Network) -> np.ndarray:
    """Pairs of the network in the order of the reference's sources."""
    row, column, station = read(path, "source_row", "source_col", "source_station")
    (lon,) = read(path, "lon")
    key = station.astype(int) * 10**6 + row.astype(int) * len(lon) + column.astype(int)
    own = network.pairs.gauge * 10**6 + network.cells[network.pairs.source] - 1
    order = np.argsort(own)
    found = order[np.searchsorted(own[order], key)]
    assert np.array_equal(own[found], key)
    assert len(found) == len(own)
    return found


def forcing(path: Path, network: Network) -> np.ndarray:
    """Runoff and baseflow of the case's cells [cell, time], 0 where the program was given no file."""
    with netCDF4.Dataset(path) as dataset:
        name = dataset.forcing_file
        missing = np.asarray(dataset["flux_file_missing"][...])
        n_day = dataset.dimensions["time"].size
    runoff, baseflow = read(path.parent / name, "runoff", "baseflow")
    row, column = np.divmod(network.cells - 1, runoff.shape[2])
    total = np.nan_to_num(runoff + baseflow)[:n_day, row, column].T
    return np.where(missing[row, column][:, None] == 1, 0.0, total)
