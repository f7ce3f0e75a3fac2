"""Settings of the learners."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig, completed


class FFNConfig(BaseModel):
    """FFN_A; the paper's hidden size is 1280 (DAS-S4) or 256 (DAS-S8), its dropout 0.5 (section 4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["ffn_a"] = "ffn_a"
    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class ParaFormerAConfig(BaseModel):
    """ParaFormer_A; width 128, 4 heads and 2 layers are the paper's (section 4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["paraformer_a"] = "paraformer_a"
    width: int = Field(default=128, ge=1, description="d, the width of a token")
    heads: int = Field(default=4, ge=1, description="m, the number of attention heads")
    layers: int = Field(default=2, ge=1, description="N, the number of encoder layers")
    feed_forward: int = Field(default=256, ge=1, description="hidden width of the position-wise network")
    pool: Literal["mean", "concatenate"] = Field(default="concatenate", description="how tokens reach the head")
    dropout: float = Field(default=0.4, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ParaFormerAConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


NetworkConfig = Annotated[FFNConfig | ParaFormerAConfig, Field(discriminator="name")]


class LossConfig(BaseModel):
    """What a learner minimises (METHOD sections 3 and 5)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: Literal["rmse", "cell_rmse"] = "rmse"
    operator: Literal["raw", "global_linear", "cell_moments", "cell_lstsq"] = "raw"
    line: Literal["window", "prior"] = Field(
        default="window", description="fit the operator to the simulation of the window, or once to that of the prior"
    )
    prior_weight: float = Field(
        default=0.01, ge=0, description="weight of the mean squared distance from the a-priori θ, unit coordinates"
    )
    range_weight: float | None = Field(default=None, ge=0, description="α of the range-boundary loss; none takes p")
    range_epsilon: float = Field(default=0.01, gt=0, description="ε of the range-boundary loss")


_TRAINING = TrainingConfig(
    steps=600,
    optimiser=OptimiserConfig(name="adamw", rate=1e-3, weight_decay=1e-2),
    schedule=ScheduleConfig(name="cosine", warm_up=20),
    ema=0.98,
)


class LearnerConfig(BaseModel):
    """One learner: its network, head, loss and training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: NetworkConfig = ParaFormerAConfig()
    head: Literal["bounded", "linear"] = "bounded"
    loss: LossConfig = LossConfig()
    window: int | None = Field(default=None, ge=1, description="days in a window; none takes the training period")
    cells_per_batch: int = Field(default=64, ge=1)
    members: int = Field(default=1, ge=1, description="networks trained apart whose θ are averaged (unit coordinates)")
    validation: float = Field(
        default=0.0, ge=0, lt=1, description="fraction of trained cells a member keeps aside to choose its step"
    )
    training: TrainingConfig = _TRAINING

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _TRAINING)

    @model_validator(mode="after")
    def _validation_is_whole(self) -> LearnerConfig:
        if (self.validation > 0) != (self.training.validate_every is not None):
            raise ValueError("'validation' (a fraction of the cells) and 'training.validate_every' go together")
        return self
