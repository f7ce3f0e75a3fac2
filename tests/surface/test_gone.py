"""Settings that are gone: each is refused by a line that says what replaces it, and none is left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from paraformer.config import load_study
from paraformer.core.errors import SettingsError
from paraformer.core.gone import GONE
from worlds import write_study

HERE = Path(__file__).parent
SETTINGS = {line.split(" = ")[0] for line in (HERE / "settings.txt").read_text().splitlines()}
PLACES = {"*.validate_every": "rounds.training.validate_every", "*.training.patience": "surrogate.training.patience"}
PLACES["*.schedule.final"] = "surrogate.training.schedule.final"
PLACES["*.refinement.patience"] = "learners.FFN_A.refinement.patience"
"""An example where a pattern begins with a star; elsewhere it stands for the name of a learner or search."""


def study_with(folder: Path, place: str, value: Any) -> Path:
    path = write_study(folder, searches={"FFN_A": {"name": "random"}} if place.startswith("searches") else {})
    content = yaml.safe_load(path.read_text())
    *parents, last = place.split(".")
    node = content
    if place.startswith("searches"):
        content["learners"] = {}
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("pattern", GONE)
def test_what_replaces_a_setting_is_said(tmp_path: Path, pattern: str) -> None:
    place, _, value = PLACES.get(pattern, pattern).replace("*", "FFN_A").partition(": ")
    with pytest.raises(SettingsError) as found:
        load_study(study_with(tmp_path, place, value or 3))
    assert f"'{place}{': ' if value else ''}{value}' is gone: {GONE[pattern]}" in str(found.value)
    assert not value or value not in (HERE / "settings.txt").read_text()
    assert value or not SETTINGS & {re.sub(r"FFN_A", "<name>", place)}


@pytest.mark.parametrize("pattern", GONE)
def test_what_replaces_it_is_there(pattern: str) -> None:
    """A setting named in quotes is one of today's."""
    for name in re.findall(r"'([a-z_.]+)'", GONE[pattern]):
        assert any(name in line for line in (HERE / "settings.txt").read_text().splitlines()), name


def test_other_mistakes_are_what_they_were(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown key 'surrogate.mixture'; did you mean 'outputs'|unknown key"):
        load_study(study_with(tmp_path, "surrogate.mixture", 3))
    with pytest.raises(SettingsError, match="'paraformer_x'"):
        load_study(study_with(tmp_path, "learners.FFN_A.network.name", "paraformer_x"))
