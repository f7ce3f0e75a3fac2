"""References of targets as they are compared; nothing here loads torch, which ``check`` does without."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.targets_config import EvapotranspirationTarget, TargetConfig


def comparable(
    key: str, settings: TargetConfig, name: str, values: Float[np.ndarray, "cell value"]
) -> tuple[Float[np.ndarray, "cell compared"], float]:
    """Values of a reference as they are compared, NaN where unknown, and what errors are divided by: their spread, or
    the error that is given.

    Args:
        key: of the target, for the message.
        values: of trained cells; NaN where there is none.

    Raises:
        DataError: if they do not vary.
    """
    if isinstance(settings, EvapotranspirationTarget) and settings.period == "year":
        values = values.sum(axis=1, keepdims=True)
    if settings.error is not None:
        return values, settings.error
    known = values[np.isfinite(values)]
    scale = float(known.std()) if known.size else 0.0
    if not scale > 0.0:
        raise DataError(f"{key}: reference '{name}' does not vary over trained cells, so errors have no unit")
    return values, scale
