"""Latin hypercube: one point in every stratum, the best kept, each cell its own."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.search.config import RandomConfig
from paraformer.search.random import BLOCK, LatinHypercube
from paraformer.search.state import State, Stop


def run(budget: int, cells: np.ndarray, prior: np.ndarray | None = None) -> tuple[State, list[np.ndarray]]:
    """The final state, and all points in their order."""
    points = []

    def bowl(at: np.ndarray, x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        assert wanted.all()
        points.append(x)
        return ((x - 0.3) ** 2).sum(axis=-1)

    search = LatinHypercube(RandomConfig(budget=budget), seed=0)
    state = search.start(cells, 3, prior)
    while state.running.size:
        state = search.step(state, bowl)
    return state, points


@pytest.mark.parametrize("budget", [1, BLOCK, 2 * BLOCK, 45])
def test_one_point_in_every_stratum_and_the_best_is_kept(budget: int) -> None:
    state, blocks = run(budget, np.arange(4))
    points = np.concatenate(blocks, axis=1)
    assert points.shape == (4, budget, 3)
    strata = np.sort(np.floor(points * budget).astype(int), axis=1)
    assert np.array_equal(strata, np.broadcast_to(np.arange(budget)[:, None], strata.shape))
    cost = ((points - 0.3) ** 2).sum(axis=-1)
    point, best = state.best()
    assert np.array_equal(best, cost.min(axis=1))
    assert np.array_equal(point, points[np.arange(4), cost.argmin(axis=1)])
    assert (state.evaluations == budget).all()
    assert (state.stopped == Stop.BUDGET).all()


def test_a_cell_does_not_know_the_others() -> None:
    whole, _ = run(20, np.array([3, 1, 4, 15]))
    some, _ = run(20, np.array([15, 1]))
    assert np.array_equal(some.population, whole.population[[3, 1]])
    assert not np.array_equal(whole.population[0], whole.population[1])


def test_the_prior_is_the_first_point() -> None:
    prior = np.full((2, 3), 0.3)
    state, blocks = run(20, np.arange(2), prior)
    assert np.array_equal(blocks[0][:, 0], prior)
    assert np.array_equal(state.population[:, 0], prior)
    _, without = run(20, np.arange(2))
    assert np.array_equal(np.concatenate(blocks, axis=1)[:, 1:], np.concatenate(without, axis=1)[:, 1:])
