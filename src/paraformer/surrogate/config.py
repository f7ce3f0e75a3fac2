"""Settings of the surrogate room."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from paraformer.core.time import Period
from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig, completed

_TRAINING = TrainingConfig(
    steps=4000,
    optimiser=OptimiserConfig(name="adamw", rate=6e-3, weight_decay=1e-4),
    schedule=ScheduleConfig(name="cosine", warm_up=100),
)

_CONTINUED = TrainingConfig(
    steps=800,
    optimiser=OptimiserConfig(name="adamw", rate=2e-3, weight_decay=1e-4),
    schedule=ScheduleConfig(name="cosine", warm_up=20),
)


class SurrogateConfig(BaseModel):
    """How the surrogate is built and fitted (METHOD section 7; decision 0003).

    ``anchors`` runs of the same cell at the ensemble's common parameter sets enter as extra series; 0 is the plain
    surrogate of the paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outputs: tuple[str, ...] = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")
    anchors: int = Field(default=16, ge=0, description="common sets given to the network as series")
    mixtures: int = Field(default=4, ge=1, description="blends of the anchors per output, among which the LSTM chooses")
    hidden: int = Field(default=48, ge=1)
    embedding: int = Field(default=16, ge=1, description="width of the embedding of θ and static descriptors")
    warm_up: int = Field(default=20, ge=0, description="days run before a window and not counted")
    window: int = Field(default=60, ge=1, description="days of a training window that count")
    cells_per_batch: int = Field(default=48, ge=1)
    sets_per_cell: int = Field(default=6, ge=2, description="sets of the same cell and window in a batch")
    response_weight: float = Field(default=1.0, ge=0, description="weight of the loss of differences between sets")
    weights: dict[str, float] = Field(
        default={"soil_moisture": 1.0}, description="loss weight of outputs; 0.2 if absent"
    )
    cells: Literal["all", "trained"] = Field(default="all", description="cells whose runs are learned from")
    period: Period | None = Field(default=None, description="days whose runs are learned from; none takes all")
    training: TrainingConfig = _TRAINING

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _TRAINING)


class RoundsConfig(BaseModel):
    """Refine rounds: the process model runs the θ that learners found and θ around them, and the surrogate goes on
    learning from these runs (decision 0021).

    A round ends them all when, for every learner followed, |surrogate gap| <= ``gap`` and response slope >= ``slope``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = Field(default=2, ge=1, description="how many rounds at most")
    learners: tuple[str, ...] = Field(
        default=(), description="learners whose θ are followed; none follows all that are trained through the surrogate"
    )
    perturbations: int = Field(default=4, ge=2, description="runs of each cell around each θ; the last is held out")
    perturbation: float = Field(default=0.15, gt=0, le=1, description="half-width around θ, unit coordinates")
    share: float = Field(default=0.5, gt=0, lt=1, description="expected share of these runs in a batch of the fit")
    gap: float = Field(
        default=0.0003,
        ge=0,
        description="surrogate gap that is small enough: difference of the two models' mean RMSE "
        "over trained cells, training period [m3 m-3]",
    )
    slope: float = Field(default=0.95, le=1, description="response slope near the learned θ that is good enough")
    training: TrainingConfig = _CONTINUED

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _CONTINUED)
