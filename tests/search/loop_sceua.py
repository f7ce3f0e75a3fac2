"""SCE-UA of one cell written as loops over lists, step by step as in the papers: what the array code must equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paraformer.core.seeding import generator
from paraformer.search.sceua import choose_simplex


def search_one(
    cost: Callable[[np.ndarray], float], size: int, complexes: int, budget: int, seed: int, cell: int
) -> tuple[float, int]:
    """Best cost and number of evaluations when the budget is spent; no convergence criterion.

    Complexes take turns call by call (all reflections, then all contractions, then all random points), which decides
    who gets the last evaluations of the budget.
    """
    members = 2 * size + 1
    points = generator(seed, "sceua", cell, "population").random((complexes * members, size))
    population = sorted(((cost(x), i, x) for i, x in enumerate(points)), key=lambda item: item[:2])
    left, turn, when = budget - len(population), len(population), 1
    while left > 0:
        parts = [population[k::complexes] for k in range(complexes)]
        for step in range(members):
            numbers = generator(seed, "sceua", cell, when, step).random((complexes, members + 2 * size))
            failed = []
            for k, part in enumerate(parts):
                chosen = choose_simplex(numbers[k, :members], size + 1)
                worst = part[chosen[-1]]
                centroid = np.mean([part[i][2] for i in chosen[:-1]], axis=0)
                box = np.array([x for _, _, x in part])
                low, high = box.min(axis=0), box.max(axis=0)
                trials = [
                    2 * centroid - worst[2],
                    (centroid + worst[2]) / 2,
                    low + (high - low) * numbers[k, members + size :],
                ]
                if (trials[0] < 0).any() or (trials[0] > 1).any():
                    trials[0] = low + (high - low) * numbers[k, members : members + size]
                failed.append((k, chosen[-1], worst[0], trials))
            for kind in range(3):
                still = []
                for k, at, worst_cost, trials in failed:
                    if left == 0:
                        continue
                    left -= 1
                    value = cost(trials[kind])
                    if value < worst_cost or kind == 2:
                        turn += 1
                        parts[k][at] = (value, turn, trials[kind])
                    else:
                        still.append((k, at, worst_cost, trials))
                failed = still
            parts = [sorted(part, key=lambda item: item[0]) for part in parts]
        population = [part[i] for i in range(members) for part in parts]
        population.sort(key=lambda item: item[0])
        when += 1
    return float(population[0][0]), budget - left
