"""What a learner minimises: misfit of the simulated to the observed soil moisture of random cells and windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from paraformer.core.contracts import DifferentiableModel
from paraformer.core.seeding import generator
from paraformer.learners.config import HistoryConfig, LearnerConfig
from paraformer.learners.inputs import Inputs
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen, Targets
from paraformer.numerics.losses import LOSSES, range_boundary_loss
from paraformer.numerics.observe import Line, fit_line, observe
from paraformer.training.ranks import gathered, share
from paraformer.training.windows import Windows


class Draw(NamedTuple):
    """Seeds of one member: ``learner`` is shared by all members, ``member`` is its own; ``fold`` is its number."""

    learner: int
    member: int
    fold: int


class Batch(NamedTuple):
    """Samples of a step: cell, first day of the loss, first day of the history (0 where none is read)."""

    cells: Int[np.ndarray, " sample"]
    starts: Int[np.ndarray, " sample"]
    histories: Int[np.ndarray, " sample"]


class LearnTask:
    """Misfit of random windows, plus the pull of the prior and the range-boundary loss (method.md 3 and 5)."""

    def __init__(
        self,
        network: ParameterMap,
        config: LearnerConfig,
        model: DifferentiableModel,
        seen: Seen,
        draw: Draw,
    ) -> None:
        self.network: nn.Module = network
        self.config = config
        self.model = model
        self.first_day, self.days = seen.first_day, seen.days
        self.inputs, self.prior, self.targets, self.others = seen.inputs, seen.prior, seen.targets, seen.others
        self.outputs = ("soil_moisture", *(() if config.targets is None else config.targets.outputs))
        kept = round(config.validation * seen.cells.size)
        shuffled = np.roll(generator(draw.learner, "learner", "validation").permutation(seen.cells), -draw.fold * kept)
        self.held = np.sort(shuffled[:kept])  # members keep different cells aside
        self.pool = np.sort(shuffled[kept:])
        self.seed = draw.member
        self._prior_line: Line | None = None

    def to(self, device: torch.device) -> None:
        self.inputs, self.prior = self.inputs.to(device), self.prior.to(device)
        self.targets = Targets(*(t.to(device) for t in self.targets))
        if self.others is not None:
            self.others.to(device)
        self.model.to(device)

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        """Loss of the whole batch of ``step``; this process simulates its share of it."""
        batch = self.draw(step)
        samples = batch.cells.size
        mine = Batch(*(part[share(samples, rank)] for part in batch))
        u = self._theta(network, mine)
        simulated = {name: gathered(series, samples) for name, series in self._simulate(u, mine).items()}
        return self._misfit(simulated, gathered(u, samples), batch.cells, batch.starts)

    def draw(self, step: int) -> Batch:
        """Samples of a step, which depend on (seed, step) alone: not on the number of processes."""
        config, network = self.config, self.config.network
        windows = Windows(self.pool, 0, self.days, self._length, config.cells_per_batch, self.seed, "learner/0")
        cells, starts = windows.draw(step, config.windows_per_batch, own=config.periods == "own")
        last = self.days - network.history_days if isinstance(network, HistoryConfig) else 0
        histories = generator(self.seed, "history", step).integers(0, last + 1, size=cells.size)
        if config.history == "loss":
            histories = starts
        return Batch(cells, starts, histories)

    @property
    def epoch(self) -> int:
        """Steps that draw as many cell-days as the training period has."""
        return self.config.epoch(self.pool.size, self.days)

    @property
    def _length(self) -> int:
        return self.days if self.config.window is None else self.config.window

    def _theta(self, network: nn.Module, batch: Batch) -> Float[Tensor, "sample parameter"]:
        """θ of the samples, from their own windows of the history; ``network`` may be a wrapper."""
        cells = self._index(batch.cells)
        attributes, prior = self.inputs.attributes[cells], self.prior[cells]
        settings = self.config.network
        if self.inputs.history is None or not isinstance(settings, HistoryConfig):
            return network(attributes, prior)
        days = batch.histories[:, None] + np.arange(settings.history_days)
        return network(attributes, prior, self.inputs.history[cells[:, None], self._index(days)])

    def _simulate(self, u: Float[Tensor, "sample parameter"], batch: Batch) -> dict[str, Float[Tensor, "sample day"]]:
        """Series that the targets need; one run for samples that follow each other on the same days, or for all."""
        if self.config.periods == "own":
            return self._respond(u, self._index(batch.cells), self.first_day + batch.starts, self._length)
        parts = np.split(np.arange(batch.cells.size), np.flatnonzero(np.diff(batch.starts)) + 1)
        series = []
        for part in parts:
            start = self.first_day + int(batch.starts[part[0]])
            cells = self._index(batch.cells[part])
            series.append(self._respond(u[part[0] : part[-1] + 1], cells, start, self._length))
        return {name: torch.cat([one[name] for one in series]) for name in self.outputs}

    def _respond(
        self, u: Tensor, cells: Tensor, start: int | Int[np.ndarray, " sample"], length: int
    ) -> dict[str, Float[Tensor, "sample day"]]:
        """Series of all outputs from one set of runs."""
        return self.model.respond(u, cells, start, length, self.outputs)

    def _misfit(
        self,
        series: Mapping[str, Float[Tensor, "sample day"]],
        u: Float[Tensor, "sample parameter"],
        cells: Int[np.ndarray, " sample"],
        starts: Int[np.ndarray, " sample"],
    ) -> Tensor:
        simulated, at = series["soil_moisture"], self._index(cells)
        days = self._index(starts[:, None] + np.arange(simulated.shape[1]))
        observed, mask, weight = self.targets.at(at, days)
        observed = observed.to(simulated.dtype)
        settings = self.config.loss
        seen = observe(simulated, self._line(simulated, observed, mask, at))
        if self.config.observations == "both":
            scale, mask = _relative_root(weight, settings.fit), weight > 0
            seen, observed = scale * seen, scale * observed
        fit = LOSSES[settings.fit](seen, observed, mask)
        if self.others is not None:
            fit = self.others.config.soil_moisture * fit + self.others.loss(series, at)
        kept = settings.prior_weight * (u - self.prior[at]).square().mean()
        return fit + kept + range_boundary_loss(u, alpha=settings.range_weight, epsilon=settings.range_epsilon)

    def _line(self, simulated: Tensor, observed: Tensor, mask: Tensor, cells: Tensor) -> Line:
        settings = self.config.loss
        if settings.line == "window" or settings.operator == "raw":
            return fit_line(settings.operator, simulated, observed, mask)
        if self._prior_line is None:
            every = self._index(np.sort(np.concatenate([self.pool, self.held])))
            with torch.no_grad():
                default = self.model.respond(self.prior[every], every, self.first_day, self.days)["soil_moisture"]
            known = self.targets.observed[every].to(default.dtype)
            line = fit_line(settings.operator, default, known, self.targets.mask[every])
            gain, offset = (torch.zeros(len(self.prior), 1).to(default) for _ in range(2))
            gain[every], offset[every] = line.gain.expand(len(every), 1), line.offset.expand(len(every), 1)
            self._prior_line = Line(gain, offset)
        return Line(self._prior_line.gain[cells], self._prior_line.offset[cells])

    def validate(self, network: nn.Module) -> float:
        """Misfit over the whole training period of the trained cells kept from the loss, at the θ of the verdict."""
        at = self._index(self.held)
        history = None if self.inputs.history is None else self.inputs.history[at]
        inputs = Inputs(self.inputs.attributes[at], history)
        u = cast(ParameterMap, network).over_period(inputs, self.prior[at])
        simulated = self._respond(u, at, self.first_day, self.days)
        return float(self._misfit(simulated, u, self.held, np.zeros_like(self.held)))

    def runs(self, steps: int) -> int:
        """Forward runs of the model in the first ``steps`` steps, validations and an a-priori line included.

        Runs that a kill has lost are not among them. The cells of a step differ, so that no two of its rows are one
        run: that holds for windows as long as the training period.
        """
        config = self.config
        batch = min(config.cells_per_batch, self.pool.size) * config.windows_per_batch
        every = config.training.validate_every
        validated = 0 if every is None else steps // every * self.held.size
        fixed = config.loss.line == "prior" and config.loss.operator != "raw"
        line = self.pool.size + self.held.size if fixed else 0
        return steps * batch * self.model.runs_per_gradient + validated + line

    def _index(self, positions: Int[np.ndarray, "*n"]) -> Int[Tensor, "*n"]:
        return torch.as_tensor(positions, device=self.prior.device)


def _relative_root(weight: Float[Tensor, "sample day"], fit: str) -> Float[Tensor, "sample day"]:
    """Factor on both series that makes their mean square error the weighted mean over all counted days (``rmse``) or
    over those of each sample (``cell_rmse``)."""
    axis = (0, 1) if fit == "rmse" else (1,)
    counted = (weight > 0).sum(axis, keepdim=True).clamp(min=1)
    total = weight.sum(axis, keepdim=True)
    mean = torch.where(total > 0, total / counted, torch.ones_like(total))
    return torch.sqrt(weight / mean)
