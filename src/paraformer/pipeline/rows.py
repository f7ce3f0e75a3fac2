"""The rows of every table in one fixed order: default, searches, what is carried from them to other cells, learners,
learners with history, references, truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr
import yaml

from paraformer.core.names import DEFAULT, TRUTH
from paraformer.evaluation.config import TransfersConfig
from paraformer.pipeline.verdict import RUNS


class Rows(NamedTuple):
    """Methods of a judged study by their kind; ``order`` is all of them, as tables and legends list them."""

    searches: list[str]
    transfers: list[str]
    learners: list[str]
    history: list[str]
    references: list[str]
    order: list[str]


def rows_of(scores: Path) -> Rows:
    """Kinds of the methods in a run's ``scores`` folder.

    A learner is what the run's study file names as one, and one with history has a network whose name ends in ``_z``
    (docs/method.md section 4). Other methods with θ of their own are searches, or carry the θ
    of one to other cells; the rest are reference rows.
    """
    methods = list(dict.fromkeys(pd.read_csv(scores / "soil_moisture.csv", usecols=["method"])["method"]))
    study = _study(scores.parent / "study.yaml")
    networks, carried = _networks(study), _carried(study)
    archive = scores.parent / "verdict" / RUNS
    judged = xr.open_zarr(archive, consolidated=False).attrs["methods"] if archive.exists() else []
    found = Rows([], [], [], [], [], [])
    for method in methods:
        if method in networks:
            (found.history if networks[method] else found.learners).append(method)
        elif method in carried:
            found.transfers.append(method)
        elif method not in (DEFAULT, TRUTH):
            (found.searches if method in judged else found.references).append(method)
    middle = [*found.searches, *found.transfers, *found.learners, *found.history, *found.references]
    found.order.extend(m for m in (DEFAULT, *middle, TRUTH) if m in methods)
    return found


def operator_of(scores: Path) -> str:
    """The observation operator that the run's study file shows its scores under."""
    return str((_study(scores.parent / "study.yaml").get("report") or {}).get("operator", "raw"))


def _study(path: Path) -> dict[str, Any]:
    """The resolved study; empty where there is no study file."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def _networks(study: Mapping[str, Any]) -> dict[str, bool]:
    """Learner -> whether its network reads the history of a cell."""
    networks = {name: entry.get("network") or {} for name, entry in (study.get("learners") or {}).items()}
    return {name: str(n.get("name", "")).endswith("_z") for name, n in networks.items()}


def _carried(study: Mapping[str, Any]) -> list[str]:
    """Rows whose θ is that of other cells."""
    given = (study.get("evaluation") or {}).get("transfers")
    transfers = None if given is None else TransfersConfig.model_validate(given)
    return [] if transfers is None else [transfers.row(by) for by in transfers.by]
