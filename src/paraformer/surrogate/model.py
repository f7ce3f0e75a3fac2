"""The fitted surrogate as a differentiable forward model for a fixed list of cells and a fixed time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from paraformer.core.contracts import DifferentiableModel
from paraformer.core.errors import DataError, ModelError, RunError, nearest
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.surrogate.config import SurrogateConfig
from paraformer.surrogate.lstm import NetworkShape, SurrogateNetwork
from paraformer.training.checkpoint import (
    load_description,
    load_tensors,
    require_same,
    save_description,
    save_tensors,
    space_hash,
)
from paraformer.training.threads import settle_threads

LOG_OUTPUTS = ("swe",)
"""Outputs that are learned as log(1 + x)."""

_NON_NEGATIVE = ("runoff", "baseflow", "swe")
_EARLIER = _NON_NEGATIVE
"""Those that a surrogate whose description does not name them learned so."""

_BATCH = 512


@dataclass(frozen=True)
class SurrogateInputs:
    """What the network is driven by, normalised.

    Attributes:
        daily: forcing, daily descriptors and the season [cell, time, feature].
        statics: static descriptors [cell, static].
        anchors: process-model runs at the anchor sets, per output [cell, time, anchor]; empty without anchors.
        center, scale: per output, mean and standard deviation of the cell's own runs, transformed [cell].
        prior: a-priori θ in unit coordinates [cell, parameter].
    """

    daily: Float[Tensor, "cell time feature"]
    statics: Float[Tensor, "cell static"]
    anchors: dict[str, Tensor]
    center: dict[str, Tensor]
    scale: dict[str, Tensor]
    prior: Float[Tensor, "cell parameter"]

    def map(self, change: Any) -> SurrogateInputs:
        """The same inputs with ``change`` applied to every tensor."""
        tables = {
            name: {k: change(t) for k, t in getattr(self, name).items()} for name in ("anchors", "center", "scale")
        }
        return SurrogateInputs(change(self.daily), change(self.statics), prior=change(self.prior), **tables)


def forward_transform(name: str, values: Any, logarithmic: Sequence[str] = LOG_OUTPUTS) -> Any:
    """Physical output -> the scale it is learned on (NumPy or torch)."""
    if name not in logarithmic:
        return values
    return torch.log1p(values) if isinstance(values, Tensor) else np.log1p(values)


def inverse_transform(name: str, values: Tensor, logarithmic: Sequence[str] = LOG_OUTPUTS) -> Tensor:
    """Inverse of ``forward_transform``; outputs that cannot be negative are cut at 0."""
    values = torch.expm1(values) if name in logarithmic else values
    return values.clamp(min=0) if name in _NON_NEGATIVE else values


def recycled(days: Int[np.ndarray, "*day"], spin_up: int) -> Int[np.ndarray, "*day"]:
    """Positions on the time axis of days that may lie before it: the spin-up repeats the first ``spin_up`` days."""
    return np.where(days < 0, days % max(spin_up, 1), days)


class Surrogate(DifferentiableModel):
    """A frozen network with the inputs of its cells.

    Build it with ``fit_surrogate`` or ``Surrogate.load``.
    """

    differentiable = True

    def __init__(
        self,
        network: SurrogateNetwork,
        config: SurrogateConfig,
        parameters: ParameterSpace,
        inputs: SurrogateInputs,
        *,
        cells: np.ndarray,
        time: np.ndarray,
        spin_up: int,
        description: Mapping[str, Any],
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.config = config
        self.parameters = parameters
        self.inputs = inputs
        self.cells = cells
        self.time = time
        self.spin_up = spin_up
        self._description = dict(description)
        self.outputs = config.outputs
        self.runs = 0

    @property
    def n_cells(self) -> int:
        return int(self.inputs.daily.shape[0])

    def description(self) -> dict[str, Any]:
        """What its answers depend on beside θ: settings, data and seed it was fitted with."""
        return self._description

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ, physical units, inside the bounds."""
        return self.parameters.from_unit(self.inputs.prior.double().cpu().numpy())

    def select(self, cells: np.ndarray) -> Surrogate:
        """The same surrogate for a subset of its cells (integer positions); the network is shared."""
        at = torch.as_tensor(np.asarray(cells), dtype=torch.long, device=self.inputs.daily.device)
        return self._with(self.inputs.map(lambda t: t[at]), self.cells[np.asarray(cells)], self.time)

    def until(self, days: int) -> Surrogate:
        """The same surrogate on the first ``days`` of its time axis, for work that needs no later day."""
        if not self.spin_up <= days <= len(self.time):
            raise ModelError(f"surrogate: {days} days; it can be cut to {self.spin_up}..{len(self.time)} days")
        full = self.inputs
        anchors = {name: t[:, :days] for name, t in full.anchors.items()}
        return self._with(replace(full, daily=full.daily[:, :days], anchors=anchors), self.cells, self.time[:days])

    def to(self, target: torch.device | torch.dtype | str) -> Surrogate:
        """Move network and inputs to a device, or change their precision; in place, returned for chaining."""
        self.network.to(target)
        self.inputs = self.inputs.map(lambda t: t.to(target))
        return self

    def _with(self, inputs: SurrogateInputs, cells: np.ndarray, time: np.ndarray) -> Surrogate:
        return Surrogate(
            self.network,
            self.config,
            self.parameters,
            inputs,
            cells=cells,
            time=time,
            spin_up=self.spin_up,
            description=self._description,
        )

    def require_outputs(self, outputs: Sequence[str]) -> None:
        """Raise ModelError naming the first output that is not offered."""
        for name in outputs:
            if name not in self.outputs:
                raise ModelError(f"surrogate: output '{name}' was not learned{nearest(name, self.outputs)}")

    def respond(
        self,
        u: Float[Tensor, "batch parameter"],
        cells: Int[Tensor, " batch"],
        start: int | Int[np.ndarray, " batch"],
        length: int,
        outputs: Sequence[str] = ("soil_moisture",),
    ) -> dict[str, Float[Tensor, "batch day"]]:
        """Differentiable series in physical units of days ``start .. start + length - 1``; weights stay frozen.

        The warm-up before ``start`` is added here; before the first day of the time axis it uses the recycled year.

        Args:
            start: one first day for all, or one of each of the batch.
        """
        self.require_outputs(outputs)
        first = np.atleast_1d(np.asarray(start))[:, None]
        if first.min() < 0 or first.max() + length > len(self.time):
            raise ModelError(
                f"surrogate: days {first.min()}..{first.max() + length - 1} are outside its {len(self.time)} days"
            )
        warm_up = self.config.warm_up
        days = recycled(first + np.arange(-warm_up, length), self.spin_up)
        rows, columns = cells[:, None], torch.as_tensor(days, device=cells.device)
        needed = dict.fromkeys((self.outputs[0], *outputs))
        normalised = self.network(
            u.to(self.inputs.daily.dtype),
            self.inputs.statics[cells],
            self.inputs.daily[rows, columns],
            {name: self.inputs.anchors[name][rows, columns] for name in needed if name in self.inputs.anchors},
            outputs,
        )
        return {name: self._physical(name, series[:, warm_up:], cells) for name, series in normalised.items()}

    def _physical(self, name: str, series: Tensor, cells: Tensor) -> Tensor:
        scaled = self.inputs.center[name][cells][:, None] + self.inputs.scale[name][cells][:, None] * series
        return inverse_transform(name, scaled, self.logarithmic)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        """Outputs that were learned as log(1 + x)."""
        return tuple(self._description.get("logarithmic", _EARLIER))

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Run every set of every cell over the whole time axis; ``None`` runs the a-priori θ.

        Raises:
            ModelError: if an output was not learned.
            DataError: if θ has the wrong shape or leaves its bounds.
        """
        self.require_outputs(outputs)
        settle_threads()
        u = self._unit(theta)
        count, sets = u.shape[:2]
        cells = torch.arange(count, device=u.device).repeat_interleave(sets)
        flat = u.reshape(count * sets, -1)
        result = {name: np.empty((count * sets, len(self.time)), np.float32) for name in outputs}
        with torch.no_grad():
            for first in range(0, len(flat), _BATCH):
                batch = slice(first, first + _BATCH)
                series = self.respond(flat[batch], cells[batch], 0, len(self.time), outputs)
                for name in outputs:
                    result[name][batch] = series[name].cpu().numpy()
        self.runs += count * sets
        for name in outputs:
            if not np.isfinite(result[name]).all():
                raise ModelError(f"surrogate: output '{name}' is not finite")
        return {name: result[name].reshape(count, sets, -1) for name in outputs}

    def _unit(self, theta: np.ndarray | None) -> Float[Tensor, "cell set parameter"]:
        if theta is None:
            return self.inputs.prior[:, None]
        theta = np.asarray(theta, dtype=np.float64)
        if theta.ndim != 3 or theta.shape[0] != self.n_cells:
            raise DataError(
                f"theta: shape {theta.shape}, expected ({self.n_cells} cells, sets, {len(self.parameters)})"
            )
        self.parameters.require_inside(theta, self.cells.tolist())
        return torch.as_tensor(self.parameters.to_unit(theta)).to(self.inputs.daily)

    def save(self, directory: str | Path) -> None:
        """Write weights and inputs as safetensors and everything else as JSON, each file atomically."""
        directory = Path(directory)
        tables = {
            f"{table}.{name}": t
            for table in ("anchors", "center", "scale")
            for name, t in getattr(self.inputs, table).items()
        }
        plain = {"daily": self.inputs.daily, "statics": self.inputs.statics, "prior": self.inputs.prior}
        save_tensors(directory / "network.safetensors", self.network.state_dict())
        save_tensors(directory / "inputs.safetensors", {**plain, **tables})
        shape = self.network.shape
        save_description(
            directory / "surrogate.json",
            {
                **self._description,
                "settings": self.config.model_dump(mode="json"),
                "parameters": [p.model_dump() for p in self.parameters],
                "parameter_space": space_hash(self.parameters),
                "shape": {**shape.__dict__, "outputs": list(shape.outputs)},
                "cells": self.cells.tolist(),
                "time": [str(self.time[0]), len(self.time)],
                "spin_up": self.spin_up,
            },
        )

    @classmethod
    def load(cls, directory: str | Path, parameters: ParameterSpace | None = None) -> Surrogate:
        """Read a surrogate written by ``save``.

        Args:
            parameters: the parameter space the caller works in; a surrogate of another one is refused.

        Raises:
            RunError: if files are missing, damaged, or made for another parameter space.
        """
        directory = Path(directory)
        path = directory / "surrogate.json"
        description = load_description(path)
        try:
            space = ParameterSpace(Parameter(**p) for p in description.pop("parameters"))
            config = SurrogateConfig(**description.pop("settings"))
            shape = NetworkShape(**{**description["shape"], "outputs": tuple(description.pop("shape")["outputs"])})
            start, days = description.pop("time")
            cells, spin_up = np.array(description.pop("cells")), int(description.pop("spin_up"))
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path}: not a description of a surrogate ({error})") from error
        if parameters is not None:
            expected = {"parameter_space": space_hash(parameters)}
            require_same(path, {"parameter_space": description["parameter_space"]}, expected)
        network = SurrogateNetwork(shape, config.hidden, config.embedding)
        weights = load_tensors(directory / "network.safetensors")
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise RunError(f"{directory}: weights do not fit the settings ({error})") from error
        inputs = _inputs_from(load_tensors(directory / "inputs.safetensors"))
        time = np.datetime64(start, "D") + np.arange(days)
        return cls(
            network.to(inputs.daily.dtype),
            config,
            space,
            inputs,
            cells=cells,
            time=time,
            spin_up=spin_up,
            description=description,
        )


def _inputs_from(tensors: dict[str, Tensor]) -> SurrogateInputs:
    tables: dict[str, dict[str, Tensor]] = {"anchors": {}, "center": {}, "scale": {}}
    for key, tensor in tensors.items():
        table, dot, name = key.partition(".")
        if dot:
            tables[table][name] = tensor
    return SurrogateInputs(tensors["daily"], tensors["statics"], prior=tensors["prior"], **tables)
