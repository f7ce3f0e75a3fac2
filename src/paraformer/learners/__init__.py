"""Takes attributes, history, observations of the training period and a differentiable forward model.
Gives θ for every cell, the never observed ones too, from one map learned over all trained cells.
Never sees a test period, and never passes the verdict on θ."""
