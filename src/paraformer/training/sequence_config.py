"""Settings of a sequence regression, apart from what it builds so that reading a study file loads no network."""

from __future__ import annotations

from pydantic import Field

from paraformer.core.settings import Settings
from paraformer.training.config import TrainingConfig


class SequenceConfig(Settings):
    """Sizes and windows of a sequence regression; its users set the defaults of ``training``."""

    hidden: int = Field(default=64, ge=1, le=16384, description="state size of the LSTM")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="share of inputs and states dropped in training")
    warm_up: int = Field(default=60, ge=0, description="days run before a window and not counted")
    window: int = Field(default=120, ge=1, description="days of a training window that count, at most all")
    cells_per_batch: int = Field(default=64, ge=1, description="cells of a training step")
    members: int = Field(default=4, ge=1, le=1000, description="networks trained from different starts, averaged")
    training: TrainingConfig = TrainingConfig()
