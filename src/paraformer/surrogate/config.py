"""Settings of the surrogate room."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, field_validator, model_validator

from paraformer.core.errors import nearest
from paraformer.core.settings import Distinct, Settings
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


class SurrogateConfig(Settings):
    """How the surrogate is built and fitted (docs/method.md section 7; decision 0003).

    ``anchors`` runs of the same cell at the ensemble's common parameter sets enter as extra series; 0 is the plain
    surrogate of the paper.
    """

    outputs: Annotated[tuple[str, ...], Distinct] = Field(
        default=("soil_moisture", "evapotranspiration", "runoff", "baseflow"), description="series that are emulated"
    )
    anchors: int = Field(default=16, ge=0, description="common sets given to the network as series")
    hidden: int = Field(default=48, ge=1, le=16384, description="state size of the LSTM")
    embedding: int = Field(default=16, ge=1, le=16384, description="width of the embedding of θ and static descriptors")
    warm_up: int = Field(default=20, ge=0, description="days run before a window and not counted")
    window: int = Field(default=60, ge=1, description="days of a training window that count")
    cells_per_batch: int = Field(default=48, ge=1, description="cells of a training step")
    sets_per_cell: int | None = Field(
        default=None,
        ge=2,
        description="sets of the same cell and window in a batch; none takes 6, or all that there are",
    )
    weights: dict[str, NonNegativeFloat] = Field(
        default={"soil_moisture": 1.0}, description="loss weight of outputs; 0.2 if absent"
    )
    cells: Literal["all", "trained"] = Field(default="all", description="cells whose runs are learned from")
    period: Period | None = Field(default=None, description="days whose runs are learned from; none takes all")
    training: TrainingConfig = _TRAINING

    def sets(self, there: int) -> int:
        """Sets of a cell in a batch, of so many to learn from."""
        return min(6, there) if self.sets_per_cell is None else self.sets_per_cell

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _TRAINING)

    @field_validator("weights")
    @classmethod
    def _weights_are_of_outputs(cls, weights: dict[str, float], info: Any) -> dict[str, float]:
        outputs = info.data.get("outputs", weights)
        for name in weights:
            if name not in outputs:
                raise ValueError(f"'{name}' is not in outputs{nearest(name, outputs)}")
        return weights

    @model_validator(mode="after")
    def _outputs_are_learned(self) -> SurrogateConfig:
        if "soil_moisture" not in self.outputs:
            raise ValueError("outputs: 'soil_moisture' is missing; it is what is learned from")
        return self


class RoundsConfig(Settings):
    """Refine rounds: the process model runs the θ that learners found and θ around them, and the surrogate goes on
    learning from these runs (decision 0021).

    A round ends them all when, for every learner followed, |surrogate gap| <= ``gap`` and response slope >= ``slope``.
    """

    rounds: int = Field(default=2, ge=1, description="how many rounds at most")
    learners: Annotated[tuple[str, ...], Distinct] = Field(
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
