"""The figures of a judged study, drawn from its tables and archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure

from paraformer.config import Study
from paraformer.core.names import DEFAULT, TRUTH
from paraformer.core.netcdf import read_dataset
from paraformer.core.schema import Cube
from paraformer.evaluation.evapotranspiration import DAYS_PER_YEAR
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.pareto import TRUSTED_K
from paraformer.evaluation.score import fit_operator
from paraformer.learners.attended import has_attention
from paraformer.numerics.observe import observe
from paraformer.pipeline.attention import attention_of
from paraformer.pipeline.rows import Rows, rows_of
from paraformer.pipeline.verdict import DEFAULT_RUNS, RUNS
from paraformer.report.figures import (
    OPERATOR_LABELS,
    parameter_recovery,
    save_figure,
    score_cdfs,
    surrogate_response,
)
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
from paraformer.report.series import Climate, Site, choose_sites, shown_methods, site_positions, site_series
from paraformer.report.tables import product_name


@dataclass(frozen=True)
class Atlas:
    """What the figures of one study are drawn from, and where they go."""

    study: Study
    cube: Cube
    scores: Path
    prior: np.ndarray
    path: Path

    @cached_property
    def rows(self) -> Rows:
        return rows_of(self.scores)

    @cached_property
    def holdout(self) -> Holdout:
        return holdout_of(self.cube)

    @property
    def verdict(self) -> Path:
        """Folder of the runs that were judged."""
        return self.scores.parent / "verdict"

    @cached_property
    def where(self) -> Cells:
        return Cells(self.cube.lat, self.cube.lon, self.cube.trained)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Per-cell scores, methods in the order of the tables."""
        table = pd.read_csv(self.scores / "soil_moisture_cells.csv.gz")
        place = {name: i for i, name in enumerate(self.rows.order)}
        return table.iloc[np.argsort(table["method"].map(place).to_numpy(), kind="stable")]

    @cached_property
    def fields(self) -> dict[str, np.ndarray]:
        """Method -> θ [seed, cell, parameter], in the order of the tables."""
        archive = xr.open_zarr(self.verdict / RUNS, consolidated=False)
        theta = archive["theta"].values
        names = np.array(archive.attrs["methods"])
        return {m: theta[:, names == m].swapaxes(0, 1) for m in self.rows.order if (names == m).any()}

    def simulated(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each method's soil moisture [seed, cell, time] [m3 m-3] as the configured operator shows it."""
        for name in (DEFAULT_RUNS, RUNS):
            archive = xr.open_zarr(self.verdict / name, consolidated=False)
            names = np.array(archive.attrs.get("methods", [DEFAULT]))
            for method in dict.fromkeys(names.tolist()):
                series = archive["soil_moisture"][:, np.flatnonzero(names == method)].values.astype(np.float64)
                yield method, np.stack([self._observed_as(series[:, i]) for i in range(series.shape[1])])

    def score_fields(self, metric: str) -> dict[str, np.ndarray]:
        """Method -> test score of each cell (mean over seeds), in the cube's order of cells."""
        chosen = self.cells[
            (self.cells["operator"] == self.study.report.operator)
            & (self.cells["period"] == "test")
            & (self.cells["metric"] == metric)
        ]
        methods = list(dict.fromkeys(chosen["method"]))
        over_seeds = chosen.groupby(["method", "cell"], sort=False)["value"].agg(lambda v: v.to_numpy().mean())
        wide = over_seeds.unstack("cell")[self.cube.cells.tolist()]  # a cell unscored under one seed is unscored here
        return {method: wide.loc[method].to_numpy() for method in methods if np.isfinite(wide.loc[method]).any()}

    def save(self, figure: Figure, name: str) -> None:
        save_figure(figure, self.path / name, self.study.report)

    def _observed_as(self, series: np.ndarray) -> np.ndarray:
        return np.asarray(observe(series, fit_operator(self.study.report.operator, series, self.holdout)))


def draw(
    study: Study, cube: Cube, scores: Path, surrogate: Path, prior: np.ndarray, path: Path, uncertainty: Path | None
) -> None:
    """Every figure of the study into ``path``; ``uncertainty`` is the folder of the posteriors, if there are any."""
    atlas = Atlas(study, cube, scores, prior, path)
    atlas.save(score_cdfs(atlas.cells, operator=study.report.operator), "cdf")
    response = pd.read_csv(surrogate / "response.csv")
    if len(response):
        both = (response[name].to_numpy() for name in ("process_model", "surrogate"))
        atlas.save(surrogate_response(*both, title="Held-out θ"), "response")
    series = dict(atlas.simulated())
    _draw_scatter(atlas, series)
    _draw_series(atlas, series)
    _draw_parameters(atlas)
    _draw_scores(atlas)
    _draw_evapotranspiration(atlas)
    for name, learner in study.learners.items():
        if has_attention(learner):
            atlas.save(attention_of(study, scores.parent, name).figure(), f"attention-{name}")
    if uncertainty is not None and study.uncertainty is not None:
        for method in study.uncertainty.methods:
            gain = trusted_gain(read_dataset(uncertainty / f"{method}.nc"))
            atlas.save(gain_maps(gain, atlas.where, study.space, method=method), f"map-identified-{method}")


def trusted_gain(posterior: xr.Dataset) -> Float[np.ndarray, "cell parameter"]:
    """Gain of every cell whose weighted draws may be trusted; NaN elsewhere, where one draw can fix everything."""
    return posterior["gain"].where(posterior["pareto_k"] <= TRUSTED_K).transpose("cell", "parameter").to_numpy()


def _draw_scatter(atlas: Atlas, series: dict[str, np.ndarray]) -> None:
    """Simulated and observed soil moisture of the test period: means of each cell, or every day of all seeds."""
    holdout, seen = atlas.holdout, atlas.holdout.mask & atlas.holdout.test_days
    methods = [m for m in atlas.rows.order if m in series]
    for group, cells in (("trained", holdout.trained), ("unseen", ~holdout.trained)):
        chosen = seen & cells[:, None]
        shown = OPERATOR_LABELS[atlas.study.report.operator]
        title = f"Soil moisture of {group} cells in the test period,\n{shown}; scores are means over cells"
        if atlas.study.report.scatter == "cells":
            chosen = chosen & (chosen.sum(axis=1) >= atlas.study.evaluation.min_days)[:, None]
        if not chosen.any():
            continue
        if atlas.study.report.scatter == "cells":
            means = {m: Fields.of(daily_means(series[m], chosen), _cell_means(atlas, m, group)) for m in methods}
            figure = mean_scatter(means, daily_means(holdout.observed, chosen), title=title)
        else:
            pairs = {}
            for m in methods:
                reference = np.tile(holdout.observed[chosen], len(series[m]))
                pairs[m] = Pairs(series[m][:, chosen].ravel(), reference, _cell_means(atlas, m, group))
            figure = density_scatter(pairs, title=title)
        atlas.save(figure, f"scatter-{group}")


def _cell_means(atlas: Atlas, method: str, group: str) -> str:
    chosen = atlas.cells[
        (atlas.cells["method"] == method)
        & (atlas.cells["cells"] == group)
        & (atlas.cells["operator"] == atlas.study.report.operator)
        & (atlas.cells["period"] == "test")
        & atlas.cells["scored"]
    ]
    mean = chosen.groupby("metric")["value"].mean()
    return "\n".join(f"{m.upper()} {mean[m]:.{d}f}" for m, d in (("rmse", 3), ("pcc", 2), ("nse", 2)) if m in mean)


def _draw_series(atlas: Atlas, series: dict[str, np.ndarray]) -> None:
    """Chosen sites, or three by the NSE of the leading learner; default VIC, the paper's and the leading methods."""
    holdout, rows, wanted = atlas.holdout, atlas.rows, atlas.study.report.sites
    nse, days = atlas.score_fields("nse"), holdout.test_days
    learned = [m for m in (_leader(nse, group) for group in (rows.learners, rows.history)) if m]
    searched = [m for m in (_leader(nse, rows.searches),) if m]
    first = _leader(nse, learned) or _leader(nse, searched)
    if first is None and not wanted:
        return
    methods = shown_methods([m for m in rows.order if m in series], [*searched, *learned])
    chosen: Iterable[int] = site_positions(wanted, atlas.cube.cells)
    if first is not None and not wanted:
        chosen = choose_sites(nse[first], (holdout.mask & days).sum(axis=1)).tolist()
    sites = []
    for cell in chosen:
        group = "trained" if holdout.trained[cell] else "unseen"
        title = f"cell {holdout.cells[cell]}, {_place(holdout.lat[cell], holdout.lon[cell])}, {group}"
        if first is not None and np.isfinite(nse[first][cell]):
            title += f": NSE of {first} {nse[first][cell]:.2f}"
        rain = atlas.cube.dataset["prcp"][cell].values[days].astype(np.float64)
        shown = {m: series[m][:, cell][:, days] for m in methods}
        sites.append(Site(title, cell, holdout.observed[cell][days], holdout.mask[cell][days], rain, shown))
    if sites:
        means = atlas.cube.dataset[["prcp", "tair"]].mean("time", dtype=np.float64)
        climate = Climate(atlas.where, DAYS_PER_YEAR * means["prcp"].values, means["tair"].values)
        atlas.save(site_series(atlas.cube.time[days], sites, climate), "series")


def _leader(score: dict[str, np.ndarray], methods: list[str]) -> str | None:
    """The method with the highest median score over cells."""
    found = [m for m in methods if m in score]
    return max(found, key=lambda m: np.nanmedian(score[m])) if found else None


def _place(lat: float, lon: float) -> str:
    return f"{abs(lat):.2f}°{'N' if lat >= 0 else 'S'} {abs(lon):.2f}°{'E' if lon >= 0 else 'W'}"


def _draw_parameters(atlas: Atlas) -> None:
    """θ of each method (its first seed), what it changed, how far its seeds differ, and whether it found the truth."""
    space, where = atlas.study.space, atlas.where
    for i, parameter in enumerate(space):
        found = {method: theta[0, :, i] for method, theta in atlas.fields.items()}
        prior = atlas.prior[:, i]
        everything = {"a priori": prior} | found
        atlas.save(parameter_maps(everything, where, parameter), f"map-{parameter.name}")
        atlas.save(parameter_maps(everything, where, parameter, shared=False), f"map-{parameter.name}-own")
        atlas.save(residual_maps(found, prior, where, parameter), f"map-{parameter.name}-residual")
        atlas.save(raised_maps(found, prior, where, parameter), f"map-{parameter.name}-raised")
    for method, theta in atlas.fields.items():
        if len(theta) > 1:
            atlas.save(spread_maps(theta, where, space, method=method), f"map-spread-{method}")
        if TRUTH in atlas.fields and method in atlas.study.learners:
            truth = atlas.fields[TRUTH][0]
            atlas.save(parameter_recovery(theta[0], truth, space, where.trained, method=method), f"recovery-{method}")


def _draw_scores(atlas: Atlas) -> None:
    """Each metric of each cell, and how much better than default VIC."""
    for metric in ("rmse", "pcc", "nse"):
        values = atlas.score_fields(metric)
        title = f"{metric.upper()} of each cell, test period, {atlas.study.report.operator}"
        atlas.save(score_maps(values, atlas.where, metric, title=title), f"map-score-{metric}")
        reference = values.pop(DEFAULT)
        differences = difference_maps(values, reference, atlas.where, metric, reference_name=DEFAULT)
        atlas.save(differences, f"map-gain-{metric}")


def _draw_evapotranspiration(atlas: Atlas) -> None:
    """Annual evapotranspiration of every method against every product, where the study has been judged by them."""
    if not (atlas.scores / "evapotranspiration.csv").exists():
        return
    scores = pd.read_csv(atlas.scores / "evapotranspiration.csv")
    cells = pd.read_csv(atlas.scores / "evapotranspiration_cells.csv.gz")
    wide = {
        key: part.groupby("seed", sort=False)["value"].agg(list) for key, part in cells.groupby("method", sort=False)
    }
    stacked = {str(name): np.stack([np.array(v, dtype=np.float64) for v in seeds]) for name, seeds in wide.items()}
    trained = atlas.where.trained
    for reference in dict.fromkeys(scores["reference"]):
        product = product_name(reference)
        for group, chosen in (("trained", trained), ("unseen", ~trained)):
            known = np.where(chosen, stacked[reference][0], np.nan)
            if not np.isfinite(known).any():
                continue
            panels = {}
            for name in dict.fromkeys([*(m for m in atlas.rows.order if m in stacked), *stacked]):
                if name != reference:
                    label = product_name(name) if name.startswith("et_") else name
                    panels[label] = Fields.of(stacked[name], _annual_scores(scores, name, reference, group))
            title = f"Annual evapotranspiration of {group} cells"
            figure = evapotranspiration_scatter(panels, known, name=product, title=title)
            atlas.save(figure, f"evapotranspiration-{reference.removeprefix('et_')}-{group}")
    _draw_trade_off(atlas, scores)


def _draw_trade_off(atlas: Atlas, scores: pd.DataFrame) -> None:
    """Both errors of every seed of every method that has a θ, all cells together."""
    raw = atlas.cells[
        (atlas.cells["operator"] == "raw")
        & (atlas.cells["period"] == "test")
        & (atlas.cells["metric"] == "rmse")
        & atlas.cells["scored"]
    ]
    moisture = raw.groupby(["method", "seed"])["value"].mean()
    annual = scores[(scores["cells"] == "all") & (scores["kind"] == "process model")]
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for reference, part in annual.groupby("reference", sort=False):
        found = part.set_index(["method", "seed"])["rmse"]
        both = pd.concat({"x": moisture, "y": found}, axis=1, join="inner").dropna()
        names = [m for m in atlas.rows.order if m in both.index.get_level_values("method")]
        panels[product_name(str(reference))] = {
            m: (both.loc[m, "x"].to_numpy(), both.loc[m, "y"].to_numpy()) for m in names
        }
    if panels:
        atlas.save(trade_off(panels), "trade-off")


def _annual_scores(scores: pd.DataFrame, method: str, reference: str, cells: str) -> str:
    found = scores[(scores["method"] == method) & (scores["reference"] == reference) & (scores["cells"] == cells)]
    mean = found[["rmse", "pcc", "nse"]].mean()
    return f"RMSE {mean['rmse']:.0f}\nPCC {mean['pcc']:.2f}\nNSE {mean['nse']:.2f}"
