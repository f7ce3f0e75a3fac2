"""How much of θ each kind of observation would pin down in a cell, from the Jacobian of the process model.

An observation is taken to equal what the model says at the given θ, with a Gaussian error of a stated size, and the
prior for a Gaussian with the variance of the uniform one, so that the posterior has a closed form (Rodgers 2000,
Inverse Methods for Atmospheric Sounding, ch. 2). This is what an observation could say at best, not what one has said.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from paraformer.core.time import DAYS_PER_YEAR
from paraformer.evaluation.config import TargetErrors
from paraformer.evaluation.signatures import LEAST_RUNOFF
from paraformer.numerics.inference import UNIFORM_VARIANCE
from paraformer.numerics.months import monthly_operator

SOIL_MOISTURE, ALL = "soil moisture", "all"
OUTPUTS = ("evapotranspiration", "runoff", "baseflow")
"""Outputs the other targets need beside soil moisture."""
TARGETS = ("annual evapotranspiration", "monthly evapotranspiration", "runoff ratio", "baseflow index")


def target_precisions(
    value: Mapping[str, Float[np.ndarray, "cell day"]],
    slope: Mapping[str, Float[np.ndarray, "cell day parameter"]],
    precipitation: Float[np.ndarray, "cell day"],
    time: np.ndarray,
    errors: TargetErrors,
) -> dict[str, Float[np.ndarray, "cell parameter parameter"]]:
    """Precision of θ (unit coordinates) that each of ``TARGETS`` has, over some days.

    Args:
        value: daily ``OUTPUTS`` [mm day-1].
        slope: their derivatives [mm day-1 per unit coordinate].
        precipitation: [mm day-1].
        time: the days (datetime64) [day].

    Raises:
        ValueError: if a calendar month has too few days.
    """
    months = np.einsum("ctp,tm->cmp", slope["evapotranspiration"], monthly_operator(time))
    flow, runs = value["runoff"] + value["baseflow"], slope["runoff"] + slope["baseflow"]
    total, base = flow.sum(axis=1), value["baseflow"].sum(axis=1)
    wet = (total * DAYS_PER_YEAR / len(time) > LEAST_RUNOFF)[:, None]
    divisor = np.where(wet, np.maximum(total, 1e-9)[:, None], np.inf)
    change, change_of_base = runs.sum(axis=1), slope["baseflow"].sum(axis=1)
    ratio = change / np.maximum(precipitation.sum(axis=1), 1e-9)[:, None]
    index = change_of_base / divisor - base[:, None] * change / divisor**2
    found = (
        (months.sum(axis=1, keepdims=True), errors.annual_evapotranspiration),
        (months, errors.monthly_evapotranspiration),
        (ratio[:, None], errors.runoff_ratio),
        (index[:, None], errors.baseflow_index),
    )
    return {
        name: np.einsum("cvp,cvq->cpq", slopes, slopes) / error**2
        for name, (slopes, error) in zip(TARGETS, found, strict=True)
    }


def information(
    precisions: Mapping[str, Float[np.ndarray, "cell parameter parameter"]],
) -> dict[str, Float[np.ndarray, "cell parameter"]]:
    """Gain, 1 - posterior variance / prior variance, by every kind of observation alone, with soil moisture, by all.

    Args:
        precisions: of ``SOIL_MOISTURE`` and of every other kind, unit coordinates.

    Returns:
        Name -> gain; a pair is called ``soil moisture + <name>``.
    """
    moisture = precisions[SOIL_MOISTURE]
    kinds = dict(precisions)
    kinds |= {f"{SOIL_MOISTURE} + {name}": moisture + p for name, p in precisions.items() if name != SOIL_MOISTURE}
    kinds[ALL] = np.sum(list(precisions.values()), axis=0)
    return {name: _gain(precision) for name, precision in kinds.items()}


def _gain(precision: Float[np.ndarray, "cell parameter parameter"]) -> Float[np.ndarray, "cell parameter"]:
    posterior = np.linalg.inv(precision * UNIFORM_VARIANCE + np.eye(precision.shape[-1]))
    return 1 - np.diagonal(posterior, axis1=1, axis2=2)
