"""The report stage: tables of a judged study, ready to print, and the page that holds tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from paraformer.config import Study
from paraformer.core.files import write_csv, write_text
from paraformer.evaluation.baselines import NOTES
from paraformer.evaluation.pareto import TRUSTED_K
from paraformer.evaluation.score import summarise
from paraformer.evaluation.transfer import NOTES as TRANSFER_NOTES
from paraformer.pipeline.attention import CAVEAT
from paraformer.pipeline.figures import draw
from paraformer.pipeline.rows import operator_of, rows_of
from paraformer.pipeline.verdict import AUDIT
from paraformer.report.page import Section, render_page
from paraformer.report.tables import (
    evapotranspiration_table,
    full_score_table,
    in_order,
    operator_note,
    product_name,
    rounded,
    score_table,
    signature_table,
    to_latex,
    to_markdown,
)

__all__ = [
    "audit_table",
    "checklist",
    "draw",
    "evapotranspiration",
    "notes",
    "page",
    "recovery_table",
    "tables",
    "write_tables",
]


def tables(scores: Path, *, period: str = "test") -> pd.DataFrame:
    """The score table of a judged study under the operator its study file names, ready to print."""
    gap = pd.read_csv(scores / "surrogate_gap.csv")
    runs = pd.read_csv(scores / "process_model_runs.csv").set_index("method")["process_model_runs"].to_dict()
    return score_table(_summary(scores), gap=gap, runs=runs, period=period, operator=operator_of(scores))


def evapotranspiration(scores: Path, *, cells: str = "all") -> pd.DataFrame:
    """Table 3 of a judged study, ready to print; empty where no year or product was judged."""
    path = scores / "evapotranspiration.csv"
    if not path.exists():
        return pd.DataFrame(columns=["method"])
    return evapotranspiration_table(in_order(pd.read_csv(path), rows_of(scores).order), cells=cells)


def checklist(scores: Path) -> str:
    """What the checklist found, for the terminal: how many checks passed, and every one that did not."""
    table = pd.read_csv(scores / "checklist.csv", keep_default_na=False)
    failed = table[~table["passed"].astype(bool)]
    lines = [f"Checklist: {len(table) - len(failed)} of {len(table)} checks passed" + (", but:" if len(failed) else "")]
    for row in failed.itertuples():
        lines.append(f"  {row.check}: " + ", ".join(x for x in (row.method, row.subject) if x) + f": {row.message}")
    return "\n".join(lines)


def write_tables(scores: Path, directory: Path) -> None:
    """Tables 2 and 3 as numbers (CSV) and ready to print (markdown, LaTeX), and Table 2 under every operator.

    Args:
        scores: the ``scores`` folder of a judged study.
        directory: made if needed; files ``table2.csv|md|tex``, ``table2_full.md|tex`` and ``table3.csv|md|tex``.
    """
    summary = _summary(scores)
    write_csv(directory / "table2.csv", summary)
    printed = {"table2": tables(scores), "table2_full": full_score_table(summary), "table3": evapotranspiration(scores)}
    if printed["table3"].empty:
        del printed["table3"]
    else:
        annual = pd.read_csv(scores / "evapotranspiration.csv")
        write_csv(directory / "table3.csv", in_order(annual, rows_of(scores).order))
    for name, table in printed.items():
        write_text(directory / f"{name}.md", to_markdown(table) + "\n")
        write_text(directory / f"{name}.tex", to_latex(table) + "\n")


def page(
    study: Study,
    scores: Path,
    surrogate: Path,
    figures: Path,
    manifest: Mapping[str, Any],
    uncertainty: Path | None,
    left_out: str | None = None,
) -> str:
    """The report as one HTML text that opens without a network.

    Args:
        uncertainty: the folder of the posteriors.
        left_out: why there is no table of evapotranspiration, where there is none.
    """
    summary, operator = _summary(scores), study.report.operator
    points = "a point is the mean of a cell" if study.report.scatter == "cells" else "density of cell-days"
    sections = [
        Section(
            "Soil moisture (Table 2)",
            f"Every θ is judged by the process model itself. RMSE, ubRMSE and gap in m3 m-3. {operator_note(operator)} "
            f"{notes(study)}",
            [
                ("Test period", tables(scores)),
                ("Training period", tables(scores, period="train")),
                ("Test period, every observation operator", full_score_table(summary)),
            ],
            _there(
                figures,
                {
                    "cdf": f"Cumulative distributions over cells ({operator}; Figure 3)",
                    "scatter-trained": f"Simulated and observed, trained cells: {points} ({operator}; Figure 4)",
                    "scatter-unseen": f"Simulated and observed, unseen cells: {points} ({operator}; Figure 4)",
                    "series": f"{_sites(study)}: where they are, the test period, and their heaviest rain (Figure 8)",
                },
            ),
        ),
        *_recovery_section(study, scores, figures),
        *_evapotranspiration_section(scores, figures, left_out),
        *_signature_section(scores),
        *_attention_section(study, figures),
        Section(
            "Surrogate",
            "The surrogate against the process model on θ it has not learned from.",
            [
                ("Held-out θ", audit_table(surrogate / "audit.json")),
                ("Near the learned θ", audit_table(scores.parent / "verdict" / AUDIT)),
                *_rounds(scores),
            ],
            _there(figures, {"response": "Response of soil moisture to a change of θ"}),
        ),
        Section(
            "Parameters",
            "θ as each method found it (first seed), learned from the training period alone. A cell of a sampling "
            "design is drawn as the block it stands for; unseen cells that would cover trained ones have maps of their "
            "own.",
            [],
            _parameter_maps(study, figures),
        ),
        *_uncertainty_section(study, uncertainty, figures),
        Section(
            "Where it works",
            "",
            [],
            [
                (f"{m.upper()}, test period", figures / f"map-{kind}-{m}.png")
                for m in ("rmse", "pcc", "nse")
                for kind in ("score", "gain")
            ],
        ),
        Section(
            "Checklist",
            "What a careful reader looks at before believing a score.",
            [("", rounded(pd.read_csv(scores / "checklist.csv")))],
        ),
    ]
    lead = f"Study {study.name}: train {study.data.train}, test {study.data.test}, {study.learner_seeds} seed(s)."
    return render_page(f"ParaFormer: {study.name}", lead, sections, _facts(manifest))


def _summary(scores: Path) -> pd.DataFrame:
    """Means and spread over seeds, methods in their fixed order."""
    return in_order(summarise(pd.read_csv(scores / "soil_moisture.csv")), rows_of(scores).order)


def _there(figures: Path, captions: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Captions and files of the figures that this study has."""
    return [(text, figures / f"{name}.png") for name, text in captions.items() if (figures / f"{name}.png").exists()]


def _recovery_section(study: Study, scores: Path, figures: Path) -> list[Section]:
    if not (scores / "recovery.csv").exists():
        return []
    found = [(f"{name}, seed 0", figures / f"recovery-{name}.png") for name in study.learners]
    return [
        Section(
            "Recovery of the true θ",
            "The built-in world's true θ is known.",
            [("Over cells, mean of seeds", recovery_table(scores))],
            found,
        )
    ]


def _attention_section(study: Study, figures: Path) -> list[Section]:
    captions = {f"attention-{name}": f"{name}: attributes and days before, by region" for name in study.learners}
    found = _there(figures, captions)
    text = f"How much each input is attended to, as a multiple of even attention. {CAVEAT}"
    return [Section("Attention", text, [], found)] if found else []


def _signature_section(scores: Path) -> list[Section]:
    path = scores / "signatures.csv"
    if not path.exists():
        return []
    table = in_order(signature_table(pd.read_csv(path)), rows_of(scores).order)
    text = (
        "Over the whole years of the test period, RMSE over trained / unseen cells: annual evapotranspiration "
        "[mm year-1], total runoff over precipitation, baseflow over total runoff."
    )
    return [Section("Water balance", text, [("", table)])]


def _evapotranspiration_section(scores: Path, figures: Path, left_out: str | None) -> list[Section]:
    heading, table = "Evapotranspiration (Table 3)", evapotranspiration(scores)
    if table.empty:
        return [] if left_out is None else [Section(heading, left_out, [])]
    periods = ", ".join(pd.read_csv(scores / "evapotranspiration.csv")["period"].unique())
    text = (
        f"Annual evapotranspiration ({periods}) of θ, learned from soil moisture alone unless a learner "
        "has other targets. Mean, RMSE and bias in mm year-1, scores over cells. Rows of the products say how far "
        "the references are from each other: no difference smaller than that can be told from their errors. The "
        "Budyko curve knows climate alone."
    )
    captions = {}
    for path in sorted(figures.glob("evapotranspiration-*.png")):
        product, _, group = path.stem.removeprefix("evapotranspiration-").rpartition("-")
        against = product_name(f"et_{product}")
        captions[path.stem] = f"Annual evapotranspiration of {group} cells against {against} (Figure 9)"
    captions["trade-off"] = "Evapotranspiration against soil moisture, test period; a dot is a seed"
    shown = [("All cells", table)]
    unseen = evapotranspiration(scores, cells="unseen")
    if len(unseen):
        shown.append(("Unseen cells", unseen))
    return [Section(heading, text, shown, _there(figures, captions))]


def _sites(study: Study) -> str:
    """What the sites of Figure 8 are."""
    return "Chosen sites" if study.report.sites else "Three sites at the quartiles of NSE"


def _parameter_maps(study: Study, figures: Path) -> list[tuple[str, Path]]:
    found = []
    for p in study.space:
        found += [
            (f"{p.name} [{p.unit}]: {p.meaning}, a colour scale for each method (Figure 5)", f"map-{p.name}-own"),
            (f"{p.name}: one colour scale for all methods (Figure 6)", f"map-{p.name}"),
            (f"{p.name}: cells at the a-priori value or above it (Figure 7)", f"map-{p.name}-raised"),
            (f"{p.name}: change from the a-priori value, both signs", f"map-{p.name}-residual"),
        ]
    spread = {
        path.stem: f"{path.stem.removeprefix('map-spread-')}: spread over seeds; wide where θ is not identified"
        for path in sorted(figures.glob("map-spread-*.png"))
    }
    return [(text, figures / f"{name}.png") for text, name in found] + _there(figures, spread)


def notes(study: Study) -> str:
    """What a reader of the reference rows, and of those whose θ is other cells', must know."""
    transfers = study.evaluation.transfers
    text = " ".join(f"{name[0].upper()}{name[1:]}: {note}." for name, note in NOTES.items())
    if transfers is None:
        return text
    rows = " ".join(f"{transfers.row(by)}: {TRANSFER_NOTES[by]}." for by in transfers.by)
    return (
        f"{text} {rows} These rows use no observation of the cell itself: an unseen cell gets the θ of trained ones, a "
        "trained cell that of the other trained ones (leave-one-out)."
    )


def _uncertainty_section(study: Study, uncertainty: Path | None, figures: Path) -> list[Section]:
    if uncertainty is None or study.uncertainty is None:
        return []
    level = f"{100 * study.uncertainty.level:g} %"
    text = (
        "Posterior of θ in every cell from its own observations of the training period, prior uniform within "
        f"the bounds. Coverage: share of test-period values inside their {level} intervals. Gain: 1 - posterior "
        "variance / prior variance; a parameter near 0 is not identified, whatever value was found. The maps "
        f"leave out cells whose weighted draws are not to be trusted (Pareto k above {TRUSTED_K})."
    )
    named = (("What the observations identify", "identifiability"), ("Coverage", "coverage"))
    tables = [(label, rounded(pd.read_csv(uncertainty / f"{name}.csv"), 3)) for label, name in named]
    if study.uncertainty.targets is not None:
        tables.append(
            (
                "What each kind of observation could take away of θ's variance (trained cells, median gain)",
                targets_table(uncertainty),
            )
        )
    methods = study.uncertainty.methods
    maps = {f"map-identified-{name}": f"What soil moisture says of each parameter, around {name}" for name in methods}
    return [Section("Uncertainty", text, tables, _there(figures, maps))]


def targets_table(uncertainty: Path) -> pd.DataFrame:
    """Median gain over trained cells: a row for each kind of observation, a column for each parameter."""
    table = pd.read_csv(uncertainty / "targets.csv")
    trained = table[table["cells"] == "trained"]
    wide = trained.pivot_table(index=["method", "observation"], columns="parameter", values="gain_median", sort=False)
    return rounded(wide.reset_index(), 2)


def recovery_table(scores: Path) -> pd.DataFrame:
    """Correlation of found with true θ per parameter, mean over seeds."""
    table = pd.read_csv(scores / "recovery.csv")
    means = table.groupby(["method", "parameter", "cells"], sort=False)[["pearson", "spearman", "rmse"]].mean()
    return rounded(in_order(means.reset_index(), rows_of(scores).order), 3)


def audit_table(path: Path) -> pd.DataFrame:
    """An audit's rows as a table; empty if there was none."""
    if not path.exists():
        return pd.DataFrame(columns=["output"])
    rows = json.loads(path.read_text())
    return rounded(pd.DataFrame(rows), 4)


def _rounds(scores: Path) -> list[tuple[str, pd.DataFrame]]:
    """Gap and response slope by refine round, where there were any."""
    path = scores / "rounds.csv"
    return [("By refine round, near the θ learned in it", rounded(pd.read_csv(path), 4))] if path.exists() else []


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's facts, flat, for the end of the page."""
    facts: dict[str, Any] = {}
    for key in ("git", "python", "seed"):
        facts[key] = manifest.get(key, "")
    facts |= {f"version {k}": v for k, v in manifest.get("versions", {}).items()}
    facts |= {f"input {k}": v for k, v in manifest.get("inputs", {}).items()}
    for name, stage in manifest.get("stages", {}).items():
        facts[f"stage {name}"] = (
            f"{stage.get('wall_s', 0):.0f} s wall, {stage.get('cpu_s', 0):.0f} s CPU, "
            f"{stage.get('runs', 0)} process-model runs"
        )
    return facts
