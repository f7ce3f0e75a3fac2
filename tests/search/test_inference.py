"""Searches of a posterior: the closed form of a linear model, and what is not seen stays where the prior has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.search.config import LevenbergConfig, MisfitConfig, SCEUAConfig, SearchConfig
from paraformer.search.levenberg import Residuals
from paraformer.search.objective import Misfit
from paraformer.search.search import Search, SearchResult
from search.linear import CELLS, SPACE, TIME, Linear, linear, observed
from search.test_levenberg import model as bucket
from search.test_levenberg import twin

STD = {"level": 0.1, "course": 0.2, "unseen": 0.3}
LOSS: dict[str, Any] = {"inference": {"prior_std": STD}}


def find(config: SearchConfig, data: CalibrationData, directory: Path) -> SearchResult:
    model = DifferentiableProcess(linear(), TIME)
    return Search(config).search(model, data, seed=0, directory=directory, progress=Progress())


def mode(data: CalibrationData, days: np.ndarray, start: np.ndarray, sweeps: int = 200) -> np.ndarray:
    """Most probable u of the linear model: Gaussian posterior given σ², and σ² from its residuals, in turn."""
    precision = np.diag(1 / np.array(list(STD.values())) ** 2)
    u = start
    for _ in range(sweeps):
        found = np.empty_like(u)
        for cell in range(CELLS):
            known = data.mask[cell]
            slopes, level = linear().slopes[cell][known], 0.2 + linear().slopes[cell][known] @ data.prior[cell]
            wrong = data.observed[cell, known] - level
            at_u = wrong - slopes @ (u[cell] - data.prior[cell])
            weight = days[cell] / known.sum() / np.mean(at_u**2)
            step = np.linalg.solve(weight * slopes.T @ slopes + precision, weight * slopes.T @ wrong)
            found[cell] = data.prior[cell] + step
        u = found
    return u


def test_levenberg_ends_at_the_mode_in_closed_form(tmp_path: Path) -> None:
    data = observed()
    misfit = Misfit(linear(), data, np.arange(CELLS), MisfitConfig.model_validate(LOSS), 512)
    assert misfit.inference is not None
    config = LevenbergConfig.model_validate({"loss": LOSS, "budget": 300, "least_gain": 1e-12})
    found = find(config, data, tmp_path)
    expected = mode(data, misfit.inference.days, data.prior)
    np.testing.assert_allclose(found.theta, expected, atol=2e-4)
    assert (np.abs(expected - data.prior)[:, :2] > 0.01).any(axis=1).all()  # the observations moved it
    least = find(LevenbergConfig(budget=300, least_gain=1e-12), data, tmp_path / "least")
    nearer = np.abs(found.theta - data.prior) < np.abs(least.theta - data.prior)
    assert nearer[:, 1].all()


def test_a_parameter_without_influence_stays_at_the_prior(tmp_path: Path) -> None:
    """Least squares leaves it where a start began; the posterior does not, by slopes or by points alone."""
    data = observed()
    levenberg = find(LevenbergConfig.model_validate({"loss": LOSS, "budget": 200}), data, tmp_path / "a")
    np.testing.assert_allclose(levenberg.theta[:, 2], data.prior[:, 2], atol=1e-4)
    sceua = find(SCEUAConfig.model_validate({"loss": LOSS, "budget": 400}), data, tmp_path / "b")
    np.testing.assert_allclose(sceua.theta[:, 2], data.prior[:, 2], atol=0.05)
    np.testing.assert_allclose(sceua.cost, levenberg.cost, rtol=2e-3)
    free = find(LevenbergConfig(budget=200), data, tmp_path / "c")
    assert (np.abs(free.theta[:, 2] - data.prior[:, 2]) > 0.01).any()


@pytest.mark.parametrize("operator", ["raw", "cell_lstsq"])
def test_normal_equations_are_those_of_the_posterior_cost(operator: str) -> None:
    data, cells = twin(noise=0.02), np.array([4, 1])
    loss = MisfitConfig.model_validate({"operator": operator, "inference": {"prior_std": 0.2}})
    residuals = Residuals(bucket(), data, np.arange(6), loss, 512)
    at = np.random.default_rng(5).uniform(0.3, 0.7, (2, 3))
    _, series = residuals.run(cells, at[:, None])
    gradient, curvature = residuals.normal_equations(cells, at, series[:, 0])
    h, expected = 1e-4, np.empty_like(at)
    for i, shift in enumerate(h * np.eye(3)):
        above, below = (residuals.run(cells, (at + side * shift)[:, None])[0][:, 0] for side in (1, -1))
        expected[:, i] = (above**2 - below**2) / (4 * h)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-9)
    assert (np.linalg.eigvalsh(curvature) > 0).all()


def test_the_run_of_the_prior_is_counted(tmp_path: Path) -> None:
    model = Linear(linear().slopes)
    config = SCEUAConfig.model_validate({"loss": LOSS, "budget": 40})
    found = Search(config).search(model, observed(), seed=0, directory=tmp_path, progress=Progress())
    assert model.runs == found.evaluations.sum()


def test_without_it_the_identity_of_a_search_is_that_of_before() -> None:
    assert "inference" not in SCEUAConfig().numerical()["loss"]
    assert SCEUAConfig.model_validate({"loss": LOSS}).numerical()["loss"]["inference"]["prior_std"] == STD


def test_an_unknown_parameter_is_named() -> None:
    loss = MisfitConfig.model_validate({"inference": {"prior_std": {"levl": 0.1}}})
    with pytest.raises(SettingsError, match=r"unknown parameter 'levl'.*'level'"):
        Misfit(linear(), observed(), np.arange(CELLS), loss, 512)
    assert SPACE.names[0] == "level"
