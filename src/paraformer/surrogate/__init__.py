"""Takes an ensemble of process-model runs with the forcing and the static descriptors of its cells.
Gives a fast forward model with a gradient to θ, and an audit of how far it can be trusted.
Never sees an observation, and never passes the verdict on θ."""
