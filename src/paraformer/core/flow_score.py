"""What a distance of simulated from observed flow is made of; apart, because settings must not load torch."""

from __future__ import annotations

from typing import Literal

FlowScore = Literal["kge", "nse"]
"""``kge``: the parts of the Kling-Gupta efficiency of 2009; ``nse``: squared error over the observation's variance."""
