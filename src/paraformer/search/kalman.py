"""Kalman inversion: a posterior of θ from runs of the model alone, no slopes asked of it, all cells at once.

Each round runs an ensemble about the present estimate: 2p members, a pair on either side along each axis of the present
covariance (the sigma points of Huang, Schneider & Stuart 2022, doi 10.1016/j.jcp.2022.111262). Differences over a whole
standard deviation are the slopes of a Kalman update that starts from the prior every time (Bocquet & Sakov 2012, doi
10.5194/npg-19-383-2012, their Gauss-Newton form): what no member's series answers to stays where the prior has it, and
a linear model is solved exactly. The observations count little at first and gain weight as the misfit of the ensemble
allows (Iglesias & Yang 2021, doi 10.1088/1361-6420/abd29b), until they count as much as their errors warrant: those of
``numerics.inference``, as large as the residuals of the estimate, n days counting as n_e.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import qmc

from paraformer.core.seeding import generator
from paraformer.search.config import KalmanConfig
from paraformer.search.levenberg import bounded_step
from paraformer.search.objective import Misfit
from paraformer.search.state import State, Stop

_LEAST_SQUARE = 1e-8
"""Mean squared residual below which observations count no more [m6 m-6]: a ten-thousandth of soil moisture."""

_LEAST_VARIANCE = 1e-12
"""Of the members' misfits: keeps the step of members that are all alike finite."""


@dataclass(frozen=True, kw_only=True)
class KalmanState(State):
    """Estimates of all cells; the best of them by posterior cost is the population.

    Attributes:
        mean: present estimate, unit coordinates [cell, parameter].
        reached: its posterior cost [cell].
        move: update from it that is to be tried [cell, parameter].
        covariance: of the error of the updated estimate, unit coordinates.
        counted: precision of the error of an observed day so far [m-6 m6] [cell].
    """

    arrays: ClassVar[tuple[str, ...]] = (*State.arrays, "mean", "covariance", "counted", "move", "reached")

    mean: Float[np.ndarray, "cell parameter"]
    covariance: Float[np.ndarray, "cell parameter parameter"]
    counted: Float[np.ndarray, " cell"]
    move: Float[np.ndarray, "cell parameter"]
    reached: Float[np.ndarray, " cell"]

    @property
    def std(self) -> Float[np.ndarray, "cell parameter"]:
        """Standard deviation of each parameter, unit coordinates."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


class Kalman:
    """Kalman inversion in unit coordinates: 4p + 1 runs of a cell in the first round, 2p + 3 in the others."""

    def __init__(self, config: KalmanConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> KalmanState:
        """State before the first run, at the prior, whose covariance the first step sets.

        Raises:
            SettingsError: if the budget does not cover two rounds.
        """
        self.config.require_budget(size)
        n = len(cells)
        first = np.full((n, size), 0.5) if prior is None else prior
        return KalmanState(
            cells=cells,
            population=first[:, None],
            cost=np.full((n, 1), np.inf),
            evaluations=np.zeros(n, dtype=np.int64),
            stopped=np.full(n, Stop.RUNNING, dtype=np.int64),
            recent=np.full((n, 0), np.inf),
            mean=first,
            covariance=np.tile(np.eye(size), (n, 1, 1)),
            counted=np.zeros(n),
            move=np.zeros((n, size)),
            reached=np.full(n, np.inf),
        )

    def step(self, state: KalmanState, evaluate: Misfit) -> KalmanState:
        """Move every running cell to the best of some points, run the ensemble about it, and update the estimate."""
        running = state.running
        assert evaluate.inference is not None
        part, prior = state.take(running), evaluate.inference.at(running)
        if state.round == 0:
            part = replace(part, covariance=prior.std**2 * part.covariance)
        part, wrong, gained = self._try(part, running, evaluate)
        points = sigma_points(part.mean, part.covariance)
        cost, series = evaluate.run(running, points)
        part = with_best(part, points, cost)
        away = evaluate.residual(running, series)
        observed, length = evaluate.mask[running].sum(axis=1), evaluate.mask.shape[1]
        whole = prior.days / np.maximum((wrong[:, :length] ** 2).sum(axis=1), _LEAST_SQUARE * observed)
        said = prior.days
        if evaluate.others is not None:  # other targets as errors of soil moisture of the same precision
            unit = whole[:, None] ** -0.5
            wrong[:, length:] *= unit
            away[:, :, length:] *= unit[..., None]
            said = said + evaluate.others.count(evaluate.cells[running])
        square = np.maximum((away**2).sum(axis=2), _LEAST_SQUARE * observed[:, None])
        rounds = (self.config.budget - part.evaluations) // (2 * part.mean.shape[1] + len(_PARTS) + 1)  # still to come
        settled = (part.counted >= 0.98 * whole) & (gained < self.config.least_gain)
        share = np.maximum(step_length(square, whole, said), 1 / np.maximum(rounds, 1))
        counted = np.minimum(part.counted + share * np.maximum(whole - part.counted, 0.0), whole)
        slope = np.linalg.pinv(points - part.mean[:, None]) @ (away - wrong[:, None])
        precision = counted[:, None, None] * (slope @ np.swapaxes(slope, 1, 2)) + np.diag(prior.std**-2.0)
        gradient = counted[:, None] * np.einsum("cpd,cd->cp", slope, wrong)
        gradient += (part.mean - prior.prior) / prior.std**2
        part = replace(
            part,
            move=bounded_step(precision, gradient, np.zeros(len(running)), part.mean),
            covariance=np.linalg.inv(precision),
            counted=counted,
            stopped=np.where(settled, Stop.NO_GAIN, np.where(rounds < 1, Stop.BUDGET, part.stopped)),
            round=state.round + 1,
        )
        return state.put(running, part)

    def _try(
        self, state: KalmanState, running: Int[np.ndarray, " cell"], evaluate: Misfit
    ) -> tuple[KalmanState, Float[np.ndarray, "cell day"], Float[np.ndarray, " cell"]]:
        """Run parts of the last update and the best point so far: the one of least cost is the next estimate.

        In the first round, the a-priori θ and points all over the range.

        Returns:
            state, residuals at its estimate [m3 m-3], and by which part of the cost it fell.
        """
        if state.round == 0:
            points = np.concatenate([state.population, self._drawn(state)], axis=1)
        else:
            parts = state.mean[:, None] + _PARTS[:, None] * state.move[:, None]
            points = np.clip(np.concatenate([parts, state.population], axis=1), 0.0, 1.0)
        cost, series = evaluate.run(running, points)
        at, rows = cost.argmin(axis=1), np.arange(len(running))
        before = state.reached
        state = with_best(state, points, cost)
        wrong = evaluate.residual(running, series[rows, at][:, None])[:, 0]
        gained = np.where(np.isfinite(before), 1 - cost[rows, at] / np.where(np.isfinite(before), before, 1.0), np.inf)
        return replace(state, mean=points[rows, at], reached=cost[rows, at]), wrong, gained

    def _drawn(self, state: KalmanState) -> Float[np.ndarray, "cell point parameter"]:
        """As many points as members, spread over the unit cube, from a stream of each cell's own."""
        size = state.mean.shape[1]
        streams = [generator(self.seed, "kalman", cell) for cell in state.cells.tolist()]
        return np.stack([qmc.LatinHypercube(size, rng=stream).random(2 * size) for stream in streams])


_PARTS = np.array([1.0, 0.3])
"""Parts of an update that are tried: the model is not linear."""


def with_best(
    state: KalmanState, points: Float[np.ndarray, "cell set parameter"], cost: Float[np.ndarray, "cell set"]
) -> KalmanState:
    """The state with the best of its best point and some that were run."""
    every = replace(
        state,
        population=np.concatenate([state.population, points], axis=1),
        cost=np.concatenate([state.cost, cost], axis=1),
    )
    point, best = every.best()
    return replace(
        state, population=point[:, None], cost=best[:, None], evaluations=state.evaluations + points.shape[1]
    )


def sigma_points(
    mean: Float[np.ndarray, "cell parameter"], covariance: Float[np.ndarray, "cell parameter parameter"]
) -> Float[np.ndarray, "cell point parameter"]:
    """The mean, and a standard deviation to either side along each column of the covariance's root, inside [0, 1]."""
    root = np.swapaxes(np.linalg.cholesky(covariance), 1, 2)
    middle = mean[:, None]
    return np.clip(np.concatenate([middle + root, middle - root], axis=1), 0.0, 1.0)


def step_length(
    square: Float[np.ndarray, "cell member"], whole: Float[np.ndarray, " cell"], days: Float[np.ndarray, " cell"]
) -> Float[np.ndarray, " cell"]:
    """Share of the observations' weight that one round may add: the larger of n / 2 mean(Φ) and √(n / 2 var(Φ)), at
    most 1, Φ being half the weighted squared misfit of a member (Iglesias & Yang 2021, eq. 12).

    Args:
        square: summed squared residuals of the members, above 0 [m6 m-6].
        whole: precision of a day's error [m-6 m6].
        days: n, effective days n_e of soil moisture and values of other targets.
    """
    misfit = 0.5 * square * whole[:, None]
    spread = np.sqrt(days / (2 * np.maximum(misfit.var(axis=1), _LEAST_VARIANCE)))
    return np.minimum(np.maximum(days / (2 * misfit.mean(axis=1)), spread), 1.0)
