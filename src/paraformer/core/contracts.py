"""Contracts between rooms, arrays only.

Forward models are {process model, surrogate}; calibrators are {learner, search}; any calibrator takes any forward
model that offers what it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace


@runtime_checkable
class ForwardModel(Protocol):
    """θ -> daily simulated series, for a fixed list of cells and a fixed time axis.

    All that one room asks of another's model stands here and in ``DifferentiableModel``. A class that inherits from
    them has what is given below and writes the rest.

    Attributes:
        parameters: the space θ lives in.
        outputs: names this model can return (``core.variables.OUTPUTS``); ``soil_moisture`` is layer 1 [m3 m-3].
        differentiable: whether it is a ``DifferentiableModel``, which passes gradients to θ.
        n_cells: number of cells.
        runs: number of forward runs (cell x parameter set) made so far.
    """

    parameters: ParameterSpace
    outputs: tuple[str, ...]
    differentiable: bool
    runs: int

    @property
    def n_cells(self) -> int: ...

    def description(self) -> Any:
        """What a simulation depends on beside θ, as JSON-like values: θ found through another model is not resumed."""
        return type(self).__name__

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ in physical units, not clipped to the bounds: the middle of every range, where none is known."""
        return self.parameters.from_unit(np.full((self.n_cells, len(self.parameters)), 0.5))

    def select(self, cells: np.ndarray) -> ForwardModel:
        """The same model for a subset of its cells (integer positions); it counts its own runs."""
        ...

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Run every set of every cell; ``None`` runs the a-priori parameters as they are (one set).

        Raises:
            ModelError: if an output is not offered.
            DataError: if θ has the wrong shape or leaves its bounds.
        """
        ...


@runtime_checkable
class TellsWaterError(Protocol):
    """A forward model that says how well it kept its water in all of its runs so far.

    Attributes:
        water_error: largest water balance error of a model step [mm].
        water_error_share: the same over the water stored before the step and fallen in it [1].
    """

    water_error: float
    water_error_share: float


@runtime_checkable
class DifferentiableModel(ForwardModel, Protocol):
    """A forward model through which gradients reach θ (torch).

    Attributes:
        time: its days (datetime64[D]) [time].
    """

    time: np.ndarray

    @property
    def runs_per_gradient(self) -> int:
        """Forward runs that one series takes whose gradient is asked for."""
        return 1

    def to(self, target: Any) -> Any:
        """Move to a device (torch), in place; a model that computes on the CPU alone stays."""
        return self

    def respond(
        self, u: Any, cells: Any, start: Any, length: int, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, Any]:
        """Differentiable series of a batch.

        Args:
            u: unit coordinates, float Tensor [batch, parameter].
            cells: positions of the batch's cells, long Tensor [batch].
            start: first day of the window, position on ``time`` (the model adds its own warm-up before it): one number;
                a surrogate also takes one of each of the batch, an integer array [batch].
            length: number of days.
            outputs: names of the series, all of them from one set of runs.

        Returns:
            name -> Tensor [batch, length].
        """
        ...


@runtime_checkable
class Linearisable(ForwardModel, Protocol):
    """A forward model that gives the slopes of its series, such as ``process.differentiable``."""

    def linearise(
        self,
        u: Float[np.ndarray, "cell set parameter"],
        outputs: Sequence[str],
        value: Mapping[str, Float[np.ndarray, "cell set day"]] | None = None,
        days: slice = slice(None),
    ) -> Any:
        """``value`` and ``slope`` [cell, set, day, parameter] by name, 2p runs a set where ``value`` is given."""
        ...


class Routed(NamedTuple):
    """Flow at gauges.

    Attributes:
        discharge: mean of each step [m3 s-1].
        coming: flow that is still to come after the last step; times the router's ``scale`` [m3 s-1], and summed times
            its step the water under way [m3].
    """

    discharge: Float[np.ndarray, "gauge time"]
    coming: Float[np.ndarray, "gauge lag"]


@runtime_checkable
class Router(Protocol):
    """Runoff and baseflow of a model's cells -> discharge at gauges.

    Attributes:
        gauges: names.
        outlets: position of the cell each gauge stands at [gauge].
        n_cells: number of the model's cells.
        step: routing step [s].
        lags: steps until the water of a step has passed every gauge: the length of what is ``coming``.
        scale: flow at each gauge for 1 in the unit of what is ``coming`` [gauge] [m3 s-1].
    """

    gauges: tuple[str, ...]
    outlets: np.ndarray
    n_cells: int
    step: float
    lags: int
    scale: np.ndarray

    def route(
        self,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"] | None,
        coming: Float[np.ndarray, "gauge lag"] | None = None,
    ) -> Routed:
        """Route some steps [mm a step], ``None`` for no baseflow; rivers are dry before unless flow is ``coming``."""
        ...

    def advance(
        self,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"] | None,
        coming: Float[np.ndarray, "gauge lag"],
    ) -> Routed:
        """As ``route``; a run cut into pieces gives the bits of the unbroken one."""
        ...


@runtime_checkable
class Basins(Protocol):
    """Basins of gauges, as searches and learners see them: which cells, and flow by times of travel that are learned.

    Gauges whose basins share a cell stand in one basin.

    Attributes:
        parameters: parameters of routing that are learned, one of each a basin; ``None`` for none.
        gauge_names: names of all gauges.
        gauges: positions of the gauges of every basin.
        cells: positions of the model's cells of every basin.
        size: number of learned parameters.
    """

    parameters: ParameterSpace | None
    gauge_names: tuple[str, ...]
    gauges: tuple[np.ndarray, ...]
    cells: tuple[np.ndarray, ...]

    @property
    def size(self) -> int: ...

    def description(self) -> Any:
        """What flow depends on beside runoff and learned parameters, as JSON-like values."""
        ...

    def prior(self) -> Float[np.ndarray, "basin parameter"]:
        """Where learning begins, physical units, inside the bounds."""
        ...

    def flow(
        self,
        basin: int,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"],
        routing: Float[np.ndarray, " parameter"] | None = None,
    ) -> Float[np.ndarray, "gauge time"]:
        """Daily flow [m3 s-1] at the gauges of a basin from its cells' runoff and baseflow [mm day-1]."""
        ...

    def respond(self, basin: int, runoff: Any, baseflow: Any, routing: Any | None = None) -> Any:
        """As ``flow``, differentiable (torch); learned parameters in unit coordinates [parameter]."""
        ...


@dataclass(frozen=True)
class GaugedFlow:
    """Observed flow of the training period, and the basins it comes from.

    Attributes:
        basins: of the cells of the calibration.
        observed: daily flow [m3 s-1], 0 where there is none [gauge, time].
        mask: days that count; none at a gauge that may not be learned from [gauge, time].
    """

    basins: Basins
    observed: Float[np.ndarray, "gauge time"]
    mask: Bool[np.ndarray, "gauge time"]


class Reference(NamedTuple):
    """Observations of another variable than soil moisture: monthly climatology [mm month-1] or one value a cell."""

    values: Float[np.ndarray, "cell value"]
    known: Bool[np.ndarray, "cell value"]


@dataclass(frozen=True)
class CalibrationData:
    """All that a calibrator may see: days of the training period only; targets of trained cells only.

    Attributes:
        cells: identifiers [cell].
        time: UTC days of the training period (datetime64[D]) [time].
        attributes: static attributes A, raw units [cell, attribute].
        attribute_names: names of the last axis of ``attributes``.
        forcing: daily forcing X, raw units, order of ``core.variables.FORCING`` [cell, time, forcing].
        observed: observations Z [m3 m-3], 0 where not observed [cell, time].
        mask: where ``observed`` holds an observation [cell, time].
        trained: cells whose observations may be learned from [cell].
        prior: a-priori θ, physical units, inside the bounds [cell, parameter].
        first_day: position of ``time[0]`` on the forward model's own time axis.
        history: observations as inputs, of every cell, the unseen ones too [m3 m-3], 0 where there is none
            [cell, time]. A map from history to θ may read them; no loss may.
        history_mask: where ``history`` holds an observation [cell, time].
        filled: seamless observations of every cell [m3 m-3] [cell, time]; ``None`` without gap filling.
        references: what is learned from beside soil moisture, by name; known in trained cells only.
        latitude, longitude: cell centres [degree] [cell]; ``None`` where nobody asks for them.
        streamflow: flow at gauges; ``None`` where there is none.
    """

    cells: np.ndarray
    time: np.ndarray
    attributes: Float[np.ndarray, "cell attribute"]
    attribute_names: tuple[str, ...]
    forcing: Float[np.ndarray, "cell time forcing"]
    observed: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    trained: Bool[np.ndarray, " cell"]
    prior: Float[np.ndarray, "cell parameter"]
    first_day: int
    history: Float[np.ndarray, "cell time"]
    history_mask: Bool[np.ndarray, "cell time"]
    filled: Float[np.ndarray, "cell time"] | None = None
    latitude: Float[np.ndarray, " cell"] | None = None
    longitude: Float[np.ndarray, " cell"] | None = None
    references: Mapping[str, Reference] = field(default_factory=dict)
    streamflow: GaugedFlow | None = None

    def gauged(self) -> GaugedFlow:
        """The flow at gauges.

        Raises:
            DataError: there is none.
        """
        if self.streamflow is None:
            raise DataError("targets: streamflow, but the data of the calibration hold no flow at gauges")
        return self.streamflow


class Attention(NamedTuple):
    """What a learner with attention looks at: attention received by each input, as a multiple of even attention.

    The heads of all layers, members and seeds stand side by side.

    Attributes:
        attributes: by each attribute from all attributes [cell, head, attribute].
        names: of the attributes.
        days: by each time token from all attributes, mean over the windows [cell, head, token]; without tokens for a
            learner that reads no days.
        patch: days of a time token.
        ends: last days of the windows (datetime64[D]) [window].
    """

    attributes: Float[np.ndarray, "cell head attribute"]
    names: tuple[str, ...]
    days: Float[np.ndarray, "cell head token"]
    patch: int
    ends: np.ndarray

    @property
    def days_before(self) -> Float[np.ndarray, " token"]:
        """How many days the middle of each token lies before the last day of its window."""
        tokens = self.days.shape[-1]
        return self.patch * (tokens - np.arange(tokens)) - (self.patch + 1) / 2


class Calibrated(NamedTuple):
    """What a calibrator found.

    Attributes:
        theta: physical units, inside the bounds.
        runs: process-model runs (cell x parameter set) that θ stands on; 0 through a surrogate alone.
        routing: learned parameters of routing, physical units; ``None`` where none were learned.
    """

    theta: Float[np.ndarray, "cell parameter"]
    runs: int
    routing: Float[np.ndarray, "basin routing"] | None = None


@runtime_checkable
class Calibrator(Protocol):
    """Finds θ for every cell of ``data`` (trained and unseen) with a forward model."""

    name: str

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> Calibrated:
        """Find θ of every cell. Interrupted work resumes from ``directory``, bit for bit."""
        ...
