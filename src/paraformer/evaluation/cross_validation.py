"""Spatial block cross-validation: which learner to take, by blocks of trained cells that it did not learn from.

Blocks, not single cells, because neighbours resemble each other and would flatter every map (Roberts et al. 2017,
Ecography 40, 913-929, doi 10.1111/ecog.02881). Neither an unseen cell nor a day of the test period has a say, so that
both still judge the learner that was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from paraformer.evaluation.compare import MIN_BLOCKS, block_bootstrap, tiles
from paraformer.evaluation.holdout import Holdout
from paraformer.numerics.scores import accumulate, finish

CELL_COLUMNS = ("cell", "lat", "lon", "fold", "rmse")
"""Of the scores of one learner; ``rmse`` is NaN in a cell that is not scored."""

COLUMNS = ("method", "own_days", "n_cells", "rmse", "behind", "p")
"""Of the table of learners, the best first: ``own_days`` says whether it reads the observed days of the cells that are
kept aside, ``behind`` is its mean RMSE less that of the first [m3 m-3], ``p`` the chance of such a difference."""


def score_kept(
    simulated: Float[np.ndarray, "cell day"], holdout: Holdout, folds: Int[np.ndarray, " cell"], *, min_days: int
) -> pd.DataFrame:
    """Raw RMSE of the training period in every cell that was kept aside once, ``CELL_COLUMNS``.

    Args:
        simulated: volumetric soil moisture [m3 m-3] of the cells and the training days of ``holdout``, with θ of a map
            that did not learn from them.
        folds: the fold in which each cell was kept aside; -1 for cells that never were.
        min_days: observed days that a cell needs.
    """
    kept = folds >= 0
    observed, mask = (series[kept][:, holdout.train_days] for series in (holdout.observed, holdout.mask))
    scores = finish(accumulate(simulated[kept], observed, mask), min_days=min_days)
    table = {"cell": holdout.cells[kept], "lat": holdout.lat[kept], "lon": holdout.lon[kept], "fold": folds[kept]}
    return pd.DataFrame({**table, "rmse": scores.values["rmse"]})[list(CELL_COLUMNS)]


def ranking(cells: Mapping[str, pd.DataFrame], own_days: Mapping[str, bool], *, degrees: float) -> pd.DataFrame:
    """The table of learners, ``COLUMNS``, over the cells that are scored for all of them.

    The p-value is of a bootstrap that draws blocks; NaN for the first, and where there are fewer than ``MIN_BLOCKS``.

    Args:
        cells: the scores of each learner in the same cells, ``CELL_COLUMNS``.
        own_days: whether each learner reads observations of the cells it is asked for.
        degrees: side of the blocks.
    """
    first = next(iter(cells.values()))
    rmse = np.stack([table["rmse"].to_numpy() for table in cells.values()])
    scored = np.isfinite(rmse).all(axis=0)
    block = tiles(first["lat"].to_numpy()[scored], first["lon"].to_numpy()[scored], degrees)
    means = rmse[:, scored].mean(axis=1) if scored.any() else np.full(len(rmse), np.nan)
    rows, names, order = [], list(cells), np.argsort(means, kind="stable")
    for at in order:
        difference, p = (rmse[at] - rmse[order[0]])[scored], np.nan
        if at != order[0] and block.size and block.max() + 1 >= MIN_BLOCKS:
            p = block_bootstrap(difference, block).p
        behind = means[at] - means[order[0]]
        rows.append((names[at], own_days[names[at]], int(scored.sum()), means[at], behind, p))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is printed."""
    words = {"rmse": "{:.4f}", "behind": "{:.4f}", "p": "{:.2g}"}
    texts = {name: [words[name].format(v) if np.isfinite(v) else "" for v in table[name]] for name in words}
    own_days = np.where(table["own_days"], "yes", "no")
    return table.assign(**texts, own_days=own_days).rename(columns={"own_days": "reads the cell's own days"})
