"""Takes a cube's forcing and parameters θ [cell, set, parameter].
Gives true simulations: soil moisture, evapotranspiration, runoff and snow of the process model itself.
Never learns, scores or searches."""
