"""Random search: a Latin hypercube of ``budget`` points in every cell (McKay et al. 1979, doi 10.2307/1268522)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from paraformer.core.seeding import generator
from paraformer.search.config import RandomConfig
from paraformer.search.state import Evaluate, State, Stop

BLOCK = 8
"""Points of a cell run in one step. They are drawn again in every step, which is cheap, and never stored."""


class LatinHypercube:
    """Every cell has a hypercube of its own; the best point is kept."""

    def __init__(self, config: RandomConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> State:
        """State that holds the first point of every cell, not run yet."""
        first = self._points(cells, size)[:, :1] if prior is None else prior[:, None]
        return State(
            cells=cells,
            population=first,
            cost=np.full((len(cells), 1), np.inf),
            evaluations=np.zeros(len(cells), dtype=np.int64),
            stopped=np.full(len(cells), Stop.RUNNING, dtype=np.int64),
            recent=np.full((len(cells), 0), np.inf),
        )

    def step(self, state: State, evaluate: Evaluate) -> State:
        """Run the next points of every cell."""
        size, done = state.population.shape[2], state.round * BLOCK
        points = self._points(state.cells, size)[:, done : done + BLOCK]
        if done == 0:
            points = np.concatenate([state.population, points[:, 1:]], axis=1)
        cost = evaluate(state.running, points, np.ones(points.shape[:2], dtype=bool))
        every = replace(
            state,
            population=np.concatenate([state.population, points], axis=1),
            cost=np.concatenate([state.cost, cost], axis=1),
        )
        point, best = every.best()
        evaluations = state.evaluations + points.shape[1]
        stopped = np.where(evaluations >= self.config.budget, Stop.BUDGET, state.stopped)
        return replace(
            state,
            population=point[:, None],
            cost=best[:, None],
            evaluations=evaluations,
            stopped=stopped,
            round=state.round + 1,
        )

    def _points(self, cells: np.ndarray, size: int) -> Float[np.ndarray, "cell point parameter"]:
        streams = [generator(self.seed, "random", cell) for cell in cells.tolist()]
        return np.stack([qmc.LatinHypercube(size, rng=stream).random(self.config.budget) for stream in streams])
