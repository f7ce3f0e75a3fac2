"""Streamflow of a study: the river of its cells and the observed flow, as files of the run, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.config import Study
from paraformer.core.contracts import Calibrated, ForwardModel, GaugedFlow
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import hash_path, write_csv
from paraformer.core.grid import cell_words, match_cells
from paraformer.core.names import DEFAULT
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.physics import M2_PER_KM2
from paraformer.core.run_files import OBSERVED_FLOW, RIVER, ROUTING, STREAMFLOW
from paraformer.core.schema import Cube
from paraformer.data.sources.cells import CellsFile, open_cells
from paraformer.data.streamflow import Gauge, ObservedFlow, read_observed, warn_of_ratio
from paraformer.data.streamflow_config import GAUGE
from paraformer.evaluation.gauges import Flow, GaugeSet, score_flow
from paraformer.process.files import Places
from paraformer.routing.basins import RiverBasins
from paraformer.routing.files import read_network, write_network
from paraformer.routing.make import lumped_network
from paraformer.routing.network import Gauges, Network, no_gauges
from paraformer.search.config import of_streamflow

Routing = Callable[[str, int], Float[np.ndarray, "basin parameter"] | None]
"""Times of travel that a seed of a method has learned; ``None`` where it takes those of the river."""


WORLD_RIVER, WORLD_FLOW = "river.nc", "flow.nc"
"""The river of the built-in world, without what is hidden, and the flow that its gauges observe."""

_SHOWN = 20
"""Gauges that ``check`` lists."""


def no_routing(method: str, seed: int) -> None:
    """Every method takes the times of travel of the river."""


class River(NamedTuple):
    """A network on the cells of a study, and the observed flow at its gauges on the study's days."""

    network: Network
    observed: ObservedFlow


def open_river(study: Study, places: Places, days: np.ndarray, world: Path | None = None) -> River:
    """The river of a study's cells and what its gauges observed on its days.

    Args:
        world: folder of the built-in world, which has both.

    Raises:
        DataError: a basin with a cell that the study lacks, a gauge without flow, files that do not fit.
    """
    config = study.data.streamflow
    assert config is not None
    path = config.network if world is None else world / WORLD_RIVER
    if path is not None:
        network = on_cells(read_network(path), places)
    else:
        network = _lumped(study, places)
    gauges = [Gauge(name, float(area)) for name, area in zip(network.gauges.names, network.model_area, strict=True)]
    inputs = study.data.path if world is None else world / WORLD_FLOW
    return River(network, read_observed(config, gauges, days, inputs))


def warn_of_water(river: River, precipitation: Float[np.ndarray, "cell time"]) -> Float[np.ndarray, " gauge"]:
    """Flow over precipitation of every basin; a warning of those that no basin has (units, areas)."""
    pairs, network = river.network.pairs, river.network
    share = network.fraction * network.area[pairs.source] / network.model_area[pairs.gauge]
    rain = np.zeros((len(network.gauges), precipitation.shape[1]))
    np.add.at(rain, pairs.gauge, share[:, None] * precipitation[pairs.source])
    gauges = [Gauge(name, float(area)) for name, area in zip(network.gauges.names, network.model_area, strict=True)]
    return warn_of_ratio(river.observed, gauges, rain)


def on_cells(network: Network, places: Places) -> Network:
    """A network with the cells of a study, in their order: what drains to no gauge is left out, or stands alone.

    Raises:
        DataError: naming a cell of a basin that the study does not have.
    """
    used = np.unique(network.pairs.source)
    if not len(used):
        raise DataError(f"{network.source}: no gauges; put some on it with 'paraformer network make --gauges'")
    lat, lon = network.lat[used], network.lon[used]
    words = cell_words(lat, lon, network.cells[used])
    source = "cells of the study, of which the basins of the gauges need all"
    if np.isfinite(lat).all():
        at = match_cells(lat, lon, places.lat, places.lon, source=source, words=words)
    else:  # segments without places
        order = np.argsort(places.cells)
        at = order[np.minimum(np.searchsorted(places.cells[order], network.cells[used]), len(order) - 1)]
        lost = places.cells[at] != network.cells[used]
        if lost.any():
            raise DataError(f"{source}: no {words(int(np.argmax(lost)))} ({int(lost.sum())} such cells)")
    n, where = len(places.cells), np.full(network.n_cell + 1, -1)
    where[used] = at

    def spread(values: np.ndarray, other: float) -> np.ndarray:
        found = np.full(n, other)
        found[at] = values[used]
        return found

    downstream = np.full(n, -1, np.int64)
    downstream[at] = where[network.downstream[used]]
    slope = network.hillslope
    fields = {name: spread(getattr(slope, name), float("shape" in name)) for name in slope.__dataclass_fields__}
    bare = replace(
        network,
        cells=places.cells.astype(np.int64),
        lat=places.lat,
        lon=places.lon,
        downstream=downstream,
        length=spread(network.length, 0.0),
        area=spread(network.area, 0.0),
        velocity=spread(network.velocity, 1.0),
        diffusivity=spread(network.diffusivity, 1.0),
        hillslope=replace(slope, **fields),
        gauges=no_gauges(),
        fraction=np.empty(0),
    )
    found = bare.with_gauges(replace(network.gauges, cell=where[network.gauges.cell]))
    known = network.pairs.gauge * n + where[network.pairs.source]
    order = np.argsort(known)
    wanted = found.pairs.gauge * n + found.pairs.source
    return found.with_fraction(network.fraction[order[np.searchsorted(known[order], wanted)]])


def _lumped(study: Study, places: Places) -> Network:
    """Basins of one cell each, by the area and, if it is there, the gauge's name that the cells' file holds."""
    assert study.data.path is not None
    file = open_cells(study.data.path)
    try:
        position = _positions(file, places.cells)
        if "area_km2" not in file.dataset.variables:
            raise DataError(f"{file.path}: variable 'area_km2' is missing: the area of basins of one cell each")
        area = file.static("area_km2")[position].astype(np.float64) * M2_PER_KM2
        names = file.static("gauge_id")[position].astype(str) if "gauge_id" in file.dataset.variables else None
    finally:
        file.close()
    words = cell_words(places.lat, places.lon, places.cells)
    bad = ~((area > 0) & np.isfinite(area))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(f"{file.path}: area_km2 of {words(at)}: found {area[at] / M2_PER_KM2:g}, expected above 0")
    called = tuple(map(str, places.cells.tolist() if names is None else names.tolist()))
    network = lumped_network(places.cells, places.lat, places.lon, area)
    gauges = Gauges(called, places.lat, places.lon, np.arange(len(area)), area)
    return replace(network, source=str(file.path)).with_gauges(gauges)


def _positions(file: CellsFile, cells: np.ndarray) -> np.ndarray:
    place = {int(cell): position for position, cell in enumerate(file.cells)}
    return np.array([place[int(cell)] for cell in cells])


def flow_lines(
    study: Study, river: River, ratio: Float[np.ndarray, " gauge"], trained: Bool[np.ndarray, " cell"], days: np.ndarray
) -> list[str]:
    """What ``check`` says of the gauges: areas, observed days of both periods, flow over precipitation.

    Raises:
        SettingsError: no gauge that may be learned from has as many days as a search asks for.
    """
    basins, gauges = basins_of(study, river), river.network.gauges
    may = trained_gauges(basins, trained)
    masks = {name: getattr(study.data, name).mask(days) for name in ("train", "test")}
    count = {name: river.observed.mask[:, mask].sum(axis=1) for name, mask in masks.items()}
    for name, search in study.searches.items():
        most = int(count["train"].max())
        if of_streamflow(search) and most < search.gauged.min_days:
            where = "flow" if search.others is None else "targets.streamflow"
            key, wanted = f"searches.{name}.{where}.min_days", search.gauged.min_days
            raise SettingsError(f"{key}: {wanted}, but no gauge has more than {most} observed days of training")
    lines = [
        f"streamflow: {len(may)} gauges, {int(may.sum())} trained, in {len(basins.gauges)} basins; routing learns "
        f"{', '.join(p.name for p in basins.parameters or ()) or 'nothing'}",
        f"{'gauge':<24}{'km2':>10}{'reported':>10}{'train days':>12}{'test days':>11}{'flow/rain':>11}",
    ]
    for i, name in enumerate(gauges.names[:_SHOWN]):
        areas = river.network.model_area[i] / M2_PER_KM2, gauges.reported_area[i] / M2_PER_KM2
        lines.append(
            f"{name:<24}{areas[0]:>10.4g}{areas[1]:>10.4g}{count['train'][i]:>12}{count['test'][i]:>11}{ratio[i]:>11.3g}"
        )
    if len(may) > _SHOWN:
        lines.append(f"... and {len(may) - _SHOWN} more")
    return lines


def write_river(river: River, days: np.ndarray, path: Path) -> None:
    """Write the network and the observed flow into the folder of the stage."""
    write_network(river.network, path / RIVER)
    gauges = np.array(river.network.gauges.names, dtype=object)
    flow = np.where(river.observed.mask, river.observed.flow, np.nan)
    meaning = {"units": "m3 s-1", "long_name": "observed flow, mean of the day"}
    observed = xr.Dataset(
        {"discharge": (("gauge", "time"), flow, meaning)},
        {"gauge": gauges, "time": days.astype("datetime64[ns]")},
        {"Conventions": "CF-1.8", "title": "observed flow on the days that count"},
    )
    write_dataset(observed, path / OBSERVED_FLOW)


def read_river(path: Path) -> River:
    """What ``write_river`` wrote."""
    flow = read_dataset(path / OBSERVED_FLOW)["discharge"].values.astype(np.float64)
    mask = np.isfinite(flow)
    return River(read_network(path / RIVER), ObservedFlow(np.where(mask, flow, 0.0), mask))


def basins_of(study: Study, river: River) -> RiverBasins:
    """The basins of a study's river, with the routing parameters that it learns."""
    assert study.data.streamflow is not None
    return RiverBasins(river.network, study.data.streamflow.space)


def gauged_flow(
    basins: RiverBasins, observed: ObservedFlow, train: Bool[np.ndarray, " time"], trained: Bool[np.ndarray, " cell"]
) -> GaugedFlow:
    """Observed flow of the training period at the gauges that may be learned from: those of basins of trained cells."""
    days = np.flatnonzero(train)
    span = slice(int(days[0]), int(days[-1]) + 1)
    mask = observed.mask[:, span] & trained_gauges(basins, trained)[:, None]
    return GaugedFlow(basins, np.where(mask, observed.flow[:, span], 0.0), mask)


def trained_gauges(basins: RiverBasins, trained: Bool[np.ndarray, " cell"]) -> Bool[np.ndarray, " gauge"]:
    """Gauges of basins all of whose cells are trained."""
    found = np.zeros(len(basins.gauge_names), dtype=bool)
    for gauges, cells in zip(basins.gauges, basins.cells, strict=True):
        found[gauges] = trained[cells].all()
    return found


def gauge_set(river: River, basins: RiverBasins, cube: Cube) -> GaugeSet:
    """The gauges of a study as the evaluation sees them."""
    gauges, area = river.network.gauges, river.network.model_area
    return GaugeSet(
        gauges.names,
        gauges.lat,
        gauges.lon,
        area / M2_PER_KM2,
        trained_gauges(basins, cube.trained),
        river.observed.flow,
        river.observed.mask,
        cube.time,
        cube.period("train").mask(cube.time),
        cube.period("test").mask(cube.time),
    )


def judge_flow_apart(
    name: str,
    found: Calibrated,
    model: ForwardModel,
    basins: RiverBasins,
    gauges: GaugeSet,
    folds: Int[np.ndarray, " cell"],
    path: Path,
) -> int:
    """Judge a learner by the flow of basins kept aside, and default VIC through the learner's times of travel there.

    Args:
        found: θ and routing where they were not learned from.
        model: the process model on all days of the study.
        folds: the fold in which each cell was kept aside; -1 for cells that never were.
        path: folder; ``STREAMFLOW`` is written into it.

    Returns:
        Runs of the process model.
    """
    theirs = {name: found.theta[:, None], default_through(name): None}
    whole = [own for own, cells in zip(basins.gauges, basins.cells, strict=True) if (folds[cells] >= 0).all()]
    kept = [gauges.names[g] for own in whole for g in own]
    tables = []
    for method, theta in theirs.items():
        water = model.simulate(theta, ("runoff", "baseflow"))
        runoff, baseflow = (water[part][:, 0].astype(np.float64) for part in ("runoff", "baseflow"))
        flow = Flow(method, 0, basins.flows(runoff, baseflow, found.routing))
        table = score_flow(gauges, flow, gauges.mask)
        tables.append(table[table["gauge"].isin(kept)].assign(cells="kept aside"))
    write_csv(path / STREAMFLOW, pd.concat(tables, ignore_index=True))
    return len(theirs) * model.n_cells


def default_through(name: str) -> str:
    """Row of default VIC whose flow takes the times of travel of a learner."""
    return f"{DEFAULT}, routing of {name}"


def write_routing(folder: Path, basins: RiverBasins, routing: Float[np.ndarray, "basin parameter"]) -> None:
    """Write learned parameters of routing, one value a gauge."""
    space = _space(basins)
    of_gauge = np.zeros(len(basins.gauge_names), np.int64)
    for basin, gauges in enumerate(basins.gauges):
        of_gauge[gauges] = basin
    variables: dict[str, Any] = {
        p.name: (("gauge",), routing[of_gauge, i], {"units": p.unit, "long_name": p.meaning})
        for i, p in enumerate(space)
    }
    coords = {"gauge": np.array(basins.gauge_names, dtype=object)}
    about = {"Conventions": "CF-1.8", "title": "parameters of routing, one of each a basin"}
    write_dataset(xr.Dataset(variables, coords, about), folder / ROUTING)


def read_routing(folder: Path, basins: RiverBasins) -> Float[np.ndarray, "basin parameter"] | None:
    """Learned parameters of routing of a seed; ``None`` where it has learned none."""
    if not (folder / ROUTING).exists():
        return None
    dataset = read_dataset(folder / ROUTING)
    first = np.array([gauges[0] for gauges in basins.gauges])
    return np.stack([dataset[name].values.astype(np.float64)[first] for name in _space(basins).names], axis=-1)


def _space(basins: RiverBasins) -> ParameterSpace:
    assert basins.parameters is not None
    return basins.parameters


def flow_hashes(study: Study) -> dict[str, str]:
    """Content of the files of streamflow."""
    config = study.data.streamflow
    if config is None:
        return {}
    found = {"network": hash_path(config.network)} if config.network is not None else {}
    if config.observed is None:
        return found if study.data.path is None else found | {"data": hash_path(study.data.path)}
    if GAUGE not in config.observed.name:
        return found | {"observed": hash_path(config.observed)}
    before, _, after = config.observed.name.partition(GAUGE)
    files = sorted(config.observed.parent.glob(f"{before}*{after}"))
    return found | {f"observed {path.name}": hash_path(path) for path in files}
