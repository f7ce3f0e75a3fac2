"""Figures: distributions of scores, response of the surrogate, parameter recovery.

Figures are plain ``matplotlib.figure.Figure`` objects without pyplot, so that drawing one changes no global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.errors import DataError
from paraformer.core.files import atomic_path
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.report.colours import TRAINED, UNSEEN, method_styles
from paraformer.report.config import ReportConfig

METRIC_LABELS = {
    "rmse": "RMSE [m³ m⁻³]",
    "pcc": "PCC [–]",
    "nse": "NSE [–]",
    "ubrmse": "ubRMSE [m³ m⁻³]",
    "kge": "KGE [–]",
    "bias": "bias [m³ m⁻³]",
}
OPERATOR_LABELS = {
    "raw": "raw soil moisture",
    "global_linear": "after one line for all cells",
    "cell_moments": "after matching each cell's mean and standard deviation",
    "cell_lstsq": "after a line per cell",
}

_LEFT_LIMIT = {"pcc": -0.2, "nse": -1.0, "kge": -1.0}


def save_figure(figure: Figure, path: Path, config: ReportConfig) -> list[Path]:
    """Write a figure in every configured format, atomically and with the same bytes for the same figure.

    Args:
        path: file name without suffix.

    Returns:
        The files written, PNG first.
    """
    written = []
    for kind in sorted(config.formats, reverse=True):
        target = path.with_name(f"{path.name}.{kind}")
        metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
        with atomic_path(target) as temporary:
            figure.savefig(temporary, format=kind, dpi=config.dpi, metadata=metadata)
        figure.set_layout_engine("none")  # keeps what the first drawing laid out, at half the time
        written.append(target)
    return written


def score_cdfs(
    cells: pd.DataFrame,
    *,
    operator: str = "raw",
    period: str = "test",
    metrics: Sequence[str] = ("rmse", "pcc", "nse"),
) -> Figure:
    """Cumulative distributions over cells of each metric per method, trained cells above unseen ones.

    Axes of one metric share their range. Each seed is a line of its own; the legend counts scored cells. A curve that
    enters a panel above 0 has that share of its cells further left. Methods without any scored value keep their legend
    entry with n = 0.

    Args:
        cells: per-cell scores: columns ``method, seed, operator, cells, period, metric, value, scored``.
        operator: observation operator.
        period: ``test`` or ``train``.
        metrics: one column of panels each.

    Raises:
        DataError: if the table has no row for this operator and period.
    """
    chosen = cells[(cells["operator"] == operator) & (cells["period"] == period) & cells["metric"].isin(metrics)]
    if chosen.empty:
        raise DataError(f"no score to draw for operator '{operator}' in the {period} period")
    methods = list(dict.fromkeys(chosen["method"]))
    groups = [g for g in ("trained", "unseen") if (chosen["cells"] == g).any()]
    styles = method_styles(methods)
    legend_rows = -(-len(methods) // 3)
    height = 2.9 * len(groups) + 0.22 * legend_rows + 0.9
    figure = Figure(figsize=(3.7 * len(metrics) + 0.4, height), layout="constrained")
    axes = figure.subplots(len(groups), len(metrics), squeeze=False, sharex="col", sharey=True)
    scored = chosen[chosen["scored"]]
    for i, group in enumerate(groups):
        for j, metric in enumerate(metrics):
            part = scored[(scored["cells"] == group) & (scored["metric"] == metric)]
            draw_cdfs(axes[i, j], part, styles)
            axes[i, j].set_title(f"{group} cells", fontsize=10, loc="left")
            if i == len(groups) - 1:
                axes[i, j].set_xlabel(METRIC_LABELS[metric])
        axes[i, 0].set_ylabel("share of cells ≤ x")
    for j, metric in enumerate(metrics):
        values = scored.loc[scored["metric"] == metric, "value"].to_numpy()
        axes[0, j].set_xlim(score_limits(metric, values))
        axes[0, j].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    handles = [Line2D([], [], **styles[method], label=_label(scored, method, groups, metrics[0])) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(methods)), frameon=False, fontsize=9)
    figure.suptitle(f"Scores of each cell in the {period} period, {OPERATOR_LABELS[operator]}", fontsize=11)
    return figure


def surrogate_response(
    process_model: Float[np.ndarray, " pair"], surrogate: Float[np.ndarray, " pair"], *, title: str = ""
) -> Figure:
    """Change of soil moisture between two θ, by the process model (x) and by the surrogate (y).

    The 1:1 line is a surrogate whose response is right. Slope (through least squares), correlation and n are printed;
    they are undefined and left out where the process model's change is the same everywhere.

    Args:
        process_model: ΔSM by the process model [m3 m-3], any number of cell-day or cell pairs.
        surrogate: ΔSM by the surrogate for the same pairs [m3 m-3].
    """
    figure = Figure(figsize=(4.8, 4.6), layout="constrained")
    axes = figure.subplots()
    both = np.concatenate([process_model, surrogate])
    limit = 1.05 * max(float(np.abs(both).max(initial=0.0)), 1e-6)
    if process_model.size > 3000:
        image = axes.hexbin(
            process_model,
            surrogate,
            gridsize=60,
            bins="log",
            mincnt=1,
            cmap="viridis",
            extent=(-limit, limit, -limit, limit),
        )
        figure.colorbar(image, ax=axes, label="number of pairs", shrink=0.8)
    else:
        axes.scatter(process_model, surrogate, s=8, alpha=0.5, color=TRAINED, linewidths=0)
    axes.plot([-limit, limit], [-limit, limit], color="black", linewidth=1)
    text = f"n = {process_model.size:,}"
    if process_model.size > 2 and np.ptp(process_model) > 0:
        slope = np.polyfit(process_model, surrogate, 1)[0]
        text = f"slope {slope:.3f}\n" + text
        if np.ptp(surrogate) > 0:
            text = f"r = {np.corrcoef(process_model, surrogate)[0, 1]:.3f}\n" + text
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=9)
    axes.set(
        xlim=(-limit, limit),
        ylim=(-limit, limit),
        aspect="equal",
        xlabel="ΔSM by the process model [m³ m⁻³]",
        ylabel="ΔSM by the surrogate [m³ m⁻³]",
        title=title or "Response to a change of θ",
    )
    quiet(axes)
    return figure


def parameter_recovery(
    theta: Float[np.ndarray, "cell parameter"],
    truth: Float[np.ndarray, "cell parameter"],
    space: ParameterSpace,
    trained: Bool[np.ndarray, " cell"],
    *,
    method: str,
) -> Figure:
    """Found against true θ in a twin world, one panel per parameter, axes over the parameter's bounds.

    Pearson's correlation in unit coordinates is printed for trained and unseen cells (a dash where undefined).
    """
    columns = min(3, len(space))
    rows = -(-len(space) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.3 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    groups = [("trained", trained, TRAINED, "o"), ("unseen", ~trained, UNSEEN, "D")]
    groups = [g for g in groups if g[1].any()]
    for i, parameter in enumerate(space):
        panel = axes.flat[i]
        text = []
        for label, mask, colour, marker in groups:
            panel.scatter(truth[mask, i], theta[mask, i], s=12, alpha=0.6, color=colour, marker=marker, linewidths=0)
            text.append(f"r = {_correlation(parameter, theta[mask, i], truth[mask, i])} {label}")
        _bounded_axes(panel, parameter)
        panel.text(
            0.04,
            0.96,
            "\n".join(text),
            transform=panel.transAxes,
            va="top",
            fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.5},
        )
    for panel in axes.flat[len(space) :]:
        panel.set_visible(False)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=f"{label} cells (n = {int(mask.sum())})")
        for label, mask, colour, marker in groups
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.suptitle(f"Parameters found by {method} against the true ones", fontsize=11)
    return figure


def draw_cdfs(axes: Axes, part: pd.DataFrame, styles: Mapping[str, Mapping[str, Any]]) -> None:
    """A curve for each seed of each method of ``styles``: columns ``method, seed, value`` of scored cells."""
    for method, style in styles.items():
        for _, values in part[part["method"] == method].groupby("seed", sort=False)["value"]:
            ordered = np.sort(values.to_numpy())
            share = np.arange(1, ordered.size + 1) / ordered.size
            axes.step(np.r_[ordered[0], ordered], np.r_[0, share], where="post", **style)
    if part.empty:
        axes.text(0.5, 0.5, "no scored cell", transform=axes.transAxes, ha="center", color="#555555")
    axes.set_ylim(0, 1)
    quiet(axes)


def score_limits(metric: str, values: np.ndarray) -> tuple[float, float]:
    """Range of the x axis: up to the perfect score of skill scores, the 99th percentile of errors."""
    if metric in _LEFT_LIMIT:
        lowest = float(values.min()) if values.size else 0.0
        return max(_LEFT_LIMIT[metric], min(lowest - 0.05, 0.0)), 1.0
    if not values.size:
        return 0.0, 0.1
    high = 1.05 * float(np.percentile(np.abs(values), 99)) or 0.1
    return (-high, high) if metric == "bias" else (0.0, high)


def _label(scored: pd.DataFrame, method: str, groups: Sequence[str], metric: str) -> str:
    part = scored[(scored["method"] == method) & (scored["metric"] == metric)]
    seeds = max(part["seed"].nunique(), 1)
    counts = [f"{(part['cells'] == group).sum() // seeds}" for group in groups]
    return f"{method} (n = {' + '.join(counts)}" + (f", {seeds} seeds)" if seeds > 1 else ")")


def _correlation(parameter: Parameter, found: np.ndarray, true: np.ndarray) -> str:
    a, b = parameter.to_unit(found), parameter.to_unit(true)
    if len(a) < 3 or np.ptp(a) < 1e-12 or np.ptp(b) < 1e-12:
        return "–"
    return f"{np.corrcoef(a, b)[0, 1]:.2f}"


def _bounded_axes(axes: Axes, parameter: Parameter) -> None:
    low, high = parameter.physical_bounds
    if parameter.transform == "log":
        axes.set(xscale="log", yscale="log")
        margin = (high / low) ** 0.03
        limits = (low / margin, high * margin)
    else:
        limits = (low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.plot([low, high], [low, high], color="black", linewidth=1)
    unit = "" if parameter.unit == "1" else f" [{parameter.unit}]"
    axes.set(xlim=limits, ylim=limits, xlabel=f"true {parameter.name}{unit}", ylabel=f"found {parameter.name}{unit}")
    axes.set_box_aspect(1)
    quiet(axes)


def quiet(axes: Axes) -> None:
    """A light grid behind the data and no frame above and to the right."""
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
