"""The verdict: the process model runs every θ, whoever found it; ``pipeline.scores`` makes the tables of it.

Its archives are the only thing here that takes long, so they depend on nothing but which θ are run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import SettingsError
from paraformer.core.files import write_json
from paraformer.core.log import Progress
from paraformer.core.names import PER_CELL, SINGLE, TRUTH
from paraformer.core.run_files import AUDIT, DEFAULT_RUNS, RUNS, WATER
from paraformer.core.schema import Cube, Ensemble, ParameterField
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.selection import best_per_cell, best_single, training_rmse
from paraformer.evaluation.transfer import Cells, transfer
from paraformer.process.ensemble import Sets, WaterError, largest_water_error, run_sets
from paraformer.process.executor import Executor, Source
from paraformer.surrogate.audit import AuditConfig, audit, perturbed
from paraformer.surrogate.model import Surrogate

_OUTPUTS = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")
_DEEPER = ("soil_moisture_2", "soil_moisture_3")
"""Kept where ``ensemble.outputs`` names them: stations have probes at depth (``validate``)."""


@dataclass(frozen=True)
class Judged:
    """Everything the verdict needs.

    Attributes:
        process: the process model as one forward model of all cells.
        source: what gives it chunk by chunk.
        executor: where chunks run.
        fields: θ of searches and learners, one entry a seed.
        ensemble, surrogate: ``None`` in a study that has none.
        truth: true θ of a built-in world [cell, parameter], else ``None``.
    """

    study: Study
    cube: Cube
    ensemble: Ensemble | None
    process: ForwardModel
    source: Source
    executor: Executor
    surrogate: Surrogate | None
    fields: Sequence[ParameterField]
    truth: Float[np.ndarray, "cell parameter"] | None


def judge(case: Judged, path: Path, progress: Progress) -> int:
    """Run the process model with every θ and near the learned ones; returns the number of its runs."""
    fields = list(case.fields)
    if case.study.moisture and case.ensemble is not None:
        fields = [*_from_ensemble(case, case.ensemble, holdout_of(case.cube)), *fields]
    fields += _transferred(case, fields)
    if case.truth is not None:
        fields.append(ParameterField(TRUTH, -1, case.truth))
    runs = _run(case, Sets(None), path / DEFAULT_RUNS, progress)
    methods, seeds = [f.method for f in fields], [f.seed for f in fields]
    rows = {
        "method": (("set",), np.array(methods, dtype=object), {"long_name": "method that found the parameters"}),
        "seed": (("set",), np.array(seeds, dtype=np.int32), {"long_name": "seed of the method, -1 without one"}),
    }
    if not fields:
        raise SettingsError("searches, learners: found none, and without soil moisture there is no other row to judge")
    runs += _run(case, Sets(stack(fields), rows, {"methods": methods, "seeds": seeds}), path / RUNS, progress)
    errors = [error for name in (DEFAULT_RUNS, RUNS) if (error := largest_water_error(path / name)) is not None]
    if errors:
        worst = WaterError(*map(max, *errors)) if len(errors) > 1 else errors[0]
        write_json(path / WATER, {**worst._asdict(), "runs": runs})
    return runs + _audit_learned(case, path, progress)


def judged_fields(path: Path) -> list[ParameterField]:
    """θ of every row of a verdict's archive, in its order."""
    archive = xr.open_zarr(path / RUNS, consolidated=False)
    theta = archive["theta"].values.astype(np.float64)
    rows = zip(archive.attrs["methods"], archive.attrs["seeds"], strict=True)
    return [ParameterField(method, int(seed), theta[:, i]) for i, (method, seed) in enumerate(rows)]


def _from_ensemble(case: Judged, ensemble: Ensemble, holdout: Holdout) -> list[ParameterField]:
    """The best of the ensemble's θ: one for all cells, and each cell's own, by raw RMSE of the training period."""
    variable = ensemble.dataset["soil_moisture"]
    chunk = case.study.ensemble.chunk_cells
    parts = []
    for start in range(0, len(holdout.cells), chunk):
        cells = slice(start, start + chunk)
        part = Holdout(
            cells=holdout.cells[cells],
            lat=holdout.lat[cells],
            lon=holdout.lon[cells],
            observed=holdout.observed[cells],
            mask=holdout.mask[cells],
            trained=np.ones(len(holdout.cells[cells]), dtype=bool),
            train_days=holdout.train_days,
            test_days=holdout.test_days,
        )
        parts.append(training_rmse(variable[cells].values, part, min_days=case.study.evaluation.min_days))
    rmse, scored = (np.concatenate(p) for p in zip(*parts, strict=True))
    single = best_single(rmse, scored, ensemble.kind, holdout.trained)
    own = best_per_cell(rmse, scored, fallback=single)
    theta = ensemble.theta
    return [
        ParameterField(SINGLE, -1, theta[:, single]),
        ParameterField(PER_CELL, -1, theta[np.arange(len(theta)), own]),
    ]


def _transferred(case: Judged, fields: Sequence[ParameterField]) -> list[ParameterField]:
    """Every seed of one method's θ carried from the trained cells to all others, in each way the study asks for."""
    config, cube = case.study.evaluation.transfers, case.cube
    if config is None:
        return []
    cells = Cells(cube.cells, cube.lat, cube.lon, cube.attributes(), cube.trained)
    return [
        ParameterField(config.row(by), f.seed, transfer(by, f.theta, cells, case.study.space, config))
        for by in config.by
        for f in fields
        if f.method == config.source and f.theta is not None
    ]


def deeper(study: Study) -> list[str]:
    """Moisture of deeper layers that the verdict of a study keeps."""
    return [name for name in _DEEPER if name in study.ensemble.outputs]


def _outputs(case: Judged) -> tuple[str, ...]:
    """Series the verdict keeps of every run: of a model that is not VIC, those it offers."""
    return tuple(name for name in (*_OUTPUTS, *deeper(case.study)) if name in case.process.outputs)


def _run(case: Judged, sets: Sets, path: Path, progress: Progress) -> int:
    return run_sets(
        case.source,
        sets,
        path,
        outputs=_outputs(case),
        axes=case.cube.axes,
        executor=case.executor,
        chunk_cells=case.study.ensemble.chunk_cells,
        progress=progress,
    )


def stack(fields: Iterable[ParameterField]) -> Float[np.ndarray, "cell set parameter"]:
    """θ of several fields as sets of every cell."""
    return np.stack([f.theta for f in fields if f.theta is not None], axis=1)


def _audit_learned(case: Judged, path: Path, progress: Progress) -> int:
    """The surrogate's response near the learned θ (first seed), against the process model's (method.md 7)."""
    if case.surrogate is None:
        return 0
    before, rows = case.process.runs, []
    learned = [(f.method, f.theta) for f in case.fields if f.seed == 0 and f.theta is not None]
    with progress.task("audit of the surrogate", len(learned), unit="methods") as advance:
        for method, found in learned:
            theta, pairs = perturbed(case.study.space, found, AuditConfig(), case.study.seed)
            rows += audit(case.surrogate, case.process, theta, where=f"near {method}", pairs=pairs)
            advance()
    write_json(path / AUDIT, [asdict(row) for row in rows])
    return case.process.runs - before
