"""The report stage: figures from the tables and archives of a judged study, and the page that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from paraformer.config import Study
from paraformer.core.schema import Cube
from paraformer.evaluation.baselines import NOTES
from paraformer.evaluation.score import summarise
from paraformer.pipeline.verdict import DEFAULT, TRUTH
from paraformer.report.config import ReportConfig
from paraformer.report.figures import parameter_recovery, save_figure, score_cdfs, surrogate_response
from paraformer.report.maps import Cells, difference_maps, parameter_maps, score_maps
from paraformer.report.page import Section, render_page
from paraformer.report.tables import rounded, score_table


def tables(scores: Path, *, period: str = "test") -> pd.DataFrame:
    """The score table of a judged study, ready to print."""
    summary = summarise(pd.read_csv(scores / "soil_moisture.csv"))
    gap = pd.read_csv(scores / "surrogate_gap.csv")
    runs = pd.read_csv(scores / "process_model_runs.csv").set_index("method")["process_model_runs"].to_dict()
    return score_table(summary, gap=gap, runs=runs, period=period)


def draw(study: Study, cube: Cube, scores: Path, surrogate: Path, prior: np.ndarray, path: Path) -> None:
    """Every figure of the study into ``path``."""
    config, space = study.report, study.space
    cells_table = pd.read_csv(scores / "soil_moisture_cells.csv.gz")
    where = Cells(cube.lat, cube.lon, cube.trained)
    save_figure(score_cdfs(cells_table, operator=config.operator), path / "cdf", config)
    response = pd.read_csv(surrogate / "response.csv")
    both = (response[name].to_numpy() for name in ("process_model", "surrogate"))
    save_figure(surrogate_response(*both, title="Held-out θ"), path / "response", config)
    fields = _fields(scores / "verdict.zarr")
    first = {"a priori": prior} | {m: theta for (m, _), theta in fields.items()}
    for position, parameter in enumerate(space):
        maps = {name: theta[:, position] for name, theta in first.items()}
        save_figure(parameter_maps(maps, where, parameter), path / f"map-{parameter.name}", config)
    for metric in ("rmse", "pcc", "nse"):
        values = _score_fields(cells_table, cube, metric, config)
        title = f"{metric.upper()} of each cell, test period, {config.operator}"
        save_figure(score_maps(values, where, metric, title=title), path / f"map-score-{metric}", config)
        reference = values.pop(DEFAULT)
        differences = difference_maps(values, reference, where, metric, reference_name=DEFAULT)
        save_figure(differences, path / f"map-gain-{metric}", config)
    if (TRUTH, -1) in fields:
        for (method, seed), theta in fields.items():
            if method in study.learners and seed == 0:
                figure = parameter_recovery(theta, fields[TRUTH, -1], space, cube.trained, method=method)
                save_figure(figure, path / f"recovery-{method}", config)


def page(study: Study, scores: Path, surrogate: Path, figures: Path, manifest: Mapping[str, Any]) -> str:
    """The report as one HTML text that opens without a network."""
    sections = [
        Section("Scores", f"Every θ is judged by the process model itself. RMSE, ubRMSE and gap in m3 m-3. {_notes()}",
                [("Test period", tables(scores)), ("Training period", tables(scores, period="train"))],
                [("Cumulative distributions over cells", figures / "cdf.png")]),
        Section("Surrogate", "The surrogate against the process model on θ it has not learned from.",
                [("Held-out θ", audit_table(surrogate / "audit.json")),
                 ("Near the learned θ", audit_table(scores / "audit_learned.json"))],
                [("Response of soil moisture to a change of θ", figures / "response.png")]),
        Section("Parameters", "θ as each method found it; all seeds learned from the training period alone.", [],
                [(f"{p.name} [{p.unit}]: {p.meaning}", figures / f"map-{p.name}.png") for p in study.space]),
        Section("Where it works", "", [], [(f"{m.upper()}, test period", figures / f"map-{kind}-{m}.png")
                                           for m in ("rmse", "pcc", "nse") for kind in ("score", "gain")]),
        Section("Checklist", "What a careful reader looks at before believing a score.",
                [("", rounded(pd.read_csv(scores / "checklist.csv")))]),
    ]  # fmt: skip
    if (scores / "recovery.csv").exists():
        found = [(f"{name}, seed 0", figures / f"recovery-{name}.png") for name in study.learners]
        sections.insert(1, Section("Recovery of the true θ", "The built-in world's true θ is known.",
                                   [("Over cells, mean of seeds", recovery_table(scores))], found))  # fmt: skip
    lead = f"Study {study.name}: train {study.data.train}, test {study.data.test}, {study.learner_seeds} seed(s)."
    return render_page(f"ParaFormer: {study.name}", lead, sections, _facts(manifest))


def _notes() -> str:
    """What a reader of the reference rows must know."""
    return " ".join(f"{name[0].upper()}{name[1:]}: {note}." for name, note in NOTES.items())


def recovery_table(scores: Path) -> pd.DataFrame:
    """Correlation of found with true θ per parameter, mean over seeds."""
    table = pd.read_csv(scores / "recovery.csv")
    means = table.groupby(["method", "parameter", "cells"], sort=False)[["pearson", "spearman", "rmse"]].mean()
    return rounded(means.reset_index(), 3)


def audit_table(path: Path) -> pd.DataFrame:
    """An audit's rows as a table; empty if there was none."""
    if not path.exists():
        return pd.DataFrame(columns=["output"])
    rows = json.loads(path.read_text())
    return rounded(pd.DataFrame(rows), 4)


def _fields(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """(method, seed) -> θ [cell, parameter] of the judged archive."""
    archive = xr.open_zarr(path, consolidated=False)
    keys = zip(archive.attrs["methods"], archive.attrs["seeds"], strict=True)
    return {key: archive["theta"][:, i].values for i, key in enumerate(keys)}


def _score_fields(table: pd.DataFrame, cube: Cube, metric: str, config: ReportConfig) -> dict[str, np.ndarray]:
    """Method -> one value a cell (mean over seeds), in the cube's order of cells."""
    chosen = table[(table["operator"] == config.operator) & (table["period"] == "test") & (table["metric"] == metric)]
    methods = list(dict.fromkeys(chosen["method"]))
    over_seeds = chosen.groupby(["method", "cell"], sort=False)["value"].agg(lambda v: v.to_numpy().mean())
    wide = over_seeds.unstack("cell")[cube.cells.tolist()]  # a cell unscored under one seed is unscored here
    return {method: wide.loc[method].to_numpy() for method in methods if np.isfinite(wide.loc[method]).any()}


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's facts, flat, for the end of the page."""
    facts: dict[str, Any] = {}
    for key in ("git", "python", "seed"):
        facts[key] = manifest.get(key, "")
    facts |= {f"version {k}": v for k, v in manifest.get("versions", {}).items()}
    facts |= {f"input {k}": v for k, v in manifest.get("inputs", {}).items()}
    for name, stage in manifest.get("stages", {}).items():
        facts[f"stage {name}"] = (f"{stage.get('wall_s', 0):.0f} s wall, {stage.get('cpu_s', 0):.0f} s CPU, "
                                  f"{stage.get('runs', 0)} process-model runs")  # fmt: skip
    return facts
