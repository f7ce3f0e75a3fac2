"""Figure and tables of attention: planted weights come out where they were put."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from paraformer.core.contracts import Attention
from paraformer.core.errors import DataError
from paraformer.report.attention import (
    EVERYWHERE,
    Regions,
    attention_figure,
    attention_table,
    attention_text,
    quarters,
    thirds,
)
from paraformer.report.colours import REGIONS
from paraformer.report.rectangles import Cells
from report.results import CELLS, LAT, LON, TRAINED
from report.test_figures import draw

NAMES = ("sand", "clay", "ndvi")
ENDS = np.array(["2016-03-31"], dtype="datetime64[D]")
QUARTERS = quarters(LAT, LON)


def planted(tokens: int = 10, patch: int = 8) -> Attention:
    """Clay counts double in the first region, in the second of two heads alone; the last token counts double."""
    attributes = np.ones((CELLS, 2, 3))
    attributes[np.ix_(QUARTERS.of == 0, [1], [1])] = 3
    days = np.ones((CELLS, 2, tokens))
    days[..., -1] = 2
    return Attention(attributes, NAMES, days[..., :tokens], patch, ENDS)


def test_regions_are_quarters_with_every_cell_in_one():
    assert QUARTERS.names == ("north-west", "north-east", "south-west", "south-east")
    assert np.bincount(QUARTERS.of).sum() == CELLS
    west = (np.median(LON) > LON) & (np.median(LAT) <= LAT)
    np.testing.assert_array_equal(QUARTERS.of == 0, west)
    assert quarters(LAT[:5], LON[:5]).names == (EVERYWHERE,)
    assert quarters(np.full(9, 40.0), np.arange(9.0)).names == ("north-west", "north-east")


def test_regions_by_a_variable_are_its_thirds():
    found = thirds(np.arange(CELLS)[::-1] / 10, "aridity")
    assert np.bincount(found.of).tolist() == [8, 8, 8]
    assert (found.of[:8] == 2).all()
    assert found.names == ("aridity ≤ 0.767", "aridity 0.767 .. 1.53", "aridity > 1.53")
    with pytest.raises(DataError, match="aridity: nearly all cells have the value 0"):
        thirds(np.zeros(CELLS), "aridity")
    with pytest.raises(DataError, match="aridity: 1 cells have no finite value"):
        thirds(np.r_[np.nan, np.zeros(5)], "aridity")


def test_the_table_has_mean_and_range_of_the_heads():
    table = attention_table(planted(), QUARTERS).set_index(["of", "input", "region"])
    assert len(table) == (3 + 10) * 5
    row = table.loc[("attribute", "clay", "north-west")]
    assert (row["mean"], row["low"], row["high"]) == (2, 1, 3)
    assert row["n_cells"] == (QUARTERS.of == 0).sum()
    assert table.loc[("attribute", "clay", "south-east"), "mean"] == 1
    assert table.loc[("days before", 3.5, EVERYWHERE), "mean"] == 2
    assert table.loc[("days before", 75.5, EVERYWHERE), "mean"] == 1


@pytest.mark.parametrize(("tokens", "patch", "spans"), [(10, 8, 5), (240, 1, 8), (3, 8, 3), (1, 20, 1)])
def test_printed_the_most_attended_come_first_and_days_run_back(tokens, patch, spans):
    shown = attention_text(planted(tokens, patch), QUARTERS)
    assert shown["attribute"]["input"].tolist()[0] == "clay"
    assert shown["attribute"].columns.tolist() == ["input", EVERYWHERE, *QUARTERS.names, "heads"]
    days = shown["days before"]
    assert len(days) == spans
    assert days["input"][0].startswith("0 to ")
    assert days["input"].iloc[-1].endswith(f" to {tokens * patch - 1}")
    tokens_in_first = min(-(-tokens // 8), tokens)
    assert float(days[EVERYWHERE][0]) == pytest.approx(1 + 1 / tokens_in_first, abs=0.006)
    bare = planted()._replace(days=np.empty((CELLS, 0, 0)))
    assert list(attention_text(bare, QUARTERS)) == ["attribute"]


def test_the_figure_shows_each_region_in_its_colour():
    figure = attention_figure(planted(), QUARTERS, Cells(LAT, LON, TRAINED), title="What net attends to")
    draw(figure)
    attributes, days, field = figure.axes
    assert [t.get_text() for t in attributes.get_yticklabels()][-1] == "clay", "the most attended at the top"
    marks = [line for line in attributes.lines if line.get_marker() == "o"]
    assert [line.get_color() for line in marks] == list(REGIONS[:4])
    assert marks[0].get_xdata()[-1] == 2
    assert days.xaxis_inverted(), "the last day to the right"
    assert days.lines[0].get_ydata()[-1] == 2
    assert days.get_xlabel() == "days before the end of the window"
    drawn = next(c for c in field.collections if isinstance(c, PolyCollection) and c.get_array() is not None)
    drawn.update_scalarmappable()
    colours = [to_hex(c[:3]).upper() for c in drawn.get_facecolor()]
    assert colours == [REGIONS[i] for i in QUARTERS.of]
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == [f"{n} ({(QUARTERS.of == i).sum()})" for i, n in enumerate(QUARTERS.names)] + [
        "range of the heads, all cells"
    ]


def test_without_days_there_are_attributes_and_the_map():
    bare = planted()._replace(days=np.empty((CELLS, 0, 0)))
    figure = attention_figure(bare, Regions((EVERYWHERE,), np.zeros(CELLS, int)), Cells(LAT, LON, TRAINED), title="t")
    draw(figure)
    assert len(figure.axes) == 2
