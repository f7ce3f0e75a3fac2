"""A network of the user's own: trained and read back as any other, held to its contract, its code part of the key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from learners.toy import NAMES, SPACE, Waves, small, twin
from paraformer.config import load_study
from paraformer.core.errors import ModelError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.run import Run
from paraformer.learners.config import LearnerConfig, OwnConfig, OwnHistoryConfig, reads_history
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.pipeline.check import check_study
from paraformer.pipeline.stages import Chain
from worlds import write_study

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, attributes, features, width=6):
        super().__init__()
        self.width = width
        self.layer = nn.Linear(attributes + features, width)

    def forward(self, attributes, history=None):
        if history is not None:
            attributes = torch.cat([attributes, history.mean(1)], 1)
        return torch.relu(self.layer(attributes))

def net(attributes, features, **settings):
    return Net(attributes, features, **settings)

def narrow(attributes, features):
    made = Net(attributes, features)
    made.width = 5
    return made

def nothing(attributes, features):
    return None

def broken(attributes, features):
    raise ValueError("no such layer")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own_net.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("own_net", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


def own(folder: Path, factory: str = "net", **more: object) -> LearnerConfig:
    network = {"name": f"own_net:{factory}", "module_folder": folder, **more}
    return LearnerConfig.model_validate({**small("ffn_a", 60).model_dump(), "network": network})


def test_it_learns_and_is_read_back(folder: Path) -> None:
    data = twin()
    config = own(folder, settings={"width": 9})
    assert isinstance(config.network, OwnConfig)
    found = Learner(config).calibrate(Waves(), data, seed=0, directory=folder / "a", progress=Progress())
    again = LearnedMap.load(folder / "a", SPACE).predict(data.attributes, data.prior, NAMES)
    np.testing.assert_array_equal(found.theta, again)
    assert np.abs(found.theta - data.prior).max() > 0.01


def test_history_days_make_it_read_the_history(folder: Path) -> None:
    config = own(folder, history_days=30)
    assert isinstance(config.network, OwnHistoryConfig)
    assert reads_history(config.network)
    assert ParameterMap(config, 3, 2).days == 30


@pytest.mark.parametrize(
    ("factory", "problem"),
    [
        ("narrow", r"gave \(3, 6\), expected \[cell, width\] = \(3, 5\)"),
        ("nothing", "returned NoneType, expected a torch.nn.Module"),
        ("broken", "failed .ValueError: no such layer"),
        ("nett", "has no function 'nett'; did you mean 'net'"),
    ],
)
def test_what_does_not_fit_is_one_line_at_check(folder: Path, factory: str, problem: str) -> None:
    with pytest.raises((ModelError, SettingsError), match=problem):
        ParameterMap(own(folder, factory), 4, 2)
    learner = own(folder, factory).model_dump(mode="json", include={"network"})
    study = load_study(write_study(folder, learners={"mine": learner}, gap_filling=None))
    with pytest.raises(SettingsError, match=problem):
        check_study(study)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="ffn_a"):
        LearnerConfig.model_validate({"network": {"name": "paraformer_b"}})


def test_a_change_of_the_code_trains_anew(folder: Path) -> None:
    learner = own(folder).model_dump(mode="json", include={"network"})
    study = load_study(write_study(folder, learners={"mine": learner}, searches=None, gap_filling=None))

    def depends() -> object:
        with Run(folder / "run") as run:
            return Chain(study, run, Progress())._learning(study.learners["mine"])[0]

    before = depends()
    assert before == depends()
    (folder / "own_net.py").write_text(CODE.replace("relu", "tanh"))
    assert before != depends()
