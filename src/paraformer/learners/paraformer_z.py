"""ParaFormer_Z: attributes ask, the history of the cell answers (Li & Lu 2023, section 3.2, eqs. 9-12)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.attention import Attend, AttributeEmbedding, EncoderLayer, FeedForward, position_code
from paraformer.learners.config import ParaFormerZConfig
from paraformer.learners.statistics import STATISTICS, history_statistics


class ParaFormerZ(nn.Module):
    """Encoder over the days, self-attention over the attributes, cross-attention; gives features to a head.

    A time token is ``patch`` consecutive days; 1 is the paper's. With ``statistics`` (not in the paper) a few numbers
    of the history stand beside the attributes: means over hundreds of days are hard to learn from a few hundred cells.
    """

    position: Tensor

    def __init__(self, config: ParaFormerZConfig, attributes: int, features: int, may_lack: bool = False) -> None:
        super().__init__()
        width, heads, dropout = config.width, config.heads, config.dropout
        self.statistics = config.statistics
        attributes += STATISTICS if config.statistics else 0
        self.patch, self.pool = config.patch, config.pool
        self.embed_time = nn.Linear(config.patch * features, width)
        self.register_buffer("position", position_code(config.history_days // config.patch, width), persistent=False)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, heads, config.feed_forward, dropout) for _ in range(config.layers)
        )
        self.embed_attributes = AttributeEmbedding(attributes, width, may_lack)
        self.attributes = Attend(width, heads, dropout)
        self.cross = Attend(width, heads, dropout)
        self.feed_forward = FeedForward(width, config.feed_forward, dropout)
        self.width = width * (attributes if config.pool == "concatenate" else 1)

    def forward(
        self,
        attributes: Float[Tensor, "cell attribute"],
        history: Float[Tensor, "cell day feature"],
        maps: list[Tensor] | None = None,
    ) -> Float[Tensor, "cell width"]:
        """Features of a cell from its attributes and ``history_days`` days of its history.

        Args:
            maps: a list that receives the self-attention of the attributes and the cross-attention.
        """
        time = self.encode(history)
        if self.statistics:
            attributes = torch.cat([attributes, history_statistics(history)], dim=1)
        tokens = self.embed_attributes(attributes)
        asked = self.attributes(tokens, tokens, maps)  # eq. 10; the projections W^Q, W^K, W^V are those of ``cross``
        fused = self.feed_forward(self.cross(asked, time, maps))  # eqs. 11 and 12
        return fused.flatten(1) if self.pool == "concatenate" else fused.mean(dim=1)

    def encode(self, history: Float[Tensor, "cell day feature"]) -> Float[Tensor, "cell token width"]:
        """Time tokens of a history, each of ``patch`` days."""
        time = self.embed_time(history.unflatten(1, (-1, self.patch)).flatten(2)) + self.position  # H_Z, eq. 9
        for layer in self.encoder:
            time = layer(time)
        return time

    def attention(
        self, attributes: Float[Tensor, "cell attribute"], history: Float[Tensor, "cell day feature"]
    ) -> dict[str, Tensor]:
        """``attribute``: self-attention [cell, layer, head, attribute, attribute], one layer; ``time``: from attributes
        to time tokens [cell, head, attribute, token]; each row sums to 1."""
        maps: list[Tensor] = []
        self(attributes, history, maps)
        attribute, time = maps
        return {"attribute": torch.stack([attribute], dim=1), "time": time}
