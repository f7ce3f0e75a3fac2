"""Two processes train as one does; resume, errors and progress reach through; lower precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from learners.dying import Dying, settings, task
from paraformer.core.errors import ModelError
from paraformer.core.log import Advance, Progress
from paraformer.learners.config import LearnerConfig
from paraformer.training.loop import train
from paraformer.training.ranks import gathered, share


class Curve(Progress):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        def advance(steps: int = 1, note: str = "") -> None:
            self.losses.append(float(note.removeprefix("loss ")))

        yield advance


def run(config: LearnerConfig, path: Path, dies_at: int = -1) -> tuple[Dying, list[float]]:
    made, curve = task(config, dies_at), Curve()
    train(
        made,
        config.training.in_steps(1),
        seed=3,
        identity={"settings": config.model_dump(mode="json")},
        path=path,
        progress=curve,
    )
    return made, curve.losses


def bits(made: Dying) -> list[bytes]:
    return [t.numpy().tobytes() for t in made.network.state_dict().values()]


def test_two_processes_train_as_one_and_resume_to_the_same_bits(tmp_path: Path) -> None:
    """The loss has a root over the whole batch and one line fitted to it, and 21 samples do not halve.

    In float64, because the first steps of Adam take the sign of a gradient, be it no more than rounding.
    """
    exact = {"precision": "64-true"}
    one, curve = run(settings(1, **exact), tmp_path / "one.pt")
    two, losses = run(settings(2, **exact), tmp_path / "two.pt")
    assert losses == pytest.approx(curve, rel=1e-9)  # the notes they are read from have four digits
    assert len(losses) == 6
    assert curve[0] != curve[-1]
    start = task(settings()).network.state_dict()
    for (name, a), b in zip(one.network.state_dict().items(), two.network.state_dict().values(), strict=True):
        moved = float((a - start[name]).norm())
        assert float((a - b).norm()) <= 1e-6 * moved, name

    with pytest.raises(ModelError, match=r"^planted at step 4$"):
        run(settings(2, **exact), tmp_path / "killed.pt", dies_at=4)
    resumed, losses = run(settings(2, **exact), tmp_path / "killed.pt")
    assert len(losses) == 2
    assert bits(resumed) == bits(two)


def test_shares_are_equally_long_and_make_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paraformer.training.ranks.world_size", lambda: 3)
    parts = [share(7, rank).tolist() for rank in range(3)]
    assert parts == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    monkeypatch.undo()
    part = torch.randn(4, 2)
    assert gathered(part, 4) is part
    assert share(4, 0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_come_close(tmp_path: Path, precision: str) -> None:
    _, expected = run(settings(), tmp_path / "32.pt")
    made, losses = run(settings(precision=precision), tmp_path / "other.pt")
    assert np.isfinite(losses).all()
    assert losses == pytest.approx(expected, rel=0.05 if precision == "bf16-mixed" else 1e-3)
    assert all(t.isfinite().all() for t in made.network.state_dict().values())
