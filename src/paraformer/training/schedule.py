"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch

from paraformer.training.config import OptimiserConfig, ScheduleConfig


def _adamw(weights: Iterable[torch.nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, lr=config.rate, weight_decay=config.weight_decay)


def _adadelta(weights: Iterable[torch.nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    rho = 0.95 if config.rho is None else config.rho
    return torch.optim.Adadelta(weights, lr=config.rate, rho=rho, weight_decay=config.weight_decay)


OPTIMISERS: dict[str, Callable[[Iterable[torch.nn.Parameter], OptimiserConfig], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adadelta": _adadelta,
}


def rate_factor(config: ScheduleConfig, step: int, steps: int) -> float:
    """Factor on the learning rate at ``step`` (0-based) of ``steps``: linear warm-up, then constant or cosine to 0."""
    rise = min(1.0, (step + 1) / (config.warm_up + 1))
    if config.name == "constant":
        return rise
    done = max(0, step - config.warm_up) / max(1, steps - config.warm_up)
    return rise * (0.5 * (1 + math.cos(math.pi * min(1.0, done))))
