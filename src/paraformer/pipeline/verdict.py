"""The verdict: the process model runs every θ, whoever found it, and the scores are written down.

Seeds of one study share the test; the surrogate's own answer for the same θ stands beside it as the surrogate gap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import ForwardModel
from paraformer.core.files import atomic_path, write_json
from paraformer.core.log import Progress
from paraformer.core.schema import Cube, Ensemble, ParameterField
from paraformer.evaluation import checklist
from paraformer.evaluation.holdout import Holdout
from paraformer.evaluation.recovery import recovery
from paraformer.evaluation.score import aggregate, score_cells, surrogate_gap
from paraformer.evaluation.selection import best_per_cell, best_single, training_rmse
from paraformer.evaluation.signatures import Fluxes, judge_signatures
from paraformer.evaluation.transfer import Cells, transfer
from paraformer.pipeline.evapotranspiration import evapotranspiration_tables, why_left_out
from paraformer.pipeline.references import references
from paraformer.process.ensemble import Sets, run_sets
from paraformer.process.executor import Executor, Source
from paraformer.surrogate.audit import AuditConfig, audit, perturbed
from paraformer.surrogate.model import Surrogate

logger = logging.getLogger(__name__)

DEFAULT, SINGLE, PER_CELL, TRUTH = "default VIC", "best single θ", "best θ per cell", "true θ"
"""Rows of every table that are not learners."""

_OUTPUTS = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")


@dataclass(frozen=True)
class Judged:
    """Everything the verdict needs.

    Attributes:
        process: the process model as one forward model of all cells.
        source: what gives it chunk by chunk.
        executor: where chunks run.
        fields: θ of searches and learners, one entry a seed.
        runs: process-model runs of the searches and learners that made their own, per seed.
        direct: folder of the trained reference row, ``None`` if the study leaves it out.
        truth: true θ of a built-in world [cell, parameter], else ``None``.
    """

    study: Study
    cube: Cube
    ensemble: Ensemble
    process: ForwardModel
    source: Source
    executor: Executor
    surrogate: Surrogate
    fields: Sequence[ParameterField]
    runs: Mapping[str, int]
    direct: Path | None
    truth: Float[np.ndarray, "cell parameter"] | None


def axes(cube: Cube) -> dict[str, np.ndarray]:
    """Coordinates of archives of this cube's cells and days."""
    return {"cell": cube.cells, "time": cube.time, "lat": cube.lat, "lon": cube.lon}


def holdout_of(cube: Cube) -> Holdout:
    """Observations and holdout of a cube."""
    observed, mask = cube.observed()
    return Holdout(
        cells=cube.cells,
        lat=cube.lat,
        lon=cube.lon,
        observed=observed,
        mask=mask,
        trained=cube.trained,
        train_days=cube.period("train").mask(cube.time),
        test_days=cube.period("test").mask(cube.time),
    )


def judge(case: Judged, path: Path, progress: Progress) -> int:
    """Run VIC with every θ, write every table of ``scores/``; returns the number of process-model runs."""
    study, holdout = case.study, holdout_of(case.cube)
    fields = [*_from_ensemble(case, holdout), *case.fields]
    fields += _transferred(case, fields)
    if case.truth is not None:
        fields.append(ParameterField(TRUTH, -1, case.truth))
    runs = _run_default(case, path, progress) + _run_fields(case, fields, path, progress)
    cells = [
        _score_archive(case, path / "default.zarr", [ParameterField(DEFAULT, -1, None)], holdout),
        _score_archive(case, path / "verdict.zarr", fields, holdout),
    ]
    for name, seed, baseline in references(study, case.cube, holdout, case.direct):
        cells.append(score_cells(name, seed, baseline.simulated, holdout.only(baseline.available), study.evaluation))
    table = pd.concat(cells, ignore_index=True)
    gap = surrogate_gap(table, _score_surrogate(case, fields, holdout))
    scores = aggregate(table)
    write_csv(path / "soil_moisture.csv", scores)
    write_csv(path / "soil_moisture_cells.csv.gz", table)
    write_csv(path / "surrogate_gap.csv", gap)
    write_csv(path / "process_model_runs.csv", _cost(case, fields))
    write_csv(path / "checklist.csv", _checks(case, fields, scores, gap, path / "verdict.zarr"))
    _judge_evapotranspiration(case, fields, holdout, path)
    _judge_signatures(case, fields, holdout, path)
    if case.truth is not None:
        write_csv(path / "recovery.csv", _recovery(case, fields))
    runs += _audit_learned(case, path)
    return runs


def _from_ensemble(case: Judged, holdout: Holdout) -> list[ParameterField]:
    """The best of the ensemble's θ: one for all cells, and each cell's own, by raw RMSE of the training period."""
    variable = case.ensemble.dataset["soil_moisture"]
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
    single = best_single(rmse, scored, case.ensemble.kind, holdout.trained)
    own = best_per_cell(rmse, scored, fallback=single)
    theta = case.ensemble.theta
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


def _outputs(case: Judged) -> tuple[str, ...]:
    """Series the verdict keeps of every run: of a model that is not VIC, those it offers."""
    return tuple(name for name in _OUTPUTS if name in case.process.outputs)


def _run_default(case: Judged, path: Path, progress: Progress) -> int:
    return _run(case, Sets(None), path / "default.zarr", progress)


def _run_fields(case: Judged, fields: Sequence[ParameterField], path: Path, progress: Progress) -> int:
    sets = Sets(stack(fields), attributes={"methods": [f.method for f in fields], "seeds": [f.seed for f in fields]})
    return _run(case, sets, path / "verdict.zarr", progress)


def _run(case: Judged, sets: Sets, path: Path, progress: Progress) -> int:
    return run_sets(
        case.source,
        sets,
        path,
        outputs=_outputs(case),
        axes=axes(case.cube),
        executor=case.executor,
        chunk_cells=case.study.ensemble.chunk_cells,
        progress=progress,
    )


def stack(fields: Iterable[ParameterField]) -> Float[np.ndarray, "cell set parameter"]:
    """θ of several fields as sets of every cell."""
    return np.stack([f.theta for f in fields if f.theta is not None], axis=1)


def _score_archive(case: Judged, path: Path, fields: Sequence[ParameterField], holdout: Holdout) -> pd.DataFrame:
    simulated = xr.open_zarr(path, consolidated=False)["soil_moisture"]
    return pd.concat(
        [
            score_cells(f.method, f.seed, simulated[:, i].values, holdout, case.study.evaluation)
            for i, f in enumerate(fields)
        ],
        ignore_index=True,
    )


def _score_surrogate(case: Judged, fields: Sequence[ParameterField], holdout: Holdout) -> pd.DataFrame:
    simulated = case.surrogate.simulate(stack(fields), ("soil_moisture",))["soil_moisture"]
    return pd.concat(
        [score_cells(f.method, f.seed, simulated[:, i], holdout, case.study.evaluation) for i, f in enumerate(fields)],
        ignore_index=True,
    )


def _judge_evapotranspiration(case: Judged, fields: Sequence[ParameterField], holdout: Holdout, path: Path) -> None:
    """Annual evapotranspiration against every product of the cube; where there is nothing to judge the log says why."""
    missing = why_left_out(case.cube, case.process.outputs)
    if missing is not None:
        logger.info(missing)
        return
    archives = {path / "default.zarr": [(DEFAULT, -1)], path / "verdict.zarr": [(f.method, f.seed) for f in fields]}
    annual, scores = evapotranspiration_tables(case.cube, holdout, archives, "test")
    write_csv(path / "evapotranspiration_cells.csv.gz", annual)
    write_csv(path / "evapotranspiration.csv", scores)


def _judge_signatures(case: Judged, fields: Sequence[ParameterField], holdout: Holdout, path: Path) -> None:
    """Fluxes against the cube's signatures and the true θ's; nothing where there is neither, or the model lacks one."""
    if not set(Fluxes._fields[2:]) <= set(case.process.outputs):
        return
    archives = {path / "default.zarr": [(DEFAULT, -1)], path / "verdict.zarr": [(f.method, f.seed) for f in fields]}
    truth = TRUTH if case.truth is not None else None
    table = judge_signatures(case.cube.dataset, _fluxes(archives), holdout, case.cube.period("test"), truth)
    if len(table):
        write_csv(path / "signatures.csv", table)


def _fluxes(archives: Mapping[Path, Sequence[tuple[str, int]]]) -> Iterator[Fluxes]:
    for path, rows in archives.items():
        store = xr.open_zarr(path, consolidated=False)
        for position, (method, seed) in enumerate(rows):
            yield Fluxes(method, seed, *(store[name][:, position].values for name in Fluxes._fields[2:]))


def _cost(case: Judged, fields: Sequence[ParameterField]) -> pd.DataFrame:
    """Process-model runs (cell x set) each method's θ stands on, its own verdict not counted."""
    kind, n_cells = case.ensemble.kind, len(case.cube.cells)
    own = {SINGLE: int(np.isin(kind, ("prior", "common")).sum()) * n_cells, TRUTH: 0, DEFAULT: 0} | dict(case.runs)
    methods = dict.fromkeys([DEFAULT, *(f.method for f in fields)])
    transfers = case.study.evaluation.transfers
    if transfers is not None and transfers.source in own:
        own |= {transfers.row(by): own[transfers.source] for by in transfers.by}
    rows = [(name, own.get(name, kind.size * n_cells)) for name in methods]
    return pd.DataFrame(rows, columns=["method", "process_model_runs"])


def _checks(
    case: Judged, fields: Sequence[ParameterField], scores: pd.DataFrame, gap: pd.DataFrame, archive: Path
) -> pd.DataFrame:
    """The post-fit checklist of all searches and learners together."""
    limits, space = case.study.evaluation.limits, case.study.space
    simulated, holdout = xr.open_zarr(archive, consolidated=False)["soil_moisture"], holdout_of(case.cube)
    learners = dict.fromkeys(f.method for f in case.fields)
    tables = [
        checklist.surrogate_gaps(gap[gap["method"].isin(learners)], limits),
        checklist.attribute_range(case.cube.attributes(), case.cube.attribute_names, case.cube.trained, limits),
        checklist.unscored_cells(scores, limits),
    ]
    for method in learners:
        theta = np.stack([f.theta for f in fields if f.method == method and f.theta is not None])
        tables.append(checklist.parameters_at_bounds(method, theta.reshape(-1, len(space)), space, limits))
        tables.append(checklist.seed_spread(method, theta, space, limits))
        first = [f.method for f in fields].index(method)
        tables.append(checklist.residual_autocorrelation(method, simulated[:, first].values, holdout, limits))
    return pd.concat([t for t in tables if len(t)], ignore_index=True)


def _recovery(case: Judged, fields: Sequence[ParameterField]) -> pd.DataFrame:
    assert case.truth is not None
    tables = []
    for field in fields:
        if field.theta is not None and field.method != TRUTH:
            found = recovery(field.theta, case.truth, case.study.space, case.cube.trained)
            tables.append(found.assign(method=field.method, seed=field.seed))
    return pd.concat(tables, ignore_index=True)


def _audit_learned(case: Judged, path: Path) -> int:
    """The surrogate's response near the learned θ (first seed), against the process model's (METHOD section 7)."""
    before, rows = case.process.runs, []
    for field in case.fields:
        if field.seed == 0 and field.theta is not None:
            theta, pairs = perturbed(case.study.space, field.theta, AuditConfig(), case.study.seed)
            rows += audit(case.surrogate, case.process, theta, where=f"near {field.method}", pairs=pairs)
    write_json(path / "audit_learned.json", [asdict(row) for row in rows])
    return case.process.runs - before


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically; the same table gives the same bytes, compressed or not."""
    compression: Any = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, compression=compression)
