"""The Pareto front: which methods no other method beats in soil moisture and in another variable at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

COLUMNS = (
    "variable",
    "reference",
    "unit",
    "method",
    "seeds",
    "soil_moisture",
    "soil_moisture_std",
    "error",
    "error_std",
    "front",
    "inference",
    "learned",
    "learned_soil_moisture",
)
"""Columns of ``scores/pareto.csv``. ``soil_moisture``: RMSE of raw soil moisture [m3 m-3], mean over cells and seeds.
``error``: RMSE of the variable over cells in its ``unit``, mean over seeds; of streamflow 1 - NSE, median over gauges.
``..._std``: standard deviation over seeds. ``front``: no other method is better in one of the two and as good in the
other. ``inference``: found by ``loss.inference``. ``learned``, ``learned_soil_moisture``: θ was learned from the
variable, from soil moisture; one that was not is judged on what it left out."""


def not_dominated(points: Float[np.ndarray, "method criterion"]) -> Bool[np.ndarray, " method"]:
    """Points that make the Pareto front: none other is at most as large in every criterion and smaller in one.

    Equal points stand or fall together; one with a NaN is never on the front and beats none.
    """
    known = np.isfinite(points).all(axis=1)
    at_most = (points[None] <= points[:, None]).all(axis=2)
    smaller = (points[None] < points[:, None]).any(axis=2)
    return known & ~(at_most & smaller & known[None]).any(axis=1)


def pareto_table(
    moisture: pd.DataFrame,
    judged: pd.DataFrame,
    order: Collection[str],
    learned: Mapping[str, Collection[str]],
    inferred: Collection[str],
) -> pd.DataFrame:
    """Every pair of soil moisture and another variable, ``COLUMNS``, methods in the given order.

    Args:
        moisture: columns ``method, seed, error``: RMSE of raw soil moisture [m3 m-3].
        judged: columns ``variable, reference, unit, target, method, seed, error``; ``target`` is what θ has to be
            learned from if the variable is not left out: the variable itself, or the one product of it.
        order: methods that are compared; others are left out.
        learned: what a method's θ was learned from: names of variables, ``soil_moisture`` among them, and of products.
        inferred: methods that count by inference.
    """
    tables, x = [], _over_seeds(moisture)
    keys = ["variable", "reference", "unit", "target"]
    for (variable, reference, unit, target), part in judged.groupby(keys, sort=False):
        y = _over_seeds(part)
        names = [name for name in order if name in x.index and name in y.index]
        if not names:
            continue
        one, other = x.loc[names], y.loc[names]
        tables.append(
            pd.DataFrame(
                {
                    "variable": variable,
                    "reference": reference,
                    "unit": unit,
                    "method": names,
                    "seeds": other["seeds"].to_numpy(),
                    "soil_moisture": one["mean"].to_numpy(),
                    "soil_moisture_std": one["std"].to_numpy(),
                    "error": other["mean"].to_numpy(),
                    "error_std": other["std"].to_numpy(),
                    "front": not_dominated(np.stack([one["mean"], other["mean"]], axis=1)),
                    "inference": [name in inferred for name in names],
                    "learned": [str(target) in learned.get(name, ()) for name in names],
                    "learned_soil_moisture": ["soil_moisture" in learned.get(name, ()) for name in names],
                }
            )
        )
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and number of seeds of every method; NaN where a seed has no score."""
    groups = table.groupby("method", sort=False)["error"]
    found = groups.agg(mean=lambda values: values.to_numpy().mean(), std="std", seeds="size")
    return found.astype({"mean": float})
