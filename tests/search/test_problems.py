"""Known optima of the test functions."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.search.problems import PROBLEMS, shifted


def unit(name: str) -> np.ndarray:
    problem = PROBLEMS[name]
    low, high = np.array(problem.lower), np.array(problem.upper)
    return (np.array(problem.optima) - low) / (high - low)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_optima_have_the_minimum_and_nothing_is_below(name: str) -> None:
    problem, optima = PROBLEMS[name], unit(name)
    assert ((optima >= 0) & (optima <= 1)).all()
    np.testing.assert_allclose(problem.value(optima), problem.minimum, atol=1e-12)
    random = np.random.default_rng(0)
    near = np.clip(optima[:, None] + random.normal(0, 1e-3, (len(optima), 5000, problem.size)), 0, 1)
    for points in (random.random((50000, problem.size)), near):
        assert (problem.value(points) >= problem.minimum - 1e-12).all()


def value(name: str, *x: float) -> float:
    return float(PROBLEMS[name].function(np.array([x], dtype=np.float64))[0])


def test_values_by_hand() -> None:
    """Textbook values away from the optimum; a wrong coefficient shows."""
    assert value("rosenbrock_2", -1.2, 1.0) == pytest.approx(24.2)
    assert value("goldstein_price", -0.6, -0.4) == pytest.approx(30.0)
    assert value("goldstein_price", 1.8, 0.2) == pytest.approx(84.0)
    assert value("six_hump_camel", -1.7036, 0.7961) == pytest.approx(-0.2155, abs=1e-4)
    assert value("ackley", 1, 1, 1, 1) == pytest.approx(20 - 20 * np.exp(-0.2))
    assert value("griewank", np.pi, np.sqrt(2) * np.pi, 0, 0, 0) == pytest.approx(3 * np.pi**2 / 4000)


def test_a_shift_moves_the_optimum_and_nothing_else() -> None:
    moved = shifted(PROBLEMS["six_hump_camel"], (1.0, 2.0))
    assert moved.function(np.array([[1.3, 1.6]]))[0] == pytest.approx(value("six_hump_camel", 0.3, -0.4))
    assert moved.optima[0] == pytest.approx((1.0898420, 1.2873436))
    assert len(moved.optima) == 2
