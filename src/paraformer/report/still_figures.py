"""The still figures of a study, which papers take, as a list in its report."""

from __future__ import annotations

from pathlib import Path

from paraformer.core.results import Results
from paraformer.report import streamflow
from paraformer.report.attention import CAVEAT
from paraformer.report.config import ReportConfig
from paraformer.report.figures import OPERATOR_LABELS
from paraformer.report.page import Section, file_list
from paraformer.report.tables import product_name


def _told(figures: Path) -> str:
    kinds = sorted({path.suffix[1:].upper() for path in figures.glob("*.p*")})
    return f"Still figures of the same results, as {' and '.join(kinds)} in the folder figures beside this page."


def still_figures(results: Results, config: ReportConfig, figures: Path) -> Section:
    """Every still figure of a judged study with what is seen in it, folded.

    Args:
        figures: folder that ``study_figures.draw`` filled.
    """
    named = _captions(results, config)
    paths = {path.stem: path for path in sorted(figures.glob("*.p*"))}
    order = [*(name for name in named if name in paths), *(name for name in paths if name not in named)]
    files = [(named.get(name, ""), f"figures/{paths[name].name}") for name in order]
    markup = f"<details><summary>{len(files)} figures</summary>{file_list(files)}</details>"
    return Section("Figures for papers", _told(figures), markup=markup)


def _captions(results: Results, config: ReportConfig) -> dict[str, str]:
    """What is seen in each still figure that there may be."""
    operator, learners = OPERATOR_LABELS[results.operator], list(results.settings.get("learners") or {})
    points = "a point is the mean of a cell" if config.scatter == "cells" else "density of cell-days"
    sites = "Chosen sites" if config.sites else "Three sites at the quartiles of NSE"
    found = {
        "cdf": f"Cumulative distributions over cells ({operator}; Figure 3 of the paper)",
        "scatter-trained": f"Simulated and observed, trained cells: {points} (Figure 4)",
        "scatter-unseen": f"Simulated and observed, unseen cells: {points} (Figure 4)",
        "series": f"{sites}: where they are, the test period, and their heaviest rain (Figure 8)",
        "trade-off": "Other variables against soil moisture, test period: the Pareto front; rings mark inference",
        "response": "Response of soil moisture to a change of θ, surrogate and process model",
    }
    found |= {} if results.streamflow is None else streamflow.CAPTIONS
    for p in results.space:
        found |= {
            f"map-{p.name}-own": f"{p.name}: {p.meaning}, a colour scale for each method (Figure 5)",
            f"map-{p.name}": f"{p.name}: one colour scale for all methods (Figure 6)",
            f"map-{p.name}-raised": f"{p.name}: cells at the a-priori value or above it (Figure 7)",
            f"map-{p.name}-residual": f"{p.name}: change from the a-priori value, both signs",
        }
    for metric in ("rmse", "pcc", "nse"):
        found[f"map-score-{metric}"] = f"{metric.upper()} of each cell, test period"
        found[f"map-gain-{metric}"] = f"{metric.upper()}: better or worse than {results.default}"
    for name in learners:
        found[f"recovery-{name}"] = f"Found and true θ of {name}, first seed"
        found[f"attention-{name}"] = f"What {name} attends to, by region. {CAVEAT}"
    for name in results.names():
        found[f"map-spread-{name}"] = f"Spread of θ over the seeds of {name}; wide where θ is not identified"
        found[f"map-identified-{name}"] = f"What soil moisture says of each parameter, around {name}"
    for reference in () if results.evapotranspiration is None else results.evapotranspiration["reference"].unique():
        for group in ("trained", "unseen"):
            against = f"Annual evapotranspiration of {group} cells against {product_name(reference)} (Figure 9)"
            found[f"evapotranspiration-{reference.removeprefix('et_')}-{group}"] = against
    return found
