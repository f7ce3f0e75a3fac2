"""What a search minimises: misfit of a forward model to each cell's observations, alone or as a posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData, ForwardModel, Linearisable
from paraformer.core.errors import DataError, ModelError
from paraformer.core.targets_config import TargetsConfig
from paraformer.numerics import scores
from paraformer.numerics.inference import Inference, InferenceConfig, effective_days, straightened
from paraformer.numerics.observe import fit_line, observe
from paraformer.search.config import MisfitConfig
from paraformer.search.targets import OtherTargets

OUTPUT = "soil_moisture"


def searchable(data: CalibrationData, min_days: int) -> Int[np.ndarray, " cell"]:
    """Positions of the trained cells with enough observed days and an observation that varies: those with a score.

    Raises:
        DataError: if there is none.
    """
    found = np.flatnonzero(scored(data, min_days))
    if found.size == 0:
        raise DataError(f"search: no trained cell has {min_days} observed days that vary in the training period")
    return found


def scored(data: CalibrationData, min_days: int) -> Bool[np.ndarray, " cell"]:
    """Whether a cell is trained and has enough observed days and an observation that varies."""
    mask = data.mask & data.trained[:, None]
    observed = np.where(mask, data.observed, 0.0)
    statistics = scores.accumulate(observed, observed, mask)
    return scores.finish(statistics, min_days=min_days).scored["rmse"]


class Grouped:
    """Cost of points of many cells, run together where they want the same number (``search.state.Evaluate``).

    Attributes:
        runs_together: points in one call of the model.
    """

    runs_together: int

    def __call__(
        self,
        cells: Int[np.ndarray, " cell"],
        points: Float[np.ndarray, "cell candidate parameter"],
        wanted: Bool[np.ndarray, "cell candidate"],
    ) -> Float[np.ndarray, "cell candidate"]:
        """Cost of the wanted points (unit coordinates), infinity of the others.

        Raises:
            ModelError: if the model ends before the training period or a simulated value is not finite.
        """
        cost, sets = np.full(wanted.shape, np.inf), wanted.sum(axis=1)
        first = np.argsort(~wanted, axis=1, kind="stable")  # wanted candidates first, in their order
        for n in np.unique(sets[sets > 0]).tolist():
            alike, size = np.flatnonzero(sets == n), max(1, self.runs_together // n)
            for start in range(0, len(alike), size):
                rows = alike[start : start + size]
                for some in np.split(first[rows, :n], range(self.runs_together, n, self.runs_together), axis=1):
                    at = rows[:, None], some
                    cost[at] = self._cost(cells[rows], points[at])
        return cost

    def _cost(
        self, cells: Int[np.ndarray, " cell"], points: Float[np.ndarray, "cell set parameter"]
    ) -> Float[np.ndarray, "cell set"]:
        raise NotImplementedError


class Misfit(Grouped):
    """RMSE [m3 m-3] over a cell's observed training days, after the observation operator; with ``loss.inference`` the
    posterior cost [m3 m-3] (``numerics.inference``).

    Targets beside soil moisture add their weighted squared relative errors, times the variance of observed soil
    moisture over all cells, to the squared RMSE: as residuals of more days. Under ``loss.inference`` they add half of
    χ² to the negative logarithm of the posterior instead, as the prior does (decision 0048).

    Only cells that want a run are run. The model runs the same number of sets in every cell, so cells are taken
    together that want the same number.

    Args:
        model: forward model of all cells of ``data``; its ``runs`` count what parts of it ran, too.
        data: observations of the training period.
        cells: positions of the searched cells; ``__call__`` counts within them.
        loss: operator and inference.
        runs_together: forward runs in one call of the model.
        targets: weights and references of several targets; ``None`` for soil moisture alone.

    Raises:
        DataError: if model and data do not have the same number of cells, or a reference does not do.
        ModelError: if the model lacks an output that a target needs.
    """

    def __init__(
        self,
        model: ForwardModel,
        data: CalibrationData,
        cells: Int[np.ndarray, " cell"],
        loss: MisfitConfig,
        runs_together: int,
        targets: TargetsConfig | None = None,
    ) -> None:
        if model.n_cells != len(data.cells):
            raise DataError(f"search: the forward model has {model.n_cells} cells, the data {len(data.cells)}")
        self.model = model
        self.cells = cells
        self.names = data.cells[cells]
        self.mask = data.mask[cells]
        self.observed = np.where(self.mask, data.observed[cells], 0.0)
        self.days = slice(data.first_day, data.first_day + len(data.time))
        self.operator = loss.operator
        by_error = loss.inference is not None
        self.others = None if targets is None else OtherTargets(targets, data, by_error=by_error)
        self.weight = 1.0 if targets is None else targets.soil_moisture
        self.outputs = (OUTPUT,) if self.others is None else (OUTPUT, *self.others.outputs)
        require_outputs(model, self.outputs)
        self.runs_together = runs_together
        self.inference = None if loss.inference is None else self._inference(loss.inference, data.prior[cells])

    def _inference(self, config: InferenceConfig, theta: Float[np.ndarray, "cell parameter"]) -> Inference:
        """Prior and effective days, from one run of the a-priori θ in every searched cell."""
        space, cells = self.model.parameters, np.arange(len(self.cells))
        prior = np.clip(space.to_unit(theta), 0.0, 1.0)
        size = self.runs_together
        blocks = [slice(i, i + size) for i in range(0, len(cells), size)]
        simulated = np.concatenate([self._simulate(cells[b], prior[b][:, None])[:, 0] for b in blocks])
        days = effective_days(self.parts(simulated.astype(np.float64))[OUTPUT], self.observed, self.mask)
        return Inference(prior, config.std(space), days)

    def _cost(
        self, cells: Int[np.ndarray, " cell"], points: Float[np.ndarray, "cell set parameter"]
    ) -> Float[np.ndarray, "cell set"]:
        return self.cost_of(cells, points, self._simulate(cells, points).astype(np.float64))

    def run(
        self, cells: Int[np.ndarray, " cell"], points: Float[np.ndarray, "cell set parameter"]
    ) -> tuple[Float[np.ndarray, "cell set"], Float[np.ndarray, "cell set day"]]:
        """Cost [m3 m-3] and series of the training days, of all outputs one after the other, at points in unit
        coordinates."""
        size = max(1, self.runs_together // points.shape[1])
        blocks = [slice(i, i + size) for i in range(0, len(cells), size)]
        series = np.concatenate([self._simulate(cells[b], points[b]).astype(np.float64) for b in blocks])
        return self.cost_of(cells, points, series), series

    def cost_of(
        self,
        cells: Int[np.ndarray, " cell"],
        points: Float[np.ndarray, "cell set parameter"],
        simulated: Float[np.ndarray, "cell set day"],
    ) -> Float[np.ndarray, "cell set"]:
        """Cost [m3 m-3] of the series of the training days at some points, as ``run`` gives them."""
        n, sets, _ = simulated.shape
        seen, observed, mask = self._seen(cells, self.parts(simulated)[OUTPUT])
        fit = scores.finish(scores.accumulate(seen, observed, mask), min_days=1)
        rmse = fit.values["rmse"].reshape(n, sets)
        beside = 0.0 if self.others is None else (self._beside(cells, simulated) ** 2).sum(axis=2)
        if self.inference is None:
            return rmse if self.others is None else np.sqrt(self.weight * rmse**2 + beside)
        here = self.inference.at(cells)
        with np.errstate(divide="ignore"):
            logarithm = np.log(rmse) + here.log_excess(points) + beside / (2 * here.days[:, None])
        return straightened(logarithm)[0]

    def residual(
        self, cells: Int[np.ndarray, " cell"], simulated: Float[np.ndarray, "cell set day"]
    ) -> Float[np.ndarray, "cell set residual"]:
        """Series after the observation operator less what was observed [m3 m-3], 0 on days without an observation; and
        behind it what other targets add, so that the mean square over observed days is the squared cost; under
        ``loss.inference`` their residuals in units of their errors."""
        series = self.parts(simulated)[OUTPUT]
        seen, observed, mask = self._seen(cells, series)
        wrong = np.where(mask, seen - observed, 0.0).reshape(series.shape)
        if self.others is None:
            return wrong
        if self.others.by_error:
            return np.concatenate([wrong, self._beside(cells, simulated)], axis=2)
        days = self.mask[cells].sum(axis=1)[:, None, None]
        return np.concatenate([self.weight**0.5 * wrong, days**0.5 * self._beside(cells, simulated)], axis=2)

    def parts(self, simulated: Any) -> dict[str, Any]:
        """The series of each output, from all of them one after the other on the last axis."""
        length = simulated.shape[-1] // len(self.outputs)
        return {name: simulated[..., i * length : (i + 1) * length] for i, name in enumerate(self.outputs)}

    def beside(self, cells: Int[np.ndarray, " run"], simulated: Float[Tensor, "run day"]) -> Float[Tensor, "run value"]:
        """Residuals of the other targets of some runs, in the unit of soil moisture [m3 m-3], or of their errors
        (torch)."""
        assert self.others is not None
        found = self.others.residuals(self.parts(simulated), self.cells[cells], together=False)
        return found if self.others.by_error else self.others.unit * found

    def _beside(
        self, cells: Int[np.ndarray, " cell"], simulated: Float[np.ndarray, "cell set day"]
    ) -> Float[np.ndarray, "cell set value"]:
        n, sets, days = simulated.shape
        runs = torch.as_tensor(simulated.reshape(n * sets, days))
        return self.beside(np.repeat(cells, sets), runs).numpy().reshape(n, sets, -1)

    def _seen(
        self, cells: Int[np.ndarray, " cell"], simulated: Float[np.ndarray, "cell set day"]
    ) -> tuple[Float[np.ndarray, "run day"], Float[np.ndarray, "run day"], Bool[np.ndarray, "run day"]]:
        """Each run's series after the observation operator, what was observed, and where."""
        n, sets, days = simulated.shape
        series = simulated.reshape(n * sets, days)
        observed, mask = (np.repeat(a[cells], sets, axis=0) for a in (self.observed, self.mask))
        return observe(series, fit_line(self.operator, series, observed, mask)), observed, mask

    def _simulate(
        self, cells: Int[np.ndarray, " cell"], points: Float[np.ndarray, "cell set parameter"]
    ) -> Float[np.ndarray, "cell set day"]:
        space, here = self.model.parameters, self.cells[cells]
        theta = space.clip(space.from_unit(points))
        whole = np.array_equal(here, np.arange(self.model.n_cells))
        part = self.model if whole else self.model.select(here)
        found = part.simulate(theta, self.outputs)
        if part is not self.model:
            self.model.runs += part.runs
        series = []
        for name in self.outputs:
            if found[name].shape[2] < self.days.stop:
                raise ModelError(
                    f"search: the forward model has {found[name].shape[2]} days; the training period ends on day "
                    f"{self.days.stop} of its time axis"
                )
            one = found[name][:, :, self.days]
            if not np.isfinite(one).all():
                cell, member, day = (int(i) for i in np.argwhere(~np.isfinite(one))[0])
                values = ", ".join(f"{k} {v:g}" for k, v in zip(space.names, theta[cell, member], strict=True))
                raise ModelError(
                    f"search: simulated '{name}' of cell {self.names[cells[cell]]} is {one[cell, member, day]} on "
                    f"day {day} of the training period with {values}"
                )
            series.append(one)
        return series[0] if len(series) == 1 else np.concatenate(series, axis=2)


def require_outputs(model: ForwardModel, outputs: Sequence[str]) -> None:
    """Raise unless the model has what the targets of a search need.

    Raises:
        ModelError: naming the output.
    """
    for name in outputs:
        if name not in model.outputs:
            raise ModelError(f"search: targets need the output '{name}', which the model lacks")


def linearisable(model: ForwardModel) -> Linearisable:
    """The model, which a search by slopes takes.

    Raises:
        ModelError: it gives none.
    """
    if not isinstance(model, Linearisable):
        raise ModelError(
            f"search: levenberg needs a forward model that gives slopes; wrap {type(model).__name__} in "
            f"process.differentiable.DifferentiableProcess"
        )
    return model
