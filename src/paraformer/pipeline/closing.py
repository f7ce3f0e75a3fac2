"""What a run tells at its end: the tables, one sentence of result, the parameter files, and where the rest is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from paraformer.config import Study
from paraformer.core.names import DEFAULT
from paraformer.core.run import Stage
from paraformer.evaluation.cross_validation import recommendation, shown
from paraformer.pipeline import report as reporting
from paraformer.process.parameter_field import PARAMS, THETA
from paraformer.report.tables import operator_note, to_text


def closing_words(study: Study, directory: Path, done: Mapping[str, Stage]) -> str:
    """Text for the terminal; of a run that has not come to its scores, the folders of its stages.

    Args:
        directory: of the run.
        done: its finished stages by name.
    """
    if "scores" not in done:
        return "\n".join([*(f"{name}: {stage.path}" for name, stage in done.items()), *_files(study, done)])
    scores = done["scores"].path
    lines = [*_tables(study, scores), result(scores, tuple(study.calibrators)), *_recommended(scores), ""]
    lines += _files(study, done)
    if "figures" in done:
        lines += [
            f"report: {directory / 'report.html'}",
            f"tables: {directory / 'tables'}, figures: {done['figures'].path}",
        ]
    return "\n".join([*lines, f"scores: {scores}"])


def result(scores: Path, methods: tuple[str, ...]) -> str:
    """One sentence: which searches and learners are nearest to the observations of the test period, raw.

    Args:
        scores: folder of the scores.
        methods: searches and learners of the study.
    """
    table = pd.read_csv(scores / "soil_moisture.csv")
    wanted = (table["metric"] == "rmse") & (table["operator"] == "raw") & (table["period"] == "test")
    means = table[wanted].groupby(["cells", "method"], sort=False)["mean"].mean()
    parts = []
    for cells in ("trained", "unseen"):
        found = means[cells] if cells in means.index.get_level_values("cells") else pd.Series(dtype=float)
        ours = found[[m for m in methods if m in found.index]].dropna()
        if len(ours) and DEFAULT in found.index:
            best = ours.idxmin()
            parts.append(f"{best} in {cells} cells ({ours[best]:.4f}, {DEFAULT} {found[DEFAULT]:.4f})")
    if not parts:
        return "Result: no observation of the test period could be scored."
    return f"Result: nearest to the observations of the test period, raw RMSE in m3 m-3: {', '.join(parts)}."


def _recommended(scores: Path) -> list[str]:
    """Which learner to take, where the study compares them on blocks kept aside."""
    path = scores / "cross_validation.csv"
    if not path.exists():
        return []
    table = pd.read_csv(path)
    title = "Learners on blocks of trained cells kept aside, training period, raw RMSE in m3 m-3:"
    return ["", title, to_text(shown(table)), "", recommendation(table)]


def _tables(study: Study, scores: Path) -> list[str]:
    heading = f"Test period, every θ judged by the process model: {operator_note(study.report.operator)}".rstrip()
    lines = [heading, to_text(reporting.tables(scores)), ""]
    if (scores / "evapotranspiration.csv").exists():
        title = "Annual evapotranspiration against every product, all cells:"
        lines += [title, to_text(reporting.evapotranspiration(scores)), ""]
    lines += [reporting.checklist(scores), ""]
    if (scores / "recovery.csv").exists():
        lines += ["Correlation of found with true θ:", to_text(reporting.recovery_table(scores)), ""]
    return lines


def _files(study: Study, done: Mapping[str, Stage]) -> list[str]:
    """The file of θ of every method: for VIC its parameter file, else θ alone."""
    lines = []
    for method, seeds in study.calibrators.items():
        if (stage := done.get(f"parameters/{method}")) is None:
            continue
        folder = stage.path / "seed-0"
        file = folder / PARAMS if (folder / PARAMS).exists() else folder / THETA
        others = f" (other seeds beside it: {seeds - 1})" if seeds > 1 else ""
        lines.append(f"parameters of {method}: {file}{others}")
    return lines
