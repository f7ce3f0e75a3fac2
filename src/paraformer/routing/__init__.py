"""Takes runoff and baseflow of cells and a river network.
Gives discharge at gauges, with its transposed for learning.
Never reads θ, runs a model or scores."""
