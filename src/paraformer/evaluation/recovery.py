"""Parameter recovery in twin worlds, where the true θ is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from paraformer.core.parameters import ParameterSpace

RECOVERY_COLUMNS = ("parameter", "cells", "pearson", "spearman", "rmse", "n")
"""``rmse`` is in unit coordinates, where every parameter runs over [0, 1]."""


def recovery(
    theta: Float[np.ndarray, "cell parameter"],
    truth: Float[np.ndarray, "cell parameter"],
    space: ParameterSpace,
    trained: Bool[np.ndarray, " cell"],
) -> pd.DataFrame:
    """Agreement of a found θ with the true one, over trained and over unseen cells.

    Pearson's correlation and the RMSE are taken in unit coordinates (logarithmic where the parameter is), Spearman's
    on ranks. A correlation is NaN where either side is the same in all cells, or there are fewer than three.

    Args:
        theta: found parameters, physical units.
        truth: true parameters, physical units.
        space: names, bounds and transforms.
        trained: cells learned from.

    Returns:
        DataFrame with ``RECOVERY_COLUMNS``, one row per parameter and group of cells.
    """
    found, true = space.to_unit(theta), space.to_unit(truth)
    rows = []
    for i, name in enumerate(space.names):
        for cells, mask in (("trained", trained), ("unseen", ~trained)):
            if not mask.any():
                continue
            a, b = found[mask, i], true[mask, i]
            defined = len(a) >= 3 and np.ptp(a) > 1e-12 and np.ptp(b) > 1e-12
            pearson = stats.pearsonr(a, b).statistic if defined else np.nan
            spearman = stats.spearmanr(a, b).statistic if defined else np.nan
            rows.append((name, cells, pearson, spearman, np.sqrt(np.mean((a - b) ** 2)), len(a)))
    return pd.DataFrame(rows, columns=list(RECOVERY_COLUMNS))
