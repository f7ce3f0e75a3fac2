"""Which accelerators a training may ask for, and what this machine has of them."""

from __future__ import annotations

import os

from paraformer.core.errors import SettingsError, nearest
from paraformer.training.config import TrainingBase

DEVICES = ("auto", "cpu", "cuda", "gpu", "mps")
_PROCESSES_A_CORE = 4
"""Processes on a CPU: more of them only wait for each other, and each takes its own memory."""


def require_devices(config: TrainingBase, key: str = "training") -> None:
    """Raise unless this machine has the accelerators that a training asks for.

    Args:
        key: dotted key of ``config`` in the study, for the message.

    Raises:
        SettingsError: naming the key, what was found and what is possible here.
    """
    if config.device not in DEVICES:
        raise SettingsError(f"{key}.device: '{config.device}' is unknown{nearest(config.device, DEVICES)}")
    if config.device in ("auto", "cpu") and config.devices == 1:
        return
    import torch  # here, since a study that asks for no accelerator is checked without it

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps, cpu = int(torch.backends.mps.is_available()), _PROCESSES_A_CORE * (os.cpu_count() or 1)
    found = {"cuda": cuda, "mps": mps, "gpu": cuda or mps, "cpu": cpu, "auto": cuda or mps or cpu}[config.device]
    if found == 0:
        raise SettingsError(
            f"{key}.device: '{config.device}' is asked for, and torch finds none on this machine; use device 'cpu'"
        )
    if config.devices > found:
        raise SettingsError(f"{key}.devices: {config.devices} are asked for, this machine has {found} at most")
