"""The loop's law: train(2n) == train(n) + kill + resume(n), bit for bit; and what stops it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from paraformer.core.errors import ModelError, RunError
from paraformer.core.log import Progress
from paraformer.core.seeding import derive_seed
from paraformer.training.checkpoint import load_checkpoint
from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig
from paraformer.training.loop import train
from training.killing import KillAt, Killed


class Regression:
    """Least squares with dropout; the batch of a step depends on the step alone, unless ``stateful`` plants a fault."""

    def __init__(self, stateful: bool = False, poison_at: int = -1) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.network: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
        self.stateful, self.calls, self.poison_at = stateful, 0, poison_at

    def to(self, device: torch.device) -> None:
        assert device.type == "cpu"

    def loss(self, network: nn.Module, step: int, rank: int) -> Tensor:
        self.calls += 1
        random = torch.Generator().manual_seed(derive_seed(0, self.calls if self.stateful else step))
        x = torch.randn(16, 3, generator=random)
        loss = (network(x)[:, 0] - x[:, 0] * x[:, 1]).square().mean()
        return loss * float("nan") if step == self.poison_at else loss


def settings(steps: int = 24, **changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"steps": steps, "checkpoint_steps": 5, "checkpoint_seconds": None, **changes})


def run(config: TrainingConfig, path: Path, task: Regression | None = None, progress: Progress | None = None) -> None:
    task = Regression() if task is None else task
    identity = {"settings": config.numerical()}
    train(task, config, seed=3, identity=identity, path=path, progress=progress or Progress())


def bits(task: Regression) -> list[bytes]:
    return [t.numpy().tobytes() for t in task.network.state_dict().values()]


VARIANTS = {
    "adamw": {},
    "adadelta": {"optimiser": OptimiserConfig.paper(), "schedule": ScheduleConfig(name="constant", warm_up=0)},
    "average": {"ema": 0.9},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("killed_at", [3, 10, 17])
def test_a_killed_training_ends_with_the_same_bits(tmp_path: Path, variant: str, killed_at: int) -> None:
    config = settings(**VARIANTS[variant])
    whole, resumed = Regression(), Regression()
    run(config, tmp_path / "whole.pt", whole)
    with pytest.raises(Killed):
        run(config, tmp_path / "killed.pt", Regression(), KillAt(killed_at))
    run(config, tmp_path / "killed.pt", resumed)
    assert bits(resumed) == bits(whole)


def test_a_batch_that_depends_on_history_breaks_the_law(tmp_path: Path) -> None:
    """Planted fault: the test above can fail."""
    whole, resumed = Regression(stateful=True), Regression(stateful=True)
    run(settings(), tmp_path / "whole.pt", whole)
    with pytest.raises(Killed):
        run(settings(), tmp_path / "killed.pt", Regression(stateful=True), KillAt(10))
    run(settings(), tmp_path / "killed.pt", resumed)
    assert bits(resumed) != bits(whole)


def test_how_often_a_checkpoint_is_written_changes_no_bit(tmp_path: Path) -> None:
    often, seldom = Regression(), Regression()
    run(settings(checkpoint_steps=1), tmp_path / "often.pt", often)
    run(settings(checkpoint_steps=None), tmp_path / "seldom.pt", seldom)
    assert bits(often) == bits(seldom)
    again = Regression()
    run(settings(checkpoint_steps=None), tmp_path / "seldom.pt", again, KillAt(1))  # nothing is left to do
    assert bits(again) == bits(seldom)


def test_checkpoints_by_time(tmp_path: Path) -> None:
    config = settings(checkpoint_steps=None, checkpoint_seconds=1e-6)
    with pytest.raises(Killed):
        run(config, tmp_path / "c.pt", progress=KillAt(4))
    found = load_checkpoint(tmp_path / "c.pt", {"settings": config.numerical()})
    assert found is not None
    assert found.step == 4


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="loss is nan at step 7"):
        run(settings(), tmp_path / "c.pt", Regression(poison_at=7))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(settings(), tmp_path / "c.pt", progress=KillAt(12))
    with pytest.raises(RunError, match="another 'settings'"):
        run(settings(ema=0.5), tmp_path / "c.pt")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(b"half a file")
    with pytest.raises(RunError, match="not a readable checkpoint"):
        run(settings(), tmp_path / "c.pt")


def test_the_callers_random_stream_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    run(settings(), tmp_path / "c.pt")
    assert torch.equal(before, torch.random.get_rng_state())
