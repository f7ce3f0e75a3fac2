"""Flow at gauges as a target of a learner: errors over gauges, and which cells go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError
from paraformer.core.hashing import hash_json
from paraformer.core.parameters import ParameterSpace
from paraformer.core.targets_config import StreamflowTarget
from paraformer.numerics.flow_loss import flow_days, flow_residuals
from paraformer.numerics.losses import Evidence

LEAD = 180
"""Days before the training period, as far as there are any, whose runoff is routed too: a river is dry before them."""


class FlowTarget:
    """Error of the flow of basins whose cells are simulated together.

    Args:
        config: what the error of a gauge is.
        data: with flow at gauges; those of basins with a cell that is not trained have no days.

    Attributes:
        basins: positions of the basins with a gauge that counts.
        lead: days simulated before the training period.

    Raises:
        DataError: without flow, or without a gauge that has enough days of flow that varies.
    """

    def __init__(self, config: StreamflowTarget, data: CalibrationData) -> None:
        flow = data.gauged()
        self.config, self.flow = config, flow
        least = np.where(flow.mask, flow.observed, np.inf).min(axis=1)
        most = np.where(flow.mask, flow.observed, -np.inf).max(axis=1)
        self.good = (flow.mask.sum(axis=1) >= config.min_days) & (most > least)
        found = [basin for basin, gauges in enumerate(flow.basins.gauges) if self.good[gauges].any()]
        if not found:
            raise DataError(
                f"targets: streamflow: no gauge of trained cells has {config.min_days} observed days of flow that "
                "varies in the training period"
            )
        self.basins = np.array(found, dtype=np.int64)
        self.lead = min(data.first_day, LEAD)
        self.of = np.full(len(data.cells), -1, dtype=np.int64)
        for basin in found:
            self.of[flow.basins.cells[basin]] = basin

    @property
    def parameters(self) -> ParameterSpace | None:
        """Parameters of routing that are learned."""
        return self.flow.basins.parameters

    def groups(self, others: Int[np.ndarray, " cell"]) -> tuple[np.ndarray, ...]:
        """Cells that go together: those of each basin, and each of ``others`` that lies in none of them."""
        basins = tuple(self.flow.basins.cells[basin] for basin in self.basins)
        return basins + tuple(np.array([cell]) for cell in others if self.of[cell] < 0)

    def loss(
        self,
        simulated: Mapping[str, Float[Tensor, "sample day"]],
        cells: Int[np.ndarray, " sample"],
        routing: Float[Tensor, "sample routing"],
    ) -> Float[Tensor, ""]:
        """Mean over gauges of their errors, times the weight.

        Args:
            simulated: runoff and baseflow of the samples, ``lead`` days and the training period.
            cells: all cells of every basin that has one among them.
            routing: learned parameters that the cells ask for, unit coordinates; a basin has the mean of its cells.
        """
        errors = [self._errors(flow, gauges) for gauges, flow in self._flows(simulated, cells, routing)]
        if not errors:
            return routing.new_zeros(())
        weight = 1.0 if self.config.weight is None else self.config.weight
        return weight * torch.cat(errors).mean().to(routing)

    def evidence(
        self,
        simulated: Mapping[str, Float[Tensor, "sample day"]],
        cells: Int[np.ndarray, " sample"],
        routing: Float[Tensor, "sample routing"],
        days: Float[np.ndarray, " gauge"],
    ) -> Evidence:
        """What flow says of θ: each gauge as much as its effective days, the variance of its errors integrated out.

        Args:
            simulated, cells, routing: as of ``loss``.
            days: effective days of each gauge (``effective_days``).
        """
        minus_log, total = routing.new_zeros(()), routing.new_zeros(())
        for gauges, flow in self._flows(simulated, cells, routing):
            weight = torch.as_tensor(days[gauges])
            minus_log = minus_log + (weight * torch.log(self._errors(flow, gauges))).sum().to(routing)
            total = total + weight.sum().to(routing)
        return Evidence(minus_log, total)

    def effective_days(
        self,
        simulated: Mapping[str, Float[Tensor, "sample day"]],
        cells: Int[np.ndarray, " sample"],
        routing: Float[Tensor, "sample routing"],
    ) -> Float[np.ndarray, " gauge"]:
        """Independent days that say as much as the observed days of each gauge, from a run of the a-priori θ.

        Args:
            simulated, cells, routing: as of ``loss``.
        """
        found = np.ones(len(self.good))
        for gauges, flow in self._flows(simulated, cells, routing):
            observed, mask = self.flow.observed[gauges], self.flow.mask[gauges]
            found[gauges] = flow_days(flow.numpy(), observed, mask, self.config.log_share)
        return found

    def _flows(
        self, simulated: Mapping[str, Tensor], cells: Int[np.ndarray, " sample"], routing: Tensor
    ) -> Iterator[tuple[Int[np.ndarray, " gauge"], Float[Tensor, "gauge day"]]]:
        """Gauges that count of every basin with a cell among the samples, and their flow in the training period."""
        place = {int(cell): row for row, cell in enumerate(cells)}
        for basin in np.unique(self.of[cells][self.of[cells] >= 0]).tolist():
            rows = torch.as_tensor([place[int(cell)] for cell in self.flow.basins.cells[basin]])
            runoff, baseflow = (simulated[name][rows].double().cpu() for name in ("runoff", "baseflow"))
            times = routing[rows].mean(dim=0).cpu() if self.parameters is not None else None
            flow = self.flow.basins.respond(basin, runoff, baseflow, times)[:, self.lead :]
            gauges = self.flow.basins.gauges[basin]
            good = self.good[gauges]
            yield gauges[good], flow[torch.as_tensor(good)]

    def _errors(self, flow: Float[Tensor, "gauge day"], gauges: Int[np.ndarray, " gauge"]) -> Float[Tensor, " gauge"]:
        observed, mask = (torch.as_tensor(a[gauges]) for a in (self.flow.observed, self.flow.mask))
        found = flow_residuals(flow, observed, mask, self.config.score, self.config.log_share)
        return (found.square().sum(dim=-1) + 1e-12).sqrt()


def routing_start(data: CalibrationData) -> Float[np.ndarray, " routing"]:
    """Where learned parameters begin everywhere, unit coordinates: the median over basins of what the river has."""
    basins = data.gauged().basins
    if basins.parameters is None:
        return np.empty(0)
    return np.median(np.clip(basins.parameters.to_unit(basins.prior()), 0.0, 1.0), axis=0)


def routing_of(data: CalibrationData, asked: Float[np.ndarray, "cell routing"]) -> Float[np.ndarray, "basin routing"]:
    """Learned parameters of every basin, physical units, from what its cells ask for (unit coordinates)."""
    basins = data.gauged().basins
    assert basins.parameters is not None
    unit = np.stack([asked[cells].mean(axis=0) for cells in basins.cells])
    return basins.parameters.clip(basins.parameters.from_unit(np.clip(unit, 0.0, 1.0)))


def flow_arrays(data: CalibrationData) -> list[np.ndarray]:
    """All of the flow that reaches the weights, for a fingerprint."""
    flow = data.gauged()
    river = np.frombuffer(hash_json(flow.basins.description()).encode(), dtype=np.uint8)
    return [np.where(flow.mask, flow.observed, 0.0), flow.mask, river]
