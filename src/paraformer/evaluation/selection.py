"""Choosing among the parameter sets of an ensemble by their raw RMSE in the training period."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.core.errors import DataError
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.scores import MIN_DAYS, accumulate, finish


def training_rmse(
    simulated: Float[np.ndarray, "cell set time"], holdout: Holdout, *, min_days: int = MIN_DAYS
) -> tuple[Float[np.ndarray, "cell set"], Bool[np.ndarray, " cell"]]:
    """Raw RMSE [m3 m-3] of every set in the training period, and which cells have one.

    Cells are independent, so a caller may work through a large ensemble in chunks of cells and concatenate.

    Raises:
        DataError: if the ensemble's cells or days are not the holdout's.
    """
    if simulated.shape[::2] != holdout.mask.shape:
        raise DataError(f"ensemble has shape {simulated.shape} [cell, set, time], observations {holdout.mask.shape}")
    days = holdout.train_days
    observed, mask = holdout.observed[:, days], holdout.mask[:, days]
    rmse = np.empty(simulated.shape[:2])
    scored = np.zeros(len(mask), dtype=bool)
    for i in range(simulated.shape[1]):
        scores = finish(accumulate(simulated[:, i, days], observed, mask), min_days=min_days)
        rmse[:, i], scored = scores.values["rmse"], scores.scored["rmse"]
    return rmse, scored


def best_single(
    rmse: Float[np.ndarray, "cell set"],
    scored: Bool[np.ndarray, " cell"],
    kind: np.ndarray,
    trained: Bool[np.ndarray, " cell"],
) -> int:
    """Position of the one set for all cells with the lowest mean RMSE over the trained, scored cells.

    Only sets of kind ``prior`` or ``common`` are the same rule in every cell and may be chosen.

    Raises:
        DataError: if there is no such set or no scored trained cell.
    """
    cells = scored & trained
    candidates = np.flatnonzero(np.isin(kind, ("prior", "common")))
    if not candidates.size or not cells.any():
        raise DataError("no set can serve all cells: the ensemble has no common set, or no trained cell is scored")
    return int(candidates[np.argmin(rmse[cells][:, candidates].mean(axis=0))])


def best_per_cell(
    rmse: Float[np.ndarray, "cell set"], scored: Bool[np.ndarray, " cell"], fallback: int
) -> Int[np.ndarray, " cell"]:
    """Position of each cell's best set, all kinds allowed; ``fallback`` (the best single one) in unscored cells.

    Unseen cells choose by their own training-period observations: this row is a search, not a transfer.
    """
    return np.where(scored, np.argmin(np.where(scored[:, None], rmse, 0.0), axis=1), fallback)
