"""Heads: from features to unit coordinates of θ, starting at the a-priori θ of every cell."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

_REACH = 256.0
"""Features are scaled by this over their number, so that one step of Adam moves θ equally far whatever the width; a
wide head otherwise runs into the flat ends of the sigmoid before the body has learned anything."""

_MARGIN = 0.01
"""A prior nearer to its bound than this starts here, because a sigmoid cannot reach the bound [unit coordinates]."""


class Head(nn.Module):
    """Linear layer with zero weights whose bias is the cell's prior, so that step 0 is the default process model.

    ``linear`` may leave the range, and needs the range-boundary loss (the paper's head); ``bounded`` is a sigmoid onto
    the range.
    """

    def __init__(self, width: int, parameters: int, kind: str) -> None:
        super().__init__()
        self.bounded = kind == "bounded"
        self.scale = _REACH / width
        self.linear = nn.Linear(width, parameters)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, features: Float[Tensor, "cell width"], prior: Float[Tensor, "cell parameter"]
    ) -> Float[Tensor, "cell parameter"]:
        """Unit coordinates of θ from features and the unit coordinates of the prior."""
        move = self.linear(features * self.scale)
        if self.bounded:
            return torch.sigmoid(torch.logit(prior, eps=_MARGIN) + move)
        return prior + move
