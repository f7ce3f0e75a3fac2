"""The table of scores that a page sorts, filters and links with its map: every period and operator, one shown at once.

All rows stand in the page; the script only hides and orders them (``assets/table.js``). What a method is stands beside
its name. Rows that learn no parameter are folded.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

import pandas as pd

from paraformer.core.results import Results
from paraformer.report.page import escaped
from paraformer.report.tables import OPERATORS, full_score_table, score_table

DEFINITIONS = {
    "RMSE": "root mean square error of daily soil moisture [m3 m-3], mean over cells; lower is better",
    "PCC": "Pearson correlation over days, mean over cells; higher is better",
    "NSE": "Nash-Sutcliffe efficiency: 1 is perfect, 0 as good as the mean of the observations; mean over cells",
    "median NSE": "of the cells; a few bad cells do not move it",
    "ubRMSE": "RMSE after the mean difference is taken away [m3 m-3]; lower is better",
    "KGE": "Kling-Gupta efficiency: correlation, variability and mean in one; 1 is perfect",
    "bias": "mean of simulated less observed [m3 m-3]; nearer to 0 is better",
    "surrogate gap": "raw RMSE of the same θ by the process model less that by the surrogate [m3 m-3]; near 0, the "
    "surrogate can be believed",
    "model runs": "runs of the process model (cell times parameter set) that one seed's θ stands on",
}
"""Columns of the table and what they mean."""


def linked_table(results: Results) -> str:
    """The table with its selectors, as HTML."""
    periods, operators = ("test", "train"), list(dict.fromkeys(results.summary["operator"]))
    kinds = {m.name: m for m in results.methods}
    bodies: dict[bool, list[str]] = {False: [], True: []}
    for period in periods:
        table = _with_cost(results, period)
        for row in table.to_dict("records"):
            method = kinds[str(row["method"])]
            first = period == "test" and row["operator"] == results.operator
            bodies[method.kind == "reference"].append(_row(row, method.note, period, hidden=not first))
    heads = "".join(_head(name, "number") for name in DEFINITIONS)
    folded = sum(1 for m in results.methods if m.kind == "reference" and m.name in set(results.summary["method"]))
    columns = len(DEFINITIONS) + 2
    return f"""<div class="controls" id="score-controls">
<label>Period <select id="score-period">{_options(zip(periods, ("test", "training"), strict=True))}</select></label>
<label>Simulation <select id="score-operator">{
        _options(((name, OPERATORS[name][1]) for name in operators), results.operator)
    }</select></label>
<label>Cells <select id="score-cells"><option value="">all</option>{
        _options((name, name) for name in ("trained", "unseen"))
    }</select></label>
<label>Method <input id="score-filter" type="search" placeholder="part of a name" autocomplete="off"></label>
</div>
<p class="caption" id="scores-caption">Scores of soil moisture. A row is a method in trained or unseen cells, ± is the \
standard deviation over seeds, and every θ is judged by the process model itself. A method is better than another one \
only where both groups of cells say so and the difference is larger than ±. Press a heading to sort, a name to show \
the method on map and hydrograph.</p>
<div class="scroll" role="region" tabindex="0" aria-labelledby="scores-caption">
<table id="scores" aria-labelledby="scores-caption">
<thead><tr>{_head("method", "text")}{_head("cells", "text")}{heads}</tr></thead>
<tbody>
{chr(10).join(bodies[False])}
</tbody>
<tbody class="fold" {"hidden" if not folded else ""}><tr><td colspan="{columns}"><button type="button" \
id="score-fold" aria-expanded="false" aria-controls="score-references">{folded} rows that learn no parameter\
</button></td></tr></tbody>
<tbody id="score-references" hidden>
{chr(10).join(bodies[True])}
</tbody>
</table></div>
<p id="score-count" class="note" role="status"></p>
<dl class="definitions">{"".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>" for k, v in DEFINITIONS.items())}</dl>
"""


def _with_cost(results: Results, period: str) -> pd.DataFrame:
    """Every score of a period, with surrogate gap and cost beside them."""
    runs = {m.name: m.process_model_runs for m in results.methods if m.process_model_runs is not None}
    full = full_score_table(results.summary, period=period)
    cost = score_table(results.summary, gap=results.surrogate_gap, runs=runs, period=period)
    key = ["method", "group"]
    full, cost = (table.assign(group=table["cells"].str.partition(" ")[0]) for table in (full, cost))
    return full.merge(cost[[*key, "surrogate gap", "model runs"]], on=key, how="left")


def _row(row: dict[str, str], note: str, period: str, *, hidden: bool) -> str:
    name, cells = row["method"], row["cells"]
    data = f'data-method="{html.escape(name)}" data-cells="{row["group"]}" data-period="{period}"'
    numbers = "".join(f'<td class="number">{_number(row[column])}</td>' for column in DEFINITIONS)
    what = f"<small>{escaped(note)}</small>" if note else ""
    return (
        f'<tr {data} data-operator="{html.escape(str(row["operator"]))}"{" hidden" if hidden else ""}>'
        f'<th scope="row"><button type="button" class="name">{html.escape(name)}</button>{what}</th>'
        f"<td>{escaped(cells)}</td>{numbers}</tr>"
    )


def _number(text: str) -> str:
    """A score with its spread over seeds below it."""
    value, sign, spread = text.partition(" ± ")
    return escaped(value) + (f"<small>± {escaped(spread)}</small>" if sign else "")


def _head(name: str, kind: str) -> str:
    return f'<th scope="col" class="{kind}" aria-sort="none"><button type="button">{escaped(name)}</button></th>'


def _options(pairs: Iterable[tuple[str, str]], chosen: str = "") -> str:
    return "".join(
        f'<option value="{html.escape(value)}"{" selected" if value == chosen else ""}>{escaped(text)}</option>'
        for value, text in pairs
    )
