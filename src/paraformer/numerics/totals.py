"""What longer observations say of a daily series: signatures of runoff (torch); totals are in ``months``."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_TINY = 1e-12
_DRY = 1e-9
"""Least total that a ratio divides by [mm]."""


def runoff_ratio(
    runoff: Float[Tensor, "cell day"], baseflow: Float[Tensor, "cell day"], precipitation: Float[Tensor, "cell day"]
) -> Float[Tensor, " cell"]:
    """Share of precipitation that runs off, ΣQ / ΣP with Q = runoff + baseflow (Sawicz et al. 2011,
    doi 10.5194/hess-15-2895-2011) [1]."""
    return (runoff + baseflow).sum(1) / precipitation.sum(1).clamp(min=_DRY)


def baseflow_index(runoff: Float[Tensor, "cell day"], baseflow: Float[Tensor, "cell day"]) -> Float[Tensor, " cell"]:
    """Share of total runoff that is baseflow, ΣQb / ΣQ (Sawicz et al. 2011, with the model's own baseflow) [1]."""
    return baseflow.sum(1) / (runoff + baseflow).sum(1).clamp(min=_DRY)


def relative_error(
    simulated: Float[Tensor, "cell value"],
    reference: Float[Tensor, "cell value"],
    known: Bool[Tensor, "cell value"],
    scale: float,
    *,
    remove_bias: bool = False,
) -> Float[Tensor, ""]:
    """Root mean square difference over all known values, in units of ``scale``; 0 without any.

    Args:
        reference: ignored where ``known`` is False.
        scale: in the unit of both; the spread of the reference makes targets of different units comparable.
        remove_bias: subtract the mean difference first, so that only the pattern over cells (and months) counts.
    """
    error = _errors(simulated, reference, known, remove_bias)
    return torch.sqrt(error.square().sum() / known.sum().clamp(min=1) / scale**2 + _TINY)


def chi_squared(
    simulated: Float[Tensor, "cell value"],
    reference: Float[Tensor, "cell value"],
    known: Bool[Tensor, "cell value"],
    error: float,
    *,
    remove_bias: bool = False,
) -> Float[Tensor, ""]:
    """Sum over all known values of the squared difference in standard deviations: twice the negative logarithm of the
    likelihood of independent Gaussian errors, but for a constant.

    Args:
        reference: ignored where ``known`` is False.
        error: standard deviation, in the unit of both.
        remove_bias: an error that all values have in common does not count, whatever it is.
    """
    return (_errors(simulated, reference, known, remove_bias) / error).square().sum()


def _errors(simulated: Tensor, reference: Tensor, known: Tensor, remove_bias: bool) -> Float[Tensor, "cell value"]:
    error = torch.where(known, simulated - torch.where(known, reference, 0.0), 0.0)
    if remove_bias:
        error = torch.where(known, error - error.sum() / known.sum().clamp(min=1), 0.0)
    return error
