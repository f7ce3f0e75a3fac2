"""Evaporation from bare soil."""

from __future__ import annotations

from paraformer.process.vic.jit import compiled

SERIES_TERMS = 30


@compiled
def arno_evaporation_fraction(moisture: float, maximum: float, infilt: float) -> float:
    """Actual over potential evaporation of soil whose wetness varies as the infiltration curve says [1].

    Saturated area evaporates at the potential rate, the rest in proportion to its own infiltration capacity
    (Liang et al. 1994, eqs. 24-26, series of 30 terms).

    Args:
        moisture: of layer 1 [mm].
        maximum: of layer 1 [mm].
        infilt: b [1].
    """
    capacity = (1.0 + infilt) * maximum
    ratio = (1.0 - min(moisture, maximum) / maximum) ** (1.0 / (infilt + 1.0))
    if capacity * (1.0 - ratio) >= capacity:
        return 1.0
    ratio = ratio**infilt if ratio != 0.0 else 0.0
    saturated = 1.0 - ratio
    ratio = ratio ** (1.0 / infilt)
    series = 1.0
    power = 1.0
    for term in range(1, SERIES_TERMS + 1):
        power *= ratio
        series += infilt / (infilt + term) * power
    return saturated + (1.0 - saturated) * (1.0 - ratio) * series


@compiled
def limit_to_available(evaporation: float, moisture: float, residual: float) -> float:
    """Evaporation of a layer can take it to residual moisture, not below [mm]; condensation is not limited."""
    if evaporation > 0.0:
        if moisture > residual:
            return min(evaporation, moisture - residual)
        return 0.0
    return evaporation
