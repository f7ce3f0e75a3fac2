"""ParaFormer_N: attributes of a cell ask the trained cells around it (not in Li & Lu 2023)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.attention import Attend, AttributeEmbedding, EncoderLayer, FeedForward
from paraformer.learners.config import ParaFormerNConfig
from paraformer.learners.inputs import Surroundings
from paraformer.learners.neighbours import known, token_size
from paraformer.learners.statistics import STATISTICS

_REACH = (1.0, 10.0)
"""Distances over which the heads' attention falls to 1/e at the start, from the first to the last head [100 km]."""


class ParaFormerN(nn.Module):
    """Self-attention over attribute tokens, then cross-attention to one token per neighbour; features to a head.

    The weight of a neighbour at distance d is proportional to exp(q k / sqrt(d_k) - d / L) with a learned range L of
    each head, as the exponential covariance of kriging has one; of a cell chosen for its attributes d is their
    distance. A token that stands for nobody takes the weight that far neighbours lose.
    """

    def __init__(self, config: ParaFormerNConfig, attributes: int) -> None:
        super().__init__()
        width, heads, dropout = config.width, config.heads, config.dropout
        attributes += STATISTICS if config.own_history else 0
        self.embedding = AttributeEmbedding(attributes, width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, config.feed_forward, dropout) for _ in range(config.layers)
        )
        self.embed_neighbours = nn.Linear(token_size(attributes, config), width)
        self.nobody = nn.Parameter(torch.randn(width) / width**0.5)
        self.log_range = nn.Parameter(torch.linspace(math.log(_REACH[0]), math.log(_REACH[1]), heads))
        self.cross = Attend(width, heads, dropout)
        self.feed_forward = FeedForward(width, config.feed_forward, dropout)
        self.pool = config.pool
        self.width = width * (attributes if config.pool == "concatenate" else 1)

    def forward(
        self, attributes: Float[Tensor, "cell attribute"], neighbours: Surroundings, maps: list[Tensor] | None = None
    ) -> Float[Tensor, "cell width"]:
        """Features of a cell; the order of its neighbours does not matter.

        Args:
            maps: a list that receives the self-attention of each layer, then the attention to nobody and neighbours.
        """
        tokens = self.embedding(attributes)
        for layer in self.layers:
            tokens = layer(tokens, maps)
        near = self.embed_neighbours(neighbours.tokens)
        keys = torch.cat([self.nobody.expand(len(near), 1, -1), near], dim=1)
        fused = self.feed_forward(self.cross(tokens, keys, maps, self._bias(neighbours)))
        return fused.flatten(1) if self.pool == "concatenate" else fused.mean(dim=1)

    def _bias(self, neighbours: Surroundings) -> Float[Tensor, "cell head 1 key"]:
        """What is added to the logarithms of the weights: -d / L, 0 for nobody, minus infinity for the missing."""
        away = torch.cat([torch.zeros_like(neighbours.distance[:, :1]), neighbours.distance], dim=1)
        bias = -away[:, None] / self.log_range.exp()[:, None]
        return bias.masked_fill(~known(neighbours.there)[:, None], -torch.inf)[:, :, None]

    def attention(self, attributes: Float[Tensor, "cell attribute"], neighbours: Surroundings) -> dict[str, Tensor]:
        """``attribute``: self-attention [cell, layer, head, attribute, attribute]; ``neighbour``: from attributes to
        nobody and the neighbours [cell, head, attribute, 1 + neighbour]; each row sums to 1."""
        maps: list[Tensor] = []
        self(attributes, neighbours, maps)
        found = {"neighbour": maps[-1]}
        return found | ({"attribute": torch.stack(maps[:-1], dim=1)} if len(maps) > 1 else {})
