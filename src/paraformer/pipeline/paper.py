"""``paper``: the data sets of several runs side by side, as the paper has DAS-S4, DAS-S8 and DAS-S8NG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from paraformer.core.errors import DataError, RunError, SettingsError, nearest
from paraformer.core.files import write_csv, write_text
from paraformer.core.names import DEFAULT, carried
from paraformer.core.results import Results
from paraformer.core.text_table import to_text
from paraformer.evaluation.evapotranspiration import SCORE_COLUMNS as ANNUAL_COLUMNS
from paraformer.numerics.observe import OPERATORS
from paraformer.report.config import ReportConfig
from paraformer.report.data_sets import DataSet, annual_table, data_set_cdfs, data_set_table, score_summary
from paraformer.report.figures import OPERATOR_LABELS, save_figure
from paraformer.report.page import Section, render_page
from paraformer.report.tables import product_name, to_latex, to_markdown

_METRICS = ("rmse", "pcc", "nse")


class Page(NamedTuple):
    """What the page is made of: the data sets, the rows of the tables, and what a reader has to know of them."""

    sets: list[DataSet]
    methods: list[str]
    facts: pd.DataFrame
    notes: list[str]
    operator: str


def write_paper(directories: Sequence[Path], out: Path, operator: str | None = None) -> str:
    """Table 2, Figure 3 and Table 3 of the data sets of several runs, as files and as one page.

    Trained cells of a run are one data set, its unseen cells another one; both are named after the sampling design
    (``DAS-S8``, ``DAS-S8NG``), or the study where there is none. Rows are default VIC, and the searches and learners of
    the studies. On unseen cells a search's row is its θ carried from the nearest trained cell, where the run has that
    (``evaluation.transfers``). Table 3 is of trained cells, as in the paper.

    Args:
        directories: of judged runs; data sets stand in their order.
        out: folder of ``paper.html``, ``table2.csv|md|tex``, ``table3.csv``, ``table3-<product>.md|tex`` and
            ``figure3``.
        operator: observation operator of the scores; by default that of the studies.

    Returns:
        What to tell the user.

    Raises:
        SettingsError: if the studies name different operators and none is given, or there is no such operator.
        RunError: if a directory holds no scores, or is named twice.
        DataError: if the runs were judged by different observations or in different test periods.
    """
    runs = [Results(path) for path in directories]
    _require_comparable(runs)
    page = _gather(runs, operator or _operator(runs))
    summary = score_summary(page.sets, page.methods)
    tables = {"table2": data_set_table(summary)}
    products = dict.fromkeys(name for one in page.sets for name in one.annual["reference"])
    tables |= {f"table3-{p.removeprefix('et_')}": annual_table(page.sets, page.methods, p) for p in products}
    write_csv(out / "table2.csv", summary)
    if products:
        write_csv(out / "table3.csv", pd.concat([one.annual.assign(data_set=one.name) for one in page.sets]))
    for name, table in tables.items():
        write_text(out / f"{name}.md", to_markdown(table) + "\n")
        write_text(out / f"{name}.tex", to_latex(table) + "\n")
    title = f"Scores of each cell in the test period, {OPERATOR_LABELS[page.operator]}"
    looks = ReportConfig(dpi=runs[0].settings["report"]["dpi"])
    figure, *_ = save_figure(data_set_cdfs(page.sets, page.methods, title=title), out / "figure3", looks)
    write_text(out / "paper.html", _html(page, runs, tables, figure))
    return _text(page, tables, out)


def _require_comparable(runs: Sequence[Results]) -> None:
    """Raise an error naming the first thing for which scores of the runs do not belong into one table."""
    seen: set[Path] = set()
    for run in runs:
        if run.directory.resolve() in seen:
            raise RunError(f"{run.directory}: the run is named twice")
        seen.add(run.directory.resolve())
    for other in runs[1:]:
        both = f"runs {runs[0].directory} and {other.directory}"
        names = [run.cube.dataset.attrs["observation"] for run in (runs[0], other)]
        if names[0] != names[1]:
            raise DataError(f"{both} are judged by different observations: {names[0]} and {names[1]}")
        periods = [run.cube.period("test") for run in (runs[0], other)]
        if periods[0] != periods[1]:
            raise DataError(f"{both} have different test periods: {periods[0]} and {periods[1]}")


def _operator(runs: Sequence[Results]) -> str:
    """The observation operator that all studies show their scores under."""
    found = dict.fromkeys(run.operator for run in runs)
    if len(found) > 1:
        raise SettingsError(f"report.operator differs between the runs ({', '.join(found)}); say which: --operator")
    return next(iter(found))


def _gather(runs: Sequence[Results], operator: str) -> Page:
    if operator not in OPERATORS:
        raise SettingsError(f"no observation operator '{operator}'{nearest(operator, OPERATORS)}")
    learned = (name for run in runs for name in run.names("search", "learner", "history learner"))
    methods = list(dict.fromkeys([DEFAULT, *learned]))
    sets: list[DataSet] = []
    facts, notes = [], []
    names = _names(runs)
    for run in runs:
        table = _scores(run, operator)
        annual = _annual(run)
        for group in ("trained", "unseen"):
            part = table[table["cells"] == group]
            if part.empty:
                continue
            name = names[run.directory, group]
            part, said = _as_the_paper_s_rows(part, run, group, name)
            sets.append(
                DataSet(name, part, annual[annual["cells"] == group] if group == "trained" else annual.iloc[:0])
            )
            notes += said
            facts.append(_facts(run, name, group, part))
        if annual.empty:
            notes.append(f"Table 3 lacks {names[run.directory, 'trained']}: its run judged no evapotranspiration.")
    return Page(sets, methods, pd.DataFrame(facts), notes, operator)


def _names(runs: Sequence[Results]) -> dict[tuple[Path, str], str]:
    """Run and group of cells -> name of the data set; where two runs have the same, the folder stands behind it."""
    found = {}
    for run in runs:
        design = (run.settings["data"].get("split") or {}).get("design")
        trained = run.name if design is None else f"DAS-{design.removesuffix('NG')}"
        found[run.directory, "trained"] = trained
        found[run.directory, "unseen"] = f"{trained}, unseen cells" if design is None else f"{trained}NG"
    taken = list(found.values())
    return {key: f"{n} ({key[0].resolve().name})" if taken.count(n) > 1 else n for key, n in found.items()}


def _scores(run: Results, operator: str) -> pd.DataFrame:
    """Scores of every cell in the test period under one operator.

    Raises:
        DataError: if the run has none.
    """
    table = run.cell_table(operator=operator, period="test", metric=_METRICS)
    if table.empty:
        raise DataError(f"{run.directory}: no score with operator '{operator}' in the test period")
    return table


def _annual(run: Results) -> pd.DataFrame:
    """Scores of annual evapotranspiration of process-model runs; without rows where none were judged."""
    table = run.evapotranspiration
    return pd.DataFrame(columns=list(ANNUAL_COLUMNS)) if table is None else table[table["kind"] == "process model"]


def _as_the_paper_s_rows(part: pd.DataFrame, run: Results, group: str, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The scores with each search's row on unseen cells being its θ carried from the nearest trained cell."""
    notes: list[str] = []
    if group == "trained":
        return part, notes
    for search in run.names("search"):
        nearest_cell = carried(search, "nearest")
        if nearest_cell in run.names("transfer"):
            part = part[part["method"] != search].replace({"method": {nearest_cell: search}})
            notes.append(f"{search} in {name}: θ of the nearest trained cell.")
        elif (part["method"] == search).any():
            notes.append(
                f"{search} in {name}: θ searched on each cell's own observations, which no other row has seen; "
                "evaluation.transfers carries it from the trained cells."
            )
    return part, notes


def _facts(run: Results, name: str, group: str, part: pd.DataFrame) -> dict[str, str]:
    settings, cube = run.settings, run.cube
    return {
        "data set": name,
        "run": str(run.directory),
        "cells": f"{part['cell'].nunique()} {group}",
        "scored": f"{part.loc[part['scored'], 'cell'].nunique()}",
        "train": str(cube.period("train")),
        "test": str(cube.period("test")),
        "observed": str(cube.dataset.attrs["observation"]),
        "seeds": f"learners {settings['learner_seeds']}, searches {settings['search_seeds']}",
    }


def _html(page: Page, runs: Sequence[Results], tables: dict[str, pd.DataFrame], figure: Path) -> str:
    notes = " ".join(page.notes)
    annual = [
        (f"Against {product_name('et_' + name.partition('-')[2])}, trained cells", table)
        for name, table in tables.items()
        if name.startswith("table3")
    ]
    sections = [
        Section("Data sets", "Figures 4 to 9 are in the report of each run.", [("", page.facts)]),
        Section(
            "Soil moisture (Table 2, Figure 3)",
            f"Test period, {OPERATOR_LABELS[page.operator]}; means over cells and seeds, ± over seeds; RMSE in m3 m-3. "
            f"{notes}",
            [("Table 2", tables["table2"])],
            [("Figure 3: distributions of NSE and PCC over cells; the lower a curve, the better", figure)],
        ),
    ]
    if annual:
        text = "Annual totals of VIC with the θ found from soil moisture; scores over cells, RMSE in mm year-1."
        sections.append(Section("Evapotranspiration (Table 3)", text, annual))
    facts: dict[str, Any] = {}
    for run in runs:
        told = {"made by": "; ".join(run.made_by), "seed": run.manifest.get("seed", "")}
        facts |= {f"{run.directory} {key}": value for key, value in told.items()}
        facts |= {f"{run.directory} input {k}": v for k, v in run.manifest.get("inputs", {}).items()}
    return render_page(", ".join(one.name for one in page.sets), "Data sets side by side.", sections, facts)


def _text(page: Page, tables: dict[str, pd.DataFrame], out: Path) -> str:
    lines = [f"Table 2, test period, {OPERATOR_LABELS[page.operator]}:", to_text(tables["table2"])]
    for name, table in tables.items():
        if name.startswith("table3"):
            product = product_name("et_" + name.partition("-")[2])
            lines += ["", f"Table 3, annual evapotranspiration against {product}, trained cells:", to_text(table)]
    return "\n".join([*lines, "", *page.notes, f"page: {out / 'paper.html'}", f"tables and figure: {out}"])
