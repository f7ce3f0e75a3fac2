"""Sequence regression: an LSTM from daily inputs and static attributes to one daily series, and its task for the loop.

What a batch holds is the caller's (``Samples``). All values are normalised. Several members, each trained from its own
start, are averaged (Lakshminarayanan et al. 2017, deep ensembles).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from paraformer.core.errors import DataError
from paraformer.core.files import hash_bytes
from paraformer.core.log import Progress
from paraformer.core.seeding import derive_seed
from paraformer.core.time import FIRST_YEAR, day_of_year
from paraformer.core.variables import FORCING
from paraformer.numerics.seasonal import annual_wave
from paraformer.training.checkpoint import load_description, load_tensors, require_same, save_description, save_tensors
from paraformer.training.loop import train
from paraformer.training.normalise import Normaliser
from paraformer.training.sequence_config import SequenceConfig
from paraformer.training.tensors import to_tensor
from paraformer.training.threads import settle_threads
from paraformer.training.windows import Windows

_LIMIT = 3.0
"""Largest normalised attribute that a network sees [standard deviations of the trained cells]."""

Draw = Callable[[int, int], "Batch"]
"""The batch of (step, rank)."""


class Batch(NamedTuple):
    """Normalised inputs of some cells and days, and what to fit where ``mask`` is True (``counted`` days only)."""

    daily: Float[Tensor, "batch day feature"]
    statics: Float[Tensor, "batch static"]
    target: Float[Tensor, "batch counted"]
    mask: Bool[Tensor, "batch counted"]


class SequenceNetwork(nn.Module):
    """Linear layer with ReLU, LSTM, linear layer: the network of Fang et al. (2017, doi 10.1002/2017GL075619).

    Dropout takes one mask for all days of a series (Gal & Ghahramani 2016, arXiv 1512.05287), on the inputs and on the
    outputs of the LSTM.
    """

    def __init__(self, daily: int, statics: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.daily = nn.Linear(daily, hidden)
        self.statics = nn.Linear(statics, hidden, bias=False)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)
        self.dropout = dropout

    def forward(
        self, daily: Float[Tensor, "batch day feature"], statics: Float[Tensor, "batch static"]
    ) -> Float[Tensor, "batch day"]:
        """Normalised series for every day."""
        inputs = torch.relu(self.daily(daily) + self.statics(statics)[:, None])
        states, _ = self.lstm(self._dropped(inputs))
        return self.head(self._dropped(states))[..., 0]

    def _dropped(self, values: Float[Tensor, "batch day hidden"]) -> Float[Tensor, "batch day hidden"]:
        if not self.training or self.dropout == 0:
            return values
        return values * nn.functional.dropout(torch.ones_like(values[:, :1]), self.dropout)


class SequenceTask:
    """Root mean square error over the masked days of a batch (implements ``training.loop.Task``)."""

    def __init__(self, network: SequenceNetwork, draw: Callable[[int, int], Batch]) -> None:
        self.network: nn.Module = network
        self.draw = draw
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        self.device = device

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        batch = Batch(*(t.to(self.device) for t in self.draw(step, rank)))
        series = network(batch.daily, batch.statics)[:, -batch.target.shape[1] :]
        square = torch.where(batch.mask, (series - batch.target).square(), 0.0)
        # the small number keeps the root's slope finite in a batch without a single masked day
        return (square.sum() / batch.mask.sum().clamp(min=1) + 1e-12).sqrt()


@runtime_checkable
class Samples(Protocol):
    """What a sequence regression is trained on."""

    @property
    def features(self) -> tuple[int, int]:
        """Numbers of daily and static features."""
        ...

    def draw(self, config: SequenceConfig, seed: int) -> Draw:
        """Batches of one member; those of a step depend on (seed, step, rank) alone."""
        ...

    def identity(self) -> dict[str, Any]:
        """Hashes of everything that the weights depend on besides settings and seed."""
        ...


@dataclass(frozen=True)
class SequenceData:
    """Normalised series of some cells, and the observed days of some of them that are fitted (a ``Samples``).

    Attributes:
        daily: daily inputs of every day [cell, time, feature].
        statics: static inputs [cell, static].
        target: what is fitted; any finite value where ``mask`` is False [cell, time].
        mask: the days that are fitted, of trained cells and of the training period only [cell, time].
        scale: normalisation of the target.
    """

    daily: Float[np.ndarray, "cell time feature"] = field(repr=False)
    statics: Float[np.ndarray, "cell static"] = field(repr=False)
    target: Float[np.ndarray, "cell time"] = field(repr=False)
    mask: Bool[np.ndarray, "cell time"] = field(repr=False)
    scale: Normaliser

    @property
    def features(self) -> tuple[int, int]:
        return self.daily.shape[-1], self.statics.shape[-1]

    def identity(self) -> dict[str, Any]:
        """Nothing of a cell without a fitted day, nor of a day after the last fitted one, unless it is recycled."""
        cells = self.mask.any(axis=1)
        last = max(self.span()[1], min(FIRST_YEAR, self.mask.shape[1]))
        arrays = (
            self.daily[cells, :last],
            self.statics[cells],
            np.where(self.mask, self.target, 0.0)[cells, :last],
            self.mask[cells, :last],
        )
        return {"data": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays))}

    def span(self) -> tuple[int, int]:
        """First and one past the last fitted day."""
        days = np.flatnonzero(self.mask.any(axis=0))
        return int(days[0]), int(days[-1]) + 1

    def windows(self, config: SequenceConfig, seed: int, rank: int) -> Windows:
        """Sampler of windows inside the fitted days, of the cells that have one."""
        first, last = self.span()
        length = min(config.window, last - first)
        return Windows(
            np.flatnonzero(self.mask.any(axis=1)), first, last, length, config.cells_per_batch, seed, f"sequence/{rank}"
        )

    def draw(self, config: SequenceConfig, seed: int) -> Draw:
        daily, statics = to_tensor(with_warm_up(self.daily, config.warm_up)), to_tensor(self.statics)
        target, mask = to_tensor(self.target), torch.as_tensor(self.mask)

        def batch(step: int, rank: int) -> Batch:
            windows = self.windows(config, seed, rank)
            cells, starts, _ = windows.draw_each(step)
            rows, counted = cells[:, None], starts[:, None] + np.arange(windows.length)
            days = starts[:, None] + np.arange(config.warm_up + windows.length)
            return Batch(daily[rows, days], statics[cells], target[rows, counted], mask[rows, counted])

        return batch


@dataclass(frozen=True)
class CellInputs:
    """What is known of some cells on every day, raw units; no observation.

    Attributes:
        cells: identifiers [cell].
        time: UTC days [time].
        forcing: daily forcing, order of ``core.variables.FORCING`` [cell, time, forcing].
        attributes: static attributes [cell, attribute].
        attribute_names: names of the last axis of ``attributes``.
    """

    cells: np.ndarray
    time: np.ndarray
    forcing: Float[np.ndarray, "cell time forcing"] = field(repr=False)
    attributes: Float[np.ndarray, "cell attribute"] = field(repr=False)
    attribute_names: tuple[str, ...]

    def require_finite(self) -> None:
        """Raise DataError naming variable, cell and day of the first value that is not finite."""
        bad = np.argwhere(~np.isfinite(self.forcing))
        if bad.size:
            cell, day, column = (int(i) for i in bad[0])
            name = list(FORCING)[column]
            raise DataError(f"forcing '{name}' of cell {self.cells[cell]} is not finite on {self.time[day]}")
        bad = np.argwhere(~np.isfinite(self.attributes))
        if bad.size:
            cell, column = (int(i) for i in bad[0])
            raise DataError(f"attribute '{self.attribute_names[column]}' of cell {self.cells[cell]} is not finite")


def sequence_data(
    inputs: CellInputs,
    observed: Float[np.ndarray, "cell time"],
    mask: Bool[np.ndarray, "cell time"],
    *,
    trained: Bool[np.ndarray, " cell"],
    training: Bool[np.ndarray, " time"],
) -> SequenceData:
    """Normalise inputs, with the season as sine and cosine, and the observations to fit.

    Statistics come from the trained cells and the training period; precipitation is taken as ``log(1 + P)``.

    Args:
        observed: any value where ``mask`` is False.
        mask: the observed days to fit, of trained cells in the training period.
        trained: cells, and ``training`` days, whose inputs the normalisation may use.

    Raises:
        DataError: if there is no day to fit, or a forcing, an attribute or a fitted observation is not finite.
    """
    inputs.require_finite()
    if not mask.any():
        raise DataError("there is no observation of a trained cell in the training period to learn from")
    forcing = np.array(inputs.forcing, dtype=np.float64)
    rain = list(FORCING).index("prcp")
    forcing[..., rain] = np.log1p(forcing[..., rain])
    waves = np.broadcast_to(annual_wave(day_of_year(inputs.time)), (*mask.shape, 2))
    daily = Normaliser.fit(tuple(FORCING), forcing[:, training], trained)(forcing)
    statics = Normaliser.fit(inputs.attribute_names, inputs.attributes, trained)(inputs.attributes)
    scale = Normaliser.fit_masked("observed soil moisture", observed, mask)
    target = scale(np.where(mask, observed, scale.mean[0])[..., None])[..., 0]
    return SequenceData(np.concatenate([daily, waves], axis=-1), np.clip(statics, -_LIMIT, _LIMIT), target, mask, scale)


def with_warm_up(values: Float[np.ndarray, "cell time feature"], days: int) -> Float[np.ndarray, "cell padded feature"]:
    """The series with ``days`` days of its recycled first year before its first day."""
    before = np.arange(-days, 0) % min(FIRST_YEAR, values.shape[1])
    return np.concatenate([values[:, before], values], axis=1)


def fit_members(
    config: SequenceConfig, samples: Samples, directory: Path, *, seed: int, progress: Progress, description: str
) -> list[SequenceNetwork]:
    """Train every member, or finish an interrupted training in ``directory``; finished ones are read back.

    Raises:
        RunError: if ``directory`` holds another training.
        ModelError: if a loss is not finite.
    """
    settings = {**config.model_dump(mode="json", exclude={"training"}), "training": config.training.numerical()}
    identity = {**samples.identity(), "settings": settings, "seed": seed}
    done = directory / "members.json"
    seeds = [derive_seed(seed, "sequence", member) for member in range(config.members)]
    networks = [_started(samples.features, config, own) for own in seeds]
    if done.exists():
        require_same(done, load_description(done), identity)
        for member, network in enumerate(networks):
            network.load_state_dict(load_tensors(directory / f"member-{member}.safetensors"))
    else:
        for member, (own, network) in enumerate(zip(seeds, networks, strict=True)):
            name = description if config.members == 1 else f"{description} {member + 1} of {config.members}"
            train(
                SequenceTask(network, samples.draw(config, own)),
                config.training,
                seed=own,
                identity={**identity, "member": member},
                path=_checkpoint(directory, member),
                progress=progress,
                description=name,
            )
        for member, network in enumerate(networks):
            network.float()  # whatever the precision of the training, as it is read back
            save_tensors(directory / f"member-{member}.safetensors", network.state_dict())
        save_description(done, identity)
    for member in range(config.members):  # a kill may have come between storing and removing
        _checkpoint(directory, member).unlink(missing_ok=True)
    return [network.cpu().eval() for network in networks]


def _started(features: tuple[int, int], config: SequenceConfig, seed: int) -> SequenceNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        return SequenceNetwork(*features, config.hidden, config.dropout)


def _checkpoint(directory: Path, member: int) -> Path:
    return directory / f"checkpoint-{member}.pt"


def predict(
    members: Sequence[SequenceNetwork],
    daily: Float[np.ndarray, "cell time feature"],
    statics: Float[np.ndarray, "cell static"],
    *,
    warm_up: int,
    cells_per_batch: int = 64,
) -> Float[np.ndarray, "cell time"]:
    """Mean of the members for every day, normalised, float64; each starts with the recycled ``warm_up`` days."""
    settle_threads()
    padded = with_warm_up(daily, warm_up)
    total = np.zeros(daily.shape[:2])
    with torch.no_grad():
        for start in range(0, len(daily), cells_per_batch):
            cells = slice(start, start + cells_per_batch)
            inputs = to_tensor(padded[cells]), to_tensor(statics[cells])
            for member in members:
                total[cells] += member.eval()(*inputs).double().numpy()[:, warm_up:]
    return total / len(members)
