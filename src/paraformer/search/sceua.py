"""SCE-UA, shuffled complex evolution (Duan, Sorooshian & Gupta 1992, doi 10.1029/91WR02985; 1994, doi
10.1016/0022-1694(94)90057-4), for many cells at once.

Complexes do not know each other between shuffles, so one evolution step of all complexes of all cells takes at most
three calls of the model: reflections of all; contractions of those that failed; random points of those that failed
again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.seeding import generator
from paraformer.search.config import SCEUAConfig
from paraformer.search.state import Evaluate, State, Stop, within_budget


class Draws(NamedTuple):
    """Uniform random numbers of one evolution step, from a stream of each cell's own."""

    choice: Float[np.ndarray, "cell complex rank"]  # choose the simplex
    outside: Float[np.ndarray, "cell complex parameter"]  # replace a reflection out of bounds
    last: Float[np.ndarray, "cell complex parameter"]  # replace a failed contraction


class SCEUA:
    """SCE-UA in unit coordinates.

    The population of a cell is kept such that point ``rank * complexes + k`` is the one of that rank, best first, in
    complex k: sorting by cost is the shuffle (Duan et al. 1994).
    """

    def __init__(self, config: SCEUAConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> State:
        """Random initial population, uniform in the unit cube; not run yet.

        Raises:
            SettingsError: if the budget does not even cover the initial population.
        """
        self.config.require_budget(size)
        points = self.config.complexes * (2 * size + 1)
        streams = [generator(self.seed, "sceua", cell, "population") for cell in cells.tolist()]
        population = np.stack([stream.random((points, size)) for stream in streams])
        if prior is not None:
            population[:, 0] = prior
        return State(
            cells=cells,
            population=population,
            cost=np.full(population.shape[:2], np.inf),
            evaluations=np.zeros(len(cells), dtype=np.int64),
            stopped=np.full(len(cells), Stop.RUNNING, dtype=np.int64),
            recent=np.full((len(cells), self.config.gain_shuffles), np.inf),
        )

    def step(self, state: State, evaluate: Evaluate) -> State:
        """Run one rank of the initial population, or evolve every complex once; shuffle when it is time."""
        running = state.running
        part = state.take(running)
        ranks, size = _ranks(part), part.population.shape[2]
        if part.round == 0:
            part, last = self._run_initial(part, running, evaluate), ranks
        else:
            part, last = self._evolve(part, running, evaluate), 2 * size + 1
        part = replace(part, step=part.step + 1)
        if part.step == last:
            part = self._shuffle(part)
        spent = (part.stopped == Stop.RUNNING) & (part.evaluations >= self.config.budget)
        return state.put(running, replace(part, stopped=np.where(spent, Stop.BUDGET, part.stopped)))

    def _run_initial(self, state: State, cells: Int[np.ndarray, " cell"], evaluate: Evaluate) -> State:
        block = slice(state.step * self.config.complexes, (state.step + 1) * self.config.complexes)
        points, cost = state.population[:, block], state.cost.copy()
        cost[:, block] = evaluate(cells, points, np.ones(points.shape[:2], dtype=bool))
        return replace(state, cost=cost, evaluations=state.evaluations + self.config.complexes)

    def _evolve(self, state: State, cells: Int[np.ndarray, " cell"], evaluate: Evaluate) -> State:
        """One step of competitive complex evolution, CCE (Duan et al. 1992), in every complex."""
        n, ranks, size = len(cells), _ranks(state), state.population.shape[2]
        points = state.population.reshape(n, ranks, -1, size).swapaxes(1, 2)  # [cell, complex, rank, parameter]
        cost = state.cost.reshape(n, ranks, -1).swapaxes(1, 2)
        draws = self._draws(state)
        simplex = choose_simplex(draws.choice, size + 1)
        worst_at = simplex[..., -1:]
        worst = np.take_along_axis(points, worst_at[..., None], axis=2)[:, :, 0]
        worst_cost = np.take_along_axis(cost, worst_at, axis=2)[:, :, 0]
        centroid = np.take_along_axis(points, simplex[..., :-1, None], axis=2).mean(axis=2)
        low, high = points.min(axis=2), points.max(axis=2)  # the smallest box that holds the complex
        reflection = 2.0 * centroid - worst
        inside = ((reflection >= 0.0) & (reflection <= 1.0)).all(axis=-1, keepdims=True)
        trials = (
            np.where(inside, reflection, low + (high - low) * draws.outside),
            0.5 * (centroid + worst),
            low + (high - low) * draws.last,
        )
        evaluations, wanted = state.evaluations, np.ones(worst_cost.shape, dtype=bool)
        found, found_cost = worst, worst_cost
        for number, trial in enumerate(trials):
            wanted = within_budget(wanted, self.config.budget - evaluations)
            if not wanted.any():
                break
            trial_cost = evaluate(cells, trial, wanted)
            evaluations = evaluations + wanted.sum(axis=1)
            taken = wanted & ((trial_cost < worst_cost) | (number == 2))  # the random point replaces, be it worse
            found = np.where(taken[..., None], trial, found)
            found_cost = np.where(taken, trial_cost, found_cost)
            wanted = wanted & ~taken
        points, cost = points.copy(), cost.copy()
        np.put_along_axis(points, worst_at[..., None], found[:, :, None], axis=2)
        np.put_along_axis(cost, worst_at, found_cost[..., None], axis=2)
        order = np.argsort(cost, axis=2, kind="stable")
        points, cost = np.take_along_axis(points, order[..., None], axis=2), np.take_along_axis(cost, order, axis=2)
        return replace(
            state,
            population=points.swapaxes(1, 2).reshape(state.population.shape),
            cost=cost.swapaxes(1, 2).reshape(state.cost.shape),
            evaluations=evaluations,
        )

    def _draws(self, state: State) -> Draws:
        ranks, size, complexes = _ranks(state), state.population.shape[2], self.config.complexes
        streams = [generator(self.seed, "sceua", cell, state.round, state.step) for cell in state.cells.tolist()]
        numbers = np.stack([stream.random((complexes, ranks + 2 * size)) for stream in streams])
        return Draws(*np.split(numbers, (ranks, ranks + size), axis=2))

    def _shuffle(self, state: State) -> State:
        """Mix the complexes of each cell, and stop cells that have converged (Duan et al. 1994)."""
        order = np.argsort(state.cost, axis=1, kind="stable")
        population = np.take_along_axis(state.population, order[..., None], axis=1)
        cost = np.take_along_axis(state.cost, order, axis=1)
        recent, stopped = state.recent, state.stopped
        if state.round > 0:
            recent = np.concatenate([recent[:, 1:], cost[:, :1]], axis=1)
            known = np.isfinite(recent[:, 0])
            first = np.where(known, recent[:, 0], 0.0)
            size = np.abs(np.where(known[:, None], recent, 0.0)).mean(axis=1)
            still = known & (100.0 * np.abs(recent[:, -1] - first) <= self.config.least_gain * size)
            stopped = np.where(still, Stop.NO_GAIN, stopped)
            small = mean_range(population) < self.config.least_range
            stopped = np.where(small, Stop.SMALL_RANGE, stopped)
        return replace(
            state, population=population, cost=cost, recent=recent, stopped=stopped, round=state.round + 1, step=0
        )


def choose_simplex(uniform: Float[np.ndarray, "*complex rank"], points: int) -> Int[np.ndarray, "*complex member"]:
    """Ranks of the points of a simplex, best first, drawn without replacement.

    The chance of the point of rank i = 1 .. m is the triangular 2 (m + 1 - i) / (m (m + 1)) (Duan et al. 1992).
    Successive draws without replacement are the largest keys log(u) / weight of independent uniform u (Efraimidis &
    Spirakis 2006, doi 10.1016/j.ipl.2005.11.003).

    Args:
        uniform: random numbers in [0, 1), one for every point of the complex.
        points: number of points to draw.
    """
    weight = np.arange(uniform.shape[-1], 0, -1)
    keys = np.log1p(-uniform) / weight
    return np.sort(np.argsort(-keys, axis=-1, kind="stable")[..., :points], axis=-1)


def mean_range(population: Float[np.ndarray, "cell point parameter"]) -> Float[np.ndarray, " cell"]:
    """Geometric mean over parameters of the range of the points, unit coordinates; 0 if one parameter has none."""
    span = population.max(axis=1) - population.min(axis=1)
    return np.prod(span ** (1.0 / span.shape[1]), axis=1)


def _ranks(state: State) -> int:
    """Points in a complex, 2p + 1."""
    return 2 * state.population.shape[2] + 1
