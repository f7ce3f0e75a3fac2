"""Any forward model made differentiable (``core.contracts.DifferentiableModel``): VIC, ours or compiled, in torch.

The backward pass is the product of the incoming gradient with the Jacobian of the daily series with respect to θ, which
central differences give in 2p + 1 runs a cell (``process.jacobian``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from paraformer.core.contracts import DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, nearest
from paraformer.process.jacobian import EVERY_DAY, STEP, Linearisation, inside, linearise, steps_of
from paraformer.training.threads import settle_threads


class DifferentiableProcess(DifferentiableModel):
    """A process model with gradients to θ, for the same cells and the same time axis.

    The model always runs its whole time axis, spin-up included, whatever window is asked for: build it on the training
    period alone (``Cube(cube.dataset.isel(time=...))``) and ask for windows as long as that. Outside [0, 1] the model
    is that of the nearest point inside, with no slope outwards: exactly the gradient of the clamped model.

    Args:
        model: any forward model; one without a gradient is what this is for.
        time: its days (datetime64[D]) [time].
        step: step h of the differences in unit coordinates, one for all or by parameter. The default suits models
            with rounding noise up to 1e-10; one that stores its output as float32 needs about 3e-3.
        keep: keep the Jacobian of a batch from the forward pass [batch, day, parameter], in the precision of u. If
            not, only θ and the series are kept and the backward pass runs the 2p nodes, with memory for
            ``runs_together`` runs: the same number of runs, and none for a series whose gradient is never asked for.
        runs_together: forward runs in one call of the model: bounds memory.

    Raises:
        SettingsError: if a step is out of range or names no parameter.
    """

    differentiable = True

    def __init__(
        self,
        model: ForwardModel,
        time: np.ndarray,
        *,
        step: float | Mapping[str, float] = STEP,
        keep: bool = True,
        runs_together: int = 512,
    ) -> None:
        self.model = model
        self.time = time
        self.parameters = model.parameters
        self.outputs = model.outputs
        self.steps = steps_of(model.parameters, step)
        self.keep = keep
        self.runs_together = runs_together

    @property
    def n_cells(self) -> int:
        return self.model.n_cells

    @property
    def runs(self) -> int:
        """Forward runs of the wrapped model, those of gradients included."""
        return self.model.runs

    @runs.setter
    def runs(self, count: int) -> None:
        self.model.runs = count

    @property
    def runs_per_gradient(self) -> int:
        """Forward runs of one series whose gradient is asked for."""
        return 2 * len(self.parameters) + 1

    def description(self) -> dict[str, Any]:
        """What weights learned through this model depend on."""
        return {
            "process": self.model.description(),
            "step": dict(zip(self.parameters.names, self.steps.tolist(), strict=True)),
        }

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """The wrapped model's own."""
        return self.model.prior()

    def select(self, cells: np.ndarray) -> DifferentiableProcess:
        """The same model for a subset of its cells (integer positions); it counts its own runs."""
        steps = dict(zip(self.parameters.names, self.steps.tolist(), strict=True))
        return DifferentiableProcess(
            self.model.select(cells), self.time, step=steps, keep=self.keep, runs_together=self.runs_together
        )

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """The wrapped model's own ``simulate``."""
        return self.model.simulate(theta, outputs)

    def linearise(
        self,
        u: Float[np.ndarray, "cell set parameter"],
        outputs: Sequence[str],
        value: Mapping[str, Float[np.ndarray, "cell set day"]] | None = None,
        days: slice = EVERY_DAY,
    ) -> Linearisation:
        """Series and Jacobian of every set of every cell, in one call of the model: 2p + 1 runs a set.

        Args:
            u: unit coordinates in [0, 1].
            value: the outputs at ``u`` on those days, if they are known, which saves one run a set.
            days: days of the time axis to return.

        Raises:
            DataError: if u has the wrong shape or leaves [0, 1].
            ModelError: if an output is not offered or a slope is not finite.
        """
        expected = (self.n_cells, len(self.parameters))
        if u.ndim != 3 or (u.shape[0], u.shape[2]) != expected:
            raise DataError(f"linearise: u has shape {u.shape}, expected ({expected[0]} cells, sets, {expected[1]})")
        if not ((u >= 0.0) & (u <= 1.0)).all():
            cell, member, i = (int(k) for k in np.argwhere(~((u >= 0.0) & (u <= 1.0)))[0])
            raise DataError(
                f"linearise: u of '{self.parameters.names[i]}', cell at position {cell}, set {member}, is "
                f"{u[cell, member, i]:g}, outside [0, 1]"
            )
        return linearise(self.model, u, self.steps, outputs, value, days)

    def respond(
        self,
        u: Float[Tensor, "batch parameter"],
        cells: Int[Tensor, " batch"],
        start: int,
        length: int,
        outputs: Sequence[str] = ("soil_moisture",),
    ) -> dict[str, Float[Tensor, "batch day"]]:
        """Differentiable series of days ``start .. start + length - 1``; equal rows of (cell, u) are run once.

        Raises:
            ModelError: if an output is not offered, the days are outside the time axis, or a value is not finite.
            DataError: if u is not finite.
        """
        for name in outputs:
            if name not in self.outputs:
                raise ModelError(f"process: no output '{name}'{nearest(name, self.outputs)}")
        if start < 0 or length < 1 or start + length > len(self.time):
            raise ModelError(f"process: days {start}..{start + length - 1} are outside its {len(self.time)} days")
        if not torch.isfinite(u).all():
            row, i = (int(k) for k in torch.argwhere(~torch.isfinite(u))[0])
            raise DataError(f"process: u of '{self.parameters.names[i]}' is not finite, cell at position {cells[row]}")
        wanted = torch.is_grad_enabled() and u.requires_grad
        span = slice(start, start + length)
        series = _Response.apply(u.clamp(0.0, 1.0), self, _distinct(u, cells), span, tuple(outputs), wanted)
        return dict(zip(outputs, series, strict=True))

    def blocks(self, rows: Rows, sets: int) -> Iterator[tuple[ForwardModel, Int[np.ndarray, "cell run"]]]:
        """Parts of the model and the rows they run, ``sets`` forward runs each, no more than fit into one call.

        The model runs the same number of sets in every cell, so cells are taken together that have as many rows.
        """
        cells, first, counts = np.unique(rows.cell, return_index=True, return_counts=True)
        for n in np.unique(counts).tolist():
            alike, size = np.flatnonzero(counts == n), max(1, self.runs_together // (n * sets))
            for begin in range(0, len(alike), size):
                some = alike[begin : begin + size]
                whole = np.array_equal(cells[some], np.arange(self.n_cells))
                part = self.model if whole else self.model.select(cells[some])
                before = part.runs
                yield part, first[some][:, None] + np.arange(n)
                if part is not self.model:
                    self.model.runs += part.runs - before


class Rows(NamedTuple):
    """Distinct rows of a batch, those of a cell one after another."""

    cell: Int[np.ndarray, " row"]
    u: Float[np.ndarray, "row parameter"]  # inside [0, 1]
    of: Int[np.ndarray, " batch"]  # row of each entry of the batch


def _distinct(u: Float[Tensor, "batch parameter"], cells: Int[Tensor, " batch"]) -> Rows:
    values = u.detach().clamp(0.0, 1.0).cpu().double().numpy()
    keys = np.concatenate([cells.cpu().double().numpy()[:, None], values], axis=1)
    found, of = np.unique(keys, axis=0, return_inverse=True)
    return Rows(found[:, 0].astype(np.int64), np.ascontiguousarray(found[:, 1:]), of.reshape(-1))


class _Response(torch.autograd.Function):
    """Series of a batch, one tensor [batch, day] an output, whose backward pass is a vector-Jacobian product."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        u, process, rows, span, outputs, wanted = arguments
        kept = wanted and process.keep
        values = {name: np.empty((len(rows.cell), span.stop - span.start)) for name in outputs}
        blocks = []
        for part, at in process.blocks(rows, 2 * u.shape[1] + 1 if kept else 1):
            if kept:
                found, slope = linearise(part, rows.u[at], process.steps, outputs, days=span)
                blocks.append((at, _as_rows(slope, u.dtype)))
            else:
                whole = part.simulate(inside(process.parameters, rows.u[at]), outputs)
                found = {name: series[:, :, span] for name, series in whole.items()}
            _store(values, found, at, span)
        settle_threads()
        ctx.process, ctx.rows, ctx.span, ctx.dtype = process, rows, span, u.dtype
        ctx.blocks, ctx.values = blocks, values if wanted and not kept else {}
        ctx.outputs = outputs
        return tuple(torch.as_tensor(values[name][rows.of]).to(u) for name in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        incoming = {name: g.cpu() for name, g in zip(ctx.outputs, gradients, strict=True)}
        of = ctx.rows.of
        pulled = torch.zeros(len(of), len(ctx.process.parameters), dtype=ctx.dtype)
        for at, slope in ctx.blocks or _recomputed(ctx):
            place = np.full(len(ctx.rows.cell), -1)
            place[at.reshape(-1)] = np.arange(at.size)
            entries = torch.as_tensor(np.flatnonzero(place[of] >= 0))
            here = torch.as_tensor(place[of])[entries]
            for name, gradient in incoming.items():
                pulled[entries] += torch.einsum("bd,bdp->bp", gradient[entries], slope[name][here])
        settle_threads()
        return pulled.to(gradients[0]), None, None, None, None, None


def _recomputed(ctx: Any) -> Iterator[tuple[np.ndarray, dict[str, Tensor]]]:
    """Slopes block by block, from the series that the forward pass kept and runs of the nodes."""
    process, rows = ctx.process, ctx.rows
    for part, at in process.blocks(rows, 2 * rows.u.shape[1]):
        known = {name: series[at] for name, series in ctx.values.items()}
        yield at, _as_rows(linearise(part, rows.u[at], process.steps, ctx.outputs, known, ctx.span).slope, ctx.dtype)


def _as_rows(
    slope: Mapping[str, Float[np.ndarray, "cell run day parameter"]], dtype: torch.dtype
) -> dict[str, Float[Tensor, "row day parameter"]]:
    """Slopes with rows in the order of a block."""
    return {name: torch.as_tensor(values.reshape(-1, *values.shape[2:])).to(dtype) for name, values in slope.items()}


def _store(
    values: dict[str, np.ndarray], found: Mapping[str, np.ndarray], at: Int[np.ndarray, "cell run"], span: slice
) -> None:
    for name, kept in values.items():
        if found[name].shape[2] != kept.shape[1]:
            raise ModelError(
                f"process: days {span.start}..{span.stop - 1} are asked for, but the model ends on day "
                f"{span.start + found[name].shape[2] - 1} of its time axis"
            )
        if not np.isfinite(found[name]).all():
            cell, run, day = (int(i) for i in np.argwhere(~np.isfinite(found[name]))[0])
            raise ModelError(
                f"process: '{name}' is not finite on day {span.start + day}, run {int(at[cell, run])} of the batch"
            )
        kept[at] = found[name]
