"""The rows of every table in one fixed order: default, searches, learners, learners with history, references, truth."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xarray as xr
import yaml

from paraformer.pipeline.verdict import DEFAULT, TRUTH


class Rows(NamedTuple):
    """Methods of a judged study by their kind; ``order`` is all of them, as tables and legends list them."""

    searches: list[str]
    learners: list[str]
    history: list[str]
    references: list[str]
    order: list[str]


def rows_of(scores: Path) -> Rows:
    """Kinds of the methods in a run's ``scores`` folder.

    A learner is what the run's study file names as one, and one with history has a network whose name ends in ``_z``
    (METHOD section 4). Other methods with θ of their own are searches; the rest are reference rows.
    """
    methods = list(dict.fromkeys(pd.read_csv(scores / "soil_moisture.csv", usecols=["method"])["method"]))
    networks = _networks(scores.parent / "study.yaml")
    archive = scores / "verdict.zarr"
    judged = xr.open_zarr(archive, consolidated=False).attrs["methods"] if archive.exists() else []
    found = Rows([], [], [], [], [])
    for method in methods:
        if method in networks:
            (found.history if networks[method].endswith("_z") else found.learners).append(method)
        elif method not in (DEFAULT, TRUTH):
            (found.searches if method in judged else found.references).append(method)
    middle = [*found.searches, *found.learners, *found.history, *found.references]
    found.order.extend(m for m in (DEFAULT, *middle, TRUTH) if m in methods)
    return found


def _networks(path: Path) -> dict[str, str]:
    """Learner -> name of its network; empty where there is no study file."""
    if not path.exists():
        return {}
    learners = yaml.safe_load(path.read_text(encoding="utf-8")).get("learners") or {}
    return {name: str((entry.get("network") or {}).get("name", "")) for name, entry in learners.items()}
