"""Tables of a verdict: scores of every row, the surrogate's gap, costs, the checklist, what else was judged.

No process model runs here, so that a changed setting of the evaluation costs seconds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.files import write_csv
from paraformer.core.names import DEFAULT, SINGLE, TRUTH
from paraformer.core.schema import Cube, Ensemble, ParameterField
from paraformer.evaluation import checklist
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.recovery import recovery
from paraformer.evaluation.score import aggregate, score_cells, surrogate_gap
from paraformer.evaluation.signatures import Fluxes, judge_signatures
from paraformer.pipeline.evapotranspiration import evapotranspiration_tables, why_left_out
from paraformer.pipeline.references import references
from paraformer.pipeline.verdict import DEFAULT_RUNS, RUNS, WATER, judged_fields, stack
from paraformer.surrogate.model import Surrogate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What the tables are made of.

    Attributes:
        path: folder of the verdict.
        methods: searches and learners, in the order of the tables.
        runs: process-model runs of the searches and learners that made their own, per seed.
        direct: folder of the trained reference row, ``None`` if the study leaves it out.
        truth: true θ of a built-in world [cell, parameter], else ``None``.
    """

    study: Study
    cube: Cube
    ensemble: Ensemble
    surrogate: Surrogate
    path: Path
    methods: Sequence[str]
    runs: Mapping[str, int]
    direct: Path | None
    truth: Float[np.ndarray, "cell parameter"] | None

    @property
    def archives(self) -> dict[Path, list[tuple[str, int]]]:
        """Archives of runs, and which method and seed each of their sets is."""
        rows = [(f.method, f.seed) for f in judged_fields(self.path)]
        return {self.path / DEFAULT_RUNS: [(DEFAULT, -1)], self.path / RUNS: rows}

    @property
    def outputs(self) -> set[str]:
        """Series that the process model gave."""
        return {str(name) for name in xr.open_zarr(self.path / RUNS, consolidated=False).data_vars}


def write_scores(case: Verdict, path: Path) -> None:
    """Write every table of ``scores/``."""
    study, holdout = case.study, holdout_of(case.cube)
    fields = judged_fields(case.path)
    cells = [_score_archive(archive, rows, holdout, study) for archive, rows in case.archives.items()]
    for name, seed, baseline in references(study, case.cube, holdout, case.direct):
        cells.append(score_cells(name, seed, baseline.simulated, holdout.only(baseline.available), study.evaluation))
    table = pd.concat(cells, ignore_index=True)
    gap = surrogate_gap(table, _score_surrogate(case, fields, holdout))
    scores = aggregate(table)
    write_csv(path / "soil_moisture.csv", scores)
    write_csv(path / "soil_moisture_cells.csv.gz", table)
    write_csv(path / "surrogate_gap.csv", gap)
    write_csv(path / "process_model_runs.csv", _cost(case, fields))
    write_csv(path / "checklist.csv", _checks(case, fields, scores, gap))
    _judge_evapotranspiration(case, holdout, path)
    _judge_signatures(case, holdout, path)
    if case.truth is not None:
        write_csv(path / "recovery.csv", _recovery(case, fields))


def _score_archive(path: Path, rows: Sequence[tuple[str, int]], holdout: Holdout, study: Study) -> pd.DataFrame:
    simulated = xr.open_zarr(path, consolidated=False)["soil_moisture"]
    return pd.concat(
        [
            score_cells(method, seed, simulated[:, i].values, holdout, study.evaluation)
            for i, (method, seed) in enumerate(rows)
        ],
        ignore_index=True,
    )


def _score_surrogate(case: Verdict, fields: Sequence[ParameterField], holdout: Holdout) -> pd.DataFrame:
    simulated = case.surrogate.simulate(stack(fields), ("soil_moisture",))["soil_moisture"]
    return pd.concat(
        [score_cells(f.method, f.seed, simulated[:, i], holdout, case.study.evaluation) for i, f in enumerate(fields)],
        ignore_index=True,
    )


def _judge_evapotranspiration(case: Verdict, holdout: Holdout, path: Path) -> None:
    """Annual evapotranspiration against every product of the cube; where there is nothing to judge the log says why."""
    missing = why_left_out(case.cube, case.outputs)
    if missing is not None:
        logger.info(missing)
        return
    annual, scores = evapotranspiration_tables(case.cube, holdout, case.archives, "test")
    write_csv(path / "evapotranspiration_cells.csv.gz", annual)
    write_csv(path / "evapotranspiration.csv", scores)


def _judge_signatures(case: Verdict, holdout: Holdout, path: Path) -> None:
    """Fluxes against the cube's signatures and the true θ's; nothing where there is neither, or the model lacks one."""
    if not set(Fluxes._fields[2:]) <= case.outputs:
        return
    truth = TRUTH if case.truth is not None else None
    table = judge_signatures(case.cube.dataset, _fluxes(case.archives), holdout, case.cube.period("test"), truth)
    if len(table):
        write_csv(path / "signatures.csv", table)


def _fluxes(archives: Mapping[Path, Sequence[tuple[str, int]]]) -> Iterator[Fluxes]:
    for path, rows in archives.items():
        store = xr.open_zarr(path, consolidated=False)
        for position, (method, seed) in enumerate(rows):
            yield Fluxes(method, seed, *(store[name][:, position].values for name in Fluxes._fields[2:]))


def _cost(case: Verdict, fields: Sequence[ParameterField]) -> pd.DataFrame:
    """Process-model runs (cell x set) each method's θ stands on, its own verdict not counted."""
    kind, n_cells = case.ensemble.kind, len(case.cube.cells)
    own = {SINGLE: int(np.isin(kind, ("prior", "common")).sum()) * n_cells, TRUTH: 0, DEFAULT: 0} | dict(case.runs)
    methods = dict.fromkeys([DEFAULT, *(f.method for f in fields)])
    transfers = case.study.evaluation.transfers
    if transfers is not None and transfers.source in own:
        own |= {transfers.row(by): own[transfers.source] for by in transfers.by}
    rows = [(name, own.get(name, kind.size * n_cells)) for name in methods]
    return pd.DataFrame(rows, columns=["method", "process_model_runs"])


def _checks(case: Verdict, fields: Sequence[ParameterField], scores: pd.DataFrame, gap: pd.DataFrame) -> pd.DataFrame:
    """The post-fit checklist of all searches and learners together."""
    limits, space = case.study.evaluation.limits, case.study.space
    simulated = xr.open_zarr(case.path / RUNS, consolidated=False)["soil_moisture"]
    holdout, learners = holdout_of(case.cube), list(case.methods)
    tables = [
        checklist.surrogate_gaps(gap[gap["method"].isin(learners)], limits),
        checklist.attribute_range(case.cube.attributes(), case.cube.attribute_names, case.cube.trained, limits),
        checklist.unscored_cells(scores, limits),
    ]
    if (case.path / WATER).exists():
        water = json.loads((case.path / WATER).read_text(encoding="utf-8"))
        tables.append(checklist.water_balance(water["millimetres"], water["share"], water["runs"]))
    for method in learners:
        theta = np.stack([f.theta for f in fields if f.method == method and f.theta is not None])
        tables.append(checklist.parameters_at_bounds(method, theta.reshape(-1, len(space)), space, limits))
        tables.append(checklist.seed_spread(method, theta, space, limits))
        first = [f.method for f in fields].index(method)
        tables.append(checklist.residual_autocorrelation(method, simulated[:, first].values, holdout, limits))
    return pd.concat([t for t in tables if len(t)], ignore_index=True)


def _recovery(case: Verdict, fields: Sequence[ParameterField]) -> pd.DataFrame:
    assert case.truth is not None
    tables = []
    for field in fields:
        if field.theta is not None and field.method != TRUTH:
            found = recovery(field.theta, case.truth, case.study.space, case.cube.trained)
            tables.append(found.assign(method=field.method, seed=field.seed))
    return pd.concat(tables, ignore_index=True)
