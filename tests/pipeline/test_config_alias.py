"""Aliases of a study file are copies: an override changes the place it names, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paraformer.config import load_study
from paraformer.core.errors import SettingsError

STUDIES = Path(__file__).resolve().parents[2] / "studies"
ALIASED = sorted(path for path in STUDIES.glob("*.yaml") if any(f": {sign}" in path.read_text() for sign in "*&"))


def flat(value: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every value of nested settings by its place."""
    if not isinstance(value, dict) or not value:
        return {place: value}
    return {k: v for name, entry in value.items() for k, v in flat(entry, (*place, name)).items()}


def changed(path: Path, override: str) -> set[tuple[Any, ...]]:
    """Places of a study that an override changes."""
    before, after = (flat(load_study(path, given).model_dump(mode="json")) for given in ([], [override]))
    places = {place for place in before.keys() | after.keys() if before.get(place, ...) != after.get(place, ...)}
    return {place for place in places if place[-1] != "epochs"}  # whose place steps take


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")


def test_the_studies_have_aliases() -> None:
    wanted = {"paper_s4", "paper_s8", "ablation", "simulators", "conus_targets", "twin_targets", "river_gauges"}
    assert {path.stem for path in ALIASED} >= wanted


@pytest.mark.parametrize("path", ALIASED, ids=lambda path: path.stem)
def test_an_override_of_one_learner_leaves_all_others(path: Path) -> None:
    for name in load_study(path).learners:
        steps, operator = ("learners", name, "training", "steps"), ("learners", name, "loss", "operator")
        assert changed(path, f"learners.{name}.training.steps=20") == {steps}
        assert changed(path, f"learners.{name}.loss.operator=cell_lstsq") == {operator}


def test_the_paper_s_learners_train_as_long_as_they_are_told() -> None:
    """With shared nodes, 20, 6, 10 and 3 steps became 6, 6, 3 and 3."""
    steps = {"FFN_A": 20, "LSTM_Z": 6, "ParaFormer_A": 10, "ParaFormer_Z": 3}
    given = [f"learners.{name}.training.steps={count}" for name, count in steps.items()]
    study = load_study(STUDIES / "paper_s8.yaml", given)
    assert {name: learner.training.steps for name, learner in study.learners.items()} == steps
    assert {learner.training.optimiser.name for learner in study.learners.values()} == {"adadelta"}


SHARING = """
name: sharing
data: {source: synthetic, observation: sm_obs, train: {start: 2015-04-01, end: 2016-03-31},
       test: {start: 2016-04-01, end: 2017-03-31}}
learners:
  A: &a
    network: &network {name: ffn_a, hidden: 8}
    loss: &loss {prior_weight: 0.02}
    training: &training {steps: 5, optimiser: &adam {name: adamw, rate: 0.01}}
  merged: {<<: *a, start: middle}
  twice: {<<: [{head: linear}, *a], loss: {<<: *loss, operator: cell_moments}}
  nested: {network: *network, loss: *loss, training: {<<: *training, steps: 6}, refinement: null}
  deep: {network: {<<: *network}, training: {steps: 7, optimiser: *adam}}
"""
"""Aliases, merges, lists of merges, an alias inside what another alias stands for."""


@pytest.mark.parametrize("name", ["A", "merged", "twice", "nested", "deep"])
@pytest.mark.parametrize(
    ("key", "value"), [("training.optimiser.rate", 0.5), ("network.hidden", 9), ("loss.prior_weight", 0.7)]
)
def test_what_is_merged_or_aliased_twice_is_copied_too(tmp_path: Path, name: str, key: str, value: float) -> None:
    path = tmp_path / "sharing.yaml"
    path.write_text(SHARING)
    assert changed(path, f"learners.{name}.{key}={value}") == {("learners", name, *key.split("."))}


def test_an_override_into_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(SHARING + "report: {formats: [png]}\n")
    with pytest.raises(SettingsError, match="'formats' is not a group of settings"):
        load_study(path, ["report.formats.0=pdf"])
