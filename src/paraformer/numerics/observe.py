"""The observation operator H: from simulated to satellite-like soil moisture by a straight line (method.md 3).

One object for losses, scores and searches alike. Works on NumPy arrays and, differentiably, on torch tensors.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from array_api_compat import array_namespace
from jaxtyping import Bool, Float

from paraformer.core.errors import SettingsError, nearest

Operator = Literal["raw", "global_linear", "cell_moments", "cell_lstsq"]

OPERATORS: tuple[Operator, ...] = get_args(Operator)
"""``raw`` (no line), ``global_linear``, ``cell_moments`` and ``cell_lstsq``."""


class Line(NamedTuple):
    """Gain [1] and offset [m3 m-3] of ``gain * simulated + offset``.

    Shape [cell, 1], or [1, 1] where one line serves all cells, so that it broadcasts over [cell, time].
    """

    gain: Any
    offset: Any


def fit_line(
    operator: str, simulated: Float[Any, "cell time"], observed: Float[Any, "cell time"], mask: Bool[Any, "cell time"]
) -> Line:
    """Fit the observation operator on the given cell-days; the caller passes training days only.

    - ``raw``: gain 1, offset 0.
    - ``global_linear``: least squares over all given cell-days together; the caller passes trained cells only.
    - ``cell_moments``: the cell's simulated mean and standard deviation become the observed ones (Reichle & Koster
      2004, doi 10.1029/2004GL020938, its first two moments).
    - ``cell_lstsq``: least squares per cell.

    A series with fewer than two observed days, or whose simulation or observation does not vary, gets gain 1 and the
    offset that matches the means (0 without any observed day), because no gain can be known.

    Args:
        operator: one of ``OPERATORS``.
        simulated: simulated soil moisture [m3 m-3].
        observed: observed soil moisture [m3 m-3]; ignored, NaN included, where ``mask`` is False.
        mask: where an observation counts. ``simulated`` is ignored, NaN included, where it is False.

    Returns:
        Line with arrays of the library, type and device of ``simulated``. Gradients reach ``simulated``.

    Raises:
        SettingsError: if there is no such operator.
    """
    if operator not in OPERATORS:
        raise SettingsError(f"operator: unknown observation operator '{operator}'{nearest(operator, OPERATORS)}")
    xp = array_namespace(simulated, observed, mask)
    if operator == "raw":
        one = xp.ones_like(simulated[:1, :1])
        return Line(one, xp.zeros_like(one))

    shape = simulated.shape
    if operator == "global_linear":
        simulated, observed, mask = (xp.reshape(a, (1, -1)) for a in (simulated, observed, mask))
    weight = xp.astype(mask, simulated.dtype)
    zero = xp.zeros_like(simulated)
    simulated = xp.where(mask, simulated, zero)
    observed = xp.where(mask, xp.astype(observed, simulated.dtype), zero)

    days = xp.sum(weight, axis=1, keepdims=True)
    share = weight / xp.where(days > 0, days, xp.ones_like(days))
    mean_simulated = xp.sum(share * simulated, axis=1, keepdims=True)
    mean_observed = xp.sum(share * observed, axis=1, keepdims=True)
    anomaly_simulated = simulated - mean_simulated
    anomaly_observed = observed - mean_observed
    variance_simulated = xp.sum(share * anomaly_simulated**2, axis=1, keepdims=True)
    variance_observed = xp.sum(share * anomaly_observed**2, axis=1, keepdims=True)

    # Inner ``where``: the unused branch must have a finite gradient too, or 0 * inf = NaN reaches the parameters.
    known = (days >= 2) & _varies(variance_simulated, mean_simulated) & _varies(variance_observed, mean_observed)
    one = xp.ones_like(variance_simulated)
    divisor = xp.where(known, variance_simulated, one)
    if operator == "cell_moments":
        gain = xp.sqrt(xp.where(known, variance_observed, one) / divisor)
    else:
        gain = xp.sum(share * anomaly_simulated * anomaly_observed, axis=1, keepdims=True) / divisor
    gain = xp.where(known, gain, one)
    offset = mean_observed - gain * mean_simulated
    assert gain.shape == ((1, 1) if operator == "global_linear" else (shape[0], 1))
    return Line(gain, offset)


def observe(simulated: Float[Any, "*cell time"], line: Line) -> Float[Any, "*cell time"]:
    """Apply the operator: ``gain * simulated + offset`` [m3 m-3]. ``simulated`` must be finite on every day."""
    return line.gain * simulated + line.offset


def _varies(variance: Any, mean: Any) -> Any:
    """Whether a variance is more than the rounding of a constant series of this mean."""
    xp = array_namespace(variance)
    rounding = 32 * xp.finfo(variance.dtype).eps * xp.abs(mean)
    return variance > rounding**2
