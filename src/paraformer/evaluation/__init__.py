"""Takes what the process model simulates for each method's θ [cell, time], and the observations with their holdout.
Gives score tables per subset and per cell, baselines, surrogate gaps, parameter recovery and a checklist.
Never runs a model, fits θ or lets a test-period observation into anything that is fitted."""
