"""Which method suits so many cells and observations: what ``check`` says before anything is computed.

It is a rule of thumb from the runs of docs/results; which learner is best in a study its ``cross_validation`` finds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

FEW_CELLS = 20
"""Observed cells below which a map has too little to be learned from."""
MANY_CELLS = 100
"""Observed cells from which on a learner was level with a search (243 cells, docs/results/conus.md); with 30 the search
was 0.003 m3 m-3 nearer (docs/results/newcomer.md). In between nothing was measured."""
HISTORY_DAYS = 60
"""Observed days of the training period from which on a cell's own year is worth reading: the cells of
docs/results/conus.md have twice as many, and there it is worth more than all attributes."""


def suits(days: Int[np.ndarray, " cell"], min_days: int) -> str:
    """A sentence for the user.

    Args:
        days: observed days of the training period, of each trained cell.
        min_days: days from which on a cell is scored (``evaluation.min_days``).
    """
    observed = days[days >= min_days]
    median = int(np.median(observed)) if observed.size else 0
    there = f"{observed.size} trained cells with {median} observed days (median)"
    if observed.size < FEW_CELLS:
        return (
            f"{there} are few to learn a map from: a search in each cell (SCE-UA), or a learner that goes on from a "
            "trained map (start_from); without observations 'paraformer apply'"
        )
    if median >= HISTORY_DAYS:
        search = "level with a search in each cell for a tenth of the runs"
        search = search if observed.size >= MANY_CELLS else "a search in each cell (SCE-UA) being a little nearer"
        return (
            f"{there} suit a learner that reads a cell's own year (ParaFormer_Z), {search}; for cells without "
            "observations one of attributes (ParaFormer_A, FFN_A)"
        )
    return (
        f"{there} suit a learner of attributes (ParaFormer_A, FFN_A); a cell's own year has too few observations to be "
        "read (ParaFormer_Z)"
    )
