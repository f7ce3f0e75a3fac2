"""What a learner minimises: misfit of the simulated to the observed soil moisture of random cells and windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from paraformer.core.contracts import DifferentiableModel
from paraformer.core.seeding import generator
from paraformer.core.variables import CATEGORICAL, class_of
from paraformer.learners.config import HistoryConfig, LearnerConfig
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen, Targets
from paraformer.numerics.inference import Inference, InferenceConfig, effective_days
from paraformer.numerics.losses import LOSSES, Evidence, posterior_cost, range_boundary_loss
from paraformer.numerics.observe import Line, fit_line, observe
from paraformer.training.ranks import gathered, share
from paraformer.training.windows import Windows


class Batch(NamedTuple):
    """Samples of a step: cell, first day of the loss, first day of the history (0 where none is read), and which
    attributes are hidden from the network."""

    cells: Int[np.ndarray, " sample"]
    starts: Int[np.ndarray, " sample"]
    histories: Int[np.ndarray, " sample"]
    hidden: Bool[np.ndarray, "sample attribute"]


class LearnTask:
    """Misfit of random windows, plus the pull of the prior and the range-boundary loss (method.md 3 and 5)."""

    def __init__(
        self,
        network: ParameterMap,
        config: LearnerConfig,
        model: DifferentiableModel,
        seen: Seen,
        seed: int,
    ) -> None:
        self.network: nn.Module = network
        self.config = config
        self.model = model
        self.first_day, self.days, self.groups = seen.first_day, seen.days, hidden_together(seen.names)
        self.inputs, self.prior, self.targets, self.others = seen.inputs, seen.prior, seen.targets, seen.others
        self.flow, self.size = seen.flow, seen.prior.shape[1]
        self.moisture = config.targets is None or seen.flow is None or config.targets.soil_moisture > 0
        self.counted = config.targets is None or config.targets.soil_moisture > 0
        outputs = () if config.targets is None else config.targets.outputs
        self.outputs = ("soil_moisture", *outputs) if self.moisture else outputs
        self.start = torch.cat(
            [seen.prior, seen.prior.new_tensor(seen.routing_start).expand(len(seen.prior), -1)], dim=1
        )
        self.lead = 0 if seen.flow is None else seen.flow.lead
        self.pool, self.seed = seen.cells, seed
        self._prior_line: Line | None = None
        self._prior_inference: Inference | None = None

    def to(self, device: torch.device) -> None:
        self.inputs, self.prior, self.start = self.inputs.to(device), self.prior.to(device), self.start.to(device)
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
        theta = u[:, : self.size]
        simulated = {name: gathered(series, samples) for name, series in self._simulate(theta, mine).items()}
        return self._misfit(simulated, gathered(u, samples), batch.cells, batch.starts)

    def draw(self, step: int) -> Batch:
        """Samples of a step, which depend on (seed, step) alone: not on the number of processes."""
        config, network = self.config, self.config.network
        if self.flow is not None:
            return self._whole_basins(step)
        windows = Windows(self.pool, 0, self.days, self._length, config.cells_per_batch, self.seed, "learner/0")
        cells, starts = windows.draw(step, config.windows_per_batch, own=config.periods == "own")
        last = self.days - network.history_days if isinstance(network, HistoryConfig) else 0
        histories = generator(self.seed, "history", step).integers(0, last + 1, size=cells.size)
        if config.history == "loss":
            histories = starts
        return Batch(cells, starts, histories, self._hidden(step, cells.size))

    def _whole_basins(self, step: int) -> Batch:
        """Random basins, and cells of none, with all of their cells: as many as a batch holds, at least one."""
        assert self.flow is not None
        groups = self.flow.groups(self.pool)
        random = generator(self.seed, "basins", step)
        order = random.permutation(len(groups)) if self.pool.size > self.config.cells_per_batch else range(len(groups))
        taken: list[np.ndarray] = []
        for at in order:
            if taken and sum(map(len, taken)) + len(groups[at]) > self.config.cells_per_batch:
                break
            taken.append(groups[at])
        cells, network = np.sort(np.concatenate(taken)), self.config.network
        last = self.days - network.history_days if isinstance(network, HistoryConfig) else 0
        histories = generator(self.seed, "history", step).integers(0, last + 1, size=cells.size)
        return Batch(cells, np.zeros(cells.size, dtype=np.int64), histories, self._hidden(step, cells.size))

    def _hidden(self, step: int, samples: int) -> Bool[np.ndarray, "sample attribute"]:
        """Attributes that the samples of a step do not show.

        A sample is drawn with the probability ``attribute_dropout``; of its attributes a share that is uniform between
        none and all is hidden, so that the map meets subsets of every size.
        """
        if self.config.attribute_dropout == 0:
            return np.zeros((samples, len(self.groups)), dtype=bool)
        random = generator(self.seed, "attributes", step)
        share = np.where(random.random(samples) < self.config.attribute_dropout, random.random(samples), 0.0)
        hidden = random.random((samples, self.groups.max() + 1)) < share[:, None]
        return hidden[:, self.groups]

    @property
    def epoch(self) -> int:
        """Steps that draw as many cell-days as the training period has."""
        return self.config.epoch(self.pool.size, self.days)

    @property
    def _length(self) -> int:
        return self.days if self.config.window is None else self.config.window

    def _theta(self, network: nn.Module, batch: Batch) -> Float[Tensor, "sample parameter"]:
        """θ of the samples, and behind it routing, from their own windows of the history; ``network`` may be a
        wrapper."""
        cells = self._index(batch.cells)
        attributes, prior = self.inputs.attributes[cells], self.start[cells]
        if self.config.attribute_dropout > 0:
            attributes = attributes.masked_fill(torch.as_tensor(batch.hidden, device=cells.device), torch.nan)
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
            start = self.first_day + int(batch.starts[part[0]]) - self.lead
            cells = self._index(batch.cells[part])
            series.append(self._respond(u[part[0] : part[-1] + 1], cells, start, self._length + self.lead))
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
        at, theta = self._index(cells), u[:, : self.size]
        settings = self.config.loss
        if settings.inference is not None:
            fit = self._posterior(settings.inference, series, u, cells, starts)
        else:
            within = {name: one[:, self.lead :] for name, one in series.items()}
            fit = self._moisture(within["soil_moisture"], at, starts) if self.moisture else torch.zeros(()).to(u)
            if self.others is not None:
                fit = self.others.config.soil_moisture * fit + self.others.loss(within, at).to(fit)
                if self.flow is not None:
                    fit = fit + self.others.unit * self.flow.loss(series, cells, u[:, self.size :])
            fit = fit + settings.prior_weight * (theta - self.prior[at]).square().mean()
        return fit + range_boundary_loss(u, alpha=settings.range_weight)

    def _posterior(
        self,
        config: InferenceConfig,
        series: Mapping[str, Float[Tensor, "sample day"]],
        u: Float[Tensor, "sample parameter"],
        cells: Int[np.ndarray, " sample"],
        starts: Int[np.ndarray, " sample"],
    ) -> Tensor:
        """Joint posterior of all targets."""
        at, theta = self._index(cells), u[:, : self.size]
        within = {name: one[:, self.lead :] for name, one in series.items()}
        if self.counted:
            compared = self._compared(within["soil_moisture"], at, starts)
        else:
            nothing = torch.zeros(len(at), 1).to(u)
            compared = nothing, nothing, nothing > 0
        others = None
        if self.others is not None:
            others = Evidence(self.others.chi_squared(within, at).to(u) / 2, torch.zeros(()).to(u))
            if self.flow is not None:
                flow = self.flow.evidence(series, cells, u[:, self.size :], self._flow_days)
                others = Evidence(others.minus_log + flow.minus_log, flow.days)
        return posterior_cost(*compared, theta, self._inference(config, at), others)

    def _moisture(
        self, simulated: Float[Tensor, "sample day"], at: Int[Tensor, " sample"], starts: Int[np.ndarray, " sample"]
    ) -> Tensor:
        """Misfit of soil moisture."""
        return LOSSES[self.config.loss.fit](*self._compared(simulated, at, starts))

    def _compared(
        self, simulated: Float[Tensor, "sample day"], at: Int[Tensor, " sample"], starts: Int[np.ndarray, " sample"]
    ) -> tuple[Float[Tensor, "sample day"], Float[Tensor, "sample day"], Bool[Tensor, "sample day"]]:
        """Soil moisture after the observation operator, what was observed, and where."""
        days = self._index(starts[:, None] + np.arange(simulated.shape[1]))
        observed, mask, weight = self.targets.at(at, days)
        observed = observed.to(simulated.dtype)
        settings = self.config.loss
        seen = observe(simulated, self._line(simulated, observed, mask, at))
        if self.config.observations == "both":
            together = settings.fit == "rmse" and settings.inference is None
            scale, mask = _relative_root(weight, together), weight > 0
            seen, observed = scale * seen, scale * observed
        return seen, observed, mask

    def _line(self, simulated: Tensor, observed: Tensor, mask: Tensor, cells: Tensor) -> Line:
        settings = self.config.loss
        if settings.line == "window" or settings.operator == "raw":
            return fit_line(settings.operator, simulated, observed, mask)
        if self._prior_line is None:
            every, default = self._index(self.pool), self._prior_run
            known = self.targets.observed[every].to(default.dtype)
            line = fit_line(settings.operator, default, known, self.targets.mask[every])
            gain, offset = (torch.zeros(len(self.prior), 1).to(default) for _ in range(2))
            gain[every], offset[every] = line.gain.expand(len(every), 1), line.offset.expand(len(every), 1)
            self._prior_line = Line(gain, offset)
        return Line(self._prior_line.gain[cells], self._prior_line.offset[cells])

    def _inference(self, config: InferenceConfig, cells: Tensor) -> Inference:
        """Prior and effective days of some cells; those of the whole training period, whatever the window."""
        if self._prior_inference is None:
            days = torch.ones(len(self.prior)).to(self.prior)
            if self.counted:
                every = self._index(self.pool)
                arrays = (self._prior_run, self.targets.observed[every], self.targets.mask[every])
                found = effective_days(
                    *(a.cpu().double().numpy() if a.dtype != torch.bool else a.cpu().numpy() for a in arrays)
                )
                days[every] = torch.as_tensor(np.where(found > 0, found, 1.0)).to(days)
            std = torch.as_tensor(config.std(self.model.parameters)).to(self.prior)
            self._prior_inference = Inference(self.prior, std, days)
        return self._prior_inference.at(cells)

    @cached_property
    def _prior_run(self) -> Float[Tensor, "trained day"]:
        """Soil moisture of the training period with the a-priori θ, of the cells that are learned from."""
        every = self._index(self.pool)
        with torch.no_grad():
            return self.model.respond(self.prior[every], every, self.first_day, self.days)["soil_moisture"]

    @cached_property
    def _flow_days(self) -> Float[np.ndarray, " gauge"]:
        """Effective days of every gauge, from a run of the a-priori θ in all cells of basins that count."""
        assert self.flow is not None
        cells = np.flatnonzero(self.flow.of >= 0)
        at = self._index(cells)
        outputs = ("runoff", "baseflow")
        with torch.no_grad():
            series = self.model.respond(self.prior[at], at, self.first_day - self.lead, self.days + self.lead, outputs)
            return self.flow.effective_days(series, cells, self.start[at][:, self.size :])

    def runs(self, steps: int) -> int:
        """Forward runs of the model in the first ``steps`` steps, that of the a-priori θ included where it is needed.

        Runs that a kill has lost are not among them. The cells of a step differ, so that no two of its rows are one
        run: that holds for windows as long as the training period.
        """
        config = self.config
        batch = min(config.cells_per_batch, self.pool.size) * config.windows_per_batch
        once = self.pool.size if config.loss.reads_prior_run and self.counted else 0
        if config.loss.inference is not None and self.flow is not None:
            once += int((self.flow.of >= 0).sum())
        if self.flow is not None:
            drawn = sum(self.draw(step).cells.size for step in range(steps))
            return drawn * self.model.runs_per_gradient + once
        return steps * batch * self.model.runs_per_gradient + once

    def _index(self, positions: Int[np.ndarray, "*n"]) -> Int[Tensor, "*n"]:
        return torch.as_tensor(positions, device=self.prior.device)


def hidden_together(names: Sequence[str]) -> Int[np.ndarray, " attribute"]:
    """Group of each attribute: the columns of one map's classes are known or unknown as a whole."""
    whole = [CATEGORICAL if class_of(name) is not None else name for name in names]
    order = list(dict.fromkeys(whole))
    return np.array([order.index(name) for name in whole])


def _relative_root(weight: Float[Tensor, "sample day"], together: bool) -> Float[Tensor, "sample day"]:
    """Factor on both series that makes their mean square error the weighted mean over the counted days of all samples
    ``together``, or of each sample."""
    axis = (0, 1) if together else (1,)
    counted = (weight > 0).sum(axis, keepdim=True).clamp(min=1)
    total = weight.sum(axis, keepdim=True)
    mean = torch.where(total > 0, total / counted, torch.ones_like(total))
    return torch.sqrt(weight / mean)
