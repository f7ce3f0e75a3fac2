"""Data sets side by side: every number in its column, every curve in its panel, in the order of the paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from paraformer.core.errors import DataError
from paraformer.report.colours import look
from paraformer.report.data_sets import DataSet, annual_table, data_set_cdfs, data_set_table, score_summary
from report.test_figures import draw

METHODS = ["default VIC", "SCE-UA", "ParaFormer_Z"]
ANNUAL = pd.DataFrame(
    [("default VIC", -1, "et_mod16", 170.0, 0.6, 0.4), ("SCE-UA", 0, "et_mod16", 160.0, 0.7, 0.35)]
    + [("ParaFormer_Z", seed, "et_mod16", 150.0 + 10 * seed, 0.8, 0.5) for seed in (0, 1)],
    columns=["method", "seed", "reference", "rmse", "pcc", "nse"],
)


def data_set(name: str, cells: int, level: float, *, methods: tuple[str, ...] = tuple(METHODS)) -> DataSet:
    """RMSE of the level, less by 0.01 a method; ParaFormer_Z has two seeds 0.002 apart, cell 0 is never scored."""
    frames = []
    for k, method in enumerate(methods):
        for seed in (0, 1) if method == "ParaFormer_Z" else (-1,):
            rmse = level - 0.01 * k + 0.002 * max(seed, 0) + 0.001 * np.linspace(-1, 1, cells)
            for metric, value in (("rmse", rmse), ("pcc", 1 - 5 * rmse), ("nse", 1 - 12 * rmse)):
                scored = np.arange(cells) > 0
                frame = {"cell": np.arange(cells), "metric": metric, "value": np.where(scored, value, np.nan)}
                frames.append(pd.DataFrame({**frame, "method": method, "seed": seed, "scored": scored}))
    return DataSet(name, pd.concat(frames, ignore_index=True), ANNUAL if name == "DAS-S4" else ANNUAL.iloc[:0])


SETS = [data_set("DAS-S4", 41, 0.05), data_set("DAS-S8", 21, 0.06), data_set("DAS-S8NG", 11, 0.09, methods=("SCE-UA",))]


def test_table_2_has_three_scores_a_data_set():
    table = data_set_table(score_summary(SETS, METHODS)).set_index("method")
    assert table.index.tolist() == METHODS
    names = [f"{name} {score}" for name in ("DAS-S4", "DAS-S8", "DAS-S8NG") for score in ("RMSE", "PCC", "NSE")]
    assert table.columns.tolist() == names
    assert table.loc["default VIC", "DAS-S4 RMSE"] == "0.050"
    assert table.loc["ParaFormer_Z", "DAS-S8 RMSE"] == "0.041 ± 0.001"
    assert table.loc["ParaFormer_Z", "DAS-S8NG NSE"] == "–", "what a data set lacks"
    summary = score_summary(SETS, METHODS)
    row = summary.set_index(["data_set", "method", "metric"]).loc[("DAS-S8", "ParaFormer_Z", "nse")]
    assert (row["seeds"], row["n_scored"]) == (2, 20)
    scored = SETS[1].cells.query("method == 'ParaFormer_Z' and metric == 'nse' and scored")
    assert row["mean"] == pytest.approx(scored.groupby("seed")["value"].mean().mean())


def test_table_3_has_the_data_sets_that_were_judged():
    table = annual_table(SETS, METHODS, "et_mod16")
    assert table.columns.tolist() == ["method", "DAS-S4 RMSE", "DAS-S4 PCC", "DAS-S4 NSE"]
    assert table.set_index("method").loc["ParaFormer_Z", "DAS-S4 RMSE"] == "155.0 ± 7.1"
    assert table.set_index("method").loc["SCE-UA", "DAS-S4 PCC"] == "0.700"


def test_figure_3_has_six_panels_in_the_order_of_the_paper():
    figure = data_set_cdfs(SETS, METHODS, title="Scores of each cell")
    draw(figure)
    titles = [a.get_title(loc="left") for a in figure.axes]
    assert titles == [
        "(a) DAS-S4 NSE (n = 40)",
        "(b) DAS-S8 NSE (n = 20)",
        "(c) DAS-S8NG NSE (n = 10)",
        "(d) DAS-S4 PCC (n = 40)",
        "(e) DAS-S8 PCC (n = 20)",
        "(f) DAS-S8NG PCC (n = 10)",
    ]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == METHODS
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours == [look(m).colour for m in ("default VIC", "SCE-UA", "ParaFormer_Z", "ParaFormer_Z")]
    assert [line.get_color() for line in figure.axes[2].lines] == [look("SCE-UA").colour]
    scored = SETS[1].cells.query("method == 'SCE-UA' and metric == 'pcc' and scored")
    np.testing.assert_array_equal(figure.axes[4].lines[1].get_xdata()[1:], np.sort(scored["value"]))
    assert len({a.get_xlim() for a in figure.axes[:3]}) == 1
    assert len({a.get_ylim() for a in figure.axes}) == 1


def test_nothing_scored_is_refused():
    one = SETS[0]._replace(cells=SETS[0].cells.assign(scored=False))
    with pytest.raises(DataError, match="no cell of any data set is scored"):
        data_set_cdfs([one], METHODS, title="t")
