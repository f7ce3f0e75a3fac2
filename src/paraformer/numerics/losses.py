"""Losses of parameter learning (Li & Lu 2023, eqs. 13-14), masked and differentiable (torch)."""

from __future__ import annotations

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


def posterior_cost(
    simulated: Float[Tensor, "cell time"],
    observed: Float[Tensor, "cell time"],
    mask: Bool[Tensor, "cell time"],
    u: Float[Tensor, "cell parameter"],
    inference: Inference,
) -> Float[Tensor, ""]:
    """Posterior of all cells: geometric mean of their posterior costs, each by its effective days [m3 m-3].

    Its logarithm times the effective days of all cells is the negative logarithm of their joint posterior.

    Args:
        u: θ, unit coordinates.
        inference: prior and effective days of these cells.
    """
    each, seen = _each_cell(simulated, observed, mask)
    weight = torch.where(seen, inference.days, 0.0)
    logarithm = torch.log(each) + inference.log_excess(u)
    return torch.exp((weight * logarithm).sum() / weight.sum().clamp(min=_TINY))


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
