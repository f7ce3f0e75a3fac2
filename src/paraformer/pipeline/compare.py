"""``compare``: methods of one judged run, or of several judged on the same observations, against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from paraformer.core.errors import DataError, RunError, SettingsError, nearest
from paraformer.core.names import DEFAULT
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.evaluation.compare import MIN_BLOCKS, TILE, compare
from paraformer.evaluation.gauges import paired_flow
from paraformer.pipeline.streamflow import default_through
from paraformer.report.tables import compare_table, rounded

ASIDE = ", basins kept aside"
"""Behind the name of a learner in basins that it did not learn from."""


class Judged(NamedTuple):
    """What a comparison reads of one run: its name, its per-cell scores and its cube."""

    name: str
    cells: pd.DataFrame
    cube: Cube


class Question(NamedTuple):
    """What is compared: score, operator and period of the table, and the side of the bootstrap's tiles [degree]."""

    metric: str = "rmse"
    operator: str = "raw"
    period: str = "test"
    tile: float = TILE


def compare_runs(directories: Sequence[Path], question: Question, against: str | None = None) -> pd.DataFrame:
    """Paired differences of every method of the runs, ``evaluation.compare.COMPARE_COLUMNS``.

    Method names that occur in several runs get the run's name in front; rows that are the same number for number in
    all runs (default VIC, the baselines) stand once.

    Args:
        against: the method all others are compared with. Without it, a method of a later run is compared with its
            namesake of the first run, and one without a namesake with default VIC.

    Raises:
        SettingsError: if there is no such period.
        RunError: if a directory holds no scores.
        DataError: if the runs were not judged on the same cells, days and observations, naming the first difference,
            or lack what is asked for.
    """
    if question.period not in ("train", "test"):
        raise SettingsError(f"no period '{question.period}'{nearest(question.period, ('train', 'test'))}")
    runs = [_read(path, name) for path, name in zip(directories, _names(directories), strict=True)]
    for other in runs[1:]:
        _require_same_observations(runs[0], other, question.period)
    joined, origin = _join(runs)
    methods = list(dict.fromkeys(joined["method"]))
    if against is not None and against not in methods:
        raise DataError(f"no method '{against}' in {', '.join(r.name for r in runs)}{nearest(against, methods)}")
    pairs = [(m, against or _namesake(m, origin, runs[0].name)) for m in methods]
    pairs = [pair for pair in pairs if pair[0] != pair[1]]
    if not pairs:
        raise DataError(f"nothing to compare: the only method is '{methods[0]}'")
    return compare(
        joined, pairs, metric=question.metric, operator=question.operator, period=question.period, tile=question.tile
    )


def without_moisture(directories: Sequence[Path]) -> bool:
    """Whether none of the runs has judged soil moisture."""
    return not any(Results(path).moisture for path in directories)


def compare_flow(directories: Sequence[Path], period: str, against: str | None = None) -> pd.DataFrame:
    """KGE of flow of every method against another at the same gauges, ``evaluation.gauges.PAIRED_COLUMNS``.

    Basins kept aside stand in rows of their own. Names that occur in several runs get the run's name in front.

    Args:
        against: the method all others are compared with; by default default VIC, and of basins kept aside default VIC
            through the learner's times of travel.

    Raises:
        SettingsError: if there is no such period.
        RunError: if a run has judged no flow.
        DataError: if there is no such method.
    """
    if period not in ("train", "test"):
        raise SettingsError(f"no period '{period}'{nearest(period, ('train', 'test'))}")
    tables, pairs = [], []
    names = _names(directories)
    for path, name in zip(directories, names, strict=True):
        scores, kept = Results(path).streamflow, Results(path).streamflow_kept
        if scores is None:
            raise RunError(f"{path}: no flow was judged; 'data.streamflow' in the study does it")
        front = "" if len(directories) == 1 else f"{name}/"
        tables.append(scores.assign(method=front + scores["method"]))
        base = front + DEFAULT if against is None else against
        pairs += [(front + each, base) for each in dict.fromkeys(scores["method"])]
        if kept is not None:
            aside = kept.assign(method=front + kept["method"] + ASIDE)
            tables.append(aside)
            mine = [each for each in dict.fromkeys(kept["method"]) if default_through(each) in set(kept["method"])]
            pairs += [(front + each + ASIDE, front + default_through(each) + ASIDE) for each in mine]
    joined = pd.concat(tables, ignore_index=True)
    known = list(dict.fromkeys(joined["method"]))
    if against is not None and against not in known:
        raise DataError(f"no method '{against}' in {', '.join(names)}{nearest(against, known)}")
    return paired_flow(joined, [pair for pair in pairs if pair[0] != pair[1]], period=period)


def describe_flow(table: pd.DataFrame, period: str) -> str:
    """The comparison of flow as text for the terminal."""
    lead = (
        f"KGE of daily flow, {period} period: medians over gauges, median difference, share of gauges that are better, "
        "p of Wilcoxon's signed-rank test"
    )
    return "\n".join([lead, to_text(rounded(table, 3))])


def describe_comparison(table: pd.DataFrame) -> str:
    """The comparison as text for the terminal."""
    first = table.iloc[0]
    lead = (
        f"{first['metric']} ({first['operator']}, {first['period']} period), method less the one it is compared "
        "with; mean over cells, 95 % interval and p from a bootstrap of tiles; ± over seeds"
    )
    return "\n".join([lead, to_text(compare_table(table)), *_without_interval(table)])


def _without_interval(table: pd.DataFrame) -> Iterator[str]:
    """Why rows have no interval, once for each group of cells."""
    bare = table[~np.isfinite(table["low"])]
    for row in bare.drop_duplicates(["cells", "n_cells", "n_blocks"]).itertuples():
        tiles = f"{row.n_blocks} tile{'' if row.n_blocks == 1 else 's'}"
        yield (
            f"no interval for {row.cells} cells: the {row.n_cells} that are scored lie in {tiles} of "
            f"{table.attrs['tile']:g} degrees, and a bootstrap needs {MIN_BLOCKS}; smaller tiles (--tile) take "
            "neighbours for independent"
        )


def _names(directories: Sequence[Path]) -> list[str]:
    """Short names that tell the runs apart: their folders', or the whole paths where those are the same."""
    short = [path.resolve().name for path in directories]
    names = short if len(set(short)) == len(short) else [str(path) for path in directories]
    if len({path.resolve() for path in directories}) < len(directories):
        raise RunError(f"a run is named twice: {', '.join(names)}")
    return names


def _read(path: Path, name: str) -> Judged:
    results = Results(path)
    return Judged(name, results.cell_table(), results.cube)


def _require_same_observations(one: Judged, other: Judged, period: str) -> None:
    """Raise DataError naming the first thing that makes scores of the two runs incomparable."""
    both = f"runs {one.name} and {other.name}"
    lost = np.setxor1d(one.cube.cells, other.cube.cells)
    if lost.size:
        owner = one if np.isin(lost[0], one.cube.cells) else other
        raise DataError(
            f"{both} have different cells: cell {lost[0]} is in {owner.name} only ({lost.size} such cells); "
            "'paraformer paper' sets runs on different cells side by side"
        )
    order = [np.argsort(run.cube.cells) for run in (one, other)]
    for what in ("lat", "lon", "trained"):
        a, b = (getattr(run.cube, what)[o] for run, o in zip((one, other), order, strict=True))
        differ = np.abs(a.astype(float) - b.astype(float)) > 1e-6
        if differ.any():
            at = int(np.argmax(differ))
            raise DataError(f"{both} differ in '{what}' of cell {one.cube.cells[order[0]][at]}: {a[at]} and {b[at]}")
    names = [run.cube.dataset.attrs["observation"] for run in (one, other)]
    if names[0] != names[1]:
        raise DataError(f"{both} are judged by different observations: {names[0]} and {names[1]}")
    periods = [run.cube.period(period) for run in (one, other)]
    if periods[0] != periods[1]:
        raise DataError(f"{both} have different {period} periods: {periods[0]} and {periods[1]}")
    (a, seen_a), (b, seen_b) = (_observed(run.cube, period, o) for run, o in zip((one, other), order, strict=True))
    differ = (seen_a != seen_b) | (seen_a & seen_b & (np.abs(a - b) > 1e-6))
    if differ.any():
        cell, day = (int(i) for i in np.argwhere(differ)[0])
        days = one.cube.time[periods[0].mask(one.cube.time)]
        raise DataError(
            f"{both} have different observations in {int(differ.sum())} cell-days, first in cell "
            f"{one.cube.cells[order[0]][cell]} on {days[day]}"
        )


def _observed(cube: Cube, period: str, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, mask = cube.observed()
    days = cube.period(period).mask(cube.time)
    return values[order][:, days], mask[order][:, days]


def _join(runs: Sequence[Judged]) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
    """All tables as one, and where each of its methods comes from: name -> (run, name in the run)."""
    found: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    for run in runs:
        for method, part in run.cells.groupby("method", sort=False):
            found.setdefault(str(method), []).append((run.name, part))
    tables, origin = [], {}
    for method, parts in found.items():
        distinct = parts[:1] + [part for part in parts[1:] if not _same(parts[0][1], part[1])]
        for run_name, part in distinct:
            name = method if len(distinct) == 1 else f"{run_name}/{method}"
            origin[name] = (run_name, method)
            tables.append(part.assign(method=name))
    return pd.concat(tables, ignore_index=True), origin


def _same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether two parts of score tables hold the same numbers, whatever the order of their cells."""
    keys = ["cell", "seed", "operator", "cells", "period", "metric"]
    left, right = (part.set_index(keys)["value"].sort_index() for part in (a, b))
    return left.index.equals(right.index) and np.array_equal(left.to_numpy(), right.to_numpy(), equal_nan=True)


def _namesake(method: str, origin: dict[str, tuple[str, str]], first: str) -> str:
    """The same method of the first run, else default VIC (of the first run, where the runs' differ)."""
    run, name = origin[method]
    for wanted in (name, DEFAULT):
        candidate = f"{first}/{wanted}"
        if run != first and candidate in origin:
            return candidate
    return DEFAULT if DEFAULT in origin else f"{first}/{DEFAULT}"
