"""Losses of parameter learning (Li & Lu 2023, eqs. 13-14), masked and differentiable (torch)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paraformer.numerics.inference import Inference

_TINY = 1e-12
"""Keeps the gradient of a square root finite at zero [m6 m-6]."""


def rmse(
    simulated: Float[Tensor, "cell time"], observed: Float[Tensor, "cell time"], mask: Bool[Tensor, "cell time"]
) -> Float[Tensor, ""]:
    """Root mean square error over all observed cell-days together (eq. 14); 0 without any.

    Args:
        simulated, observed: [m3 m-3]; ``observed`` is ignored, NaN included, where ``mask`` is False.
    """
    square = _squares(simulated, observed, mask)
    return torch.sqrt(square.sum() / mask.sum().clamp(min=1) + _TINY)


def cell_rmse(
    simulated: Float[Tensor, "cell time"], observed: Float[Tensor, "cell time"], mask: Bool[Tensor, "cell time"]
) -> Float[Tensor, ""]:
    """Mean over cells of each cell's root mean square error, over cells with an observation: nearer to the score."""
    each, seen = _each_cell(simulated, observed, mask)
    return torch.where(seen, each, 0.0).sum() / seen.sum().clamp(min=1)


class Evidence(NamedTuple):
    """What observations beside soil moisture say of the θ of some cells.

    Attributes:
        minus_log: the negative logarithm of their likelihood, up to a constant: half of χ² where the variance of the
            errors is known, n_e times the logarithm of the RMSE where it is integrated out.
        days: their n_e summed; values with an error of known variance have none.
    """

    minus_log: Float[Tensor, ""]
    days: Float[Tensor, ""]


def posterior_cost(
    simulated: Float[Tensor, "cell time"],
    observed: Float[Tensor, "cell time"],
    mask: Bool[Tensor, "cell time"],
    u: Float[Tensor, "cell parameter"],
    inference: Inference,
    others: Evidence | None = None,
) -> Float[Tensor, ""]:
    """Posterior of all cells: exp(-log p / N), N the effective days of all of them together [m3 m-3].

    Of soil moisture alone it is the geometric mean of the cells' posterior costs, each by its effective days. Where
    there are no effective days N is the number of cells. Beyond 1, which no RMSE of soil moisture reaches, it goes on
    as a straight line, so that nothing overflows.

    Args:
        u: θ, unit coordinates.
        inference: prior and effective days of these cells.
        others: what else is observed; the prior of cells without soil moisture counts then, too.
    """
    each, seen = _each_cell(simulated, observed, mask)
    weight = torch.where(seen, inference.days, 0.0)
    excess = inference.log_excess(u)
    total, days = (weight * (torch.log(each) + excess)).sum(), weight.sum()
    if others is not None:
        total = total + torch.where(seen, 0.0, inference.days * excess).sum() + others.minus_log.to(total)
        days = days + others.days.to(days)
        days = torch.where(days > 0, days, float(len(u)))
    logarithm = total / days.clamp(min=_TINY)
    return torch.where(logarithm <= 0, torch.exp(logarithm.clamp(max=0)), 1 + logarithm)


def _each_cell(
    simulated: Float[Tensor, "cell time"], observed: Float[Tensor, "cell time"], mask: Bool[Tensor, "cell time"]
) -> tuple[Float[Tensor, " cell"], Bool[Tensor, " cell"]]:
    """Root mean square error of each cell, and whether it has an observation."""
    square, days = _squares(simulated, observed, mask), mask.sum(dim=1)
    return torch.sqrt(square.sum(dim=1) / days.clamp(min=1) + _TINY), days > 0


def _squares(
    simulated: Float[Tensor, "cell time"], observed: Float[Tensor, "cell time"], mask: Bool[Tensor, "cell time"]
) -> Float[Tensor, "cell time"]:
    error = simulated - torch.where(mask, observed, torch.zeros_like(observed))
    return torch.where(mask, error, torch.zeros_like(error)).square()


def range_boundary_loss(
    u: Float[Tensor, "cell parameter"],
    *,
    alpha: float | None = None,
    epsilon: float = 0.01,
    lower: float = 0.0,
    upper: float = 1.0,
) -> Float[Tensor, ""]:
    """Range-boundary loss RBL, mean over cells (eq. 13); exactly zero where every parameter is inside its range.

    RBL = α Σ relu(θ - Ub) / (ε + count(θ > Ub)) + α Σ relu(Lb - θ) / (ε + count(θ < Lb)), sums and counts over the
    parameters of a cell.

    Args:
        u: unit coordinates, in which every range is [``lower``, ``upper``].
        alpha: α1 = α2; by default the number of parameters, as in the paper.
        epsilon: ε.
    """
    weight = float(u.shape[-1]) if alpha is None else alpha
    above, below = torch.relu(u - upper), torch.relu(lower - u)
    loss = above.sum(-1) / (epsilon + (u > upper).sum(-1)) + below.sum(-1) / (epsilon + (u < lower).sum(-1))
    return weight * loss.mean()


LOSSES = {"rmse": rmse, "cell_rmse": cell_rmse}
