"""Which learner of a study to take, and why: never by the test period, which is there to judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Recommendation(NamedTuple):
    """The method to take.

    Attributes:
        method: its name in the tables; ``None`` where nothing speaks for one of them.
        why: in a sentence.
    """

    method: str | None
    why: str

    def __str__(self) -> str:
        return self.why


def best_kept_aside(table: pd.DataFrame) -> Recommendation:
    """The learner that is nearest to the observations of cells kept aside.

    Args:
        table: of learners, the best first (``evaluation.cross_validation.COLUMNS``).
    """
    first, *others = table.to_dict("records")
    if not np.isfinite(first["rmse"]):
        return Recommendation(None, "Recommended: none; no cell that was kept aside has enough observed days.")
    name = str(first["method"])
    told = f"Recommended: {name}, whose raw RMSE on blocks of trained cells kept aside is {first['rmse']:.4f}"
    told += f" m3 m-3 ({first['n_cells']} cells, training period)"
    rest = f"next is {_second(others[0])}" if others else "there is no other learner"
    return Recommendation(name, f"{told}; {rest}.")


def _second(second: dict[Any, Any]) -> str:
    p = second["p"]
    sure = "too few blocks to say whether by chance" if np.isnan(p) else f"p {p:.2g}"
    alike = "" if p < 0.05 else ", which may do as well"
    return f"{second['method']} with {second['rmse']:.4f} ({sure}){alike}"


def least_error(learners: Mapping[str, float], searches: Mapping[str, float]) -> Recommendation:
    """Of methods that were not compared on cells kept aside: a learner before any search, the one that fits best.

    Args:
        learners: RMSE of the training period in trained cells, of those that were scored [m3 m-3].
        searches: the same of searches, which find θ in cells with observations and nowhere else.
    """
    found = learners or searches
    if not found:
        return Recommendation(None, "Recommended: none; no search or learner could be scored in the training period.")
    name = min(found, key=lambda method: found[method])
    told = f"Recommended: {name}, whose RMSE of the training period in trained cells is {found[name]:.4f} m3 m-3"
    if len(found) == 1:
        return Recommendation(name, f"{told}; it is the only {'learner' if learners else 'search'}.")
    if not learners:
        return Recommendation(name, f"{told}, the lowest of {len(found)} searches.")
    how = "not compared on cells kept aside; 'cross_validation: {}' in the study does it, and the same command goes on"
    return Recommendation(name, f"{told}, the lowest of {len(found)} learners ({how}).")
