"""SCE-UA: the same as a loop, known optima, budgets, bounds, independence of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import SettingsError
from paraformer.core.seeding import generator
from paraformer.search import sceua
from paraformer.search.config import RandomConfig, SCEUAConfig
from paraformer.search.problems import PROBLEMS, Problem
from paraformer.search.random import LatinHypercube
from paraformer.search.sceua import SCEUA, choose_simplex, mean_range
from paraformer.search.state import Evaluate, State, Stop
from search.loop_sceua import search_one

CELLS = np.arange(20)


def config(**changes: object) -> SCEUAConfig:
    """Settings that spend the whole budget."""
    return SCEUAConfig.model_validate({"gain_shuffles": 99, "least_range": 0.0, **changes})


def finish(
    settings: SCEUAConfig, problem: Evaluate, size: int, cells: np.ndarray = CELLS, prior: np.ndarray | None = None
) -> State:
    search = SCEUA(settings, seed=0)
    state = search.start(cells, size, prior)
    while state.running.size:
        state = search.step(state, problem)
    return state


def same(a: State, b: State) -> bool:
    """Whether two states agree in every number."""
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("population", "cost", "evaluations", "stopped"))


@pytest.mark.parametrize(("name", "budget"), [("rosenbrock_2", 157), ("ackley_on_the_bounds", 203), ("griewank", 160)])
def test_all_cells_at_once_equal_a_loop_over_each(name: str, budget: int) -> None:
    """Budgets that end in the middle of a shuffle, and of a call."""
    problem = PROBLEMS[name]
    state = finish(config(complexes=3, budget=budget), problem, problem.size)
    for cell in CELLS:
        best, evaluations = search_one(
            lambda x: float(problem.value(x[None])[0]), problem.size, 3, budget, 0, int(cell)
        )
        assert state.best()[1][cell] == pytest.approx(best, rel=1e-9, abs=1e-300)
        assert state.evaluations[cell] == evaluations == budget


@pytest.mark.parametrize(
    ("name", "budget", "tolerance"),
    [
        ("rosenbrock_2", 1000, 1e-6),
        ("goldstein_price", 1000, 1e-6),
        ("six_hump_camel", 1000, 1e-6),
        ("ackley", 2500, 1e-3),
        ("ackley_shifted", 2500, 1e-3),
        ("ackley_on_the_bounds", 2500, 1e-2),
        ("rosenbrock_in_a_corner", 1000, 1e-6),
        ("rosenbrock_5", 4000, 1e-2),
    ],
)
def test_it_finds_the_known_optimum(name: str, budget: int, tolerance: float) -> None:
    """In nine cells of ten: a global search may end in a local optimum, and does in some of these."""
    problem = PROBLEMS[name]
    state = finish(config(complexes=5, budget=budget), problem, problem.size)
    point, best = state.best()
    found = best < problem.minimum + tolerance
    assert found.mean() >= 0.9
    low, high = np.array(problem.lower), np.array(problem.upper)
    distance = np.abs(low + (high - low) * point[:, None] - np.array(problem.optima)).max(axis=2).min(axis=1)
    assert (distance[found] < 50 * np.sqrt(tolerance)).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_beats_a_latin_hypercube_of_the_same_budget(name: str) -> None:
    """The median cell is better than the yardstick in any cell, also among the thousands of optima of Griewank."""
    problem = PROBLEMS[name]
    state = finish(config(complexes=2, budget=400), problem, problem.size)
    rival = LatinHypercube(RandomConfig(budget=400), 0)
    yardstick = rival.start(CELLS, problem.size, None)
    while yardstick.running.size:
        yardstick = rival.step(yardstick, problem)
    assert (np.median(state.best()[1]) < yardstick.best()[1]).all()


def test_a_broken_step_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a simplex whose last point is its best moves the best point away."""
    monkeypatch.setattr(sceua, "choose_simplex", lambda *given: choose_simplex(*given)[..., ::-1])
    state = finish(config(complexes=5, budget=1000), PROBLEMS["rosenbrock_2"], 2)
    assert (state.best()[1] < 1e-6).mean() < 0.9


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 4), complexes=st.integers(1, 4), extra=st.integers(0, 60), where=st.floats(-0.5, 1.5))
def test_bounds_and_budget_are_kept(size: int, complexes: int, extra: int, where: float) -> None:
    """Whatever the size, and with an optimum that may lie outside the bounds; every evaluation is counted."""
    budget, seen = complexes * (2 * size + 1) + extra, np.zeros(3, dtype=int)

    def bowl(cells: np.ndarray, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        assert ((points[wanted] >= 0) & (points[wanted] <= 1)).all()
        seen[cells] += wanted.sum(axis=1)
        return np.where(wanted, ((points - where) ** 2).sum(axis=-1), np.inf)

    state = finish(config(complexes=complexes, budget=budget), bowl, size, cells=np.arange(3))
    assert np.array_equal(state.evaluations, seen)
    spent = state.stopped == Stop.BUDGET
    assert (seen[spent] == budget).all()
    assert (seen <= budget).all()
    assert np.isfinite(state.cost).all()


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(6)), kept=st.integers(1, 6))
def test_a_cell_does_not_know_the_others(order: list[int], kept: int) -> None:
    """Any cells in any order: each with its own landscape and its own moment to stop."""
    cells = np.arange(6) * 11 + 5
    settings = config(complexes=2, budget=150, least_range=0.02)

    def landscape(names: np.ndarray) -> Evaluate:
        centre = (names / 77)[:, None, None]
        return lambda at, x, wanted: np.where(wanted, (np.abs(x - centre[at]) ** 1.5).sum(-1), np.inf)

    whole = finish(settings, landscape(cells), 2, cells)
    some = np.array(order[:kept])
    assert same(finish(settings, landscape(cells[some]), 2, cells[some]), whole.take(some))
    assert len(set(whole.evaluations.tolist())) > 1


def test_streams_by_position_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: with one stream for all cells, in their order, the test above fails."""
    shared = np.random.default_rng(0)
    problem, some = PROBLEMS["rosenbrock_2"], CELLS[[3, 1]]
    assert same(finish(config(), problem, 2).take(some), finish(config(), problem, 2, some))
    monkeypatch.setattr(sceua, "generator", lambda *names: shared)
    assert not same(finish(config(), problem, 2).take(some), finish(config(), problem, 2, some))


def test_it_is_deterministic_and_depends_on_the_seed() -> None:
    problem = PROBLEMS["griewank"]
    assert same(finish(config(), problem, 5), finish(config(), problem, 5))
    a, b = (SCEUA(config(), seed).start(CELLS, 5, None) for seed in (0, 1))
    assert not np.array_equal(a.population, b.population)


def test_the_prior_is_the_first_point_and_all_others_stay() -> None:
    prior = np.random.default_rng(0).random((len(CELLS), 3))
    search = SCEUA(config(), 0)
    without, with_prior = search.start(CELLS, 3, None).population, search.start(CELLS, 3, prior).population
    assert np.array_equal(with_prior[:, 0], prior)
    assert np.array_equal(with_prior[:, 1:], without[:, 1:])


def test_no_search_is_worse_than_its_prior() -> None:
    """The prior is the optimum: the best point is the prior itself."""
    prior = np.random.default_rng(0).random((len(CELLS), 2))

    def bowl(cells: np.ndarray, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.where(wanted, ((points - prior[cells][:, None]) ** 2).sum(axis=-1), np.inf)

    point, cost = finish(config(budget=60), bowl, 2, prior=prior).best()
    assert np.array_equal(point, prior)
    assert (cost == 0).all()


def test_reasons_to_stop() -> None:
    def flat(cells: np.ndarray, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.where(wanted, 7.0, np.inf)

    problem = PROBLEMS["rosenbrock_2"]
    no_gain = finish(config(budget=5000, gain_shuffles=4), flat, 2)
    assert (no_gain.stopped == Stop.NO_GAIN).all()
    assert no_gain.round == 1 + 4  # the initial population, then four shuffles
    small = finish(config(budget=5000, least_range=1e-3), problem, 2)
    assert (small.stopped == Stop.SMALL_RANGE).all()
    assert (mean_range(small.population) < 1e-3).all()
    assert (finish(config(budget=50), problem, 2).stopped == Stop.BUDGET).all()


def test_a_stopped_cell_is_left_alone() -> None:
    search = SCEUA(config(), 0)
    state = search.start(CELLS, 2, None)
    for _ in range(9):
        state = search.step(state, PROBLEMS["rosenbrock_2"])
    stopped = np.where(CELLS < 5, Stop.NO_GAIN, state.stopped)
    state = replace(state, stopped=stopped)
    later = search.step(state, PROBLEMS["rosenbrock_2"])
    assert same(later.take(CELLS[:5]), state.take(CELLS[:5]))
    assert (later.evaluations[5:] > state.evaluations[5:]).all()


def test_the_gain_is_measured_over_so_many_shuffles() -> None:
    """A cost that falls by 1 % a shuffle of 4 is a gain of about 3 % (Duan et al. 1994): above 2.9, below 3.1."""
    for least, stops in ((2.9, False), (3.1, True)):
        search = SCEUA(config(gain_shuffles=4, least_gain=least, complexes=1), 0)
        start = search.start(CELLS[:1], 1, None)
        cost = np.array([[0.97, 5.0, 6.0]])
        recent = np.array([[np.inf, 1.0, 0.99, 0.98]])
        after = search._shuffle(replace(start, cost=cost, recent=recent, round=9))
        assert (after.stopped[0] == Stop.NO_GAIN) is np.bool_(stops)


def test_the_simplex_is_drawn_with_triangular_chances() -> None:
    """One point: 2 (m + 1 - i) / (m (m + 1)). All points: all of them. Never one twice, always best first."""
    ranks, n = 5, 40000
    uniform = generator(0, "test").random((n, ranks))
    expected = 2 * np.arange(ranks, 0, -1) / (ranks * (ranks + 1))
    share = np.bincount(choose_simplex(uniform, 1)[:, 0], minlength=ranks) / n
    np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(0.25 / n))
    three = choose_simplex(uniform, 3)
    assert (np.diff(three, axis=1) > 0).all()
    assert np.array_equal(choose_simplex(uniform, ranks), np.tile(np.arange(ranks), (n, 1)))


def test_the_mean_range_is_geometric() -> None:
    corners = np.array([[[0.1, 0.2], [0.5, 0.3], [0.2, 0.25]], [[0.1, 0.0], [0.1, 1.0], [0.1, 0.5]]])
    assert mean_range(corners) == pytest.approx([np.sqrt(0.4 * 0.1), 0.0])


def test_a_budget_below_the_initial_population_is_refused() -> None:
    with pytest.raises(SettingsError, match="budget 54 is below the initial population of 55 points"):
        SCEUA(config(complexes=5, budget=54), 0).start(CELLS, 5, None)


def test_problem_is_an_objective() -> None:
    problem: Problem = PROBLEMS["ackley"]
    points, wanted = np.full((2, 3, 4), 0.5), np.array([[True, False, True], [False, False, True]])
    assert np.array_equal(np.isfinite(problem(np.arange(2), points, wanted)), wanted)
