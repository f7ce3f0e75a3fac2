"""What the built-in world's stations and products say of its fluxes: totals and signatures of the training period."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from paraformer.data.config import FluxObservations
from paraformer.numerics.months import monthly_operator

FLUXES = ("evapotranspiration", "runoff", "baseflow")
"""Outputs of the process model that are observed."""


def observe_fluxes(
    true: Mapping[str, Float[np.ndarray, "cell time"]],
    precipitation: Float[np.ndarray, "cell time"],
    days: np.ndarray,
    training: Bool[np.ndarray, " time"],
    errors: FluxObservations,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """``et_obs (cell, month)`` [mm month-1], ``runoff_ratio_obs`` and ``baseflow_index_obs (cell)``, with errors.

    The test period has no part in them. Errors are Gaussian, independent from month to month and cell to cell; ratios
    are kept within what is possible.

    Args:
        true: series of ``FLUXES`` at the true θ [mm day-1].
        precipitation: [mm day-1].
        days: (datetime64) [time].
        training: days of the training period.
    """
    evaporated, runoff, baseflow = (np.asarray(true[name], dtype=np.float64)[:, training] for name in FLUXES)
    import torch  # here, for most worlds are observed without

    from paraformer.numerics.totals import baseflow_index, runoff_ratio

    months = evaporated @ monthly_operator(days[training])
    flow = torch.as_tensor(runoff), torch.as_tensor(baseflow)
    ratio = runoff_ratio(*flow, torch.as_tensor(precipitation[:, training].astype(np.float64))).numpy()
    index = baseflow_index(*flow).numpy()

    def disturbed(values: np.ndarray, error: float) -> np.ndarray:
        return np.asarray(values + error * random.standard_normal(values.shape))

    return {
        "et_obs": disturbed(months, errors.evapotranspiration),
        "runoff_ratio_obs": np.clip(disturbed(ratio, errors.runoff_ratio), 0.0, 2.0),
        "baseflow_index_obs": np.clip(disturbed(index, errors.baseflow_index), 0.0, 1.0),
    }
