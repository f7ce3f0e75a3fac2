"""FFN_A: a fully connected network from attributes to θ (Li & Lu 2023, section 4.2; Tsai et al. 2021)."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.config import FFNConfig


class FFN(nn.Module):
    """Hidden layers with ReLU and dropout; gives features of ``width`` to a head."""

    def __init__(self, config: FFNConfig, attributes: int) -> None:
        super().__init__()
        sizes = [attributes, *[config.hidden] * config.layers]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)
        self.width = config.hidden

    def forward(self, attributes: Float[Tensor, "cell attribute"]) -> Float[Tensor, "cell width"]:
        return self.layers(attributes)
