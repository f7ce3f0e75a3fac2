"""A device that this machine lacks is refused before any work, naming the key; so it is when training starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.training.config import TrainingConfig
from paraformer.training.devices import require_devices
from paraformer.training.loop import train


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine with so many CUDA GPUs and no other accelerator."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("gpus", "settings", "words"),
    [
        (0, {"device": "cuda"}, r"learners\.A\.training\.device: 'cuda' .* none on this machine; use device 'cpu'"),
        (0, {"device": "gpu"}, r"learners\.A\.training\.device: 'gpu'"),
        (1, {"device": "mps"}, r"learners\.A\.training\.device: 'mps'"),
        (1, {"device": "cuda", "devices": 2}, r"learners\.A\.training\.devices: 2 .* has 1"),
    ],
    indirect=["gpus"],
)
@pytest.mark.usefixtures("gpus")
def test_what_a_machine_lacks_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        require_devices(TrainingConfig.model_validate(settings), "learners.A.training")


@pytest.mark.parametrize(
    ("gpus", "settings"),
    [
        (0, {}),
        (0, {"device": "auto"}),
        (0, {"devices": 2}),
        (2, {"device": "cuda", "devices": 2}),
        (1, {"device": "gpu"}),
    ],
    indirect=["gpus"],
)
@pytest.mark.usefixtures("gpus")
def test_what_a_machine_has_is_accepted(settings: dict[str, object]) -> None:
    require_devices(TrainingConfig.model_validate(settings))


class Nothing:
    """A task that must not start."""

    network: nn.Module = nn.Linear(1, 1)

    def to(self, device: torch.device) -> None:
        raise AssertionError("started")

    def loss(self, network: nn.Module, step: int, rank: int) -> torch.Tensor:
        raise AssertionError("started")


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.usefixtures("gpus")
def test_a_training_without_its_device_does_not_start(tmp_path: Path) -> None:
    config = TrainingConfig(steps=1, device="cuda")
    with pytest.raises(SettingsError, match=r"training\.device: 'cuda'"):
        train(Nothing(), config, seed=0, identity={}, path=tmp_path / "a.pt", progress=Progress())
