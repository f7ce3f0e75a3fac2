"""Sites on maps of the climate and through the test year, with a closer look at the heaviest rain (the paper's Figure
8)."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib.dates as mdates
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.schema import Cube
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.report.colours import RAIN, RAIN_TEXT, SITE, method_styles
from paraformer.report.figures import quiet
from paraformer.report.map_panels import Ground, Scale, colour_bar, draw_field
from paraformer.report.rectangles import Cells

DAYS_BEFORE, DAYS_AFTER = 5, 20
"""Days shown before and after the heaviest rain."""
MIN_SITE_DAYS, MIN_EVENT_DAYS = 60, 5
"""Observed days a site needs in the period, and around its heaviest rain."""
QUANTILES = (0.25, 0.5, 0.75)
ALWAYS = ("default VIC", "SCE-UA", "LSTM_Z", "ParaFormer_Z")
"""Methods that are shown wherever a study has them: the a-priori θ and the three of the paper's Figure 8."""
_WIDTH, _ROW = 10.5, 2.45
"""Width of the figure, and height of a site's row [inch]."""


class Climate(NamedTuple):
    """Where the sites are: mean precipitation [mm year-1] and mean air temperature [degC] of all cells [cell]."""

    cells: Cells
    precipitation: Float[np.ndarray, " cell"]
    temperature: Float[np.ndarray, " cell"]


def climate_of(cube: Cube, cells: Cells) -> Climate:
    """The climate of a cube's days."""
    means = cube.dataset[["prcp", "tair"]].mean("time", dtype=np.float64)
    return Climate(cells, DAYS_PER_YEAR * means["prcp"].values, means["tair"].values)


@dataclass(frozen=True)
class Site:
    """One row of the figure.

    Attributes:
        title: where the site is and how well it does.
        cell: its position among all cells.
        observed: [m3 m-3] [time], any value where ``mask`` is False.
        mask: observed days [time].
        precipitation: [mm day-1] [time].
        simulated: method -> soil moisture [m3 m-3] [seed, time].
    """

    title: str
    cell: int
    observed: Float[np.ndarray, " time"]
    mask: Bool[np.ndarray, " time"]
    precipitation: Float[np.ndarray, " time"]
    simulated: Mapping[str, np.ndarray]


def choose_sites(
    score: Float[np.ndarray, " cell"], observed_days: Int[np.ndarray, " cell"]
) -> Int[np.ndarray, " site"]:
    """Positions of the cells nearest the 25th, 50th and 75th percentile of a score, so that no one picks nice ones.

    Args:
        score: NaN where there is none.
        observed_days: cells with fewer than ``MIN_SITE_DAYS`` are passed over, unless all are.

    Returns:
        Up to three different positions, from the worst to the best.
    """
    fit = np.isfinite(score) & (observed_days >= MIN_SITE_DAYS)
    fit = fit if fit.any() else np.isfinite(score)
    cells = np.flatnonzero(fit)
    ordered = cells[np.argsort(score[cells], kind="stable")]
    places = [round(q * (len(ordered) - 1)) for q in QUANTILES] if len(ordered) else []
    return ordered[sorted(set(places))].astype(np.int64)


def site_positions(wanted: Sequence[int | str], cells: np.ndarray) -> list[int]:
    """Positions of the cells that the setting ``report.sites`` names.

    Raises:
        SettingsError: naming the first that is not among them.
    """
    place = {str(cell): i for i, cell in enumerate(cells.tolist())}
    for cell in map(str, wanted):
        if cell not in place:
            raise SettingsError(f"report.sites: no cell {cell}; the {len(place)} cells are {cells[0]} .. {cells[-1]}")
    return [place[str(cell)] for cell in wanted]


def heaviest_rain(precipitation: Float[np.ndarray, " time"], mask: Bool[np.ndarray, " time"]) -> int:
    """Position of the day with most precipitation among those with ``MIN_EVENT_DAYS`` observed days around them.

    Where no day has as many, of all days.
    """
    seen = np.convolve(mask, np.ones(DAYS_BEFORE + DAYS_AFTER + 1))[DAYS_AFTER : DAYS_AFTER + mask.size]
    candidates = seen >= MIN_EVENT_DAYS
    return int(np.argmax(np.where(candidates | ~candidates.any(), precipitation, -1.0)))


def shown_methods(present: Iterable[str], leaders: Iterable[str]) -> list[str]:
    """Methods of the figure, in the order of ``present``: those that are always shown, and the leaders of each kind."""
    wanted = {*ALWAYS, *leaders}
    return [method for method in present if method in wanted]


def site_series(days: np.ndarray, sites: Sequence[Site], climate: Climate) -> Figure:
    """Maps of the climate with the sites marked, then a row a site: the whole period, and its heaviest rain.

    Lines are means over seeds, bands their range, dots the satellite, bars from above the precipitation.

    Args:
        days: UTC days of the period (datetime64) [time].
        sites: rows of the figure.
        climate: of all cells.

    Raises:
        DataError: if there is no site.
    """
    if not sites:
        raise DataError("no site to draw: no cell is scored")
    days, ground = days.astype("datetime64[D]"), Ground.of(climate.cells)
    heights = (0.42 * _WIDTH * ground.shape + 0.3, _ROW * len(sites) + 0.7)
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    _draw_climate(above, sites, climate, ground)
    axes = below.subplots(len(sites), 2, squeeze=False, width_ratios=(3, 1.25), sharey="row")
    styles = method_styles(dict.fromkeys(method for site in sites for method in site.simulated))
    for (whole, event), site, letter in zip(axes, sites, _letters(len(sites)), strict=True):
        at = heaviest_rain(site.precipitation, site.mask)
        window = slice(max(at - DAYS_BEFORE, 0), at + DAYS_AFTER + 1)
        top = 2.5 * max(float(site.precipitation.max()), 1.0)
        for panel, shown in ((whole, slice(None)), (event, window)):
            _draw_site(panel, days, site, shown, styles, top)
        whole.set_title(f"({letter}) {site.title}", fontsize=9.5, loc="left")
        event.set_title(f"heaviest rain, {days[at]}", fontsize=9.5, loc="left")
        whole.set_ylabel("soil moisture [m³ m⁻³]", fontsize=9)
        _draw_window(whole, days[window])
    below.legend(handles=_handles(sites, styles), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _letters(sites: int) -> list[str]:
    """Letters of the sites' rows; the maps are a and b. Beyond z they go on as aa, ab, ..."""
    alphabet = string.ascii_lowercase
    names = [*alphabet, *(a + b for a in alphabet for b in alphabet)]
    return names[2 : 2 + sites]


def _draw_climate(figure: SubFigure, sites: Sequence[Site], climate: Climate, ground: Ground) -> None:
    """Both maps, a triangle and the letter of its row at each site."""
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    shown = (
        ("(a) mean precipitation", climate.precipitation, "YlGnBu", "[mm year⁻¹]"),
        ("(b) mean air temperature", climate.temperature, "RdYlBu_r", "[°C]"),
    )
    for panel, (title, values, colours, unit) in zip(panels, shown, strict=True):
        scale = Scale(Normalize(float(np.nanmin(values)), float(np.nanmax(values))), colours, unit, "neither")
        draw_field(panel, values, ground, scale)
        colour_bar(figure, panel, scale)
        panel.set_title(title, fontsize=9.5, loc="left")
        for site, letter in zip(sites, _letters(len(sites)), strict=True):
            place = (climate.cells.lon[site.cell], climate.cells.lat[site.cell])
            panel.plot(*place, marker="^", markersize=8, color=SITE, markeredgecolor="white", linestyle="", zorder=5)
            panel.annotate(
                letter,
                place,
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=9,
                zorder=6,
                bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8},
            )


def _draw_site(
    axes: Axes, days: np.ndarray, site: Site, shown: slice, styles: Mapping[str, Mapping[str, Any]], top: float
) -> None:
    x = days[shown]
    closer = shown != slice(None)
    for method, series in site.simulated.items():
        style = dict(styles[method]) | {"linewidth": 1.4 if closer else 0.9}
        part = series[:, shown]
        if len(part) > 1:
            axes.fill_between(x, part.min(axis=0), part.max(axis=0), color=style["color"], alpha=0.25, linewidth=0)
        axes.plot(x, part.mean(axis=0), **style)
    seen = site.mask[shown]
    axes.plot(
        x[seen],
        site.observed[shown][seen],
        linestyle="",
        marker="o",
        markersize=4 if closer else 2.2,
        color="black",
        markeredgewidth=0,
        zorder=5,
    )
    rain = axes.twinx()
    rain.bar(x, site.precipitation[shown], width=1.0, color=RAIN, alpha=0.75, linewidth=0)
    rain.set(ylim=(top, 0))
    ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(0, 0.4 * top)
    rain.set_yticks([tick for tick in ticks if 0 <= tick <= 0.42 * top])
    rain.tick_params(labelsize=8, colors=RAIN_TEXT, labelright=closer, right=closer)
    rain.spines[["top", "left", "bottom"]].set_visible(False)
    rain.spines["right"].set_visible(closer)
    rain.spines["right"].set_color(RAIN_TEXT)
    if closer:
        rain.set_ylabel("precipitation [mm day⁻¹]", fontsize=8, color=RAIN_TEXT)
    axes.set_xlim(x[0] - np.timedelta64(1, "D"), x[-1] + np.timedelta64(1, "D"))
    locator = mdates.DayLocator(bymonthday=(1, 8, 15, 22)) if closer else mdates.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    short = mdates.DateFormatter("%d %b") if closer else mdates.ConciseDateFormatter(locator, show_offset=False)
    axes.xaxis.set_major_formatter(short)
    axes.set_zorder(rain.get_zorder() + 1)  # dots and lines before the rain
    axes.patch.set_visible(False)
    axes.tick_params(labelsize=8)
    quiet(axes)


def _draw_window(axes: Axes, days: np.ndarray) -> None:
    """Where in the year the closer look is."""
    axes.axvspan(days[0], days[-1], facecolor="#f0c040", alpha=0.25, linewidth=0, zorder=0)


def _handles(sites: Sequence[Site], styles: Mapping[str, Mapping[str, Any]]) -> list[Line2D]:
    methods = dict.fromkeys(method for site in sites for method in site.simulated)
    seeds = {method: max(len(s.simulated[method]) for s in sites if method in s.simulated) for method in methods}
    handles = [Line2D([], [], **styles[m], label=f"{m} ({seeds[m]} seeds)" if seeds[m] > 1 else m) for m in methods]
    handles.append(Line2D([], [], linestyle="", marker="o", color="black", markersize=4, label="observed"))
    handles.append(Line2D([], [], color=RAIN, linewidth=5, label="precipitation"))
    return handles
