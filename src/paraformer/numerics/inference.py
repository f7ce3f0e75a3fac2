"""Calibration as inference: what the observations do not say stays at the a-priori θ (docs/method.md section 5).

The errors of a cell's observations are Gaussian, of a variance that nobody knows: noise of the retrieval, and what the
model lacks. Integrated out with the scale-invariant prior 1/σ (Box & Tiao 1973, Bayesian Inference in Statistical
Analysis, section 2.2), it leaves the logarithm of the residuals' own size. Errors of one day last into others, so
that n observed days say as much as n_e independent ones. With a Gaussian prior of standard deviation s around the
a-priori u0, in unit coordinates,

    -log p(u | Z) = n_e log RMSE(u) + Q(u) / 2 + constant,    Q(u) = Σ_j ((u_j - u0_j) / s_j)².

The *posterior cost* RMSE exp(Q / 2 n_e) has the same order, and the unit of soil moisture. A parameter without
influence has its least cost at the a-priori value; one with influence leaves it as far as n_e days warrant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, field_validator

from paraformer.core.errors import SettingsError, nearest
from paraformer.core.parameters import ParameterSpace
from paraformer.core.settings import Settings
from paraformer.numerics.observe import fit_line, observe

UNIFORM_VARIANCE = 1 / 12
"""Of a unit coordinate that may be anything between its bounds."""

_LARGEST_CORRELATION = 0.95

_LEAST_STD = 1e-6
"""Smallest prior standard deviation, and one over the largest, for which numbers keep their digits."""


class InferenceConfig(Settings):
    """A posterior in place of a misfit alone."""

    prior_std: float | dict[str, float] = Field(
        default=UNIFORM_VARIANCE**0.5,
        description="standard deviation of θ around the a-priori θ, unit coordinates: one for all, or by parameter; "
        "the default is that of a uniform distribution between the bounds, and stands for names left out",
    )

    @field_validator("prior_std")
    @classmethod
    def _is_positive(cls, given: float | dict[str, float]) -> float | dict[str, float]:
        for name, value in given.items() if isinstance(given, dict) else (("", given),):
            if not _LEAST_STD <= value <= 1 / _LEAST_STD:
                raise ValueError(
                    f"expected {_LEAST_STD:g} to {1 / _LEAST_STD:g}{f' for {name!r}' if name else ''}: below, θ is its "
                    "a-priori value, which leaving the parameter out of 'parameters' says; above, there is no prior"
                )
        return given

    def std(self, space: ParameterSpace) -> Float[np.ndarray, " parameter"]:
        """Prior standard deviation of each parameter, unit coordinates.

        Raises:
            SettingsError: if a name is none of the parameters.
        """
        if not isinstance(self.prior_std, dict):
            return np.full(len(space), self.prior_std)
        for name in self.prior_std:
            if name not in space.names:
                raise SettingsError(f"inference.prior_std: unknown parameter '{name}'{nearest(name, space.names)}")
        return np.array([self.prior_std.get(name, UNIFORM_VARIANCE**0.5) for name in space.names])


class ErrorModel(NamedTuple):
    """Errors of the observations of each cell: variance [m6 m-6], and correlation of successive ones."""

    variance: Float[np.ndarray, " cell"]
    correlation: Float[np.ndarray, " cell"]

    @property
    def inflation(self) -> Float[np.ndarray, " cell"]:
        """Observations that say as much as one independent one, of a first-order autoregression: (1 + r) / (1 - r)."""
        return (1 + self.correlation) / (1 - self.correlation)

    @property
    def inflated(self) -> Float[np.ndarray, " cell"]:
        """Variance that as many independent errors would need to say as little."""
        return self.variance * self.inflation


def error_model(residual: Float[np.ndarray, "cell day"], mask: Bool[np.ndarray, "cell day"]) -> ErrorModel:
    """Variance of residuals about zero, and their correlation from one observed day to the next observed one.

    The correlation is kept within 0 and 0.95. Cells with fewer than three observations get the mean variance.
    """
    variance, correlation = np.full(len(mask), np.nan), np.zeros(len(mask))
    for cell, known in enumerate(mask):
        values = residual[cell, known]
        if values.size >= 3:
            variance[cell] = np.mean(values**2)
            correlation[cell] = np.mean(values[1:] * values[:-1]) / max(variance[cell], 1e-12)
    variance = np.where(np.isfinite(variance), variance, np.nanmean(variance))
    return ErrorModel(np.maximum(variance, 1e-8), np.clip(correlation, 0.0, _LARGEST_CORRELATION))


def effective_days(
    simulated: Float[np.ndarray, "cell day"],
    observed: Float[np.ndarray, "cell day"],
    mask: Bool[np.ndarray, "cell day"],
) -> Float[np.ndarray, " cell"]:
    """Independent observations that say as much as a cell's observed days: n_e = n / (1 + 2 Σ_l c_l / c_0).

    c_l is the sum of products of residuals of observed days l days apart, so that the mean of n errors has the variance
    σ² / n_e (Bayley & Hammersley 1946, doi 10.2307/2983560). Lags are counted, two at a time, until a pair of them adds
    up to less than nothing (initial positive sequence, Geyer 1992, doi 10.1214/ss/1177011137): errors that last a
    season, as those of a model's structure do, count for that long. The residuals are those of a simulation after a
    straight line, because level and amplitude are what θ is about.

    Args:
        simulated: with the a-priori θ [m3 m-3].
        observed: [m3 m-3]; ignored where ``mask`` is False.
    """
    seen = observe(simulated, fit_line("cell_lstsq", simulated, observed, mask))
    residual = np.where(mask, seen - np.where(mask, observed, 0.0), 0.0)
    days, length = mask.sum(axis=1), residual.shape[1]
    lags = range(length - length % 2)
    products = np.stack([(residual[:, : length - lag] * residual[:, lag:]).sum(axis=1) for lag in lags])
    pairs = products.reshape(len(lags) // 2, 2, len(residual)).sum(axis=1)
    counted = np.logical_and.accumulate(pairs >= 0.0, axis=0)
    summed = 2 * np.where(counted, pairs, 0.0).sum(axis=0) / np.maximum(products[0], 1e-12) - 1.0
    return days / np.maximum(summed, 1.0)


def straightened(
    logarithm: Float[np.ndarray, "*point"],
) -> tuple[Float[np.ndarray, "*point"], Float[np.ndarray, "*point"]]:
    """Posterior cost exp(L) of its logarithm L = -log p / N, and its slope; beyond 1, which no RMSE of soil moisture
    reaches, it goes on as a straight line, so that errors that are given as tiny overflow nothing."""
    below = np.exp(np.minimum(logarithm, 0.0))
    return np.where(logarithm <= 0, below, 1 + logarithm), below


class Inference(NamedTuple):
    """Prior and weight of the observations of each cell; arrays of NumPy or of torch.

    Attributes:
        prior: a-priori θ, unit coordinates [cell, parameter].
        std: standard deviation around it [parameter].
        days: effective number of observed days n_e [cell].
    """

    prior: Any
    std: Any
    days: Any

    def log_excess(self, u: Float[Any, "cell ... parameter"]) -> Float[Any, "cell ..."]:
        """Q / 2 n_e: what the prior adds to the logarithm of a cell's RMSE at u."""
        between = (1,) * (u.ndim - 2)
        prior = self.prior.reshape(len(u), *between, u.shape[-1])
        return (((u - prior) / self.std) ** 2).sum(-1) / (2 * self.days.reshape(len(u), *between))

    def at(self, cells: Any) -> Inference:
        """Of some cells, by position."""
        return Inference(self.prior[cells], self.std, self.days[cells])
