"""Settings of the evaluation room."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from paraformer.core.names import carried
from paraformer.core.settings import Distinct, Settings
from paraformer.numerics.observe import OPERATORS, Operator
from paraformer.numerics.scores import MIN_DAYS
from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig, completed
from paraformer.training.sequence_config import SequenceConfig

_TRAINING = TrainingConfig(
    steps=1000,
    optimiser=OptimiserConfig(name="adamw", rate=1e-2, weight_decay=1e-4),
    schedule=ScheduleConfig(name="cosine", warm_up=20),
)


TransferMethod = Literal["nearest", "inverse_distance", "attributes", "kriging"]

METHODS: tuple[str, ...] = get_args(TransferMethod)
"""Kinds of transfer (``evaluation.transfer``)."""


class TransfersConfig(Settings):
    """Rows whose θ is that of other cells: what was found cell by cell in trained cells, carried to every cell."""

    source: str = Field(description="whose θ is carried: a search of the study, or 'best θ per cell'")
    by: Annotated[tuple[TransferMethod, ...], Distinct] = Field(
        default=("nearest", "inverse_distance", "attributes", "kriging"),
        min_length=1,
        description="how: from the nearest trained cell, nearest ones, those most like it, or by kriging",
    )
    donors: int = Field(default=5, ge=1, description="trained cells averaged by inverse_distance and attributes")
    kriging_donors: int = Field(default=64, ge=2, description="nearest trained cells that kriging weighs")

    def row(self, by: str) -> str:
        """Name of a row in the tables."""
        return carried(self.source, by)


class EvaluationConfig(Settings):
    """How θ is judged."""

    operators: Annotated[tuple[Operator, ...], Distinct] = Field(
        default=OPERATORS, min_length=1, description="observation operators in the score table"
    )
    min_days: int = Field(default=MIN_DAYS, ge=2, description="observed days a cell needs to be scored")
    transfers: TransfersConfig | None = Field(
        default=None, description="rows of θ carried from trained to unseen cells; none leaves them out"
    )


class DirectConfig(SequenceConfig):
    """The network of the row ``direct LSTM`` (decision 0006)."""

    dropout: float = Field(
        default=0.15, ge=0, lt=1, description="share of hidden inputs and states dropped in training"
    )
    training: TrainingConfig = _TRAINING

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _TRAINING)


class ReferencesConfig(Settings):
    """Reference rows that have to be trained; the others need no settings and are always there."""

    direct: DirectConfig | None = Field(default=None, description="the row 'direct LSTM'; none leaves it out")
    seeds: int = Field(default=1, ge=1, description="how many seeds it is trained with")


class TargetErrors(Settings):
    """Standard errors of observations that θ might be learned from: what each of them could pin down (decision 0019).

    Those of evapotranspiration are the difference of FLUXCOM and GLEAM over the cells of ``conus.yaml``, over √2.
    """

    annual_evapotranspiration: float = Field(default=75.0, gt=0, description="of a mean annual total [mm year-1]")
    monthly_evapotranspiration: float = Field(default=12.0, gt=0, description="of each mean month's total [mm month-1]")
    runoff_ratio: float = Field(default=0.05, gt=0, description="of total runoff over precipitation [1]")
    baseflow_index: float = Field(default=0.1, gt=0, description="of baseflow over total runoff [1]")


class UncertaintyConfig(Settings):
    """Posterior of θ in every cell, around the θ of some methods (decision 0018)."""

    methods: Annotated[tuple[str, ...], Distinct] = Field(
        min_length=1, description="searches and learners, whose first seed it is around"
    )
    draws: int = Field(default=100, ge=25, description="runs of each round, cell and method, beside 2p + 1 at first")
    rounds: int = Field(default=2, ge=1, description="of draws; all but the first come from where the weights are")
    temperature: float = Field(default=2.0, ge=1, description="widening of the draws against the linear posterior")
    level: float = Field(default=0.9, gt=0, lt=1, description="probability inside the intervals")
    targets: TargetErrors | None = Field(
        default=None, description="what other observations would pin down of θ, given their errors; none leaves it out"
    )
