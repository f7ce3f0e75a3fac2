"""Levenberg-Marquardt per cell: known optima, bounds, budgets, independence of cells, and the same end after a kill."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from paraformer.core.contracts import CalibrationData, Calibrator
from paraformer.core.errors import ModelError, SettingsError
from paraformer.core.log import Progress
from paraformer.process.bucket import BUCKET_PARAMETERS, Bucket
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.search.config import LevenbergConfig, MisfitConfig
from paraformer.search.levenberg import Residuals, bounded_step
from paraformer.search.search import Search, SearchResult
from paraformer.search.state import Stop
from training.killing import KillAt, Killed

DAYS = np.datetime64("2015-04-01") + np.arange(80)
FIRST, CELLS = 10, 6
TRUTH = np.random.default_rng(1).uniform(0.2, 0.8, (CELLS, 3))


def model(cells: np.ndarray | None = None) -> DifferentiableProcess:
    random = np.random.default_rng(0)
    wet = random.random((CELLS, DAYS.size)) < 0.3
    bucket = Bucket(np.where(wet, random.exponential(8.0, wet.shape), 0.0), DAYS)
    return DifferentiableProcess(bucket if cells is None else bucket.select(cells), DAYS)


def twin(truth: np.ndarray = TRUTH, noise: float = 0.0) -> CalibrationData:
    """Half the days of a training period that begins ``FIRST`` days into the model's time axis."""
    random = np.random.default_rng(2)
    series = model().simulate(BUCKET_PARAMETERS.from_unit(truth)[:, None], ("soil_moisture",))["soil_moisture"]
    observed = series[:, 0, FIRST:] + noise * random.normal(size=(CELLS, DAYS.size - FIRST))
    mask = random.random(observed.shape) < 0.5
    observed = np.where(mask, observed, 0.0)
    return CalibrationData(
        cells=np.arange(CELLS) + 40,
        time=DAYS[FIRST:],
        attributes=np.zeros((CELLS, 1)),
        attribute_names=("none",),
        forcing=np.zeros((CELLS, DAYS.size - FIRST, 7)),
        observed=observed,
        mask=mask,
        trained=np.ones(CELLS, dtype=bool),
        prior=BUCKET_PARAMETERS.from_unit(np.full((CELLS, 3), 0.5)),
        first_day=FIRST,
        history=observed,
        history_mask=mask,
    )


def part(data: CalibrationData, cells: np.ndarray) -> CalibrationData:
    names = ("cells", "attributes", "forcing", "observed", "mask", "trained", "prior", "history", "history_mask")
    return replace(data, **{name: getattr(data, name)[cells] for name in names})


def search(
    directory: Path,
    data: CalibrationData,
    forward: DifferentiableProcess | None = None,
    progress: Progress | None = None,
    **settings: object,
) -> SearchResult:
    config = LevenbergConfig.model_validate({"checkpoint_seconds": 0.0, **settings})
    return Search(config).search(forward or model(), data, seed=0, directory=directory, progress=progress or Progress())


def test_it_keeps_the_contract() -> None:
    assert isinstance(Search(LevenbergConfig()), Calibrator)


def test_tens_of_runs_find_the_truth(tmp_path: Path) -> None:
    found = search(tmp_path, twin(), budget=100, starts=1)
    np.testing.assert_allclose(BUCKET_PARAMETERS.to_unit(found.theta), TRUTH, atol=1e-3)
    assert (found.cost < 1e-4).all()  # it stops at a step of 1e-4, and moisture changes by less than 1 per unit
    assert np.median(found.evaluations) < 50
    assert (found.stopped == Stop.NO_GAIN).all()


def test_of_noisy_observations_it_finds_the_least_cost(tmp_path: Path) -> None:
    """No point of a fine cloud about the end is better."""
    data = twin(noise=0.02)
    found = search(tmp_path, data, budget=200, starts=1)
    residuals = Residuals(model(), data, np.arange(CELLS), MisfitConfig(), 512)
    u = BUCKET_PARAMETERS.to_unit(found.theta)[:, None]
    cloud = np.clip(u + 0.03 * np.random.default_rng(0).normal(size=(CELLS, 300, 3)), 0, 1)
    assert (residuals.run(np.arange(CELLS), cloud)[0].min(axis=1) >= found.cost * (1 - 1e-5)).all()


@pytest.mark.parametrize("operator", ["raw", "cell_moments", "cell_lstsq"])
def test_normal_equations_are_those_of_the_cost_after_the_operator(operator: str) -> None:
    data, cells = twin(noise=0.02), np.array([4, 1])
    residuals = Residuals(model(), data, np.arange(CELLS), MisfitConfig.model_validate({"operator": operator}), 512)
    at = np.random.default_rng(5).uniform(0.3, 0.7, (2, 3))
    cost, series = residuals.run(cells, at[:, None])
    gradient, curvature = residuals.normal_equations(cells, at, series[:, 0])
    h, expected = 1e-4, np.empty_like(at)
    for i, shift in enumerate(h * np.eye(3)):
        above, below = (residuals.run(cells, (at + side * shift)[:, None])[0][:, 0] for side in (1, -1))
        expected[:, i] = (above**2 - below**2) / (4 * h)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-9)
    assert (np.linalg.eigvalsh(curvature) > -1e-12).all()
    np.testing.assert_array_equal(cost, residuals(cells, at[:, None], np.ones((2, 1), dtype=bool)))


def test_a_wrong_sign_of_the_slopes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = search(tmp_path / "right", twin(), budget=60, starts=1)
    normal = Residuals.normal_equations
    monkeypatch.setattr(Residuals, "normal_equations", lambda *a: (-(n := normal(*a))[0], n[1]))
    wrong = search(tmp_path / "wrong", twin(), budget=60, starts=1)
    assert (wrong.cost > 100 * right.cost).all()


def test_beyond_a_bound_the_best_is_on_it(tmp_path: Path) -> None:
    """The driest soil is drier than the bound of the residual moisture allows."""
    data = twin(np.column_stack([TRUTH[:, :2], np.zeros(CELLS)]))
    drier = replace(data, observed=np.where(data.mask, data.observed - 0.01, 0.0))
    found = search(tmp_path, drier, budget=200)
    BUCKET_PARAMETERS.require_inside(found.theta)
    assert (BUCKET_PARAMETERS.to_unit(found.theta)[:, 2] == 0.0).all()


def test_the_bounded_step_against_a_bounded_least_squares_solver() -> None:
    """It stays inside, promises a fall, and is the exact solution wherever that fixes what it fixes: nearly always."""
    random = np.random.default_rng(0)
    jacobian, wrong = random.normal(size=(300, 12, 4)), random.normal(size=(300, 12))
    at, damping = random.random((300, 4)), 10.0 ** random.uniform(-3, 1, 300)
    at[::3, 0], at[1::3, 2] = 0.0, 1.0
    curvature, gradient = np.einsum("cdp,cdq->cpq", jacobian, jacobian), np.einsum("cdp,cd->cp", jacobian, wrong)
    move = bounded_step(curvature, gradient, damping, at)
    assert (at + move >= -1e-15).all()
    assert (at + move <= 1 + 1e-15).all()
    damped = curvature + damping[:, None, None] * np.eye(4)
    value = (gradient * move).sum(1) + 0.5 * np.einsum("cp,cpq,cq->c", move, damped, move)
    best = np.empty(300)
    for i in range(300):
        stacked = np.vstack([jacobian[i], np.sqrt(damping[i]) * np.eye(4)])
        exact = lsq_linear(stacked, -np.append(wrong[i], np.zeros(4)), (-at[i] - 1e-15, 1 - at[i] + 1e-15), tol=1e-14).x
        best[i] = gradient[i] @ exact + 0.5 * exact @ damped[i] @ exact
    assert (value < 0).all()
    assert (value >= best - 1e-9).all()
    assert (value <= best + 1e-6).mean() > 0.8


@pytest.mark.parametrize("budget", [18, 23, 24, 40, 77])
def test_runs_are_counted_and_the_budget_is_never_exceeded(tmp_path: Path, budget: int) -> None:
    forward = model()
    found = search(tmp_path, twin(noise=0.05), forward, budget=budget, runs_together=17)
    assert (found.evaluations <= budget).all()
    assert forward.runs == found.evaluations.sum()
    assert search(tmp_path, twin(noise=0.05), forward, budget=budget).theta.tolist() == found.theta.tolist()
    assert forward.runs == found.evaluations.sum()


def test_more_budget_begins_more_starts_and_is_never_worse(tmp_path: Path) -> None:
    data = twin(noise=0.05)
    costs = [search(tmp_path / str(b), data, budget=b).cost for b in (40, 80, 160)]
    assert all((later <= earlier).all() for earlier, later in pairwise(costs))
    prior = Residuals(model(), data, np.arange(CELLS), MisfitConfig(), 512).run(
        np.arange(CELLS), np.full((CELLS, 1, 3), 0.5)
    )
    assert (costs[0] <= prior[0][:, 0]).all()


@pytest.mark.parametrize("from_prior", [True, False])
def test_a_cell_does_not_depend_on_the_others(tmp_path: Path, from_prior: bool) -> None:
    data, some = twin(noise=0.05), np.array([3, 0])
    whole = search(tmp_path / "whole", data, budget=90, start_from_prior=from_prior)
    alone = search(
        tmp_path / "some", part(data, some), model(some), budget=90, start_from_prior=from_prior, runs_together=7
    )
    np.testing.assert_array_equal(alone.theta, whole.theta[some])
    np.testing.assert_array_equal(alone.evaluations, whole.evaluations[some])


@pytest.mark.parametrize("killed_at", [1, 2, 5, 9])
def test_a_killed_search_ends_with_the_same_files(tmp_path: Path, killed_at: int) -> None:
    data = twin(noise=0.05)
    search(tmp_path / "whole", data, budget=120)
    with pytest.raises(Killed):
        search(tmp_path / "killed", data, budget=120, progress=KillAt(killed_at))
    search(tmp_path / "killed", data, budget=120)
    names = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "killed").iterdir())
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_what_it_cannot_do_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives slopes; wrap Bucket in"):
        search(tmp_path, twin(), model().model, budget=50)
    with pytest.raises(SettingsError, match="budget 17 is below the 18 runs"):
        search(tmp_path, twin(), budget=17)
