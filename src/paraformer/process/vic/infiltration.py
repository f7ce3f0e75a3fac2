"""Variable infiltration capacity: saturated area and surface runoff."""

from __future__ import annotations

from paraformer.process.vic.jit import compiled


@compiled
def saturated_area(moisture: float, maximum: float, infilt: float) -> float:
    """Saturated fraction of the cell [1] (Liang et al. 1994, JGR 99, 14415, eq. 15; Zhao et al. 1980).

    A = 1 - (1 - W / W_max)^(b / (1 + b))

    Args:
        moisture: W, water in layers 1 and 2 [mm].
        maximum: W_max, their maximum [mm].
        infilt: b [1].
    """
    return 1.0 - (1.0 - min(moisture, maximum) / maximum) ** (infilt / (1.0 + infilt))


@compiled
def surface_runoff(inflow: float, moisture: float, maximum: float, infilt: float) -> float:
    """Surface runoff of a model step [mm] (Liang et al. 1994, eqs. 18a, 18b).

    Args:
        inflow: P, water reaching the soil in the step [mm].
        moisture: W, water in layers 1 and 2 at the start of the step [mm].
        maximum: W_max [mm].
        infilt: b [1].
    """
    if inflow == 0.0:
        return 0.0
    moisture = min(moisture, maximum)
    area = saturated_area(moisture, maximum, infilt)
    capacity = (1.0 + infilt) * maximum
    filled = capacity * (1.0 - (1.0 - area) ** (1.0 / infilt))
    runoff = inflow - maximum + moisture
    if not filled + inflow > capacity:
        runoff += maximum * (1.0 - (filled + inflow) / capacity) ** (1.0 + infilt)
    return max(runoff, 0.0)
