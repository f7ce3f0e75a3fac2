"""Twin experiments with a known optimum, exact resume, blindness to what must not be seen, files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learners.toy import CELLS, FIRST, NAMES, SPACE, Waves, small, true_u, twin
from paraformer.core.contracts import CalibrationData, Calibrator
from paraformer.core.errors import DataError, ModelError, RunError
from paraformer.core.log import Advance, Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.config import LearnerConfig, LossConfig
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen
from paraformer.learners.task import LearnTask, hidden_together
from paraformer.numerics.observe import OPERATORS
from training.killing import KillAt, Killed


def calibrate(config: LearnerConfig, directory: Path, data: CalibrationData | None = None, seed: int = 0) -> np.ndarray:
    found = Learner(config).calibrate(Waves(), data or twin(), seed=seed, directory=directory, progress=Progress())
    assert found.runs == 0, "no run of a process model"
    return found.theta


@pytest.mark.parametrize(("head", "start"), [("bounded", "prior"), ("linear", "prior"), ("linear", "middle")])
@pytest.mark.parametrize("network", ["ffn_a", "paraformer_a"])
def test_a_learner_recovers_the_hidden_parameters(tmp_path: Path, network: str, head: str, start: str) -> None:
    """On the trained cells the known optimum, on the others most of it."""
    data = twin()
    u = SPACE.to_unit(calibrate(small(network, 120, head=head, start=start), tmp_path))
    error = np.abs(u - true_u(data.attributes))
    start = np.abs(SPACE.to_unit(data.prior) - true_u(data.attributes))
    assert error[data.trained].mean() < 0.06
    assert error[~data.trained].mean() < 0.6 * start[~data.trained].mean()


def test_a_map_that_starts_in_the_middle_is_read_back_as_such(tmp_path: Path) -> None:
    data = twin()
    calibrate(small("paraformer_a", start="middle"), tmp_path / "a")
    learned = LearnedMap.load(tmp_path / "a")
    other = SPACE.from_unit(np.full((CELLS, 2), 0.9))
    found = [learned.predict(data.attributes, prior, NAMES) for prior in (data.prior, other)]
    assert np.array_equal(*found)
    with pytest.raises(RunError, match="another 'settings'"):
        calibrate(small("paraformer_a"), tmp_path / "a")


def test_the_prior_pulls(tmp_path: Path) -> None:
    """With a strong pull θ stays near the a-priori θ, without one it leaves for the optimum."""
    data = twin()

    def distance(weight: float) -> float:
        config = small(steps=60, loss=LossConfig(prior_weight=weight))
        theta = calibrate(config, tmp_path / str(weight), data)
        return float(np.abs(SPACE.to_unit(theta) - SPACE.to_unit(data.prior)).mean())

    assert distance(10.0) < 0.3 * distance(0.0)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("line", ["window", "prior"])
def test_every_operator_trains(tmp_path: Path, operator: str, line: str) -> None:
    config = small(steps=3, loss=LossConfig.model_validate({"operator": operator, "line": line, "fit": "rmse"}))
    SPACE.require_inside(calibrate(config, tmp_path))


def test_it_fulfils_the_contract() -> None:
    assert isinstance(Learner(small()), Calibrator)
    assert Learner(small("paraformer_a")).name == "paraformer_a"


@pytest.mark.parametrize("killed_at", [2, 8])
def test_a_killed_training_ends_with_the_same_files(tmp_path: Path, killed_at: int) -> None:
    config = small("paraformer_a")
    expected = calibrate(config, tmp_path / "whole")
    with pytest.raises(Killed):
        Learner(config).calibrate(Waves(), twin(), seed=0, directory=tmp_path / "killed", progress=KillAt(killed_at))
    assert np.array_equal(calibrate(config, tmp_path / "killed"), expected)
    for name in ("model.json", "member-0.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["member-0.safetensors", "model.json"]


class Counted(Progress):
    """Notes how many steps a training says it has, and how many it does."""

    def __init__(self) -> None:
        self.total = self.done = 0

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        self.total = total

        def advance(steps: int = 1, note: str = "") -> None:
            self.done += steps

        yield advance


@pytest.mark.parametrize(
    ("changes", "epoch"),
    [
        ({"window": 40}, 3),  # 18 cells x 60 days over 12 x 40, rounded up
        ({"window": 40, "windows_per_batch": 2}, 2),
        ({"window": None}, 2),
        ({"window": 20, "cells_per_batch": 100, "periods": "own"}, 3),  # no more than the 18 that there are
    ],
)
def test_an_epoch_draws_as_many_cell_days_as_there_are(
    tmp_path: Path, changes: dict, epoch: int, caplog: pytest.LogCaptureFixture
) -> None:
    training = {"epochs": 2, "checkpoint_steps": 3, "checkpoint_seconds": None, "optimiser": {"rate": 1e-2}}
    config, steps = (
        small(training=training, **changes),
        small(training={**training, "steps": 2 * epoch, "epochs": None}, **changes),
    )
    progress = Counted()
    with caplog.at_level("INFO", logger="paraformer"):
        Learner(config).calibrate(Waves(), twin(), seed=0, directory=tmp_path / "epochs", progress=progress)
    assert (progress.total, progress.done) == (2 * epoch, 2 * epoch)
    assert f"ffn_a: an epoch is {epoch} steps, 2 of them {2 * epoch}" in caplog.text
    assert config.training.steps is None
    calibrate(steps, tmp_path / "steps")
    weights = [(tmp_path / name / "member-0.safetensors").read_bytes() for name in ("epochs", "steps")]
    assert weights[0] == weights[1]
    assert LearnedMap.load(tmp_path / "epochs").config == config


def test_a_killed_training_of_epochs_goes_on_in_their_middle(tmp_path: Path) -> None:
    training = {"epochs": 3, "checkpoint_steps": 1, "checkpoint_seconds": None, "schedule": {"warm_up": 2}}
    config = small("paraformer_a", training=training)
    whole = calibrate(config, tmp_path / "whole")
    for step in (1, 4, 8):
        with pytest.raises(Killed):
            Learner(config).calibrate(Waves(), twin(), seed=0, directory=tmp_path / str(step), progress=KillAt(step))
        progress = Counted()
        again = Learner(config).calibrate(Waves(), twin(), seed=0, directory=tmp_path / str(step), progress=progress)
        assert (progress.total, progress.done) == (9, 9 - step)
        assert np.array_equal(whole, again.theta)
    more = small("paraformer_a", training={**training, "epochs": 4})
    with pytest.raises(RunError, match="another 'settings'"):
        calibrate(more, tmp_path / "1")


def test_members_are_averaged_and_survive_a_kill(tmp_path: Path) -> None:
    config = small("paraformer_a").model_copy(update={"members": 3})
    theta = calibrate(config, tmp_path / "whole")
    learned = LearnedMap.load(tmp_path / "whole")
    data = twin()
    alone = [
        replace(learned, members=(m,)).predict(data.attributes, data.prior, data.attribute_names)
        for m in learned.members
    ]
    assert not np.array_equal(alone[0], alone[1])
    mean = np.mean([learned.parameters.to_unit(t) for t in alone], axis=0)
    np.testing.assert_allclose(learned.parameters.to_unit(theta), mean, atol=1e-12)
    steps = config.training.steps
    with pytest.raises(Killed):
        Learner(config).calibrate(Waves(), data, seed=0, directory=tmp_path / "b", progress=KillAt(steps + 2))
    assert np.array_equal(calibrate(config, tmp_path / "b"), theta)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        *(f"member-{i}.safetensors" for i in range(3)),
        "model.json",
    ]


def test_a_finished_training_is_read_back_and_another_one_refused(tmp_path: Path) -> None:
    first = calibrate(small(), tmp_path)
    (tmp_path / "checkpoint-0.pt").write_bytes(b"left by a kill between storing and removing")
    again = Learner(small()).calibrate(Waves(), twin(), seed=0, directory=tmp_path, progress=KillAt(1))
    assert np.array_equal(first, again.theta)
    assert not (tmp_path / "checkpoint-0.pt").exists()
    with pytest.raises(RunError, match="another 'seed'"):
        calibrate(small(), tmp_path, seed=1)
    with pytest.raises(RunError, match="another 'data'"):
        calibrate(small(), tmp_path, twin(noise=0.01))


def test_unseen_cells_change_no_bit_of_the_map(tmp_path: Path) -> None:
    """Observations and attributes of cells that are not trained, and values where nothing is observed, are garbage."""
    data = twin()
    unseen = ~data.trained
    poisoned = replace(
        data,
        attributes=np.where(unseen[:, None], 1e9, data.attributes),
        observed=np.where(unseen[:, None] | ~data.mask, np.nan, data.observed),
        mask=data.mask | unseen[:, None],
    )
    clean = Learner(small()).learn(Waves(), data, seed=0, directory=tmp_path / "a", progress=Progress())
    other = Learner(small()).learn(Waves(), poisoned, seed=0, directory=tmp_path / "b", progress=Progress())
    for name in ("model.json", "member-0.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert np.array_equal(
        clean.predict(data.attributes, data.prior, NAMES), other.predict(data.attributes, data.prior, NAMES)
    )


def test_a_trained_cell_matters(tmp_path: Path) -> None:
    """Planted fault: the test above can fail."""
    data = twin()
    observed = data.observed.copy()
    observed[0] += 0.1
    assert not np.array_equal(
        calibrate(small(), tmp_path / "a"), calibrate(small(), tmp_path / "b", replace(data, observed=observed))
    )


def test_days_are_counted_on_the_models_own_axis(tmp_path: Path) -> None:
    """A wrong first day shifts the waves and spoils the fit."""

    def loss(first_day: int) -> float:
        data = replace(twin(), first_day=first_day)
        theta = calibrate(small(steps=150), tmp_path / str(first_day), data)
        return float(np.abs(SPACE.to_unit(theta) - true_u(data.attributes))[data.trained].mean())

    assert loss(FIRST) < 0.5 * loss(0)


def test_a_saved_map_predicts_new_cells(tmp_path: Path) -> None:
    data = twin()
    theta = calibrate(small(), tmp_path)
    loaded = LearnedMap.load(tmp_path, SPACE)
    assert np.array_equal(loaded.predict(data.attributes, data.prior, NAMES), theta)
    order = np.arange(CELLS)[::-1]
    assert np.allclose(loaded.predict(data.attributes[order], data.prior[order], NAMES), theta[order], rtol=1e-5)
    with pytest.raises(RunError, match="another 'parameter_space'"):
        LearnedMap.load(tmp_path, ParameterSpace.of("expt", "ws"))
    with pytest.raises(DataError, match="the map was trained on"):
        loaded.predict(data.attributes, data.prior, ("slope", "clay", "constant"))
    gap = data.attributes.copy()
    gap[3, 1] = np.nan
    with pytest.raises(DataError, match="attribute 'slope' of cell 3 is not finite"):
        loaded.predict(gap, data.prior, NAMES)


def test_a_missing_attribute_of_a_trained_cell_is_named(tmp_path: Path) -> None:
    data = twin()
    data.attributes[2, 0] = np.nan
    with pytest.raises(DataError, match="'clay' of cell 2 is nan"):
        calibrate(small(), tmp_path, data)


def test_models_without_gradient_and_cells_without_observation_are_refused(tmp_path: Path) -> None:
    model = Waves()
    model.differentiable = False
    with pytest.raises(ModelError, match="needs a forward model with a gradient"):
        Learner(small()).calibrate(model, twin(), seed=0, directory=tmp_path, progress=Progress())
    with pytest.raises(DataError, match="no trained cell has an observation"):
        calibrate(small(), tmp_path, replace(twin(), mask=np.zeros_like(twin().mask)))


def test_what_is_hidden_depends_on_seed_and_step_alone_and_classes_hide_together() -> None:
    names = ("sand", "landcover_igbp_4", "elevation", "landcover_igbp_10")
    assert hidden_together(names).tolist() == [0, 1, 2, 1]
    config = small("paraformer_a", attribute_dropout=0.7)
    data = twin()
    network = ParameterMap(config, len(NAMES), len(SPACE))
    task = LearnTask(network, config, Waves(), Seen.of(config, data, SPACE), 0)
    first, again, other = (task.draw(step).hidden for step in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    share = np.mean([task.draw(step).hidden for step in range(400)])
    assert 0.3 < share < 0.4  # half of the attributes of 0.7 of the samples
    plain = small("paraformer_a")
    assert not LearnTask(network, plain, Waves(), Seen.of(plain, data, SPACE), 0).draw(3).hidden.any()


@pytest.mark.parametrize("network", ["ffn_a", "paraformer_a"])
def test_a_map_trained_with_dropout_does_without_attributes(tmp_path: Path, network: str) -> None:
    """θ gets worse with every attribute that is gone, and stays inside its bounds with none; others refuse a NaN."""
    data = twin()
    calibrate(small(network, 200, attribute_dropout=0.6), tmp_path, data)
    learned = LearnedMap.load(tmp_path)

    def error(gone: list[int]) -> float:
        attributes = data.attributes.copy()
        attributes[:, gone] = np.nan
        theta = learned.predict(attributes, data.prior, NAMES)
        SPACE.require_inside(theta)
        return float(np.abs(SPACE.to_unit(theta) - true_u(data.attributes)).mean())

    everything = list(range(len(NAMES)))
    assert error([]) < 0.7 * error(everything)
    calibrate(small(network, 5), tmp_path / "all", data)
    with pytest.raises(DataError, match=f"attribute '{NAMES[0]}' of cell 0 is not finite"):
        LearnedMap.load(tmp_path / "all").predict(np.full_like(data.attributes, np.nan), data.prior, NAMES)
