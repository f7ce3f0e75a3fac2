"""Fit the surrogate to an ensemble of process-model runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.files import hash_bytes, hash_json
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.seeding import derive_seed
from paraformer.core.time import day_of_year
from paraformer.core.variables import FORCING
from paraformer.numerics.seasonal import annual_wave
from paraformer.surrogate.config import SurrogateConfig
from paraformer.surrogate.lstm import NetworkShape, SurrogateNetwork
from paraformer.surrogate.model import LOG_OUTPUTS, Surrogate, SurrogateInputs, forward_transform, recycled
from paraformer.training.checkpoint import load_description, require_same, space_hash
from paraformer.training.loop import train
from paraformer.training.normalise import Normaliser
from paraformer.training.tensors import to_tensor
from paraformer.training.windows import Windows

_FLOOR = 0.1
"""Smallest scale of an output in a cell, as a fraction of its mean scale over trained cells."""


@dataclass(frozen=True)
class SurrogateData:
    """Process-model runs and what drove them; no observation.

    Attributes:
        space: the parameter space θ lives in.
        cells, time: identifiers [cell]; UTC days (datetime64[D]) [time].
        forcing: daily forcing, raw, order of ``core.variables.FORCING`` [cell, time, forcing].
        statics, static_names: static descriptors of soil, vegetation and process model, raw [cell, static].
        theta: physical values [cell, set, parameter].
        kind: ``prior``, ``common``, ``own``, or ``near`` for runs of refine rounds [set].
        held_out: runs that must not be learned from [cell, set].
        runs: output name -> series [cell, set, time].
        trained: cells whose forcing and statics the normalisation may use [cell].
        training: days of the training period, for the normalisation of the forcing [time].
        daily, daily_names: further daily descriptors, e.g. leaf area index [cell, time, descriptor].
        spin_up: days of the first part of the forcing that every run repeated before day 0.
    """

    space: ParameterSpace
    cells: np.ndarray
    time: np.ndarray
    forcing: Float[np.ndarray, "cell time forcing"]
    statics: Float[np.ndarray, "cell static"]
    static_names: tuple[str, ...]
    theta: Float[np.ndarray, "cell set parameter"]
    kind: np.ndarray
    held_out: Bool[np.ndarray, "cell set"]
    runs: dict[str, np.ndarray] = field(repr=False)
    trained: Bool[np.ndarray, " cell"]
    training: Bool[np.ndarray, " time"]
    daily: Float[np.ndarray, "cell time descriptor"] | None = None
    daily_names: tuple[str, ...] = ()
    spin_up: int = 365

    def anchor_sets(self, count: int) -> np.ndarray:
        """Positions of the first ``count`` common sets that no cell holds out (a low-discrepancy prefix)."""
        usable = np.flatnonzero((self.kind == "common") & ~self.held_out.any(axis=0))
        if count > usable.size:
            raise SettingsError(
                f"surrogate.anchors: {count}, but the ensemble has {usable.size} common sets to learn from"
            )
        return usable[:count]

    def joined(
        self,
        theta: Float[np.ndarray, "cell set parameter"],
        runs: Mapping[str, np.ndarray],
        held_out: Bool[np.ndarray, "cell set"],
    ) -> SurrogateData:
        """The same data with further runs, of kind ``near``, behind its own."""
        return replace(
            self,
            theta=np.concatenate([self.theta, theta], axis=1),
            kind=np.concatenate([self.kind, np.full(theta.shape[1], "near")]),
            held_out=np.concatenate([self.held_out, held_out], axis=1),
            runs={name: np.concatenate([own, runs[name]], axis=1) for name, own in self.runs.items()},
        )

    def hash(self) -> str:
        """Content hash of everything the fit reads."""
        arrays = [
            self.time.astype("datetime64[D]").astype(np.int64),
            self.forcing,
            self.statics,
            self.theta,
            self.held_out,
            self.trained,
            self.training,
            *(self.runs[name] for name in sorted(self.runs)),
        ]
        if self.daily is not None:
            arrays.append(self.daily)
        names = repr((self.static_names, self.daily_names, self.kind.tolist(), sorted(self.runs), self.spin_up))
        return hash_bytes(names.encode(), *(hash_bytes(np.ascontiguousarray(a).tobytes()).encode() for a in arrays))


def fit_surrogate(
    config: SurrogateConfig,
    data: SurrogateData,
    directory: Path,
    *,
    seed: int,
    progress: Progress,
    start: Surrogate | None = None,
    near_share: float | None = None,
) -> Surrogate:
    """Fit the surrogate, or finish an interrupted fit, and save it in ``directory``; a finished one is read back.

    Args:
        start: go on from this surrogate's weights, with its inputs and their normalisation (refine rounds).
        near_share: expected share of runs of kind ``near`` in a batch; by default they count like all others.

    Raises:
        SettingsError: if the settings ask for more anchors or days than there are.
        DataError: if an output is missing or a run is not finite.
        RunError: if ``directory`` holds another fit.
    """
    identity: dict[str, Any] = {
        "fit_settings": {
            **config.model_dump(mode="json", exclude={"training"}),
            "training": config.training.numerical(),
        },
        "seed": seed,
        "parameter_space": space_hash(data.space),
        "data": data.hash(),
        "logarithmic": list(LOG_OUTPUTS if start is None else start.logarithmic),
    }
    if start is not None:
        identity |= {"start": hash_json(start.description()), "near_share": near_share}
    done, checkpoint = directory / "surrogate.json", directory / "checkpoint.pt"
    if done.exists():
        require_same(done, {k: load_description(done).get(k) for k in identity}, identity)
        checkpoint.unlink(missing_ok=True)  # a kill may have come between storing and removing
        return Surrogate.load(directory, data.space)
    _require_runs(config, data)
    if start is None:
        inputs, normalisation, daily_size = build_inputs(config, data)
        shape = NetworkShape(len(data.space), len(data.static_names), daily_size, config.anchors, config.outputs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "surrogate", "weights"))
            network = SurrogateNetwork(shape, config.hidden, config.embedding)
    else:
        inputs, normalisation = start.inputs, start.description()["normalisation"]
        network = copy.deepcopy(start.network).train().requires_grad_(True)
    task = FitTask(network, config, data, inputs, seed, near_share, identity["logarithmic"])
    train(
        task, config.training, seed=seed, identity=identity, path=checkpoint, progress=progress, description="surrogate"
    )
    surrogate = Surrogate(
        network.float().cpu(),  # whatever the precision of the training, as it is read back
        config,
        data.space,
        inputs,
        cells=data.cells,
        time=data.time.astype("datetime64[D]"),
        spin_up=data.spin_up,
        description={**identity, "normalisation": normalisation},
    )
    surrogate.save(directory)
    checkpoint.unlink(missing_ok=True)
    return surrogate


def build_inputs(config: SurrogateConfig, data: SurrogateData) -> tuple[SurrogateInputs, dict[str, Any], int]:
    """Normalised inputs, the statistics behind them, and the number of daily features."""
    daily = data.forcing if data.daily is None else np.concatenate([data.forcing, data.daily], axis=-1)
    names = (*FORCING, *data.daily_names)
    forcing = Normaliser.fit(names, daily[:, data.training], data.trained)
    statics = Normaliser.fit(data.static_names, data.statics, data.trained)
    waves = np.broadcast_to(annual_wave(day_of_year(data.time)), (*daily.shape[:2], 2))
    features = np.concatenate([forcing(daily), waves], axis=-1)
    learned = np.ones(len(data.kind), bool) & ~data.held_out
    anchors, center, scale = {}, {}, {}
    sets = data.anchor_sets(config.anchors)
    for name in config.outputs:
        center[name], scale[name] = _cell_scale(forward_transform(name, data.runs[name]), learned, data.trained)
        if config.anchors:
            runs = forward_transform(name, data.runs[name][:, sets]).transpose(0, 2, 1)
            anchors[name] = to_tensor((runs - center[name][:, None, None]) / scale[name][:, None, None])
    inputs = SurrogateInputs(
        to_tensor(features),
        to_tensor(np.clip(statics(data.statics), -5, 5)),
        anchors,
        {k: to_tensor(v) for k, v in center.items()},
        {k: to_tensor(v) for k, v in scale.items()},
        to_tensor(data.space.to_unit(_prior(data))),
    )
    return inputs, {"daily": forcing.describe(), "statics": statics.describe()}, features.shape[-1]


def _cell_scale(
    runs: Float[np.ndarray, "cell set time"], learned: Bool[np.ndarray, "cell set"], trained: Bool[np.ndarray, " cell"]
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Mean, and root mean square of the standard deviations in time, of each cell's own learnable runs."""
    weight = learned / learned.sum(axis=1, keepdims=True)
    center = (runs.mean(axis=2, dtype=np.float64) * weight).sum(axis=1)
    spread = np.sqrt((runs.var(axis=2, dtype=np.float64) * weight).sum(axis=1))
    return center, np.maximum(spread, _FLOOR * max(float(np.sort(spread[trained]).mean()), 1e-6))


def _prior(data: SurrogateData) -> Float[np.ndarray, "cell parameter"]:
    """A-priori θ of each cell; the middle of the space where the ensemble has no prior run."""
    sets = np.flatnonzero(data.kind == "prior")
    if sets.size:
        return data.space.clip(data.theta[:, sets[0]])
    return data.space.from_unit(np.full((len(data.cells), len(data.space)), 0.5))


def _set_weights(
    near: Bool[np.ndarray, " set"], allowed: Bool[np.ndarray, "cell set"], share: float | None
) -> Float[np.ndarray, "cell set"]:
    """Weight of each run in the draw of a batch; 0 where it must not be learned from."""
    weight = allowed.astype(np.float64)
    counts = (allowed & near).sum(axis=1, keepdims=True), (allowed & ~near).sum(axis=1, keepdims=True)
    if share is not None and near.any():
        weight[:, near] *= share / np.maximum(counts[0], 1)
        weight[:, ~near] *= (1 - share) / np.maximum(counts[1], 1)
    return weight


def _require_runs(config: SurrogateConfig, data: SurrogateData) -> None:
    for name in config.outputs:
        if name not in data.runs:
            raise DataError(f"surrogate: the ensemble holds no output '{name}'{nearest(name, data.runs)}")
        if not np.isfinite(data.runs[name]).all():
            cell, run, day = (int(i) for i in np.argwhere(~np.isfinite(data.runs[name]))[0])
            raise DataError(
                f"ensemble: '{name}' of cell {data.cells[cell]}, set {run} is not finite on {data.time[day]}"
            )


class FitTask:
    """Squared error of normalised outputs over random windows, and of their differences between sets of a cell.

    A batch holds several sets of the same cell and window, so that the second term sees the response to θ alone:
    errors that all sets share cancel in it.
    """

    def __init__(
        self,
        network: SurrogateNetwork,
        config: SurrogateConfig,
        data: SurrogateData,
        inputs: SurrogateInputs,
        seed: int,
        near_share: float | None = None,
        logarithmic: Sequence[str] = LOG_OUTPUTS,
    ) -> None:
        self.network: nn.Module = network
        self.config = config
        self.logarithmic = logarithmic
        self.inputs = inputs
        self.u = to_tensor(data.space.to_unit(data.theta))
        self.runs = {name: torch.as_tensor(np.asarray(data.runs[name], np.float32)) for name in config.outputs}
        self.spin_up = data.spin_up
        self.allowed = ~data.held_out
        self.allowed[:, data.anchor_sets(config.anchors)] = False
        self.weight = _set_weights(data.kind == "near", self.allowed, near_share)
        pool = np.flatnonzero(data.trained) if config.cells == "trained" else np.arange(len(data.cells))
        days = np.arange(len(data.time)) if config.period is None else np.flatnonzero(config.period.mask(data.time))
        there = int(self.allowed[pool].sum(axis=1).min())
        self.sets = config.sets(there)
        if there < max(2, self.sets):
            raise SettingsError(f"surrogate.sets_per_cell: {self.sets}, but a cell has {there} sets to learn from")
        self.seed = seed
        self.pool, self.days = pool, (int(days[0]), int(days[-1]) + 1)

    def _windows(self, rank: int) -> Windows:
        """Windows of one process; each draws its own, so a step of several is one with so many times the cells."""
        size, cells = self.config.window, self.config.cells_per_batch
        return Windows(self.pool, *self.days, size, cells, self.seed, f"surrogate/{rank}")

    def to(self, device: torch.device) -> None:
        self.inputs = self.inputs.map(lambda t: t.to(device))
        self.u = self.u.to(device)
        self.runs = {name: t.to(device) for name, t in self.runs.items()}

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        cells, sets, days = self._batch(step, rank)
        rows = cells.repeat_interleave(sets.shape[1])
        columns = days.repeat_interleave(sets.shape[1], dim=0)
        anchors = {
            name: t[cells[:, None], days].repeat_interleave(sets.shape[1], dim=0)
            for name, t in self.inputs.anchors.items()
        }
        daily = self.inputs.daily[cells[:, None], days].repeat_interleave(sets.shape[1], dim=0)
        simulated = network(
            self.u[rows, sets.reshape(-1)], self.inputs.statics[rows], daily, anchors, self.config.outputs
        )
        total = torch.zeros((), device=daily.device)
        counted = slice(self.config.warm_up, None)
        for name, series in simulated.items():
            truth = self.runs[name][rows[:, None], sets.reshape(-1, 1), columns[:, counted]]
            truth = forward_transform(name, truth, self.logarithmic)
            truth = (truth - self.inputs.center[name][rows, None]) / self.inputs.scale[name][rows, None]
            error = (series[:, counted] - truth).unflatten(0, sets.shape)
            response = error - error.mean(dim=1, keepdim=True)
            weight = self.config.weights.get(name, 0.2)
            total = total + weight * (error.square().mean() + response.square().mean())
        return total

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cells [group], sets [group, set] and days with warm-up [group, day] of a step."""
        cells, starts, random = self._windows(rank).draw_each(step)
        # The smallest of independent exponential times: sets are drawn without return, by their weights.
        with np.errstate(divide="ignore", invalid="ignore"):
            times = -np.log1p(-random.random((len(cells), self.allowed.shape[1]))) / self.weight[cells]
        sets = np.argsort(times, axis=1)[:, : self.sets]
        span = np.arange(-self.config.warm_up, self.config.window)
        days = recycled(starts[:, None] + span[None, :], self.spin_up)
        device = self.u.device
        return (
            torch.as_tensor(cells, device=device),
            torch.as_tensor(sets, device=device),
            torch.as_tensor(days, device=device),
        )
