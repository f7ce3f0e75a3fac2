"""The trained map: θ of any cell, the never observed ones too, its attention maps, and its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paraformer.core.errors import DataError, ModelError, RunError
from paraformer.core.html import card
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.learners.config import LearnerConfig
from paraformer.learners.inputs import History, Inputs, Scaling
from paraformer.learners.networks import ParameterMap
from paraformer.learners.paraformer import ParaFormerA
from paraformer.learners.paraformer_z import ParaFormerZ
from paraformer.training.checkpoint import (
    load_description,
    load_tensors,
    require_same,
    save_description,
    save_tensors,
    space_hash,
)
from paraformer.training.tensors import to_tensor
from paraformer.training.threads import settle_threads

_BATCH = 128
"""Cells predicted together: bounds the memory whatever the number of cells."""


@dataclass(frozen=True)
class LearnedMap:
    """A trained map with all that is needed to predict θ of any cell, the never observed ones too.

    With several ``members`` θ is their mean in unit coordinates (Lakshminarayanan et al. 2017, deep ensembles).
    A map learned from streamflow has parameters of ``routing`` too, which begin at ``routing_start`` (in units).
    """

    members: tuple[ParameterMap, ...]
    config: LearnerConfig
    parameters: ParameterSpace
    scaling: Scaling
    identity: dict[str, Any]
    routing: ParameterSpace | None = None
    routing_start: tuple[float, ...] = ()

    def predict(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        prior: Float[np.ndarray, "cell parameter"],
        names: Sequence[str],
        history: History | None = None,
    ) -> Float[np.ndarray, "cell parameter"]:
        """θ in physical units, clamped to the bounds, from raw attributes, the a-priori θ and the raw history.

        Of a map trained with ``attribute_dropout`` an attribute may be NaN where it is not known.

        A map that reads the history takes the mean over evenly spaced windows (``history_windows``) and members, in
        unit coordinates; the others ignore it.

        Raises:
            DataError: if the attributes are not those the map was trained on, one value is not finite, or the
                history is missing.
        """
        found = self.in_units(attributes, prior, names, history).mean(axis=0)
        return self.parameters.clip(self.parameters.from_unit(np.clip(found, 0.0, 1.0)))

    def in_units(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        prior: Float[np.ndarray, "cell parameter"],
        names: Sequence[str],
        history: History | None = None,
    ) -> Float[np.ndarray, "member cell parameter"]:
        """What each member says, in unit coordinates, not clipped; arguments and errors as ``predict``."""
        return self._everything(attributes, prior, names, history)[..., : len(self.parameters)]

    def predict_routing(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        prior: Float[np.ndarray, "cell parameter"],
        names: Sequence[str],
        history: History | None = None,
    ) -> Float[np.ndarray, "cell routing"]:
        """Parameters of routing that each cell asks for, unit coordinates: those of a basin are the mean of its cells.

        Arguments and errors as ``predict``; without a column where none was learned.
        """
        found = self._everything(attributes, prior, names, history)[..., len(self.parameters) :]
        return np.clip(found.mean(axis=0), 0.0, 1.0)

    def _everything(
        self, attributes: np.ndarray, prior: np.ndarray, names: Sequence[str], history: History | None
    ) -> Float[np.ndarray, "member cell parameter"]:
        """θ, and parameters of routing behind it."""
        self._require_names(names)
        routing = np.tile(self.routing_start, (len(prior), 1))
        u = np.concatenate([self.parameters.to_unit(prior), routing], axis=1)

        def one(first: int, inputs: Inputs) -> Float[np.ndarray, "member cell parameter"]:
            start = to_tensor(u[first : first + _BATCH])
            return np.stack([m.eval().over_period(inputs, start).double().numpy() for m in self.members])

        return np.concatenate(self._in_batches(one, attributes, history), axis=1)

    def attention(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        names: Sequence[str],
        history: History | None = None,
        *,
        member: int = 0,
        start: int = 0,
    ) -> dict[str, Float[np.ndarray, " cell *axes"]]:
        """What one member attends to in each cell; every row (last axis) sums to 1.

        ``attribute``: self-attention of the attributes [cell, layer, head, attribute, attribute]; of ParaFormer_Z, also
        ``time``: from the attributes to the time tokens [cell, head, attribute, token], where token k stands for the
        days ``start + k patch .. start + (k + 1) patch - 1`` of the history. The heads of different members have
        nothing in common, and those of different windows other days, so neither are averaged.

        Raises:
            ModelError: if the network has no attention, or there is no such member.
            DataError: as ``predict``, or if the window leaves the history.
        """
        self._require_names(names)
        if not 0 <= member < len(self.members):
            raise ModelError(f"attention: member {member} of {len(self.members)}")
        network = self.members[member].eval()
        body = network.body
        if not isinstance(body, ParaFormerA | ParaFormerZ):
            raise ModelError(f"attention: the network '{self.config.network.name}' has none")

        def one(first: int, inputs: Inputs) -> dict[str, Tensor]:
            if inputs.history is None:
                return cast(ParaFormerA, body).attention(inputs.attributes)
            days = inputs.history.shape[1]
            if not 0 <= start <= days - network.days:
                raise DataError(f"attention: a window of {network.days} days from day {start} leaves the {days} days")
            return cast(ParaFormerZ, body).attention(inputs.attributes, inputs.history[:, start : start + network.days])

        parts = self._in_batches(one, attributes, history)
        return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}

    def _in_batches(
        self, work: Callable[[int, Inputs], Any], attributes: np.ndarray, history: History | None
    ) -> list[Any]:
        """``work(first cell, inputs)`` of each batch of cells, without gradient."""
        settle_threads()
        results = []
        with torch.no_grad():
            for first in range(0, len(attributes), _BATCH):
                cells = np.arange(first, min(first + _BATCH, len(attributes)))
                part = None if history is None else history.select(cells)
                inputs = self.scaling(attributes[cells], part, cells, may_lack=self.config.attribute_dropout > 0)
                results.append(work(first, inputs))
        return results

    def _require_names(self, names: Sequence[str]) -> None:
        if tuple(names) != self.scaling.attributes.names:
            raise DataError(f"attributes {list(names)}: the map was trained on {list(self.scaling.attributes.names)}")

    def _repr_html_(self) -> str:
        facts = {
            "network": self.config.network.name,
            "members": len(self.members),
            "parameters": ", ".join(self.parameters.names),
            "attributes": ", ".join(self.scaling.attributes.names),
        }
        return card("LearnedMap", facts)

    def save(self, directory: str | Path, *, half: bool = False) -> None:
        """Write weights as safetensors, of 16 bits each with ``half``, and everything else as JSON."""
        directory = Path(directory)
        for i, member in enumerate(self.members):
            weights = member.state_dict()
            save_tensors(
                directory / _weights(i),
                {name: t.half() if half and t.is_floating_point() else t for name, t in weights.items()},
            )
        description = {
            **self.identity,
            "network": self.config.model_dump(mode="json"),
            "parameters": [p.model_dump() for p in self.parameters],
            "scaling": self.scaling.describe(),
        }
        if self.routing is not None:
            description["routing"] = [p.model_dump() for p in self.routing]
            description["routing_start"] = list(self.routing_start)
        save_description(directory / "model.json", description)

    @classmethod
    def load(cls, directory: str | Path, parameters: ParameterSpace | None = None) -> LearnedMap:
        """Read a map written by ``save``.

        Raises:
            RunError: if files are missing, damaged, or made for another parameter space than the one given.
        """
        directory = Path(directory)
        path = directory / "model.json"
        description = load_description(path)
        try:
            config = LearnerConfig(**description.pop("network"))
            space = ParameterSpace(Parameter(**p) for p in description.pop("parameters"))
            scaling = Scaling.from_description(description.pop("scaling"))
            learned = [Parameter(**p) for p in description.pop("routing", ())]
            start = tuple(description.pop("routing_start", ()))
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path}: not a description of a learner ({error})") from error
        if parameters is not None:
            require_same(path, {"parameter_space": space_hash(space)}, {"parameter_space": space_hash(parameters)})
        members = []
        for i in range(config.members):
            member = ParameterMap(config, len(scaling.attributes.names), len(space) + len(learned))
            try:
                member.load_state_dict(load_tensors(directory / _weights(i)))
            except RuntimeError as error:
                raise RunError(f"{directory}: weights do not fit the settings ({error})") from error
            members.append(member)
        routing = ParameterSpace(learned) if learned else None
        return cls(tuple(members), config, space, scaling, description, routing, start)


def _weights(member: int) -> str:
    return f"member-{member}.safetensors"
