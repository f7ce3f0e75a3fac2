"""The page of a judged study: its tables, ready to print, and the report that holds tables and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from paraformer.core.files import write_csv, write_text
from paraformer.core.results import TRUSTED_K, Results
from paraformer.core.run_files import CHECKLIST
from paraformer.report import streamflow
from paraformer.report.config import ReportConfig
from paraformer.report.explorer import HALF, Explorer
from paraformer.report.first_screen import first_screen
from paraformer.report.flow_screen import FIGURE, flow_screen, leading
from paraformer.report.gauges import PREFIX, Gauges
from paraformer.report.hydrographs import hydrographs
from paraformer.report.linked_table import linked_table
from paraformer.report.page import Section, asset, render_page
from paraformer.report.rivals import Compared, days
from paraformer.report.still_figures import still_figures
from paraformer.report.tables import (
    evapotranspiration_table,
    full_score_table,
    pareto_table,
    rounded,
    score_table,
    signature_table,
    to_latex,
    to_markdown,
)

MOST_BYTES = 3_000_000
"""Longest report: hydrographs of so many cells as fit."""
_STARTED = """(() => {
"use strict";
const explore = async (prefix) => {
CODE
};
const parts = [...document.querySelectorAll("script[data-prefix]")];
Promise.all(parts.map((part) => explore(part.dataset.prefix))).then(() => { document.body.dataset.ready = "yes"; });
})();
"""
"""Around the files of ``SCRIPTS``, which are run for every explorable part."""
_SPARE = 10_000
_FLOW_SHARE = 0.4
"""Most of the room for hydrographs that those of gauges take beside those of cells."""
SCRIPTS = ("data.js", "draw.js", "effect.js", "map.js", "hydrograph.js", "cell.js", "table.js", "report.js")
"""The script of the explorable part, in the order in which its files need each other."""


def tables(results: Results, *, period: str = "test", operator: str | None = None) -> pd.DataFrame:
    """The score table of a judged study, ready to print.

    Args:
        operator: observation operator whose scores stand first; by default the study's.
    """
    runs = {m.name: m.process_model_runs for m in results.methods if m.process_model_runs is not None}
    return score_table(
        results.summary,
        gap=results.surrogate_gap,
        runs=runs,
        period=period,
        operator=operator or results.operator,
    )


def evapotranspiration(results: Results, *, cells: str = "all") -> pd.DataFrame:
    """Table 3 of a judged study, ready to print; empty where no year or product was judged."""
    scores = results.evapotranspiration
    return pd.DataFrame(columns=["method"]) if scores is None else evapotranspiration_table(scores, cells=cells)


def checklist(results: Results) -> str:
    """What the checklist found, for the terminal: how many checks passed, and every one that did not."""
    table = results.checklist.fillna({"method": "", "subject": ""})
    failed = table[~table["passed"].astype(bool)]
    lines = [f"Checklist: {len(table) - len(failed)} of {len(table)} checks passed" + (", but:" if len(failed) else "")]
    for row in failed.itertuples():
        lines.append(f"  {row.check}: " + ", ".join(x for x in (row.method, row.subject) if x) + f": {row.message}")
    return "\n".join(lines)


def write_tables(results: Results, directory: Path) -> None:
    """Tables 2 and 3 as numbers (CSV) and ready to print (markdown, LaTeX), and Table 2 under every operator.

    Args:
        directory: made if needed; files ``table2.csv|md|tex``, ``table2_full.md|tex``, ``table3.csv|md|tex`` and
            ``pareto.md|tex``.
    """
    if results.streamflow is not None:
        write_csv(directory / "streamflow.csv", results.streamflow)
        table = streamflow.flow_table(results.streamflow)
        write_text(directory / "streamflow.md", to_markdown(table) + "\n")
        write_text(directory / "streamflow.tex", to_latex(table) + "\n")
    if not results.moisture:
        return
    write_csv(directory / "table2.csv", results.summary)
    printed = {"table2": tables(results), "table2_full": full_score_table(results.summary)}
    if results.evapotranspiration is not None:
        printed["table3"] = evapotranspiration(results)
        write_csv(directory / "table3.csv", results.evapotranspiration)
    if results.pareto is not None:
        printed["pareto"] = pareto_table(results.pareto)
    for name, table in printed.items():
        write_text(directory / f"{name}.md", to_markdown(table) + "\n")
        write_text(directory / f"{name}.tex", to_latex(table) + "\n")


def page(results: Results, compared: Compared | None, config: ReportConfig, figures: Path) -> str:
    """The report as one HTML text that opens without a network, at most ``MOST_BYTES`` long.

    Args:
        compared: the comparisons of ``rivals.pairs``; ``None`` where no soil moisture was judged.
        figures: folder that ``study_figures.draw`` filled.
    """
    if compared is None:
        return _flow_page(results, config, figures)
    explorer, gauges = Explorer(results, compared), _gauges(results)
    shown = [
        Section("Result", markup=first_screen(results, compared)),
        Section("Map and hydrographs", markup=explorer.markup()),
        Section("Scores", transfer_note(results), _cross_validation(results), markup=linked_table(results)),
        *streamflow.sections(results, figures, gauges=None if gauges is None else gauges.markup()),
        *_recovery_section(results),
        *_evapotranspiration_section(results),
        *_signature_section(results),
        *_trade_off_section(results),
        *_uncertainty_section(results),
        Section(
            "Surrogate",
            "The surrogate against the process model on θ it has not learned from. The response is the difference that "
            "a change of θ makes: a learner is trained through it, so where its slope is below 1 or its correlation "
            "low, θ is learned from a wrong answer. Soil moisture in m3 m-3, fluxes in mm day-1.",
            [
                ("Held-out θ: scores of the surrogate's daily series", audit_table(results.audit)),
                ("Near the learned θ: the same where it matters", audit_table(results.audit_learned)),
                *_rounds(results),
            ],
        ),
        _checklist_section(results),
        still_figures(results, config, figures),
    ]
    content = explorer.content() | {"left_out": explorer.left_out}

    def rendered(held: Mapping[str, Any], flow: Mapping[str, Any] | None) -> str:
        parts = {"": content | {"hydrographs": held}} | ({} if flow is None else {PREFIX: flow})
        return render_page(
            f"ParaFormer: {results.name}", _lead(results), shown, _facts(results), scripts=scripts(parts)
        )

    room = MOST_BYTES - len(rendered({}, None).encode()) - _SPARE
    flow = None if gauges is None else gauges.content(int(_FLOW_SHARE * room))
    room = MOST_BYTES - len(rendered({}, flow).encode()) - _SPARE
    return rendered(hydrographs(results, explorer, config.sites, room), flow)


def _gauges(results: Results) -> Gauges | None:
    return None if results.streamflow is None or results.discharge is None else Gauges(results, leading(results))


def _flow_page(results: Results, config: ReportConfig, figures: Path) -> str:
    """The report of a study of streamflow alone."""
    gauges = _gauges(results)
    shown = [
        Section("Result", markup=flow_screen(results, figures)),
        *streamflow.sections(results, figures, (FIGURE,), None if gauges is None else gauges.markup()),
        *_recovery_section(results),
        still_figures(results, config, figures),
    ]

    def rendered(parts: Mapping[str, Mapping[str, Any]]) -> str:
        own = scripts(parts) if parts else ""
        return render_page(f"ParaFormer: {results.name}", _lead(results), shown, _facts(results), scripts=own)

    if gauges is None:
        return rendered({})
    room = MOST_BYTES - len(rendered({PREFIX: gauges.content(0)}).encode()) - _SPARE
    return rendered({PREFIX: gauges.content(room)})


def _lead(results: Results) -> str:
    learned, judged = (days(results, period) for period in ("train", "test"))
    seeds = results.settings["learner_seeds"]
    return f"Learned from {learned}, judged on {judged}, {seeds} seed{'s' if seeds > 1 else ''} of each learner."


def scripts(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Data of the explorable parts by the prefix of their elements, and the script that shows them.

    No text of a study can end the element it stands in.
    """
    data = "".join(_data(prefix, content) for prefix, content in parts.items())
    code = "\n".join(asset(name) for name in SCRIPTS)
    return f"{data}<script>\n{_STARTED.replace('CODE', code)}</script>\n"


def _data(prefix: str, content: Mapping[str, Any]) -> str:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'<script type="application/json" id="{prefix}data" data-prefix="{prefix}">{data}</script>\n'


_KEPT_ASIDE = {"own_days": "reads days of the cell", "n_cells": "cells", "rmse": "RMSE", "behind": "behind the first"}
"""Columns of the comparison on cells kept aside, as they are printed."""


def _cross_validation(results: Results) -> list[tuple[str, pd.DataFrame]]:
    if results.cross_validation is None:
        return []
    caption = (
        "Learners on blocks of trained cells kept aside, training period, raw RMSE [m3 m-3]: the first is recommended"
    )
    table = rounded(results.cross_validation, 3)
    own_days = ["yes" if own else "no" for own in table["own_days"]]
    return [(caption, table.assign(own_days=own_days).rename(columns=_KEPT_ASIDE))]


def _checklist_section(results: Results) -> Section:
    table = results.checklist.fillna({"method": "", "subject": ""})
    failed = table[~table["passed"].astype(bool)]
    text = (
        f"What a careful reader looks at before believing a score: {len(table) - len(failed)} of {len(table)} checks "
        f"passed. All are in {results.folder('scores').name}/{CHECKLIST}."
    )
    shown = [("Checks that did not pass: look at these first", rounded(failed.drop(columns="passed")))]
    return Section("Checklist", text, shown if len(failed) else [])


def _recovery_section(results: Results) -> list[Section]:
    if results.recovery is None:
        return []
    caption = "Correlation of found with true θ over cells, mean of seeds: near 1, the pattern was found"
    return [
        Section(
            "Recovery of the true θ",
            "The built-in world's true θ is known.",
            [(caption, by_parameter(results.recovery, "{:.2f}", "pearson"))],
        )
    ]


def _signature_section(results: Results) -> list[Section]:
    if results.signatures is None:
        return []
    text = (
        "Over the whole years of the test period, RMSE over trained / unseen cells: annual evapotranspiration "
        "[mm year-1], total runoff over precipitation, baseflow over total runoff."
    )
    caption = "Error of the water balance: θ that fits soil moisture alone may spoil it"
    return [Section("Water balance", text, [(caption, signature_table(results.signatures))])]


def _trade_off_section(results: Results) -> list[Section]:
    if results.pareto is None:
        return []
    text = (
        "RMSE of the test period over all cells, of streamflow 1 - NSE (median of the gauges). A method is on the "
        "Pareto front of soil moisture and another variable if no other is better in one of the two and as good in the "
        "other. 'Left out' stands behind variables that θ was not learned from: those are the verdict on it."
    )
    caption = "One variable against the other: the Pareto front, rows by inference marked"
    return [Section("Trade-off", text, [(caption, pareto_table(results.pareto))])]


def _evapotranspiration_section(results: Results) -> list[Section]:
    heading, table = "Evapotranspiration (Table 3 of the paper)", evapotranspiration(results)
    if results.evapotranspiration is None:
        left_out = str(results.cell_scores.attrs["left_out"])
        return [Section(heading, left_out)] if left_out else []
    periods = ", ".join(results.evapotranspiration["period"].unique()).replace("..", " to ")
    text = (
        f"Annual evapotranspiration ({periods}) of θ, learned from soil moisture alone unless a learner "
        "has other targets. Mean, RMSE and bias in mm year-1, scores over cells. Rows of the products say how far "
        "the references are from each other: no difference smaller than that can be told from their errors. The "
        "Budyko curve knows climate alone: it is the lower benchmark, the other product the upper one. Season RMSE "
        "[mm month-1]: calendar months less their own mean, so that the level does not count. CRPS: all seeds as one "
        "ensemble, of one seed its mean absolute error. Less default: mean absolute error less default VIC's, with "
        "its 95 % interval by a bootstrap of tiles of 8 degrees where there are enough."
    )
    shown = [("Annual evapotranspiration, all cells", table)]
    unseen = evapotranspiration(results, cells="unseen")
    if len(unseen):
        shown.append(("Annual evapotranspiration, unseen cells alone", unseen))
    return [Section(heading, text, shown)]


def transfer_note(results: Results) -> str:
    """What a reader of the rows whose θ is other cells' must know; empty where there are none."""
    transfers = results.names("transfer")
    if not transfers:
        return ""
    return (
        f"{', '.join(transfers)}: these rows use no observation of the cell itself. An unseen cell gets the θ of "
        "trained ones, a trained cell that of the other trained ones (leave-one-out)."
    )


def _uncertainty_section(results: Results) -> list[Section]:
    methods = results.posteriors
    if not methods:
        return []
    level = f"{100 * results.posterior(methods[0]).attrs['level']:g} %"
    text = (
        "Posterior of θ in every cell from its own observations of the training period, prior uniform within "
        f"the bounds. Coverage: share of test-period values inside their {level} intervals, of the posterior of a "
        "linear model around θ, and of draws from it that are weighted by runs of the process model. CRPS: the "
        "continuous ranked probability score, the mean absolute error of a distribution. Gain: 1 − posterior "
        "variance / prior variance; a parameter near 0 is not identified, whatever value was found. The map "
        f"hatches cells below {HALF:g} and those whose weighted draws are not to be trusted (Pareto k above "
        f"{TRUSTED_K})."
    )
    shown = []
    gain = results.uncertainty("identifiability")
    if gain is not None:
        caption = "What the observations identify: median gain over cells, and its quartiles"
        quartiles = ("gain_median", "gain_p25", "gain_p75")
        shown.append((caption, by_parameter(gain, "{:.2f} [{:.2f} to {:.2f}]", *quartiles)))
    covered = results.uncertainty("coverage")
    if covered is not None:
        shown.append(
            (
                f"Coverage: near {level} an interval can be believed. CRPS beside the error of θ alone [m³ m⁻³]",
                coverage_table(covered),
            )
        )
    targets = results.uncertainty("targets")
    if targets is not None:
        shown.append(
            (
                "What each kind of observation could take away of θ's variance (trained cells, median gain)",
                targets_table(targets),
            )
        )
    return [Section("Uncertainty", text, shown)]


def by_parameter(table: pd.DataFrame, entry: str, *columns: str) -> pd.DataFrame:
    """A row for each method and group of cells, a column for each parameter; means over what else there is.

    Args:
        table: columns ``method, cells, parameter`` and ``columns``.
        entry: how the columns of one parameter are written.
    """
    means = table.groupby(["method", "cells", "parameter"], sort=False)[list(columns)].mean()
    text = means.apply(lambda row: "–" if row.isna().any() else entry.format(*row), axis=1)
    return text.unstack("parameter", sort=False).fillna("–").reset_index().rename_axis(columns=None)


_COVERAGE = {
    "laplace": "linear",
    "importance": "weighted draws",
    "n": "values",
    "crps": "CRPS",
    "error": "mean absolute error",
}


def coverage_table(covered: pd.DataFrame) -> pd.DataFrame:
    """Shares of two decimals, errors of four."""
    text = covered.copy()
    for name, digits in (("laplace", 2), ("importance", 2), ("crps", 4), ("error", 4)):
        text[name] = covered[name].map(lambda value, digits=digits: _decimals(value, digits))
    return text.rename(columns=_COVERAGE)


def _decimals(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def targets_table(targets: pd.DataFrame) -> pd.DataFrame:
    """Median gain over trained cells: a row for each kind of observation, a column for each parameter."""
    trained = targets[targets["cells"] == "trained"]
    wide = trained.pivot_table(index=["method", "observation"], columns="parameter", values="gain_median", sort=False)
    return wide.map(lambda value: _decimals(value, 2)).reset_index()


_AUDIT = {
    "where": "θ",
    "output": "output",
    "cells": "cells",
    "runs": "runs",
    "rmse": "RMSE",
    "nse_median": "median NSE",
    "nse_p05": "NSE, 5th percentile",
    "slope": "slope of the response",
    "slope_median": "median slope",
    "correlation": "PCC of the response",
    "correlation_median": "median PCC",
    "unscored": "unscored cells",
}
"""Columns of the audit as they are printed."""


def audit_table(audit: pd.DataFrame) -> pd.DataFrame:
    """The surrogate against the process model, ready to print."""
    shown = rounded(audit, 3)[[name for name in _AUDIT if name in audit.columns]].rename(columns=_AUDIT)
    return shown.replace({"θ": {"held_out": "held out"}, "output": {"soil_moisture": "soil moisture"}})


def recovery_table(recovery: pd.DataFrame) -> pd.DataFrame:
    """Correlation of found with true θ per parameter, mean over seeds."""
    means = recovery.groupby(["method", "parameter", "cells"], sort=False)[["pearson", "spearman", "rmse"]].mean()
    return rounded(means.reset_index(), 3)


def _rounds(results: Results) -> list[tuple[str, pd.DataFrame]]:
    """Gap and response slope by refine round, where there were any."""
    table = results.rounds
    return [] if table is None else [("By refine round, near the θ learned in it", rounded(table, 4))]


def _facts(results: Results) -> dict[str, Any]:
    """The manifest's facts, flat, for the end of the page."""
    manifest = results.manifest
    facts: dict[str, Any] = {"made by": "; ".join(results.made_by)}
    for key in ("python", "seed"):
        facts[key] = manifest.get(key, "")
    facts |= {f"version {k}": v for k, v in manifest.get("versions", {}).items()}
    facts |= {f"input {k}": v for k, v in manifest.get("inputs", {}).items()}
    for name, stage in manifest.get("stages", {}).items():
        facts[f"stage {name}"] = (
            f"{stage.get('wall_s', 0):.0f} s wall, {stage.get('cpu_s', 0):.0f} s CPU, "
            f"{stage.get('runs', 0)} process-model runs"
        )
    return facts
