"""Tables of a verdict: scores of every row, the surrogate's gap, costs, the checklist, what else was judged.

No process model runs here, so that a changed setting of the evaluation costs seconds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.files import write_csv
from paraformer.core.method import Method
from paraformer.core.names import DEFAULT, TRUTH
from paraformer.core.netcdf import write_dataset
from paraformer.core.run_files import (
    ANNUAL,
    CELLS,
    CHECKLIST,
    DEFAULT_RUNS,
    DISCHARGE,
    EVAPOTRANSPIRATION,
    GAP,
    METHODS,
    PARETO,
    RECOVERY,
    RUNS,
    SCORES,
    SIGNATURES,
    STREAMFLOW,
    SUMMARY,
    WATER,
)
from paraformer.core.schema import Cube, Ensemble, ParameterField
from paraformer.evaluation import checklist
from paraformer.evaluation.gauges import Flow, judge_flow
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.recovery import recovery
from paraformer.evaluation.score import aggregate, joined, score_cells, summarise, surrogate_gap, together
from paraformer.evaluation.signatures import Fluxes, judge_signatures
from paraformer.pipeline.evapotranspiration import evapotranspiration_tables, why_left_out
from paraformer.pipeline.methods import methods_of
from paraformer.pipeline.references import references
from paraformer.pipeline.streamflow import River, Routing, gauge_set, no_routing
from paraformer.pipeline.trade_off import trade_offs
from paraformer.pipeline.verdict import judged_fields, stack
from paraformer.routing.basins import RiverBasins
from paraformer.surrogate.model import Surrogate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What the tables are made of.

    Attributes:
        path: folder of the verdict.
        surrogate_folder: of the surrogate, from the run directory.
        runs: process-model runs of the searches and learners that made their own, per seed.
        direct: folder of the trained reference row, ``None`` if the study leaves it out.
        truth: true θ of a built-in world [cell, parameter], else ``None``.
        river, basins: where flow is judged.
        routing: times of travel that a seed of a method has learned.
    """

    study: Study
    cube: Cube
    ensemble: Ensemble | None
    surrogate: Surrogate | None
    surrogate_folder: str
    path: Path
    runs: Mapping[str, int]
    direct: Path | None
    truth: Float[np.ndarray, "cell parameter"] | None
    river: River | None = None
    basins: RiverBasins | None = None
    routing: Routing = no_routing

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
    """Write every file of ``scores/`` (``core.run_files``), methods in the order of the tables."""
    study, holdout = case.study, holdout_of(case.cube)
    fields = judged_fields(case.path)
    if not study.moisture:
        methods = methods_of(study, case.ensemble, fields, [], case.runs)
        _write_methods(methods, path)
        order = [method.name for method in methods]
        _judge_streamflow(case, order, path)
        if case.truth is not None:
            write_csv(path / RECOVERY, in_order(_recovery(case, fields), order))
        return
    assert case.surrogate is not None
    rows = [row for archive, of in case.archives.items() for row in _score_archive(archive, of, holdout, study)]
    names = []
    for name, seed, baseline in references(case.cube, holdout, case.direct):
        rows.append(score_cells(name, seed, baseline.simulated, holdout.only(baseline.available), study.evaluation))
        names.append((name, seed))
    methods = methods_of(study, case.ensemble, fields, names, case.runs)
    order = [method.name for method in methods]
    cells = joined(sorted(rows, key=lambda row: order.index(row["method"].item())))
    gap = surrogate_gap(cells, _score_surrogate(case, fields, holdout))
    scores = aggregate(cells)
    _write_methods(methods, path)
    _write_cells(case, cells, path)
    write_csv(path / SCORES, scores)
    ensembles = pd.concat(_together(case, cells, holdout), ignore_index=True)
    write_csv(path / SUMMARY, summarise(scores).merge(ensembles, how="left"))
    write_csv(path / GAP, in_order(gap, order))
    write_csv(path / CHECKLIST, _checks(case, fields, scores, gap))
    others = (
        _judge_evapotranspiration(case, holdout, order, path),
        _judge_signatures(case, holdout, order, path),
        _judge_streamflow(case, order, path),
    )
    front = trade_offs(study, methods, scores, *others)
    if len(front):
        write_csv(path / PARETO, front)
    if case.truth is not None:
        write_csv(path / RECOVERY, in_order(_recovery(case, fields), order))


def _write_methods(methods: Sequence[Method], path: Path) -> None:
    table = pd.DataFrame(methods).rename(columns={"name": "method"})
    write_csv(path / METHODS, table.astype({"process_model_runs": "Int64"}))


def _judge_streamflow(case: Verdict, order: Sequence[str], path: Path) -> pd.DataFrame | None:
    """Flow at every gauge by every row, each through the times of travel that it has learned; the table."""
    if case.river is None or case.basins is None:
        return None
    table, series = judge_flow(gauge_set(case.river, case.basins, case.cube), _flows(case, case.basins))
    write_csv(path / STREAMFLOW, in_order(table, order))
    packed = {"zlib": True, "complevel": 4, "shuffle": True, "_FillValue": np.float32(np.nan)}
    write_dataset(series, path / DISCHARGE, encoding={"simulated": packed, "observed": packed})
    return table


def _flows(case: Verdict, basins: RiverBasins) -> Iterator[Flow]:
    for path, rows in case.archives.items():
        store = xr.open_zarr(path, consolidated=False)
        for position, (method, seed) in enumerate(rows):
            runoff, baseflow = (store[name][:, position].values.astype(np.float64) for name in ("runoff", "baseflow"))
            yield Flow(method, seed, basins.flows(runoff, baseflow, case.routing(method, seed)))


def in_order(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The lines with methods in the given order, others behind; lines of one method keep theirs."""
    place = {method: i for i, method in enumerate(methods)}
    rank = table["method"].map(lambda method: place.get(method, len(place)))
    return table.iloc[np.argsort(rank.to_numpy(dtype=np.int64), kind="stable")].reset_index(drop=True)


def _write_cells(case: Verdict, cells: xr.Dataset, path: Path) -> None:
    """Scores of cells as netCDF, a chunk for each row, operator and period."""
    told = {
        "Conventions": "CF-1.8",
        "title": "Scores of soil moisture in every cell",
        "min_days": case.study.evaluation.min_days,
        "surrogate": case.surrogate_folder,
        "left_out": why_left_out(case.cube, case.outputs) or "",
    }
    sizes = cells["score"].shape
    packed: dict[str, Any] = {"zlib": True, "complevel": 4, "shuffle": True, "_FillValue": np.nan}
    encoding = {"score": {**packed, "chunksizes": (1, 1, 1, *sizes[3:])}}
    encoding |= {name: {**packed, "chunksizes": (1, 1, sizes[4])} for name in ("gain", "offset")}
    write_dataset(cells.assign_attrs(told), path / CELLS, encoding=encoding)


def _score_archive(path: Path, rows: Sequence[tuple[str, int]], holdout: Holdout, study: Study) -> Iterator[xr.Dataset]:
    simulated = xr.open_zarr(path, consolidated=False)["soil_moisture"]
    for i, (method, seed) in enumerate(rows):
        yield score_cells(method, seed, simulated[:, i].values, holdout, study.evaluation)


def _together(case: Verdict, cells: xr.Dataset, holdout: Holdout) -> Iterator[pd.DataFrame]:
    """Every method's seeds as one ensemble."""
    for path, rows in case.archives.items():
        simulated, of = xr.open_zarr(path, consolidated=False)["soil_moisture"], np.array([name for name, _ in rows])
        for method in dict.fromkeys(of.tolist()):
            seeds = simulated[:, np.flatnonzero(of == method)].values
            own = cells.isel(row=np.flatnonzero(cells["method"].values == method))
            yield together(method, seeds, own, holdout, case.study.evaluation)


def _score_surrogate(case: Verdict, fields: Sequence[ParameterField], holdout: Holdout) -> xr.Dataset:
    assert case.surrogate is not None
    simulated = case.surrogate.simulate(stack(fields), ("soil_moisture",))["soil_moisture"]
    each = enumerate(fields)
    return joined([score_cells(f.method, f.seed, simulated[:, i], holdout, case.study.evaluation) for i, f in each])


def _judge_evapotranspiration(case: Verdict, holdout: Holdout, order: Sequence[str], path: Path) -> pd.DataFrame | None:
    """Annual evapotranspiration against every product of the cube, its table; where there is nothing to judge the log
    says why."""
    missing = why_left_out(case.cube, case.outputs)
    if missing is not None:
        logger.info(missing)
        return None
    judged = evapotranspiration_tables(case.cube, holdout, case.archives, "test")
    if judged is None:
        return None
    annual, scores = judged
    write_dataset(annual, path / ANNUAL)
    write_csv(path / EVAPOTRANSPIRATION, in_order(scores, order))
    return scores


def _judge_signatures(case: Verdict, holdout: Holdout, order: Sequence[str], path: Path) -> pd.DataFrame | None:
    """Fluxes against the cube's signatures and the true θ's; nothing where there is neither, or the model lacks one."""
    if not set(Fluxes._fields[2:]) <= case.outputs:
        return None
    truth = TRUTH if case.truth is not None else None
    table = judge_signatures(case.cube.dataset, _fluxes(case.archives), holdout, case.cube.period("test"), truth)
    if len(table):
        write_csv(path / SIGNATURES, in_order(table, order))
    return table


def _fluxes(archives: Mapping[Path, Sequence[tuple[str, int]]]) -> Iterator[Fluxes]:
    for path, rows in archives.items():
        store = xr.open_zarr(path, consolidated=False)
        for position, (method, seed) in enumerate(rows):
            yield Fluxes(method, seed, *(store[name][:, position].values for name in Fluxes._fields[2:]))


def _checks(case: Verdict, fields: Sequence[ParameterField], scores: pd.DataFrame, gap: pd.DataFrame) -> pd.DataFrame:
    """The post-fit checklist of all searches and learners together."""
    space = case.study.space
    simulated = xr.open_zarr(case.path / RUNS, consolidated=False)["soil_moisture"]
    holdout, learners = holdout_of(case.cube), list(case.study.calibrators)
    tables = [
        checklist.surrogate_gaps(gap[gap["method"].isin(learners)]),
        checklist.attribute_range(case.cube.attributes(), case.cube.attribute_names, case.cube.trained),
        checklist.unscored_cells(scores),
    ]
    if (case.path / WATER).exists():
        water = json.loads((case.path / WATER).read_text(encoding="utf-8"))
        tables.append(checklist.water_balance(water["millimetres"], water["share"], water["runs"]))
    for method in learners:
        theta = np.stack([f.theta for f in fields if f.method == method and f.theta is not None])
        tables.append(checklist.parameters_at_bounds(method, theta.reshape(-1, len(space)), space))
        tables.append(checklist.seed_spread(method, theta, space))
        first = [f.method for f in fields].index(method)
        tables.append(checklist.residual_autocorrelation(method, simulated[:, first].values, holdout))
    return pd.concat([t for t in tables if len(t)], ignore_index=True)


def _recovery(case: Verdict, fields: Sequence[ParameterField]) -> pd.DataFrame:
    assert case.truth is not None
    tables = []
    for field in fields:
        if field.theta is not None and field.method != TRUTH:
            found = recovery(field.theta, case.truth, case.study.space, case.cube.trained)
            tables.append(found.assign(method=field.method, seed=field.seed))
    return pd.concat(tables, ignore_index=True)
