"""Post-fit checks: what a careful reader would look at before believing a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from paraformer.core.parameters import ParameterSpace
from paraformer.evaluation.config import ChecklistLimits

CHECK_COLUMNS = ("check", "method", "subject", "found", "limit", "passed", "message")
"""One row per check and subject (a parameter, an attribute, a part of the score table)."""


def parameters_at_bounds(
    method: str, theta: Float[np.ndarray, "cell parameter"], space: ParameterSpace, limits: ChecklistLimits
) -> pd.DataFrame:
    """Share of cells whose parameter lies at a bound: the bounds, not the data, then decide its value."""
    unit = space.to_unit(theta)
    rows = []
    for i, name in enumerate(space.names):
        low = float((unit[:, i] <= limits.bound_distance).mean())
        high = float((unit[:, i] >= 1 - limits.bound_distance).mean())
        rows.append(_row("parameter at its bounds", method, name, low + high, limits.bound_share,
                         f"{low:.0%} of cells at the lower, {high:.0%} at the upper bound"))  # fmt: skip
    return _table(rows)


def surrogate_gaps(gap: pd.DataFrame, limits: ChecklistLimits) -> pd.DataFrame:
    """Raw test RMSE by the process model less that by the surrogate: a large gap means θ exploits the surrogate.

    Args:
        gap: the table of ``score.surrogate_gap``.
    """
    chosen = gap[(gap["operator"] == "raw") & (gap["metric"] == "rmse") & (gap["period"] == "test")]
    rows = [
        _row("surrogate gap", row.method, f"{row.cells} cells, seed {row.seed}", abs(row.difference),
             limits.surrogate_gap,
             f"raw RMSE {row.process_model:.4f} by the process model, {row.surrogate:.4f} by the surrogate")
        for row in chosen.itertuples()
    ]  # fmt: skip
    return _table(rows)


def attribute_range(
    attributes: Float[np.ndarray, "cell attribute"],
    names: Sequence[str],
    trained: Bool[np.ndarray, " cell"],
    limits: ChecklistLimits,
) -> pd.DataFrame:
    """Share of unseen cells with an attribute outside the range of the trained cells: there a learner extrapolates."""
    if trained.all():
        return _table([])
    known, new = attributes[trained], attributes[~trained]
    outside = ((new < known.min(axis=0)) | (new > known.max(axis=0))).mean(axis=0)
    rows = [
        _row("unseen cells outside the trained range", "", name, float(share), limits.attribute_share,
             f"{share:.0%} of unseen cells outside [{low:.4g}, {high:.4g}]")
        for name, share, low, high in zip(names, outside, known.min(axis=0), known.max(axis=0), strict=True)
    ]  # fmt: skip
    return _table(rows)


def unscored_cells(scores: pd.DataFrame, limits: ChecklistLimits) -> pd.DataFrame:
    """Share of cells that have no score at all in the test period, per method and group of cells.

    Judged by RMSE: a missing PCC beside it says that a simulation is constant, as the training mean's is on purpose.
    """
    rows = []
    chosen = scores[(scores["period"] == "test") & (scores["metric"] == "rmse")]
    chosen = chosen.drop_duplicates(["method", "cells"])
    for row in chosen.itertuples():
        total = row.n_scored + row.n_unscored
        rows.append(_row("unscored cells", row.method, f"{row.cells} cells", row.n_unscored / total,
                         limits.unscored_share, f"{row.n_unscored} of {total} cells have no score"))  # fmt: skip
    return _table(rows)


def seed_spread(
    method: str, theta: Float[np.ndarray, "seed cell parameter"], space: ParameterSpace, limits: ChecklistLimits
) -> pd.DataFrame:
    """Median over cells of θ's standard deviation over seeds: a wide one means the data do not identify θ.

    In unit coordinates; a uniform random θ has 0.29. Needs at least two seeds, else the table is empty.
    """
    if len(theta) < 2:
        return _table([])
    spread = np.median(space.to_unit(theta).std(axis=0, ddof=1), axis=0)
    rows = [
        _row("spread over seeds", method, name, float(value), limits.seed_spread,
             f"median standard deviation over {len(theta)} seeds is {value:.3f} of the parameter's range")
        for name, value in zip(space.names, spread, strict=True)
    ]  # fmt: skip
    return _table(rows)


def _row(check: str, method: str, subject: str, found: float, limit: float, message: str) -> tuple:
    return check, method, subject, found, limit, bool(found <= limit), message


def _table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))
