"""Misfit of flow at the gauges of each basin, as a function of its θ and its times of travel: what a search minimises,
alone or beside soil moisture and references in the basin's cells.

A basin has one θ for all of its cells and one set of learned parameters of routing; gauges whose basins share a cell
are one basin, and all of them count. What a search calls a cell is a basin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from paraformer.core.contracts import CalibrationData, ForwardModel, GaugedFlow
from paraformer.core.errors import DataError, ModelError
from paraformer.core.targets_config import StreamflowTarget
from paraformer.numerics.flow_loss import flow_days, flow_residuals
from paraformer.numerics.inference import effective_days, straightened
from paraformer.numerics.observe import fit_line, observe
from paraformer.numerics.references import WATERS
from paraformer.search.config import BuiltInSearchConfig
from paraformer.search.objective import OUTPUT as MOISTURE
from paraformer.search.objective import Grouped, linearisable, require_outputs, scored
from paraformer.search.targets import OtherTargets

_STEP = 1e-4
"""Step of the differences in learned parameters of routing, unit coordinates: unit hydrographs are smooth."""

_LEAST = 1e-16
"""Squared error of a series below which its logarithm falls no further."""


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

    With ``loss.inference`` the posterior cost exp(-log p / N) of the basin's θ (decision 0048): gauges, and its cells'
    soil moisture, by their effective days, N of them together; other targets by their errors; the prior of θ around the
    mean of the cells' a-priori θ. The prior of times of travel is flat.

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
        by_error = config.loss.inference is not None
        chosen = config.others if config.others is not None and config.others.chosen else None
        self.others = None if chosen is None else OtherTargets(chosen, data, by_error=by_error)
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
        self._prior = config.loss.inference
        self.by_inference = self._prior is not None

    @cached_property
    def inference(self) -> list[_BasinInference]:
        """Of every searched basin, from a run of its a-priori θ."""
        assert self._prior is not None
        points, every = self.prior(), np.arange(len(self.at))
        std, found = self._prior.std(self.model.parameters), []
        size = self.runs_together
        for some in (every[i : i + size] for i in range(0, len(every), size)):
            for cell, waters in zip(some.tolist(), self._waters(some, points[some, None])[:, 0], strict=True):
                flow, *series = self._compared(cell, points[cell], waters)
                gauges = self.basins.gauges[self.at[cell]]
                gauges, flow = gauges[self.good[gauges]], flow[self.good[gauges]]
                days = flow_days(flow, self.flow.observed[gauges], self.flow.mask[gauges], self.log_share)
                if self.moisture is not None:
                    own = self.basins.cells[self.at[cell]]
                    days = np.concatenate([days, self.moisture.days(series[self.outputs.index(MOISTURE)], own)])
                found.append(_BasinInference(points[cell, : self.p], std, days))
        return found

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
            rows = self._rows(cell, *map(torch.as_tensor, self._compared(cell, points[i, j], waters[i, j])))
            if self.by_inference:
                cost[i, j] = self.inference[cell].cost(rows, points[i, j, : self.p])[0]
            else:
                cost[i, j] = float(torch.cat(rows).square().sum().sqrt())
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

    def _rows(self, cell: int, simulated: torch.Tensor, *series: torch.Tensor) -> list[torch.Tensor]:
        """Residuals at the gauges of a searched basin that count, and in its cells; their squares add up to the squared
        cost. By inference those of each gauge, of each cell's soil moisture, and of all other targets in units of their
        errors."""
        gauges = self.basins.gauges[self.at[cell]]
        good = self.good[gauges]
        observed, mask = (torch.as_tensor(a[gauges[good]]) for a in (self.flow.observed, self.flow.mask))
        chosen = simulated[torch.as_tensor(good)]
        found = flow_residuals(chosen, observed.to(chosen), mask, self.score, self.log_share)
        parts = list(found) if self.by_inference else [found.reshape(-1) * (self.weight / float(good.sum())) ** 0.5]
        named, cells = dict(zip(self.outputs, series, strict=bool(series))), self.basins.cells[self.at[cell]]
        if self.moisture is not None:
            of_moisture = self.moisture.of_each if self.by_inference else self.moisture.of_all
            parts += of_moisture(named[MOISTURE], cells)
        if self.others is not None:
            parts.append(self.others.residuals(named, cells, together=True).reshape(-1))
        return parts

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
        if config.loss.inference is not None:  # a logarithm of the error of few days would fit them whatever they are
            mask = mask & scored(data, config.loss.min_days)[:, None]
        scale = float(data.observed[mask].std()) if mask.any() else 0.0
        if not scale > 0.0:
            raise DataError("search: targets: soil_moisture, but no observation of a trained cell varies")
        observed = torch.as_tensor(np.where(mask, data.observed, 0.0)).double()
        return cls(observed, torch.as_tensor(mask), config.loss.operator, scale, config.others.soil_moisture)

    def of_all(self, simulated: torch.Tensor, cells: np.ndarray) -> list[torch.Tensor]:
        """Residuals of the cells of a basin, whose squares add up to the weighted squared error [cell * day]."""
        wrong, mask = self._wrong(simulated, cells)
        return [wrong.reshape(-1) * ((self.weight / mask.sum().clamp(min=1)) ** 0.5 / self.scale)]

    def of_each(self, simulated: torch.Tensor, cells: np.ndarray) -> list[torch.Tensor]:
        """Residuals of each cell of a basin with an observation, whose squares add up to its mean squared error."""
        wrong, mask = self._wrong(simulated, cells)
        return [one / seen.sum() ** 0.5 for one, seen in zip(wrong, mask, strict=True) if seen.any()]

    def days(self, simulated: np.ndarray, cells: np.ndarray) -> Float[np.ndarray, " cell"]:
        """Effective days of each cell of a basin with an observation, at least 1, from a run of the a-priori θ."""
        observed, mask = self.observed[cells].numpy(), self.mask[cells].numpy()
        seen = mask.any(axis=1)
        return np.maximum(effective_days(simulated[seen], observed[seen], mask[seen]), 1.0)

    def _wrong(self, simulated: torch.Tensor, cells: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        observed, mask = self.observed[cells], self.mask[cells]
        seen = observe(simulated, fit_line(self.operator, simulated, observed, mask))
        return torch.where(mask, seen - observed, 0.0), mask


class _BasinInference(NamedTuple):
    """Posterior of the θ of a basin.

    Attributes:
        prior: a-priori θ, unit coordinates [parameter].
        std: standard deviation around it [parameter].
        days: effective days of each gauge, and of each cell with soil moisture.
    """

    prior: Float[np.ndarray, " parameter"]
    std: Float[np.ndarray, " parameter"]
    days: Float[np.ndarray, " series"]

    def cost(self, rows: list[torch.Tensor], u: Float[np.ndarray, " parameter"]) -> tuple[float, float]:
        """Posterior cost exp(-log p / N), and its slope by the logarithm.

        Args:
            rows: residuals of each series of ``days``, and of what has a known error.
        """
        sizes = np.array([float(row.square().sum()) for row in rows])
        series, known = sizes[: len(self.days)], sizes[len(self.days) :]
        minus_log = (self.days * np.log(np.maximum(series, _LEAST))).sum() + known.sum()
        minus_log += (((u - self.prior) / self.std) ** 2).sum()
        found, slope = straightened(np.array([minus_log / (2 * self.days.sum())]))
        return float(found[0]), float(slope[0])

    def scale(self, rows: list[torch.Tensor]) -> Float[np.ndarray, " residual"]:
        """Factors of all residuals after which the gradient of half their sum of squares is that of -log p."""
        days = (*self.days, *(None for _ in rows[len(self.days) :]))
        each = [
            1.0 if n is None else (n / max(float(row.square().sum()), _LEAST)) ** 0.5
            for row, n in zip(rows, days, strict=True)
        ]
        return np.repeat(each, [row.numel() for row in rows])


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
                gradient[i], curvature[i] = self._normal(cell, point, self._compared(cell, point, water), columns)
        return gradient, curvature

    def _normal(
        self, cell: int, u: np.ndarray, series: list[np.ndarray], columns: list[list[np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and curvature of half the squared cost of a basin, from the slopes of its series."""
        point = tuple(map(torch.as_tensor, series))
        pairs: list[Any] = [
            torch.func.jvp(lambda *q: torch.cat(self._rows(cell, *q)), point, tuple(map(torch.as_tensor, column)))
            for column in columns
        ]
        wrong, jacobian = pairs[0][0].numpy(), np.stack([pair[1].numpy() for pair in pairs])
        if not self.by_inference:
            return jacobian @ wrong, jacobian @ jacobian.T
        here, rows, p = self.inference[cell], self._rows(cell, *point), self.p
        scale, (cost, slope) = here.scale(rows), here.cost(rows, u[:p])
        wrong, jacobian = wrong * scale, jacobian * scale
        gradient, curvature = jacobian @ wrong, jacobian @ jacobian.T
        gradient[:p] += (u[:p] - here.prior) / here.std**2
        curvature[:p, :p] += np.diag(here.std**-2.0)
        factor = cost * slope / here.days.sum()
        return factor * gradient, factor * curvature

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
