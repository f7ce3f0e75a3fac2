"""Statistics of a history: how wet a cell is, how much that varies, and how it answers to rain."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

DECAYS = (0.7, 0.9, 0.97)
"""Decays of the antecedent precipitation against which moisture is regressed [day-1]."""

_QUANTILES = (0.1, 0.5, 0.9)

_LIMIT = 5.0
"""Largest statistic: a slope from two observed days must not throw θ across the space."""

STATISTIC_NAMES = (
    "observed mean",
    "observed deviation",
    *(f"observed quantile {quantile:g}" for quantile in _QUANTILES),
    *(f"{what} rain, decay {decay:g}" for decay in DECAYS for what in ("slope on", "correlation with")),
)
"""Names of the statistics, in their order."""

STATISTICS = len(STATISTIC_NAMES)


def history_statistics(history: Float[Tensor, "cell day feature"]) -> Float[Tensor, "cell statistic"]:
    """Statistics over the observed days of a history in normalised units; 0 where a cell has none.

    They are mean, standard deviation and quantiles of soil moisture, and for each decay k its slope and correlation
    against antecedent precipitation (1 - k) Σ k^j P(t - j) (Kohler & Linsley 1951), cut at ``_LIMIT``.

    Args:
        history: features in the order of ``inputs.HISTORY_FEATURES``: precipitation first, then soil moisture and
            whether it was observed last.
    """
    rain, moisture, observed = history[..., 0], history[..., -2], history[..., -1]
    days = observed.sum(1).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return (values * observed).sum(1) / days

    average = mean(moisture)
    departure = (moisture - average[:, None]) * observed
    deviation = mean(departure.square()).sqrt()
    unseen = torch.where(observed > 0, moisture, torch.nan)
    levels = torch.tensor(_QUANTILES, dtype=unseen.dtype, device=unseen.device)
    found = [average, deviation, *torch.nanquantile(unseen, levels, dim=1).nan_to_num(0.0)]
    lag = torch.arange(rain.shape[1], device=rain.device)
    for decay in DECAYS:
        weights = torch.tril((1 - decay) * decay ** (lag[:, None] - lag[None, :]).clamp(min=0).to(rain))
        index = rain @ weights.T
        swing = (index - mean(index)[:, None]) * observed
        power = mean(swing.square()).clamp(min=1e-6)
        both = mean(swing * departure)
        found += [both / power, both / (power.sqrt() * deviation.clamp(min=1e-3))]
    return torch.stack(found, dim=1).clamp(-_LIMIT, _LIMIT)
