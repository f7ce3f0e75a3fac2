"""How good the recommended θ is: what it is compared with, and the sentences that say it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from paraformer.core.names import DIRECT
from paraformer.core.results import Results
from paraformer.report.figures import OPERATOR_LABELS


class Rivals(NamedTuple):
    """Names of the methods that the first screen speaks of; ``None`` where there is none.

    Attributes:
        recommended: whose θ to take.
        search: the search nearest to the training period's observations; the best learner where the recommended
            method is that search.
        ceiling: the true θ where it is known, else the network without a process model.
    """

    recommended: str | None
    search: str | None
    ceiling: str | None


class Compared(NamedTuple):
    """Paired comparisons of methods, and the side of the bootstrap's tiles [degree].

    Attributes:
        table: columns ``method, against, cells, n_cells, n_blocks, value, difference, low, high``: RMSE of the test
            period under the study's operator [m3 m-3].
        needed: tiles that an interval needs.
    """

    table: pd.DataFrame
    tile: float
    needed: int


def rivals(results: Results) -> Rivals:
    """The rivals of a judged study, chosen in the training period."""
    recommended = results.recommended.method
    searches = {name: value for name, value in results.training_rmse("search").items() if name != recommended}
    others = searches or {
        name: value
        for name, value in results.training_rmse("learner", "history learner").items()
        if name != recommended
    }
    search = min(others, key=lambda name: others[name]) if others else None
    truth = results.names("truth")
    ceiling = truth[0] if truth else DIRECT if DIRECT in results.names() else None
    return Rivals(recommended, search, ceiling)


def pairs(results: Results) -> list[tuple[str, str]]:
    """What is to be compared: every method with the a-priori parameters, the recommended one with its rivals."""
    own = rivals(results)
    found = [(name, results.default) for name in results.names() if name != results.default]
    others = (own.search, own.ceiling)
    return found + [(own.recommended, other) for other in others if own.recommended is not None and other is not None]


def sentences(results: Results, compared: Compared) -> list[str]:
    """What was learned; how good it is against the a-priori parameters; against a search and the ceiling."""
    own, cube = rivals(results), results.cube
    names, model = [p.name for p in results.space], str((results.settings.get("process") or {}).get("model", "vic"))
    judge = "VIC" if model == "vic" else "the process model"
    seen, unseen = int(cube.trained.sum()), int((~cube.trained).sum())
    learned = (
        f"{len(names)} parameters of {judge} ({', '.join(names)}) were learned in {seen} cells from soil moisture "
        f"({cube.dataset.attrs['observation']}) of {days(results, 'train')}. Every θ is judged by {judge} itself on "
        f"{days(results, 'test')}, days that no method saw{f', there and in {unseen} unseen cells' if unseen else ''}."
    )
    if own.recommended is None:
        return [learned, "No method can be recommended."]
    after = "" if results.operator == "raw" else f", {OPERATOR_LABELS[results.operator]},"
    rows = _rows(compared, own.recommended, results.default)
    good = f"{own.recommended} is recommended, but could not be scored in the test period."
    if rows:
        errors = " and ".join(f"{row.value:.4f} m3 m-3 in {row.cells} cells" for row in rows)
        good = (
            f"With the recommended θ ({own.recommended}) the error (RMSE) of soil moisture{after} is {errors}: "
            f"{_differences(rows)} than with {results.default}."
        )
    told = [
        f"{_differences(rows)} than with {name}{what}"
        for name, what in ((own.search, _what(results, own.search)), (own.ceiling, _ceiling(results, own.ceiling)))
        if name is not None and (rows := _rows(compared, own.recommended, name))
    ]
    rest = f"It is {', and '.join(told)}." if told else "There is no other search and no ceiling to compare it with."
    return [learned, good, rest]


def days(results: Results, period: str) -> str:
    """First and last day of a period."""
    found = results.cube.period(period)
    return f"{found.start} to {found.end}"


def interval_note(compared: Compared) -> str:
    """How the intervals were made, or why there is none."""
    without = compared.table[compared.table["low"].isna()]
    if len(without) == len(compared.table):
        found = int(compared.table["n_blocks"].max()) if len(compared.table) else 0
        return (
            f"No interval is given: one needs cells in {compared.needed} tiles of {compared.tile:g} degrees, and there "
            f"are {found}."
        )
    narrow = " Tiles this small may make it too narrow, as neighbouring cells are alike." if compared.tile < 8 else ""
    missing = " Groups with too few tiles have none." if len(without) else ""
    return (
        "In brackets: 95 % interval of the difference, from a bootstrap that draws tiles of "
        f"{compared.tile:g} degrees; one that holds 0 may be chance.{narrow}{missing}"
    )


def _rows(compared: Compared, method: str, against: str) -> list[Any]:
    table = compared.table
    return list(table[(table["method"] == method) & (table["against"] == against)].itertuples())


def _differences(rows: list[Any]) -> str:
    """Differences of RMSE in words, with their intervals."""
    return " and ".join(f"{_difference(row.difference)}{_interval(row)} in {row.cells} cells" for row in rows)


def _difference(value: float) -> str:
    size = f"{abs(value):.4f}"
    return f"{size} {'lower' if value < 0 else 'higher'}" if float(size) else "no higher"


def _interval(row: Any) -> str:
    return f" [{row.low:+.4f} to {row.high:+.4f}]".replace("-", "−") if math.isfinite(row.low) else ""


def _what(results: Results, name: str | None) -> str:
    kinds = {method.name: method.kind for method in results.methods}
    return ", the best search" if name is not None and kinds[name] == "search" else ", the best learner"


def _ceiling(results: Results, name: str | None) -> str:
    if name in results.names("truth"):
        return ", the ceiling, which only a built-in world knows"
    return ", the ceiling: a network from weather and attributes to soil moisture, without a process model"
