"""The network's own file: CF netCDF with dimensions cell, gauge and pair, and a check that it is one river."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from paraformer.core.errors import DataError, nearest
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.netcdf_header import require_whole
from paraformer.numerics.routing import upstream_pairs
from paraformer.routing.network import Gauges, Hillslope, Network, no_gauges

_CELL = {
    "lat": ("degrees_north", "latitude of the cell's centre"),
    "lon": ("degrees_east", "longitude of the cell's centre"),
    "length": ("m", "way of the water through the cell to the next one"),
    "area": ("m2", "area of the whole cell"),
    "velocity": ("m s-1", "velocity of the flood wave"),
    "diffusivity": ("m2 s-1", "diffusivity of the flood wave"),
}
_HILLSLOPE = {
    "runoff_delay": ("s", "mean time of surface runoff from the cell to its channel"),
    "runoff_shape": ("1", "shape of the gamma distribution of that time"),
    "baseflow_delay": ("s", "mean time of baseflow from the cell to its channel"),
    "baseflow_shape": ("1", "shape of the gamma distribution of that time"),
}


def write_network(network: Network, path: Path) -> None:
    """Write a network; cells are named by identifiers, -1 is the end of a river (also 0, where no cell is named so).

    Raises:
        RunError: if the file cannot be written.
    """
    below, gauges, pairs = network.downstream, network.gauges, network.pairs
    data: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        name: (("cell",), getattr(network, name), {"units": unit, "long_name": text})
        for name, (unit, text) in _CELL.items()
    }
    data["downstream"] = (
        ("cell",),
        np.where(below >= 0, network.cells[below], -1),
        {"long_name": "identifier of the cell it drains to; -1 where the river ends"},
    )
    data |= {
        name: (("cell",), getattr(network.hillslope, name), {"units": unit, "long_name": text})
        for name, (unit, text) in _HILLSLOPE.items()
    }
    data |= {
        "gauge_lat": (("gauge",), gauges.lat, {"units": "degrees_north", "long_name": "latitude as reported"}),
        "gauge_lon": (("gauge",), gauges.lon, {"units": "degrees_east", "long_name": "longitude as reported"}),
        "gauge_cell": (("gauge",), network.cells[gauges.cell], {"long_name": "cell whose outflow the gauge sees"}),
        "area_reported": (("gauge",), gauges.reported_area, {"units": "m2", "long_name": "drainage area as reported"}),
        "area_model": (("gauge",), network.model_area, {"units": "m2", "long_name": "drainage area in the network"}),
        "pair_cell": (("pair",), network.cells[pairs.source], {"long_name": "cell that drains to the gauge"}),
        "pair_gauge": (("pair",), pairs.gauge, {"long_name": "position of the gauge, from 0"}),
        "fraction": (("pair",), network.fraction, {"units": "1", "long_name": "part of the cell inside the basin"}),
    }
    if network.box is not None:
        text = "unit hydrograph of a cell, shares by routing step (Lohmann's box)"
        data["box"] = (("box_lag",), network.box, {"units": "1", "long_name": text})
    dataset = xr.Dataset(
        {name: xr.Variable(*parts) for name, parts in data.items()},
        coords={"cell": network.cells, "gauge": np.array(gauges.names, dtype=object if gauges.names else "U1")},
        attrs={"Conventions": "CF-1.8", "title": "river network", "source": network.source, "featureType": "point"},
    )
    write_dataset(dataset, path, encoding={name: {"_FillValue": None} for name in ("lat", "lon")})


def read_network(path: Path | str) -> Network:
    """Read a network and check it.

    Raises:
        DataError: missing variables, a cell that drains to one that is not there, loops, lengths of 0, fractions whose
            pairs are not the cells upstream of the gauge; naming the cells.
    """
    require_whole(path)
    try:
        dataset = read_dataset(Path(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable network ({error})") from error

    def read(name: str) -> np.ndarray:
        if name not in dataset.variables:
            raise DataError(f"{path}: variable '{name}' is missing{nearest(name, map(str, dataset.variables))}")
        return np.asarray(dataset[name].values)

    cells = read("cell").astype(np.int64)
    numbers = {name: read(name).astype(np.float64) for name in _CELL}
    hillslope = Hillslope(**{name: read(name).astype(np.float64) for name in _HILLSLOPE})
    below = read("downstream").astype(np.int64)
    end = below < (0 if (cells == 0).any() else 1)  # 0 is a cell where one is named so
    downstream = np.where(end, -1, _positions(cells, np.where(end, cells[:1], below), "downstream", path))
    if dataset.sizes.get("gauge"):
        gauge_cell = _positions(cells, read("gauge_cell").astype(np.int64), "gauge_cell", path)
        names = tuple(str(name) for name in read("gauge"))
        lat, lon, area = (read(n).astype(np.float64) for n in ("gauge_lat", "gauge_lon", "area_reported"))
        gauges = Gauges(names, lat, lon, gauge_cell, area)
    else:
        gauges = no_gauges()
    bare = Network(
        cells=cells,
        downstream=downstream,
        hillslope=hillslope,
        gauges=no_gauges(),
        fraction=np.empty(0),
        box=read("box").astype(np.float64) if "box" in dataset.variables else None,
        source=str(path),
        **numbers,
    )  # loops are found here, before anything follows the river
    if not len(gauges):
        return bare
    fraction = _fractions(bare, gauges, read("pair_cell"), read("pair_gauge"), read("fraction"))
    return bare.with_gauges(gauges).with_fraction(fraction)


def _positions(cells: np.ndarray, wanted: np.ndarray, name: str, path: Path | str) -> np.ndarray:
    """Positions of identifiers."""
    order = np.argsort(cells, kind="stable")
    at = order[np.minimum(np.searchsorted(cells[order], wanted), max(len(order) - 1, 0))]
    lost = cells[at] != wanted
    if lost.any():
        raise DataError(f"{path}: {name} {wanted[int(np.argmax(lost))]} is no cell ({int(lost.sum())} such)")
    return at


def _fractions(
    network: Network, gauges: Gauges, pair_cell: np.ndarray, pair_gauge: np.ndarray, fraction: np.ndarray
) -> np.ndarray:
    """Fractions in the order of the network's pairs, whatever theirs in the file."""
    pairs = upstream_pairs(network.downstream, gauges.cell)
    cell = _positions(network.cells, pair_cell.astype(np.int64), "pair_cell", network.source)
    given = pair_gauge.astype(np.int64) * network.n_cell + cell
    wanted = pairs.gauge * network.n_cell + pairs.source
    if len(given) != len(wanted) or not np.array_equal(np.sort(given), np.sort(wanted)):
        odd = np.setxor1d(given, wanted)
        where = ""
        if len(odd):
            gauge, at = divmod(int(odd[0]), network.n_cell)
            where = f": {network.words(at)}, gauge {gauges.names[gauge]}"
        raise DataError(
            f"{network.source}: {len(given)} pairs, expected {len(wanted)}: each cell upstream of a gauge once{where}"
        )
    order = np.argsort(given, kind="stable")
    return np.asarray(fraction[order[np.searchsorted(given[order], wanted)]], np.float64)
