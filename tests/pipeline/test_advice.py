"""What ``check`` says of cells and observations: few cells, a year of one's own, or neither."""

from __future__ import annotations

import re

import numpy as np
import pytest

from paraformer.pipeline.advice import FEW_CELLS, HISTORY_DAYS, MANY_CELLS, suits


@pytest.mark.parametrize(
    ("cells", "days", "words"),
    [
        (FEW_CELLS - 1, 200, f"{FEW_CELLS - 1} trained cells with 200 observed days .* few .*start_from"),
        (FEW_CELLS, HISTORY_DAYS, r"own year \(ParaFormer_Z\), a search in each cell \(SCE-UA\) being a little nearer"),
        (MANY_CELLS, HISTORY_DAYS, r"own year \(ParaFormer_Z\), level with a search"),
        (FEW_CELLS, HISTORY_DAYS - 1, "suit a learner of attributes"),
        (0, 0, "0 trained cells .*'paraformer apply'"),
    ],
)
def test_it_depends_on_cells_and_days(cells: int, days: int, words: str) -> None:
    given = np.append(np.full(cells, days), np.zeros(50, dtype=int))
    assert re.search(words, suits(given, min_days=20))
