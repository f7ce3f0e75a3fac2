"""Takes cell parameters, sub-daily forcing and θ [cell, set, parameter] as arrays.
Gives VIC-5 in water-balance mode: daily or step outputs, exact restart, a closed water balance.
Never reads a file except in ``files``."""
