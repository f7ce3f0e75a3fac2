"""The one training loop. Law: train(2n) == train(n) + kill + resume(n), bit for bit on one machine."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from paraformer.core.errors import ModelError
from paraformer.core.log import Progress
from paraformer.core.seeding import derive_seed
from paraformer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from paraformer.training.config import TrainingConfig
from paraformer.training.devices import require_devices
from paraformer.training.processes import in_processes
from paraformer.training.schedule import OPTIMISERS, rate_factor
from paraformer.training.threads import no_denormals, settle_threads, share_threads

logger = logging.getLogger(__name__)


@runtime_checkable
class Task(Protocol):
    """What the loop trains: a network, and its loss at step k, which depends on (seed, k) alone."""

    network: nn.Module

    def to(self, device: torch.device) -> None:
        """Move the data to the device of the network."""
        ...

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        """Loss of step ``step`` in process number ``rank``; call ``network``, which may be a wrapper.

        The gradients of all processes are averaged. A loss of the whole batch, each process simulating its share of
        it (``training.ranks``), does not depend on their number; a batch of its own for each rank does.
        """
        ...


@dataclass(frozen=True)
class Job:
    """What ``train`` was asked for; with several devices, what is sent to their processes."""

    task: Task
    config: TrainingConfig
    seed: int
    identity: Mapping[str, Any]
    path: Path
    description: str


def train(
    task: Task,
    config: TrainingConfig,
    *,
    seed: int,
    identity: Mapping[str, Any],
    path: Path,
    progress: Progress,
    description: str = "training",
) -> None:
    """Train ``task.network`` in place, from the checkpoint at ``path`` if there is one.

    The network ends with the moving average of the weights where there is one, else with the last weights.
    The checkpoint stays at ``path``; who called removes it once the result is stored. With several ``devices`` each
    has a process of its own (the task must be picklable), and the first of them alone writes the checkpoint. Dropout
    then differs from that of one process, because every process draws its own.

    Args:
        identity: what the result depends on (settings, hashes); a checkpoint with another identity is refused.

    Raises:
        SettingsError: if this machine lacks the devices asked for.
        ModelError: if the loss is not finite.
        RunError: if the checkpoint belongs to other work or cannot be read or written.
    """
    require_devices(config)
    settle_threads()
    job = Job(task, config, seed, identity, path, description)
    strategy = "ddp_spawn" if config.devices > 1 else "auto"
    fabric = Fabric(accelerator=config.device, devices=config.devices, precision=config.precision, strategy=strategy)
    if config.devices == 1:
        fabric.launch()
        _train(fabric, job, progress)
        return
    weights = in_processes(fabric, _train_apart, job, progress)
    task.network.load_state_dict({name: torch.as_tensor(values) for name, values in weights.items()}, assign=True)


def _train_apart(fabric: Fabric, job: Job, progress: Progress) -> dict[str, np.ndarray]:
    """One of several processes: its tensors are shared with the others until it takes a copy of the network.

    Weights go back as arrays, by value: a shared tensor ends with the process that made it.
    """
    share_threads(fabric.world_size)
    job.task.network = copy.deepcopy(job.task.network)
    _train(fabric, job, progress)
    return {name: t.cpu().numpy() for name, t in job.task.network.state_dict().items()}


def _train(fabric: Fabric, job: Job, progress: Progress) -> None:
    task, config = job.task, job.config
    state = load_checkpoint(job.path, job.identity)
    if state is not None:
        task.network.load_state_dict(state.weights, assign=True)  # in their own precision
        logger.info("%s: resuming at step %d of %d", job.description, state.step, config.steps)
    fabric.barrier()  # nobody writes a checkpoint before all have read the old one
    optimiser = OPTIMISERS[config.optimiser.name](task.network.parameters(), config.optimiser)
    network, optimiser = fabric.setup(task.network, optimiser)
    task.to(fabric.device)
    if state is None:
        state = _start(task.network, config, job.identity)
    else:
        optimiser.load_state_dict(state.optimiser)
    average = {name: t.to(fabric.device) for name, t in state.average.items()}

    saved_at = time.monotonic()
    with no_denormals(), progress.task(job.description, config.steps, unit="steps", done=state.step) as advance:
        while state.step < config.steps:
            loss = _step(fabric, network, optimiser, job, state.step)
            state = replace(state, step=state.step + 1)
            _update_average(average, task.network, config.ema, state.step)
            if _due(config, state.step, saved_at) and fabric.is_global_zero:
                save_checkpoint(job.path, _filled(state, task.network, average, optimiser))
                saved_at = time.monotonic()
            advance(1, f"loss {loss:.4g}")
    if fabric.is_global_zero:
        save_checkpoint(job.path, _filled(state, task.network, average, optimiser))
    if average:
        task.network.load_state_dict(average)


def _step(fabric: Fabric, network: nn.Module, optimiser: torch.optim.Optimizer, job: Job, step: int) -> float:
    """One optimiser step; dropout draws from a stream of its own that depends on (seed, step, rank)."""
    config = job.config
    for group in optimiser.param_groups:
        group["lr"] = config.optimiser.rate * rate_factor(config.schedule, step, config.steps)
    network.train()
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        torch.manual_seed(derive_seed(job.seed, "dropout", step, fabric.global_rank))
        loss = job.task.loss(network, step, fabric.global_rank)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(f"training: the loss is {value} at step {step}; lower the learning rate or check the data")
    optimiser.zero_grad(set_to_none=True)
    fabric.backward(loss)
    if config.optimiser.clip is not None:
        fabric.clip_gradients(network, optimiser, max_norm=config.optimiser.clip)
    optimiser.step()
    return value


def _start(network: nn.Module, config: TrainingConfig, identity: Mapping[str, Any]) -> Checkpoint:
    average = {k: v.detach().clone() for k, v in network.state_dict().items()} if config.ema is not None else {}
    return Checkpoint(dict(identity), 0, {}, average, {})


def _due(config: TrainingConfig, step: int, saved_at: float) -> bool:
    if config.checkpoint_steps is not None and step % config.checkpoint_steps == 0:
        return True
    return config.checkpoint_seconds is not None and time.monotonic() - saved_at >= config.checkpoint_seconds


@torch.no_grad()
def _update_average(average: dict[str, Tensor], network: nn.Module, decay: float | None, step: int) -> None:
    """Exponential moving average of the weights, with a shorter memory in the first steps."""
    if decay is None:
        return
    kept = min(decay, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - kept)
        else:
            average[name].copy_(value)


def _filled(
    state: Checkpoint, network: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> Checkpoint:
    return replace(state, weights=network.state_dict(), average=average, optimiser=optimiser.state_dict())
