"""The page of a judged study: its tables, ready to print, and the report that holds tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from paraformer.core.files import write_csv, write_text
from paraformer.core.results import TRUSTED_K, Results
from paraformer.report import streamflow
from paraformer.report.attention import CAVEAT
from paraformer.report.config import ReportConfig
from paraformer.report.page import Section, render_page
from paraformer.report.tables import (
    evapotranspiration_table,
    full_score_table,
    operator_note,
    product_name,
    rounded,
    score_table,
    signature_table,
    to_latex,
    to_markdown,
)


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
        directory: made if needed; files ``table2.csv|md|tex``, ``table2_full.md|tex`` and ``table3.csv|md|tex``.
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
    for name, table in printed.items():
        write_text(directory / f"{name}.md", to_markdown(table) + "\n")
        write_text(directory / f"{name}.tex", to_latex(table) + "\n")


def page(results: Results, config: ReportConfig, figures: Path) -> str:
    """The report as one HTML text that opens without a network.

    Args:
        figures: folder that ``study_figures.draw`` filled.
    """
    if not results.moisture:
        return _flow_page(results, figures)
    operator, cube = config.operator, results.cube
    points = "a point is the mean of a cell" if config.scatter == "cells" else "density of cell-days"
    sites = "Chosen sites" if config.sites else "Three sites at the quartiles of NSE"
    sections = [
        Section(
            "Soil moisture (Table 2)",
            f"Every θ is judged by the process model itself. RMSE, ubRMSE and gap in m3 m-3. {operator_note(operator)} "
            f"{notes(results)}",
            [
                ("Test period", tables(results, operator=operator)),
                ("Training period", tables(results, operator=operator, period="train")),
                ("Test period, every observation operator", full_score_table(results.summary)),
            ],
            _there(
                figures,
                {
                    "cdf": f"Cumulative distributions over cells ({operator}; Figure 3)",
                    "scatter-trained": f"Simulated and observed, trained cells: {points} ({operator}; Figure 4)",
                    "scatter-unseen": f"Simulated and observed, unseen cells: {points} ({operator}; Figure 4)",
                    "series": f"{sites}: where they are, the test period, and their heaviest rain (Figure 8)",
                },
            ),
        ),
        *streamflow.sections(results, figures),
        *_recovery_section(results, figures),
        *_evapotranspiration_section(results, figures),
        *_signature_section(results),
        *_attention_section(results, figures),
        Section(
            "Surrogate",
            "The surrogate against the process model on θ it has not learned from.",
            [
                ("Held-out θ", rounded(results.audit, 4)),
                ("Near the learned θ", rounded(results.audit_learned, 4)),
                *_rounds(results),
            ],
            _there(figures, {"response": "Response of soil moisture to a change of θ"}),
        ),
        Section(
            "Parameters",
            "θ as each method found it (first seed), learned from the training period alone. A cell of a sampling "
            "design is drawn as the block it stands for; unseen cells that would cover trained ones have maps of their "
            "own.",
            [],
            _parameter_maps(results, figures),
        ),
        *_uncertainty_section(results, figures),
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
            [("", rounded(results.checklist))],
        ),
    ]
    periods, seeds = (cube.period(name) for name in ("train", "test")), results.settings["learner_seeds"]
    lead = "Study {}: train {}, test {}, {} seed(s).".format(results.name, *periods, seeds)
    return render_page(f"ParaFormer: {results.name}", lead, sections, _facts(results))


def _flow_page(results: Results, figures: Path) -> str:
    """The report of a study of streamflow alone."""
    sections = [*streamflow.sections(results, figures), *_recovery_section(results, figures)]
    lead = "Study {}: train {}, test {}.".format(results.name, *(results.cube.period(n) for n in ("train", "test")))
    return render_page(f"ParaFormer: {results.name}", lead, sections, _facts(results))


def _there(figures: Path, captions: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Captions and files of the figures that this study has."""
    return [(text, figures / f"{name}.png") for name, text in captions.items() if (figures / f"{name}.png").exists()]


def _recovery_section(results: Results, figures: Path) -> list[Section]:
    if results.recovery is None:
        return []
    found = _there(figures, {f"recovery-{name}": f"{name}, seed 0" for name in _learners(results)})
    return [
        Section(
            "Recovery of the true θ",
            "The built-in world's true θ is known.",
            [("Over cells, mean of seeds", recovery_table(results.recovery))],
            found,
        )
    ]


def _attention_section(results: Results, figures: Path) -> list[Section]:
    captions = {f"attention-{name}": f"{name}: attributes and days before, by region" for name in _learners(results)}
    found = _there(figures, captions)
    text = f"How much each input is attended to, as a multiple of even attention. {CAVEAT}"
    return [Section("Attention", text, [], found)] if found else []


def _learners(results: Results) -> list[str]:
    """Learners in the order of the study file."""
    return list(results.settings.get("learners") or {})


def _signature_section(results: Results) -> list[Section]:
    if results.signatures is None:
        return []
    text = (
        "Over the whole years of the test period, RMSE over trained / unseen cells: annual evapotranspiration "
        "[mm year-1], total runoff over precipitation, baseflow over total runoff."
    )
    return [Section("Water balance", text, [("", signature_table(results.signatures))])]


def _evapotranspiration_section(results: Results, figures: Path) -> list[Section]:
    heading, table = "Evapotranspiration (Table 3)", evapotranspiration(results)
    if results.evapotranspiration is None:
        left_out = str(results.cell_scores.attrs["left_out"])
        return [Section(heading, left_out, [])] if left_out else []
    periods = ", ".join(results.evapotranspiration["period"].unique())
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
    unseen = evapotranspiration(results, cells="unseen")
    if len(unseen):
        shown.append(("Unseen cells", unseen))
    return [Section(heading, text, shown, _there(figures, captions))]


def _parameter_maps(results: Results, figures: Path) -> list[tuple[str, Path]]:
    found = []
    for p in results.space:
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


def notes(results: Results) -> str:
    """What a reader of the reference rows, and of those whose θ is other cells', must know."""
    references = [m for m in results.methods if m.kind == "reference"]
    text = " ".join(f"{m.name[0].upper()}{m.name[1:]}: {m.note}." for m in references)
    transfers = " ".join(f"{m.name}: {m.note}." for m in results.methods if m.kind == "transfer")
    if not transfers:
        return text
    return (
        f"{text} {transfers} These rows use no observation of the cell itself: an unseen cell gets the θ of trained "
        "ones, a trained cell that of the other trained ones (leave-one-out)."
    )


def _uncertainty_section(results: Results, figures: Path) -> list[Section]:
    methods = results.posteriors
    if not methods:
        return []
    level = f"{100 * results.posterior(methods[0]).attrs['level']:g} %"
    text = (
        "Posterior of θ in every cell from its own observations of the training period, prior uniform within "
        f"the bounds. Coverage: share of test-period values inside their {level} intervals. Gain: 1 - posterior "
        "variance / prior variance; a parameter near 0 is not identified, whatever value was found. The maps "
        f"leave out cells whose weighted draws are not to be trusted (Pareto k above {TRUSTED_K})."
    )
    named = (
        ("What the observations identify", results.uncertainty("identifiability")),
        ("Coverage", results.uncertainty("coverage")),
    )
    shown = [(label, rounded(table, 3)) for label, table in named if table is not None]
    targets = results.uncertainty("targets")
    if targets is not None:
        shown.append(
            (
                "What each kind of observation could take away of θ's variance (trained cells, median gain)",
                targets_table(targets),
            )
        )
    maps = {f"map-identified-{name}": f"What soil moisture says of each parameter, around {name}" for name in methods}
    return [Section("Uncertainty", text, shown, _there(figures, maps))]


def targets_table(targets: pd.DataFrame) -> pd.DataFrame:
    """Median gain over trained cells: a row for each kind of observation, a column for each parameter."""
    trained = targets[targets["cells"] == "trained"]
    wide = trained.pivot_table(index=["method", "observation"], columns="parameter", values="gain_median", sort=False)
    return rounded(wide.reset_index(), 2)


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
