"""Which learner of a study to take, and why: never by the test period, which is there to judge."""

from __future__ import annotations

from collections.abc import Sequence
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


def uncompared(learners: Sequence[str], searches: Sequence[str]) -> Recommendation:
    """Of methods that were not compared on cells kept aside: the only one there is, or what compares them."""
    if len(learners) == 1:
        return Recommendation(learners[0], f"Recommended: {learners[0]}, the only learner; it was compared with none.")
    if learners:
        how = "'cross_validation: {}' in the study does it, and the same command goes on from here"
        return Recommendation(
            None, f"Recommended: none yet; {len(learners)} learners, not compared on cells kept aside ({how})."
        )
    if len(searches) == 1:
        only = "the only search; it finds θ in cells with observations and nowhere else"
        return Recommendation(searches[0], f"Recommended: {searches[0]}, {only}.")
    return Recommendation(None, "Recommended: none; the study has no learner.")
