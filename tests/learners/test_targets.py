"""Targets beside soil moisture: which parameter each pins down, what no loss may see, which settings apply."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners.ledger import CELLS, DAYS, Ledger, true_u, twin
from paraformer.core.contracts import CalibrationData, Reference
from paraformer.core.errors import DataError, RunError
from paraformer.core.log import Progress
from paraformer.core.targets_config import TargetsConfig
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner
from paraformer.learners.targets import OtherTargets

ET = {"evapotranspiration": {"reference": ["et"], "weight": 1.0}}
RATIO = {"runoff_ratio": {"reference": ["ratio"], "weight": 1.0}}
INDEX = {"baseflow_index": {"reference": ["index"], "weight": 1.0}}


def settings(targets: object, steps: int = 150, **changes: object) -> LearnerConfig:
    training = {"steps": steps, "optimiser": {"rate": 1e-2}, "schedule": {"warm_up": 5}, "checkpoint_seconds": None}
    network = {"name": "ffn_a", "hidden": 32, "dropout": 0.0}
    base = {"network": network, "cells_per_batch": 12, "training": training, "loss": {"prior_weight": 1e-4}}
    return LearnerConfig.model_validate({**base, "targets": targets, **changes})


def learn(config: LearnerConfig, path: Path, data: CalibrationData | None = None) -> np.ndarray:
    return Learner(config).calibrate(Ledger(), data or twin(), seed=0, directory=path, progress=Progress()).theta


@pytest.mark.parametrize(
    ("targets", "pinned"),
    [
        (None, (True, False, False)),
        (ET, (True, True, False)),
        ({**ET, "soil_moisture": 0}, (False, True, False)),
        ({**RATIO}, (True, True, False)),
        ({**ET, **INDEX}, (True, True, True)),
    ],
    ids=[
        "soil moisture",
        "and evapotranspiration",
        "evapotranspiration alone",
        "and runoff ratio",
        "and runoff's parts",
    ],
)
def test_each_target_pins_down_the_parameters_that_it_sees(
    tmp_path: Path, targets: object, pinned: tuple[bool, ...]
) -> None:
    """Equifinality: what no target sees stays where the prior is, within the wandering of the weights."""
    data = twin()
    error = np.abs(learn(settings(targets), tmp_path) - true_u(data.attributes))[data.trained].mean(axis=0)
    before = np.abs(0.5 - true_u(data.attributes))[data.trained].mean(axis=0)
    assert tuple((error < 0.25 * before).tolist()) == pinned


def test_only_what_the_targets_need_is_asked_of_the_model(tmp_path: Path) -> None:
    for name, targets, outputs in (
        ("none", None, ()),
        ("et", ET, ("evapotranspiration",)),
        ("index", INDEX, ("runoff", "baseflow")),
    ):
        model = Ledger()
        Learner(settings(targets, 2)).calibrate(model, twin(), seed=0, directory=tmp_path / name, progress=Progress())
        assert model.asked == {("soil_moisture", *outputs)}


def test_the_reference_of_an_unseen_cell_changes_no_bit(tmp_path: Path) -> None:
    """Garbage marked as known in unseen cells; planted fault: the same in a trained cell does change θ."""
    data, config = twin(), settings({**ET, **INDEX}, 5)
    expected = learn(config, tmp_path / "clean", data)

    def poisoned(cells: np.ndarray) -> CalibrationData:
        changed = {}
        for name, (values, known) in data.references.items():
            changed[name] = Reference(np.where(cells[:, None], 1e3 + values, values), known | cells[:, None])
        return replace(data, references=changed)

    assert np.array_equal(learn(config, tmp_path / "unseen", poisoned(~data.trained)), expected)
    one = np.arange(CELLS) == 1
    assert not np.array_equal(learn(config, tmp_path / "trained", poisoned(one)), expected)
    with pytest.raises(RunError, match="another 'data'"):
        learn(config, tmp_path / "clean", poisoned(one))


def test_the_loss_is_the_weighted_relative_error_in_the_spread_of_soil_moisture() -> None:
    """Evapotranspiration too high by one standard deviation of the reference, weight 0.5."""
    data = twin()
    target = {"evapotranspiration": {"reference": ["et"], "weight": 0.5}}
    others = OtherTargets(TargetsConfig.model_validate(target), data)
    annual = data.references["et"].values.sum(1)
    spread = annual[data.trained].std()
    daily = torch.as_tensor(np.repeat(((annual + spread) / 365.25)[:, None], DAYS, axis=1))
    at = torch.as_tensor(np.flatnonzero(data.trained))
    found = float(others.loss({"evapotranspiration": daily[at]}, at))
    assert found == pytest.approx(0.5 * data.observed[data.mask].std(), rel=1e-5)
    removed = TargetsConfig.model_validate({"evapotranspiration": {**target["evapotranspiration"], "bias": "remove"}})
    assert float(OtherTargets(removed, data).loss({"evapotranspiration": daily[at]}, at)) < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"references": {}}, "reference 'et' is not among the data"),
        ({"references": {"et": Reference(np.ones((CELLS, 1)), np.ones((CELLS, 1), bool))}}, r"has shape \(24, 1\)"),
        ({"references": {"et": Reference(np.ones((CELLS, 12)), np.ones((CELLS, 12), bool))}}, "does not vary"),
    ],
)
def test_a_reference_that_cannot_be_compared_with_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        OtherTargets(TargetsConfig.model_validate(ET), replace(twin(), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("targets", "changes", "message"),
    [
        ({"soil_moisture": 0}, {}, "names none beside soil moisture"),
        ({"evapotranspiration": {"reference": []}}, {}, "at least 1 item"),
        ({"runoff_ratio": {"reference": ["ratio"], "period": "year"}}, {}, "Extra inputs"),
        (ET, {"window": 40}, r"leave 'window' \(40 days\) out"),
    ],
)
def test_settings_that_do_not_apply_are_refused(targets: object, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(targets, **changes)
