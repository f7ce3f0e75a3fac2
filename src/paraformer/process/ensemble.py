"""Ensemble: many θ through the process model, cell chunk by cell chunk, into an archive that survives any kill.

Every cell gets the a-priori set, ``common`` sets (the same unit coordinates everywhere) and ``own`` sets from one
scrambled Sobol sequence, so that n cells x m sets cover n·m points of θ space (docs/method.md section 7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from jaxtyping import Bool, Float
from scipy.stats import qmc

from paraformer.core import ledger
from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import ModelError
from paraformer.core.files import journal_of, write_json
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import KINDS, parameter_space_to_json
from paraformer.core.seeding import generator
from paraformer.core.variables import OUTPUTS
from paraformer.process.config import EnsembleConfig
from paraformer.process.executor import Executor, Local, Source, deferred
from paraformer.process.vic.column import MET
from paraformer.process.vic.simulate import BLOCK_BYTES

WORKING_BYTES = 256 * 2**20
"""Memory for the float64 series of a block of sets."""


def sample_sets(
    config: EnsembleConfig, space: ParameterSpace, prior: Float[np.ndarray, "cell parameter"], seed: int
) -> tuple[Float[np.ndarray, "cell set parameter"], np.ndarray, Bool[np.ndarray, "cell set"]]:
    """Draw the ensemble's parameter sets.

    Args:
        prior: a-priori θ of each cell, physical units, inside the bounds.

    Returns:
        θ in physical units [cell, set, parameter]; the kind of each set (``prior``, ``common``, ``own``); which runs
        are held out from surrogates (the last ``held_out`` own sets of every cell).
    """
    n_cells, size = prior.shape[0], len(space)

    def sobol(n: int, name: str) -> np.ndarray:
        engine = qmc.Sobol(size, scramble=True, rng=generator(seed, "ensemble", name))
        return engine.random_base2(int(np.ceil(np.log2(max(n, 1)))))[:n]

    common = np.broadcast_to(sobol(config.common, "common"), (n_cells, config.common, size))
    own = sobol(n_cells * config.own, "own").reshape(n_cells, config.own, size)
    theta = np.concatenate([prior[:, None, :], space.from_unit(common), space.from_unit(own)], axis=1)
    kind = np.array(["prior"] + ["common"] * config.common + ["own"] * config.own)
    held_out = np.zeros(theta.shape[:2], dtype=bool)
    held_out[:, -config.held_out :] = True
    return theta, kind, held_out


@dataclass(frozen=True)
class Sets:
    """Parameter sets to run, and what to remember about them.

    Attributes:
        theta: physical values [cell, set, parameter], or ``None`` for the a-priori parameters as they are (one set).
        labels: variables of the archive that describe the sets: name -> (dims, numbers, attributes).
        attributes: global attributes of the archive that describe the sets.
    """

    theta: Float[np.ndarray, "cell set parameter"] | None
    labels: Mapping[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, Any]]] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def ensemble_sets(
    config: EnsembleConfig, space: ParameterSpace, prior: Float[np.ndarray, "cell parameter"], seed: int
) -> Sets:
    """The ensemble's design as ``Sets``: θ with its kinds and held-out runs (``core.schema.Ensemble``)."""
    return _labelled(*sample_sets(config, space, prior, seed))


def own_sets(theta: Float[np.ndarray, "cell set parameter"], held_out: Bool[np.ndarray, " set"]) -> Sets:
    """Given θ as ``Sets`` of kind ``own``; ``held_out`` marks those that a surrogate must not learn from."""
    kind = np.full(theta.shape[1], "own")
    return _labelled(theta, kind, np.broadcast_to(held_out, theta.shape[:2]).copy())


def _labelled(
    theta: Float[np.ndarray, "cell set parameter"], kind: np.ndarray, held_out: Bool[np.ndarray, "cell set"]
) -> Sets:
    flags = np.array([KINDS.index(k) for k in kind], dtype=np.int8)
    meaning = {"flag_values": list(range(len(KINDS))), "flag_meanings": " ".join(KINDS)}
    return Sets(theta, {"kind": (("set",), flags, meaning), "held_out": (("cell", "set"), held_out, {})})


def run_sets(
    source: Source,
    sets: Sets,
    path: Path,
    *,
    outputs: Sequence[str],
    axes: Mapping[str, Any],
    chunk_cells: int,
    progress: Progress,
    executor: Executor | None = None,
) -> int:
    """Run every set of every cell into the zarr archive ``path``; a second call after a kill resumes.

    Each chunk of cells is one job, which builds its model, simulates and writes its own part of the archive; the
    journal beside the archive is written here, after the job's success. It stays: a call after the end finds every
    chunk done. The archive is the same, bit for bit, wherever the jobs run.

    Args:
        source: a forward model, or a recipe that reads the files of the cells asked for: then memory does not grow
            with the number of cells.
        outputs: names of the series to keep, stored as float32 [cell, set, time].
        axes: coordinates ``cell, time, lat, lon`` of the model's cells and days.
        chunk_cells: cells simulated and written together; a resumed archive keeps its own.
        executor: where the jobs run; ``None`` runs them here.

    Returns:
        Number of process-model runs in the archive (cells x sets).

    Raises:
        ModelError: if the process model returns a value that is not finite, naming output, cell and set.
    """
    executor = executor or Local()
    n_cells, n_sets = source.n_cells, 1 if sets.theta is None else sets.theta.shape[1]
    journal = _Journal(journal_of(path))
    if journal.chunk_cells is None:
        _create(path, source, sets, outputs, axes, (chunk_cells, n_sets, len(axes["time"])))
        ledger.enter_store(path)
        journal.chunk_cells = chunk_cells
    size = journal.chunk_cells
    _remove_left_overs(path)
    chunks = {chunk: np.arange(chunk * size, min((chunk + 1) * size, n_cells)) for chunk in range(-(-n_cells // size))}

    def job(chunk: int) -> tuple[Any, ...]:
        cells = chunks[chunk]
        theta = None if sets.theta is None else np.ascontiguousarray(sets.theta[cells])
        build, ids = deferred(source, cells, executor), np.asarray(axes["cell"])[cells]
        return build, theta, tuple(outputs), (n_sets, len(axes["time"])), ids, path.absolute(), chunk * size

    left = [chunk for chunk in chunks if chunk not in journal.done]
    before = n_cells - sum(len(chunks[chunk]) for chunk in left)
    with progress.task(f"process model: {path.stem}", n_cells * n_sets, unit="runs", done=before * n_sets) as advance:
        for start in executor.run(_run_chunk, map(job, left)):
            chunk = start // size
            ledger.enter_chunk(path, chunk)
            journal.add(chunk)
            advance(len(chunks[chunk]) * n_sets)
    _remove_left_overs(path)  # of workers lost in the middle of a write
    return n_cells * n_sets


def chunk_bytes(cells: int, sets: int, days: int, outputs: int, steps_per_day: int) -> float:
    """Bytes that a chunk of VIC's cells needs while it runs, beside the interpreter and the archive's own θ.

    Forcing of seven series at the snow step, with two copies while it is made, and what is derived of it; series of a
    block of sets, as the model makes them and as volumes; the chunk of every output as it is kept, and one of them
    compressed.
    """
    steps, series = cells * days * steps_per_day, cells * sets * days * outputs
    forcing = 3 * 7 * 8 * steps + min(BLOCK_BYTES, 2 * MET.itemsize * steps)
    block = max(min(8 * series, WORKING_BYTES), 8 * cells * days * outputs)
    return forcing + 2 * block + 4 * series * (1 + 1 / outputs)


class _Journal:
    """Which chunks of an archive are done, and how many cells a chunk has (``None``: nothing is done yet)."""

    def __init__(self, path: Path) -> None:
        found = json.loads(path.read_text()) if path.exists() else {}
        self.path = path
        self.chunk_cells: int | None = found.get("chunk_cells")
        self.done = {chunk for first, last in found.get("done", []) for chunk in range(first, last + 1)}

    def add(self, chunk: int) -> None:
        """Remember a chunk; stored as spans, so that the file stays small however many there are."""
        self.done.add(chunk)
        spans: list[list[int]] = []
        for number in sorted(self.done):
            if spans and spans[-1][1] == number - 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        write_json(self.path, {"chunk_cells": self.chunk_cells, "done": spans})


def _remove_left_overs(path: Path) -> None:
    """Remove what a killed process was writing: zarr writes beside the chunk, then renames."""
    for left_over in path.rglob("*.partial"):
        left_over.unlink(missing_ok=True)


def _run_chunk(
    build: Callable[[], ForwardModel],
    theta: Float[np.ndarray, "cell set parameter"] | None,
    outputs: Sequence[str],
    shape: tuple[int, int],
    ids: np.ndarray,
    path: Path,
    start: int,
) -> int:
    """Simulate one chunk of cells and write its part of every output, from cell ``start`` on; returns ``start``.

    Sets are simulated a block at a time, so that the model's float64 series need ``WORKING_BYTES`` at most.
    """
    model, (n_sets, n_days) = build(), shape
    kept = {name: np.empty((len(ids), n_sets, n_days), dtype=np.float32) for name in outputs}
    block = max(1, WORKING_BYTES // (8 * len(ids) * n_days * len(outputs)))
    for first in range(0, n_sets, block):
        part = slice(first, first + block)
        simulated = model.simulate(None if theta is None else theta[:, part], outputs)
        _require_finite(simulated, ids, first)
        for name, values in simulated.items():
            kept[name][:, part] = values
    for name, values in kept.items():
        zarr.open_array(path / name, mode="r+")[start : start + len(ids)] = values
    return start


def _create(
    path: Path,
    source: Source,
    sets: Sets,
    outputs: Sequence[str],
    axes: Mapping[str, Any],
    chunks: tuple[int, int, int],
) -> None:
    """Lay out the empty archive: coordinates, θ, labels, and the outputs' chunks."""
    shape = (source.n_cells, *chunks[1:])
    dataset = xr.Dataset(
        {name: (dims, values, dict(attributes)) for name, (dims, values, attributes) in sets.labels.items()},
        coords={
            "cell": ("cell", np.asarray(axes["cell"])),
            "time": ("time", np.asarray(axes["time"]).astype("datetime64[ns]")),
            "lat": ("cell", np.asarray(axes["lat"]), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", np.asarray(axes["lon"]), {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={
            "Conventions": "CF-1.8",
            "title": "Process-model runs",
            "parameter_space": parameter_space_to_json(source.parameters),
            **sets.attributes,
        },
    )
    if sets.theta is not None:
        meaning = {"long_name": "parameters, physical units", "parameters": list(source.parameters.names)}
        dataset["theta"] = (("cell", "set", "parameter"), sets.theta, meaning)
    for name in outputs:
        dataset[name] = (("cell", "set", "time"), da.zeros(shape, chunks=chunks, dtype=np.float32), _cf(name))
    # One file for a chunk of cells, which is written at once; in it every set by itself, as scores read them.
    stored = {"shards": chunks, "chunks": (chunks[0], 1, chunks[2])}
    dataset.to_zarr(path, mode="w", compute=False, consolidated=False, encoding=dict.fromkeys(outputs, stored))


def _cf(name: str) -> dict[str, str]:
    """CF attributes of an output."""
    variable = OUTPUTS[name]
    attributes = {"units": variable.unit, "long_name": variable.long_name}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    return attributes


def _require_finite(simulated: Mapping[str, np.ndarray], cells: np.ndarray, first_set: int) -> None:
    for name, values in simulated.items():
        if not np.isfinite(values).all():
            cell, member, day = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
            where = f"cell {cells[cell]}, set {first_set + member}, day {day}"
            raise ModelError(f"process model: {name} is not finite, {where}")
