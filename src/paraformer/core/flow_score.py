"""What a distance of simulated from observed flow is made of; apart, because settings must not load torch."""

from __future__ import annotations

from typing import Literal

FlowScore = Literal["kge", "nse"]
"""``kge``: the parts of the Kling-Gupta efficiency of 2009; ``nse``: squared error over the observation's variance."""

EPSILON_SHARE = 0.01
"""ε of logarithms as a share of the mean observed flow (Pushpalatha et al. 2012, doi 10.1016/j.jhydrol.2011.11.055)."""
