"""Ensemble Kalman inversion: the posterior of a linear model in closed form, budgets, and the same end after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.process.bucket import BUCKET_PARAMETERS
from paraformer.search.config import KalmanConfig, MisfitConfig, RandomConfig
from paraformer.search.kalman import Step, moved, whitened
from paraformer.search.objective import Misfit
from paraformer.search.search import Search, SearchResult
from paraformer.search.state import Stop
from search.linear import CELLS, Linear, linear, observed
from search.test_inference import LOSS, STD, mode
from search.test_levenberg import CELLS as BUCKETS
from search.test_levenberg import model as bucket
from search.test_levenberg import part, twin
from training.killing import KillAt, Killed


def infer(
    directory: Path, data: CalibrationData, config: KalmanConfig, progress: Progress | None = None
) -> tuple[Linear, SearchResult]:
    model = linear()
    found = Search(config).search(model, data, seed=0, directory=directory, progress=progress or Progress())
    return model, found


def test_mean_and_spread_are_those_of_the_posterior_in_closed_form(tmp_path: Path) -> None:
    data = observed()
    misfit = Misfit(linear(), data, np.arange(CELLS), MisfitConfig.model_validate(LOSS), 512)
    assert misfit.inference is not None
    model, found = infer(tmp_path, data, KalmanConfig.model_validate({"loss": LOSS, "budget": 200}))
    expected = mode(data, misfit.inference.days, data.prior)
    np.testing.assert_allclose(found.theta, expected, atol=3e-3)
    for cell in range(CELLS):
        known, slopes = data.mask[cell], model.slopes[cell][data.mask[cell]]
        square = np.mean((data.observed[cell, known] - 0.2 - slopes @ expected[cell]) ** 2)
        weight = misfit.inference.days[cell] / known.sum() / square
        covariance = np.linalg.inv(weight * slopes.T @ slopes + np.diag(1 / np.array(list(STD.values())) ** 2))
        assert found.std is not None
        np.testing.assert_allclose(found.std[cell], np.sqrt(np.diag(covariance)), rtol=0.02)
    np.testing.assert_allclose(found.theta[:, 2], 0.6, atol=1e-3)  # the parameter without influence
    assert model.runs == found.evaluations.sum()


def test_one_step_is_the_kalman_update() -> None:
    """An ensemble with the exact moments of a prior ends with those of the posterior."""
    random = np.random.default_rng(0)
    slopes, wrong, precision = random.normal(size=(20, 3)), random.normal(size=20), 4.0
    prior = np.diag([0.1, 0.2, 0.3])
    members = 0.5 + whitened(random.normal(size=(1, 7, 3))) @ prior
    response = (members - 0.5) @ slopes.T
    after = moved(members, Step(response, wrong[None], np.array([precision])))[0]
    covariance = np.linalg.inv(precision * slopes.T @ slopes + np.linalg.inv(prior @ prior))
    np.testing.assert_allclose(after.mean(axis=0), 0.5 + covariance @ (precision * slopes.T @ wrong), atol=1e-12)
    np.testing.assert_allclose(np.cov(after.T), covariance, atol=1e-12)
    np.testing.assert_array_equal(moved(members, Step(response, wrong[None], np.zeros(1))).round(12), members.round(12))


def test_it_finds_the_truth_of_a_model_that_is_not_linear(tmp_path: Path) -> None:
    """Without a slope, in fewer runs than a random search needs for a worse one."""
    data, progress = twin(noise=0.005), Progress()
    config = KalmanConfig.model_validate({"budget": 60, "loss": {"inference": {"prior_std": 0.3}}})
    found = Search(config).search(bucket(), data, seed=0, directory=tmp_path / "a", progress=progress)
    lost = Search(RandomConfig(budget=60)).search(bucket(), data, seed=0, directory=tmp_path / "b", progress=progress)
    plain = Misfit(bucket(), data, np.arange(BUCKETS), MisfitConfig(), 512)
    at = BUCKET_PARAMETERS.to_unit(found.theta)[:, None]
    rmse = plain(np.arange(BUCKETS), at, np.ones((BUCKETS, 1), dtype=bool))[:, 0]
    assert (rmse < lost.cost).mean() >= 0.8
    assert (found.evaluations <= 61).all()


def test_a_killed_search_ends_the_same(tmp_path: Path) -> None:
    data = twin(noise=0.01)

    def run(directory: Path, progress: Progress) -> SearchResult:
        config = KalmanConfig.model_validate({"budget": 42, "checkpoint_seconds": 0.0})
        return Search(config).search(bucket(), data, seed=0, directory=directory, progress=progress)

    whole = run(tmp_path / "whole", Progress())
    for at in (1, 2, 4):
        with pytest.raises(Killed):
            run(tmp_path / str(at), KillAt(at))
        again = run(tmp_path / str(at), Progress())
        for name, values in vars(whole).items():
            np.testing.assert_array_equal(getattr(again, name), values)
        for file in ("result.safetensors", "trace.csv"):
            assert (tmp_path / str(at) / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_cells_do_not_know_each_other(tmp_path: Path) -> None:
    data, some = twin(noise=0.01), np.array([4, 1])
    config = KalmanConfig(budget=42)
    whole = Search(config).search(bucket(), data, seed=0, directory=tmp_path / "w", progress=Progress())
    alone = Search(config).search(bucket(some), part(data, some), seed=0, directory=tmp_path / "a", progress=Progress())
    np.testing.assert_array_equal(alone.theta, whole.theta[some])
    np.testing.assert_array_equal(alone.std, whole.std[some])  # type: ignore[index]


@pytest.mark.parametrize("budget", [14, 20, 35])
def test_no_cell_runs_more_often_than_the_budget_allows(budget: int, tmp_path: Path) -> None:
    found = Search(KalmanConfig(budget=budget)).search(
        bucket(), twin(noise=0.02), seed=0, directory=tmp_path, progress=Progress()
    )
    assert (found.evaluations <= budget + 1).all()  # and the a-priori θ
    assert set(found.stopped.tolist()) <= {Stop.BUDGET, Stop.NO_GAIN}


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="starts from a prior"):
        KalmanConfig.model_validate({"loss": {"inference": None}})
    with pytest.raises(ValidationError, match="starts from a prior"):
        KalmanConfig(start_from_prior=False)
    with pytest.raises(SettingsError, match="needs more than 7"):
        KalmanConfig(members=7).require_budget(7)
    with pytest.raises(SettingsError, match="below the 30 runs of two rounds of 14 members"):
        KalmanConfig(budget=29).require_budget(7)
