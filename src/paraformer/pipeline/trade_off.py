"""What a judged study's variables cost each other: the tables of ``scores/`` brought to ``evaluation.trade_off``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from paraformer.config import Study
from paraformer.core.method import Method
from paraformer.core.names import PER_CELL, SINGLE, TRUTH
from paraformer.core.targets_config import TargetsConfig
from paraformer.evaluation.signatures import QUANTITIES
from paraformer.evaluation.trade_off import pareto_table
from paraformer.search.config import BuiltInSearchConfig

MOISTURE, FLOW = "soil_moisture", "streamflow"
_COLUMNS = ["variable", "reference", "unit", "target", "method", "seed", "error"]


def trade_offs(
    study: Study,
    methods: Sequence[Method],
    scores: pd.DataFrame,
    evapotranspiration: pd.DataFrame | None,
    signatures: pd.DataFrame | None,
    streamflow: pd.DataFrame | None,
) -> pd.DataFrame:
    """Soil moisture against every other variable that was judged, ``evaluation.trade_off.COLUMNS``.

    Args:
        methods: in the order of the tables; those with a θ that may be chosen are compared, the true one is not.
        scores, evapotranspiration, signatures, streamflow: tables of ``scores/``; ``None`` where there is none.
    """
    raw = scores[(scores["operator"] == "raw") & (scores["metric"] == "rmse") & (scores["period"] == "test")]
    raw = raw[raw["n_scored"] > 0]
    sums = raw.assign(error=raw["mean"] * raw["n_scored"]).groupby(["method", "seed"], sort=False)
    moisture = (sums["error"].sum() / sums["n_scored"].sum()).rename("error").reset_index()
    judged = [_of_products(evapotranspiration), _of_signatures(signatures), _of_flow(streamflow)]
    found = [table for table in judged if table is not None]
    compared = [m.name for m in methods if m.kind != "truth" and m.process_model_runs is not None]
    return pareto_table(
        moisture,
        pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=_COLUMNS),
        compared,
        {name: learned_from(study, name) for name in compared},
        [name for name in compared if by_inference(study, name)],
    )


def learned_from(study: Study, name: str) -> frozenset[str]:
    """Variables that the θ of a method was learned from, and the products they were compared with."""
    transfers = study.evaluation.transfers
    if transfers is not None and name in {transfers.row(by) for by in transfers.by}:
        name = transfers.source
    if name in study.learners:
        return _named(study.learners[name].targets)
    if name in study.searches:
        search = study.searches[name]
        return _named(search.others) if search.others is not None else frozenset({FLOW if search.of_flow else MOISTURE})
    return frozenset({MOISTURE} if name in (SINGLE, PER_CELL) else ())


def _named(targets: TargetsConfig | None) -> frozenset[str]:
    """Targets that count, and the products they are compared with."""
    if targets is None:
        return frozenset({MOISTURE})
    moisture = {MOISTURE} if targets.soil_moisture > 0 else set()
    flow = {FLOW} if targets.streamflow is not None else set()
    return frozenset({*moisture, *targets.chosen, *targets.references, *flow})


def by_inference(study: Study, name: str) -> bool:
    """Whether θ of a method is the most probable one of a posterior."""
    if name in study.learners:
        return study.learners[name].loss.inference is not None
    search = study.searches.get(name)
    return isinstance(search, BuiltInSearchConfig) and search.loss.inference is not None


def _of_products(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Annual evapotranspiration against products: each has to be learned from to count as learned."""
    if table is None or table.empty:
        return None
    part = table[(table["cells"] == "all") & (table["kind"] == "process model")]
    named = part.assign(
        variable="evapotranspiration",
        unit=QUANTITIES["evapotranspiration"],
        target=part["reference"],
        error=part["rmse"],
    )
    return named[_COLUMNS]


def _of_signatures(table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None or table.empty:
        return None
    part = table[table["cells"] == "all"]
    named = part.assign(
        variable=part["quantity"],
        unit=part["quantity"].map(QUANTITIES),
        target=np.where(part["reference"] == TRUTH, part["quantity"], part["reference"]),
        error=part["rmse"],
    )
    return named[_COLUMNS]


def _of_flow(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """1 - NSE of daily flow, median over the gauges that have one."""
    if table is None or table.empty:
        return None
    part = table[table["period"] == "test"]
    error = 1 - part.groupby(["method", "seed"], sort=False)["nse"].median()
    named = error.rename("error").reset_index().assign(variable=FLOW, reference="gauges", unit="1", target=FLOW)
    return named[_COLUMNS]
