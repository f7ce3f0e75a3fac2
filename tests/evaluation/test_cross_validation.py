"""Learners ranked on cells kept aside: the same cells for all, no unseen cell, no test day, and an honest word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.small_holdout import holdout, simulation
from paraformer.core.recommended import best_kept_aside, least_error
from paraformer.evaluation.cross_validation import CELL_COLUMNS, COLUMNS, ranking, score_kept, shown


def kept(error: float, spread: float = 0.0, n: int = 60) -> pd.DataFrame:
    """Scores of a learner in cells of as many blocks of 2 degrees."""
    at = np.arange(n)
    rmse = 0.05 + error + spread * np.random.default_rng(0).standard_normal(n)
    return pd.DataFrame({"cell": at, "lat": 2.0 * (at % 6), "lon": 2.0 * (at // 6), "fold": at % 3, "rmse": rmse})


def test_a_score_is_of_the_cells_kept_aside_and_the_training_days() -> None:
    world = holdout()
    folds = np.where(world.trained, np.arange(len(world.cells)) % 2, -1)
    simulated = simulation(world)[:, world.train_days]
    table = score_kept(simulated, world, folds, min_days=20)
    assert tuple(table.columns) == CELL_COLUMNS
    assert table["cell"].tolist() == world.cells[world.trained].tolist()
    at = int(np.flatnonzero(world.trained)[1])
    error = (simulated[at] - world.observed[at, world.train_days])[world.mask[at, world.train_days]]
    assert table["rmse"][1] == pytest.approx(np.sqrt((error**2).mean()))
    elsewhere = np.where(world.train_days & world.trained[:, None], world.observed, 9.0)
    assert score_kept(simulated, replace(world, observed=elsewhere), folds, min_days=20).equals(table)
    few = replace(world, mask=world.mask & (np.arange(len(world.cells)) != at)[:, None])
    assert np.flatnonzero(score_kept(simulated, few, folds, min_days=20)["rmse"].isna()).tolist() == [1]


def test_the_best_is_first_and_a_difference_by_chance_is_called_so() -> None:
    cells = {"worse": kept(0.01), "best": kept(0.0), "alike": kept(0.001, spread=0.01)}
    cells["alike"].loc[3, "rmse"] = np.nan
    table = ranking(cells, {"worse": False, "best": True, "alike": False}, degrees=2.0)
    assert tuple(table.columns) == COLUMNS
    assert table["method"][0] == "best"
    assert set(table["n_cells"]) == {59}, "cells that all are scored in"
    rows = table.set_index("method")
    assert rows.loc["worse", "p"] < 0.01
    assert rows.loc["worse", "behind"] == pytest.approx(0.01)
    assert rows.loc["alike", "p"] > 0.05
    assert rows["own_days"].to_dict() == {"best": True, "alike": False, "worse": False}
    assert np.isnan(rows.loc["best", "p"])


def test_the_sentence_names_the_first_and_how_sure_it_is() -> None:
    sure = ranking({"A": kept(0.0), "B": kept(0.01)}, {"A": True, "B": True}, degrees=2.0)
    assert best_kept_aside(sure).method == "A"
    assert best_kept_aside(sure).why == (
        "Recommended: A, whose raw RMSE on blocks of trained cells kept aside is 0.0500 m3 m-3 (60 cells, training "
        "period); next is B with 0.0600 (p 0.0002)."
    )
    assert shown(sure).iloc[1].tolist() == ["B", "yes", 60, "0.0600", "0.0100", "0.0002"]
    assert shown(sure)["p"][0] == ""
    few = ranking({"A": kept(0.0, n=4), "B": kept(0.01, n=4)}, {"A": True, "B": True}, degrees=2.0)
    assert best_kept_aside(few).why.endswith("(too few blocks to say whether by chance), which may do as well.")
    assert best_kept_aside(few[:1]).why.endswith("there is no other learner.")
    none = ranking({"A": kept(np.nan)}, {"A": True}, degrees=2.0)
    assert best_kept_aside(none).method is None
    assert best_kept_aside(none).why.startswith("Recommended: none")


def test_without_a_comparison_the_lowest_error_of_the_training_period_is_recommended() -> None:
    assert least_error({"A": 0.06}, {"SCE-UA": 0.05}).why == (
        "Recommended: A, whose RMSE of the training period in trained cells is 0.0600 m3 m-3; it is the only learner."
    )
    assert least_error({}, {"SCE-UA": 0.05}).method == "SCE-UA"
    several = least_error({"A": 0.06, "B": 0.05}, {"SCE-UA": 0.04})
    assert several.method == "B"
    assert "not compared on cells kept aside; 'cross_validation: {}'" in several.why
    assert least_error({}, {}).method is None
