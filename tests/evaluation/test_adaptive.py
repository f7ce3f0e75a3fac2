"""Draws in rounds: kernels whose density is a density, the mass of a cut Gaussian, and posteriors known from a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from paraformer.evaluation.adaptive import Kernels, draw_in_rounds, log_mass
from paraformer.evaluation.posterior import Quadratic, summarise_draws, weighted_quantiles

GRID = (np.arange(400) + 0.5) / 400
PLANE = np.stack(np.meshgrid(GRID, GRID, indexing="ij"), axis=-1).reshape(1, -1, 2)


def kernels_of(spread: float) -> Kernels:
    random = np.random.default_rng(0)
    u = np.clip(0.1 + spread * random.normal(size=(1, 50, 2)), 0, 1)
    weight = random.random((1, 50))
    return Kernels.of(u, weight / weight.sum())


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_the_density_of_kernels_is_one_over_the_cube_and_draws_follow_it(spread: float) -> None:
    kernels = kernels_of(spread)
    density = np.exp(kernels.log_density(PLANE))[0]
    assert density.mean() == pytest.approx(1, abs=2e-3)
    drawn = kernels.draw(20000, np.random.default_rng(1))[0]
    assert ((drawn >= 0) & (drawn <= 1)).all()
    for j in range(2):
        exact = np.cumsum(density.reshape(400, 400).mean(axis=1 - j)) / 400
        assert np.abs(np.searchsorted(np.sort(drawn[:, j]), GRID + 0.5 / 400) / 20000 - exact).max() < 0.015


def test_kernels_of_one_lucky_draw_are_not_a_point() -> None:
    u = np.random.default_rng(0).random((1, 100, 2))
    weight = np.full((1, 100), 1e-12)
    weight[0, 3] = 1.0
    kernels = Kernels.of(u, weight / weight.sum())
    assert 1 / (kernels.weight**2).sum() == pytest.approx(20, rel=0.01)
    assert kernels.weight[0].argmax() == 3
    even = np.full((1, 100), 0.01)
    np.testing.assert_allclose(Kernels.of(u, even).weight, even)


def test_the_mass_of_a_cut_gaussian() -> None:
    at, covariance = np.array([0.1, 0.8]), np.array([[0.02, 0.012], [0.012, 0.03]])
    normal = multivariate_normal(at, covariance)
    inside = normal.cdf([1, 1]) - normal.cdf([0, 1]) - normal.cdf([1, 0]) + normal.cdf([0, 0])
    whole = np.log(inside) - normal.logpdf(at)
    likelihood = Quadratic(at[None], np.zeros((1, 2)), np.linalg.inv(covariance)[None])
    around = Kernels.of(np.random.default_rng(0).random((1, 100, 2)) ** 2, np.full((1, 100), 0.01))
    found = log_mass(likelihood.log_likelihood, around, np.random.default_rng(1), 40000)
    np.testing.assert_allclose(found, whole, atol=0.03)


def crescent(u: np.ndarray) -> np.ndarray:
    """A posterior that bends away from its tangent."""
    return -0.5 * (((u[..., 1] - 0.9 + (u[..., 0] - 0.3) ** 2) / 0.08) ** 2 + ((u[..., 0] - 0.5) / 0.3) ** 2)


def tangent(cells: int) -> Quadratic:
    """What a linear model says of ``crescent`` at (0.3, 0.9): the bend is not in it."""
    precision = np.diag([1 / 0.3**2, 1 / 0.08**2])
    return Quadratic(
        np.tile([0.3, 0.9], (cells, 1)), np.tile([0.2 / 0.3**2, 0.0], (cells, 1)), np.tile(precision, (cells, 1, 1))
    )


def ridge(u: np.ndarray) -> np.ndarray:
    """Two parameters of which little but the product is seen."""
    return -0.5 * (((u[..., 0] * u[..., 1] - 0.1) / 0.01) ** 2 + ((u[..., 0] - 0.4) / 0.1) ** 2)


def blind(cells: int) -> Quadratic:
    """A linear model at a place where next to nothing is seen."""
    return Quadratic(np.full((cells, 2), 0.5), np.zeros((cells, 2)), np.tile(4 * np.eye(2), (cells, 1, 1)))


Case = tuple[Callable[[np.ndarray], np.ndarray], Callable[[int], Quadratic]]


def error_of_ends(case: Case, rounds: int, count: int, cells: int = 40) -> tuple[float, float]:
    """Mean error of the ends of the 90 % intervals of both parameters, and the share of cells with k above 0.7."""
    true, linear = case
    exact = np.exp(true(PLANE))
    ends = np.stack(weighted_quantiles(PLANE, exact / exact.sum(), (0.05, 0.95)))
    found = draw_in_rounds(linear(cells), true, count, rounds, 2.0, np.random.default_rng(0))
    assert found.u.shape == (cells, rounds * count, 2)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1)
    quantiles = np.stack(weighted_quantiles(found.u, found.weight, (0.05, 0.95)))
    return float(np.abs(quantiles - ends).mean()), float((found.pareto_k > 0.7).mean())


@pytest.mark.parametrize(("case", "better"), [((crescent, tangent), 0.7), ((ridge, blind), 0.5)])
def test_later_rounds_find_what_the_linear_model_does_not_know(case: Case, better: float) -> None:
    """With the same number of runs in all."""
    once, _ = error_of_ends(case, 1, 201)
    thrice, _ = error_of_ends(case, 3, 67)
    assert thrice < better * once


@pytest.mark.parametrize("case", [(crescent, tangent), (ridge, blind)])
def test_with_many_draws_the_error_vanishes_and_k_says_so(case: Case) -> None:
    few, untrusted = error_of_ends(case, 1, 100, cells=16)
    assert untrusted > 0.3
    many, trusted = error_of_ends(case, 4, 250, cells=16)
    assert many < 0.25 * few
    assert many < 0.02
    assert trusted <= 0.5 * untrusted


def test_rounds_are_repeatable_and_the_first_is_that_of_a_single_one() -> None:
    one, two, again = (
        draw_in_rounds(tangent(2), crescent, 50, rounds, 2.0, np.random.default_rng(5)) for rounds in (1, 2, 2)
    )
    np.testing.assert_array_equal(two.u, again.u)
    np.testing.assert_array_equal(two.weight, again.weight)
    np.testing.assert_array_equal(two.u[:, :50], one.u)


def test_what_is_not_seen_keeps_its_prior_through_all_rounds() -> None:
    """A kernel counted at its own centre would take weight from lonely draws, and narrow every interval."""
    precision = np.diag([100.0, 0.0, 0.0])
    linear = Quadratic(np.full((200, 3), 0.5), np.zeros((200, 3)), np.tile(precision, (200, 1, 1)))

    def true(u: np.ndarray) -> np.ndarray:
        return -50 * (u[..., 0] - 0.5) ** 2

    for rounds in (1, 2, 3):
        found = draw_in_rounds(linear, true, 100, rounds, 2.0, np.random.default_rng(0))
        gain = summarise_draws(*found, 0.9).gain.mean(axis=0)
        np.testing.assert_allclose(gain[1:], 0, atol=0.02)
        assert gain[0] == pytest.approx(1 - 12 / 100, abs=0.01)
