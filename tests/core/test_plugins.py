"""What an installed package adds is named by a short name, and becomes what it stands for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from paraformer.core.own_code import source_of
from paraformer.core.plugins import BUILT_IN, resolved
from paraformer.learners.config import LearnerConfig, OwnConfig, OwnHistoryConfig
from paraformer.process.config import ProcessConfig
from paraformer.search.config import BuiltInSearchConfig, OwnSearchConfig, SCEUAConfig, SearchConfig

ENTRIES = """
[paraformer.learners]
gru = plugged.networks:gru
ffn_a = plugged.networks:impostor

[paraformer.searches]
dream = plugged.searches:dream

[paraformer.process_models]
hbv = plugged.models:build
vic = plugged.models:impostor
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose metadata is found as that of any installed one."""
    folder = tmp_path / "plugged-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def test_a_plug_in_is_what_it_stands_for() -> None:
    assert resolved("learners", "gru") == "plugged.networks:gru"
    assert resolved("searches", "gru") == "gru"
    learner = LearnerConfig.model_validate({"network": {"name": "gru", "settings": {"hidden": 3}}})
    assert isinstance(learner.network, OwnConfig)
    assert learner.network.name == "plugged.networks:gru"
    history = LearnerConfig.model_validate({"network": {"name": "gru", "history_days": 30}})
    assert isinstance(history.network, OwnHistoryConfig)
    assert ProcessConfig(model="hbv").model == "plugged.models:build"
    search = TypeAdapter(SearchConfig).validate_python({"name": "dream", "budget": 9})
    assert isinstance(search, OwnSearchConfig)
    assert (search.name, search.budget) == ("plugged.searches:dream", 9)


def test_built_in_names_stay_what_they_are() -> None:
    assert ProcessConfig(model="vic").model == "vic"
    assert LearnerConfig.model_validate({"network": {"name": "ffn_a"}}).network.name == "ffn_a"
    assert isinstance(TypeAdapter(SearchConfig).validate_python({"name": "sceua"}), SCEUAConfig)
    assert {each.model_fields["name"].default for each in get_args(BuiltInSearchConfig)} == set(BUILT_IN["searches"])


def test_a_name_that_nobody_has_is_refused() -> None:
    for model, given in ((LearnerConfig, {"network": {"name": "gruu"}}), (ProcessConfig, {"model": "hbw"})):
        with pytest.raises(ValidationError):
            model.model_validate(given)
    with pytest.raises(ValidationError, match="sceua"):
        TypeAdapter(SearchConfig).validate_python({"name": "dreams"})


def test_the_source_of_what_a_setting_names(tmp_path: Path) -> None:
    """The file of a module, the folder of a package: what a stage's key hashes."""
    (tmp_path / "one_module.py").write_text("def build(): ...\n")
    (tmp_path / "a_package").mkdir()
    for name in ("__init__.py", "part.py"):
        (tmp_path / "a_package" / name).write_text("def build(): ...\n")
    assert source_of("one_module:build", tmp_path, "network.name") == tmp_path / "one_module.py"
    assert source_of("a_package:build", tmp_path, "network.name") == tmp_path / "a_package"
    assert source_of("a_package.part:build", tmp_path, "network.name") == tmp_path / "a_package" / "part.py"
