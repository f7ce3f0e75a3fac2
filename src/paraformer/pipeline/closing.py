"""What a run tells at its end: the tables, one sentence of result, the parameter files, and where the rest is."""

from __future__ import annotations

from collections.abc import Mapping

from paraformer.config import Study
from paraformer.core.results import Results
from paraformer.core.run import Stage
from paraformer.core.text_table import to_text
from paraformer.evaluation.cross_validation import shown
from paraformer.evaluation.gauges import paired_flow
from paraformer.pipeline.streamflow import default_through
from paraformer.report import study_page
from paraformer.report.streamflow import flow_table
from paraformer.report.tables import operator_note, rounded


def closing_words(study: Study, results: Results, done: Mapping[str, Stage]) -> str:
    """Text for the terminal; of a run that has not come to its scores, the folders of its stages.

    Args:
        results: of the run.
        done: its finished stages by name.
    """
    if "scores" not in done:
        return "\n".join([*(f"{name}: {stage.path}" for name, stage in done.items()), *_files(study, results, done)])
    lines = [told(results), "", *_files(study, results, done)]
    if "figures" in done:
        lines += [
            f"report: {results.directory / 'report.html'}",
            f"tables: {results.directory / 'tables'}, figures: {done['figures'].path}",
        ]
    return "\n".join([*lines, f"scores: {done['scores'].path}"])


def told(results: Results) -> str:
    """The tables, the result in a sentence, and which learner to take."""
    lines = [*_tables(results), *_flow(results), result(results)] if results.moisture else _flow(results)
    return "\n".join([*lines, *_recommended(results)])


def result(results: Results) -> str:
    """One sentence: which searches and learners are nearest to the observations of the test period, raw."""
    summary, default = results.summary, results.default
    wanted = (summary["metric"] == "rmse") & (summary["operator"] == "raw") & (summary["period"] == "test")
    means = summary[wanted].set_index(["cells", "method"])["mean"]
    methods, parts = results.names("search", "learner", "history learner"), []
    for cells in ("trained", "unseen"):
        found = {method: mean for (group, method), mean in means.items() if group == cells and mean == mean}
        ours = [method for method in methods if method in found]
        if ours and default in found:
            best = min(ours, key=lambda method: found[method])
            parts.append(f"{best} in {cells} cells ({found[best]:.4f}, {default} {found[default]:.4f})")
    if not parts:
        return "Result: no observation of the test period could be scored."
    return f"Result: nearest to the observations of the test period, raw RMSE in m3 m-3: {', '.join(parts)}."


def _recommended(results: Results) -> list[str]:
    """Which learner to take and why, with the table of those compared on blocks kept aside."""
    table = results.cross_validation
    if table is None:
        return ["", results.recommended.why]
    title = "Learners on blocks of trained cells kept aside, training period, raw RMSE in m3 m-3:"
    return ["", title, to_text(shown(table)), "", results.recommended.why]


def _tables(results: Results) -> list[str]:
    heading = f"Test period, every θ judged by the process model: {operator_note(results.operator)}".rstrip()
    lines = [heading, to_text(study_page.tables(results)), ""]
    if results.evapotranspiration is not None:
        title = "Annual evapotranspiration against every product, all cells:"
        lines += [title, to_text(study_page.evapotranspiration(results)), ""]
    lines += [study_page.checklist(results), ""]
    if results.recovery is not None:
        table = to_text(study_page.recovery_table(results.recovery))
        lines += ["Correlation of found with true θ:", table, ""]
    return lines


def _flow(results: Results) -> list[str]:
    """The table of flow at gauges, where it was judged."""
    if results.streamflow is None:
        return []
    found = ["Flow at gauges, test period, medians over gauges:", to_text(flow_table(results.streamflow)), ""]
    kept = results.streamflow_kept
    if kept is None:
        return found
    names = [name for name in dict.fromkeys(kept["method"]) if default_through(name) in set(kept["method"])]
    pairs = paired_flow(kept, [(name, default_through(name)) for name in names])
    title = "Basins kept aside, each judged by a learner that did not learn from it, test period:"
    return [*found, title, to_text(flow_table(kept)), "", to_text(rounded(pairs, 3)), ""]


def _files(study: Study, results: Results, done: Mapping[str, Stage]) -> list[str]:
    """The file of θ of every method, the mean over its seeds: for VIC its parameter file, else θ alone."""
    lines = []
    for method, seeds in study.calibrators.items():
        if f"parameters/{method}" in done:
            others = f" (mean of {seeds} seeds, which stand beside it)" if seeds > 1 else ""
            lines.append(f"parameters of {method}: {results.parameter_file(method)}{others}")
    return lines
