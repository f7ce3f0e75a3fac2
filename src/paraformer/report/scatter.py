"""Reference against simulated values, one panel a method: soil moisture, annual evapotranspiration, and their errors.

Simulated values run along x and what they are compared with along y, as in the paper's Figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.report.colours import DENSITY, look
from paraformer.report.figures import quiet
from paraformer.report.units import typeset_text

_BINS = 60
_WIDTH, _COLUMNS = 2.75, 4
_NEARBY = 1 / 30
"""How far a point that counts for the density of another may be [length of an axis]."""


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
    """One panel of values a cell: the mean, least and greatest of the seeds [cell], and the scores to print in it."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    text: str

    @classmethod
    def of(cls, seeds: Float[np.ndarray, "seed cell"], text: str) -> Fields:
        return cls(seeds.mean(axis=0), seeds.min(axis=0), seeds.max(axis=0), text)


def daily_means(
    values: Float[np.ndarray, "*n cell time"], mask: Bool[np.ndarray, "cell time"]
) -> Float[np.ndarray, "*n cell"]:
    """Mean of each cell over its chosen days; NaN where it has none."""
    days = mask.sum(axis=1)
    total = np.where(mask, values, 0.0).sum(axis=-1)
    return np.divide(total, days, out=np.full(total.shape, np.nan), where=days > 0)


def mean_scatter(panels: Mapping[str, Fields], observed: Float[np.ndarray, " cell"], *, title: str) -> Figure:
    """Mean observed (y) over mean simulated (x) soil moisture [m3 m-3], a point a cell (Figure 4 of the paper).

    A point is the mean over seeds, a bar their range. How many simulated means are negative stands in the panel: an
    observation operator may make them so.

    Args:
        panels: method -> fields [cell], drawn in the method's colour.
        observed: NaN where a cell has too few observations; it is left out.

    Raises:
        DataError: if there is no panel or no cell.
    """
    known = {name: np.isfinite(p.mean) & np.isfinite(observed) for name, p in panels.items()}
    limits = _limits(panels, observed, known, title)
    figure, axes = _panels(len(panels), title)
    for panel, (name, field) in zip(axes, panels.items(), strict=False):
        chosen = known[name]
        _draw_ranges(panel, field, observed, chosen, look(name).colour)
        panel.scatter(field.mean[chosen], observed[chosen], s=9, alpha=0.55, color=look(name).colour, linewidths=0)
        below = int((field.mean[chosen] < 0).sum())
        _frame(panel, name, field.text + (f"\n{below} below 0" if below else ""), limits)
    _outer_labels(axes, len(panels), "simulated [m³ m⁻³]", "observed [m³ m⁻³]")
    return figure


def density_scatter(panels: Mapping[str, Pairs], *, title: str, limit: float | None = None) -> Figure:
    """Density of observed (y) over simulated (x) soil moisture [m3 m-3], day by day.

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
        name: np.histogram2d(np.clip(p.simulated, low, high), np.clip(p.reference, low, high), edges)[0].T
        for name, p in panels.items()
    }
    norm = LogNorm(1, max(max(float(c.max()) for c in counts.values()), 2.0))
    figure, axes = _panels(len(panels), title)
    for panel, (name, pairs) in zip(axes, panels.items(), strict=False):
        count = np.where(counts[name] > 0, counts[name], np.nan)
        image = panel.pcolormesh(edges, edges, count, norm=norm, cmap=DENSITY, rasterized=True)
        _frame(panel, name, pairs.text, (low, high))
    _bar(figure, image, axes[: len(panels)], "number of cell-days")
    _outer_labels(axes, len(panels), "simulated [m³ m⁻³]", "observed [m³ m⁻³]")
    return figure


def evapotranspiration_scatter(
    panels: Mapping[str, Fields], reference: Float[np.ndarray, " cell"], *, name: str, title: str
) -> Figure:
    """Annual evapotranspiration by a product (y) over that of each method (x) [mm year-1] (Figure 9 of the paper).

    A point is a cell and the mean over seeds, a bar their range; the greener a point, the more others lie around it.
    Cells the product (NaN) or the method (NaN) lacks are left out.

    Args:
        panels: method -> fields [cell].
        reference: the product.
        name: of the product, for the axis.

    Raises:
        DataError: if there is no panel or no cell to draw.
    """
    known = {method: np.isfinite(p.mean) & np.isfinite(reference) for method, p in panels.items()}
    limits = _limits(panels, reference, known, f"{title} against {name}")
    near = {
        method: _nearby(np.stack([p.mean, reference], axis=1)[known[method]], limits) for method, p in panels.items()
    }
    norm = Normalize(1, max(2, *(int(n.max(initial=1)) for n in near.values())))
    figure, axes = _panels(len(panels), f"{title} against {name}")
    for panel, (method, field) in zip(axes, panels.items(), strict=False):
        chosen = known[method]
        _draw_ranges(panel, field, reference, chosen, "#999999")
        order = np.argsort(near[method], kind="stable")  # the densest on top
        x, y = field.mean[chosen][order], reference[chosen][order]
        image = panel.scatter(x, y, s=9, c=near[method][order], cmap=DENSITY, norm=norm, linewidths=0)
        _frame(panel, method, field.text, limits)
    _bar(figure, image, axes[: len(panels)], "number of cells nearby").locator = MaxNLocator(6, integer=True)
    _outer_labels(axes, len(panels), "simulated [mm year⁻¹]", f"{name} [mm year⁻¹]")
    return figure


_RING: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 12, "markerfacecolor": "none"}
"""Of what was found by inference."""


def trade_off(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Error of a variable (y) against that of soil moisture (x), a panel for each, a dot a method, a bar its seeds.

    A method to the lower left of another is better in both; those that none is lower left of make the Pareto front,
    the line. A ring marks what was found by inference.

    Args:
        panels: variable and unit -> columns ``method, soil_moisture, soil_moisture_std, error, error_std, front,
            inference`` (``evaluation.trade_off``).

    Raises:
        DataError: if there is no panel.
    """
    if not panels:
        raise DataError("no variable beside soil moisture to draw a trade-off against")
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns + 2.2, 4.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for panel in axes[len(panels) :]:
        panel.set_visible(False)
    for panel, (name, table) in zip(axes, panels.items(), strict=False):
        front = table[table["front"]].sort_values("soil_moisture")
        panel.step(front["soil_moisture"], front["error"], where="post", color="#999999", linewidth=0.9, zorder=0.5)
        for row in table.itertuples():
            colour, spread = look(row.method).colour, np.nan_to_num([row.soil_moisture_std, row.error_std])
            panel.errorbar(
                row.soil_moisture,
                row.error,
                xerr=spread[0] or None,
                yerr=spread[1] or None,
                linestyle="",
                marker=look(row.method).marker,
                markersize=6,
                markeredgewidth=0,
                elinewidth=0.8,
                color=colour,
            )
            if row.inference:
                panel.plot(row.soil_moisture, row.error, markeredgecolor=colour, **_RING)
        panel.set(xlabel="RMSE of raw soil moisture [m³ m⁻³]", title=typeset_text(name))
        panel.set_ylabel("" if name.endswith("NSE") else "RMSE")
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.tick_params(labelbottom=True)
        quiet(panel)
    methods = list(dict.fromkeys(m for table in panels.values() for m in table["method"]))
    handles = [Line2D([], [], linestyle="", marker=look(m).marker, color=look(m).colour, label=m) for m in methods]
    handles.append(Line2D([], [], color="#999999", linewidth=0.9, label="Pareto front"))
    if any(table["inference"].any() for table in panels.values()):
        handles.append(Line2D([], [], markeredgecolor="black", label="by inference", **_RING))
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9)
    return figure


def _limits(
    panels: Mapping[str, Fields], reference: np.ndarray, known: Mapping[str, np.ndarray], title: str
) -> tuple[float, float]:
    """Range of both axes: every point, and 0.

    Raises:
        DataError: if there is no point.
    """
    values = [np.r_[p.mean[known[name]], reference[known[name]]] for name, p in panels.items()]
    together = np.concatenate(values) if values else np.empty(0)
    if not together.size:
        raise DataError(f"no cell to draw: {title}")
    low, high = min(float(together.min()), 0.0), float(together.max())
    margin = 0.05 * ((high - low) or 1.0)
    return low - margin * (low < 0), high + margin


def _nearby(points: Float[np.ndarray, "cell 2"], limits: tuple[float, float]) -> np.ndarray:
    """How many points lie around each, itself among them."""
    if not len(points):
        return np.zeros(0, dtype=np.int64)
    reach = _NEARBY * (limits[1] - limits[0])
    return np.asarray(cKDTree(points).query_ball_point(points, reach, return_length=True))


def _draw_ranges(axes: Axes, field: Fields, reference: np.ndarray, chosen: np.ndarray, colour: str) -> None:
    """A bar over the seeds of each chosen cell, where there are several."""
    if np.array_equal(field.low, field.high, equal_nan=True):
        return
    bounds = (field.low[chosen], field.high[chosen])
    axes.hlines(reference[chosen], *bounds, color=colour, linewidth=0.6, alpha=0.5, zorder=0.9)  # under the points


def _bar(figure: Figure, image: Any, axes: np.ndarray, label: str) -> Colorbar:
    bar = figure.colorbar(image, ax=list(axes), label=label, shrink=0.85, pad=0.01, aspect=35)
    bar.outline.set_linewidth(0.5)
    return bar


def _panels(count: int, title: str) -> tuple[Figure, np.ndarray]:
    """A figure with a square panel for each method, axes flat, the superfluous ones hidden."""
    columns = 3 if count in (5, 6, 9) else min(count, _COLUMNS)
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
