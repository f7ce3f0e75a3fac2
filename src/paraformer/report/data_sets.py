"""Several data sets side by side, as the paper has DAS-S4, DAS-S8 and DAS-S8NG: Table 2, Figure 3 and Table 3."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paraformer.core.errors import DataError
from paraformer.report.colours import method_styles
from paraformer.report.figures import METRIC_LABELS, draw_cdfs, score_limits
from paraformer.report.tables import over_seeds

SUMMARY_COLUMNS = ("data_set", "method", "metric", "mean", "std", "seeds", "n_scored")
"""Columns of the numbers behind Table 2; ``mean`` and ``std`` are over seeds, of the means over the scored cells."""
_METRICS = (("RMSE", "rmse", 3), ("PCC", "pcc", 3), ("NSE", "nse", 3))
_ANNUAL = (("RMSE", "rmse", 1), ("PCC", "pcc", 3), ("NSE", "nse", 3))
_CURVES = ("nse", "pcc")


class DataSet(NamedTuple):
    """One data set: its name, and the scores of every cell under one operator in one period.

    Attributes:
        name: e.g. ``DAS-S8NG``.
        cells: columns ``cell, method, seed, metric, value, scored``.
        annual: scores of annual evapotranspiration over these cells: columns ``method, seed, reference, rmse, pcc,
            nse``; without rows where none were judged.
    """

    name: str
    cells: pd.DataFrame
    annual: pd.DataFrame


def score_summary(sets: Sequence[DataSet], methods: Sequence[str]) -> pd.DataFrame:
    """The numbers behind Table 2, columns ``SUMMARY_COLUMNS``; ``n_scored`` is the least of the seeds."""
    rows = []
    for one in sets:
        for method in methods:
            own = one.cells[one.cells["method"] == method]
            for _, metric, _ in _METRICS:
                scored = own[(own["metric"] == metric) & own["scored"]]
                seeds = scored.groupby("seed")["value"].agg(["mean", "size"])
                if len(seeds):
                    spread = seeds["mean"].std(ddof=1) if len(seeds) > 1 else np.nan
                    count = int(seeds["size"].min())
                    rows.append((one.name, method, metric, seeds["mean"].mean(), spread, len(seeds), count))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def data_set_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Table 2, ready to print: a row a method, three scores of soil moisture a data set.

    Args:
        summary: as ``score_summary`` gives it; ``±`` is its spread over seeds. A dash is what a data set lacks.

    Returns:
        Text entries; RMSE in m3 m-3.
    """
    found = summary.set_index(["data_set", "method", "metric"])[["mean", "std"]]
    rows = []
    for method in dict.fromkeys(summary["method"]):
        row = {"method": str(method)}
        for name in dict.fromkeys(summary["data_set"]):
            for header, metric, decimals in _METRICS:
                key, text = (name, method, metric), "–"
                if key in found.index:
                    mean, spread = found.loc[key]
                    text = f"{mean:.{decimals}f}" + (f" ± {spread:.{decimals}f}" if np.isfinite(spread) else "")
                row[f"{name} {header}"] = text
        rows.append(row)
    return pd.DataFrame(rows)


def annual_table(sets: Sequence[DataSet], methods: Sequence[str], reference: str) -> pd.DataFrame:
    """Table 3 against one product, ready to print: a row a method, three scores a data set.

    Of annual evapotranspiration, over cells; RMSE in mm year-1. Data sets that were not judged by this product have no
    columns.
    """
    judged = [one for one in sets if (one.annual["reference"] == reference).any()]
    rows = []
    for method in methods:
        row = {"method": method}
        for one in judged:
            own = one.annual[(one.annual["method"] == method) & (one.annual["reference"] == reference)]
            row |= {f"{one.name} {header}": over_seeds(own[metric], digits) for header, metric, digits in _ANNUAL}
        rows.append(row)
    return pd.DataFrame(rows)


def data_set_cdfs(sets: Sequence[DataSet], methods: Sequence[str], *, title: str) -> Figure:
    """Cumulative distributions over cells of NSE (above) and PCC (below), a column a data set (Figure 3 of the paper).

    The lower a curve, the better. Each seed is a line of its own, in the colour of its method; a curve that enters a
    panel above 0 has that share of its cells further left.

    Raises:
        DataError: if there is nothing to draw.
    """
    if not any(one.cells["scored"].any() for one in sets):
        raise DataError("no score to draw: no cell of any data set is scored")
    figure = Figure(figsize=(3.7 * len(sets) + 0.4, 6.6 + 0.22 * -(-len(methods) // 3)), layout="constrained")
    axes = figure.subplots(len(_CURVES), len(sets), squeeze=False, sharex="row", sharey=True)
    styles, letters = method_styles(methods), iter(string.ascii_lowercase)
    for row, metric in zip(axes, _CURVES, strict=True):
        values = []
        for panel, one in zip(row, sets, strict=True):
            own = one.cells["scored"] & (one.cells["metric"] == metric) & one.cells["method"].isin(methods)
            scored = one.cells[own]
            values.append(scored["value"].to_numpy())
            draw_cdfs(panel, scored, styles)
            count = scored["cell"].nunique()
            panel.set_title(f"({next(letters)}) {one.name} {metric.upper()} (n = {count})", fontsize=10, loc="left")
            panel.set_xlabel(METRIC_LABELS[metric])
        row[0].set_ylabel("share of cells ≤ x")
        row[0].set_xlim(score_limits(metric, np.concatenate(values)))
        row[0].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    handles = [Line2D([], [], **styles[method], label=method) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(methods)), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure
