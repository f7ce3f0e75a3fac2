"""Parts shared by both ParaFormers: tokens, position code, attention, encoder layer (Li & Lu 2023, eqs. 4-7 and 9)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class AttributeEmbedding(nn.Module):
    """One token per attribute, H[k, d] = A[k] W_em[k, d] + b[k, d] (eq. 4).

    Args:
        may_lack: whether an attribute may be unknown (NaN); it then has a learned token of its own.
    """

    def __init__(self, attributes: int, width: int, may_lack: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(attributes, width) / width**0.5)
        self.bias = nn.Parameter(torch.randn(attributes, width) / width**0.5)
        self.unknown = nn.Parameter(self.bias.detach().clone()) if may_lack else None

    def forward(self, attributes: Float[Tensor, "cell attribute"]) -> Float[Tensor, "cell attribute width"]:
        if self.unknown is None:
            return attributes[..., None] * self.weight + self.bias
        tokens = attributes.nan_to_num(0.0)[..., None] * self.weight + self.bias
        return torch.where(attributes.isnan()[..., None], self.unknown, tokens)


def position_code(tokens: int, width: int) -> Float[Tensor, "token width"]:
    """E_pos of eq. 9: sin(t / 10000^(2i/d)) at column 2i, the cosine at column 2i + 1 (Vaswani et al. 2017, sec. 3.5).

    Args:
        tokens: positions t = 0 .. tokens - 1.
        width: d; the last cosine is left out where it is odd.
    """
    time = torch.arange(tokens, dtype=torch.float64)[:, None]
    angle = time / 10000.0 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].float()


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of m heads (eqs. 5-7), d_k = d_v = d / m."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = dropout

    def forward(
        self,
        queries: Float[Tensor, "cell query width"],
        keys: Float[Tensor, "cell key width"],
        maps: list[Tensor] | None = None,
        bias: Float[Tensor, "cell head 1 key"] | None = None,
    ) -> Float[Tensor, "cell query width"]:
        """Attention from queries to keys.

        Args:
            maps: a list that receives the weights α [cell, head, query, key]; they are then computed one by one and
                without dropout, which a fused kernel does not.
            bias: added to the logarithms of the weights; minus infinity hides a key.
        """
        q, k, v = (self._split(t) for t in (self.query(queries), self.key(keys), self.value(keys)))
        if maps is None:
            joined = scaled_dot_product_attention(q, k, v, bias, dropout_p=self.dropout if self.training else 0.0)
        else:
            logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            maps.append(torch.softmax(logits if bias is None else logits + bias, dim=-1))
            joined = maps[-1] @ v
        return self.output(joined.transpose(1, 2).flatten(2))

    def _split(self, tokens: Float[Tensor, "cell token width"]) -> Float[Tensor, "cell head token part"]:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Position-wise ReLU network with a residual connection, then layer norm (post-norm)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "cell token width"]) -> Float[Tensor, "cell token width"]:
        return self.norm(tokens + self.dropout(self.layers(tokens)))


class Attend(nn.Module):
    """Attention with a residual connection, then layer norm (post-norm)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, dropout)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Float[Tensor, "cell query width"],
        keys: Float[Tensor, "cell key width"],
        maps: list[Tensor] | None = None,
        bias: Float[Tensor, "cell head 1 key"] | None = None,
    ) -> Float[Tensor, "cell query width"]:
        return self.norm(queries + self.dropout(self.attention(queries, keys, maps, bias)))


class EncoderLayer(nn.Module):
    """Self-attention, then the position-wise network."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attend = Attend(width, heads, dropout)
        self.feed_forward = FeedForward(width, feed_forward, dropout)

    def forward(
        self, tokens: Float[Tensor, "cell token width"], maps: list[Tensor] | None = None
    ) -> Float[Tensor, "cell token width"]:
        return self.feed_forward(self.attend(tokens, tokens, maps))
