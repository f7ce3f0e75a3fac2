"""What trained maps with attention look at, cell by cell: how much each attribute and each day before is attended to.

Weights are those of Li & Lu (2023), eqs. 6 and 11, averaged over the tokens that ask; the heads of all layers, members
and seeds stay apart, since they have nothing in common. They are given as multiples of even attention: 1 is an input
that weighs as much as any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import Attention, CalibrationData
from paraformer.core.errors import ModelError
from paraformer.learners.config import HistoryConfig, LearnerConfig, ParaFormerAConfig, ParaFormerZConfig, reads_history
from paraformer.learners.inputs import History
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import window_starts
from paraformer.learners.statistics import STATISTIC_NAMES

_TOGETHER = 128
"""Cells whose weights are held at a time: a window of 240 days has 240 weights for each attribute and head."""


def has_attention(config: LearnerConfig) -> bool:
    """Whether a learner's network attends to attributes."""
    return isinstance(config.network, ParaFormerAConfig | ParaFormerZConfig)


def attended(maps: Sequence[LearnedMap], data: CalibrationData) -> Attention:
    """Attention of several seeds of one learner, in every cell of ``data``.

    Raises:
        ModelError: if the network has no attention.
        DataError: if ``data`` lacks what the maps read.
    """
    config = maps[0].config
    if not has_attention(config):
        raise ModelError(f"attention: the network '{config.network.name}' has none")
    history = History.of(data, config.observations) if reads_history(config.network) else None
    starts = [0]
    if isinstance(config.network, HistoryConfig):
        starts = window_starts(len(data.time), config.network.history_days, config.network.history_windows)
    parts = [_received(maps, data, history, starts, cells) for cells in _batches(len(data.cells))]
    attributes, days = (np.concatenate(part) for part in zip(*parts, strict=True))
    names = tuple(data.attribute_names)
    names += STATISTIC_NAMES if attributes.shape[-1] > len(names) else ()
    if not isinstance(config.network, ParaFormerZConfig):
        return Attention(attributes, names, days, 1, np.empty(0, dtype="datetime64[D]"))
    last = np.array(starts) + config.network.history_days - 1
    return Attention(attributes, names, days, config.network.patch, data.time[last])


def _batches(cells: int) -> list[np.ndarray]:
    return [np.arange(first, min(first + _TOGETHER, cells)) for first in range(0, cells, _TOGETHER)]


def _received(
    maps: Sequence[LearnedMap], data: CalibrationData, history: History | None, starts: Sequence[int], cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Attention that attributes and time tokens receive in some cells, heads of all maps and members side by side."""
    seen = None if history is None else history.select(cells)
    attributes, days = [], []
    for learned in maps:
        for member in range(len(learned.members)):
            windows = [
                learned.attention(data.attributes[cells], data.attribute_names, seen, member=member, start=start)
                for start in starts
            ]
            own = np.mean([_even(w["attribute"]) for w in windows], axis=0)
            attributes.append(own.reshape(len(cells), -1, own.shape[-1]))
            if "time" in windows[0]:
                days.append(np.mean([_even(w["time"]) for w in windows], axis=0))
    none = np.empty((len(cells), 0, 0))
    return np.concatenate(attributes, axis=1), np.concatenate(days, axis=1) if days else none


def _even(weights: Float[np.ndarray, "*n query key"]) -> Float[np.ndarray, "*n key"]:
    """Mean over the asking tokens, as a multiple of even attention."""
    return weights.mean(axis=-2) * weights.shape[-1]
