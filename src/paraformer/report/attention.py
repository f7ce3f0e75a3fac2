"""What a learner with attention looks at: which attributes, which days before, in which region; as figure and table.

Everything is a multiple of even attention: 1 is an input that weighs as much as any other.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.contracts import Attention
from paraformer.core.errors import DataError
from paraformer.report.colours import REGIONS
from paraformer.report.figures import quiet
from paraformer.report.map_panels import Ground, Scale, draw_field
from paraformer.report.rectangles import Cells

COLUMNS = ("of", "input", "region", "n_cells", "mean", "low", "high")
"""Columns of the table: ``mean`` over cells and heads; ``low`` and ``high`` are the least and greatest of the heads."""
CAVEAT = (
    "Attention says what a network looks at, not what moves its θ, nor in which direction: an input that is attended "
    "to may change nothing, and one that is not may be known from others like it (docs/figures.md)."
)
"""What stands beside every figure and table of attention."""
EVERYWHERE = "all cells"
_MIN_CELLS = 8
"""Cells from which on they are split into regions."""
_SPANS = 8
_HEADS = "#aaaaaa"


class Regions(NamedTuple):
    """Names of regions, and the number of the one each cell is in [cell]."""

    names: tuple[str, ...]
    of: Int[np.ndarray, " cell"]


def quarters(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]) -> Regions:
    """Four regions that meet at the median latitude and longitude of the cells; one where there are few cells."""
    if lat.size < _MIN_CELLS:
        return Regions((EVERYWHERE,), np.zeros(lat.size, dtype=np.int64))
    north, east = lat >= np.median(lat), lon >= np.median(lon)
    return _numbered(("north-west", "north-east", "south-west", "south-east"), 2 * ~north + east)


def thirds(values: Float[np.ndarray, " cell"], name: str) -> Regions:
    """Regions of low, middle and high values of a variable, with as many cells each as ties allow.

    Raises:
        DataError: if a value is not finite, or all are the same.
    """
    if not np.isfinite(values).all():
        raise DataError(f"{name}: {int((~np.isfinite(values)).sum())} cells have no finite value to split them by")
    first, second = np.quantile(values, (1 / 3, 2 / 3))
    which = (values > first).astype(np.int64) + (values > second)
    if np.unique(which).size < 2:
        raise DataError(
            f"{name}: nearly all cells have the value {np.median(values):g}, which splits them into nothing"
        )
    names = (f"{name} ≤ {first:.3g}", f"{name} {first:.3g} .. {second:.3g}", f"{name} > {second:.3g}")
    return _numbered(names, which)


def attention_table(attention: Attention, regions: Regions) -> pd.DataFrame:
    """Attention to every attribute and every day before, in all cells and in each region; columns ``COLUMNS``."""
    groups = [(EVERYWHERE, np.ones(regions.of.size, dtype=bool))]
    if len(regions.names) > 1:
        groups += [(name, regions.of == i) for i, name in enumerate(regions.names)]
    kinds: list[tuple[str, tuple, np.ndarray]] = [("attribute", attention.names, attention.attributes)]
    if attention.days.size:
        kinds.append(("days before", tuple(attention.days_before.tolist()), attention.days))
    rows = []
    for of, inputs, weights in kinds:
        for region, chosen in groups:
            heads = weights[chosen].mean(axis=0, dtype=np.float64)
            numbers = zip(inputs, heads.mean(axis=0), heads.min(axis=0), heads.max(axis=0), strict=True)
            rows += [(of, key, region, int(chosen.sum()), *found) for key, *found in numbers]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def attention_text(attention: Attention, regions: Regions) -> dict[str, pd.DataFrame]:
    """The table ready to print: ``attribute``, most attended first, and ``days before``, in at most ``_SPANS`` spans.

    Entries are means over cells and heads; ``heads`` is the range of the heads over all cells.
    """
    table = attention_table(attention, regions)
    everywhere = table[table["region"] == EVERYWHERE].sort_values("mean", ascending=False)
    order = everywhere[everywhere["of"] == "attribute"]["input"]
    shown = {"attribute": _printed(table[table["of"] == "attribute"], list(order))}
    tokens = attention.days.shape[-1]
    if tokens:
        length = -(-tokens // _SPANS)
        edges = [*range(0, tokens, length), tokens]  # counted back from the last token
        spans = [slice(tokens - after, tokens - first) for first, after in itertools.pairwise(edges)]
        means = np.stack([attention.days[..., span].mean(axis=-1) for span in spans], axis=-1)
        days = (attention.patch * edge for edge in edges)
        names = tuple(f"{first} to {after - 1}" for first, after in itertools.pairwise(days))
        averaged = attention_table(attention._replace(attributes=means, names=names, days=means[..., :0]), regions)
        shown["days before"] = _printed(averaged, list(names))
    return shown


def attention_figure(attention: Attention, regions: Regions, cells: Cells, *, title: str) -> Figure:
    """Attributes to the left, most attended at the top; days before, and a map of the regions, to the right.

    A mark or line is the mean over cells and heads of a region; grey is the range of the heads over all cells, black
    even attention.
    """
    table = attention_table(attention, regions)
    height = max(0.2 * len(attention.names) + 1.4, 5.2)
    figure = Figure(figsize=(11, height), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 1.15))
    left, right = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    _draw_attributes(left.subplots(), table[table["of"] == "attribute"], regions)
    if not attention.days.size:
        field = right.subplots()
    else:
        days, field = right.subplots(2, 1)
        _draw_days(days, table[table["of"] == "days before"], regions)
    _draw_regions(field, regions, cells)
    handles = [
        Line2D([], [], color=REGIONS[i], marker="o", linewidth=1.5, label=f"{name} ({int((regions.of == i).sum())})")
        for i, name in enumerate(regions.names)
    ]
    handles.append(Line2D([], [], color=_HEADS, linewidth=4, label="range of the heads, all cells"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_attributes(axes: Axes, table: pd.DataFrame, regions: Regions) -> None:
    everywhere = table[table["region"] == EVERYWHERE].sort_values("mean")
    place = np.arange(len(everywhere))
    axes.hlines(place, everywhere["low"], everywhere["high"], color=_HEADS, linewidth=3, alpha=0.6)
    for i, name in enumerate(regions.names):
        means = table[table["region"] == name].set_index("input")["mean"]
        axes.plot(means[everywhere["input"]], place, linestyle="", marker="o", markersize=4.5, color=REGIONS[i])
    axes.axvline(1, color="black", linewidth=0.9)
    axes.set_yticks(place, list(everywhere["input"]), fontsize=8)
    axes.set(ylim=(-0.7, len(place) - 0.3), xlabel="attention to an attribute [even attention]")
    axes.set_xlim(0, 1.1 * max(float(everywhere["high"].max()), 1.0))
    quiet(axes)


def _draw_days(axes: Axes, table: pd.DataFrame, regions: Regions) -> None:
    everywhere = table[table["region"] == EVERYWHERE]
    before = everywhere["input"].astype(float)
    axes.fill_between(before, everywhere["low"], everywhere["high"], color=_HEADS, alpha=0.4, linewidth=0)
    for i, name in enumerate(regions.names):
        part = table[table["region"] == name]
        axes.plot(part["input"].astype(float), part["mean"], color=REGIONS[i], linewidth=1.5)
    axes.axhline(1, color="black", linewidth=0.9)
    axes.set(xlabel="days before the end of the window", ylabel="attention to a day\n[even attention]")
    axes.set_xlim(before.max() + 0.5, min(before.min() - 0.5, 0))
    axes.set_ylim(bottom=0)
    quiet(axes)


def _draw_regions(axes: Axes, regions: Regions, cells: Cells) -> None:
    colours = ListedColormap(REGIONS[: len(regions.names)])
    scale = Scale(Normalize(-0.5, len(regions.names) - 0.5), colours, "", "neither")
    draw_field(axes, regions.of.astype(float), Ground.of(cells), scale)
    axes.xaxis.set_major_locator(MaxNLocator(3))  # the map is small
    for drawn in axes.collections:
        if isinstance(drawn, PolyCollection):
            drawn.set_alpha(0.6)


def _printed(table: pd.DataFrame, order: list) -> pd.DataFrame:
    """One row an input: the mean in all cells and in each region, and the range of the heads."""
    wide = table.pivot(index="input", columns="region", values="mean").loc[order, list(dict.fromkeys(table["region"]))]
    printed = wide.map("{:.2f}".format)
    heads = table[table["region"] == EVERYWHERE].set_index("input").loc[order]
    printed["heads"] = [f"{low:.2f} .. {high:.2f}" for low, high in zip(heads["low"], heads["high"], strict=True)]
    return printed.reset_index().rename_axis(columns=None)


def _numbered(names: tuple[str, ...], which: np.ndarray) -> Regions:
    """Regions that hold a cell, numbered from 0 in the order of the names."""
    there, of = np.unique(which, return_inverse=True)
    return Regions(tuple(names[i] for i in there), of.reshape(-1).astype(np.int64))
