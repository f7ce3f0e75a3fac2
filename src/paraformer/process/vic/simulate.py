"""Run VIC over cells and parameter sets.

Every pair of cell and set is independent. Cells are taken in blocks, so that derived forcing needs memory for one
block only; results need memory for the outputs asked for. Spin-up is never recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.process.vic import forcing as forcing_module
from paraformer.process.vic import parameters as parameters_module
from paraformer.process.vic.cell import Blocks, Record, run_pair
from paraformer.process.vic.column import COLUMN, MET, Timing, Work
from paraformer.process.vic.canopy_snow import FOREST
from paraformer.process.vic.derive import SOIL, TILE, pack
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.jit import entry_point, source_digest
from paraformer.process.vic.meteorology import derive_meteorology
from paraformer.process.vic.outputs import CELL, OUTPUTS, positions
from paraformer.process.vic.parameters import CellParameters, apply_theta
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.snow_pack import PACK
from paraformer.process.vic.state import STATE, State, cold_start

BLOCK_BYTES = 64 * 2**20  # derived forcing of a block of cells
WORKERS = 64  # units of work that threads share; pairs are dealt out in turn, so that snowy cells spread evenly
DAILY = {"sum": 0, "end": 1, "mean": 2}


class Simulation(NamedTuple):
    """Result of a run. ``outputs[name]`` is [cell, set, time]; time is days, or model steps for ``step`` output."""

    outputs: dict[str, Float[np.ndarray, "cell set time"]]
    max_abs_water_error: Float[np.ndarray, "cell set"]  # largest |water balance error| of a model step [mm]
    state: State | None  # state at the end [cell, set, column], if asked for


def _build(digest: int) -> Callable[..., None]:
    """The compiled entry point; ``digest`` makes its cache on disk follow the source."""

    def run_block(  # noqa: PLR0913
        blocks: Blocks, snow_met: Any, model_met: Any, timing: Timing, record: Record, workspace: Any, initial: Any,
        final: Any, outputs: Any, errors: Any,
    ) -> None:  # fmt: skip
        n_cell, n_set = errors.shape
        n_pair = n_cell * n_set + 0 * digest
        n_worker = len(workspace.soil)
        for worker in numba.prange(n_worker):
            for pair in range(worker, n_pair, n_worker):
                cell = pair // n_set
                member = pair - cell * n_set
                run_pair(
                    blocks, snow_met, model_met, timing, record, workspace, worker, cell, member, initial, final,
                    outputs, errors,
                )  # fmt: skip

    return entry_point(run_block)


def _build_meteorology(digest: int) -> Callable[..., None]:
    def derive_block(
        forcing: Forcing, cells: Any, coldest: Any, snow_steps: int, snow_met: Any, model_met: Any
    ) -> None:
        for position in numba.prange(len(cells)):
            derive_meteorology(
                forcing,
                cells[position] + 0 * digest,
                coldest[position],
                snow_steps,
                snow_met[position],
                model_met[position],
            )

    return entry_point(derive_block)


run_block = _build(source_digest())
derive_block = _build_meteorology(source_digest())


class Workspace(NamedTuple):
    """Working records, one of each a worker, so that the model allocates nothing."""

    soil: Any
    tile: Any  # [worker, tile]
    state: Any  # [worker, column]
    column: Any
    pack: Any
    forest: Any
    cell: Any
    values: Any  # the same memory as ``cell``, as numbers [worker, output]
    day: Any  # [worker, output]


def simulate(
    parameters: CellParameters,
    forcing: Forcing,
    settings: VICSettings,
    *,
    theta: Float[np.ndarray, "cell set parameter"] | None = None,
    theta_names: Sequence[str] = (),
    initial_state: State | None = None,
    spin_up_days: int = 0,
    spin_up_cycles: int = 0,
    outputs: Sequence[str] = ("soil_moisture_1",),
    output_frequency: Literal["day", "step"] = "day",
    threads: int | None = None,
    return_state: bool = False,
) -> Simulation:
    """Run every parameter set of every cell.

    Args:
        parameters: a-priori parameters of the cells.
        forcing: forcing of the same cells at the snow step.
        settings: steps and water balance mode.
        theta: physical values; ``None`` runs the a-priori parameters as they are, one set.
        theta_names: names of θ's last axis (keys of ``parameters.THETA``).
        initial_state: [cell, set or 1, column]; ``None`` is a cold start. Moisture is capped at each set's maximum.
        spin_up_days: length of the spin-up, the first days of the forcing.
        spin_up_cycles: how often the spin-up is repeated, unrecorded, before the whole forcing is run.
        outputs: names from ``outputs.OUTPUTS``.
        output_frequency: daily values, or one value a model step.
        threads: number of threads; ``None`` uses all.
        return_state: whether to return the state at the end.

    Raises:
        DataError: bad forcing, parameters, θ or state, in one line that names cell and time or set.
        ModelError: unknown output, or a result that is not finite.
        SettingsError: unknown θ name or bad spin-up.
    """
    parameters_module.require_valid(parameters)
    forcing_module.require_valid(forcing, parameters.cell, settings.forcing_steps_per_day)
    calibrated = apply_theta(parameters, theta, theta_names)
    n_cell, n_set = calibrated.shape
    if not 0 <= spin_up_days <= forcing.n_day or spin_up_cycles < 0:
        raise SettingsError(f"spin-up of {spin_up_cycles} x {spin_up_days} days of a forcing of {forcing.n_day} days")
    which = positions(outputs)
    per_day = settings.model_steps_per_day if output_frequency == "step" else 1
    result = np.empty((len(outputs), n_cell, n_set, forcing.n_day * per_day))
    errors = np.zeros((n_cell, n_set))
    start = _initial(parameters, initial_state, n_set)
    final = np.zeros((n_cell, n_set, parameters.n_column), dtype=STATE) if return_state else start[:, :0]
    record = Record(
        which=which,
        daily=np.array([DAILY[OUTPUTS[name].daily] for name in outputs], dtype=np.int64),
        steps_per_day=settings.model_steps_per_day,
        every_step=per_day > 1,
        spin_up_steps=spin_up_days * settings.model_steps_per_day,
        spin_up_cycles=spin_up_cycles if spin_up_days else 0,
    )
    previous = numba.get_num_threads()
    numba.set_num_threads(min(threads or previous, numba.config.NUMBA_NUM_THREADS))
    try:
        _run_blocks(parameters, forcing, settings, calibrated, record, start, final, result, errors)
    finally:
        numba.set_num_threads(previous)
    _require_finite(parameters, errors)
    return Simulation(dict(zip(outputs, result, strict=True)), errors, final if return_state else None)


def _run_blocks(
    parameters: CellParameters, forcing: Forcing, settings: VICSettings, calibrated: np.ndarray, record: Record,
    start: State, final: State, result: np.ndarray, errors: np.ndarray,
) -> None:  # fmt: skip
    site, plant, band = pack(parameters, settings.snow_steps_per_model_step)
    weight = np.ascontiguousarray(parameters.column_weight())
    coldest = parameters.band_temperature_offset().min(axis=1)
    workspace = _workspace(parameters)
    series = Forcing(*(np.ascontiguousarray(field) for field in forcing))
    snow_steps = settings.snow_steps_per_model_step
    n_snow = forcing.n_day * settings.snow_steps_per_day
    n_model = forcing.n_day * settings.model_steps_per_day
    size = max(1, min(parameters.n_cell, BLOCK_BYTES // max(1, (n_snow + n_model) * MET.itemsize)))
    snow_met, model_met = np.empty((size, n_snow), dtype=MET), np.empty((size, n_model), dtype=MET)
    timing = Timing(
        model_step=86400.0 / settings.model_steps_per_day,
        snow_step=86400.0 / settings.snow_steps_per_day,
        snow_steps=snow_steps,
        runoff_steps=settings.runoff_steps_per_day // settings.model_steps_per_day,
        conserving=settings.water_balance == "conserving",
    )
    for first in range(0, parameters.n_cell, size):
        block = slice(first, min(first + size, parameters.n_cell))
        cells = np.arange(block.start, block.stop)
        derive_block(series, cells, coldest[block], snow_steps, snow_met, model_met)
        blocks = Blocks(
            site[block], plant[block], band[block], weight[block], calibrated[block],
            np.asarray(forcing.month, dtype=np.int64), np.asarray(forcing.day_of_year, dtype=np.int64),
            float(settings.runoff_steps_per_day),
        )  # fmt: skip
        run_block(
            blocks, snow_met, model_met, timing, record, workspace, start[block], final[block], result[:, block],
            errors[block],
        )  # fmt: skip


def _workspace(parameters: CellParameters) -> Workspace:
    n = max(WORKERS, 4 * numba.config.NUMBA_NUM_THREADS)
    padding = 8  # records of different workers do not share cache lines
    values = np.zeros((n, len(OUTPUTS) + padding))
    cell = values[:, : len(OUTPUTS)].view(CELL)[:, 0]
    return Workspace(
        soil=np.zeros(n, dtype=SOIL),
        tile=np.zeros((n, parameters.n_tile), dtype=TILE),
        state=np.zeros((n, parameters.n_column), dtype=STATE),
        column=np.zeros(n, dtype=COLUMN),
        pack=np.zeros(n, dtype=PACK),
        forest=np.zeros(n, dtype=FOREST),
        cell=cell,
        values=values,
        day=np.zeros((n, len(OUTPUTS) + padding)),
    )


def _initial(parameters: CellParameters, initial_state: State | None, n_set: int) -> State:
    if initial_state is None:
        return cold_start(parameters)
    shape = initial_state.shape
    if initial_state.dtype != STATE or len(shape) != 3 or shape[0] != parameters.n_cell or shape[1] not in (1, n_set):
        raise DataError(
            f"initial state has shape {shape} and dtype {initial_state.dtype}; expected dtype STATE and "
            f"[cell={parameters.n_cell}, set={n_set} or 1, column={parameters.n_column}]"
        )
    if shape[2] != parameters.n_column:
        raise DataError(f"initial state has {shape[2]} columns a cell; the parameters have {parameters.n_column}")
    return initial_state


def _require_finite(parameters: CellParameters, errors: np.ndarray) -> None:
    if not np.isfinite(errors).all():
        cell, member = (int(i) for i in np.argwhere(~np.isfinite(errors))[0])
        raise ModelError(f"VIC gave a value that is not finite: cell {parameters.cell[cell]}, set {member}")
