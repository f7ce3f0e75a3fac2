"""The network of the surrogate: an LSTM with linear heads, in normalised units throughout.

With anchors, an output is a mixture of the process model's own runs of the same cell at a few parameter sets, with
weights that depend on θ and on the LSTM's state, plus the LSTM's correction. Forcing-driven dynamics then come from the
process model itself, and the network learns where between the anchors θ lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of the network's inputs: parameters, static descriptors, daily inputs, anchors; and its outputs."""

    parameters: int
    statics: int
    daily: int
    anchors: int
    outputs: tuple[str, ...]


class SurrogateNetwork(nn.Module):
    """LSTM over days, started and accompanied by an embedding of θ and the static descriptors.

    Args:
        shape: sizes of inputs and names of outputs.
        hidden: state size of the LSTM.
        embedding: width of the embedding.
    """

    def __init__(self, shape: NetworkShape, hidden: int, embedding: int) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Sequential(
            nn.Linear(shape.parameters + shape.statics, 2 * embedding), nn.Tanh(),
            nn.Linear(2 * embedding, embedding), nn.Tanh(),
        )  # fmt: skip
        self.state = nn.Sequential(
            nn.Linear(embedding + shape.anchors, hidden), nn.Tanh(), nn.Linear(hidden, 2 * hidden)
        )
        self.lstm = nn.LSTM(shape.daily + shape.anchors + embedding, hidden, batch_first=True)
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, 1) for name in shape.outputs})
        self.mixtures = nn.ModuleDict(
            {name: Mixture(embedding, hidden, shape.anchors) for name in shape.outputs if shape.anchors}
        )

    def forward(
        self,
        u: Float[Tensor, "batch parameter"],
        statics: Float[Tensor, "batch static"],
        daily: Float[Tensor, "batch day feature"],
        anchors: Mapping[str, Float[Tensor, "batch day anchor"]],
        outputs: Sequence[str],
    ) -> dict[str, Float[Tensor, "batch day"]]:
        """Normalised outputs for every day, the warm-up included.

        Args:
            u: unit coordinates of θ.
            anchors: normalised anchor runs of the first output and of every output asked for; empty without anchors.
        """
        embedded = self.embed(torch.cat([u - 0.5, statics], dim=-1))
        driving = [daily, embedded[:, None].expand(-1, daily.shape[1], -1)]
        first = [embedded]
        if self.shape.anchors:
            series = anchors[self.shape.outputs[0]]
            driving.append(series)
            first.append(series[:, 0])
        start = self.state(torch.cat(first, dim=-1)).chunk(2, dim=-1)
        hidden, _ = self.lstm(torch.cat(driving, dim=-1), tuple(s[None].contiguous() for s in start))
        result = {}
        for name in outputs:
            result[name] = self.heads[name](hidden)[..., 0]
            if self.shape.anchors:
                result[name] = result[name] + self.mixtures[name](embedded, hidden, anchors[name])
        return result


class Mixture(nn.Module):
    """Weighted mean of the anchor runs; weights from the embedding of θ and, less, from the LSTM's state of the day."""

    def __init__(self, embedding: int, hidden: int, anchors: int) -> None:
        super().__init__()
        self.constant = nn.Sequential(nn.Linear(embedding, 2 * anchors), nn.ReLU(), nn.Linear(2 * anchors, anchors))
        self.daily = nn.Linear(hidden, anchors)

    def forward(
        self,
        embedded: Float[Tensor, "batch embedding"],
        hidden: Float[Tensor, "batch day hidden"],
        anchors: Float[Tensor, "batch day anchor"],
    ) -> Float[Tensor, "batch day"]:
        weights = torch.softmax(self.constant(embedded)[:, None] + self.daily(hidden), dim=-1)
        return (weights * anchors).sum(-1)
