"""Masked pretraining: what is hidden stays hidden, what is there is learned, kills lose nothing, off is as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners.toy import Waves, secretive_twin, small
from paraformer.core.contracts import CalibrationData
from paraformer.core.log import Progress
from paraformer.learners.config import LearnerConfig, PretrainingConfig
from paraformer.learners.inputs import HISTORY_FEATURES, Scaling
from paraformer.learners.learn import Learner
from paraformer.learners.networks import ParameterMap
from paraformer.learners.paraformer_z import ParaFormerZ
from paraformer.learners.pretraining import PretrainingTask, hide, reconstruction_error
from paraformer.learners.task import trained_inputs
from paraformer.training.loop import train
from training.killing import KillAt, Killed

FEW = {"steps": 4, "checkpoint_steps": 1, "checkpoint_seconds": None}


def task_of(settings: dict[str, object], data: CalibrationData) -> PretrainingTask:
    config = small("paraformer_z", pretraining=settings)
    history = trained_inputs(config, data, Scaling.fit(data, config)).history
    assert history is not None
    assert config.pretraining is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ParameterMap(config, 3, 2)
    assert isinstance(network.body, ParaFormerZ)
    return PretrainingTask(network.body, config.pretraining, history, network.days, data.trained, 0)


def test_what_is_hidden_reaches_no_input_and_alone_is_scored() -> None:
    random = torch.Generator().manual_seed(0)
    window = torch.randn(2, 6, len(HISTORY_FEATURES), generator=random)
    window[..., -1] = (window[..., -1] > 0).float()
    hidden = torch.zeros(2, 6, 8, dtype=torch.bool)
    hidden[:, 2:4, -1] = True
    hidden[:, 4:, :-1] = True
    other = window.clone()
    other[:, 2:4, 7:] = 9.0
    other[:, 4:, :7] = -9.0
    assert torch.equal(hide(window, hidden), hide(other, hidden))
    assert not torch.equal(hide(window, hidden), window)
    exact = window[..., :8].clone()
    assert float(reconstruction_error(exact, window, hidden)) == 0
    wrong = torch.where(hidden, exact, exact + 5)  # wrong only where nothing is hidden
    assert float(reconstruction_error(wrong, window, hidden)) == 0
    observed = window[..., -1] > 0
    off = exact.clone()
    off[..., -1] += torch.where(observed, 2.0, 100.0)  # days without an observation do not count
    assert float(reconstruction_error(off, window, hidden)) == pytest.approx(4.0)


def test_hidden_days_are_told_from_those_around_them(tmp_path: Path) -> None:
    """Soil moisture of the twin follows its wave, which is the first forcing: the
    error falls far below its variance."""
    data, _ = secretive_twin(60)
    task = task_of({"steps": 250, "optimiser": {"rate": 1e-2}, "share": 0.3, "forcing_share": 0.0}, data)
    with torch.no_grad():
        task.network.eval()
        before = float(task.loss(task.network, 999, 0))
    train(task, task.config, seed=0, identity={}, path=tmp_path / "checkpoint.pt", progress=Progress())
    with torch.no_grad():
        task.network.eval()
        after = float(task.loss(task.network, 999, 0))
    assert after < 0.3 * before


def test_only_trained_cells_are_read() -> None:
    data, _ = secretive_twin(24)
    unseen = ~data.trained
    poisoned = replace(
        data,
        forcing=np.where(unseen[:, None, None], np.nan, data.forcing),
        history=np.where(unseen[:, None], np.nan, data.history),
    )
    losses = [
        float(task_of(FEW, each).loss(task_of(FEW, each).network.eval(), 3, 0).detach()) for each in (data, poisoned)
    ]
    assert losses[0] == losses[1]


def test_a_pretraining_killed_at_any_step_ends_with_the_same_bits(tmp_path: Path) -> None:
    data, _ = secretive_twin(24)
    config = small("paraformer_z", 2, pretraining=FEW, members=2)

    def learn(place: Path, progress: Progress) -> np.ndarray:
        return Learner(config).calibrate(Waves(24), data, seed=0, directory=place, progress=progress)

    whole = learn(tmp_path / "whole", Progress())
    plain = Learner(small("paraformer_z", 2, members=2)).calibrate(
        Waves(24), data, seed=0, directory=tmp_path / "plain", progress=Progress()
    )
    assert not np.array_equal(whole, plain)
    for step in (1, 3, 4, 5, 8):
        place = tmp_path / str(step)
        with pytest.raises(Killed):
            learn(place, KillAt(step))
        assert np.array_equal(learn(place, Progress()), whole)
        assert not list(place.glob("*.pt"))


def test_without_pretraining_settings_are_those_of_before() -> None:
    dumped = small("paraformer_z").model_dump(mode="json")
    assert "pretraining" not in dumped
    again = small("paraformer_z", pretraining={}).model_dump(mode="json")
    assert LearnerConfig.model_validate(again).pretraining == PretrainingConfig()


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [("lstm_z", {}, "which 'lstm_z' has not"), ("paraformer_z", {"validate_every": 2}, "no validation")],
)
def test_settings_that_do_not_apply_are_refused(network: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(network, pretraining=settings)
