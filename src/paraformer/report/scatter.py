"""Simulated against reference values, one panel a method: soil moisture of cell-days, evapotranspiration of cells."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.errors import DataError
from paraformer.report.figures import TRAINED_COLOUR, UNSEEN_COLOUR, quiet

_BINS = 60
_WIDTH, _COLUMNS = 2.75, 4


class Pairs(NamedTuple):
    """One panel: any number of pairs, and the scores to print in it, ready-made.

    Attributes:
        simulated: [pair].
        reference: [pair].
        text: lines of the panel's label.
    """

    simulated: np.ndarray
    reference: np.ndarray
    text: str


class Fields(NamedTuple):
    """One panel of annual evapotranspiration [mm year-1]: the mean, least and greatest of the seeds [cell]."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    text: str


def density_scatter(panels: Mapping[str, Pairs], *, title: str, limit: float | None = None) -> Figure:
    """Density of simulated (y) over observed (x) soil moisture [m3 m-3] (Figure 4 of the paper, day by day).

    All panels share axes and colours; the black line is a perfect simulation. Pairs beyond the axes are counted at
    their edges, so that none is lost.

    Args:
        panels: method -> pairs.
        limit: upper end of both axes; by default the 99.9th percentile of all values, at most 1.

    Raises:
        DataError: if there is no panel or no pair.
    """
    values = [np.concatenate([p.simulated, p.reference]) for p in panels.values()]
    if not any(v.size for v in values):
        raise DataError(f"no pair to draw: {title}")
    together = np.concatenate(values)
    high = limit or min(1.05 * float(np.percentile(together, 99.9)), 1.0)
    low = min(float(np.percentile(together, 0.1)), 0.0)
    edges = np.linspace(low, high, _BINS + 1)
    counts = {
        name: np.histogram2d(np.clip(p.reference, low, high), np.clip(p.simulated, low, high), edges)[0].T
        for name, p in panels.items()
    }
    norm = LogNorm(1, max(max(float(c.max()) for c in counts.values()), 2.0))
    figure, axes = _panels(len(panels), title)
    for panel, (name, pairs) in zip(axes, panels.items(), strict=False):
        count = np.where(counts[name] > 0, counts[name], np.nan)
        image = panel.pcolormesh(edges, edges, count, norm=norm, cmap="viridis", rasterized=True)
        _frame(panel, name, pairs.text, (low, high))
    used = axes[: len(panels)]
    bar = figure.colorbar(image, ax=list(used), label="number of cell-days", shrink=0.85, pad=0.01)
    bar.outline.set_linewidth(0.5)
    _outer_labels(axes, len(panels), "observed [m³ m⁻³]", "simulated [m³ m⁻³]")
    return figure


def evapotranspiration_scatter(
    panels: Mapping[str, Fields],
    reference: Float[np.ndarray, " cell"],
    trained: Bool[np.ndarray, " cell"],
    *,
    name: str,
) -> Figure:
    """Annual evapotranspiration of every cell against a reference (Figure 9 of the paper).

    A dot is the mean over seeds, a bar their range. Cells the reference (NaN) or the method (NaN) lacks are left out.

    Args:
        panels: method -> fields [mm year-1] [cell].
        reference: the product [mm year-1].
        trained: cells learned from.
        name: of the product, for the axis.

    Raises:
        DataError: if there is no panel or no cell to draw.
    """
    known = [p.mean[np.isfinite(p.mean) & np.isfinite(reference)] for p in panels.values()]
    if not any(k.size for k in known):
        raise DataError(f"no cell to draw against {name}")
    high = 1.05 * max(float(np.nanmax(reference)), *(float(k.max(initial=0.0)) for k in known))
    low = min(0.0, *(float(k.min(initial=0.0)) for k in known))
    figure, axes = _panels(len(panels), f"Annual evapotranspiration against {name}")
    groups = [("trained", trained, TRAINED_COLOUR, "o"), ("unseen", ~trained, UNSEEN_COLOUR, "D")]
    for panel, (method, field) in zip(axes, panels.items(), strict=False):
        for _, mask, colour, marker in groups:
            chosen = mask & np.isfinite(field.mean) & np.isfinite(reference)
            panel.vlines(
                reference[chosen], field.low[chosen], field.high[chosen], color=colour, linewidth=0.6, alpha=0.5
            )
            panel.scatter(
                reference[chosen], field.mean[chosen], s=9, alpha=0.6, color=colour, marker=marker, linewidths=0
            )
        _frame(panel, method, field.text, (low, high))
    _outer_labels(axes, len(panels), f"{name} [mm year⁻¹]", "simulated [mm year⁻¹]")
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=f"{label} cells (n = {int(mask.sum())})")
        for label, mask, colour, marker in groups
        if mask.any()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def trade_off(
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], styles: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Error of evapotranspiration (y) against that of soil moisture (x), a panel for each reference, a dot a seed.

    A method to the lower left of another is better in both; those that none is lower left of make the Pareto front.

    Args:
        panels: reference -> method -> RMSE of soil moisture [m3 m-3] and of annual evapotranspiration [mm year-1], by
            seed.
        styles: method -> line style, of which the colour is taken.

    Raises:
        DataError: if there is no panel.
    """
    if not panels:
        raise DataError("no reference of evapotranspiration to draw a trade-off against")
    figure = Figure(figsize=(4.2 * len(panels) + 2.2, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    methods = list(dict.fromkeys(m for panel in panels.values() for m in panel))
    markers = dict(zip(methods, itertools.cycle("osD^v<>Pp"), strict=False))
    for panel, (reference, found) in zip(axes, panels.items(), strict=True):
        for method, (moisture, evaporation) in found.items():
            panel.plot(
                moisture,
                evaporation,
                linestyle="",
                marker=markers[method],
                markersize=6,
                alpha=0.8,
                markeredgewidth=0,
                color=styles[method]["color"],
            )
        panel.set(xlabel="RMSE of soil moisture [m³ m⁻³]", title=reference)
        panel.set_ylabel("RMSE of evapotranspiration [mm year⁻¹]")
        quiet(panel)
    handles = [Line2D([], [], linestyle="", marker=markers[m], color=styles[m]["color"], label=m) for m in methods]
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9)
    return figure


def _panels(count: int, title: str) -> tuple[Figure, np.ndarray]:
    """A figure with a square panel for each method, axes flat, the superfluous ones hidden."""
    columns = min(count, _COLUMNS if count != 5 else 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(_WIDTH * columns + 0.9, (_WIDTH + 0.15) * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for panel in axes[count:]:
        panel.set_visible(False)
    figure.suptitle(title, fontsize=11)
    return figure, axes


def _frame(axes: Axes, name: str, text: str, limits: tuple[float, float]) -> None:
    axes.plot(limits, limits, color="black", linewidth=0.9)
    axes.set(xlim=limits, ylim=limits)
    axes.set_box_aspect(1)
    axes.set_title(name, fontsize=10)
    axes.text(
        0.04,
        0.96,
        text,
        transform=axes.transAxes,
        va="top",
        fontsize=7.5,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=8)
    quiet(axes)


def _outer_labels(axes: np.ndarray, count: int, horizontal: str, vertical: str) -> None:
    columns = axes[0].get_subplotspec().get_gridspec().ncols
    for k, panel in enumerate(axes[:count]):
        lowest = k + columns >= count
        panel.tick_params(labelbottom=lowest, labelleft=k % columns == 0)
        if lowest:
            panel.set_xlabel(horizontal, fontsize=9)
        if k % columns == 0:
            panel.set_ylabel(vertical, fontsize=9)
