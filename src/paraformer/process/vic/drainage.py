"""Drainage between soil layers.

The exact integral needs two powers a sub-step, each of which waits for the one before. Both are binomial series here:
the power of moisture around that of an earlier sub-step, and the drained part in powers of the rate, which is small.
What is left out is below 1e-16 of the sum; where a series would need more terms, the power itself is taken.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from paraformer.process.vic.jit import compiled, contracted, inlined

TERMS = 10
NEAREST_POWER = 0.1
"""(n - 1) times the largest relative change of moisture that the series of the power covers."""
LARGEST_RATE = 0.025
"""Largest u that the series of the drained part covers, and largest relative change of 1 + u in wet soil."""


class Reference(NamedTuple):
    """The powers around which series are taken: of moisture, and of the part that does not drain."""

    available: float  # A_0, moisture above the residual [mm]
    inverse: float  # 1 / A_0 [mm-1]
    rate: float  # u_0 = -c A_0^(n-1) [1]
    wet_rate: float  # u_1, of the last sub-step whose drained part took a power; 0 before it [1]
    left: float  # (1 + u_1)^(-1/(n-1)), the part of A left then [1]


@compiled
def drainage_coefficient(conductivity: float, maximum: float, residual: float, expt: float) -> float:
    """The part of ``drainage`` that does not depend on moisture: c = K (1 - n) / (theta_max - theta_r)^n.

    Args:
        conductivity: K, saturated hydraulic conductivity per runoff sub-step [mm].
        maximum: moisture at saturation [mm].
        residual: residual moisture [mm].
        expt: n, exponent of Brooks-Corey conductivity [1].
    """
    return conductivity / (maximum - residual) ** expt * (1.0 - expt)


@compiled
def drainage_series(expt: float, powers: Any, drained: Any) -> None:
    """Coefficients of both series for exponent n, m = n - 1 and p = 1 / m.

    Args:
        expt: n [1].
        powers: result, of d^k in (1 + d)^m, k = 0..9.
        drained: result, of u^(k+1) in 1 - (1 + u)^-p, k = 0..9.
    """
    m = expt - 1.0
    p = 1.0 / m
    powers[0] = 1.0
    drained[0] = p
    for k in range(1, TERMS):
        powers[k] = powers[k - 1] * (m - (k - 1.0)) / k
        drained[k] = -drained[k - 1] * (p + k) / (k + 1.0)


@contracted
def sum_of_series(x: float, a: Any) -> float:
    """a_0 + a_1 x + ... + a_9 x^9 (Estrin's scheme: products that do not wait for each other)."""
    x2 = x * x
    x4 = x2 * x2
    low = (a[0] + a[1] * x) + (a[2] + a[3] * x) * x2
    middle = (a[4] + a[5] * x) + (a[6] + a[7] * x) * x2
    return low + (middle + (a[8] + a[9] * x) * x4) * x4


@compiled
def reference_at(available: float, expt: float, coefficient: float) -> Reference:
    """The reference at a moisture above the residual [mm]; an empty layer gives one that no series is taken around."""
    if not available > 0.0:
        return Reference(0.0, inf, 0.0, 0.0, 1.0)
    return Reference(available, 1.0 / available, -coefficient * available ** (expt - 1.0), 0.0, 1.0)


@inlined
def drainage(
    available: float, expt: float, coefficient: float, nearest: float, powers: Any, drained: Any, reference: Reference
) -> tuple[float, Reference]:
    """Water that leaves a layer downward in a runoff sub-step [mm], and the reference for the next one.

    Exact integral of dW/dt = -K ((W - W_r) / (W_max - W_r))^n over the sub-step (Brooks & Corey 1964; Liang et al.
    1994, eq. 21): q = A - [A^(1-n) - c]^(1/(1-n)) = A (1 - (1 + u)^(-1/(n-1))), A = W - W_r, u = -c A^(n-1).

    Args:
        available: A, at least 0 [mm].
        expt: n [1].
        coefficient: c, from ``drainage_coefficient``.
        nearest: largest relative change |A / A_0 - 1| that ``powers`` covers [1].
        powers: coefficients from ``drainage_series``.
        drained: coefficients from ``drainage_series``.
        reference: of an earlier sub-step.
    """
    change = (available - reference.available) * reference.inverse
    if abs(change) <= nearest:
        rate = reference.rate * sum_of_series(change, powers)
    else:
        reference = reference_at(available, expt, coefficient)
        rate = reference.rate
    if rate <= LARGEST_RATE:
        return available * (rate * sum_of_series(rate, drained)), reference
    change = (rate - reference.wet_rate) / (1.0 + reference.wet_rate)
    if abs(change) <= LARGEST_RATE:
        return available * (1.0 - reference.left * (1.0 - change * sum_of_series(change, drained))), reference
    left = (1.0 + rate) ** (-1.0 / (expt - 1.0))
    return available * (1.0 - left), Reference(reference.available, reference.inverse, reference.rate, rate, left)
