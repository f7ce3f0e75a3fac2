"""VIC on a CUDA GPU: the functions of the CPU, compiled once more, one thread a pair of cell and parameter set.

There is one source. numba-cuda compiles the very functions ``run_pair`` is made of as device functions; this file only
moves records to the GPU and back. Derived forcing comes from the CPU, since all sets of a cell share it. Powers and
logarithms are the GPU's own, so results will differ from the CPU's in last bits. Not yet run on a GPU: it compiles for
one, and runs in numba's simulator (docs/decisions/0012-vic-speed.md).

A GPU wants thousands of pairs at a time: hundreds of cells with tens of sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import config, cuda

from paraformer.core.errors import SettingsError
from paraformer.process.vic.canopy_snow import FOREST
from paraformer.process.vic.cell import Inputs, Record, Results, run_pair
from paraformer.process.vic.column import COLUMN, MET, Timing
from paraformer.process.vic.derive import SOIL, TILE
from paraformer.process.vic.outputs import CELL, OUTPUTS
from paraformer.process.vic.snow_pack import PACK
from paraformer.process.vic.state import STATE

T = TypeVar("T", bound=tuple[Any, ...])
SIMULATED: bool = bool(getattr(config, "ENABLE_CUDASIM"))  # noqa: B009
THREADS_PER_BLOCK = 64
BLOCK_BYTES = 2**30
"""GPU memory for derived forcing, working records and outputs of one block of cells."""


def require_gpu() -> None:
    """Raise unless numba finds a CUDA GPU (or simulates one, ``NUMBA_ENABLE_CUDASIM=1``).

    Raises:
        SettingsError: saying what is missing and what to set.
    """
    if not cuda.is_available():
        raise SettingsError(
            "device 'cuda' needs an NVIDIA GPU with its driver and pip install 'numba-cuda[cu12]', "
            "and numba finds no GPU on this machine; use device 'cpu'"
        )


class Weather(NamedTuple):
    """Derived forcing of a block of cells."""

    snow_steps: Any  # MET [cell, snow step]
    model_steps: Any  # MET [cell, model step]


@cuda.jit
def run_pairs(
    inputs: Inputs, n_pair: int, weather: Weather, timing: Timing, record: Record, workspace: Any, results: Results
) -> None:
    """The entry point: the CPU's ``run_pair`` for the pair of the thread."""
    pair: int = cuda.grid(1)  # type: ignore[call-arg]
    if pair < n_pair:
        n_set = results.errors.shape[1]
        cell = pair // n_set
        run_pair(
            inputs,
            weather.snow_steps[cell],
            weather.model_steps[cell],
            timing,
            record,
            workspace,
            pair,
            cell,
            pair - cell * n_set,
            results,
        )


class Workspace(NamedTuple):
    """Working records of every pair in flight."""

    soil: Any
    tile: Any
    state: Any
    column: Any
    pack: Any
    forest: Any
    cell: Any
    values: Any
    day: Any


def _host_records(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    records = np.empty(shape, dtype=dtype)
    return records.view(np.recarray) if SIMULATED else records


def _on_device(array: np.ndarray) -> Any:
    """The array in the GPU's memory; the simulator's kernels are Python and need fields as attributes."""
    array = np.ascontiguousarray(array)
    if SIMULATED:
        return array.view(np.recarray) if array.dtype.names else array
    return cuda.to_device(array)


def _to_device(values: T) -> T:
    """A named tuple with its arrays in the GPU's memory."""
    moved = (_on_device(v) if isinstance(v, np.ndarray) else v for v in values)
    return type(values)(*moved)


def _to_host(array: Any) -> np.ndarray:
    return np.asarray(array) if SIMULATED else array.copy_to_host()


def _workspace(n: int, n_tile: int, n_column: int) -> Workspace:
    """Working records of n pairs; ``cell`` and ``values`` are the same memory."""
    values = _on_device(np.zeros((n, len(OUTPUTS))))
    cell = values.view(CELL).reshape(n)
    return Workspace(
        soil=_on_device(np.zeros(n, dtype=SOIL)),
        tile=_on_device(np.zeros((n, n_tile), dtype=TILE)),
        state=_on_device(np.zeros((n, n_column), dtype=STATE)),
        column=_on_device(np.zeros(n, dtype=COLUMN)),
        pack=_on_device(np.zeros(n, dtype=PACK)),
        forest=_on_device(np.zeros(n, dtype=FOREST)),
        cell=cell.view(np.recarray) if SIMULATED else cell,
        values=values,
        day=_on_device(np.zeros((n, len(OUTPUTS)))),
    )


def _cells_together(n_cell: int, n_set: int, n_column: int, n_step: int, n_output: int) -> int:
    """Cells whose derived forcing, records and outputs fit into ``BLOCK_BYTES``."""
    pair = SOIL.itemsize + n_column * (TILE.itemsize + STATE.itemsize) + 2000 + n_output * 8
    return max(1, min(n_cell, BLOCK_BYTES // (n_step * MET.itemsize + n_set * pair)))


def run_blocks(
    derive: Callable[[int, int, Any, Any], None],
    n_steps: tuple[int, int],
    inputs: Inputs,
    timing: Timing,
    record: Record,
    results: Results,
) -> None:
    """Run all pairs, block of cells by block, and fill ``results``.

    Args:
        derive: fills derived forcing: first cell, number of cells, snow steps [cell, step], model steps [cell, step].
        n_steps: number of snow steps and model steps.
        inputs: of all cells, in host memory.
        timing: steps of the run.
        record: what to record.
        results: in host memory, all cells.

    Raises:
        SettingsError: no GPU.
    """
    require_gpu()
    n_output, n_cell, n_set, n_time = results.outputs.shape
    n_column = inputs.initial.shape[2]
    size = _cells_together(n_cell, n_set, n_column, sum(n_steps), n_output * n_time)
    workspace = _workspace(size * n_set, inputs.plant.shape[1], n_column)
    on_record = _to_device(record)
    for first in range(0, n_cell, size):
        here = slice(first, min(first + size, n_cell))
        n = here.stop - here.start
        weather = Weather(*(_host_records((n, n_step), MET) for n_step in n_steps))
        derive(first, n, *weather)
        part = Results(
            outputs=_on_device(np.zeros((n_output, n, n_set, n_time))),
            errors=_on_device(np.zeros((n, n_set, 2))),
            final=_on_device(np.zeros((n if len(results.final) else 0, n_set, n_column), dtype=STATE)),
        )
        run_pairs[-(-n * n_set // THREADS_PER_BLOCK), THREADS_PER_BLOCK](
            _to_device(_of_cells(inputs, here)), n * n_set, _to_device(weather), timing, on_record, workspace, part
        )
        results.outputs[:, here] = _to_host(part.outputs)
        results.errors[here] = _to_host(part.errors)
        if len(results.final):
            results.final[here] = _to_host(part.final)


def _of_cells(inputs: Inputs, here: slice) -> Inputs:
    """The inputs of some cells."""
    by_cell = ("site", "plant", "band", "weight", "calibrated", "initial")
    return inputs._replace(**{name: getattr(inputs, name)[here] for name in by_cell})
