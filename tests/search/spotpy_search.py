"""spotpy's SCE-UA on one of our problems: an implementation by other hands."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import spotpy
from spotpy.parameter import Uniform

Cost = Callable[[np.ndarray], float]


class Setup:
    """What spotpy asks for, over a cost of unit coordinates; keeps every cost in the order of the calls."""

    def __init__(self, cost: Cost, size: int) -> None:
        self.cost, self.costs = cost, list[float]()
        self.uniform = [Uniform(f"u{i}", 0.0, 1.0) for i in range(size)]  # slow to make, so made once

    def parameters(self) -> Any:
        return spotpy.parameter.generate(self.uniform)

    def simulation(self, point: Any) -> list[float]:
        self.costs.append(self.cost(np.array(list(point))))
        return [self.costs[-1]]

    def evaluation(self) -> list[float]:
        return [0.0]

    def objectivefunction(self, simulation: list[float], evaluation: list[float]) -> float:
        return simulation[0]


def best_of_spotpy(cost: Cost, size: int, *, complexes: int, budget: int, seed: int) -> float:
    """Best cost of the first ``budget`` calls, without any criterion of convergence.

    spotpy counts an accepted point twice and ends with a whole shuffle, so it is asked for more and its first
    ``budget`` calls are taken: it gets every one that ours gets.
    """
    setup = Setup(cost, size)
    sampler = spotpy.algorithms.sceua(setup, dbname="unused", dbformat="ram", save_sim=False, random_state=seed)
    with contextlib.redirect_stdout(io.StringIO()):
        sampler.sample(int(1.75 * budget), ngs=complexes, kstop=10**6, pcento=1e-300, peps=1e-300)
    if len(setup.costs) < budget:
        raise AssertionError(f"spotpy stopped after {len(setup.costs)} of {budget} calls")
    return min(setup.costs[:budget])
