"""Distance of simulated from observed flow, as residuals whose squares add up: for searches and learners."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paraformer.core.flow_score import EPSILON_SHARE, FlowScore
from paraformer.numerics.inference import effective_days

_TINY = 1e-12


def flow_residuals(
    simulated: Float[Tensor, "*series day"],
    observed: Float[Tensor, "*series day"],
    mask: Bool[Tensor, "*series day"],
    score: FlowScore = "nse",
    log_share: float = 0.0,
) -> Float[Tensor, "*series residual"]:
    """Residuals of each series, whose sum of squares is (1 - w) d² + w (1 - NSE of the logarithms).

    d² is 1 - NSE, the squared error over the variance of the observation (``nse``), or the squared distance of KGE's
    three parts from 1, so that d = 1 - KGE (``kge``; Gupta et al. 2009, doi 10.1016/j.jhydrol.2009.08.003, eq. 9).

    Args:
        simulated, observed: flow, one unit, at least 0.
        mask: days that count; two at least, on which the observation varies.
        score: what d is.
        log_share: w, the share of the error of log(Q + ε), ε a hundredth of the observed mean.
    """
    days = mask.sum(dim=-1, keepdim=True)
    parts = []
    if log_share < 1.0:
        found = _kge(simulated, observed, mask, days) if score == "kge" else _nse(simulated, observed, mask, days)
        parts.append((1.0 - log_share) ** 0.5 * found)
    if log_share > 0.0:
        epsilon = EPSILON_SHARE * _mean(observed, mask, days)
        s, o = (torch.log(flow.clamp_min(0.0) + epsilon) for flow in (simulated, observed))
        parts.append(log_share**0.5 * _nse(s, o, mask, days))
    return torch.cat(parts, dim=-1)


def flow_days(
    simulated: Float[np.ndarray, "gauge day"],
    observed: Float[np.ndarray, "gauge day"],
    mask: Bool[np.ndarray, "gauge day"],
    log_share: float,
) -> Float[np.ndarray, " gauge"]:
    """Independent days that say as much as the observed days of each gauge (``effective_days``), at least 1.

    Args:
        simulated: flow with the a-priori θ, in the unit of ``observed``.
        log_share: as of ``flow_residuals``, 0 or 1.
    """
    observed = np.where(mask, observed, 0.0)
    if log_share == 1.0:
        epsilon = EPSILON_SHARE * observed.sum(axis=1, keepdims=True) / mask.sum(axis=1, keepdims=True)
        simulated, observed = (np.log(np.maximum(flow, 0.0) + epsilon) for flow in (simulated, observed))
    return np.maximum(effective_days(simulated, observed, mask), 1.0)


def _mean(values: Tensor, mask: Tensor, days: Tensor) -> Tensor:
    return torch.where(mask, values, 0.0).sum(dim=-1, keepdim=True) / days


def _nse(simulated: Tensor, observed: Tensor, mask: Tensor, days: Tensor) -> Tensor:
    anomaly = torch.where(mask, observed - _mean(observed, mask, days), 0.0)
    return torch.where(mask, simulated - observed, 0.0) / (anomaly.square().sum(dim=-1, keepdim=True)).sqrt()


def _kge(simulated: Tensor, observed: Tensor, mask: Tensor, days: Tensor) -> Tensor:
    means = [_mean(flow, mask, days) for flow in (simulated, observed)]
    s, o = (torch.where(mask, flow - mean, 0.0) for flow, mean in zip((simulated, observed), means, strict=True))
    spread_s, spread_o = ((x.square().sum(dim=-1, keepdim=True) + _TINY * means[1] ** 2).sqrt() for x in (s, o))
    r = (s * o).sum(dim=-1, keepdim=True) / (spread_s * spread_o)
    return torch.cat([r - 1.0, spread_s / spread_o - 1.0, means[0] / means[1] - 1.0], dim=-1)
