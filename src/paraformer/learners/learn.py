"""Learner: one map from attributes (and history) to θ, trained over all trained cells through a frozen model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float

from paraformer.core.contracts import CalibrationData, DifferentiableModel, ForwardModel
from paraformer.core.errors import ModelError
from paraformer.core.files import hash_bytes, hash_json
from paraformer.core.log import Progress
from paraformer.core.seeding import derive_seed
from paraformer.learners.config import HistoryConfig, LearnerConfig
from paraformer.learners.inputs import History, Scaling, filled_series
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.learners.task import Draw, LearnTask
from paraformer.training.checkpoint import require_same, space_hash
from paraformer.training.loop import train


class Learner:
    """Calibrator that learns θ as a function of attributes, or of attributes and history.

    Implements ``core.contracts.Calibrator``.
    """

    def __init__(self, config: LearnerConfig) -> None:
        self.config = config
        self.name = config.network.name
        self._reads_history = isinstance(config.network, HistoryConfig)

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> Float[np.ndarray, "cell parameter"]:
        """Train, or finish an interrupted training in ``directory``, and return θ of every cell of ``data``.

        Raises:
            ModelError: if the model has no gradient.
            DataError: if gap-filled observations are asked for and ``data`` has none.
            RunError: if ``directory`` holds another training.
        """
        learned = self.learn(model, data, seed=seed, directory=directory, progress=progress)
        history = History.of(data, self.config.observations) if self._reads_history else None
        return learned.predict(data.attributes, data.prior, data.attribute_names, history)

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
        scaling = Scaling.fit(data, self.config)
        through = cast(DifferentiableModel, model)
        members = tuple(
            self._train_member(member, through, data, scaling, identity, directory, progress)
            for member in range(self.config.members)
        )
        learned = LearnedMap(members, self.config, model.parameters, scaling, identity)
        learned.save(directory)
        self._tidy(directory)
        return learned

    def _tidy(self, directory: Path) -> None:
        """Remove the checkpoints of a stored map; a kill may have come between storing and removing."""
        for member in range(self.config.members):
            _checkpoint(directory, member).unlink(missing_ok=True)

    def _train_member(
        self, member: int, model: DifferentiableModel, data: CalibrationData, scaling: Scaling,
        identity: dict[str, Any], directory: Path, progress: Progress,
    ) -> ParameterMap:  # fmt: skip
        """Train one network from its own start; a finished member is read back from its checkpoint."""
        seed = derive_seed(identity["seed"], "learner", self.name, member)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            network = ParameterMap(self.config, len(data.attribute_names), len(model.parameters))
        task = LearnTask(network, self.config, model, data, scaling, Draw(identity["seed"], seed, member))
        name = self.name if self.config.members == 1 else f"{self.name} {member + 1} of {self.config.members}"
        train(task, self.config.training, seed=seed, identity={**identity, "member": member},
              path=_checkpoint(directory, member), progress=progress, description=name)  # fmt: skip
        return network.float().cpu().eval()  # whatever the precision of the training, as it is read back

    def _identity(self, model: ForwardModel, data: CalibrationData, seed: int) -> dict[str, Any]:
        """What the weights depend on: nothing of a cell that is not trained, and no history where none is read."""
        settings = self.config.model_dump(mode="json", exclude={"training"})
        return {
            "settings": {**settings, "training": self.config.training.numerical()},
            "seed": seed,
            "parameter_space": space_hash(model.parameters),
            "data": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in self._read_arrays(data))),
            "days": [data.first_day, len(data.time)],
            "attribute_names": list(data.attribute_names),
            "forward_model": hash_json(getattr(model, "description", type(model).__name__)),
        }

    def _read_arrays(self, data: CalibrationData) -> list[np.ndarray]:
        """The arrays that reach the weights."""
        seen, mask = data.trained, data.mask[data.trained]
        arrays = [data.attributes[seen], data.prior[seen], np.where(mask, data.observed[seen], 0.0), mask]
        if self._reads_history:
            given = data.history_mask[seen]
            arrays += [data.forcing[seen], np.where(given, data.history[seen], 0.0), given]
        if self.config.observations != "masked":
            arrays.append(np.where(mask, 0.0, filled_series(data, self.config.observations)[seen]))
        return arrays


def _checkpoint(directory: Path, member: int) -> Path:
    return directory / f"checkpoint-{member}.pt"
