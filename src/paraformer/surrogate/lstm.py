"""The network of the surrogate: an LSTM with linear heads, in normalised units throughout.

With anchors, the process model's own runs of the same cell at a few parameter sets are blended to a few mixtures with
weights that depend on θ; the LSTM sees these mixtures, chooses among them day by day, and adds a correction. The
response to the forcing then comes from the process model itself, and the network learns where between the anchors θ is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

MIXTURES = 4
"""Mixtures of the anchors for each output."""


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
        given, mixed = shape.parameters + shape.statics, MIXTURES if shape.anchors else 0
        self.embed = nn.Sequential(
            nn.Linear(given, 4 * embedding), nn.Tanh(), nn.Linear(4 * embedding, embedding), nn.Tanh()
        )
        self.mixers = nn.ModuleDict({name: AnchorMixer(given, shape.anchors) for name in shape.outputs if mixed})
        self.state = nn.Sequential(
            nn.Linear(embedding + mixed + shape.anchors, hidden), nn.Tanh(), nn.Linear(hidden, 2 * hidden)
        )
        self.lstm = nn.LSTM(shape.daily + mixed + embedding, hidden, batch_first=True)
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, 1 + mixed) for name in shape.outputs})

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
        given = torch.cat([u - 0.5, statics], dim=-1)
        embedded = self.embed(given)
        mixtures = {name: self.mixers[name](given, series) for name, series in anchors.items()}
        driving = [daily, embedded[:, None].expand(-1, daily.shape[1], -1)]
        first = [embedded]
        if mixtures:
            leading = self.shape.outputs[0]
            driving.append(mixtures[leading])
            first += [mixtures[leading][:, 0], anchors[leading][:, 0]]
        hidden_0, cell_0 = self.state(torch.cat(first, dim=-1)).chunk(2, dim=-1)
        hidden, _ = self.lstm(torch.cat(driving, dim=-1), (hidden_0[None].contiguous(), cell_0[None].contiguous()))
        result = {}
        for name in outputs:
            correction, choice = self.heads[name](hidden).tensor_split([1], dim=-1)
            result[name] = correction[..., 0]
            if mixtures:
                result[name] = result[name] + (torch.softmax(choice, dim=-1) * mixtures[name]).sum(-1)
        return result


class AnchorMixer(nn.Module):
    """A few weighted means of the anchor runs, with weights that depend on θ and the static descriptors."""

    def __init__(self, given: int, anchors: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(nn.Linear(given, 128), nn.ReLU(), nn.Linear(128, MIXTURES * anchors))

    def forward(
        self, given: Float[Tensor, "batch given"], anchors: Float[Tensor, "batch day anchor"]
    ) -> Float[Tensor, "batch day mixture"]:
        weights = torch.softmax(self.weights(given).unflatten(-1, (MIXTURES, -1)), dim=-1)
        return torch.bmm(anchors, weights.transpose(1, 2))
