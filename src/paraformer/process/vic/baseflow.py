"""Baseflow from the lowest layer."""

from __future__ import annotations

from paraformer.process.vic.jit import compiled


@compiled
def baseflow(
    moisture: float, residual: float, maximum: float, linear: float, curved: float, ws: float, c: float
) -> float:
    """Arno baseflow of a runoff sub-step [mm] (Franchini & Pacciani 1991; Liang et al. 1994, eq. 22).

    B = D_m D_s / W_s r + D_m (1 - D_s / W_s) ((r - W_s) / (1 - W_s))^c for r > W_s, r the relative moisture.

    Args:
        moisture: of layer 3 [mm].
        residual: [mm].
        maximum: [mm].
        linear: D_m D_s / W_s, D_m the maximum baseflow of a sub-step [mm].
        curved: D_m (1 - D_s / W_s) [mm].
        ws: W_s [1].
        c: exponent [1].
    """
    relative = (moisture - residual) / (maximum - residual)
    flow = linear * relative
    if relative > ws:
        above = (relative - ws) / (1.0 - ws)
        flow += curved * (above * above if c == 2.0 else above**c)  # 2 is the usual exponent, a product is faster
    return max(flow, 0.0)
