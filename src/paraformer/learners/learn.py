"""Learner: one map from attributes to θ, trained over all trained cells through a frozen differentiable model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from paraformer.core.contracts import CalibrationData, DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, RunError
from paraformer.core.files import hash_bytes, hash_json
from paraformer.core.log import Progress
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.core.seeding import derive_seed, generator
from paraformer.learners.config import LearnerConfig
from paraformer.learners.ffn import FFN
from paraformer.learners.head import Head
from paraformer.learners.paraformer import ParaFormerA
from paraformer.numerics.losses import LOSSES, range_boundary_loss
from paraformer.numerics.observe import Line, fit_line, observe
from paraformer.training.checkpoint import (
    load_description,
    load_tensors,
    require_same,
    save_description,
    save_tensors,
    space_hash,
)
from paraformer.training.loop import train
from paraformer.training.normalise import Normaliser
from paraformer.training.threads import settle_threads
from paraformer.training.windows import Windows

_LIMIT = 3.0
"""Largest normalised attribute that a network sees [standard deviations of the trained cells]."""

LEARNERS: dict[str, Callable[..., nn.Module]] = {"ffn_a": FFN, "paraformer_a": ParaFormerA}
"""Network builders by name: settings, number of attributes -> features for the head."""


class ParameterMap(nn.Module):
    """Normalised attributes and prior of a cell -> unit coordinates of θ."""

    def __init__(self, config: LearnerConfig, attributes: int, parameters: int) -> None:
        super().__init__()
        self.body = LEARNERS[config.network.name](config.network, attributes)
        self.head = Head(cast(int, self.body.width), parameters, config.head)

    def forward(
        self, attributes: Float[Tensor, "cell attribute"], prior: Float[Tensor, "cell parameter"]
    ) -> Float[Tensor, "cell parameter"]:
        return self.head(self.body(attributes), prior)


@dataclass(frozen=True)
class LearnedMap:
    """A trained map with all that is needed to predict θ of any cell, the never observed ones too.

    With several ``members`` θ is their mean in unit coordinates (Lakshminarayanan et al. 2017, deep ensembles).
    """

    members: tuple[ParameterMap, ...]
    config: LearnerConfig
    parameters: ParameterSpace
    attributes: Normaliser
    identity: dict[str, Any]

    def predict(
        self,
        attributes: Float[np.ndarray, "cell attribute"],
        prior: Float[np.ndarray, "cell parameter"],
        names: Sequence[str],
    ) -> Float[np.ndarray, "cell parameter"]:
        """θ in physical units, clamped to the bounds, from raw attributes and the a-priori θ.

        Raises:
            DataError: if the attributes are not those the map was trained on, or one is not finite.
        """
        if tuple(names) != self.attributes.names:
            raise DataError(f"attributes {list(names)}: the map was trained on {list(self.attributes.names)}")
        bad = np.argwhere(~np.isfinite(attributes))
        if bad.size:
            cell, column = (int(i) for i in bad[0])
            raise DataError(f"attribute '{names[column]}' of cell {cell} is not finite")
        settle_threads()
        inputs = _tensor(_limited(self.attributes(attributes))), _tensor(self.parameters.to_unit(prior))
        with torch.no_grad():
            u = np.mean([member.eval()(*inputs).double().numpy() for member in self.members], axis=0)
        return self.parameters.clip(self.parameters.from_unit(np.clip(u, 0.0, 1.0)))

    def save(self, directory: Path) -> None:
        """Write weights as safetensors and everything else as JSON."""
        for i, member in enumerate(self.members):
            save_tensors(directory / _weights(i), member.state_dict())
        description = {
            **self.identity,
            "network": self.config.model_dump(mode="json"),
            "parameters": [p.model_dump() for p in self.parameters],
            "attributes": self.attributes.describe(),
        }
        save_description(directory / "model.json", description)

    @classmethod
    def load(cls, directory: Path, parameters: ParameterSpace | None = None) -> LearnedMap:
        """Read a map written by ``save``.

        Raises:
            RunError: if files are missing, damaged, or made for another parameter space than the one given.
        """
        path = directory / "model.json"
        description = load_description(path)
        try:
            config = LearnerConfig(**description.pop("network"))
            space = ParameterSpace(Parameter(**p) for p in description.pop("parameters"))
            attributes = Normaliser.from_description(description.pop("attributes"))
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{path}: not a description of a learner ({error})") from error
        if parameters is not None:
            require_same(path, {"parameter_space": space_hash(space)}, {"parameter_space": space_hash(parameters)})
        members = []
        for i in range(config.members):
            member = ParameterMap(config, len(attributes.names), len(space))
            try:
                member.load_state_dict(load_tensors(directory / _weights(i)))
            except RuntimeError as error:
                raise RunError(f"{directory}: weights do not fit the settings ({error})") from error
            members.append(member)
        return cls(tuple(members), config, space, attributes, description)


class Learner:
    """Calibrator that learns θ as a function of attributes (implements ``core.contracts.Calibrator``)."""

    def __init__(self, config: LearnerConfig) -> None:
        self.config = config
        self.name = config.network.name

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> Float[np.ndarray, "cell parameter"]:
        """Train, or finish an interrupted training in ``directory``, and return θ of every cell of ``data``.

        Raises:
            ModelError: if the model has no gradient.
            RunError: if ``directory`` holds another training.
        """
        learned = self.learn(model, data, seed=seed, directory=directory, progress=progress)
        return learned.predict(data.attributes, data.prior, data.attribute_names)

    def learn(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> LearnedMap:
        """As ``calibrate``, but return the map itself."""
        if not model.differentiable:
            raise ModelError(f"learner '{self.name}' needs a forward model with a gradient; use the surrogate")
        identity = self._identity(model, data, seed)
        if (directory / "model.json").exists():
            found = LearnedMap.load(directory, model.parameters)
            require_same(directory / "model.json", found.identity, identity)
            self._tidy(directory)
            return found
        attributes = Normaliser.fit(data.attribute_names, data.attributes, data.trained)
        through = cast(DifferentiableModel, model)
        members = tuple(
            self._train_member(member, through, data, attributes, identity, directory, progress)
            for member in range(self.config.members)
        )
        learned = LearnedMap(members, self.config, model.parameters, attributes, identity)
        learned.save(directory)
        self._tidy(directory)
        return learned

    def _tidy(self, directory: Path) -> None:
        """Remove the checkpoints of a stored map; a kill may have come between storing and removing."""
        for member in range(self.config.members):
            _checkpoint(directory, member).unlink(missing_ok=True)

    def _train_member(
        self, member: int, model: DifferentiableModel, data: CalibrationData, attributes: Normaliser,
        identity: dict[str, Any], directory: Path, progress: Progress,
    ) -> ParameterMap:  # fmt: skip
        """Train one network from its own start; a finished member is read back from its checkpoint."""
        seed = derive_seed(identity["seed"], "learner", self.name, member)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            network = ParameterMap(self.config, len(data.attribute_names), len(model.parameters))
        task = LearnTask(network, self.config, model, data, attributes, Draw(identity["seed"], seed, member))
        name = self.name if self.config.members == 1 else f"{self.name} {member + 1} of {self.config.members}"
        train(task, self.config.training, seed=seed, identity={**identity, "member": member},
              path=_checkpoint(directory, member), progress=progress, description=name)  # fmt: skip
        return network.cpu().eval()

    def _identity(self, model: ForwardModel, data: CalibrationData, seed: int) -> dict[str, Any]:
        """What the weights depend on: nothing of a cell that is not trained."""
        seen, mask = data.trained, data.mask[data.trained]
        arrays = (data.attributes[seen], data.prior[seen], np.where(mask, data.observed[seen], 0.0), mask)
        settings = self.config.model_dump(mode="json", exclude={"training"})
        return {
            "settings": {**settings, "training": self.config.training.numerical()},
            "seed": seed,
            "parameter_space": space_hash(model.parameters),
            "data": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays)),
            "days": [data.first_day, len(data.time)],
            "attribute_names": list(data.attribute_names),
            "forward_model": hash_json(getattr(model, "description", type(model).__name__)),
        }


class Draw(NamedTuple):
    """Seeds of one member: ``learner`` is shared by all members, ``member`` is its own; ``fold`` is its number."""

    learner: int
    member: int
    fold: int


class LearnTask:
    """Misfit of the simulated to the observed soil moisture of random windows, plus the range-boundary loss."""

    def __init__(
        self, network: ParameterMap, config: LearnerConfig, model: DifferentiableModel, data: CalibrationData,
        attributes: Normaliser, draw: Draw,
    ) -> None:  # fmt: skip
        self.network: nn.Module = network
        self.config = config
        self.model = model
        self.first_day = data.first_day
        seen = data.trained[:, None]
        self.attributes = _tensor(np.where(seen, _limited(attributes(np.where(seen, data.attributes, 0.0))), 0.0))
        self.prior = _tensor(model.parameters.to_unit(data.prior))
        self.mask = torch.as_tensor(data.mask & seen)
        self.observed = _tensor(np.where(data.mask & seen, data.observed, 0.0))
        self.days = len(data.time)
        cells = np.flatnonzero(data.trained & data.mask.any(axis=1))
        if cells.size == 0:
            raise DataError("learner: no trained cell has an observation in the training period")
        kept = round(config.validation * cells.size)
        shuffled = np.roll(generator(draw.learner, "learner", "validation").permutation(cells), -draw.fold * kept)
        self.held = np.sort(shuffled[:kept])  # members keep different cells aside
        self.pool = np.sort(shuffled[kept:])
        self.seed = draw.member
        self._prior_line: Line | None = None

    def to(self, device: torch.device) -> None:
        self.attributes, self.prior = self.attributes.to(device), self.prior.to(device)
        self.mask, self.observed = self.mask.to(device), self.observed.to(device)
        if hasattr(self.model, "to"):
            self.model.to(device)

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        length = self.days if self.config.window is None else self.config.window
        windows = Windows(self.pool, 0, self.days, length, self.config.cells_per_batch, self.seed, f"learner/{rank}")
        cells, start = windows.draw(step)
        return self._misfit(network, torch.as_tensor(cells, device=self.prior.device), start, length)

    def _misfit(self, network: nn.Module, cells: Tensor, start: int, length: int) -> Tensor:
        u = network(self.attributes[cells], self.prior[cells])
        span = slice(start, start + length)
        observed, mask = self.observed[cells, span], self.mask[cells, span]
        simulated = self.model.respond(u, cells, self.first_day + start, length)["soil_moisture"]
        seen = observe(simulated, self._line(simulated, observed, mask, cells))
        settings = self.config.loss
        fit = LOSSES[settings.fit](seen, observed.to(seen.dtype), mask)
        kept = settings.prior_weight * (u - self.prior[cells]).square().mean()
        return fit + kept + range_boundary_loss(u, alpha=settings.range_weight, epsilon=settings.range_epsilon)

    def _line(self, simulated: Tensor, observed: Tensor, mask: Tensor, cells: Tensor) -> Line:
        settings = self.config.loss
        if settings.line == "window" or settings.operator == "raw":
            return fit_line(settings.operator, simulated, observed, mask)
        if self._prior_line is None:
            every = torch.as_tensor(np.sort(np.concatenate([self.pool, self.held])), device=cells.device)
            with torch.no_grad():
                default = self.model.respond(self.prior[every], every, self.first_day, self.days)["soil_moisture"]
            line = fit_line(settings.operator, default, self.observed[every].to(default.dtype), self.mask[every])
            gain, offset = (torch.zeros(len(self.prior), 1).to(default) for _ in range(2))
            gain[every], offset[every] = line.gain.expand(len(every), 1), line.offset.expand(len(every), 1)
            self._prior_line = Line(gain, offset)
        return Line(self._prior_line.gain[cells], self._prior_line.offset[cells])

    def validate(self, network: nn.Module) -> float:
        """Misfit over the whole training period of the trained cells kept from the loss."""
        return float(self._misfit(network, torch.as_tensor(self.held, device=self.prior.device), 0, self.days))


def _limited(attributes: Float[np.ndarray, "cell attribute"]) -> Float[np.ndarray, "cell attribute"]:
    """Normalised attributes cut at ``_LIMIT`` deviations: a rare land cover must not throw θ across the space."""
    return np.clip(attributes, -_LIMIT, _LIMIT)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32))


def _weights(member: int) -> str:
    return f"member-{member}.safetensors"


def _checkpoint(directory: Path, member: int) -> Path:
    return directory / f"checkpoint-{member}.pt"
