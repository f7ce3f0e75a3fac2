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
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.report.figures import METRIC_LABELS
from paraformer.report.geography import Extent, draw_lines

_OUTLINE = "#000000"
_NOTHING = "#bbbbbb"


class Cells(NamedTuple):
    """Where the cells are: latitude [degree_north], longitude [degree_east], and which were learned from [cell]."""

    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    trained: Bool[np.ndarray, " cell"]


def parameter_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]], cells: Cells, parameter: Parameter, *, shared: bool = True
) -> Figure:
    """One parameter as each method found it, colours logarithmic where the parameter is (Figures 5 and 6 of the paper).

    Args:
        fields: method -> physical values [cell].
        cells: positions.
        parameter: its name, unit, transform and meaning label the figure.
        shared: one colour scale for all methods shows who finds more; a scale each shows the pattern of each.
    """
    title = f"{parameter.name}: {parameter.meaning}" if parameter.meaning else parameter.name
    if shared:
        return _draw(fields, cells, _parameter_scale(_finite(fields), parameter), title)
    return _draw(fields, cells, [_parameter_scale(_finite({n: v}), parameter) for n, v in fields.items()], title)


def residual_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]],
    prior: Float[np.ndarray, " cell"],
    cells: Cells,
    parameter: Parameter,
) -> Figure:
    """Each method's parameter less the a-priori one (Figure 7 of the paper, with both signs).

    Logarithmic parameters are compared by their ratio, as a decimal logarithm: +1 is ten times the a-priori value.
    """
    unit = "" if parameter.unit == "1" else f" [{parameter.unit}]"
    label = f"{parameter.name} less a priori{unit}"
    residuals = {name: values - prior for name, values in fields.items()}
    if parameter.transform == "log":
        label = f"log₁₀({parameter.name} / a priori)"
        residuals = {name: np.log10(values / prior) for name, values in fields.items()}
    values = np.abs(_finite(residuals))
    high = float(np.percentile(values, 98)) if values.size else 1.0
    extend = "both" if values.size and values.max() > high else "neither"
    scale = _Scale(Normalize(-(high or 1.0), high or 1.0), "PuOr_r", label, extend)
    return _draw(residuals, cells, scale, f"{parameter.name}: what learning changed")


def spread_maps(
    theta: Float[np.ndarray, "seed cell parameter"], cells: Cells, space: ParameterSpace, *, method: str
) -> Figure:
    """Standard deviation over seeds of each parameter in each cell: where it is wide, the data do not identify θ.

    In unit coordinates, in which a random θ would have 0.29, the end of the colour scale.

    Raises:
        DataError: if there are fewer than two seeds.
    """
    if len(theta) < 2:
        raise DataError(f"no spread to draw: {method} has one seed")
    spread = space.to_unit(theta).std(axis=0, ddof=1)
    scale = _Scale(Normalize(0, 12**-0.5), "magma_r", "standard deviation [share of range]", "max")
    fields = {name: spread[:, i] for i, name in enumerate(space.names)}
    return _draw(fields, cells, scale, f"Spread of {method} over {len(theta)} seeds")


def gain_maps(gain: Float[np.ndarray, "cell parameter"], cells: Cells, space: ParameterSpace, *, method: str) -> Figure:
    """Share of each parameter's prior variance that the observations of a cell take away: 0 says they do not see it.

    NaN is drawn as such: a cell whose posterior is not to be trusted would show a gain near 1 of everything.
    """
    scale = _Scale(Normalize(0, 1), "viridis", "1 - posterior / prior variance", "min")
    fields = {name: gain[:, i] for i, name in enumerate(space.names)}
    return _draw(fields, cells, scale, f"What soil moisture says of each parameter, around {method}")


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


def _parameter_scale(values: np.ndarray, parameter: Parameter) -> _Scale:
    """From the least to the greatest value; over the bounds where all are the same."""
    low, high = (float(values.min()), float(values.max())) if values.size else parameter.physical_bounds
    if high <= low * (1 + 1e-9):
        low, high = parameter.physical_bounds
    norm = LogNorm(low, high) if parameter.transform == "log" else Normalize(low, high)
    unit = "–" if parameter.unit == "1" else parameter.unit
    return _Scale(norm, "viridis", f"{parameter.name} [{unit}]", "neither")


def _draw(fields: Mapping[str, np.ndarray], cells: Cells, scale: _Scale | list[_Scale], title: str) -> Figure:
    """A panel a field; ``scale`` is one for all, or one each."""
    if not fields:
        raise DataError(f"no field to draw: {title}")
    scales = scale if isinstance(scale, list) else [scale] * len(fields)
    columns = 2 if len(fields) == 4 else min(3, len(fields))
    rows = -(-len(fields) // columns)
    height, width = cell_rectangles(cells.lat, cells.lon)
    south, north = float((cells.lat - height).min()), float((cells.lat + height).max())
    west, east = float((cells.lon - width).min()), float((cells.lon + width).max())
    narrowing = max(float(np.cos(np.deg2rad((south + north) / 2))), 0.1)
    shape = min(max((north - south) / ((east - west) * narrowing), 0.35), 1.6)
    across = {1: 6.5, 2: 4.3}.get(columns, 3.3)
    figure = Figure(
        figsize=(across * columns + 1.0, (0.92 * across * shape + 0.3) * rows + 0.7),
        layout=ConstrainedLayoutEngine(h_pad=0.07),
    )
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for panel, (name, values), own in zip(axes.flat, fields.items(), scales, strict=False):
        _draw_cells(panel, values, cells, (height, width), own)
        draw_lines(panel, Extent(west, east, south, north))
        panel.set_title(name, fontsize=10)
        panel.set(xlim=(west, east), ylim=(south, north), aspect=1 / narrowing)
    _label_axes(axes, len(fields))
    if isinstance(scale, list):
        for panel, own in zip(axes.flat, scales, strict=False):
            _colour_bar(figure, panel, own)
    else:
        _colour_bar(figure, axes, scale)
    missing = any(np.isnan(values).any() for values in fields.values())
    handles = [Patch(facecolor="#ffffff", edgecolor=_OUTLINE, linewidth=1.0, label="unseen cell (outlined)")]
    handles = handles if (~cells.trained).any() else []
    if missing:
        handles.append(Patch(facecolor=_NOTHING, label="no value"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _colour_bar(figure: Figure, axes: Axes | np.ndarray, scale: _Scale) -> None:
    colours = ScalarMappable(scale.norm, scale.colours)
    bar = figure.colorbar(colours, ax=axes, label=scale.label, extend=scale.extend, shrink=0.9, pad=0.02)
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(labelsize=8)


def _draw_cells(
    axes: Axes, values: np.ndarray, cells: Cells, size: tuple[np.ndarray, np.ndarray], scale: _Scale
) -> None:
    height, width = size
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    boxes = np.stack([cells.lon, cells.lat], -1)[:, None] + corners * np.stack([width, height], -1)[:, None]
    known = np.isfinite(values)
    if (~known).any():
        axes.add_collection(PolyCollection(boxes[~known], facecolors=_NOTHING, edgecolors="none"))
    filled = PolyCollection(
        boxes[known], array=values[known], cmap=scale.colours, norm=scale.norm, edgecolors="face", linewidths=0.2
    )
    axes.add_collection(filled)
    unseen = ~cells.trained
    inner = np.stack([cells.lon, cells.lat], -1)[:, None] + 0.9 * corners * np.stack([width, height], -1)[:, None]
    for colour, width_points in (("white", 1.8), (_OUTLINE, 0.8)):  # the halo keeps it visible on dark colours
        outline = PolyCollection(inner[unseen], facecolors="none", edgecolors=colour, linewidths=width_points)
        axes.add_collection(outline)
    axes.set_facecolor("#e1e5e8")  # neither end nor middle of any scale


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
