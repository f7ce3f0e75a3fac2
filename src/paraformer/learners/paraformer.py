"""ParaFormer_A: self-attention over the attributes of a cell (Li & Lu 2023, section 3.2, eqs. 4-8)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.attention import AttributeEmbedding, EncoderLayer
from paraformer.learners.config import ParaFormerAConfig


class ParaFormerA(nn.Module):
    """Encoder over attribute tokens; gives features of ``width`` to a head (eq. 8)."""

    def __init__(self, config: ParaFormerAConfig, attributes: int, may_lack: bool = False) -> None:
        super().__init__()
        self.embedding = AttributeEmbedding(attributes, config.width, may_lack)
        self.layers = nn.ModuleList(
            EncoderLayer(config.width, config.heads, config.feed_forward, config.dropout) for _ in range(config.layers)
        )
        self.pool = config.pool
        self.width = config.width * (attributes if config.pool == "concatenate" else 1)

    def forward(
        self, attributes: Float[Tensor, "cell attribute"], maps: list[Tensor] | None = None
    ) -> Float[Tensor, "cell width"]:
        tokens = self.embedding(attributes)
        for layer in self.layers:
            tokens = layer(tokens, maps)
        return tokens.flatten(1) if self.pool == "concatenate" else tokens.mean(dim=1)

    def attention(self, attributes: Float[Tensor, "cell attribute"]) -> dict[str, Tensor]:
        """``attribute``: self-attention [cell, layer, head, attribute, attribute]; each row sums to 1."""
        maps: list[Tensor] = []
        self(attributes, maps)
        return {"attribute": torch.stack(maps, dim=1)}
