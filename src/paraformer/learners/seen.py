"""What a learner is trained on: cut from the data of the calibration once, for all members and phases.

Nothing of a cell that is not trained is in it, so that nothing of one can reach a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError
from paraformer.core.hashing import hash_bytes
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.config import LearnerConfig, reads_history
from paraformer.learners.inputs import Inputs, Scaling, filled_series, trained_inputs
from paraformer.learners.streamflow import FlowTarget, flow_arrays, routing_start
from paraformer.learners.targets import OtherTargets
from paraformer.training.tensors import to_tensor


class Targets(NamedTuple):
    """What a simulation is compared with [m3 m-3]: real observations where ``mask``; ``weight`` of every day."""

    observed: Float[Tensor, "cell time"]
    mask: Bool[Tensor, "cell time"]
    weight: Float[Tensor, "cell time"]

    def at(self, cells: Int[Tensor, " sample"], days: Int[Tensor, "sample day"]) -> Targets:
        return Targets(*(t[cells[:, None], days] for t in self))


@dataclass(frozen=True)
class Seen:
    """What a learner is trained on.

    Attributes:
        scaling: statistics of the inputs over the trained cells.
        inputs: normalised, of every cell, zero where it is not trained.
        prior: a-priori θ, unit coordinates [cell, parameter].
        targets: of every cell, nothing where it is not trained.
        others: targets beside soil moisture, where there are any.
        cells: positions of the trained cells with an observation, or in a basin with one [trained].
        first_day: position of the training period on the forward model's time axis.
        days: of the training period.
        names: of the attributes.
        flow: flow at gauges, where it is a target.
        routing_start: where learned parameters of routing begin, unit coordinates; empty where none is learned.
    """

    scaling: Scaling
    inputs: Inputs
    prior: Float[Tensor, "cell parameter"]
    targets: Targets
    others: OtherTargets | None
    cells: Int[np.ndarray, " trained"]
    first_day: int
    days: int
    names: tuple[str, ...]
    flow: FlowTarget | None = None
    routing_start: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, config: LearnerConfig, data: CalibrationData, space: ParameterSpace, scaling: Scaling | None = None
    ) -> Seen:
        """What ``config`` reads of the data, by the ``scaling`` of the map that the training starts from, or its own.

        Raises:
            DataError: if a value that is read is not finite, or no trained cell has an observation.
            SettingsError: if a window of the history is longer than the training period.
        """
        targets = _targets(config, data)
        others = None if config.targets is None else OtherTargets(config.targets, data)
        moist = data.trained & data.mask.any(axis=1)
        flow, start = None, np.empty(0)
        if config.targets is not None and config.targets.streamflow is not None:
            flow, start = FlowTarget(config.targets.streamflow, data), routing_start(data)
            moist &= config.targets.soil_moisture > 0 or bool(config.targets.chosen)
        cells = np.flatnonzero(moist if flow is None else moist | (flow.of >= 0))
        if cells.size == 0:
            raise DataError("learner: no trained cell has an observation in the training period")
        prior = to_tensor(space.to_unit(data.prior))
        scaling, inputs = trained_inputs(config, data, scaling)
        period = data.first_day, len(data.time)
        return cls(
            scaling, inputs, prior, targets, others, cells, *period, data.attribute_names, flow, tuple(start.tolist())
        )


def fingerprint(config: LearnerConfig, data: CalibrationData) -> str:
    """Hash of all values of the data that reach the weights."""
    seen, mask = data.trained, data.mask[data.trained]
    arrays = [data.attributes[seen], data.prior[seen], np.where(mask, data.observed[seen], 0.0), mask]
    history = reads_history(config.network)
    if history:
        given = data.history_mask[seen]
        arrays += [data.forcing[seen], np.where(given, data.history[seen], 0.0), given]
    if config.observations != "masked":
        arrays.append(np.where(mask, 0.0, filled_series(data, config.observations)[seen]))
    for name in () if config.targets is None else config.targets.references:
        arrays += [data.references[name].values[seen], data.references[name].known[seen]]
    if config.targets is not None and not history:
        arrays.append(data.forcing[seen])
    if config.targets is not None and config.targets.streamflow is not None:
        arrays += flow_arrays(data)
    return hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays))


def _targets(config: LearnerConfig, data: CalibrationData) -> Targets:
    """Observations of trained cells; a gap-filled day counts with its weight where ``observations`` is ``both``."""
    mask = data.mask & data.trained[:, None]
    observed, weight = np.where(mask, data.observed, 0.0), mask.astype(np.float64)
    if config.observations == "both":
        filled = filled_series(data, "both")
        gap = data.trained[:, None] & ~mask
        bad = np.argwhere(gap & ~np.isfinite(filled))
        if bad.size:
            raise DataError(
                f"observations: the gap-filled series of cell {data.cells[bad[0, 0]]} is not finite on "
                f"{data.time[bad[0, 1]]}"
            )
        observed = np.where(gap, filled, observed)
        weight = np.where(gap, 1.0 if config.filled_weight is None else config.filled_weight, weight)
    return Targets(to_tensor(observed), torch.as_tensor(mask), to_tensor(weight))
