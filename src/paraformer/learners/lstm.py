"""LSTM_Z: an LSTM over the history of a cell, its attributes repeated on every day (Li & Lu 2023, section 4.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.config import LSTMZConfig


class LSTMZ(nn.Module):
    """(A, X, Z) -> last state, with dropout; gives features of ``width`` to a head (Tsai et al. 2021)."""

    def __init__(self, config: LSTMZConfig, attributes: int, features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(attributes + features, config.hidden, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.width = config.hidden

    def forward(
        self, attributes: Float[Tensor, "cell attribute"], history: Float[Tensor, "cell day feature"]
    ) -> Float[Tensor, "cell width"]:
        repeated = attributes[:, None].expand(-1, history.shape[1], -1)
        _, (last, _) = self.lstm(torch.cat([repeated, history], dim=-1))
        return self.dropout(last[0])
