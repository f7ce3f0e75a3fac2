"""Ensemble Kalman inversion: a posterior of θ from runs of the model alone, no slopes, all cells at once.

An ensemble drawn from the prior is moved towards the observations in small steps, each of which lets them count a
little more, until they count as much as their errors warrant (Iglesias, Law & Stuart 2013, doi
10.1088/0266-5611/29/4/045001; steps that add up to the whole: Emerick & Reynolds 2013, doi
10.1016/j.cageo.2012.03.011). A step is the deterministic square root of Hunt et al. (2007, doi
10.1016/j.physd.2006.11.008), which needs no random numbers and is exact for a linear model; its length follows the
misfit of the ensemble (Iglesias & Yang 2021, doi 10.1088/1361-6420/abd29b). The errors of the observations are those
of ``numerics.inference``: as large as the residuals at the ensemble's mean, n days counting as n_e.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.seeding import generator
from paraformer.search.config import KalmanConfig
from paraformer.search.objective import Misfit
from paraformer.search.state import State, Stop

_SETTLED = 0.02
"""A cell is done when its observations count within this share of what their errors warrant."""


@dataclass(frozen=True, kw_only=True)
class KalmanState(State):
    """Ensembles of all cells; the best point that was run is the population.

    Attributes:
        members: unit coordinates, beyond the bounds as the Gaussian has them [cell, member, parameter].
        counted: how much each observed day has counted so far, the precision of its error [m-6 m6] [cell].
        std: standard deviation of the members, unit coordinates [cell, parameter].
    """

    arrays: ClassVar[tuple[str, ...]] = (*State.arrays, "members", "counted", "std")

    members: Float[np.ndarray, "cell member parameter"]
    counted: Float[np.ndarray, " cell"]
    std: Float[np.ndarray, "cell parameter"]


class Step(NamedTuple):
    """What moves an ensemble.

    Attributes:
        response: series of the members less their mean series, 0 on days without an observation [m3 m-3].
        wrong: observed less simulated at the mean of the members [m3 m-3], 0 on days without an observation.
        precision: that each observed day gains [m-6 m6].
    """

    response: Float[np.ndarray, "cell member day"]
    wrong: Float[np.ndarray, "cell day"]
    precision: Float[np.ndarray, " cell"]


class EnsembleKalman:
    """Ensemble Kalman inversion in unit coordinates, in rounds of one run of every member and of their mean."""

    def __init__(self, config: KalmanConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> KalmanState:
        """Ensembles of mean 0 and covariance 1 exactly, which the first step moves to the prior.

        Raises:
            SettingsError: if the budget does not cover two rounds, or there are no more members than parameters.
        """
        self.config.require_budget(size)
        streams = [generator(self.seed, "kalman", cell) for cell in cells.tolist()]
        n, members = len(cells), self.config.size(size)
        drawn = np.stack([stream.standard_normal((members, size)) for stream in streams])
        return KalmanState(
            cells=cells,
            population=np.full((n, 1, size), 0.5) if prior is None else prior[:, None],
            cost=np.full((n, 1), np.inf),
            evaluations=np.zeros(n, dtype=np.int64),
            stopped=np.full(n, Stop.RUNNING, dtype=np.int64),
            recent=np.full((n, 0), np.inf),
            members=whitened(drawn),
            counted=np.zeros(n),
            std=np.ones((n, size)),
        )

    def step(self, state: KalmanState, evaluate: Misfit) -> KalmanState:
        """Run the ensemble of every running cell and its mean, and move it; at the end run the mean alone."""
        running, inference = state.running, evaluate.inference
        assert inference is not None
        part, prior = state.take(running), inference.at(running)
        if state.round == 0:
            part = replace(part, members=prior.prior[:, None] + inference.std * part.members)
        mean = part.members.mean(axis=1, keepdims=True)
        points = np.clip(np.concatenate([mean, part.members], axis=1), 0.0, 1.0)
        cost, series = evaluate.run(running, points)
        part = _with_best(part, points, cost)
        residual = evaluate.residual(running, series)
        days = evaluate.mask[running].sum(axis=1)
        square = (residual**2).sum(axis=2)  # [cell, mean and members]
        warranted = prior.days / np.maximum(square[:, 0], _LEAST_SQUARE * days)
        left = warranted - part.counted
        done = left <= _SETTLED * warranted
        rounds = (self.config.budget - part.evaluations) // points.shape[1]  # that follow this one
        gained = np.maximum(left * step_length(square[:, 1:], warranted, prior.days), left / np.maximum(rounds, 1))
        gained = np.where(done, 0.0, np.minimum(gained, left))
        response = residual[:, 1:] - residual[:, 1:].mean(axis=1, keepdims=True)
        members = moved(part.members, Step(response, -residual[:, 0], gained))
        stopped = np.where(done, Stop.NO_GAIN, np.where(rounds < 1, Stop.BUDGET, part.stopped))
        part = replace(
            part,
            members=members,
            std=members.std(axis=1, ddof=1),
            counted=part.counted + gained,
            stopped=stopped,
            round=state.round + 1,
        )
        return state.put(running, part)


_LEAST_SQUARE = 1e-8
"""Mean squared residual below which observations count no more [m6 m-6]: a ten-thousandth of soil moisture."""


def _with_best(
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


def whitened(drawn: Float[np.ndarray, "cell member parameter"]) -> Float[np.ndarray, "cell member parameter"]:
    """The same members, moved so that their mean is 0 and their covariance 1."""
    away = drawn - drawn.mean(axis=1, keepdims=True)
    covariance = np.einsum("cmp,cmq->cpq", away, away) / (drawn.shape[1] - 1)
    return np.swapaxes(np.linalg.solve(np.linalg.cholesky(covariance), np.swapaxes(away, 1, 2)), 1, 2)


def step_length(
    square: Float[np.ndarray, "cell member"], warranted: Float[np.ndarray, " cell"], days: Float[np.ndarray, " cell"]
) -> Float[np.ndarray, " cell"]:
    """Share of the observations' weight that one step may take: the larger of n_e / 2 mean(Φ) and √(n_e / 2 var(Φ)),
    at most 1, Φ being half the weighted squared misfit of a member (Iglesias & Yang 2021, eq. 12).

    Args:
        square: summed squared residuals of the members [m6 m-6].
        warranted: precision of a day's error [m-6 m6].
        days: effective number of days n_e.
    """
    misfit = 0.5 * square * warranted[:, None]
    mean, variance = misfit.mean(axis=1), misfit.var(axis=1)
    tiny = np.finfo(np.float64).tiny
    longest = np.maximum(days / (2 * np.maximum(mean, tiny)), np.sqrt(days / (2 * np.maximum(variance, tiny))))
    return np.minimum(longest, 1.0)


def moved(
    members: Float[np.ndarray, "cell member parameter"], step: Step
) -> Float[np.ndarray, "cell member parameter"]:
    """Analysis of an ensemble transform Kalman filter (Hunt et al. 2007, eqs. 20-24), observations with equal errors.

    Where the precision is 0 nothing moves.
    """
    mean = members.mean(axis=1, keepdims=True)
    away, size = members - mean, members.shape[1]
    precision = step.precision[:, None, None]
    gram = np.einsum("cmd,cnd->cmn", step.response, step.response)
    values, vectors = np.linalg.eigh((size - 1) * np.eye(size) + precision * gram)
    inverse = (vectors / values[:, None]) @ np.swapaxes(vectors, 1, 2)
    root = (vectors * np.sqrt((size - 1) / values)[:, None]) @ np.swapaxes(vectors, 1, 2)
    weight = inverse @ (precision * np.einsum("cmd,cd->cm", step.response, step.wrong)[..., None])
    return mean + np.swapaxes(weight, 1, 2) @ away + root @ away
