"""Fields drawn on maps: a panel each, on one colour scale or one each, unseen cells outlined or in panels of their
own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from paraformer.core.errors import DataError
from paraformer.report.geography import Extent, draw_lines
from paraformer.report.rectangles import Cells, Layout, layout

_ACROSS = {1: 6.5, 2: 4.3, 3: 3.3, 4: 2.8}
"""Width of a map by the number of maps beside each other [inch]."""


class _Bar(NamedTuple):
    """Greatest length, and width, of the colour bar of several maps [inch]."""

    length: float
    width: float


_BAR = _Bar(6.0, 0.22)
_OWN_BAR = 0.8
"""Width that a colour bar of its own takes from a map [inch]."""
_OUTLINE = "#000000"
_NOTHING = "#bbbbbb"
_GROUND = "#e1e5e8"
"""Behind the cells: neither end nor middle of any scale."""


class Scale(NamedTuple):
    """Colours of a field: range, colour map, label of the colour bar, and ends beyond which values lie."""

    norm: Normalize
    colours: str | Colormap
    label: str
    extend: str


class Ground(NamedTuple):
    """What all maps of the same cells share: rectangles, edges, and width of a degree of longitude [of latitude]."""

    cells: Cells
    layout: Layout
    extent: Extent
    narrowing: float

    @classmethod
    def of(cls, cells: Cells) -> Ground:
        how = layout(cells)
        south, north = float((cells.lat - how.height).min()), float((cells.lat + how.height).max())
        west, east = float((cells.lon - how.width).min()), float((cells.lon + how.width).max())
        narrowing = max(float(np.cos(np.deg2rad((south + north) / 2))), 0.1)
        return cls(cells, how, Extent(west, east, south, north), narrowing)

    @property
    def shape(self) -> float:
        """Height of a map over its width, within what fits a page."""
        west, east, south, north = self.extent
        return float(min(max((north - south) / ((east - west) * self.narrowing), 0.35), 1.6))


class _Panel(NamedTuple):
    """One map: title, values [cell], the cells that are drawn [cell], and its colours."""

    title: str
    values: np.ndarray
    shown: np.ndarray
    scale: Scale


def draw_fields(
    fields: Mapping[str, np.ndarray], cells: Cells, scale: Scale | Sequence[Scale], title: str, *, absent: str = ""
) -> Figure:
    """A figure with a panel for each field; ``scale`` is one for all, or one each.

    Where unseen cells would cover trained ones they have panels of their own below; elsewhere they are outlined.

    Args:
        absent: what a cell without a value (NaN) means, for the legend; by default that there is no value.

    Raises:
        DataError: if there is no field.
    """
    if not fields:
        raise DataError(f"no field to draw: {title}")
    ground = Ground.of(cells)
    scales = [scale] * len(fields) if isinstance(scale, Scale) else list(scale)
    rows = _panels(fields, ground, scales)
    columns = len(rows[0])
    across, beside = _ACROSS[columns], 0.0 if isinstance(scale, Scale) else _OWN_BAR
    figure = Figure(
        figsize=(across * columns + 1.0, (0.92 * (across - beside) * ground.shape + 0.4) * len(rows) + 0.7),
        layout=ConstrainedLayoutEngine(h_pad=0.07),
    )
    axes = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    for panel, content in zip(axes.flat, (one for row in rows for one in row), strict=True):
        if content is None:
            panel.set_visible(False)
            continue
        draw_field(panel, content.values, ground, content.scale, shown=content.shown, outlined=not ground.layout.apart)
        panel.set_title(content.title, fontsize=10)
        if columns > 3 or beside:
            panel.xaxis.set_major_locator(MaxNLocator(3))  # the map is small
        if not isinstance(scale, Scale):
            colour_bar(figure, panel, content.scale)
    if isinstance(scale, Scale):
        colour_bar(figure, axes, scale)
    _label_outer(axes, rows)
    _legend(figure, fields, ground, absent)
    figure.suptitle(title, fontsize=11)
    return figure


def draw_field(
    axes: Axes,
    values: np.ndarray,
    ground: Ground,
    scale: Scale,
    *,
    shown: np.ndarray | None = None,
    outlined: bool = False,
) -> None:
    """One field on one map: cells, coasts and borders, degrees along the axes.

    Args:
        shown: cells that are drawn; by default all, or the trained ones where others would cover them.
        outlined: mark unseen cells among those drawn.
    """
    cells, how = ground.cells, ground.layout
    if shown is None:
        shown = cells.trained if how.apart else np.ones(cells.lat.size, dtype=bool)
    known = np.isfinite(values)
    axes.add_collection(PolyCollection(_boxes(ground, shown & ~known), facecolors=_NOTHING, edgecolors="none"))
    filled = PolyCollection(
        _boxes(ground, shown & known),
        array=values[shown & known],
        cmap=scale.colours,
        norm=scale.norm,
        edgecolors="face",
        linewidths=0.2,
    )
    axes.add_collection(filled)
    if outlined:
        inner = _boxes(ground, shown & ~cells.trained, 0.9)
        for colour, width_points in (("white", 1.8), (_OUTLINE, 0.8)):  # the halo keeps it visible on dark colours
            axes.add_collection(PolyCollection(inner, facecolors="none", edgecolors=colour, linewidths=width_points))
    axes.set_facecolor(_GROUND)
    draw_lines(axes, ground.extent)
    west, east, south, north = ground.extent
    axes.set(xlim=(west, east), ylim=(south, north), aspect=1 / ground.narrowing)
    for axis, sides in ((axes.xaxis, ("E", "W")), (axes.yaxis, ("N", "S"))):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _, sides=sides: _degrees(value, *sides)))
    axes.tick_params(labelsize=8)


def colour_bar(figure: Figure | SubFigure, axes: Axes | np.ndarray, scale: Scale) -> None:
    """The colour bar of a scale beside its maps: as high as a single map, or at the upper end of several."""
    place: dict[str, Any] = {}
    if isinstance(axes, Axes):
        place["cax"] = axes.inset_axes((1.03, 0, 0.04, 1))
    else:
        high = figure.bbox.height / figure.dpi
        length = min(0.9 * high, _BAR.length)
        place |= {"ax": axes, "shrink": length / high, "aspect": length / _BAR.width, "pad": 0.02, "anchor": (0, 0.97)}
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.colours), label=scale.label, extend=scale.extend, **place)
    if isinstance(scale.norm, LogNorm):
        _label_logarithmic(bar)
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(labelsize=8)


def _label_logarithmic(bar: Colorbar) -> None:
    """Plain numbers along a logarithmic bar: even steps within a decade, 1, 2 and 5 within two, else decades."""
    low, high = bar.norm.vmin, bar.norm.vmax
    assert low is not None
    assert high is not None
    decades = float(np.log10(high / low))
    steps = LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2 else (1.0,))
    bar.locator = MaxNLocator(4) if decades < 1 else steps
    bar.formatter = FuncFormatter(lambda value, _: f"{value:.4g}")
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    if decades < 1:
        bar.minorticks_off()


def _panels(fields: Mapping[str, np.ndarray], ground: Ground, scales: Sequence[Scale]) -> list[list[_Panel | None]]:
    """Rows of panels, the last one filled up with nothing; rows of unseen cells below those of trained ones."""
    count = len(fields)
    columns = 4 if count > 6 and count != 9 else 2 if count == 4 else min(3, count)
    every, trained = np.ones(ground.cells.lat.size, dtype=bool), ground.cells.trained
    groups = [("", trained), ("\nunseen cells", ~trained)] if ground.layout.apart else [("", every)]
    named = list(zip(fields.items(), scales, strict=True))
    rows: list[list[_Panel | None]] = []
    for first in range(0, len(named), columns):
        for suffix, shown in groups:
            part = named[first : first + columns]
            row: list[_Panel | None] = [_Panel(name + suffix, v, shown, own) for (name, v), own in part]
            rows.append(row + [None] * (columns - len(row)))
    return rows


def _boxes(ground: Ground, chosen: np.ndarray, size: float = 1.0) -> Any:
    """Corners [cell, 4, 2] of the rectangles of the chosen cells."""
    corners = size * np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    at = np.stack([ground.cells.lon, ground.cells.lat], -1)[chosen]
    return at[:, None] + corners * np.stack([ground.layout.width, ground.layout.height], -1)[chosen][:, None]


def _label_outer(axes: np.ndarray, rows: Sequence[Sequence[_Panel | None]]) -> None:
    """Degrees at the left and below the lowest map of each column."""
    for column in range(axes.shape[1]):
        lowest = max(i for i, row in enumerate(rows) if row[column] is not None)
        for i in range(lowest + 1):
            axes[i, column].tick_params(labelbottom=i == lowest, labelleft=column == 0)


def _legend(figure: Figure, fields: Mapping[str, np.ndarray], ground: Ground, absent: str) -> None:
    handles = []
    if (~ground.cells.trained).any() and not ground.layout.apart:
        handles.append(Patch(facecolor="#ffffff", edgecolor=_OUTLINE, linewidth=1.0, label="unseen cell (outlined)"))
    if any(np.isnan(values).any() for values in fields.values()):
        handles.append(Patch(facecolor=_NOTHING, label=absent or "no value"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):g}°{side}"
