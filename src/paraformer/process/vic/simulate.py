"""Run VIC over cells and parameter sets.

Every pair of cell and set is independent. Cells are taken in blocks, so that derived forcing needs memory for one
block only; results need memory for the outputs asked for. Spin-up is never recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.process.vic import forcing as forcing_module
from paraformer.process.vic.canopy_snow import FOREST
from paraformer.process.vic.cell import Inputs, Record, Results, run_pair
from paraformer.process.vic.column import COLUMN, MET, Timing
from paraformer.process.vic.constants import SECONDS_PER_DAY
from paraformer.process.vic.derive import SOIL, TILE, pack
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.inputs import require_valid
from paraformer.process.vic.jit import entry_point, source_digest
from paraformer.process.vic.meteorology import derive_meteorology
from paraformer.process.vic.outputs import CELL, OUTPUTS, positions
from paraformer.process.vic.parameters import CellParameters, apply_theta
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.snow_pack import PACK
from paraformer.process.vic.state import STATE, State, cold_start

MOST_THREADS: int = getattr(numba.config, "NUMBA_NUM_THREADS")  # noqa: B009
BLOCK_BYTES = 64 * 2**20  # derived forcing of a block of cells
WORKERS = 64  # units of work that threads share; pairs are dealt out in turn, so that snowy cells spread evenly
Device = Literal["cpu", "cuda"]
DAILY = {"sum": 0, "end": 1, "mean": 2}


class Simulation(NamedTuple):
    """Result of a run. ``outputs[name]`` is [cell, set, time]; time is days, or model steps for ``step`` output."""

    outputs: dict[str, Float[np.ndarray, "cell set time"]]
    max_abs_water_error: Float[np.ndarray, "cell set"]  # largest |water balance error| of a model step [mm]
    max_water_error_share: Float[np.ndarray, "cell set"]  # the same over stored water and precipitation of the step [1]
    state: State | None  # state at the end [cell, set, column], if asked for


def _build(digest: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """The compiled entry points; ``digest`` makes their cache on disk follow the source."""

    def derive_block(
        forcing: Forcing, first: int, n_cell: int, coldest: Any, snow_steps: int, snow_met: Any, model_met: Any
    ) -> None:
        for local in numba.prange(n_cell + 0 * digest):
            cell = first + local
            derive_meteorology(forcing, cell, coldest[cell], snow_steps, snow_met[local], model_met[local])

    def run_block(
        inputs: Inputs,
        first: int,
        n_cell: int,
        snow_met: Any,
        model_met: Any,
        timing: Timing,
        record: Record,
        workspace: Any,
        results: Results,
    ) -> None:
        n_set = results.errors.shape[1]
        n_pair = n_cell * n_set + 0 * digest
        n_worker = len(workspace.soil)
        for worker in numba.prange(n_worker):
            for pair in range(worker, n_pair, n_worker):
                local = pair // n_set
                run_pair(
                    inputs,
                    snow_met[local],
                    model_met[local],
                    timing,
                    record,
                    workspace,
                    worker,
                    first + local,
                    pair - local * n_set,
                    results,
                )

    return entry_point(derive_block, told=False), entry_point(run_block)  # the first takes 3 s


derive_block, run_block = _build(source_digest())


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
    device: Device = "cpu",
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
        device: ``cuda`` runs a pair of cell and set on each thread of an NVIDIA GPU (see ``cuda.py``).

    Raises:
        DataError: bad forcing, parameters, θ or state, in one line that names cell and time or set.
        ModelError: unknown output, or a result that is not finite.
        SettingsError: unknown θ name, bad spin-up, or no GPU.
    """
    parameters = require_valid(parameters)
    forcing_module.require_valid(forcing, parameters.cell, settings.forcing_steps_per_day)
    calibrated = apply_theta(parameters, theta, theta_names)
    n_cell, n_set = calibrated.shape
    if not 0 <= spin_up_days <= forcing.n_day or spin_up_cycles < 0:
        raise SettingsError(f"spin-up of {spin_up_cycles} x {spin_up_days} days of a forcing of {forcing.n_day} days")
    per_day = settings.model_steps_per_day if output_frequency == "step" else 1
    inputs = _inputs(parameters, forcing, settings, calibrated, initial_state)
    results = Results(
        outputs=np.empty((len(outputs), n_cell, n_set, forcing.n_day * per_day)),
        errors=np.zeros((n_cell, n_set, 2)),
        final=np.zeros((n_cell if return_state else 0, n_set, parameters.n_column), dtype=STATE),
    )
    record = Record(
        which=positions(outputs),
        daily=np.array([DAILY[OUTPUTS[name].daily] for name in outputs], dtype=np.int64),
        steps_per_day=settings.model_steps_per_day,
        every_step=per_day > 1,
        spin_up_steps=spin_up_days * settings.model_steps_per_day,
        spin_up_cycles=spin_up_cycles,
    )
    previous = numba.get_num_threads()
    numba.set_num_threads(min(threads or previous, MOST_THREADS))
    try:
        _run_blocks(parameters, forcing, settings, inputs, record, results, device)
    finally:
        numba.set_num_threads(previous)
    millimetres, share = results.errors[..., 0], results.errors[..., 1]
    _require_finite(parameters, millimetres)
    by_name = dict(zip(outputs, results.outputs, strict=True))
    return Simulation(by_name, millimetres, share, results.final if return_state else None)


def _inputs(
    parameters: CellParameters, forcing: Forcing, settings: VICSettings, calibrated: np.ndarray, initial: State | None
) -> Inputs:
    site, plant, band = pack(parameters, settings.snow_steps_per_model_step)
    return Inputs(
        site=site,
        plant=plant,
        band=band,
        weight=np.ascontiguousarray(parameters.column_weight()),
        calibrated=calibrated,
        initial=np.ascontiguousarray(_initial(parameters, initial, calibrated.shape[1])),
        month=np.array(forcing.month, dtype=np.int64),
        day_of_year=np.array(forcing.day_of_year, dtype=np.int64),
        runoff_steps_per_day=float(settings.runoff_steps_per_day),
    )


def _run_blocks(
    parameters: CellParameters,
    forcing: Forcing,
    settings: VICSettings,
    inputs: Inputs,
    record: Record,
    results: Results,
    device: Device,
) -> None:
    contiguous = {name: np.ascontiguousarray(getattr(forcing, name), np.float64) for name in forcing_module.SERIES}
    series = Forcing(**contiguous, month=inputs.month, day_of_year=inputs.day_of_year)
    coldest = parameters.band_temperature_offset().min(axis=1)
    timing = Timing(
        model_step=SECONDS_PER_DAY / settings.model_steps_per_day,
        snow_step=SECONDS_PER_DAY / settings.snow_steps_per_day,
        snow_steps=settings.snow_steps_per_model_step,
        runoff_steps=settings.runoff_steps_per_day // settings.model_steps_per_day,
        conserving=settings.water_balance == "conserving",
    )
    n_snow = forcing.n_day * settings.snow_steps_per_day
    n_model = forcing.n_day * settings.model_steps_per_day
    if device == "cuda":
        from paraformer.process.vic import cuda

        derive = partial(_derive, series, coldest, timing.snow_steps)
        cuda.run_blocks(derive, (n_snow, n_model), inputs, timing, record, results)
        return
    workspace = _workspace(parameters)
    size = max(1, min(parameters.n_cell, BLOCK_BYTES // max(1, (n_snow + n_model) * MET.itemsize)))
    snow_met, model_met = np.empty((size, n_snow), dtype=MET), np.empty((size, n_model), dtype=MET)
    for first in range(0, parameters.n_cell, size):
        n_cell = min(size, parameters.n_cell - first)
        derive_block(series, first, n_cell, coldest, timing.snow_steps, snow_met, model_met)
        run_block(inputs, first, n_cell, snow_met, model_met, timing, record, workspace, results)


def _derive(
    series: Forcing, coldest: np.ndarray, snow_steps: int, first: int, n_cell: int, snow_met: Any, model_met: Any
) -> None:
    derive_block(series, first, n_cell, coldest, snow_steps, snow_met, model_met)


def _workspace(parameters: CellParameters) -> Workspace:
    n = max(WORKERS, 4 * MOST_THREADS)
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
