"""Misfit of flow at the gauges of each basin, as a function of its θ and its times of travel: what a search minimises,
alone or beside soil moisture and references in the basin's cells.

A basin has one θ for all of its cells and one set of learned parameters of routing; gauges whose basins share a cell
are one basin, and all of them count. What a search calls a cell is a basin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from paraformer.core.contracts import CalibrationData, ForwardModel, GaugedFlow
from paraformer.core.errors import DataError, ModelError
from paraformer.core.targets_config import StreamflowTarget
from paraformer.numerics.flow_loss import flow_residuals
from paraformer.numerics.observe import fit_line, observe
from paraformer.numerics.references import WATERS
from paraformer.search.config import BuiltInSearchConfig
from paraformer.search.objective import OUTPUT as MOISTURE
from paraformer.search.objective import Grouped, linearisable, require_outputs
from paraformer.search.targets import OtherTargets

_STEP = 1e-4
"""Step of the differences in learned parameters of routing, unit coordinates: unit hydrographs are smooth."""


def searchable_basins(data: CalibrationData, min_days: int) -> Int[np.ndarray, " basin"]:
    """Positions of the basins with a gauge that has enough observed days on which flow varies.

    Raises:
        DataError: if there is none.
    """
    flow = data.gauged()
    good = _good(flow, min_days)
    found = np.array([basin for basin, gauges in enumerate(flow.basins.gauges) if good[gauges].any()], dtype=np.int64)
    if not found.size:
        raise DataError(f"search: no gauge has {min_days} observed days of flow that varies in the training period")
    return found


def _good(flow: GaugedFlow, min_days: int) -> np.ndarray:
    """Gauges with enough days, of flow that varies."""
    least = np.where(flow.mask, flow.observed, np.inf).min(axis=1)
    most = np.where(flow.mask, flow.observed, -np.inf).max(axis=1)
    return (flow.mask.sum(axis=1) >= min_days) & (most > least)


class FlowMisfit(Grouped):
    """Distance of simulated from observed flow (``numerics.flow_loss``): 1 - KGE, or the root of 1 - NSE. With several
    targets the root of the weighted sum of its square and of their squared relative errors over all cells of the basin.

    Args:
        model: forward model of all cells of ``data``; its ``runs`` count what parts of it ran, too.
        data: with flow of the training period.
        at: positions of the searched basins; ``__call__`` counts within them.
        config: of the search.

    Raises:
        DataError: if model and data do not have the same number of cells.
        ModelError: if the model lacks an output.
    """

    def __init__(
        self, model: ForwardModel, data: CalibrationData, at: Int[np.ndarray, " basin"], config: BuiltInSearchConfig
    ) -> None:
        if model.n_cells != len(data.cells):
            raise DataError(f"search: the forward model has {model.n_cells} cells, the data {len(data.cells)}")
        flow = data.gauged()
        self.moisture = _Moisture.of(config, data)
        self.others = OtherTargets(config.others, data) if config.others is not None and config.others.chosen else None
        more = () if self.moisture is None else (MOISTURE,)
        self.outputs = (*WATERS, *more, *(() if self.others is None else self.others.outputs))
        require_outputs(model, self.outputs)
        self.model, self.flow, self.basins, self.at = model, flow, flow.basins, at
        self.names = data.cells
        self.stop = data.first_day + len(data.time)
        self.days = slice(data.first_day, self.stop)
        gauged = config.gauged
        self.score, self.log_share = gauged.score, gauged.log_share
        self.weight = (gauged.weight or 1.0) if isinstance(gauged, StreamflowTarget) else 1.0
        self.good = _good(flow, gauged.min_days)
        self.fixed = config.find == "routing"
        self.p = 0 if self.fixed else len(model.parameters)
        most = max(len(cells) for cells in self.basins.cells)
        self.runs_together = max(1, config.runs_together // most)
        self.prior_theta = data.prior
        self._water: dict[int, tuple[np.ndarray, ...]] = {}

    def prior(self) -> Float[np.ndarray, "basin parameter"]:
        """Where every searched basin begins: the mean of its cells' a-priori θ, and its river's times of travel."""
        space = self.model.parameters
        unit = np.clip(space.to_unit(self.prior_theta), 0.0, 1.0)
        theta = np.stack([unit[self.basins.cells[basin]].mean(axis=0) for basin in self.at])
        routing = np.empty((len(self.at), 0))
        if self.basins.parameters is not None:
            routing = np.clip(self.basins.parameters.to_unit(self.basins.prior()[self.at]), 0.0, 1.0)
        return np.concatenate([theta[:, : self.p], routing], axis=1)

    def found(
        self, points: Float[np.ndarray, "basin parameter"]
    ) -> tuple[Float[np.ndarray, "cell theta"], Float[np.ndarray, "all_basins routing"] | None]:
        """θ of every cell and learned parameters of every basin; a-priori ones where nothing was searched."""
        theta, space = self.prior_theta.astype(np.float64), self.model.parameters
        routing = self.basins.prior() if self.basins.parameters is not None else None
        for basin, point in zip(self.at.tolist(), points, strict=True):
            if self.p:
                theta[self.basins.cells[basin]] = space.clip(space.from_unit(point[: self.p]))
            if routing is not None:
                routing[basin] = self._routing(point)
        return theta, routing

    def _routing(self, point: np.ndarray) -> np.ndarray | None:
        space = self.basins.parameters
        return None if space is None else space.clip(space.from_unit(point[self.p :]))

    def _cost(
        self, cells: Int[np.ndarray, " basin"], points: Float[np.ndarray, "basin set parameter"]
    ) -> Float[np.ndarray, "basin set"]:
        return self._costs(cells, points, self._waters(cells, points))

    def _costs(self, cells: np.ndarray, points: np.ndarray, waters: np.ndarray) -> Float[np.ndarray, "basin set"]:
        cost = np.empty(points.shape[:2])
        for i, j in np.ndindex(cost.shape):
            cell = int(cells[i])
            series = self._compared(cell, points[i, j], waters[i, j])
            cost[i, j] = float(self._residuals(cell, *map(torch.as_tensor, series)).square().sum().sqrt())
        return cost

    def _compared(self, cell: int, point: np.ndarray, series: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
        """What is compared of a searched basin: flow of the training days [gauge, day]; of several targets also the
        series of its cells [cell, day]."""
        flow = self._route(cell, point, series[0], series[1])
        if self.moisture is None and self.others is None:
            return [flow]
        return [flow, *(np.ascontiguousarray(one[:, self.days]) for one in series)]

    def _route(self, cell: int, point: np.ndarray, runoff: np.ndarray, baseflow: np.ndarray) -> np.ndarray:
        """Flow of the training days at the gauges of a searched basin [gauge, day]."""
        return self.basins.flow(int(self.at[cell]), runoff, baseflow, self._routing(point))[:, self.days]

    def _residuals(self, cell: int, simulated: torch.Tensor, *series: torch.Tensor) -> torch.Tensor:
        """Residuals at the gauges of a searched basin that count, and in its cells; their squares add up to the squared
        cost."""
        gauges = self.basins.gauges[self.at[cell]]
        good = self.good[gauges]
        observed, mask = (torch.as_tensor(a[gauges[good]]) for a in (self.flow.observed, self.flow.mask))
        chosen = simulated[torch.as_tensor(good)]
        found = flow_residuals(chosen, observed.to(chosen), mask, self.score, self.log_share)
        parts = [found.reshape(-1) * (self.weight / float(good.sum())) ** 0.5]
        named, cells = dict(zip(self.outputs, series, strict=bool(series))), self.basins.cells[self.at[cell]]
        if self.moisture is not None:
            parts.append(self.moisture.residuals(named[MOISTURE], cells))
        if self.others is not None:
            parts.append(self.others.residuals(named, cells, together=True).reshape(-1))
        return torch.cat(parts)

    def _waters(self, cells: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Series of the cells of each basin with each set, runoff and baseflow [mm day-1] first: an array [basin, set,
        output] of arrays."""
        found = np.empty((*points.shape[:2], len(self.outputs)), dtype=object)
        if self.fixed:
            for i, cell in enumerate(cells.tolist()):
                if cell not in self._water:
                    mine = self.basins.cells[self.at[cell]]
                    self._water[cell] = tuple(one[:, 0] for one in self._run(mine, self.prior_theta[mine][:, None]))
                for j, k in np.ndindex(found.shape[1:]):
                    found[i, j, k] = self._water[cell][k]
            return found
        groups = [self.basins.cells[basin] for basin in self.at[cells]]
        space = self.model.parameters
        theta = space.clip(space.from_unit(points[:, :, : self.p]))
        of = np.repeat(np.arange(len(cells)), [len(group) for group in groups])
        series = self._run(np.concatenate(groups), theta[of])
        for i, j, k in np.ndindex(found.shape):
            found[i, j, k] = series[k][of == i, j]
        return found

    def _run(self, cells: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        whole = np.array_equal(cells, np.arange(self.model.n_cells))
        part = self.model if whole else self.model.select(cells)
        simulated = part.simulate(theta, self.outputs)
        if part is not self.model:
            self.model.runs += part.runs
        for name, values in simulated.items():
            if values.shape[2] < self.stop:
                raise ModelError(
                    f"search: the forward model has {values.shape[2]} days; the training period ends on day {self.stop}"
                )
            bad = ~np.isfinite(values[:, :, : self.stop])
            if bad.any():
                cell, member, day = (int(i) for i in np.argwhere(bad)[0])
                told = zip(self.model.parameters.names, theta[cell, member], strict=True)
                raise ModelError(
                    f"search: simulated '{name}' of cell {self.names[cells[cell]]} is {values[cell, member, day]} on "
                    f"day {day} with {', '.join(f'{k} {v:g}' for k, v in told)}"
                )
        return tuple(simulated[name][:, :, : self.stop].astype(np.float64) for name in self.outputs)


class _Moisture(NamedTuple):
    """Soil moisture as a target of basins: its squared error over the variance of the observation, over all observed
    days of a basin's cells, after the observation operator of each cell."""

    observed: torch.Tensor
    mask: torch.Tensor
    operator: str
    scale: float
    weight: float

    @classmethod
    def of(cls, config: BuiltInSearchConfig, data: CalibrationData) -> _Moisture | None:
        """``None`` where soil moisture is no target.

        Raises:
            DataError: if no observation of a trained cell varies.
        """
        if config.others is None or not config.of_moisture:
            return None
        mask = data.mask & data.trained[:, None]
        scale = float(data.observed[mask].std()) if mask.any() else 0.0
        if not scale > 0.0:
            raise DataError("search: targets: soil_moisture, but no observation of a trained cell varies")
        observed = torch.as_tensor(np.where(mask, data.observed, 0.0)).double()
        return cls(observed, torch.as_tensor(mask), config.loss.operator, scale, config.others.soil_moisture)

    def residuals(self, simulated: torch.Tensor, cells: np.ndarray) -> torch.Tensor:
        """Of the cells of a basin, whose squares add up to the weighted squared error [cell * day]."""
        observed, mask = self.observed[cells], self.mask[cells]
        seen = observe(simulated, fit_line(self.operator, simulated, observed, mask))
        wrong = torch.where(mask, seen - observed, 0.0).reshape(-1)
        return wrong * ((self.weight / mask.sum().clamp(min=1)) ** 0.5 / self.scale)


class FlowResiduals(FlowMisfit):
    """The misfit of flow with what least squares needs beside it: runoff, gradient and curvature.

    Raises:
        ModelError: if the model gives no slopes.
    """

    def __init__(
        self, model: ForwardModel, data: CalibrationData, at: Int[np.ndarray, " basin"], config: BuiltInSearchConfig
    ) -> None:
        super().__init__(model, data, at, config)
        self.slopes = linearisable(model)

    def run(
        self, cells: Int[np.ndarray, " basin"], points: Float[np.ndarray, "basin set parameter"]
    ) -> tuple[Float[np.ndarray, "basin set"], np.ndarray]:
        """Cost at points in unit coordinates, and the series there (objects [basin, set, output])."""
        size = max(1, self.runs_together // points.shape[1])
        blocks = [slice(i, i + size) for i in range(0, len(cells), size)]
        waters = np.concatenate([self._waters(cells[b], points[b]) for b in blocks])
        return self._costs(cells, points, waters), waters

    def normal_equations(
        self, cells: Int[np.ndarray, " basin"], at: Float[np.ndarray, "basin parameter"], waters: np.ndarray
    ) -> tuple[Float[np.ndarray, "basin parameter"], Float[np.ndarray, "basin parameter parameter"]]:
        """Gradient and Gauss-Newton curvature of half the squared cost, in unit coordinates.

        Args:
            waters: series at ``at``, as ``run`` gives them.
        """
        gradient, curvature = np.empty(at.shape), np.empty((*at.shape, at.shape[1]))
        size = max(1, self.runs_together // max(2 * self.p, 1))
        for start in range(0, len(cells), size):
            some = slice(start, start + size)
            slopes = self._water_slopes(cells[some], at[some], waters[some])
            for i, slope in enumerate(slopes, start):
                cell, point, water = int(cells[i]), at[i], waters[i]
                columns = [self._compared(cell, point, series) for series in slope]
                columns += self._by_routing(cell, point, water)
                wrong, jacobian = self._linear(cell, self._compared(cell, point, water), columns)
                gradient[i], curvature[i] = jacobian @ wrong, jacobian @ jacobian.T
        return gradient, curvature

    def _linear(
        self, cell: int, series: list[np.ndarray], columns: list[list[np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals, and their derivative with respect to every parameter [parameter, residual]."""
        point = tuple(map(torch.as_tensor, series))
        pairs: list[Any] = [
            torch.func.jvp(lambda *q: self._residuals(cell, *q), point, tuple(map(torch.as_tensor, column)))
            for column in columns
        ]
        return pairs[0][0].numpy(), np.stack([pair[1].numpy() for pair in pairs])

    def _by_routing(self, cell: int, point: np.ndarray, waters: np.ndarray) -> list[list[np.ndarray]]:
        """Derivative of flow with respect to the learned parameters of routing, by differences inside the bounds; they
        change no other series."""
        found = []
        for i in range(self.p, len(point)):
            low, high = point.copy(), point.copy()
            low[i], high[i] = max(point[i] - _STEP, 0.0), min(point[i] + _STEP, 1.0)
            ends = [self._compared(cell, end, waters) for end in (high, low)]
            found.append([(one - other) / (high[i] - low[i]) for one, other in zip(*ends, strict=True)])
        return found

    def _water_slopes(self, cells: np.ndarray, at: np.ndarray, waters: np.ndarray) -> list[list[list[np.ndarray]]]:
        """Derivative of the series with respect to each parameter of θ, basin by basin: 2p runs a cell."""
        if not self.p:
            return [[] for _ in cells]
        groups = [self.basins.cells[basin] for basin in self.at[cells]]
        of, here = np.repeat(np.arange(len(cells)), [len(g) for g in groups]), np.concatenate(groups)
        whole = np.array_equal(here, np.arange(self.slopes.n_cells))
        part: Any = self.slopes if whole else self.slopes.select(here)
        value = {name: np.concatenate([one[k] for one in waters])[:, None] for k, name in enumerate(self.outputs)}
        unit = at[of][:, None, : self.p]
        slope = part.linearise(unit, self.outputs, value, slice(0, self.stop)).slope
        if part is not self.slopes:
            self.slopes.runs += part.runs
        columns = [slope[name][:, 0] for name in self.outputs]  # [cell, day, parameter]
        return [[[one[of == i, :, j] for one in columns] for j in range(self.p)] for i in range(len(cells))]
