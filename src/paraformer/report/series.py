"""Three sites through the test year, with a closer look at the heaviest rain (Figure 8 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.errors import DataError
from paraformer.report.figures import quiet

DAYS_BEFORE, DAYS_AFTER = 5, 20
"""Days shown before and after the heaviest rain."""
MIN_SITE_DAYS, MIN_EVENT_DAYS = 60, 5
"""Observed days a site needs in the period, and around its heaviest rain."""
QUANTILES = (0.25, 0.5, 0.75)

_RAIN = "#7aa6c2"


@dataclass(frozen=True)
class Site:
    """One row of the figure.

    Attributes:
        title: where the site is and how well it does.
        observed: [m3 m-3] [time], any value where ``mask`` is False.
        mask: observed days [time].
        precipitation: [mm day-1] [time].
        simulated: method -> soil moisture [m3 m-3] [seed, time].
    """

    title: str
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


def heaviest_rain(precipitation: Float[np.ndarray, " time"], mask: Bool[np.ndarray, " time"]) -> int:
    """Position of the day with most precipitation among those with ``MIN_EVENT_DAYS`` observed days around them.

    Where no day has as many, of all days.
    """
    seen = np.convolve(mask, np.ones(DAYS_BEFORE + DAYS_AFTER + 1))[DAYS_AFTER : DAYS_AFTER + mask.size]
    candidates = seen >= MIN_EVENT_DAYS
    return int(np.argmax(np.where(candidates | ~candidates.any(), precipitation, -1.0)))


def site_series(days: np.ndarray, sites: Sequence[Site], styles: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A row a site: the whole period to the left, the heaviest rain to the right.

    Lines are means over seeds, bands their range, dots the satellite, bars from above the precipitation.

    Args:
        days: UTC days of the period (datetime64) [time].
        sites: rows of the figure.
        styles: method -> line style, as ``figures.method_styles`` gives it.

    Raises:
        DataError: if there is no site.
    """
    if not sites:
        raise DataError("no site to draw: no cell is scored")
    days = days.astype("datetime64[D]")
    figure = Figure(figsize=(10.5, 2.45 * len(sites) + 0.7), layout="constrained")
    axes = figure.subplots(len(sites), 2, squeeze=False, width_ratios=(3, 1.25), sharey="row")
    for (whole, event), site in zip(axes, sites, strict=True):
        at = heaviest_rain(site.precipitation, site.mask)
        window = slice(max(at - DAYS_BEFORE, 0), at + DAYS_AFTER + 1)
        top = 2.5 * max(float(site.precipitation.max()), 1.0)
        for panel, shown in ((whole, slice(None)), (event, window)):
            _draw_site(panel, days, site, shown, styles, top)
        whole.set_title(site.title, fontsize=9.5, loc="left")
        event.set_title(f"heaviest rain, {days[at]}", fontsize=9.5, loc="left")
        whole.set_ylabel("soil moisture [m³ m⁻³]", fontsize=9)
        _draw_window(whole, days[window])
    figure.legend(handles=_handles(sites, styles), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


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
    rain.bar(x, site.precipitation[shown], width=1.0, color=_RAIN, alpha=0.75, linewidth=0)
    rain.set(ylim=(top, 0))
    ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(0, 0.4 * top)
    rain.set_yticks([tick for tick in ticks if 0 <= tick <= 0.42 * top])
    rain.tick_params(labelsize=8, colors="#42718f", labelright=closer, right=closer)
    rain.spines[["top", "left", "bottom"]].set_visible(False)
    rain.spines["right"].set_visible(closer)
    rain.spines["right"].set_color("#42718f")
    if closer:
        rain.set_ylabel("precipitation [mm day⁻¹]", fontsize=8, color="#42718f")
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
    handles.append(Line2D([], [], color=_RAIN, linewidth=5, label="precipitation"))
    return handles
