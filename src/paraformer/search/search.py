"""Search: θ of every observed cell, each for itself, with any forward model (``core.contracts.Calibrator``).

Law: a search killed at any moment and started again ends with the same bits as one that was not.
"""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.contracts import Calibrated, CalibrationData, ForwardModel
from paraformer.core.files import hash_bytes, hash_json, write_text
from paraformer.core.log import Progress
from paraformer.search.checkpoint import load_arrays, save_arrays
from paraformer.search.config import BuiltInSearchConfig
from paraformer.search.kalman import Kalman, KalmanState
from paraformer.search.levenberg import Levenberg, Residuals
from paraformer.search.objective import Misfit, searchable
from paraformer.search.random import LatinHypercube
from paraformer.search.sceua import SCEUA
from paraformer.search.state import Algorithm, State, Stop
from paraformer.search.streamflow import FlowMisfit, FlowResiduals, searchable_basins
from paraformer.training.checkpoint import space_hash

logger = logging.getLogger(__name__)

SEARCHES: dict[str, Callable[..., Algorithm[Any]]] = {
    "sceua": SCEUA,
    "random": LatinHypercube,
    "levenberg": Levenberg,
    "kalman": Kalman,
}
"""Search algorithms by name: settings, seed."""

OBJECTIVES: dict[str, Callable[..., Misfit]] = {"levenberg": Residuals}
FLOW_OBJECTIVES: dict[str, Callable[..., FlowMisfit]] = {"levenberg": FlowResiduals}
"""What an algorithm evaluates, where it is more than the cost."""

TRACE = ("round", "evaluations", "running", "median_cost", "mean_cost")
"""Columns of ``trace.csv``: after each round, runs and running cells; best cost over the searched cells [m3 m-3]."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        theta: physical units, inside the bounds; the a-priori θ where a cell was not searched [cell, parameter].
        cost: its RMSE after the observation operator, or posterior cost [m3 m-3], NaN where a cell was not searched
            [cell].
        evaluations: forward runs [cell].
        stopped: why each cell stopped, a ``Stop`` [cell].
        std: standard deviation of θ, unit coordinates, by a search that knows it; that of the prior where a cell was
            not searched [cell, parameter].
        routing: learned parameters of routing, physical units [basin, parameter]; ``None`` where there are none.

    Of a search of streamflow, cost (the distance of ``numerics.flow_loss``, or posterior cost), evaluations and stopped
    are of basins.
    """

    theta: Float[np.ndarray, "cell parameter"]
    cost: Float[np.ndarray, " searched"]
    evaluations: Int[np.ndarray, " searched"]
    stopped: Int[np.ndarray, " searched"]
    std: Float[np.ndarray, "cell parameter"] | None = None
    routing: Float[np.ndarray, "basin routing"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored."""
        return {name: values for name, values in vars(self).items() if values is not None}


class _Case(NamedTuple):
    """What is searched: the objective, identifiers that name the random streams, and the first point of each."""

    evaluate: Any
    cells: np.ndarray
    prior: Float[np.ndarray, "cell parameter"]


class Search:
    """Calibrator that searches every cell for itself (implements ``core.contracts.Calibrator``)."""

    def __init__(self, config: BuiltInSearchConfig) -> None:
        self.config = config
        self.name: str = config.name

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> Calibrated:
        """Search, or finish an interrupted search in ``directory``: θ of every cell of ``data``.

        Raises:
            DataError: if no cell can be searched, or model and data do not fit.
            ModelError: if the model has no soil moisture, or gives a value that is not finite.
            RunError: if ``directory`` holds another search or a damaged file.
            SettingsError: if the budget is below the initial population.
        """
        found = self.search(model, data, seed=seed, directory=directory, progress=progress)
        evaluations = found.evaluations
        if self.config.of_flow:
            size = np.array([len(cells) for cells in data.gauged().basins.cells])
            evaluations = size * (np.minimum(evaluations, 1) if self.config.find == "routing" else evaluations)
        return Calibrated(found.theta, int(evaluations.sum()) if self.config.model == "process" else 0, found.routing)

    def search(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> SearchResult:
        """As ``calibrate``, with cost, number of runs and reason to stop of every cell."""
        identity = self._identity(model, data, seed)
        stored = load_arrays(directory / "result.safetensors", identity)
        if stored is None:
            state, trace = self._finish(model, data, identity, directory, progress)
            result = self._result(model, data, state)
            write_text(directory / "trace.csv", _csv(trace))
            save_arrays(directory / "result.safetensors", result.arrays(), identity)
        else:
            result = SearchResult(**stored)
        _checkpoint(directory).unlink(missing_ok=True)  # a kill may have come between storing and removing
        return result

    def _finish(
        self, model: ForwardModel, data: CalibrationData, identity: dict[str, Any], directory: Path, progress: Progress
    ) -> tuple[State, list[list[float]]]:
        """Step until every cell has stopped, from the checkpoint if there is one."""
        evaluate, cells, prior = self._case(model, data)
        algorithm = SEARCHES[self.name](self.config, identity["seed"])
        state = algorithm.start(cells, prior.shape[1], prior if self.config.start_from_prior else None)
        state, trace = _resumed(state, load_arrays(_checkpoint(directory), identity))
        saved_at, total, settled = time.monotonic(), self.config.budget * len(cells), self._settled(state)
        with progress.task(f"search: {self.name}", total, unit="runs", done=settled) as advance:
            while state.running.size:
                before, state = state, algorithm.step(state, evaluate)
                if state.round > before.round:
                    trace.append(_row(state))
                if time.monotonic() - saved_at >= self.config.checkpoint_seconds:
                    save_arrays(_checkpoint(directory), _arrays(state, trace), identity)
                    saved_at = time.monotonic()
                settled, was = self._settled(state), settled
                advance(settled - was, f"best {np.median(state.best()[1]):.4g}")
        reasons = ", ".join(f"{(state.stopped == stop).sum()} {stop.name.lower()}" for stop in Stop)
        what = "basins" if self.config.of_flow else "cells"
        logger.info("%s: %d runs in %d %s; stopped: %s", self.name, state.evaluations.sum(), len(cells), what, reasons)
        return state, trace

    def _case(self, model: ForwardModel, data: CalibrationData) -> _Case:
        if self.config.of_flow:
            evaluate = self._flow_misfit(model, data)
            first = [evaluate.basins.cells[basin][0] for basin in evaluate.at]
            return _Case(evaluate, data.cells[first], evaluate.prior())
        cells = searchable(data, self.config.loss.min_days)
        settings = self.config.loss, self.config.runs_together, self.config.others
        misfit = OBJECTIVES.get(self.name, Misfit)(model, data, cells, *settings)
        return _Case(misfit, data.cells[cells], np.clip(model.parameters.to_unit(data.prior[cells]), 0.0, 1.0))

    def _flow_misfit(self, model: ForwardModel, data: CalibrationData) -> FlowMisfit:
        at = searchable_basins(data, self.config.gauged.min_days)
        return FLOW_OBJECTIVES.get(self.name, FlowMisfit)(model, data, at, self.config)

    def _result(self, model: ForwardModel, data: CalibrationData, state: State) -> SearchResult:
        if not self.config.of_flow:
            return self._result_of_cells(model, data, state)
        misfit, (point, best) = self._flow_misfit(model, data), state.best()
        n = len(misfit.basins.cells)
        cost, evaluations = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
        stopped = np.full(n, Stop.NOT_SEARCHED, dtype=np.int64)
        cost[misfit.at], evaluations[misfit.at], stopped[misfit.at] = best, state.evaluations, state.stopped
        if misfit.by_inference:
            evaluations[misfit.at] += 1  # of the a-priori θ, for the effective days
        theta, routing = misfit.found(point)
        return SearchResult(theta, cost, evaluations, stopped, routing=routing)

    def _result_of_cells(self, model: ForwardModel, data: CalibrationData, state: State) -> SearchResult:
        cells, inference = searchable(data, self.config.loss.min_days), self.config.loss.inference
        result = _result(model, data, cells, state)
        if inference is None:
            return result
        result.evaluations[cells] += 1  # of the a-priori θ, for the effective days
        if not isinstance(state, KalmanState):
            return result
        std = np.tile(inference.std(model.parameters), (len(data.cells), 1))
        std[cells] = state.std
        return replace(result, std=std)

    def _settled(self, state: State) -> int:
        """Runs done, and runs that stopped cells will not need: what is left of the budget is left to do."""
        return int(np.where(state.stopped == Stop.RUNNING, state.evaluations, self.config.budget).sum())

    def _identity(self, model: ForwardModel, data: CalibrationData, seed: int) -> dict[str, Any]:
        """What θ depends on: no observation of a cell that is not trained."""
        mask = data.mask & data.trained[:, None]
        arrays = (data.prior, np.where(mask, data.observed, 0.0), mask, data.trained)
        return {
            "settings": self.config.numerical(),
            "seed": seed,
            "parameter_space": space_hash(model.parameters),
            "data": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays)),
            "cells": hash_json(data.cells.tolist()),
            "days": [data.first_day, len(data.time)],
            "forward_model": hash_json(model.description()),
            **self._flow_identity(data),
            **self._other_identity(data),
        }

    def _other_identity(self, data: CalibrationData) -> dict[str, Any]:
        """References that targets are compared with, and the rain that a runoff ratio needs."""
        if self.config.others is None or not self.config.others.chosen:
            return {}
        given = [data.references[name] for name in self.config.others.references if name in data.references]
        arrays = [data.forcing, *(each.values for each in given), *(each.known for each in given)]
        return {"references": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays))}

    def _flow_identity(self, data: CalibrationData) -> dict[str, Any]:
        if not self.config.of_flow:
            return {}
        flow = data.gauged()
        arrays = (np.ascontiguousarray(a).tobytes() for a in (flow.observed, flow.mask))
        return {"flow": hash_bytes(*arrays), "river": hash_json(flow.basins.description())}


def _result(model: ForwardModel, data: CalibrationData, cells: Int[np.ndarray, " some"], state: State) -> SearchResult:
    point, best = state.best()
    n, space = len(data.cells), model.parameters
    theta, cost = data.prior.astype(np.float64), np.full(n, np.nan)
    evaluations, stopped = np.zeros(n, dtype=np.int64), np.full(n, Stop.NOT_SEARCHED, dtype=np.int64)
    theta[cells], cost[cells] = space.clip(space.from_unit(point)), best
    evaluations[cells], stopped[cells] = state.evaluations, state.stopped
    return SearchResult(theta, cost, evaluations, stopped)


def _checkpoint(directory: Path) -> Path:
    return directory / "checkpoint.safetensors"


def _arrays(state: State, trace: list[list[float]]) -> dict[str, np.ndarray]:
    arrays = {name: getattr(state, name) for name in state.arrays}
    return {**arrays, "at": np.array([state.round, state.step]), "trace": np.array(trace).reshape(-1, len(TRACE))}


def _resumed(state: State, stored: Mapping[str, np.ndarray] | None) -> tuple[State, list[list[float]]]:
    if stored is None:
        return state, []
    at = [int(i) for i in stored["at"]]
    logger.info("resuming in round %d, %d runs done", at[0], stored["evaluations"].sum())
    state = replace(state, **{name: stored[name] for name in state.arrays}, round=at[0], step=at[1])
    return state, stored["trace"].tolist()


def _row(state: State) -> list[float]:
    cost = state.best()[1]
    runs, running = float(state.evaluations.sum()), float(state.running.size)
    return [float(state.round), runs, running, float(np.median(cost)), float(cost.mean())]


def _csv(trace: list[list[float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRACE)
    writer.writerows([*map(int, row[:3]), *row[3:]] for row in trace)
    return text.getvalue()
