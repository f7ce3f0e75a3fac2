"""A learner of one's own: a GRU over the history of a cell, its attributes beside every day, in 30 lines.

``paraformer run gru_learner.yaml`` trains it on the built-in world, beside ParaFormer_A.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GRU(nn.Module):
    """Attributes [cell, attribute] and history [cell, day, feature] -> features [cell, width] for the head."""

    def __init__(self, attributes: int, features: int, hidden: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = hidden
        self.gru = nn.GRU(attributes + features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, attributes: Tensor, history: Tensor) -> Tensor:
        repeated = attributes[:, None].expand(-1, history.shape[1], -1)
        _, last = self.gru(torch.cat([repeated, history], dim=-1))
        return self.dropout(last[0])


def gru(attributes: int, features: int, **settings: Any) -> GRU:
    """What ``network.name`` of the study names."""
    return GRU(attributes, features, **settings)
