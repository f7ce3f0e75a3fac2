"""Aliases of a study file are copies: an override changes the place it names, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paraformer.config import load_study

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
    return {place for place in before.keys() | after.keys() if before.get(place, ...) != after.get(place, ...)}


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")


def test_the_studies_have_aliases() -> None:
    wanted = {"paper_s4", "paper_s8", "ablation", "simulators", "conus_targets", "twin_targets"}
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
