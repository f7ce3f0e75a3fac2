"""Heads: from features to unit coordinates of θ, starting at the a-priori θ of every cell or in mid-range."""

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
    """Linear layer with zero weights on top of where every cell starts.

    ``linear`` may leave the range, and needs the range-boundary loss (the paper's head); ``bounded`` is a sigmoid onto
    the range. With ``start`` at the ``prior`` step 0 is the default process model, and the map the network learns is
    the change of θ; from the ``middle`` of the range θ is a function of the inputs alone, as in eqs. 8 and 12.
    """

    def __init__(self, width: int, parameters: int, kind: str, start: str = "prior") -> None:
        super().__init__()
        self.bounded = kind == "bounded"
        self.from_prior = start == "prior"
        self.scale = _REACH / width
        self.linear = nn.Linear(width, parameters)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, features: Float[Tensor, "cell width"], prior: Float[Tensor, "cell parameter"]
    ) -> Float[Tensor, "cell parameter"]:
        """Unit coordinates of θ from features and the unit coordinates of the prior."""
        move = self.linear(features * self.scale)
        start = prior if self.from_prior else torch.full_like(prior, 0.5)
        if self.bounded:
            return torch.sigmoid(torch.logit(start, eps=_MARGIN) + move)
        return start + move
