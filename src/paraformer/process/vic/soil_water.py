"""Water in the soil, once a model step: runoff, and drainage and baseflow in sub-steps (VIC-5 ``runoff.c``)."""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.baseflow import baseflow
from paraformer.process.vic.column import Timing
from paraformer.process.vic.drainage import drainage, reference_at
from paraformer.process.vic.infiltration import surface_runoff
from paraformer.process.vic.jit import compiled


@compiled
def lower_limit(moisture: float, residual: float, outflow: float) -> tuple[float, float]:
    """A layer below its residual moisture takes the deficit from the water it passes on (which may become negative)."""
    if moisture < 0.0:
        outflow += moisture
        moisture = 0.0
    if moisture < residual:
        outflow += moisture - residual
        moisture = residual
    return moisture, outflow


@compiled
def upper_limit(moisture: float, maximum: float, outflow: float) -> tuple[float, float]:
    """What a layer cannot hold leaves it downward."""
    if moisture > maximum:
        outflow += moisture - maximum
        moisture = maximum
    return moisture, outflow


@compiled
def fill_up(m1: float, max1: float, m2: float, max2: float, runoff: float) -> tuple[float, float, float]:
    """What layer 2 cannot hold rises to layer 1, and what that cannot hold runs off."""
    if m2 > max2:
        m1 += m2 - max2
        m2 = max2
        if m1 > max1:
            runoff += m1 - max1
            m1 = max1
    return m1, m2, runoff


@compiled
def advance_soil_water(soil: Any, column: Any, timing: Timing, state: Any) -> None:
    """Update soil moisture; runoff, baseflow and evaporation of the step are in ``column``."""
    m1, m2, m3 = state.moisture[0], state.moisture[1], state.moisture[2]
    max1, max2, max3 = soil.maximum[0], soil.maximum[1], soil.maximum[2]
    res1, res2, res3 = soil.residual[0], soil.residual[1], soil.residual[2]
    n1, n2 = soil.expt[0], soil.expt[1]
    c1, c2 = soil.drainage_coefficient[0], soil.drainage_coefficient[1]
    steps = timing.runoff_steps
    runoff = surface_runoff(column.inflow, m1 + m2, soil.upper_maximum, soil.infilt)
    infiltration = column.inflow / steps - runoff / steps
    e1 = column.evaporation[0] / steps
    e2 = column.evaporation[1] / steps
    e3 = column.evaporation[2] / steps
    near1, near2 = soil.nearest_power[0], soil.nearest_power[1]
    reference1 = reference_at(max(m1 - e1, res1) - res1, n1, c1)
    reference2 = reference_at(max(m2 - e2, res2) - res2, n2, c2)
    base = 0.0
    for _ in range(steps):
        q1, reference1 = drainage(max(m1 - e1, res1) - res1, n1, c1, near1, soil.powers_1, soil.drained_1, reference1)
        q2, reference2 = drainage(max(m2 - e2, res2) - res2, n2, c2, near2, soil.powers_2, soil.drained_2, reference2)
        full1, full2 = m1 + (infiltration - (q1 + e1)), m2 + (q1 - (q2 + e2))
        if res1 <= full1 <= max1 and res2 <= full2 <= max2:
            m1, m2 = full1, full2  # the common case, which must not wait for the limits
        else:
            m1, q1 = upper_limit(full1, max1, q1)
            m1, q1 = lower_limit(m1, res1, q1)
            m2 += q1 - (q2 + e2)
            m1, m2, runoff = fill_up(m1, max1, m2, max2, runoff)
            m2, q2 = lower_limit(m2, res2, q2)
        b = baseflow(m3, res3, max3, soil.baseflow_linear, soil.baseflow_curved, soil.ws, soil.c)
        m3 += q2 - (e3 + b)
        if m3 < res3:
            b += m3 - res3
            m3 = res3
        if m3 > max3:
            m2 += m3 - max3
            m3 = max3
            m1, m2, runoff = fill_up(m1, max1, m2, max2, runoff)
        base += b
    if base < 0.0:
        column.evaporation[2] += base
        base = 0.0
    state.moisture[0], state.moisture[1], state.moisture[2] = m1, m2, m3
    column.runoff = runoff
    column.baseflow = base
