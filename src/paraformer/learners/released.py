"""A map that has left its study: all seeds of a learner, how it sees a cell, and a card that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, RunError
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.config import HistoryConfig, reads_history
from paraformer.learners.encoding import Encoding
from paraformer.learners.inputs import History
from paraformer.learners.learned import LearnedMap
from paraformer.training.checkpoint import load_description, require_same, save_description, space_hash

FORMAT = 1
"""Version of the folder's layout."""

CARD = "card.json"


class Applied(NamedTuple):
    """θ of cells, by a released map.

    Attributes:
        theta: physical units, inside the bounds; the mean over networks in unit coordinates [cell, parameter].
        spread: standard deviation of θ, physical units: of the networks, and of the error that they share where the
            card knows it [cell, parameter].
    """

    theta: Float[np.ndarray, "cell parameter"]
    spread: Float[np.ndarray, "cell parameter"]


@dataclass(frozen=True)
class ReleasedMap:
    """All seeds of a learner as one map: θ of cells of any study.

    Attributes:
        seeds: trained maps of one learner.
        encoding: how the map sees the attributes of a cell.
        card: what a user has to know of it, as JSON-like values: ``name``, ``observation``, data, period, scores.
    """

    seeds: tuple[LearnedMap, ...]
    encoding: Encoding
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def parameters(self) -> ParameterSpace:
        return self.seeds[0].parameters

    @property
    def reads_history(self) -> bool:
        """Whether θ of a cell depends on its own forcing and observations, day by day."""
        return reads_history(self.seeds[0].config.network)

    @property
    def history_days(self) -> int:
        """Least days of a history; 0 for a map that reads none."""
        network = self.seeds[0].config.network
        return network.history_days if isinstance(network, HistoryConfig) else 0

    @property
    def observations(self) -> str:
        """Whether the history holds real observations only (``masked``) or gap-filled ones, too."""
        return self.seeds[0].config.observations if self.reads_history else "masked"

    @property
    def may_lack(self) -> bool:
        """Whether attributes may be unknown."""
        return self.seeds[0].config.attribute_dropout > 0

    def predict(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        prior: Float[np.ndarray, "cell parameter"],
        history: History | None = None,
    ) -> Applied:
        """θ of cells.

        Args:
            attributes: as ``encoding`` gives them; NaN where not known.
            prior: a-priori θ, physical units, inside the bounds.
            history: days that the map reads, at least ``history_days`` of them.

        Raises:
            DataError: if an attribute is not known and the map needs all, or the history is missing or too short.
        """
        unknown = np.isnan(attributes).any(axis=0)
        if unknown.any() and not self.may_lack:
            gone = ", ".join(np.array(self.encoding.names)[unknown])
            raise DataError(
                f"map '{self.name}' needs every attribute it was trained on; not known: {gone} (a learner with "
                "'attribute_dropout' does without)"
            )
        if history is not None and history.forcing.shape[1] < self.history_days:
            raise DataError(
                f"map '{self.name}' reads {self.history_days} days of history; found {history.forcing.shape[1]}"
            )
        names = self.encoding.names
        members = np.concatenate([m.in_units(attributes, prior, names, history) for m in self.seeds])
        members, space = np.clip(members, 0.0, 1.0), self.parameters
        mean = members.mean(axis=0)
        own = members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros_like(mean)
        std = np.sqrt(own**2 + self.shared_error**2)
        low, high = (space.from_unit(np.clip(mean + side * std, 0.0, 1.0)) for side in (-1, 1))
        return Applied(space.clip(space.from_unit(mean)), (high - low) / 2)

    @property
    def shared_error(self) -> Float[np.ndarray, " parameter"]:
        """Standard deviation of the error that all networks share, unit coordinates; 0 where the card does not say."""
        shared = (self.card.get("error") or {}).get("shared", {})
        return np.array([float(shared.get(name, 0.0)) for name in self.parameters.names])

    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write the map into a folder: weights as safetensors, of 16 bits each with ``half``; the rest as JSON."""
        for number, seed in enumerate(self.seeds):
            (folder / f"seed-{number}").mkdir(parents=True, exist_ok=True)
            seed.save(folder / f"seed-{number}", half=half)
        description = {"format": FORMAT, "seeds": len(self.seeds), "encoding": self.encoding.describe()}
        save_description(folder / CARD, {**description, "card": dict(self.card)})

    @classmethod
    def load(cls, folder: Path) -> ReleasedMap:
        """Read a folder written by ``save``.

        Raises:
            RunError: if it is none, is damaged, or of another version.
        """
        path = folder / CARD
        description = load_description(path)
        try:
            if description["format"] != FORMAT:
                raise RunError(f"{path}: format {description['format']}, this version reads {FORMAT}")
            encoding = Encoding.from_description(description["encoding"])
            card, number = dict(description["card"]), int(description["seeds"])
            card["name"] = str(card["name"])
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path}: not the card of a map ({type(error).__name__}: {error})") from error
        if number < 1:
            raise RunError(f"{path}: found {number} seeds, expected at least 1")
        return cls(load_seeds([folder / f"seed-{seed}" for seed in range(number)]), encoding, card)


def load_seeds(folders: Sequence[Path]) -> tuple[LearnedMap, ...]:
    """Trained maps of all seeds of one learner.

    Raises:
        RunError: if one is missing or damaged, or they are not of one parameter space and one set of attributes.
    """
    maps = tuple(LearnedMap.load(folder) for folder in folders)
    first = maps[0]
    for folder, each in zip(folders, maps, strict=True):
        found = {"parameter_space": space_hash(each.parameters), "attributes": each.scaling.attributes.names}
        same = {"parameter_space": space_hash(first.parameters), "attributes": first.scaling.attributes.names}
        require_same(folder / "model.json", found, same)
    return maps
