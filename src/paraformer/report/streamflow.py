"""Streamflow in the report: the table of scores over gauges, hydrographs, flow-duration curves, and a map of KGE."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paraformer.core.names import DEFAULT
from paraformer.core.results import Results
from paraformer.report.colours import method_styles
from paraformer.report.config import ReportConfig
from paraformer.report.figures import save_figure
from paraformer.report.geography import Extent, draw_lines
from paraformer.report.page import Section

_SHOWN = {
    "kge": "KGE",
    "r": "r",
    "alpha": "alpha",
    "beta": "beta",
    "nse": "NSE",
    "log_nse": "log NSE",
    "percent_bias": "bias [%]",
    "high_flow": "high flow [%]",
    "low_flow": "low flow [%]",
    "peak_days": "peak [day]",
    "lag": "lag [day]",
}
"""Scores of the table, medians over gauges, and how they are headed; the file has all of them."""
CAPTIONS = {
    "streamflow-kge": "Share of gauges with less than a KGE, test period: the farther right a curve, the better its "
    "method. Where curves cross, one is better at good gauges and the other at bad ones.",
    "hydrographs": "Daily flow in the last three years of the test period, gauges from the lowest to the highest KGE "
    "of the best method: peaks that come late or too low show what θ cannot mend.",
    "flow-duration": "Share of days with more than a flow, the same gauges, test period: the left end tells of floods, "
    "the right end of low flow, which KGE hardly sees.",
    "map-streamflow": "KGE of every gauge, test period, by the best method: gauges alike beside each other say that "
    "region or climate decides, not chance.",
}
"""Figures of the chapter, and what is seen in each."""
_EXPLORED = ("streamflow-kge", "hydrographs", "map-streamflow")
"""Figures of what the map, the distribution and the hydrographs of the page show."""
_OBSERVED = "#9aa3ab"
"""Colour of the observed flow, a broad line behind the others: the a-priori parameters are black."""
_PICTURE_BYTES = 700_000
"""Pictures of this size together stand inside the page."""
_KEPT = "Scores of flow, test period, basins kept aside: each judged by a learner that did not learn from it"
_HYDROGRAPHS = 4
"""Gauges that are drawn: at even steps from the lowest KGE of the best method to the highest."""
TEXT = (
    "Medians over the gauges that could be scored. KGE is that of 2009 with its parts r (correlation), alpha (ratio of "
    "standard deviations) and beta (ratio of means); the mean flow has -0.41. High and low flow: bias of the volume of "
    "the highest 2 % and lowest 30 % of days; peak: day of the simulated less that of the observed yearly peak; lag: "
    "days by which the simulation comes late. Persistence knows the flow of the day before, which no simulation does."
)


def flow_table(scores: pd.DataFrame, period: str = "test") -> pd.DataFrame:
    """Medians over gauges of every method, trained and unseen gauges apart; the mean over seeds of each gauge first.

    Args:
        scores: as ``core.results.Results.streamflow``.
        period: ``train`` or ``test``.
    """
    part = scores[scores["period"] == period]
    groups = ["trained", "unseen"] if part["cells"].nunique() > 1 else list(part["cells"].unique())
    rows = []
    for method in dict.fromkeys(part["method"]):
        for group in groups:
            chosen = part[(part["method"] == method) & (part["cells"] == group)]
            of_gauge = chosen.groupby("gauge", sort=False)[list(_SHOWN)].mean()
            scored = of_gauge[np.isfinite(of_gauge["kge"])]
            found = {label: _number(scored[name].median(), name) for name, label in _SHOWN.items()}
            rows.append({"method": method, "gauges": f"{group} ({len(scored)} of {len(of_gauge)})", **found})
    return pd.DataFrame(rows)


def _number(value: float, name: str) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.1f}" if name in ("percent_bias", "high_flow", "low_flow", "peak_days", "lag") else f"{value:.3f}"


def sections(
    results: Results, figures: Path, left_out: Collection[str] = (), gauges: str | None = None
) -> list[Section]:
    """The chapter of flow; none where no flow was judged.

    Args:
        figures: folder that ``draw`` filled; figures beyond 0.7 MB together stay in it.
        left_out: figures that stand elsewhere on the page.
        gauges: map and hydrographs to explore, in place of still ones.
    """
    scores = results.streamflow
    if scores is None:
        return []
    left_out = {*left_out, *(() if gauges is None else _EXPLORED)}
    drawn, used = [], 0
    for name, caption in CAPTIONS.items():
        picture = figures / f"{name}.png"
        if name in left_out or not picture.exists():
            continue
        used += picture.stat().st_size
        if used <= _PICTURE_BYTES:
            drawn.append((caption, picture))
    tables = [
        ("Scores of flow, test period: days that no method saw", flow_table(scores)),
        (
            "Scores of flow, training period: a method far better here than in the test period has overfitted",
            flow_table(scores, "train"),
        ),
    ]
    if results.streamflow_kept is not None:
        tables.insert(1, (_KEPT, flow_table(results.streamflow_kept)))
    return [Section("Streamflow", TEXT, tables, drawn, markup=gauges or "")]


def draw(results: Results, config: ReportConfig, path: Path) -> None:
    """The figures of flow into ``path``; nothing where no flow was judged."""
    scores, series = results.streamflow, results.discharge
    if scores is None or series is None:
        return
    test = scores[scores["period"] == "test"]
    kge = test.pivot_table(index="gauge", columns="method", values="kge", sort=False)
    methods = [name for name in dict.fromkeys(series["method"].values.tolist()) if name in kge.columns]
    if not len(kge) or not methods:
        return
    save_figure(_distributions(kge, methods), path / "streamflow-kge", config)
    best = max(methods, key=lambda name: kge[name].median())
    chosen = _chosen(kge[best].dropna())
    shown = [name for name in dict.fromkeys((DEFAULT, best)) if name in methods]
    period = results.cube.period("test")
    part = series.sel(time=slice(str(period.start), str(period.end)))
    save_figure(_hydrographs(part, chosen, shown, kge), path / "hydrographs", config)
    save_figure(_durations(part, chosen, shown), path / "flow-duration", config)
    save_figure(_map(test, best), path / "map-streamflow", config)


def _chosen(kge: pd.Series) -> list[str]:
    order = kge.sort_values().index
    places = np.unique(np.linspace(0, len(order) - 1, min(_HYDROGRAPHS, len(order))).round().astype(int))
    return [str(order[place]) for place in places]


def _distributions(kge: pd.DataFrame, methods: list[str]) -> Figure:
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    styles = method_styles(methods)
    for name in methods:
        values = np.sort(kge[name].dropna().to_numpy())
        share = np.arange(1, len(values) + 1) / len(values)
        axis.step(np.clip(values, -1, 1), share, where="post", label=name, **styles[name])
    axis.set(xlabel="KGE [–], below −1 at −1", ylabel="share of gauges with less [–]", xlim=(-1, 1), ylim=(0, 1))
    axis.legend(fontsize="small")
    return figure


def _flow_of(series: xr.Dataset, method: str, gauge: str) -> np.ndarray:
    """Mean over seeds of a method at a gauge."""
    rows = np.flatnonzero(series["method"].values == method)
    return series["simulated"].isel(row=rows).sel(gauge=gauge).values.astype(np.float64).mean(axis=0)


def _panels(number: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height * number), layout="constrained")
    axes = figure.subplots(number, 1, squeeze=False)
    return figure, list(axes[:, 0])


def _hydrographs(series: xr.Dataset, gauges: list[str], methods: list[str], kge: pd.DataFrame) -> Figure:
    figure, axes = _panels(len(gauges), 10.0, 2.2)
    styles, days = method_styles(methods), series["time"].values
    last = days >= days[-1] - np.timedelta64(3 * 365, "D")  # three years can still be read
    for axis, gauge in zip(axes, gauges, strict=True):
        axis.plot(
            days[last], series["observed"].sel(gauge=gauge).values[last], color=_OBSERVED, lw=2.2, label="observed"
        )
        for name in methods:
            label = f"{name} (KGE {kge.loc[gauge, name]:.2f})"
            axis.plot(days[last], _flow_of(series, name, gauge)[last], lw=0.8, color=styles[name]["color"], label=label)
        area = float(series["area_km2"].sel(gauge=gauge))
        axis.set_title(f"{gauge}, {area:.0f} km²", loc="left", fontsize="medium")
        axis.set_ylabel("flow [m³ s⁻¹]")
        axis.legend(fontsize="x-small", ncols=3, loc="upper right")
    return figure


def _durations(series: xr.Dataset, gauges: list[str], methods: list[str]) -> Figure:
    rows = (len(gauges) + 1) // 2
    figure = Figure(figsize=(6.4, 2.9 * rows), layout="constrained")  # two beside each other can be read on a telephone
    axes = figure.subplots(rows, min(2, len(gauges)), squeeze=False).ravel()
    for axis in axes[len(gauges) :]:
        axis.remove()
    styles = method_styles(methods)
    for axis, gauge in zip(axes, gauges, strict=False):
        observed = series["observed"].sel(gauge=gauge).values.astype(np.float64)
        seen = np.isfinite(observed)
        lines = {"observed": (observed, _OBSERVED)} | {
            name: (_flow_of(series, name, gauge), styles[name]["color"]) for name in methods
        }
        for name, (flow, colour) in lines.items():
            ordered = np.sort(flow[seen])[::-1]
            share = 100 * np.arange(1, len(ordered) + 1) / (len(ordered) + 1)
            axis.plot(share, np.maximum(ordered, 1e-4), color=colour, label=name, lw=2.4 if name == "observed" else 1.0)
        axis.set(yscale="log", xlabel="days with more [%]", title=gauge)
        axis.grid(alpha=0.3)
    for axis in axes[: len(gauges) : 2]:
        axis.set_ylabel("flow [m³ s⁻¹]")
    axes[0].legend(fontsize="small")
    return figure


def _map(test: pd.DataFrame, method: str) -> Figure:
    part = test[test["method"] == method].groupby("gauge", sort=False)[["lat", "lon", "kge"]].mean()
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    points = axis.scatter(
        part["lon"], part["lat"], c=part["kge"], vmin=-0.41, vmax=1, cmap="viridis", s=36, ec="black", lw=0.4
    )
    figure.colorbar(points, label="KGE [–], from that of the mean flow")
    west, east = axis.get_xlim()
    south, north = axis.get_ylim()
    draw_lines(axis, Extent(west - 1, east + 1, south - 1, north + 1))
    axis.set(
        xlabel="longitude", ylabel="latitude", title=method, xlim=(west - 1, east + 1), ylim=(south - 1, north + 1)
    )
    return figure
