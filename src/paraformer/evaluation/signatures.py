"""Evapotranspiration, runoff ratio and baseflow index of θ that may never have seen them, over whole test years.

Against signatures of the cube (``runoff_ratio_*``, ``baseflow_index_*``) and, in a built-in world, against those of the
true θ. Evapotranspiration against products has a table of its own (``evapotranspiration``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float

from paraformer.core.time import Period
from paraformer.evaluation.evapotranspiration import SCORE_COLUMNS, Annual, score_table, whole_years
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.totals import baseflow_index, runoff_ratio

QUANTITIES = {"evapotranspiration": "mm year-1", "runoff_ratio": "1", "baseflow_index": "1"}
"""What is judged, and its unit."""

COLUMNS = ("quantity", *SCORE_COLUMNS)
"""Columns of ``scores/signatures.csv``; RMSE, bias and means in the unit of the quantity, over cells."""

LEAST_RUNOFF = 1.0
"""Mean annual runoff [mm] below which a cell has no baseflow index."""


class Fluxes(NamedTuple):
    """Simulated daily fluxes of one method and seed [mm day-1]."""

    method: str
    seed: int
    evapotranspiration: Float[np.ndarray, "cell time"]
    runoff: Float[np.ndarray, "cell time"]
    baseflow: Float[np.ndarray, "cell time"]


def judge_signatures(
    dataset: xr.Dataset, runs: Iterable[Fluxes], holdout: Holdout, period: Period, truth: str | None
) -> pd.DataFrame:
    """Scores over cells of every run and quantity, ``COLUMNS``; no row without anything to compare with.

    Args:
        dataset: the cube's variables: ``prcp (cell, time)`` [mm day-1] and references ``(cell)``.
        period: its whole years count.
        truth: the method that is the truth; none in a world that has no known one.
    """
    years = whole_years(dataset["time"].values.astype("datetime64[D]"), period)
    if years is None:
        return pd.DataFrame(columns=list(COLUMNS))
    rain = torch.as_tensor(dataset["prcp"].values[:, years.days].astype(np.float64))
    fields: dict[str, list[Annual]] = {name: [] for name in QUANTITIES}
    for run in runs:
        series = (values[:, years.days].astype(np.float64) for values in run[2:])
        evaporated, runoff, baseflow = (torch.as_tensor(values) for values in series)
        wet = ((runoff + baseflow).sum(1) / years.number).numpy() > LEAST_RUNOFF
        everywhere = np.ones(len(wet), dtype=bool)
        found = (
            ("evapotranspiration", evaporated.sum(1) / years.number, everywhere),
            ("runoff_ratio", runoff_ratio(runoff, baseflow, rain), everywhere),
            ("baseflow_index", baseflow_index(runoff, baseflow), wet),
        )
        for name, values, known in found:
            fields[name].append(Annual("process model", run.method, run.seed, values.numpy(), known))
    tables = []
    for name, each in fields.items():
        references = [*_references(dataset, name), *(f._replace(kind="truth") for f in each if f.method == truth)]
        table = score_table([f for f in each if f.method != truth], references, holdout, years.period)
        tables.append(table.assign(quantity=name))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _references(dataset: xr.Dataset, quantity: str) -> list[Annual]:
    """Signatures of the cube; evapotranspiration's products are judged elsewhere."""
    names = [] if quantity == "evapotranspiration" else sorted(map(str, dataset.data_vars))
    values = {name: dataset[name].values.astype(np.float64) for name in names if name.startswith(f"{quantity}_")}
    return [Annual("reference", name, -1, np.nan_to_num(v), np.isfinite(v)) for name, v in values.items()]
