"""A learner's task that dies on the way, importable by processes that start anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learners.toy import SPACE, Waves, secretive_twin, small
from paraformer.core.errors import ModelError
from paraformer.learners.config import LearnerConfig
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen
from paraformer.learners.task import LearnTask


class Dying(LearnTask):
    """Dies in every process at step ``dies_at``."""

    dies_at = -1

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        if step == self.dies_at:
            raise ModelError(f"planted at step {step}")
        return super().loss(network, step, rank)


def settings(devices: int = 1, **training: object) -> LearnerConfig:
    """ParaFormer_Z without dropout, an odd batch of two windows, a fitted line, and a root."""
    options = {
        "steps": 6,
        "devices": devices,
        "checkpoint_steps": 1,
        "checkpoint_seconds": None,
        "ema": 0.9,
        "optimiser": {"rate": 1e-2},
        "schedule": {"warm_up": 2},
        **training,
    }
    loss = {"fit": "rmse", "operator": "global_linear", "prior_weight": 0.1}
    config = small(
        "paraformer_z",
        training=options,
        loss=loss,
        cells_per_batch=7,
        windows_per_batch=3,
        head="linear",
    )
    return config.model_copy(update={"network": config.network.model_copy(update={"dropout": 0.0})})


def task(config: LearnerConfig, dies_at: int = -1) -> Dying:
    data, _ = secretive_twin(24)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ParameterMap(config, 3, 2)
    made = Dying(network, config, Waves(24), Seen.of(config, data, SPACE), 0)
    made.dies_at = dies_at
    return made
