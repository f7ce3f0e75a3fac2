"""Run a global parameter file as VIC-5's image driver does: files in, history and state files out.

Time passes in stretches of days and cells in blocks, so that memory stays bounded whatever the grid and the period:
forcing, outputs and records of one stretch are held, and the state of all cells.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paraformer.core.contracts import Router
from paraformer.core.errors import RunError, SettingsError
from paraformer.core.files import atomic_path
from paraformer.core.log import Progress
from paraformer.core.proof import Proof
from paraformer.process.vic.column import MET
from paraformer.process.vic.constants import MM_PER_M
from paraformer.process.vic.driver.aggregate import Aggregator
from paraformer.process.vic.driver.discharge import RING, Rivers
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.driver.history import DISCHARGE, HISTORY, LAYERS, STORES, Steps
from paraformer.process.vic.driver.history_files import HistoryFiles
from paraformer.process.vic.driver.inputs import read_days, read_run_land, require_forcing
from paraformer.process.vic.driver.lines import told_together
from paraformer.process.vic.files import Domain, open_dataset, write_state
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.simulate import derive_block, simulate
from paraformer.process.vic.state import State

logger = logging.getLogger(__name__)
MEMORY_BYTES = 512 * 2**20
"""Memory for forcing, outputs and records of one stretch of days."""


@dataclass(frozen=True)
class RunResult:
    """What a run wrote, and how well it kept its water.

    Attributes:
        history: history files, in the order in which they were finished.
        state: state file, or ``None``.
        n_cell: cells run.
        n_day: days run.
        max_abs_water_error: largest water balance error of any model step [mm].
        missing: variables asked for that this model does not compute.
    """

    history: tuple[Path, ...]
    state: Path | None
    n_cell: int
    n_day: int
    max_abs_water_error: float
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _World:
    """The cells of a run."""

    run: GlobalParameters
    domain: Domain
    parameters: CellParameters
    n_class: int
    state: State  # changes as the run goes on [cell, 1, column]
    stores: dict[str, np.ndarray]  # cell means of the same moment, as the outputs ``STORES`` have them [cell]
    weather: Proof  # what is odd in the forcing
    rivers: Rivers | None  # where the runoff goes; changes as the run goes on


def run_global(
    run: GlobalParameters,
    *,
    strict: bool = False,
    threads: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
    router: Router | None = None,
) -> RunResult:
    """Run a global parameter file.

    Args:
        run: the file, read by ``read_global_parameters``.
        strict: whether an output variable that this model does not compute is an error; else it is left out with a
            warning.
        threads: CPU threads; ``None`` uses all.
        memory_bytes: for forcing, outputs and records of one stretch of days; no result depends on it.
        progress: shows the cell-days done.
        router: of the cells that are run, made of ROUT_PARAM; asked for where the file has one.

    Raises:
        DataError: missing or bad input, naming file, variable, cell and time.
        SettingsError: an output variable that is not computed (if ``strict``); ROUT_PARAM without a router.
        RunError: if a file cannot be written.
    """
    missing = tuple(dict.fromkeys(name for stream in run.streams for name in stream.missing))
    if missing and strict:
        raise SettingsError(f"{run.path}: not computed in water-balance mode: {', '.join(missing)}")
    for note in told_together(run.notes):
        logger.warning("%s: %s", run.path, note)
    if missing:
        logger.warning("%s: left out, not computed in water-balance mode: %s", run.path, ", ".join(missing))
    empty = [stream.prefix for stream in run.streams if not stream.variables]
    if empty:
        logger.warning("%s: not written, for nothing in it is computed: %s", run.path, ", ".join(empty))
    if run.routing is not None and router is None:
        raise SettingsError(f"{run.path}: ROUT_PARAM {run.routing} asks for routing, and no router is given")
    world = _read_world(run, router)
    require_forcing(run, world.domain)
    _make_folder(run.result_directory)
    streams = [stream for stream in run.streams if stream.variables]
    per_day = run.settings.model_steps_per_day
    edges = [stream.frequency.edges(run.first_day, run.n_day, per_day) for stream in streams]
    n_cell = world.parameters.n_cell
    gather = [Aggregator(stream, edge, n_cell) for stream, edge in zip(streams, edges, strict=True)]
    worst, written = 0.0, None
    with ExitStack() as stack:
        files = [
            stack.enter_context(HistoryFiles(stream, edge, run, world.domain))
            for stream, edge in zip(streams, edges, strict=True)
        ]
        advance = stack.enter_context((progress or Progress()).task("vic run", n_cell * run.n_day, unit="cell-days"))
        for start, stop in _stretches(run, _bytes_per_cell_day(run) * n_cell, memory_bytes):
            for aggregator in gather:
                aggregator.begin(start * per_day, stop * per_day)
            if world.rivers is not None:
                world.rivers.begin((stop - start) * per_day)
            size = max(1, memory_bytes // (_bytes_per_cell_day(run) * (stop - start)))
            for first in range(0, n_cell, size):
                cells = slice(first, min(first + size, n_cell))
                worst = max(worst, _advance(world, start, stop, cells, gather, threads))
                advance((cells.stop - cells.start) * (stop - start))
            _route(world, gather)
            for aggregator, file in zip(gather, files, strict=True):
                file.write(aggregator.finish())
            if run.state is not None and run.first_day + stop == run.state.day:
                written = _write_state(world)
    world.weather.source = ", ".join(f"{files.prefix}YYYY.nc" for files in run.forcing)
    world.weather.finish()
    paths = tuple(path for file in files for path in file.paths)
    return RunResult(paths, written, n_cell, run.n_day, worst, missing)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot make the folder of the history files ({error.strerror})") from error


def _read_world(run: GlobalParameters, router: Router | None) -> _World:
    land = read_run_land(run)
    with open_dataset(run.parameters) as dataset:
        n_class = dataset["Cv"].shape[0]
    state = land.start()
    rivers = None
    if run.routing is not None and router is not None:
        rivers = Rivers(router, land.domain, run.settings.model_steps_per_day)
        if run.initial_state is not None and not rivers.restore(run.initial_state):
            logger.warning("%s: no %s; rivers begin without water", run.initial_state, RING)
    stores = _stores(state[:, 0], land.parameters)
    return _World(run, land.domain, land.parameters, n_class, state, stores, Proof("forcing"), rivers)


def _route(world: _World, gather: list[Aggregator]) -> None:
    """Route what all cells gave in the stretch, and hand the discharge on."""
    if world.rivers is None:
        return
    discharge = world.rivers.finish()[None]
    for aggregator in gather:
        for position, variable in enumerate(aggregator.stream.variables):
            if variable.name == DISCHARGE:
                aggregator.add(position, discharge, slice(0, world.parameters.n_cell))


def _bytes_per_cell_day(run: GlobalParameters) -> int:
    """Forcing with a copy, derived forcing, and outputs with their history variables and records."""
    snow, model = run.settings.snow_steps_per_day, run.settings.model_steps_per_day
    elements = sum(HISTORY[v.name].n_element for stream in run.streams for v in stream.variables)
    return snow * (2 * 7 * 8 + MET.itemsize) + model * (MET.itemsize + 8 * (len(_outputs(run)) + 2 * elements))


def _stretches(run: GlobalParameters, bytes_per_day: int, memory_bytes: int) -> Iterator[tuple[int, int]]:
    """Days [start, stop) that fit into memory; none crosses the end of a year or the date of the state."""
    longest = max(1, memory_bytes // bytes_per_day)
    years = run.days.astype("datetime64[Y]")
    stops = set((np.flatnonzero(years[1:] != years[:-1]) + 1).tolist()) | {run.n_day}
    if run.state is not None:
        stops.add(int((run.state.day - run.first_day).astype(int)))
    start = 0
    for stop in sorted(stops):
        while start < stop:
            end = min(start + longest, stop)
            yield start, end
            start = end


def _outputs(run: GlobalParameters) -> tuple[str, ...]:
    """Outputs of the model that the streams are made of; one at least, as the model wants."""
    names = [name for stream in run.streams for v in stream.variables for name in HISTORY[v.name].outputs]
    names += HISTORY[DISCHARGE].outputs if run.routing is not None else ()
    return tuple(dict.fromkeys(names)) or LAYERS[:1]


def _advance(
    world: _World, start: int, stop: int, cells: slice, gather: list[Aggregator], threads: int | None
) -> float:
    """Run some cells over the days [start, stop), hand their history variables on and move the world's state.

    Returns the largest water balance error [mm].
    """
    run = world.run
    parameters, domain = _select(world, cells)
    forcing = read_days(run, domain, run.days[start:stop], world.weather)
    result = simulate(
        parameters,
        forcing,
        run.settings,
        initial_state=world.state[cells],
        outputs=_outputs(run),
        output_frequency="step",
        threads=threads,
        return_state=True,
    )
    assert result.state is not None
    world.state[cells] = result.state
    wanted = {v.name for aggregator in gather for v in aggregator.stream.variables}
    steps = Steps(
        outputs={name: values[:, 0] for name, values in result.outputs.items()},
        meteorology=_meteorology(run, parameters, forcing) if any(HISTORY[n].forcing for n in wanted) else None,
        before={name: values[cells].copy() for name, values in world.stores.items()},
        parameters=parameters,
        month=np.repeat(forcing.month, run.settings.model_steps_per_day),
    )
    for aggregator in gather:
        for position, variable in enumerate(aggregator.stream.variables):
            if variable.name != DISCHARGE:
                aggregator.add(position, HISTORY[variable.name].compute(steps), cells)
    if world.rivers is not None:
        world.rivers.add(steps.outputs["runoff"], steps.outputs["baseflow"], cells)
    for name in set(STORES) & set(result.outputs):
        world.stores[name][cells] = result.outputs[name][:, 0, -1]
    return float(result.max_abs_water_error.max())


def _select(world: _World, cells: slice) -> tuple[CellParameters, Domain]:
    if cells == slice(0, world.parameters.n_cell):
        return world.parameters, world.domain
    some = np.arange(cells.start, cells.stop)
    return world.parameters.select(some), world.domain.only(some)


def _meteorology(run: GlobalParameters, parameters: CellParameters, forcing: Forcing) -> np.ndarray:
    """Forcing of the model steps as the model itself derives it [cell, time]."""
    settings = run.settings
    snow = np.empty((forcing.n_cell, forcing.n_day * settings.snow_steps_per_day), dtype=MET)
    model = np.empty((forcing.n_cell, forcing.n_day * settings.model_steps_per_day), dtype=MET)
    coldest = parameters.band_temperature_offset().min(axis=1)
    derive_block(forcing, 0, forcing.n_cell, coldest, settings.snow_steps_per_model_step, snow, model)
    return model


def _stores(state: State, parameters: CellParameters) -> dict[str, np.ndarray]:
    """Cell means of the stores of a state [cell, column], as the outputs ``STORES`` have them [mm]."""
    weight = parameters.column_weight()
    columns = {name: state["moisture"][..., layer] for layer, name in enumerate(LAYERS)}
    columns |= {
        "swe": state["swe"] * MM_PER_M,
        "canopy_snow": state["canopy_snow"] * MM_PER_M,
        "canopy_water": state["canopy_water"],
    }
    return {name: (columns[name] * weight).sum(axis=1) for name in STORES}


def _write_state(world: _World) -> Path:
    target = world.run.state
    assert target is not None
    with atomic_path(target.path) as temporary:
        write_state(
            temporary,
            world.state[:, 0],
            world.parameters,
            world.domain,
            target.day,
            world.n_class,
            format=target.format,
            names=world.run.grid_names,
            ring=None if world.rivers is None else world.rivers.ring,
        )
    return target.path
