"""The networks by name, and the map they make with a head: attributes and history -> unit coordinates of θ."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.learners.config import HistoryConfig, LearnerConfig, NetworkConfig, OwnConfig, OwnHistoryConfig
from paraformer.learners.ffn import FFN
from paraformer.learners.head import Head
from paraformer.learners.inputs import HISTORY_FEATURES, Inputs
from paraformer.learners.lstm import LSTMZ
from paraformer.learners.own import build_own_network
from paraformer.learners.paraformer import ParaFormerA
from paraformer.learners.paraformer_z import ParaFormerZ

LEARNERS: dict[str, Any] = {
    "ffn_a": FFN,
    "lstm_z": LSTMZ,
    "paraformer_a": ParaFormerA,
    "paraformer_z": ParaFormerZ,
}
"""Network builders by name: settings, number of attributes, for _Z also number of daily features -> features for the
head. A network reads the history if its settings are a ``HistoryConfig``."""

_TOKENS = ("paraformer_a", "paraformer_z")
"""Networks in which an unknown attribute has a token of its own; the others see 0, the mean of the trained cells, and a
flag beside it."""


class ParameterMap(nn.Module):
    """Normalised attributes, history (if the network reads it) and prior of a cell -> unit coordinates of θ."""

    def __init__(self, config: LearnerConfig, attributes: int, parameters: int) -> None:
        super().__init__()
        network = config.network
        self.days, self.windows, sizes = 0, 1, [attributes]
        if isinstance(network, HistoryConfig):
            self.days, self.windows = network.history_days, network.history_windows
            sizes.append(len(HISTORY_FEATURES))
        may_lack = config.attribute_dropout > 0
        self.flags = may_lack and network.name not in _TOKENS
        if self.flags:
            sizes[0] *= 2
        self.body = _body(config.network, sizes, may_lack=may_lack and not self.flags)
        self.head = Head(cast(int, self.body.width), parameters, config.head, config.start)

    def forward(
        self,
        attributes: Float[Tensor, "cell attribute"],
        prior: Float[Tensor, "cell parameter"],
        history: Float[Tensor, "cell day feature"] | None = None,
    ) -> Float[Tensor, "cell parameter"]:
        """θ from one window of the history, which is ``None`` if and only if the network reads none.

        An unknown attribute is NaN, of a map trained with ``attribute_dropout``.
        """
        if self.flags:
            attributes = torch.cat([attributes.nan_to_num(0.0), attributes.isnan().to(attributes)], dim=1)
        features = self.body(attributes) if history is None else self.body(attributes, history)
        return self.head(features, prior)

    def over_period(self, inputs: Inputs, prior: Float[Tensor, "cell parameter"]) -> Float[Tensor, "cell parameter"]:
        """θ of the verdict: mean over ``history_windows`` evenly spaced windows of the whole period."""
        inputs, prior = inputs.to(self.head.linear.weight.dtype), prior.to(self.head.linear.weight.dtype)
        if inputs.history is None:
            return self(inputs.attributes, prior)
        starts = window_starts(inputs.history.shape[1], self.days, self.windows)
        each = [self(inputs.attributes, prior, inputs.history[:, s : s + self.days]) for s in starts]
        return torch.stack(each).mean(dim=0)


def _body(network: NetworkConfig, sizes: list[int], *, may_lack: bool) -> Any:
    """The network between inputs and head; ``sizes`` are the numbers of attributes and, with history, of features."""
    if isinstance(network, OwnConfig | OwnHistoryConfig):
        return build_own_network(network, sizes[0], sizes[1] if len(sizes) > 1 else 0)
    return LEARNERS[network.name](network, *sizes, **({"may_lack": True} if may_lack else {}))


def window_starts(period: int, length: int, windows: int) -> list[int]:
    """First days of evenly spaced windows from the first to the last that fits; fewer where they would coincide."""
    return np.unique(np.linspace(0, period - length, windows).round().astype(int)).tolist()
