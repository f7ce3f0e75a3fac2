"""ParaFormer_A: self-attention over the attributes of a cell (Li & Lu 2023, section 3.2, eqs. 4-8)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.config import ParaFormerAConfig


class AttributeEmbedding(nn.Module):
    """One token per attribute, H[k, d] = A[k] W_em[k, d] + b[k, d] (eq. 4)."""

    def __init__(self, attributes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(attributes, width) / width**0.5)
        self.bias = nn.Parameter(torch.randn(attributes, width) / width**0.5)

    def forward(self, attributes: Float[Tensor, "cell attribute"]) -> Float[Tensor, "cell attribute width"]:
        return attributes[..., None] * self.weight + self.bias


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of m heads (eqs. 5-7), d_k = d_v = d / m."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Float[Tensor, "cell query width"], keys: Float[Tensor, "cell key width"]
    ) -> Float[Tensor, "cell query width"]:
        q, k, v = (self._split(t) for t in (self.query(queries), self.key(keys), self.value(keys)))
        score = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
        return self.output((self.dropout(score) @ v).transpose(1, 2).flatten(2))

    def _split(self, tokens: Float[Tensor, "cell token width"]) -> Float[Tensor, "cell head token part"]:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and a position-wise ReLU network, each with a residual connection, then layer norm (post-norm)."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, dropout)
        self.feed_forward = nn.Sequential(nn.Linear(width, feed_forward), nn.ReLU(), nn.Linear(feed_forward, width))
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "cell token width"]) -> Float[Tensor, "cell token width"]:
        attended = self.norm_attention(tokens + self.dropout(self.attention(tokens, tokens)))
        return self.norm_feed_forward(attended + self.dropout(self.feed_forward(attended)))


class ParaFormerA(nn.Module):
    """Encoder over attribute tokens; gives features of ``width`` to a head (eq. 8)."""

    def __init__(self, config: ParaFormerAConfig, attributes: int) -> None:
        super().__init__()
        self.embedding = AttributeEmbedding(attributes, config.width)
        self.layers = nn.ModuleList(
            EncoderLayer(config.width, config.heads, config.feed_forward, config.dropout) for _ in range(config.layers)
        )
        self.pool = config.pool
        self.width = config.width * (attributes if config.pool == "concatenate" else 1)

    def forward(self, attributes: Float[Tensor, "cell attribute"]) -> Float[Tensor, "cell width"]:
        tokens = self.embedding(attributes)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens.flatten(1) if self.pool == "concatenate" else tokens.mean(dim=1)
