"""The study files on which the program went wrong: every one is refused by ``check`` in one line, but for those that
are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from paraformer.config import load_study
from paraformer.core.errors import DataError, SettingsError
from paraformer.pipeline import check_study

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases"
RIGHT = ("n_uni.yaml",)
OVERRIDES = {"set_alias.yaml": ["seed=*a"], "set_badyaml.yaml": ["learners={a: ["]}
FOLDERS = (
    "settings",
    "studies/names",
    "studies/check_passes_run_fails",
    "studies/learner_seeds_yes",
    "studies/yaml_date",
    "studies/yaml_duplicate_key",
    "studies/yaml_encoding",
    "studies/bound_zero_levenberg",
    "studies/attr_named_lat",
    "studies/attr_named_trained",
)
CASES = sorted(path.relative_to(SHARED) for folder in FOLDERS for path in (SHARED / folder).glob("*.yaml"))


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES or [Path("absent")], ids=str)
def test_a_case_is_refused_in_one_line(case: Path) -> None:
    overrides = OVERRIDES.get(case.name, [])
    if case.name in RIGHT:
        assert ": ok" in check_study(load_study(SHARED / case, overrides))
        return
    with pytest.raises((SettingsError, DataError)) as caught:
        check_study(load_study(SHARED / case, overrides))
    line = str(caught.value)
    assert "\n" not in line
    assert 10 < len(line) < 600


@pytest.mark.shared
def test_the_sound_study_is_well(shared: Path) -> None:
    assert ": ok" in check_study(load_study(shared / "cases" / "studies" / "_base" / "study.yaml"))
