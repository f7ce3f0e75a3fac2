"""Ensemble Kalman inversion: the posterior of a linear model in closed form, budgets, and the same end after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.process.bucket import BUCKET_PARAMETERS
from paraformer.search.config import KalmanConfig, MisfitConfig, RandomConfig
from paraformer.search.kalman import sigma_points, step_length
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


def test_sigma_points_have_the_moments_of_the_covariance_and_stay_inside() -> None:
    random = np.random.default_rng(0)
    root = 0.05 * random.normal(size=(4, 3, 3))
    covariance, mean = root @ np.swapaxes(root, 1, 2), np.full((4, 3), 0.5)
    points = sigma_points(mean, covariance)
    np.testing.assert_allclose(points.mean(axis=1), mean)
    away = points - mean[:, None]
    np.testing.assert_allclose(np.einsum("cmp,cmq->cpq", away, away) / 2, covariance, atol=1e-15)
    assert (sigma_points(np.ones((4, 3)), covariance) <= 1.0).all()


def test_the_step_is_whole_where_the_misfit_is_what_errors_make() -> None:
    """At n_e independent errors' own misfit everything counts at once; ten times worse members count a tenth."""
    days, whole = np.array([50.0]), np.array([50 / 0.2])
    assert step_length(np.full((1, 6), 0.2), whole, days)[0] == 1.0
    worse = np.linspace(2.0, 20.0, 6)[None]
    share = step_length(worse, whole, days)[0]
    assert share == pytest.approx(max(0.2 / worse.mean(), np.sqrt(25.0) / (0.5 * worse * 250).std()), rel=1e-12)


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


@pytest.mark.parametrize("budget", [22, 25, 40])
def test_no_cell_runs_more_often_than_the_budget_allows(budget: int, tmp_path: Path) -> None:
    found = Search(KalmanConfig(budget=budget)).search(
        bucket(), twin(noise=0.02), seed=0, directory=tmp_path, progress=Progress()
    )
    assert (found.evaluations <= budget + 1).all()  # and the a-priori θ
    assert set(found.stopped.tolist()) <= {Stop.BUDGET, Stop.NO_GAIN}


@pytest.mark.parametrize(("budget", "runs"), [(30, 23), (31, 32), (39, 32), (40, 41)])
def test_a_round_that_still_fits_is_run(budget: int, runs: int, tmp_path: Path) -> None:
    """A round of three parameters is six members, two parts of the update and the best point so far."""
    config = KalmanConfig(budget=budget, least_gain=0.0)
    found = Search(config).search(bucket(), twin(), seed=0, directory=tmp_path, progress=Progress())
    assert (found.evaluations == runs).all()


class Remembers(Linear):
    """Keeps every θ that it was run with."""

    def __init__(self, slopes: np.ndarray) -> None:
        super().__init__(slopes)
        self.asked: list[np.ndarray] = []

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        assert theta is not None
        self.asked.append(theta)
        return super().simulate(theta, outputs)

    def select(self, cells: np.ndarray) -> Linear:
        return self


def test_the_first_ensemble_is_as_wide_as_the_prior(tmp_path: Path) -> None:
    """Pairs about the mean, a standard deviation away along each axis, whatever was observed."""
    model, data = Remembers(linear().slopes), observed()
    settings = {"budget": 40, "loss": {"inference": {"prior_std": 0.01}}}
    Search(KalmanConfig.model_validate(settings)).search(model, data, seed=0, directory=tmp_path, progress=Progress())
    members = [theta for theta in model.asked if theta.shape[1] == 2 * theta.shape[2]]
    away = np.abs(members[0] - members[0].mean(axis=1, keepdims=True)).max(axis=(1, 2))
    np.testing.assert_allclose(away, 0.01, rtol=1e-9)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="starts from its prior"):
        KalmanConfig.model_validate({"loss": {"inference": None}})
    with pytest.raises(ValidationError, match="starts from its prior"):
        KalmanConfig(start_from_prior=False)
    with pytest.raises(SettingsError, match="budget 45 is below the 46 runs of two rounds of 7 parameters"):
        KalmanConfig(budget=45).require_budget(7)
