"""Drainage between soil layers."""

from __future__ import annotations

from paraformer.process.vic.jit import compiled


@compiled
def drainage_coefficient(conductivity: float, maximum: float, residual: float, expt: float) -> float:
    """The part of ``drainage`` that does not depend on moisture: K (1 - n) / (theta_max - theta_r)^n.

    Args:
        conductivity: K, saturated hydraulic conductivity per runoff sub-step [mm].
        maximum: moisture at saturation [mm].
        residual: residual moisture [mm].
        expt: n, exponent of Brooks-Corey conductivity [1].
    """
    return conductivity / (maximum - residual) ** expt * (1.0 - expt)


@compiled
def drainage(moisture: float, residual: float, expt: float, coefficient: float) -> float:
    """Water that leaves a layer downward in a runoff sub-step [mm].

    Exact integral of dW/dt = -K ((W - W_r) / (W_max - W_r))^n over the sub-step (Brooks & Corey 1964; Liang et al.
    1994, eq. 21): W' = W_r + [(W - W_r)^(1-n) - c]^(1/(1-n)), c from ``drainage_coefficient``.
    """
    if not moisture > residual:
        return 0.0
    available = moisture - residual
    return moisture - (available ** (1.0 - expt) - coefficient) ** (1.0 / (1.0 - expt)) - residual
