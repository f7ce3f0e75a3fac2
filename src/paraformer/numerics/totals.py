"""What longer observations say of a daily series: totals of calendar months, and signatures of runoff (torch)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paraformer.core.time import DAYS_OF_MONTH

_TINY = 1e-12
_DRY = 1e-9
"""Least total that a ratio divides by [mm]."""


def monthly_operator(time: np.ndarray, least_days: int = 20) -> Float[np.ndarray, "day month"]:
    """Matrix that turns a daily series [mm day-1] into totals of the twelve mean calendar months [mm month-1].

    A month's total is the mean of its days, whatever year they are of, times its length, so that a period that is not
    made of whole years weighs every month alike.

    Args:
        time: days (datetime64) [day].

    Raises:
        ValueError: naming the first month of which there are fewer than ``least_days`` days.
    """
    month = time.astype("datetime64[M]").astype(int) % 12
    days = np.bincount(month, minlength=12)
    if (days < least_days).any():
        short = int(np.argmax(days < least_days))
        raise ValueError(f"month {short + 1} has {days[short]} days of the {least_days} that a total needs")
    return (month[:, None] == np.arange(12)) * (DAYS_OF_MONTH / days)


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
    count = known.sum().clamp(min=1)
    error = torch.where(known, simulated - torch.where(known, reference, 0.0), 0.0)
    if remove_bias:
        error = torch.where(known, error - error.sum() / count, 0.0)
    return torch.sqrt(error.square().sum() / count / scale**2 + _TINY)
