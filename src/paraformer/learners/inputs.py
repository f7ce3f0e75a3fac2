"""What a learner sees of a cell: its attributes and, for some, its history; normalised by the trained cells alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.variables import FORCING
from paraformer.learners.config import HistoryConfig, LearnerConfig, reads_history
from paraformer.training.normalise import Normaliser
from paraformer.training.tensors import to_tensor

HISTORY_FEATURES = (*FORCING, "soil_moisture", "observed")
"""Daily features of a history, in the order in which networks see them; ``observed`` is 1 on observed days, else 0."""

_LIMIT = 3.0
"""Largest normalised attribute that a network sees [standard deviations of the trained cells]: a rare land cover must
not throw θ across the space."""

_LIMIT_HISTORY = 10.0
"""The same for a day of the history: storms are rare and large."""


@dataclass(frozen=True)
class History:
    """Daily history of cells in raw units, days of the training period.

    Attributes:
        forcing: daily forcing X, order of ``core.variables.FORCING`` [cell, time, forcing].
        soil_moisture: soil moisture Z [m3 m-3], anything where it is not known [cell, time].
        known: where ``soil_moisture`` holds a value, observed or gap-filled [cell, time].
        observed: where it is a real observation [cell, time].
    """

    forcing: Float[np.ndarray, "cell time forcing"]
    soil_moisture: Float[np.ndarray, "cell time"]
    known: Bool[np.ndarray, "cell time"]
    observed: Bool[np.ndarray, "cell time"]

    @classmethod
    def of(cls, data: CalibrationData, observations: str) -> History:
        """History of every cell of ``data``; with other ``observations`` than ``masked``, gap-filled between real ones.

        Raises:
            DataError: if gap-filled observations are asked for and there are none.
        """
        if observations == "masked":
            return cls(data.forcing, data.history, data.history_mask, data.history_mask)
        values = np.where(data.history_mask, data.history, filled_series(data, observations))
        return cls(data.forcing, values, np.ones_like(data.history_mask), data.history_mask)

    def select(self, cells: np.ndarray) -> History:
        """The same history for a subset of its cells (integer positions)."""
        return History(self.forcing[cells], self.soil_moisture[cells], self.known[cells], self.observed[cells])


def filled_series(data: CalibrationData, observations: str) -> Float[np.ndarray, "cell time"]:
    """Gap-filled observations of every cell [m3 m-3].

    Raises:
        DataError: if the study has none.
    """
    if data.filled is None:
        raise DataError(f"observations: '{observations}' needs gap-filled observations, and this study fills no gaps")
    return data.filled


class Inputs(NamedTuple):
    """Normalised inputs of cells: attributes [cell, attribute]; history [cell, time, feature], ``None`` if not read."""

    attributes: Float[Tensor, "cell attribute"]
    history: Float[Tensor, "cell time feature"] | None

    def to(self, target: torch.device | torch.dtype) -> Inputs:
        history = None if self.history is None else self.history.to(target)
        return Inputs(self.attributes.to(target), history)


@dataclass(frozen=True)
class Scaling:
    """Statistics of the inputs over the trained cells and the training period, stored with the model."""

    attributes: Normaliser
    forcing: Normaliser | None = None
    soil_moisture: Normaliser | None = None

    @classmethod
    def fit(cls, data: CalibrationData, config: LearnerConfig) -> Scaling:
        """Statistics for the inputs that ``config`` reads; of soil moisture over really observed days.

        Raises:
            DataError: if a value of a trained cell is not finite, naming it.
            SettingsError: if a window of the history is longer than the training period.
        """
        network = config.network
        if not reads_history(network):
            return cls(Normaliser.fit(data.attribute_names, data.attributes, data.trained))
        if isinstance(network, HistoryConfig) and network.history_days > len(data.time):
            raise SettingsError(
                f"network.history_days: {network.history_days} days do not fit into the {len(data.time)} days of the "
                "training period"
            )
        attributes = Normaliser.fit(data.attribute_names, data.attributes, data.trained)
        counted = data.history_mask & data.trained[:, None]
        if not counted.any():
            raise DataError("learner: no trained cell has an observation in the training period")
        return cls(
            attributes,
            Normaliser.fit(tuple(FORCING), data.forcing, data.trained),
            Normaliser.fit_masked("soil_moisture", data.history, counted),
        )

    def __call__(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        history: History | None,
        cells: np.ndarray | None = None,
        *,
        may_lack: bool = False,
    ) -> Inputs:
        """Inputs of a network from raw values.

        Args:
            cells: names used in errors, by default positions.
            may_lack: whether an attribute may be unknown (NaN).

        Raises:
            DataError: if a history is missing, or a value that is seen is not finite.
        """
        names = np.arange(len(attributes)) if cells is None else cells
        bad = np.argwhere(np.isinf(attributes) | (np.isnan(attributes) & (not may_lack)))
        if bad.size:
            cell, column = (int(i) for i in bad[0])
            raise DataError(f"attribute '{self.attributes.names[column]}' of cell {names[cell]} is not finite")
        static = to_tensor(np.clip(self.attributes(attributes), -_LIMIT, _LIMIT))
        if self.forcing is None or self.soil_moisture is None:
            return Inputs(static, None)
        if history is None:
            raise DataError("learner: this map reads the history of a cell (forcing and observations), none was given")
        forcing = self.forcing(history.forcing)
        moisture = np.where(history.known, history.soil_moisture, self.soil_moisture.mean)
        features = np.concatenate([forcing, self.soil_moisture(moisture[..., None])], axis=-1)
        bad = np.argwhere(~np.isfinite(features))
        if bad.size:
            cell, day, column = (int(i) for i in bad[0])
            raise DataError(f"history: '{HISTORY_FEATURES[column]}' of cell {names[cell]}, day {day} is not finite")
        features = np.clip(features, -_LIMIT_HISTORY, _LIMIT_HISTORY)
        return Inputs(static, to_tensor(np.concatenate([features, history.observed[..., None]], axis=-1)))

    def describe(self) -> dict[str, Any]:
        """As JSON-like values."""
        parts = {"attributes": self.attributes, "forcing": self.forcing, "soil_moisture": self.soil_moisture}
        return {name: part.describe() for name, part in parts.items() if part is not None}

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Scaling:
        """Inverse of ``describe``."""
        return cls(**{name: Normaliser.from_description(part) for name, part in description.items()})


def trained_inputs(
    config: LearnerConfig, data: CalibrationData, scaling: Scaling | None = None
) -> tuple[Scaling, Inputs]:
    """Statistics of the trained cells, and inputs of every cell, zero where it is not trained.

    What stands in a cell that is not trained reaches no weight.

    Args:
        scaling: of the map that the training starts from, in place of the statistics of these cells.

    Raises:
        DataError: if a value that is read is not finite, or no trained cell has an observation.
        SettingsError: if a window of the history is longer than the training period.
    """
    seen = np.flatnonzero(data.trained)
    scaling = scaling or Scaling.fit(data, config)
    history = History.of(data, config.observations).select(seen) if reads_history(config.network) else None
    inputs = scaling(data.attributes[seen], history, data.cells[seen], may_lack=config.attribute_dropout > 0)

    def spread(part: Tensor) -> Tensor:
        every = torch.zeros(len(data.trained), *part.shape[1:])
        every[torch.as_tensor(seen)] = part
        return every

    return scaling, Inputs(spread(inputs.attributes), None if inputs.history is None else spread(inputs.history))
