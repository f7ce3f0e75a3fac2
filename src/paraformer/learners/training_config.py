"""Settings of the learners' trainings: the first one, and the one that goes on through the process model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingBase, TrainingConfig, completed


class LearningConfig(TrainingBase):
    """Training of a learner, as long as ``steps`` or ``epochs`` say.

    An epoch is as many steps as draw all cell-days of the training period once (``LearnerConfig.epoch``), which is
    known with the data.
    """

    steps: int | None = Field(default=600, ge=1, description="steps; give these or epochs")
    optimiser: OptimiserConfig = OptimiserConfig(name="adamw", rate=1e-3, weight_decay=1e-2)
    schedule: ScheduleConfig = ScheduleConfig(name="cosine", warm_up=20)
    ema: float | None = Field(default=0.98, gt=0, lt=1, description="decay of the moving average of the weights")
    epochs: int | None = Field(
        default=None,
        ge=1,
        description="instead of steps: times that as many cell-days are drawn as the training period has",
    )

    @model_validator(mode="after")
    def _one_length(self) -> LearningConfig:
        if (self.steps is None) == (self.epochs is None):
            found = "found neither" if self.steps is None else f"found steps {self.steps} and epochs {self.epochs}"
            raise ValueError(f"give either 'steps' or 'epochs', {found} (null takes one back)")
        return self

    def length(self, epoch: int) -> int:
        """Steps of the whole training, if one epoch has ``epoch`` of them."""
        if self.epochs is not None:
            return self.epochs * epoch
        assert self.steps is not None
        return self.steps

    def in_steps(self, epoch: int) -> TrainingConfig:
        """The same training, its length in steps, if one epoch has ``epoch`` of them."""
        kept = {name: getattr(self, name) for name in TrainingConfig.model_fields}
        return TrainingConfig.model_validate(kept | {"steps": self.length(epoch)})


class RefinementConfig(LearningConfig):
    """How a learner goes on through the process model, whose every step costs 2p + 1 runs of each of its cells."""

    steps: int | None = Field(default=60, ge=1, description="steps; give these or epochs")
    optimiser: OptimiserConfig = OptimiserConfig(name="adamw", rate=3e-4, weight_decay=1e-2)
    schedule: ScheduleConfig = ScheduleConfig(name="cosine", warm_up=5)
    ema: float | None = Field(default=0.9, gt=0, lt=1, description="decay of the moving average of the weights")
    cells_per_batch: int = Field(default=64, ge=1, description="cells of a step; at most the trained ones")


def completed_learning(given: Any, default: LearningConfig) -> Any:
    """As ``completed``; a study that counts epochs does not take over the default's steps."""
    filled = completed(given, default)
    if isinstance(given, Mapping) and given.get("epochs") is not None:
        filled["steps"] = given.get("steps")
    return filled
