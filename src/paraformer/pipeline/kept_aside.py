"""What the card of a map says of cells that were kept aside: its error in each region, and how far to trust its θ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from paraformer.config import Study
from paraformer.core.results import Results
from paraformer.data.gapfill import open_filled
from paraformer.data.views import calibration_view
from paraformer.evaluation.map_error import covered, shared_error
from paraformer.learners.config import reads_history
from paraformer.learners.inputs import History
from paraformer.learners.learned import LearnedMap
from paraformer.pipeline.cross_validation import CELLS
from paraformer.pipeline.folds import deal
from paraformer.pipeline.land import files_of
from paraformer.process.build import build_process
from paraformer.process.parameter_field import read_theta
from paraformer.search.config import of_streamflow

_DRAWS = 16
"""Sets of parameters a cell that stand for the uncertainty of its θ."""


def error_of_theta(study: Study, results: Results, method: str) -> dict[str, Any] | None:
    """The error that the networks share [unit coordinates], and in how many cells it makes intervals hold.

    ``None`` where the study compares no learners on cells kept aside, or has no search that says what θ is there.
    Coverage is that of each fold by the error that the others ask for.
    """
    search = next((name for name, config in study.searches.items() if not of_streamflow(config)), None)
    folder = results.folder(f"cross_validation/{method}")
    if search is None or study.cross_validation is None or not (folder / CELLS).exists():
        return None
    if study.learners[method].start_from is not None:  # sees attributes as the map that it starts from
        return None
    space, cube = study.space, results.cube
    fold = deal(study.cross_validation, cube.lat, cube.lon, cube.trained).of
    mean, std = theta_kept_aside(study, results, method, fold)
    found = space.to_unit(read_theta(results.seed_folder(search).parent, space))
    kept = fold >= 0
    held = np.zeros(len(space))
    for number in range(study.cross_validation.folds):
        here, there = kept & (fold != number), fold == number
        asked = shared_error(mean[here], std[here], found[here])
        held += covered(mean[there], std[there], found[there], asked) * there.sum() / kept.sum()
    shared = shared_error(mean[kept], std[kept], found[kept])
    return {
        "search": search,
        "cells": int(kept.sum()),
        "folds": study.cross_validation.folds,
        "shared": dict(zip(space.names, shared.round(4).tolist(), strict=True)),
        "coverage": dict(zip(space.names, held.round(3).tolist(), strict=True)),
    }


def error_of_observations(study: Study, results: Results, method: str, shared: Mapping[str, float]) -> dict[str, float]:
    """What the process model itself is off by [m3 m-3], and whether observations then lie where they should.

    Networks that were trained without a cell give its θ, uncertain by their own spread and what they share; the process
    model runs draws of it, and its own error beside theirs is as large as 90 % of the observed days of the training
    period ask for. As for θ, coverage is that of each fold by the error that the others ask for.
    """
    assert study.cross_validation is not None
    space, cube = study.space, results.cube
    fold = deal(study.cross_validation, cube.lat, cube.lon, cube.trained).of
    mean, std = theta_kept_aside(study, results, method, fold)
    std = np.sqrt(std**2 + np.array([shared[name] for name in space.names]) ** 2)
    noise = np.random.default_rng(study.seed).standard_normal((_DRAWS, len(space)))
    drawn = np.clip(mean[:, None] + std[:, None] * noise, 0.0, 1.0)
    model = build_process(study.process, space, cube, files_of(study, results.folder("cube")))
    series = model.simulate(space.clip(space.from_unit(drawn)), ("soil_moisture",))["soil_moisture"]
    observed, mask = cube.observed()
    mask = mask & cube.period("train").mask(cube.time) & (fold >= 0)[:, None]
    of = np.broadcast_to(fold[:, None], mask.shape)[mask]
    days = np.stack([series.mean(axis=1)[mask], series.std(axis=1, ddof=1)[mask], observed[mask]])[..., None]
    held = 0.0
    for number in range(study.cross_validation.folds):
        here, there = of != number, of == number
        asked = shared_error(days[0, here], days[1, here], days[2, here])
        held += float(covered(days[0, there], days[1, there], days[2, there], asked)[0]) * float(there.mean())
    return {
        "days": int(mask.sum()),
        "error": round(float(shared_error(days[0], days[1], days[2])[0]), 4),
        "coverage": round(held, 3),
    }


def theta_kept_aside(
    study: Study, results: Results, method: str, fold: Int[np.ndarray, " cell"], unknown: Collection[str] = ()
) -> tuple[Float[np.ndarray, "cell parameter"], Float[np.ndarray, "cell parameter"]]:
    """Mean and standard deviation of the networks, unit coordinates, where each cell was kept aside.

    Args:
        fold: in which each cell was kept aside; -1 nowhere: the a-priori θ.
        unknown: attributes that the map is not given.
    """
    space, prior = study.space, results.prior
    filled = open_filled(results.folder("gap_filling")) if study.gap_filling is not None else None
    data = calibration_view(results.cube, space, prior, every_cell=True, filled=filled)
    attributes = np.where(np.isin(data.attribute_names, list(unknown)), np.nan, data.attributes)
    mean, std = space.to_unit(prior), np.zeros(prior.shape)
    for number in range(fold.max() + 1):
        here = np.flatnonzero(fold == number)
        found = LearnedMap.load(results.folder(f"cross_validation/{method}") / f"fold-{number}", space)
        reads = reads_history(found.config.network)
        history = History.of(data, found.config.observations).select(here) if reads else None
        members = np.clip(found.in_units(attributes[here], prior[here], data.attribute_names, history), 0.0, 1.0)
        mean[here] = members.mean(axis=0)
        std[here] = members.std(axis=0, ddof=1) if len(members) > 1 else 0.0
    return mean, std


def error_by_region(study: Study, results: Results, method: str) -> list[dict[str, Any]]:
    """Raw RMSE of the training period in cells kept aside, by the quarter of the trained region that they lie in."""
    path = results.folder(f"cross_validation/{method}") / CELLS
    if study.cross_validation is None or not path.exists():
        return []
    table = pd.read_csv(path).dropna(subset="rmse")
    north, east = table["lat"] >= table["lat"].median(), table["lon"] >= table["lon"].median()
    region = np.where(north, "north", "south").astype(object) + np.where(east, "-east", "-west").astype(object)
    parts = [("all", table), *table.groupby(region)]
    return [
        {"region": str(name), "cells": len(part), "rmse": round(float(part["rmse"].mean()), 4)} for name, part in parts
    ]
