"""Ensemble: many θ through the process model, cell chunk by cell chunk, into an archive that survives any kill.

Every cell gets the a-priori set, ``common`` sets (the same unit coordinates everywhere) and ``own`` sets from one
scrambled Sobol sequence, so that n cells x m sets cover n·m points of θ space (METHOD section 7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.stats import qmc

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, ModelError
from paraformer.core.files import write_json
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import parameter_space_to_json
from paraformer.core.seeding import generator
from paraformer.core.variables import OUTPUTS
from paraformer.process.config import EnsembleConfig

_JOURNAL = "chunks-done.json"


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


def run_ensemble(
    model: ForwardModel,
    config: EnsembleConfig,
    axes: Mapping[str, Any],
    prior: Float[np.ndarray, "cell parameter"],
    path: Path,
    *,
    seed: int,
    progress: Progress,
) -> int:
    """Run the ensemble into the zarr archive ``path`` (``core.schema.Ensemble``); a second call resumes.

    Args:
        axes: coordinates ``cell, time, lat, lon`` of the model's cells and days.
        prior: a-priori θ of each cell, physical units.

    Returns:
        Number of process-model runs in the archive (cells x sets).

    Raises:
        ModelError: if the process model returns a value that is not finite, naming output, cell and set.
    """
    theta, kind, held_out = sample_sets(config, model.parameters, prior, seed)
    n_cells, n_sets, _ = theta.shape
    journal = path.with_name(_JOURNAL)
    starts = list(range(0, n_cells, config.chunk_cells))
    done: list[int] = json.loads(journal.read_text()) if journal.exists() else []
    if not done:
        _create(path, model, config, axes, theta, kind, held_out)
    with progress.task("process model: ensemble", n_cells * n_sets, unit="runs",
                       done=sum(min(config.chunk_cells, n_cells - s) for s in done) * n_sets) as advance:  # fmt: skip
        for start in starts:
            if start in done:
                continue
            cells = np.arange(start, min(start + config.chunk_cells, n_cells))
            simulated = model.select(cells).simulate(theta[cells], config.outputs)
            _require_finite(simulated, np.asarray(axes["cell"])[cells])
            chunk = xr.Dataset(
                {name: (("cell", "set", "time"), values.astype(np.float32)) for name, values in simulated.items()}
            )
            chunk.to_zarr(path, region={"cell": slice(start, start + len(cells)), "set": slice(None),
                                        "time": slice(None)}, consolidated=False)  # fmt: skip
            done.append(start)
            write_json(journal, done)
            advance(len(cells) * n_sets)
    journal.unlink()
    return n_cells * n_sets


def _create(
    path: Path,
    model: ForwardModel,
    config: EnsembleConfig,
    axes: Mapping[str, Any],
    theta: np.ndarray,
    kind: np.ndarray,
    held_out: np.ndarray,
) -> None:
    """Lay out the empty archive: coordinates, θ, kinds, and the outputs' chunks."""
    import dask.array as da

    n_cells, n_sets, _ = theta.shape
    n_time = len(axes["time"])
    chunks = (config.chunk_cells, n_sets, n_time)
    dataset = xr.Dataset(
        {
            "theta": (("cell", "set", "parameter"), theta, {"long_name": "parameters, physical units"}),
            "kind": ("set", kind.astype("<U6")),
            "held_out": (("cell", "set"), held_out),
        },
        coords={
            "cell": ("cell", np.asarray(axes["cell"])),
            "time": ("time", np.asarray(axes["time"]).astype("datetime64[ns]")),
            "lat": ("cell", np.asarray(axes["lat"]), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", np.asarray(axes["lon"]), {"units": "degrees_east", "standard_name": "longitude"}),
            "parameter": ("parameter", np.array(model.parameters.names)),
        },
        attrs={
            "Conventions": "CF-1.8",
            "title": "Process-model ensemble",
            "parameter_space": parameter_space_to_json(model.parameters),
        },
    )
    for name in config.outputs:
        variable = OUTPUTS[name]
        dataset[name] = (
            ("cell", "set", "time"),
            da.zeros((n_cells, n_sets, n_time), chunks=chunks, dtype=np.float32),
            {"units": variable.unit, "long_name": variable.long_name}
            | ({"standard_name": variable.standard_name} if variable.standard_name else {}),
        )
    dataset.to_zarr(path, mode="w", compute=False, consolidated=False)


def _require_finite(simulated: Mapping[str, np.ndarray], cells: np.ndarray) -> None:
    for name, values in simulated.items():
        if not np.isfinite(values).all():
            cell, member, day = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise ModelError(f"process model: {name} is not finite, cell {cells[cell]}, set {member}, day {day}")
