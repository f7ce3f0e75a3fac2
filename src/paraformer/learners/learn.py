"""Learner: one map from attributes (and history) to θ, trained over all trained cells through a frozen model."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from paraformer.core.contracts import Calibrated, CalibrationData, DifferentiableModel, ForwardModel
from paraformer.core.errors import ModelError, RunError, SettingsError
from paraformer.core.files import hash_bytes, hash_json, write_json
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.seeding import derive_seed
from paraformer.learners.config import LearnerConfig, reads_history
from paraformer.learners.inputs import History
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen, fingerprint
from paraformer.learners.streamflow import routing_of
from paraformer.learners.task import LearnTask
from paraformer.learners.training_config import LearningConfig
from paraformer.training.checkpoint import require_same, space_hash
from paraformer.training.config import TrainingConfig
from paraformer.training.loop import train

logger = logging.getLogger(__name__)


class Phase(NamedTuple):
    """One training of a member: its name, the model the gradient goes through, and the settings it is done with."""

    name: str
    model: DifferentiableModel
    config: LearnerConfig
    counted: bool  # whether forward runs of the model are those of a process model

    def checkpoint(self, directory: Path, member: int) -> Path:
        return directory / f"{self.name}-{member}.pt"


class Learner:
    """Calibrator that learns θ as a function of attributes, or of attributes and history.

    Implements ``core.contracts.Calibrator``.

    Args:
        config: settings.
        refine_with: the process model, with ``simulator: surrogate_then_process``.
        start: trained maps whose weights the training begins with, one network after the other (``start_from``).
    """

    def __init__(
        self, config: LearnerConfig, refine_with: ForwardModel | None = None, start: Sequence[LearnedMap] = ()
    ) -> None:
        self.config, self.refine_with, self.start = config, refine_with, tuple(start)
        self.name: str = config.network.name

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: str | Path, progress: Progress
    ) -> Calibrated:
        """Train, or finish an interrupted training in ``directory``: θ of every cell of ``data``.

        Args:
            model: forward model with a gradient: the surrogate, or with ``simulator: process`` the process model.

        Raises:
            ModelError: if a model has no gradient, or there is none to refine with, or one that nobody asked for.
            DataError: if gap-filled observations are asked for and ``data`` has none.
            RunError: if ``directory`` holds another training.
        """
        learned = self.learn(model, data, seed=seed, directory=directory, progress=progress)
        history = History.of(data, self.config.observations) if reads_history(self.config.network) else None
        given = data.attributes, data.prior, data.attribute_names, history
        routing = None if learned.routing is None else routing_of(data, learned.predict_routing(*given))
        return Calibrated(learned.predict(*given), process_runs(Path(directory)), routing)

    def learn(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: str | Path, progress: Progress
    ) -> LearnedMap:
        """As ``calibrate``, but return the map itself."""
        directory = Path(directory)
        phases = self._phases(model)
        identity = self._identity(phases, data, seed)
        if (directory / "model.json").exists():
            found = LearnedMap.load(directory, model.parameters)
            require_same(directory / "model.json", found.identity, identity)
            self._tidy(phases, directory)
            return found
        if self.start:
            require_start(self.config, self.start[0], model.parameters, data.attribute_names)
        seen = Seen.of(self.config, data, model.parameters, self.start[0].scaling if self.start else None)
        members = [
            self._train_member(member, phases, seen, identity, directory, progress)
            for member in range(self.config.members)
        ]
        routing = None if seen.flow is None else seen.flow.parameters
        trained = tuple(m for m, _ in members)
        learned = LearnedMap(
            trained, self.config, model.parameters, seen.scaling, identity, routing, seen.routing_start
        )
        if any(phase.counted for phase in phases):
            write_json(directory / _RUNS, {"process_model_runs": sum(runs for _, runs in members)})
        learned.save(directory)
        self._tidy(phases, directory)
        return learned

    def _phases(self, model: ForwardModel) -> tuple[Phase, ...]:
        """The trainings of a member, one after the other."""
        config, refine_with = self.config, self.refine_with
        for each in (model,) if refine_with is None else (model, refine_with):
            if not each.differentiable:
                raise ModelError(
                    f"learner '{self.name}' needs a forward model with a gradient; use the surrogate, or wrap "
                    f"{type(each).__name__} in process.differentiable.DifferentiableProcess"
                )
        first = Phase("checkpoint", cast(DifferentiableModel, model), config, config.simulator == "process")
        if (config.refinement is None) != (refine_with is None):
            missing = "no process model to refine with" if refine_with is None else "a process model it does not need"
            raise ModelError(f"learner '{self.name}': simulator '{config.simulator}' was given {missing}")
        if config.refinement is None or refine_with is None:
            return (first,)
        if refine_with.parameters != model.parameters:
            raise ModelError(
                f"learner '{self.name}': the surrogate has {model.parameters!r}, the process model "
                f"{refine_with.parameters!r}"
            )
        return first, Phase("refinement", cast(DifferentiableModel, refine_with), config.refined(), True)

    def _tidy(self, phases: tuple[Phase, ...], directory: Path) -> None:
        """Remove the checkpoints of a stored map; a kill may have come between storing and removing."""
        for phase in phases:
            for member in range(self.config.members):
                phase.checkpoint(directory, member).unlink(missing_ok=True)

    def _train_member(
        self,
        member: int,
        phases: tuple[Phase, ...],
        seen: Seen,
        identity: dict[str, Any],
        directory: Path,
        progress: Progress,
    ) -> tuple[ParameterMap, int]:
        """Train one network from its own start, and the process-model runs it took.

        A phase begins with the weights that the one before has kept; a finished phase is read back from its
        checkpoint.
        """
        seed, runs = derive_seed(identity["seed"], "learner", self.name, member), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            attributes, parameters = (part.shape[1] for part in (seen.inputs.attributes, seen.prior))
            network = ParameterMap(self.config, attributes, parameters + len(seen.routing_start))
        if self.start:
            trained = [each for found in self.start for each in found.members]
            first = identity["seed"] * self.config.members + member
            network.load_state_dict(trained[first % len(trained)].state_dict())
        for phase in phases:
            own = seed if phase is phases[0] else derive_seed(seed, phase.name)
            task = LearnTask(network, phase.config, phase.model, seen, own)
            name = self.name if phase is phases[0] else f"{self.name}, {phase.name}"
            name = name if self.config.members == 1 else f"{name} {member + 1} of {self.config.members}"
            training = _in_steps(name, phase.config.training, task.epoch)
            train(
                task,
                training,
                seed=own,
                identity={**identity, "member": member},
                path=phase.checkpoint(directory, member),
                progress=progress,
                description=name,
            )
            network.float().cpu()  # whatever the precision of the training, as it is read back
            runs += task.runs(training.steps) if phase.counted else 0
        return network.eval(), runs

    def _identity(self, phases: tuple[Phase, ...], data: CalibrationData, seed: int) -> dict[str, Any]:
        """What the weights depend on: nothing of a cell that is not trained, and no history where none is read."""
        settings = self.config.model_dump(mode="json", exclude={"training", "refinement", "start_from"})
        model, refinement = phases[0].model, self.config.refinement
        if self.config.loss.inference is None:
            del settings["loss"]["inference"]
        for target in (settings["targets"] or {}).values():
            if isinstance(target, dict) and target.get("error") is None:
                target.pop("error", None)
        models, refined = {"forward_model": model}, {}
        if refinement is not None:
            models["refined_with"], refined = phases[1].model, {"refinement": refinement.numerical()}
        return {
            "settings": {**settings, "training": self.config.training.numerical(), **refined},
            "seed": seed,
            "parameter_space": space_hash(model.parameters),
            "data": fingerprint(self.config, data),
            "days": [data.first_day, len(data.time)],
            "attribute_names": list(data.attribute_names),
            **({"start": [identity_of(found) for found in self.start]} if self.start else {}),
            **{name: hash_json(each.description()) for name, each in models.items()},
        }


def require_start(
    config: LearnerConfig, found: LearnedMap, parameters: ParameterSpace, attributes: tuple[str, ...]
) -> None:
    """Raise SettingsError unless a map can be trained on with other settings: the same network, θ and attributes."""
    for name in ("network", "head", "start"):
        has, wants = getattr(found.config, name), getattr(config, name)
        if has != wants:
            words = [f"{key}: {value}" for key, value in has] if name == "network" else [f"{name}: {has}"]
            raise SettingsError(f"start_from: the map has another {name}; write {{{', '.join(words)}}}")
    if (found.config.attribute_dropout > 0) != (config.attribute_dropout > 0):
        raise SettingsError(
            f"start_from: the map has attribute_dropout {found.config.attribute_dropout:g}, the learner "
            f"{config.attribute_dropout:g}; both are 0, or neither is"
        )
    if found.parameters != parameters:
        raise SettingsError(f"start_from: the map finds {found.parameters!r}, the study {parameters!r}")
    if found.scaling.attributes.names != attributes:
        raise SettingsError("start_from: the map reads other attributes than it is given")


def identity_of(found: LearnedMap) -> str:
    """Hash of a map: its parameters and the weights of all members."""
    tensors = [t.detach().cpu().numpy() for member in found.members for t in member.state_dict().values()]
    weights = hash_bytes(*(np.ascontiguousarray(t).tobytes() for t in tensors))
    return hash_json({"parameter_space": space_hash(found.parameters), "weights": weights})


def _in_steps(name: str, training: LearningConfig, epoch: int) -> TrainingConfig:
    """A training whose length is known, now that the data are."""
    settled = training.in_steps(epoch)
    if training.epochs is not None:
        logger.info("%s: an epoch is %d steps, %d of them %d", name, epoch, training.epochs, settled.steps)
    return settled


_RUNS = "runs.json"


def process_runs(directory: Path) -> int:
    """Process-model runs (cell x parameter set) that the gradients of the map in ``directory`` took, all members.

    Runs that were lost in a kill and done again are not counted; 0 if the map was trained through the surrogate alone.

    Raises:
        RunError: if their record is not readable.
    """
    path = directory / _RUNS
    if not path.exists():
        return 0
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["process_model_runs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not readable ({error}); remove its folder to train anew") from error
