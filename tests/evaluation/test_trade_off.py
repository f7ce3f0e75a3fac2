"""The Pareto front on points made by hand, and its table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from paraformer.evaluation.trade_off import COLUMNS, not_dominated, pareto_table


def test_what_none_beats_in_both_makes_the_front() -> None:
    points = np.array([(1, 4), (2, 2), (4, 1), (3, 3), (2, 2), (1, 5), (np.nan, 0), (0, np.nan)], dtype=float)
    assert not_dominated(points).tolist() == [True, True, True, False, True, False, False, False]
    assert not_dominated(np.empty((0, 2))).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_a_loop_finds(points: list[tuple[int, int, int]]) -> None:
    expected = [not any(all(a <= b for a, b in zip(q, p, strict=True)) and q != p for q in points) for p in points]
    assert not_dominated(np.array(points, dtype=float)).tolist() == expected
    assert any(expected)


def test_the_table_has_every_pair_and_marks_what_was_left_out() -> None:
    moisture = pd.DataFrame(
        [("default", -1, 0.09), ("both", 0, 0.05), ("both", 1, 0.06), ("ET", 0, 0.08), ("no flux", 0, 0.04)],
        columns=["method", "seed", "error"],
    )
    rows = [
        ("evapotranspiration", "et_a", "mm year-1", "et_a", "default", -1, 150.0),
        ("evapotranspiration", "et_a", "mm year-1", "et_a", "both", 0, 90.0),
        ("evapotranspiration", "et_a", "mm year-1", "et_a", "both", 1, 110.0),
        ("evapotranspiration", "et_a", "mm year-1", "et_a", "ET", 0, 80.0),
        ("evapotranspiration", "et_a", "mm year-1", "et_a", "no flux", 0, np.nan),
        ("runoff_ratio", "true θ", "1", "runoff_ratio", "default", -1, 0.2),
        ("runoff_ratio", "true θ", "1", "runoff_ratio", "both", 0, 0.3),
        ("runoff_ratio", "true θ", "1", "runoff_ratio", "both", 1, 0.3),
    ]
    judged = pd.DataFrame(rows, columns=["variable", "reference", "unit", "target", "method", "seed", "error"])
    learned = {"both": {"soil_moisture", "evapotranspiration", "et_a"}, "ET": {"et_a"}}
    table = pareto_table(moisture, judged, ["default", "both", "ET", "no flux"], learned, ["both"])
    assert tuple(table.columns) == COLUMNS
    assert table["method"].tolist() == ["default", "both", "ET", "no flux", "default", "both"]
    assert table["front"].tolist() == [False, True, True, False, True, True]
    assert table["learned"].tolist() == [False, True, True, False, False, False]
    assert table["learned_soil_moisture"].tolist() == [False, True, False, False, False, True]
    both = table[table["method"] == "both"].iloc[0]
    assert (both["seeds"], both["soil_moisture"], both["error"]) == (2, 0.055, 100.0)
    assert bool(both["inference"])
    assert pareto_table(moisture, judged.iloc[:0], ["default"], {}, []).empty
