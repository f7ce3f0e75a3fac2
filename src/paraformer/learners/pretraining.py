"""Masked pretraining of the history encoder: hidden time tokens are told from the ones around them, no θ involved.

After Devlin et al. 2019 (doi 10.18653/v1/N19-1423) and, for patches, He et al. 2022 (doi
10.1109/CVPR52688.2022.01553). A cell's history says what its soil does with rain; the encoder can learn that from
forcing and soil moisture alone.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from paraformer.core.errors import SettingsError
from paraformer.core.seeding import derive_seed, generator
from paraformer.core.variables import FORCING
from paraformer.learners.config import PretrainingConfig
from paraformer.learners.inputs import HISTORY_FEATURES
from paraformer.learners.paraformer_z import ParaFormerZ

_VALUES = len(FORCING) + 1
"""Features that are reconstructed: forcing and soil moisture, not whether it was observed."""


class Reconstruction(nn.Module):
    """The encoder of a history network, and a linear decoder from each of its tokens to that token's days."""

    def __init__(self, body: ParaFormerZ) -> None:
        super().__init__()
        self.body = body
        self.decoder = nn.Linear(body.position.shape[1], body.patch * _VALUES)

    def forward(self, history: Float[Tensor, "cell day feature"]) -> Float[Tensor, "cell day value"]:
        tokens = self.decoder(self.body.encode(history))
        return tokens.unflatten(2, (self.body.patch, _VALUES)).flatten(1, 2)


class PretrainingTask:
    """Mean squared error of the values that were hidden: soil moisture on observed days, and forcing.

    Soil moisture and forcing are hidden in tokens of their own, so that each has the other to be told from.
    """

    def __init__(
        self,
        body: ParaFormerZ,
        config: PretrainingConfig,
        history: Float[Tensor, "cell time feature"],
        days: int,
        trained: Bool[np.ndarray, " cell"],
        seed: int,
    ) -> None:
        """Args: ``history`` of all cells, normalised; ``days`` of the window that the network reads."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "decoder"))
            self.network: nn.Module = Reconstruction(body)
        self.config, self.history, self.length, self.patch = config, history, days, body.patch
        self.pool, self.seed = np.flatnonzero(trained), seed

    def to(self, device: torch.device) -> None:
        self.history = self.history.to(device)

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        random = generator(self.seed, "pretraining", step, rank)
        cells = random.choice(self.pool, min(self.config.cells_per_batch, self.pool.size), replace=False)
        starts = random.integers(0, self.history.shape[1] - self.length + 1, size=cells.size)
        device = self.history.device
        days = torch.as_tensor(starts[:, None] + np.arange(self.length), device=device)
        window = self.history[torch.as_tensor(cells, device=device)[:, None], days]
        hidden = self._hidden(random, cells.size).to(device)
        return reconstruction_error(network(hide(window, hidden)), window, hidden)

    def _hidden(self, random: np.random.Generator, cells: int) -> Bool[Tensor, "cell day value"]:
        """Which values of which days are hidden: whole tokens, soil moisture and all of the forcing apart."""
        tokens = self.length // self.patch
        forcing, moisture = (
            np.repeat(random.random((cells, tokens)) < share, self.patch, axis=1)
            for share in (self.config.forcing_share, self.config.share)
        )
        parts = [np.repeat(forcing[..., None], len(FORCING), axis=-1), moisture[..., None]]
        return torch.as_tensor(np.concatenate(parts, axis=-1))

    def validate(self, network: nn.Module) -> float:
        raise SettingsError("pretraining.validate_every: pretraining has no validation")


def hide(
    window: Float[Tensor, "cell day feature"], hidden: Bool[Tensor, "cell day value"]
) -> Float[Tensor, "cell day feature"]:
    """The history with hidden values at the mean of the trained cells (0), and hidden soil moisture as not observed."""
    moisture = hidden[..., -1:]
    return torch.where(torch.cat([hidden, moisture], dim=-1), torch.zeros_like(window), window)


def reconstruction_error(
    guess: Float[Tensor, "cell day value"],
    window: Float[Tensor, "cell day feature"],
    hidden: Bool[Tensor, "cell day value"],
) -> Float[Tensor, ""]:
    """Mean squared error of hidden soil moisture on observed days, plus that of hidden forcing; both normalised."""
    observed = window[..., HISTORY_FEATURES.index("observed")] > 0
    squares = (guess - window[..., :_VALUES]).square()
    total = guess.new_zeros(())
    for counted in (hidden[..., -1:] & observed[..., None], hidden[..., :-1]):
        part = squares[..., -1:] if counted.shape[-1] == 1 else squares[..., :-1]
        total = total + torch.where(counted, part, 0.0).sum() / counted.sum().clamp(min=1)
    return total
