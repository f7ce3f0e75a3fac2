"""Settings of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from paraformer.core.settings import Settings


class OptimiserConfig(Settings):
    """How weights move. The paper: AdaDelta, rate 0.5, rho 0.95, weight decay 1e-5 (Li & Lu 2023, section 4.2)."""

    name: Literal["adamw", "adadelta"] = Field(default="adamw", description="optimiser")
    rate: float = Field(default=2e-3, gt=0, description="learning rate; for adadelta the factor applied to delta")
    weight_decay: float = Field(default=1e-5, ge=0, description="decay of the weights")
    rho: float | None = Field(default=None, gt=0, lt=1, description="adadelta only: decay of squared gradients")
    clip: float | None = Field(default=1.0, gt=0, description="largest global gradient norm; none does not clip")

    @model_validator(mode="after")
    def _rho_belongs_to_adadelta(self) -> OptimiserConfig:
        if self.rho is not None and self.name != "adadelta":
            raise ValueError(f"'rho' applies to adadelta only, not to {self.name}")
        return self

    @classmethod
    def paper(cls) -> OptimiserConfig:
        """The optimiser of the paper."""
        return cls(name="adadelta", rate=0.5, rho=0.95, weight_decay=1e-5, clip=None)


class ScheduleConfig(Settings):
    """How the learning rate changes over the steps."""

    name: Literal["cosine", "constant"] = Field(
        default="cosine", description="cosine: from the rate to 0; constant: the rate throughout"
    )
    warm_up: int = Field(default=50, ge=0, description="steps of linear warm-up from 0")


class TrainingBase(Settings):
    """What every training run is told; how long it is, its owner says in steps or in what comes to steps."""

    steps: int | None = Field(default=None, ge=1, description="training steps")
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay of the moving average of the weights")
    checkpoint_steps: int | None = Field(default=None, ge=1, description="steps between checkpoints")
    checkpoint_seconds: float | None = Field(default=30.0, gt=0, description="seconds between checkpoints")
    device: str = Field(default="cpu", description="Lightning accelerator: cpu, gpu, auto")
    devices: int = Field(default=1, ge=1, description="how many devices share a batch")
    precision: Literal["32-true", "64-true", "16-mixed", "bf16-mixed"] = Field(
        default="32-true", description="floating-point numbers of the networks"
    )

    def numerical(self) -> dict[str, object]:
        """The settings on which the weights depend: all but how often a checkpoint is written."""
        return self.model_dump(mode="json", exclude={"checkpoint_steps", "checkpoint_seconds"})


class TrainingConfig(TrainingBase):
    """Settings of one training run, as the loop takes them, whatever is trained."""

    steps: int = Field(default=1000, ge=1, description="training steps")


def completed(given: Any, default: TrainingBase) -> Any:
    """Fill what a study leaves out of ``training`` from the owner's default, not from the class's.

    A study that changes ``training.steps`` keeps the owner's optimiser; one that names another optimiser or schedule
    starts from that one's own defaults.
    """
    if not isinstance(given, Mapping):
        return given
    filled = {**default.model_dump(), **given}
    for group in ("optimiser", "schedule"):
        own, kept = given.get(group), getattr(default, group)
        if isinstance(own, Mapping) and own.get("name", kept.name) == kept.name:
            filled[group] = {**kept.model_dump(), **own}
    return filled
