"""A method of the tables: a row without θ, a search, a learner; its name, its kind and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

Kind = Literal["default", "ensemble", "search", "transfer", "learner", "history learner", "reference", "truth"]
"""What a method is: the a-priori θ; the best of the ensemble; a search; θ of other cells; a learner from attributes, or
from attributes and history; a row without θ; the true θ of the built-in world."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds in the order of the tables."""


class Method(NamedTuple):
    """A method of the tables.

    Attributes:
        name: as in every table.
        kind: what it is.
        seeds: how often it was done, each time from another seed.
        members: networks of a seed, whose mean is its θ; 1 for what is no network.
        process_model_runs: runs (cell x parameter set) that a seed's θ stands on; ``None`` where there is no θ.
        note: what a reader of the tables must know.
    """

    name: str
    kind: Kind
    seeds: int
    members: int
    process_model_runs: int | None
    note: str


def method_of(row: Mapping[Any, Any]) -> Method:
    """A method from its line of the table.

    Raises:
        KeyError, ValueError, TypeError: it is none.
    """
    if row["kind"] not in KINDS:
        raise ValueError(f"kind '{row['kind']}'")
    runs, note = row["process_model_runs"], row["note"]
    return Method(
        str(row["method"]),
        row["kind"],
        int(row["seeds"]),
        int(row["members"]),
        None if np.isnan(runs) else int(runs),
        note if isinstance(note, str) else "",
    )
