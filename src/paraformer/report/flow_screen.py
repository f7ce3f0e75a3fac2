"""The first screen of a study of streamflow alone: three sentences, the figure of them, the files to take and θ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from paraformer.core.results import Results
from paraformer.core.run_files import DISCHARGE, PARAMS, STREAMFLOW
from paraformer.report import streamflow
from paraformer.report.first_screen import theta_table
from paraformer.report.page import escaped, figure_block, file_list, table_block
from paraformer.report.rivals import days

FIGURE = "streamflow-kge"
_BENCHMARK = "seasonal flow"
"""What a model must beat to be of use: each gauge's mean of the calendar month."""
_LEVEL = 0.95


def leading(results: Results) -> str | None:
    """The method with the highest median KGE of the training period at trained gauges; a learner before any search,
    which finds θ at gauges and nowhere else."""
    kge = _kge(results, "train", "trained")
    for kinds in (("learner", "history learner"), ("search",)):
        found = {name: kge[name].median() for name in results.names(*kinds) if name in kge and kge[name].notna().any()}
        if found:
            return max(found, key=lambda name: float(found[name]))
    return None


def flow_screen(results: Results, figures: Path) -> str:
    """The first screen as HTML.

    Args:
        figures: folder that ``streamflow.draw`` filled.
    """
    method = leading(results)
    told = "".join(f'<p class="sentence">{escaped(text)}</p>' for text in flow_sentences(results, method))
    note = (
        "KGE is 1 where simulated and observed flow are the same, and -0.41 for the mean flow. In brackets: 95 % "
        "interval of the median difference, from the order of the gauges' differences; it takes gauges for "
        "independent, so it is too narrow where they share rivers or weather."
    )
    picture = figures / f"{FIGURE}.png"
    figure = figure_block(streamflow.CAPTIONS[picture.stem], picture) if picture.exists() else ""
    table = "" if method is None else theta_table(results, method, "θ that leads in the training period", None)
    return (
        f'<div class="first"><div>{told}<p class="note">{escaped(note)}</p></div>{figure}</div>\n'
        f"<h3>Files to take</h3>{file_list(_files(results, method))}\n"
        f"{table_block('recommended', *table) if table else ''}"
    )


def flow_sentences(results: Results, method: str | None) -> list[str]:
    """What was learned; how good it is against the a-priori parameters; against other methods and the ceiling."""
    trained, unseen = (_kge(results, "test", group) for group in ("trained", "unseen"))
    names = ", ".join(p.name for p in results.space)
    there = f", there and at {len(unseen)} gauges that no method learned from" if len(unseen) else ""
    learned = (
        f"{len(results.space)} parameters of the process model ({names}) were learned from daily flow at "
        f"{len(trained)} gauges, {days(results, 'train')}. Every θ is judged by the process model itself on "
        f"{days(results, 'test')}, days that no method saw{there}."
    )
    if method is None:
        return [learned, "No search or learner could be scored in the training period.", str(results.recommended)]
    groups = {"trained": trained} | ({"unseen": unseen} if len(unseen) else {})
    values = " and ".join(f"{part[method].median():.2f} at {name} gauges" for name, part in groups.items())
    good = (
        f"{method} leads in the training period; in the test period its median KGE is {values}: "
        f"{_against(groups, method, results.default)} than {results.default}."
    )
    truth, searches = results.names("truth"), [n for n in results.names("search") if n != method and n in trained]
    fitted = _kge(results, "train", "trained")
    best = max(searches, key=lambda name: float(fitted[name].median()), default=None)
    others = [
        (best, f", the {'next ' if method in results.names('search') else ''}search by the training period"),
        (truth[0] if truth else None, ", the ceiling, which only a built-in world knows"),
        (_BENCHMARK, ", which a model must beat to be of use"),
    ]
    told = [
        f"{_against(groups, method, name)} than {name}{what}"
        for name, what in others
        if name is not None and name in trained
    ]
    return [learned, good, f"It is {'; '.join(told)}." if told else "There is nothing else to compare it with."]


def _kge(results: Results, period: str, cells: str) -> pd.DataFrame:
    """KGE of every gauge [gauge] and method, mean over seeds."""
    scores = results.streamflow
    assert scores is not None
    part = scores[(scores["period"] == period) & (scores["cells"] == cells)]
    return part.pivot_table(index="gauge", columns="method", values="kge", sort=False)


def _against(groups: dict[str, pd.DataFrame], method: str, other: str) -> str:
    found = []
    for name, part in groups.items():
        middle, low, high = median_interval((part[method] - part[other]).dropna().to_numpy())
        size = f"{abs(middle):.2f} {'higher' if middle > 0 else 'lower'}"
        interval = f" [{low:+.2f} to {high:+.2f}]".replace("-", "−") if np.isfinite(low) else ""
        found.append(f"{size}{interval} at {name} gauges")
    return " and ".join(found)


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Median and its 95 % interval without an assumption on the distribution; NaN where there are too few values.

    The interval lies between the values whose ranks the binomial distribution gives (Conover 1999, Practical
    Nonparametric Statistics, section 3.2).
    """
    if not values.size:
        return np.nan, np.nan, np.nan
    ordered, rank = np.sort(values), int(stats.binom.ppf((1 - _LEVEL) / 2, values.size, 0.5))
    middle = float(np.median(ordered))
    return (middle, float(ordered[rank - 1]), float(ordered[-rank])) if rank > 0 else (middle, np.nan, np.nan)


def _files(results: Results, method: str | None) -> list[tuple[str, str]]:
    files = []
    if method is not None:
        own = results.parameter_file(method)
        what = "parameter file of the process model" if own.name == PARAMS else "θ of every cell"
        files.append((f"{what} with the θ that leads in the training period ({method}, mean over seeds)", own))
    scores = results.folder("scores")
    files += [
        ("scores of every gauge, for a spreadsheet", scores / STREAMFLOW),
        ("daily flow at every gauge, observed and simulated (netCDF)", scores / DISCHARGE),
        ("the study, to run it again", results.study_file),
    ]
    return [(what, path.relative_to(results.directory).as_posix()) for what, path in files]
