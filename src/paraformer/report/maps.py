"""Maps: every cell as a rectangle of the grid's spacing, so that a sampled grid reads as a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.core.parameters import Parameter
from paraformer.report.figures import METRIC_LABELS

_OUTLINE = "#000000"
_NOTHING = "#bbbbbb"


class Cells(NamedTuple):
    """Where the cells are: latitude [degree_north], longitude [degree_east], and which were learned from [cell]."""

    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    trained: Bool[np.ndarray, " cell"]


def parameter_maps(fields: Mapping[str, Float[np.ndarray, " cell"]], cells: Cells, parameter: Parameter) -> Figure:
    """One parameter as each method found it, on one colour scale (logarithmic where the parameter is).

    Args:
        fields: method -> physical values [cell].
        cells: positions.
        parameter: its name, unit, transform and meaning label the figure.
    """
    values = _finite(fields)
    low, high = (float(values.min()), float(values.max())) if values.size else parameter.physical_bounds
    if high <= low * (1 + 1e-9):
        low, high = parameter.physical_bounds
    norm = LogNorm(low, high) if parameter.transform == "log" else Normalize(low, high)
    unit = "–" if parameter.unit == "1" else parameter.unit
    title = f"{parameter.name}: {parameter.meaning}" if parameter.meaning else parameter.name
    return _draw(fields, cells, _Scale(norm, "viridis", f"{parameter.name} [{unit}]", "neither"), title)


def score_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]], cells: Cells, metric: str, *, title: str = ""
) -> Figure:
    """One metric of each cell per method, on one colour scale; NaN is an unscored cell and drawn as such.

    Errors (RMSE, ubRMSE) run from 0 to their 98th percentile, bias symmetrically about 0, PCC from 0 and NSE and KGE
    from -1 to 1; colour bars show with an arrow that values lie outside.
    """
    values = _finite(fields)
    high = float(np.percentile(np.abs(values), 98)) if values.size else 1.0
    high = high or 1.0
    scales = {
        "pcc": _Scale(Normalize(0, 1), "viridis", METRIC_LABELS["pcc"], "min"),
        "nse": _Scale(Normalize(-1, 1), "viridis", METRIC_LABELS["nse"], "min"),
        "kge": _Scale(Normalize(-1, 1), "viridis", METRIC_LABELS["kge"], "min"),
        "bias": _Scale(Normalize(-high, high), "RdBu", METRIC_LABELS["bias"], "both"),
    }
    scale = scales.get(metric) or _Scale(Normalize(0, high), "cividis_r", METRIC_LABELS[metric], "max")
    return _draw(fields, cells, scale, title or f"{METRIC_LABELS[metric].split(' [')[0]} of each cell")


def difference_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]],
    reference: Float[np.ndarray, " cell"],
    cells: Cells,
    metric: str,
    *,
    reference_name: str,
) -> Figure:
    """Each method's metric less the reference's; blue is better than the reference, whatever the metric's direction."""
    differences = {name: values - reference for name, values in fields.items()}
    values = _finite(differences)
    high = float(np.percentile(np.abs(values), 98)) if values.size else 1.0
    high = high or 1.0
    colours = "RdBu_r" if metric in ("rmse", "ubrmse") else "RdBu"
    label = METRIC_LABELS[metric]
    scale = _Scale(Normalize(-high, high), colours, f"Δ {label}", "both")
    better = "blue is better" if metric != "bias" else "blue is wetter"
    return _draw(differences, cells, scale, f"{label.split(' [')[0]} less that of {reference_name} ({better})")


def cell_rectangles(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Height and width [degree] of the rectangle that stands for each cell.

    On a regular grid (few distinct latitudes and longitudes) the distance to the next row and column, never more than
    1.25 times the usual one where rows are missing; elsewhere the median distance to the nearest cell.
    """
    rows, row = np.unique(np.round(lat, 3), return_inverse=True)
    columns, column = np.unique(np.round(lon, 3), return_inverse=True)
    if len(lat) >= 4 and 2 < len(rows) * len(columns) < 0.25 * len(lat) ** 2 and min(len(rows), len(columns)) > 1:
        return _spacing(rows)[row], _spacing(columns)[column]
    if len(lat) < 2:
        return np.full(len(lat), 0.5), np.full(len(lat), 0.5)
    narrowing = max(float(np.cos(np.deg2rad(np.mean(lat)))), 0.1)
    distance = cKDTree(np.stack([lat, lon * narrowing], axis=1)).query(np.stack([lat, lon * narrowing], axis=1), k=2)[0]
    side = max(0.8 * float(np.median(distance[:, 1])), 1e-3)
    return np.full(len(lat), side), np.full(len(lat), side / narrowing)


class _Scale(NamedTuple):
    norm: Normalize
    colours: str
    label: str
    extend: str


def _draw(fields: Mapping[str, np.ndarray], cells: Cells, scale: _Scale, title: str) -> Figure:
    if not fields:
        raise DataError(f"no field to draw: {title}")
    columns = 2 if len(fields) == 4 else min(3, len(fields))
    rows = -(-len(fields) // columns)
    height, width = cell_rectangles(cells.lat, cells.lon)
    south, north = float((cells.lat - height).min()), float((cells.lat + height).max())
    west, east = float((cells.lon - width).min()), float((cells.lon + width).max())
    narrowing = max(float(np.cos(np.deg2rad((south + north) / 2))), 0.1)
    shape = min(max((north - south) / ((east - west) * narrowing), 0.35), 1.6)
    across = 6.5 if columns == 1 else 4.3
    figure = Figure(figsize=(across * columns + 1.0, (0.92 * across * shape + 0.3) * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for panel, (name, values) in zip(axes.flat, fields.items(), strict=False):
        _draw_cells(panel, values, cells, (height, width), scale)
        panel.set_title(name, fontsize=10)
        panel.set(xlim=(west, east), ylim=(south, north), aspect=1 / narrowing)
    _label_axes(axes, len(fields))
    colours = ScalarMappable(scale.norm, scale.colours)
    colour_bar = figure.colorbar(colours, ax=axes, label=scale.label, extend=scale.extend, shrink=0.9, pad=0.02)
    colour_bar.outline.set_linewidth(0.5)
    missing = any(np.isnan(values).any() for values in fields.values())
    handles = [Patch(facecolor="#ffffff", edgecolor=_OUTLINE, linewidth=1.0, label="unseen cell (outlined)")]
    handles = handles if (~cells.trained).any() else []
    if missing:
        handles.append(Patch(facecolor=_NOTHING, label="no value"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_cells(
    axes: Axes, values: np.ndarray, cells: Cells, size: tuple[np.ndarray, np.ndarray], scale: _Scale
) -> None:
    height, width = size
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    boxes = np.stack([cells.lon, cells.lat], -1)[:, None] + corners * np.stack([width, height], -1)[:, None]
    known = np.isfinite(values)
    if (~known).any():
        axes.add_collection(PolyCollection(boxes[~known], facecolors=_NOTHING, edgecolors="none"))
    filled = PolyCollection(boxes[known], array=values[known], cmap=scale.colours, norm=scale.norm, edgecolors="face",
                            linewidths=0.2)  # fmt: skip
    axes.add_collection(filled)
    unseen = ~cells.trained
    inner = np.stack([cells.lon, cells.lat], -1)[:, None] + 0.9 * corners * np.stack([width, height], -1)[:, None]
    for colour, width_points in (("white", 1.8), (_OUTLINE, 0.8)):  # the halo keeps it visible on dark colours
        outline = PolyCollection(inner[unseen], facecolors="none", edgecolors=colour, linewidths=width_points)
        axes.add_collection(outline)
    axes.set_facecolor("#f4f4f4")


def _label_axes(axes: np.ndarray, n_fields: int) -> None:
    columns = axes.shape[1]
    for k, panel in enumerate(axes.flat):
        if k >= n_fields:
            panel.set_visible(False)
            continue
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.yaxis.set_major_locator(MaxNLocator(5))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _degrees(x, "E", "W")))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _degrees(y, "N", "S")))
        panel.tick_params(labelsize=8, labelbottom=k + columns >= n_fields, labelleft=k % columns == 0)


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):g}°{side}"


def _spacing(lines: np.ndarray) -> np.ndarray:
    """Room of each grid line: the smaller gap beside it, at most 1.25 times the median gap."""
    gaps = np.diff(lines)
    nearest = np.minimum(np.r_[np.inf, gaps], np.r_[gaps, np.inf])
    return np.minimum(nearest, 1.25 * np.median(gaps))


def _finite(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.asarray(v, dtype=float).ravel() for v in fields.values()]) if fields else np.empty(0)
    return values[np.isfinite(values)]
