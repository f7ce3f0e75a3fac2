"""Training that goes on from a trained map: its weights, its eyes, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learners.toy import NAMES, SPACE, Waves, small, true_u, twin
from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> LearnedMap:
    """A map of the 18 trained cells."""
    folder = tmp_path_factory.mktemp("world")
    return Learner(small("ffn_a", 300)).learn(Waves(), twin(), seed=0, directory=folder, progress=Progress())


def error(found: LearnedMap, cells: np.ndarray) -> float:
    data = twin()
    theta = found.predict(data.attributes, data.prior, NAMES)
    return float(np.abs(SPACE.to_unit(theta) - true_u(data.attributes))[cells].mean())


def few(cells: int) -> CalibrationData:
    """The twin of which so many cells are trained on."""
    data, trained = twin(), np.arange(24) < cells
    seen = trained[:, None]
    return replace(data, trained=trained, observed=data.history * seen, mask=data.history_mask & seen)


def test_without_a_step_it_is_the_map_it_began_with(world: LearnedMap, tmp_path: Path) -> None:
    config = small("ffn_a", 300).model_copy(update={"training": small("ffn_a", 1).training})
    rate = config.training.optimiser.model_copy(update={"rate": 1e-12})
    config = config.model_copy(update={"training": config.training.model_copy(update={"optimiser": rate})})
    data = few(4)
    found = Learner(config, start=[world]).learn(Waves(), data, seed=5, directory=tmp_path, progress=Progress())
    np.testing.assert_allclose(
        found.predict(data.attributes, data.prior, NAMES), world.predict(data.attributes, data.prior, NAMES), rtol=1e-6
    )
    assert found.scaling.describe() == world.scaling.describe()


def test_on_few_cells_it_is_nearer_to_the_truth_than_training_anew(world: LearnedMap, tmp_path: Path) -> None:
    """Of three cells a network learns little; one that has seen 18 others keeps what it knows, most in few steps.

    Half of the error and less in 15 steps; in 60 steps it forgets, and is nearer still.
    """
    data, unseen = few(3), np.arange(18, 24)

    def errors(steps: int, seed: int) -> tuple[float, float]:
        folder, config = tmp_path / f"{steps}-{seed}", small("ffn_a", steps)
        learners = {"anew": Learner(config), "tuned": Learner(config, start=[world])}
        found = {
            name: learner.learn(Waves(), data, seed=seed, directory=folder / name, progress=Progress())
            for name, learner in learners.items()
        }
        return error(found["tuned"], unseen), error(found["anew"], unseen)

    short, long = (np.array([errors(steps, seed) for seed in (0, 1)]) for steps in (15, 60))
    assert (short[:, 0] < 0.5 * short[:, 1]).all()
    assert (long[:, 0] < long[:, 1]).all()


def test_what_it_began_with_is_part_of_its_identity(world: LearnedMap, tmp_path: Path) -> None:
    learner = Learner(small("ffn_a", 5), start=[world])
    found = learner.learn(Waves(), few(4), seed=0, directory=tmp_path, progress=Progress())
    other = Learner(small("ffn_a", 5), start=[found])._identity(learner._phases(Waves()), few(4), 0)
    assert found.identity["start"] != other["start"]
    assert "start" not in world.identity


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"network": {"name": "ffn_a", "hidden": 16}}, "another network; write {name: ffn_a, hidden: 32"),
        ({"head": "linear"}, "another head; write {head: bounded}"),
        ({"attribute_dropout": 0.5}, "attribute_dropout 0, the learner 0.5; both are 0, or neither is"),
    ],
)
def test_another_network_is_refused(world: LearnedMap, tmp_path: Path, changes: dict, problem: str) -> None:
    config = LearnerConfig.model_validate({**small("ffn_a", 5).model_dump(), **changes})
    with pytest.raises(SettingsError, match=problem):
        Learner(config, start=[world]).learn(Waves(), few(4), seed=0, directory=tmp_path, progress=Progress())


def test_other_parameters_and_attributes_are_refused(world: LearnedMap, tmp_path: Path) -> None:
    learner = Learner(small("ffn_a", 5), start=[world])
    model = Waves()
    model.parameters = ParameterSpace((Parameter(name="gain", lower=1, upper=50), SPACE.parameters[1]))
    with pytest.raises(SettingsError, match="the map finds ParameterSpace"):
        learner.learn(model, few(4), seed=0, directory=tmp_path, progress=Progress())
    data = replace(few(4), attribute_names=("clay", "slope", "sand"))
    with pytest.raises(SettingsError, match="reads other attributes"):
        learner.learn(Waves(), data, seed=0, directory=tmp_path, progress=Progress())
