"""Levenberg-Marquardt in every cell: least squares on the Jacobian of the daily series, for all cells at once.

Damping by the gain ratio and its update are those of Nielsen (1999; Madsen, Nielsen & Tingleff 2004, "Methods for
non-linear least squares problems", algorithm 3.16); bounds by an active set. A start is the best of a few
points of a Latin hypercube (at first, of the a-priori θ, too); a cell that has converged begins again while its budget
lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import qmc

from paraformer.core.contracts import CalibrationData, ForwardModel
from paraformer.core.seeding import generator
from paraformer.core.targets_config import TargetsConfig
from paraformer.numerics.inference import Inference, straightened
from paraformer.numerics.observe import fit_line, observe
from paraformer.search.config import LevenbergConfig, MisfitConfig
from paraformer.search.objective import OUTPUT, Misfit, linearisable
from paraformer.search.state import State, Stop
from paraformer.training.threads import settle_threads

_LEAST_SLOPE, _LEAST_STEP = 1e-4, 1e-4
"""A start ends when no parameter changes the log cost by more, or when its step is smaller [1 per range]."""

TINY = 1e-300
"""Keeps the damping above 0 where the series does not depend on any parameter."""


@runtime_checkable
class LeastSquares(Protocol):
    """What Levenberg-Marquardt evaluates: a cost whose square is a sum of squares, and its derivatives."""

    def run(
        self, cells: Int[np.ndarray, " cell"], points: Float[np.ndarray, "cell set parameter"]
    ) -> tuple[Float[np.ndarray, "cell set"], np.ndarray]:
        """Cost, and of each point what its linearisation goes on from [cell, set, ...]."""
        ...

    def normal_equations(
        self, cells: Int[np.ndarray, " cell"], at: Float[np.ndarray, "cell parameter"], series: np.ndarray
    ) -> tuple[Float[np.ndarray, "cell parameter"], Float[np.ndarray, "cell parameter parameter"]]:
        """Gradient and Gauss-Newton curvature of half the squared cost, in unit coordinates."""
        ...


class Residuals(Misfit):
    """The misfit with what least squares needs beside it: its series, gradient and curvature.

    Raises:
        ModelError: if the model gives no slopes.
    """

    def __init__(
        self,
        model: ForwardModel,
        data: CalibrationData,
        cells: Int[np.ndarray, " cell"],
        loss: MisfitConfig,
        runs_together: int,
        targets: TargetsConfig | None = None,
    ) -> None:
        super().__init__(model, data, cells, loss, runs_together, targets)
        self.slopes = linearisable(model)

    def normal_equations(
        self,
        cells: Int[np.ndarray, " cell"],
        at: Float[np.ndarray, "cell parameter"],
        series: Float[np.ndarray, "cell day"],
    ) -> tuple[Float[np.ndarray, "cell parameter"], Float[np.ndarray, "cell parameter parameter"]]:
        """Gradient and Gauss-Newton curvature of half the squared cost, in unit coordinates: 2p runs a cell.

        Args:
            series: of the training days at ``at``.
        """
        size = max(1, self.runs_together // (2 * at.shape[1]))
        blocks = [slice(i, i + size) for i in range(0, len(cells), size)]
        found = [self._normal(cells[b], at[b], series[b]) for b in blocks]
        return np.concatenate([g for g, _ in found]), np.concatenate([a for _, a in found])

    def _normal(
        self, cells: Int[np.ndarray, " cell"], at: np.ndarray, series: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        here = self.cells[cells]
        whole = np.array_equal(here, np.arange(self.slopes.n_cells))
        part: Any = self.slopes if whole else self.slopes.select(here)
        value = {name: one[:, None] for name, one in self.parts(series).items()}
        slopes = part.linearise(at[:, None], self.outputs, value, self.days).slope
        slope = np.concatenate([slopes[name][:, 0] for name in self.outputs], axis=1)
        if part is not self.slopes:
            self.slopes.runs += part.runs
        mask, observed = torch.as_tensor(self.mask[cells]), torch.as_tensor(self.observed[cells])
        root = mask.sum(dim=1, keepdim=True).double().sqrt()

        def residual(simulated: torch.Tensor) -> torch.Tensor:
            moisture = self.parts(simulated)[OUTPUT]
            seen = observe(moisture, fit_line(self.operator, moisture, observed, mask))
            wrong = torch.where(mask, seen - observed, 0.0)
            if self.others is None:
                return wrong
            beside = self.beside(cells, simulated)
            if self.others.by_error:
                return torch.cat([wrong, beside], dim=1)
            return torch.cat([self.weight**0.5 * wrong, root * beside], dim=1)

        point = torch.as_tensor(series)
        columns = torch.as_tensor(slope).unbind(-1)
        pairs: list[Any] = [torch.func.jvp(residual, (point,), (column.contiguous(),)) for column in columns]
        settle_threads()
        days = self.mask[cells].sum(axis=1)[:, None]
        wrong, jacobian = pairs[0][0].numpy(), np.stack([pair[1].numpy() for pair in pairs], axis=1)
        here = None if self.inference is None else self.inference.at(cells)
        square, chi = np.zeros((len(cells), 1)), np.zeros(len(cells))
        if here is not None:
            moist, beside = wrong[:, : mask.shape[1]], wrong[:, mask.shape[1] :]
            square, chi = (moist**2).sum(axis=1)[:, None] / days, (beside**2).sum(axis=1)
            scale = np.sqrt(square * days / here.days[:, None])  # as of errors of soil moisture, n_e of them
            wrong = np.concatenate([moist, scale * beside], axis=1)
            jacobian[..., mask.shape[1] :] *= scale[..., None]
        gradient = (jacobian * wrong[:, None]).sum(axis=2) / days
        curvature = (jacobian[:, :, None] * jacobian[:, None]).sum(axis=3) / days[..., None]
        return (gradient, curvature) if here is None else with_prior(gradient, curvature, square, chi, at, here)


def with_prior(
    gradient: Float[np.ndarray, "cell parameter"],
    curvature: Float[np.ndarray, "cell parameter parameter"],
    square: Float[np.ndarray, "cell 1"],
    chi: Float[np.ndarray, " cell"],
    at: Float[np.ndarray, "cell parameter"],
    inference: Inference,
) -> tuple[Float[np.ndarray, "cell parameter"], Float[np.ndarray, "cell parameter parameter"]]:
    """Gradient and Gauss-Newton curvature of half the squared posterior cost, m exp((χ² + Q) / n_e) / 2.

    The curvature leaves out products of the slopes of m, χ² and Q, which keeps it positive.

    Args:
        gradient, curvature: of m / 2 + m χ² / 2 n_e, the second m held.
        square: mean squared residual m [m6 m-6].
        chi: χ² of the other targets.
    """
    weight = square / (inference.std**2 * inference.days[:, None])
    gradient = gradient + weight * (at - inference.prior)
    curvature = curvature + weight[:, :, None] * np.eye(at.shape[1])
    square = np.maximum(square[:, 0], TINY)
    cost, slope = straightened(np.log(square) / 2 + inference.log_excess(at) + chi / (2 * inference.days))
    factor = (cost * slope / square)[:, None]
    return factor * gradient, factor[..., None] * curvature


@dataclass(frozen=True, kw_only=True)
class LevenbergState(State):
    """Where every cell stands; the best point of all its starts is the population.

    Attributes:
        point: current point [cell, parameter].
        point_cost: its cost, infinite before the first run [cell].
        gradient, curvature: of half the squared cost there, unit coordinates.
        damping: μ, added to the curvature's diagonal [cell].
        growth: ν, by which the next failure multiplies it [cell].
        starts: starts begun [cell].
        settled: whether the current start has converged, so that the next step begins a new one [cell].
    """

    arrays: ClassVar[tuple[str, ...]] = (
        *State.arrays,
        "point",
        "point_cost",
        "gradient",
        "curvature",
        "damping",
        "growth",
        "starts",
        "settled",
    )

    point: Float[np.ndarray, "cell parameter"]
    point_cost: Float[np.ndarray, " cell"]
    gradient: Float[np.ndarray, "cell parameter"]
    curvature: Float[np.ndarray, "cell parameter parameter"]
    damping: Float[np.ndarray, " cell"]
    growth: Float[np.ndarray, " cell"]
    starts: Int[np.ndarray, " cell"]
    settled: Bool[np.ndarray, " cell"]


class Levenberg:
    """Levenberg-Marquardt in unit coordinates."""

    def __init__(self, config: LevenbergConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> LevenbergState:
        """State before the first run.

        Raises:
            SettingsError: if the budget does not even cover one linearisation and a step.
        """
        self.config.require_budget(size)
        n = len(cells)
        first = np.full((n, size), 0.5) if prior is None else prior
        return LevenbergState(
            cells=cells,
            population=first[:, None],
            cost=np.full((n, 1), np.inf),
            evaluations=np.zeros(n, dtype=np.int64),
            stopped=np.full(n, Stop.RUNNING, dtype=np.int64),
            recent=np.full((n, 0), np.inf),
            point=first,
            point_cost=np.full(n, np.inf),
            gradient=np.zeros((n, size)),
            curvature=np.zeros((n, size, size)),
            damping=np.zeros(n),
            growth=np.full(n, 2.0),
            starts=np.zeros(n, dtype=np.int64),
            settled=np.ones(n, dtype=bool),
        )

    def step(self, state: LevenbergState, evaluate: LeastSquares) -> LevenbergState:
        """A trial step of every cell and the linearisation of its new point, or the begin of a new start."""
        running = state.running
        part = state.take(running)
        for chosen, work in ((part.settled, self._begin), (~part.settled, self._advance)):
            some = np.flatnonzero(chosen)
            if some.size:
                part = part.put(some, work(part.take(some), running[some], evaluate))
        better = part.point_cost < part.cost[:, 0]
        part = replace(
            part,
            population=np.where(better[:, None], part.point, part.population[:, 0])[:, None],
            cost=np.where(better, part.point_cost, part.cost[:, 0])[:, None],
            stopped=self._stops(part),
            round=state.round + 1,
        )
        return state.put(running, part)

    def _begin(self, state: LevenbergState, cells: Int[np.ndarray, " cell"], evaluate: LeastSquares) -> LevenbergState:
        """Run the next points of a Latin hypercube, at first the a-priori θ, too, and linearise at the best."""
        first = (state.starts == 0) & self.config.start_from_prior
        for chosen in (first, ~first):
            some = np.flatnonzero(chosen)
            if some.size == 0:
                continue
            part, rows = state.take(some), np.arange(len(some))
            points = self._points(part)
            if chosen is first:
                points = np.concatenate([part.population, points], axis=1)
            cost, series = evaluate.run(cells[some], points)
            best = cost.argmin(axis=1)
            part = replace(
                part,
                point=points[rows, best],
                point_cost=cost[rows, best],
                starts=part.starts + 1,
                evaluations=part.evaluations + points.shape[1],
                settled=np.zeros(len(some), dtype=bool),
                growth=np.full(len(some), 2.0),
            )
            part = _linearised(part, cells[some], series[rows, best], evaluate)
            largest = np.einsum("cpp->cp", part.curvature).max(axis=1)
            state = state.put(some, replace(part, damping=self.config.damping * np.maximum(largest, TINY)))
        return state

    def _advance(
        self, state: LevenbergState, cells: Int[np.ndarray, " cell"], evaluate: LeastSquares
    ) -> LevenbergState:
        """Solve the damped normal equations, try the point, keep it if the cost falls."""
        move = bounded_step(state.curvature, state.gradient, state.damping, state.point)
        promised = _promised(state, move)
        slope = np.abs(np.where(held(state.point, state.gradient), 0.0, state.gradient)).max(axis=1)
        flat = slope <= _LEAST_SLOPE * state.point_cost**2
        flat |= (np.abs(move).max(axis=1) <= _LEAST_STEP) | ~np.isfinite(promised)
        state, tried = replace(state, settled=flat), ~flat & (promised > 0.0)
        state = state.put(np.flatnonzero(~flat & ~tried), _failed(state.take(np.flatnonzero(~flat & ~tried))))
        some = np.flatnonzero(tried)
        if some.size == 0:
            return state
        part, trial = state.take(some), np.clip(state.point + move, 0.0, 1.0)[some]
        cost, series = (a[:, 0] for a in evaluate.run(cells[some], trial[:, None]))
        part, kept = replace(part, evaluations=part.evaluations + 1), cost < part.point_cost
        ratio = 0.5 * (part.point_cost**2 - cost**2) / promised[some]
        gain = 1.0 - cost / np.where(kept, part.point_cost, cost)
        moved = replace(
            part,
            point=trial,
            point_cost=cost,
            settled=gain <= self.config.least_gain,
            growth=np.full(len(some), 2.0),
            damping=part.damping * np.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3),
        )
        taken, refused = np.flatnonzero(kept), np.flatnonzero(~kept)
        part = part.put(taken, moved.take(taken))
        part = part.put(refused, _failed(part.take(refused)))
        again = np.flatnonzero(kept & ~part.settled & (self._left(part) > 2 * trial.shape[1]))
        if again.size:
            part = part.put(again, _linearised(part.take(again), cells[some][again], series[again], evaluate))
        behind = np.setdiff1d(np.flatnonzero(kept & ~part.settled), again)  # no runs left to linearise where they are
        part.stopped[behind] = Stop.BUDGET
        return state.put(some, part)

    def _stops(self, state: LevenbergState) -> Int[np.ndarray, " cell"]:
        """A settled cell goes on while it may begin anew and its budget covers it; another while it has a run left."""
        again = self._left(state) >= self.config.candidates + 2 * state.point.shape[1] + 1
        if self.config.starts is not None:
            again &= state.starts < self.config.starts
        stopped = np.where((state.stopped == Stop.RUNNING) & state.settled & ~again, Stop.NO_GAIN, state.stopped)
        return np.where((stopped == Stop.RUNNING) & (self._left(state) < 1), Stop.BUDGET, stopped)

    def _left(self, state: LevenbergState) -> Int[np.ndarray, " cell"]:
        return self.config.budget - state.evaluations

    def _points(self, state: LevenbergState) -> Float[np.ndarray, "cell candidate parameter"]:
        streams = [
            generator(self.seed, "levenberg", cell, start)
            for cell, start in zip(state.cells.tolist(), state.starts.tolist(), strict=True)
        ]
        size = state.point.shape[1]
        return np.stack([qmc.LatinHypercube(size, rng=stream).random(self.config.candidates) for stream in streams])


def bounded_step(
    curvature: Float[np.ndarray, "cell parameter parameter"],
    gradient: Float[np.ndarray, "cell parameter"],
    damping: Float[np.ndarray, " cell"],
    at: Float[np.ndarray, "cell parameter"],
) -> Float[np.ndarray, "cell parameter"]:
    """Step s of least gᵀs + sᵀ(A + μI)s / 2 whose end lies in [0, 1].

    Parameters on a bound that the gradient pushes outwards are held; those that the solution takes out are put on their
    bound and the others solved for again, until none leaves.
    """
    size = at.shape[1]
    damped = curvature + damping[:, None, None] * np.eye(size)
    fixed, move = held(at, gradient), np.zeros_like(at)
    for _ in range(size):
        free = ~fixed
        both = free[:, :, None] & free[:, None, :]
        matrix = np.where(both, damped, np.eye(size))
        pull = gradient + np.einsum("cpq,cq->cp", damped, np.where(fixed, move, 0.0))
        solved = np.linalg.solve(matrix, np.where(free, -pull, 0.0)[..., None])[..., 0]
        move = np.where(free, solved, move)
        end = at + move
        leaves = free & ((end < 0.0) | (end > 1.0))
        if not leaves.any():
            break
        move = np.where(leaves, np.clip(end, 0.0, 1.0) - at, move)
        fixed = fixed | leaves
    return move


def held(
    at: Float[np.ndarray, "cell parameter"], gradient: Float[np.ndarray, "cell parameter"]
) -> Bool[np.ndarray, "cell parameter"]:
    """Parameters on a bound beyond which the cost would fall."""
    return ((at <= 0.0) & (gradient > 0.0)) | ((at >= 1.0) & (gradient < 0.0))


def _promised(state: LevenbergState, move: Float[np.ndarray, "cell parameter"]) -> Float[np.ndarray, " cell"]:
    """Fall of half the squared cost that the undamped quadratic model promises."""
    bent = np.einsum("cp,cpq,cq->c", move, state.curvature, move)
    return -(state.gradient * move).sum(axis=1) - 0.5 * bent


def _failed(state: LevenbergState) -> LevenbergState:
    return replace(state, damping=state.damping * state.growth, growth=2.0 * state.growth)


def _linearised(
    state: LevenbergState, cells: Int[np.ndarray, " cell"], series: np.ndarray, evaluate: LeastSquares
) -> LevenbergState:
    gradient, curvature = evaluate.normal_equations(cells, state.point, series)
    runs = 2 * state.point.shape[1]
    return replace(state, gradient=gradient, curvature=curvature, evaluations=state.evaluations + runs)
