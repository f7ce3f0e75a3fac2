"""The figures of a judged study, drawn from its tables and archives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from paraformer.core.names import DEFAULT, TRUTH
from paraformer.core.results import TRUSTED_K, Results
from paraformer.report import streamflow
from paraformer.report.config import ReportConfig
from paraformer.report.figures import OPERATOR_LABELS, parameter_recovery, save_figure, score_cdfs, surrogate_response
from paraformer.report.maps import (
    difference_maps,
    gain_maps,
    parameter_maps,
    raised_maps,
    residual_maps,
    score_maps,
    spread_maps,
)
from paraformer.report.rectangles import Cells
from paraformer.report.scatter import (
    Fields,
    Pairs,
    daily_means,
    density_scatter,
    evapotranspiration_scatter,
    mean_scatter,
    trade_off,
)
from paraformer.report.series import Site, choose_sites, climate_of, shown_methods, site_positions, site_series
from paraformer.report.simulated import simulated
from paraformer.report.tables import product_name, variable_name


@dataclass(frozen=True)
class Observed:
    """Observations of the cells [m3 m-3], 0 where ``mask`` is False, and the days of the test period."""

    values: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    test_days: Bool[np.ndarray, " time"]


@dataclass(frozen=True)
class Atlas:
    """What the figures of one study are drawn from, how, and where they go."""

    results: Results
    config: ReportConfig
    path: Path

    @cached_property
    def where(self) -> Cells:
        cube = self.results.cube
        return Cells(cube.lat, cube.lon, cube.trained)

    @cached_property
    def observed(self) -> Observed:
        cube = self.results.cube
        return Observed(*cube.observed(), cube.period("test").mask(cube.time))

    @cached_property
    def order(self) -> list[str]:
        """Methods in the order of the tables."""
        return self.results.names()

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Scores of every cell in the test period, as simulated and under the configured operator."""
        return self.results.cell_table(operator=("raw", self.config.operator), period="test")

    @cached_property
    def fields(self) -> dict[str, np.ndarray]:
        """Method -> θ [seed, cell, parameter], in the order of the tables."""
        return self.results.theta_fields()

    def simulated(self) -> dict[str, np.ndarray]:
        """Each method's soil moisture [seed, cell, time] [m3 m-3] as the configured operator shows it."""
        return dict(simulated(self.results, self.config.operator))

    def score_fields(self, metric: str) -> dict[str, np.ndarray]:
        """Method -> test score of each cell, mean over seeds."""
        return self.results.score_fields(metric, self.config.operator)

    def save(self, figure: Figure, name: str) -> None:
        save_figure(figure, self.path / name, self.config)


def draw(results: Results, config: ReportConfig, path: Path) -> None:
    """Every figure of a judged study into ``path``."""
    streamflow.draw(results, config, path)
    if not results.moisture:
        return
    atlas = Atlas(results, config, path)
    atlas.save(score_cdfs(atlas.cells, operator=config.operator), "cdf")
    response = results.response
    if len(response):
        both = (response[name].to_numpy() for name in ("process_model", "surrogate"))
        atlas.save(surrogate_response(*both, title="Held-out θ"), "response")
    series = atlas.simulated()
    _draw_scatter(atlas, series)
    _draw_series(atlas, series)
    _draw_parameters(atlas)
    _draw_scores(atlas)
    _draw_evapotranspiration(atlas)
    _draw_trade_off(atlas)
    for method in results.posteriors:
        gain = trusted_gain(results.posterior(method))
        atlas.save(gain_maps(gain, atlas.where, results.space, method=method), f"map-identified-{method}")


def trusted_gain(posterior: xr.Dataset) -> Float[np.ndarray, "cell parameter"]:
    """Gain of every cell whose weighted draws may be trusted; NaN elsewhere, where one draw can fix everything."""
    return posterior["gain"].where(posterior["pareto_k"] <= TRUSTED_K).transpose("cell", "parameter").to_numpy()


def _draw_scatter(atlas: Atlas, series: dict[str, np.ndarray]) -> None:
    """Simulated and observed soil moisture of the test period: means of each cell, or every day of all seeds."""
    observed, by_cells = atlas.observed, atlas.config.scatter == "cells"
    seen, trained = observed.mask & observed.test_days, atlas.where.trained
    least = int(atlas.results.cell_scores.attrs["min_days"])
    for group, cells in (("trained", trained), ("unseen", ~trained)):
        shown = seen & cells[:, None]
        operator = OPERATOR_LABELS[atlas.config.operator]
        title = f"Soil moisture of {group} cells in the test period,\n{operator}; scores are means over cells"
        if by_cells:
            shown = shown & (shown.sum(axis=1) >= least)[:, None]
        if not shown.any():
            continue
        if by_cells:
            means = {m: Fields.of(daily_means(s, shown), _cell_means(atlas, m, group)) for m, s in series.items()}
            figure = mean_scatter(means, daily_means(observed.values, shown), title=title)
        else:
            pairs = {}
            for m, simulated in series.items():
                reference = np.tile(observed.values[shown], len(simulated))
                pairs[m] = Pairs(simulated[:, shown].ravel(), reference, _cell_means(atlas, m, group))
            figure = density_scatter(pairs, title=title)
        atlas.save(figure, f"scatter-{group}")


def _cell_means(atlas: Atlas, method: str, group: str) -> str:
    part = atlas.cells[
        (atlas.cells["method"] == method)
        & (atlas.cells["cells"] == group)
        & (atlas.cells["operator"] == atlas.config.operator)
        & atlas.cells["scored"]
    ]
    mean = part.groupby("metric")["value"].mean()
    return "\n".join(f"{m.upper()} {mean[m]:.{d}f}" for m, d in (("rmse", 3), ("pcc", 2), ("nse", 2)) if m in mean)


def _draw_series(atlas: Atlas, series: dict[str, np.ndarray]) -> None:
    """Chosen sites, or three by the NSE of the leading learner; default VIC, the paper's and the leading methods."""
    observed, names, wanted = atlas.observed, atlas.results.names, atlas.config.sites
    nse, days, cells = atlas.score_fields("nse"), observed.test_days, atlas.results.cube.cells
    learned = [m for m in (_leader(nse, names(kind)) for kind in ("learner", "history learner")) if m]
    searched = [m for m in (_leader(nse, names("ensemble", "search")),) if m]
    first = _leader(nse, learned) or _leader(nse, searched)
    if first is None and not wanted:
        return
    methods = shown_methods(series, [*searched, *learned])
    positions: Iterable[int] = site_positions(wanted, cells)
    if first is not None and not wanted:
        positions = choose_sites(nse[first], (observed.mask & days).sum(axis=1)).tolist()
    sites = []
    for cell in positions:
        group = "trained" if atlas.where.trained[cell] else "unseen"
        title = f"cell {cells[cell]}, {_place(atlas.where.lat[cell], atlas.where.lon[cell])}, {group}"
        if first is not None and np.isfinite(nse[first][cell]):
            title += f": NSE of {first} {nse[first][cell]:.2f}"
        rain = atlas.results.cube.dataset["prcp"][cell].values[days].astype(np.float64)
        shown = {m: series[m][:, cell][:, days] for m in methods}
        sites.append(Site(title, cell, observed.values[cell][days], observed.mask[cell][days], rain, shown))
    if sites:
        cube = atlas.results.cube
        atlas.save(site_series(cube.time[days], sites, climate_of(cube, atlas.where)), "series")


def _leader(score: dict[str, np.ndarray], methods: list[str]) -> str | None:
    """The method with the highest median score over cells."""
    found = [m for m in methods if m in score]
    return max(found, key=lambda m: np.nanmedian(score[m])) if found else None


def _place(lat: float, lon: float) -> str:
    return f"{abs(lat):.2f}°{'N' if lat >= 0 else 'S'} {abs(lon):.2f}°{'E' if lon >= 0 else 'W'}"


def _draw_parameters(atlas: Atlas) -> None:
    """θ of each method (its first seed), what it changed, how far its seeds differ, and whether it found the truth."""
    space, where, prior_of = atlas.results.space, atlas.where, atlas.results.prior
    learners = atlas.results.names("learner", "history learner")
    for i, parameter in enumerate(space):
        found = {method: theta[0, :, i] for method, theta in atlas.fields.items()}
        prior = prior_of[:, i]
        everything = {"a priori": prior} | found
        atlas.save(parameter_maps(everything, where, parameter), f"map-{parameter.name}")
        atlas.save(parameter_maps(everything, where, parameter, shared=False), f"map-{parameter.name}-own")
        atlas.save(residual_maps(found, prior, where, parameter), f"map-{parameter.name}-residual")
        atlas.save(raised_maps(found, prior, where, parameter), f"map-{parameter.name}-raised")
    for method, theta in atlas.fields.items():
        if len(theta) > 1:
            atlas.save(spread_maps(theta, where, space, method=method), f"map-spread-{method}")
        if TRUTH in atlas.fields and method in learners:
            truth = atlas.fields[TRUTH][0]
            atlas.save(parameter_recovery(theta[0], truth, space, where.trained, method=method), f"recovery-{method}")


def _draw_scores(atlas: Atlas) -> None:
    """Each metric of each cell, and how much better than default VIC."""
    for metric in ("rmse", "pcc", "nse"):
        values = atlas.score_fields(metric)
        title = f"{metric.upper()} of each cell, test period, {atlas.config.operator}"
        atlas.save(score_maps(values, atlas.where, metric, title=title), f"map-score-{metric}")
        reference = values.pop(DEFAULT)
        differences = difference_maps(values, reference, atlas.where, metric, reference_name=DEFAULT)
        atlas.save(differences, f"map-gain-{metric}")


def _draw_evapotranspiration(atlas: Atlas) -> None:
    """Annual evapotranspiration of every method against every product, where the study has been judged by them."""
    scores, annual = atlas.results.evapotranspiration, atlas.results.annual_evapotranspiration
    if scores is None or annual is None:
        return
    names = annual["method"].values.astype(str)
    stacked = {name: annual["total"].values[names == name] for name in dict.fromkeys(names.tolist())}
    trained = atlas.where.trained
    for reference in dict.fromkeys(scores["reference"]):
        product = product_name(reference)
        for group, cells in (("trained", trained), ("unseen", ~trained)):
            known = np.where(cells, stacked[reference][0], np.nan)
            if not np.isfinite(known).any():
                continue
            panels = {}
            for name in dict.fromkeys([*(m for m in atlas.order if m in stacked), *stacked]):
                if name != reference:
                    label = product_name(name) if name.startswith("et_") else name
                    panels[label] = Fields.of(stacked[name], _annual_scores(scores, name, reference, group))
            title = f"Annual evapotranspiration of {group} cells"
            figure = evapotranspiration_scatter(panels, known, name=product, title=title)
            atlas.save(figure, f"evapotranspiration-{reference.removeprefix('et_')}-{group}")


def _draw_trade_off(atlas: Atlas) -> None:
    """Both errors of every method that has a θ, all cells together: a panel for each variable that was judged.

    Where the truth is known a variable is drawn against it, and not against its observations too.
    """
    table = atlas.results.pareto
    if table is None:
        return
    known = set(table.loc[table["reference"] == TRUTH, "variable"])
    shown = table[(table["reference"] == TRUTH) | ~table["variable"].isin(known)]
    panels = {
        variable_name(str(variable), str(reference), str(unit)): part
        for (variable, reference, unit), part in shown.groupby(["variable", "reference", "unit"], sort=False)
    }
    atlas.save(trade_off(panels), "trade-off")


def _annual_scores(scores: pd.DataFrame, method: str, reference: str, cells: str) -> str:
    found = scores[(scores["method"] == method) & (scores["reference"] == reference) & (scores["cells"] == cells)]
    mean = found[["rmse", "pcc", "nse"]].mean()
    return f"RMSE {mean['rmse']:.0f}\nPCC {mean['pcc']:.2f}\nNSE {mean['nse']:.2f}"
