"""Tables of scores, every entry ready-made text; as markdown, LaTeX and HTML."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from paraformer.core.text_table import is_text
from paraformer.report.units import typeset_text

_CELLS = ("trained", "unseen")


class _Score(NamedTuple):
    """A column: its header, the observation operator, metric and statistic over cells it shows, and its decimals."""

    header: str
    operator: str
    metric: str
    statistic: str
    decimals: int


OPERATORS: Mapping[str, tuple[str, str]] = {
    "raw": ("raw", "as simulated"),
    "global_linear": ("line", "after one gain and offset for all cells"),
    "cell_moments": (
        "moments",
        "with each cell's mean and standard deviation of the training period made the observed",
    ),
    "cell_lstsq": ("cell line", "after a gain and an offset of each cell"),
}
"""Observation operator -> word before the metric in a header, and what is done to the simulation."""


def _columns(operator: str) -> list[_Score]:
    """The configured operator's scores, with raw ones and those after one line for all cells beside them."""
    word, raw = ("", "") if operator == "raw" else (f"{OPERATORS[operator][0]} ", "raw ")
    found = [
        _Score(f"{word}RMSE", operator, "rmse", "mean", 4),
        _Score(f"{word}PCC", operator, "pcc", "mean", 3),
        _Score(f"{word}NSE", operator, "nse", "mean", 2),
        _Score(f"{word}median NSE", operator, "nse", "median", 2),
    ]
    if operator != "raw":
        found += [_Score("raw RMSE", "raw", "rmse", "mean", 4), _Score("raw NSE", "raw", "nse", "mean", 2)]
    found.append(_Score(f"{raw}ubRMSE", "raw", "ubrmse", "mean", 4))
    if operator != "global_linear":
        found.append(_Score("line RMSE", "global_linear", "rmse", "mean", 4))
        found.append(_Score("line NSE", "global_linear", "nse", "mean", 2))
    return found


def operator_note(operator: str) -> str:
    """What the scores that stand first in the score table are of, for its caption; empty where they are raw."""
    word, done = OPERATORS[operator]
    return "" if operator == "raw" else f"'{word}' (operator {operator}): {done}."


_FULL = (
    ("RMSE", "rmse", "mean", 4),
    ("PCC", "pcc", "mean", 3),
    ("NSE", "nse", "mean", 2),
    ("median NSE", "nse", "median", 2),
    ("ubRMSE", "ubrmse", "mean", 4),
    ("KGE", "kge", "mean", 3),
    ("bias", "bias", "mean", 4),
    ("season RMSE", "season_rmse", "mean", 4),
    ("season PCC", "season_pcc", "mean", 3),
    ("anomaly RMSE", "anomaly_rmse", "mean", 4),
    ("anomaly PCC", "anomaly_pcc", "mean", 3),
)


def score_table(
    summary: pd.DataFrame,
    *,
    gap: pd.DataFrame | None = None,
    runs: Mapping[str, int] | None = None,
    period: str = "test",
    operator: str = "raw",
) -> pd.DataFrame:
    """The headline table, ready to print: every entry is text.

    Args:
        summary: means and spread over seeds: columns ``method, operator, cells, period, metric, mean, std, median,
            seeds, n_scored, n_unscored``.
        gap: surrogate gap: columns ``method, operator, cells, period, metric, difference``; shown for raw RMSE, mean
            over seeds.
        runs: number of process-model runs (cell x parameter set) each method cost.
        period: ``test`` or ``train``.
        operator: observation operator whose scores stand first, one of ``OPERATORS``; raw ones stand beside them.

    Returns:
        One row per method and group of cells in order of appearance. RMSE, ubRMSE and gap in m3 m-3; "line" scores are
        after one gain and offset for all cells, other words of the headers are in ``OPERATORS``. ``±`` is the standard
        deviation over seeds; ``cells`` counts the scored cells, and the unscored ones where there are any. Missing
        entries are an en dash.
    """
    chosen, scores = summary[summary["period"] == period], _columns(operator)
    rows = []
    for method in dict.fromkeys(chosen["method"]):
        for cells in _CELLS:
            part = chosen[(chosen["method"] == method) & (chosen["cells"] == cells)]
            if part.empty:
                continue
            row = {"method": str(method), "cells": f"{cells} ({_count(part)})"}
            row |= {score.header: _entry(part, score) for score in scores}
            row["surrogate gap"] = _gap(gap, method, cells, period)
            row["model runs"] = f"{runs[method]:,}" if runs and method in runs else "–"
            rows.append(row)
    return pd.DataFrame(rows, columns=["method", "cells", *(s.header for s in scores), "surrogate gap", "model runs"])


def full_score_table(summary: pd.DataFrame, *, period: str = "test") -> pd.DataFrame:
    """Every metric under every observation operator: one row per method, group of cells and operator.

    Args:
        summary: as for ``score_table``.
        period: ``test`` or ``train``.

    Returns:
        Text entries; means over cells but for the median NSE, ``±`` is the standard deviation over seeds.
    """
    chosen = summary[summary["period"] == period]
    rows = []
    places = itertools.product(dict.fromkeys(chosen["method"]), dict.fromkeys(chosen["operator"]), _CELLS)
    for method, operator, cells in places:
        part = chosen[(chosen["method"] == method) & (chosen["operator"] == operator) & (chosen["cells"] == cells)]
        if part.empty:
            continue
        row = {"method": str(method), "cells": f"{cells} ({_count(part)})", "operator": str(operator)}
        row |= {
            header: _entry(part, _Score(header, str(operator), metric, statistic, decimals))
            for header, metric, statistic, decimals in _FULL
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=["method", "cells", "operator", *(column[0] for column in _FULL)])


def evapotranspiration_table(scores: pd.DataFrame, *, cells: str = "all") -> pd.DataFrame:
    """Annual evapotranspiration against every reference (the paper's Table 3): one row per method, then the products.

    Args:
        scores: as ``scores/evapotranspiration.csv``.
        cells: ``all``, ``trained`` or ``unseen``.

    Returns:
        Text entries: mean, RMSE and bias in mm year-1, PCC and NSE over cells; ``±`` is the standard deviation over
        seeds. RMSE of the seasonal cycle in mm month-1; CRPS of all seeds together, and their mean absolute error less
        default VIC's with its 95 % interval over tiles, in mm year-1. The rows of the products say how far the
        references are from each other.
    """
    chosen = scores[scores["cells"] == cells]
    references = list(dict.fromkeys(chosen["reference"]))
    rows = []
    for (kind, method), part in chosen.groupby(["kind", "method"], sort=False):
        name = f"{product_name(str(method))} (product)" if kind == "reference" else str(method)
        row = {"method": name, "mean": over_seeds(part.drop_duplicates("seed")["mean"], 0)}
        for reference in references:
            found = part[part["reference"] == reference]
            for header, metric, decimals in (
                ("RMSE", "rmse", 0),
                ("PCC", "pcc", 3),
                ("NSE", "nse", 2),
                ("bias", "bias", 0),
                ("season RMSE", "season_rmse", 1),
            ):
                row[f"{product_name(reference)} {header}"] = over_seeds(found[metric], decimals)
            row[f"{product_name(reference)} CRPS"] = over_seeds(found["crps"][:1], 0)  # of all seeds together
            row[f"{product_name(reference)} less default"] = _less_default(found)
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["method", "mean"])


def _less_default(found: pd.DataFrame) -> str:
    """Difference to default VIC with its interval, where there is one."""
    first = None if found.empty else found.iloc[0]
    if first is None or not math.isfinite(first["less_default"]):
        return "–"
    interval = f" ({first['less_low']:+.0f} .. {first['less_high']:+.0f})" if math.isfinite(first["less_low"]) else ""
    return f"{first['less_default']:+.0f}{interval}"


def signature_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Fluxes against signatures and truth: one row per method, RMSE over trained / unseen cells in every column.

    Args:
        scores: columns ``quantity, method, seed, reference, cells, rmse``.
    """
    rows = []
    for method, part in scores.groupby("method", sort=False):
        row = {"method": str(method)}
        for (quantity, reference), found in part.groupby(["quantity", "reference"], sort=False):
            name, decimals = str(quantity).replace("_", " "), 0 if quantity == "evapotranspiration" else 3
            against = "" if str(reference).startswith(str(quantity)) else f" of the {reference}"
            both = (over_seeds(found[found["cells"] == cells]["rmse"], decimals) for cells in _CELLS)
            row[f"{name}{against or ' observed'}"] = " / ".join(both)
        rows.append(row)
    return pd.DataFrame(rows)


def pareto_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every method's error in every variable, ready to print: one row per method, all cells together.

    Args:
        table: columns ``evaluation.trade_off.COLUMNS``.

    Returns:
        Text entries: mean over seeds, ``±`` their standard deviation; ``left out`` stands behind what θ was not
        learned from, where it was learned from something. ``Pareto front`` names the variables with which, beside soil
        moisture, no other method is better.
    """
    printed = []
    for method, part in table.groupby("method", sort=False):
        first, learns = part.iloc[0], bool(part[["learned", "learned_soil_moisture"]].to_numpy().any())
        line = {"method": str(method), "inference": "yes" if first["inference"] else ""}
        moisture = _with_spread(first["soil_moisture"], first["soil_moisture_std"], 4)
        line["soil moisture [m3 m-3]"] = moisture + _left_out(learns, bool(first["learned_soil_moisture"]))
        front = []
        for _, row in part.iterrows():
            name = variable_name(row["variable"], row["reference"], row["unit"])
            error = _with_spread(row["error"], row["error_std"], 0 if row["unit"].startswith("mm") else 3)
            line[name] = error + _left_out(learns, bool(row["learned"]))
            front += [name.split(" [")[0]] if row["front"] else []
        printed.append({**line, "Pareto front": "; ".join(front) or "–"})
    found = pd.DataFrame(printed).fillna("–")
    return found[[*(name for name in found if name != "Pareto front"), "Pareto front"]]


def _with_spread(mean: float, spread: float, decimals: int) -> str:
    if not math.isfinite(mean):
        return "–"
    return f"{mean:.{decimals}f}" + (f" ± {spread:.{decimals}f}" if math.isfinite(spread) else "")


def _left_out(learns: bool, learned: bool) -> str:
    return ", left out" if learns and not learned else ""


def variable_name(variable: str, reference: str, unit: str) -> str:
    """A judged variable, what it was judged by, and its unit where it has one."""
    name = variable.replace("_", " ")
    if variable == "streamflow":
        return "streamflow, 1 - NSE"
    if reference.startswith(("et_", f"{variable}_")):
        against = product_name(reference) if reference.startswith("et_") else "observed"
    else:
        against = reference
    return f"{name}, {against}" + ("" if unit == "1" else f" [{unit}]")


def product_name(variable: str) -> str:
    """Name of a reference product from its variable: ``et_gleam`` is GLEAM, ``et_obs`` observed."""
    return "observed" if variable == "et_obs" else variable.removeprefix("et_").upper()


def compare_table(table: pd.DataFrame) -> pd.DataFrame:
    """A comparison, ready to print.

    Args:
        table: columns ``method, against, cells, n_cells, value, value_against, difference, low, high, p, seed_std``.
    """
    rows = [
        {
            "method": row.method,
            "against": row.against,
            "cells": f"{row.cells} ({row.n_cells})",
            "mean": _signed(row.value, "") + (f" ± {row.seed_std:.4f}" if math.isfinite(row.seed_std) else ""),
            "against it": _signed(row.value_against, ""),
            "difference": _signed(row.difference, "+"),
            "95 % interval": f"{_signed(row.low, '+')} .. {_signed(row.high, '+')}" if math.isfinite(row.low) else "–",
            "p": f"{row.p:.4f}" if math.isfinite(row.p) else "–",
        }
        for row in table.itertuples()
    ]
    return pd.DataFrame(rows)


def to_markdown(table: pd.DataFrame) -> str:
    """GitHub-flavoured markdown table."""
    names = [_escape_markdown(str(name)) for name in table.columns]
    align = [":---" if is_text(table[name]) else "---:" for name in table.columns]
    body = [[_escape_markdown(str(v)) for v in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (names, align, *body))


def to_latex(table: pd.DataFrame) -> str:
    """LaTeX tabular for the package booktabs."""
    align = "".join("l" if is_text(table[name]) else "r" for name in table.columns)
    lines = [[str(name) for name in table.columns], *([str(v) for v in row] for row in table.itertuples(index=False))]
    head, *body = (" & ".join(_escape_latex(v) for v in line) + r" \\" for line in lines)
    return "\n".join(
        [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    )


def to_html(table: pd.DataFrame) -> str:
    """HTML table; all text is escaped, units are in the notation of pages."""
    kinds = ["text" if is_text(table[name]) else "number" for name in table.columns]

    def cells(tag: str, values: Iterable[object]) -> str:
        opening = f'{tag} scope="col"' if tag == "th" else tag
        return "".join(
            f'<{opening} class="{kind}">{html.escape(typeset_text(str(value)))}</{tag}>'
            for value, kind in zip(values, kinds, strict=True)
        )

    head = cells("th", table.columns)
    rows = [cells("td", row) for row in table.itertuples(index=False)]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def rounded(table: pd.DataFrame, digits: int = 4) -> pd.DataFrame:
    """A copy whose floating-point columns are text with ``digits`` significant digits, en dashes for NaN."""
    result = table.copy()
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            result[name] = ["–" if math.isnan(v) else f"{v:.{digits}g}" for v in table[name]]
    return result


def _count(part: pd.DataFrame) -> str:
    rmse = part[part["metric"] == "rmse"]
    scored, unscored = int(rmse["n_scored"].min()), int(rmse["n_unscored"].max())
    return f"{scored}, {unscored} unscored" if unscored else f"{scored}"


def _entry(part: pd.DataFrame, score: _Score) -> str:
    found = part[(part["operator"] == score.operator) & (part["metric"] == score.metric)]
    if found.empty or not math.isfinite(found[score.statistic].iloc[0]):
        return "–"
    text = f"{found[score.statistic].iloc[0]:.{score.decimals}f}"
    spread = found["std"].iloc[0]
    if score.statistic == "mean" and math.isfinite(spread):
        text += f" ± {spread:.{score.decimals}f}"
    return text


def _gap(gap: pd.DataFrame | None, method: str, cells: str, period: str) -> str:
    if gap is None:
        return "–"
    found = gap[
        (gap["method"] == method)
        & (gap["cells"] == cells)
        & (gap["period"] == period)
        & (gap["operator"] == "raw")
        & (gap["metric"] == "rmse")
    ]
    return f"{found['difference'].mean():+.4f}" if len(found) else "–"


def over_seeds(values: pd.Series, decimals: int) -> str:
    """Mean, and standard deviation where there are several; a dash where there is none or one is missing."""
    mean = values.to_numpy().mean() if len(values) else math.nan
    if not math.isfinite(mean):
        return "–"
    return f"{mean:.{decimals}f}" + (f" ± {values.std(ddof=1):.{decimals}f}" if len(values) > 1 else "")


def _signed(value: float, sign: str) -> str:
    return f"{value:{sign}.4f}" if math.isfinite(value) else "–"


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        **{sign: f"\\{sign}" for sign in "_%&#${}"},
        "±": r"$\pm$",
        "–": "--",
        "θ": r"$\theta$",
        "−": "$-$",
        "\n": " ",
    }
)
"""Each sign once: what stands for one is not replaced again."""


def _escape_latex(text: str) -> str:
    return text.translate(_LATEX)


def _escape_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
