"""The posterior against exact ones: linear models, grids, truncated normals; and intervals that cover what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import genpareto, truncnorm

from paraformer.evaluation.adaptive import draw_in_rounds
from paraformer.evaluation.pareto import fit_tail, smoothed_weights
from paraformer.evaluation.posterior import (
    Quadratic,
    coverage,
    crps,
    draw,
    quadratic,
    summarise_draws,
    tails,
    weighted_quantiles,
)
from paraformer.numerics.inference import ErrorModel, error_model

DAYS, NOISE = 60, 0.04


def equal(u: np.ndarray) -> np.ndarray:
    return np.full(u.shape[:2], 1 / u.shape[1])


def errors_of(cells: int, std: float = NOISE, correlation: float = 0.0) -> ErrorModel:
    return ErrorModel(np.full(cells, std**2), np.full(cells, correlation))


def linear_case(cells: int, size: int, *, seen: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True u, slopes, and observations of a model that is linear in u."""
    random = np.random.default_rng(1)
    truth = random.random((cells, size))
    slope = seen * random.normal(size=(cells, DAYS, size)) / np.sqrt(DAYS)
    return truth, slope, np.einsum("ctp,cp->ct", slope, truth) + NOISE * random.normal(size=(cells, DAYS))


def test_a_linear_model_far_from_its_bounds_has_the_gaussian_posterior() -> None:
    u = np.full((1, 2), 0.5)
    precision = np.array([[[900.0, 300.0], [300.0, 700.0]]])
    likelihood = Quadratic(u, np.array([[20.0, -30.0]]), precision)
    drawn = draw(likelihood, 20000, np.random.default_rng(0))
    exact = np.linalg.inv(precision[0])
    np.testing.assert_allclose(drawn[0].mean(axis=0), u[0] + exact @ likelihood.linear[0], atol=2e-3)
    np.testing.assert_allclose(np.cov(drawn[0].T), exact, atol=5e-5)


@pytest.mark.parametrize("centre", [-0.4, 0.02, 0.5, 1.7])
def test_a_bound_cuts_as_a_truncated_normal(centre: float) -> None:
    std = 0.1
    likelihood = Quadratic(np.array([[0.5]]), np.array([[(centre - 0.5) / std**2]]), np.array([[[1 / std**2]]]))
    drawn = draw(likelihood, 40000, np.random.default_rng(0))[0, :, 0]
    exact = truncnorm((0 - centre) / std, (1 - centre) / std, centre, std)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_allclose(np.quantile(drawn, (0.05, 0.5, 0.95)), exact.ppf((0.05, 0.5, 0.95)), atol=4e-3)


def test_a_parameter_that_is_not_seen_keeps_its_prior() -> None:
    truth, slope, observed = linear_case(3, 2, seen=3.0)
    slope[..., 1] = 0
    likelihood = quadratic(
        truth, observed - np.einsum("ctp,cp->ct", slope, truth), slope, np.ones((3, DAYS), bool), errors_of(3)
    )
    drawn = draw(likelihood, 20000, np.random.default_rng(0))
    found = summarise_draws(drawn, equal(drawn), np.zeros(3), 0.9)
    np.testing.assert_allclose(found.lower[:, 1], 0.05, atol=0.01)
    np.testing.assert_allclose(found.upper[:, 1], 0.95, atol=0.01)
    np.testing.assert_allclose(found.gain[:, 1], 0, atol=0.03)
    assert (found.gain[:, 0] > 0.9).all()


@pytest.mark.parametrize(
    ("believed", "low", "high"), [(NOISE, 0.87, 0.93), (NOISE / 4, 0.0, 0.5), (4 * NOISE, 0.96, 1)]
)
@pytest.mark.parametrize("rounds", [1, 2])
def test_intervals_cover_what_they_say_if_the_error_is_right(
    believed: float, low: float, high: float, rounds: int
) -> None:
    """And do not if it is a quarter, or four times, of what it is: a test of coverage can fail on both sides."""
    cells = 500
    truth, slope, observed = linear_case(cells, 2, seen=1.0)
    at, mask = np.full((cells, 2), 0.5), np.ones((cells, DAYS), bool)
    likelihood = quadratic(at, observed - np.einsum("ctp,cp->ct", slope, at), slope, mask, errors_of(cells, believed))

    def true(u: np.ndarray) -> np.ndarray:
        misfit = ((observed[:, None] - np.einsum("ctp,cdp->cdt", slope, u)) ** 2).sum(axis=-1)
        return -0.5 * misfit / believed**2

    drawn = draw_in_rounds(likelihood, true, 200 // rounds, rounds, 2.0, np.random.default_rng(0))
    found = summarise_draws(*drawn, 0.9)
    assert np.median(drawn.pareto_k) < 0.5
    assert low < coverage(truth, found.lower, found.upper) < high


def test_weights_repair_what_the_linear_model_gets_wrong() -> None:
    """A model that bends: y = (e^{3u} - 1) / 20, linearised at 0.2; the exact posterior is taken from a grid."""

    def model(u: np.ndarray) -> np.ndarray:
        return np.expm1(3 * u)[..., None] / 20 * np.linspace(0.5, 1, DAYS)

    random, mask = np.random.default_rng(3), np.ones((1, DAYS), bool)
    observed = model(np.array([0.45])) + 0.15 * random.normal(size=(1, DAYS))
    errors, at = errors_of(1, 0.15), np.array([[0.2]])
    slope = (3 * np.exp(3 * at) / 20 * np.linspace(0.5, 1, DAYS))[..., None]
    likelihood = quadratic(at, observed - model(at[:, 0]), slope, mask, errors)

    def true(u: np.ndarray) -> np.ndarray:
        return -0.5 * ((observed[:, None] - model(u[..., 0])) ** 2).sum(axis=-1) / errors.inflated[:, None]

    drawn = draw_in_rounds(likelihood, true, 2000, 1, 2.0, random)
    found = summarise_draws(*drawn, 0.9)
    plain = draw(likelihood, 4000, random)
    linear = summarise_draws(plain, equal(plain), drawn.pareto_k, 0.9)
    grid = (np.arange(4000) + 0.5) / 4000
    exact = np.exp(-0.5 * ((observed - model(grid)) ** 2).sum(axis=-1) / 0.15**2)
    exact = np.cumsum(exact / exact.sum())
    ends = np.array([np.interp(q, exact, grid) for q in (0.05, 0.95)])
    corrected = np.array([found.lower[0, 0], found.upper[0, 0]])
    np.testing.assert_allclose(corrected, ends, atol=0.03)
    assert np.abs(np.array([linear.lower[0, 0], linear.upper[0, 0]]) - ends).max() > 0.08


def test_errors_are_measured_with_their_correlation() -> None:
    random = np.random.default_rng(0)
    residual = np.empty((2, 4000))
    residual[1] = 0.03 * random.normal(size=4000)
    residual[0, 0] = 0.0
    for day in range(1, 4000):
        residual[0, day] = 0.6 * residual[0, day - 1] + 0.04 * np.sqrt(1 - 0.36) * random.normal()
    found = error_model(residual, np.ones(residual.shape, bool))
    np.testing.assert_allclose(np.sqrt(found.variance), [0.04, 0.03], rtol=0.06)
    np.testing.assert_allclose(found.correlation, [0.6, 0.0], atol=0.05)
    np.testing.assert_allclose(found.inflated[0], 4 * found.variance[0], rtol=0.25)
    few = error_model(residual, np.arange(4000) < np.array([[2], [4000]]))
    assert few.variance[0] == few.variance[1]


def test_the_tail_of_weights_is_found_and_smoothed() -> None:
    for k in (0.2, 0.6, 1.1):
        sample = np.sort(genpareto(k).rvs(3000, random_state=np.random.default_rng(1)))
        assert fit_tail(sample)[0] == pytest.approx(k, abs=0.1)
    alike, shape = smoothed_weights(np.zeros((1, 100)))
    np.testing.assert_allclose(alike, 0.01)
    assert shape[0] == -np.inf
    lone = np.zeros((1, 200))
    lone[0, 7] = 30.0
    _, shape = smoothed_weights(lone)
    assert shape[0] > 0.7
    assert smoothed_weights(np.zeros((1, 10)))[1][0] == np.inf


@pytest.mark.parametrize(("draws", "equally"), [(25, True), (400, True), (60, False), (400, False)])
def test_an_interval_of_few_draws_holds_one_more_as_often_as_it_says(draws: int, equally: bool) -> None:
    """Draws with weights come from a proposal twice as wide as what they stand for."""
    random, cells = np.random.default_rng(0), 20000
    scale = 1.0 if equally else 2.0
    values = scale * random.normal(size=(cells, draws, 1))
    weight = np.exp(-0.5 * (1 - 1 / scale**2) * values[..., 0] ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    truth = random.normal(size=(cells, 1))
    lower, upper = weighted_quantiles(values, weight, tails(weight, 0.9))
    assert coverage(truth, lower, upper) == pytest.approx(0.9, abs=0.01 if equally else 0.02)
    if draws == 25:  # without the correction
        assert coverage(truth, *weighted_quantiles(values, weight, (0.05, 0.95))) < 0.88


def test_quantiles_of_equal_and_of_repeated_draws() -> None:
    random = np.random.default_rng(0)
    values = random.random((2, 400, 3))
    low, high = weighted_quantiles(values, equal(values), (0.05, 0.95))
    np.testing.assert_allclose(low, np.quantile(values, 0.05, axis=1, method="hazen"), atol=1e-12)
    np.testing.assert_allclose(high, np.quantile(values, 0.95, axis=1, method="hazen"), atol=1e-12)
    weight = random.random((2, 400))
    weight /= weight.sum(axis=1, keepdims=True)
    mixed = random.permutation(400)
    again = weighted_quantiles(values[:, mixed], weight[:, mixed], (0.5,))[0]
    np.testing.assert_allclose(again, weighted_quantiles(values, weight, (0.5,))[0], atol=1e-12)


def test_crps_is_that_of_a_normal_distribution_in_closed_form():
    """Gneiting & Raftery 2007: σ (z (2 Φ(z) - 1) + 2 φ(z) - 1 / √π); of draws of another law, by their weights."""
    random, z = np.random.default_rng(0), np.array([[-1.5, 0.0, 0.4, np.nan]])
    draws = random.normal(size=(1, 20000, 1)) * np.ones(4)
    expected = z * (2 * ndtr(z) - 1) + 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps(draws, np.full((1, 20000), 1 / 20000), z), expected, atol=0.01)
    wide = random.uniform(-5, 5, size=(1, 20000, 1)) * np.ones(4)
    weight = np.exp(-(wide[..., 0] ** 2) / 2)
    np.testing.assert_allclose(crps(wide, weight / weight.sum(), z), expected, atol=0.02)


def test_crps_of_a_single_value_is_its_absolute_error():
    np.testing.assert_allclose(crps(np.full((1, 3, 1), 0.2), np.full((1, 3), 1 / 3), np.array([[0.27]])), [[0.07]])
