"""Ensemble: many θ through the process model, cell chunk by cell chunk, into an archive that survives any kill.

Every cell gets the a-priori set, ``common`` sets (the same unit coordinates everywhere) and ``own`` sets from one
scrambled Sobol sequence, so that n cells x m sets cover n·m points of θ space (METHOD section 7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.stats import qmc

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError
from paraformer.core.files import journal_of, write_json
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import KINDS, parameter_space_to_json
from paraformer.core.seeding import generator
from paraformer.core.variables import OUTPUTS
from paraformer.process.config import EnsembleConfig


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
    if config.held_out >= config.own:
        raise DataError(f"ensemble.held_out ({config.held_out}) must be below ensemble.own ({config.own})")
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
    theta, kind, held_out = sample_sets(config, space, prior, seed)
    flags = np.array([KINDS.index(k) for k in kind], dtype=np.int8)
    meaning = {"flag_values": list(range(len(KINDS))), "flag_meanings": " ".join(KINDS)}
    return Sets(theta, {"kind": (("set",), flags, meaning), "held_out": (("cell", "set"), held_out, {})})


def run_sets(
    model: ForwardModel,
    sets: Sets,
    path: Path,
    *,
    outputs: Sequence[str],
    axes: Mapping[str, Any],
    chunk_cells: int,
    progress: Progress,
) -> int:
    """Run every set of every cell into the zarr archive ``path``; a second call after a kill resumes.

    The journal beside the archive stays: a call after the end finds every chunk done.

    Args:
        outputs: names of the series to keep, stored as float32 [cell, set, time].
        axes: coordinates ``cell, time, lat, lon`` of the model's cells and days.
        chunk_cells: cells simulated and written together.

    Returns:
        Number of process-model runs in the archive (cells x sets).

    Raises:
        ModelError: if the process model returns a value that is not finite, naming output, cell and set.
    """
    n_cells, n_sets = model.n_cells, 1 if sets.theta is None else sets.theta.shape[1]
    journal = journal_of(path)
    done: list[int] = json.loads(journal.read_text()) if journal.exists() else []
    if not done:
        _create(path, model, sets, outputs, axes, (chunk_cells, n_sets, len(axes["time"])))
    for left_over in path.rglob("*.partial"):  # what a killed process was writing
        left_over.unlink()
    before = sum(min(chunk_cells, n_cells - start) for start in done) * n_sets
    with progress.task(f"process model: {path.stem}", n_cells * n_sets, unit="runs", done=before) as advance:
        for start in range(0, n_cells, chunk_cells):
            if start in done:
                continue
            cells = np.arange(start, min(start + chunk_cells, n_cells))
            simulated = model.select(cells).simulate(None if sets.theta is None else sets.theta[cells], outputs)
            _require_finite(simulated, np.asarray(axes["cell"])[cells])
            chunk = xr.Dataset(
                {name: (("cell", "set", "time"), values.astype(np.float32)) for name, values in simulated.items()}
            )
            region = {"cell": slice(start, start + len(cells)), "set": slice(None), "time": slice(None)}
            chunk.to_zarr(path, region=region, consolidated=False)
            done.append(start)
            write_json(journal, done)
            advance(len(cells) * n_sets)
    return n_cells * n_sets


def _create(
    path: Path,
    model: ForwardModel,
    sets: Sets,
    outputs: Sequence[str],
    axes: Mapping[str, Any],
    chunks: tuple[int, int, int],
) -> None:
    """Lay out the empty archive: coordinates, θ, labels, and the outputs' chunks."""
    shape = (model.n_cells, *chunks[1:])
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
            "parameter_space": parameter_space_to_json(model.parameters),
            **sets.attributes,
        },
    )
    if sets.theta is not None:
        meaning = {"long_name": "parameters, physical units", "parameters": list(model.parameters.names)}
        dataset["theta"] = (("cell", "set", "parameter"), sets.theta, meaning)
    for name in outputs:
        dataset[name] = (("cell", "set", "time"), da.zeros(shape, chunks=chunks, dtype=np.float32), _cf(name))
    dataset.to_zarr(path, mode="w", compute=False, consolidated=False)


def _cf(name: str) -> dict[str, str]:
    """CF attributes of an output."""
    variable = OUTPUTS[name]
    attributes = {"units": variable.unit, "long_name": variable.long_name}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    return attributes


def _require_finite(simulated: Mapping[str, np.ndarray], cells: np.ndarray) -> None:
    for name, values in simulated.items():
        if not np.isfinite(values).all():
            cell, member, day = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise ModelError(f"process model: {name} is not finite, cell {cells[cell]}, set {member}, day {day}")
