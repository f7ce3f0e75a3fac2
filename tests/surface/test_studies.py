"""A study that reads data which a reader may not have says so in its first line, and what runs without them.

The schema of study files that editors use takes every study, and sees mistakes.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import paraformer
from paraformer.config import Study, load_study, study_schema

STUDIES = Path(__file__).resolve().parents[2] / "studies"
EXAMPLES = STUDIES.parent / "examples"
FIRST = re.compile(r"# Reads real data that are not part of the project\b.*\. Without them: studies/(\w+)\.yaml")
OWN = {"own_cells"}
"""Studies whose files are the reader's own."""


def elsewhere(study: Study) -> bool:
    """Whether the data of a study are somewhere else than in the project."""
    return study.data.source != "synthetic"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_first_line_says_what_to_use_without_the_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/nowhere")
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    named = FIRST.match(first)
    if path.stem in OWN:
        return
    assert bool(named) == elsewhere(load_study(path)), first
    if named:
        assert not elsewhere(load_study(STUDIES / f"{named[1]}.yaml")), f"{named[1]} needs data, too"


# The schema for editors

SCHEMA = Path(paraformer.__file__).parent / "studies" / "study.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    found = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found, format_checker=jsonschema.FormatChecker())


def content(text: str) -> Any:
    """A study as an editor reads it: days are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_shipped_schema_is_that_of_the_settings() -> None:
    written = json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("PARAFORMER_RENEW"):
        SCHEMA.write_text(written, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == written, "settings changed; PARAFORMER_RENEW=1 pytest tests/surface"


@pytest.mark.parametrize(
    "path", sorted([*STUDIES.glob("*.yaml"), *EXAMPLES.glob("*.yaml")]), ids=lambda path: path.stem
)
def test_every_study_fits_the_schema(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    found = validator.iter_errors(content(path.read_text(encoding="utf-8")))
    assert [f"{error.json_path}: {error.message}" for error in found] == []


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ("name: x\ndata: {source: synthetic}\nlearner_seedz: 2", "learner_seedz"),
        ("name: x\ndata: {source: synthetic}\nlearner_seeds: 0", "learner_seeds"),
        ("name: x\ndata: {source: synthetic}\nparameters: [infilter]", "parameters"),
        ("name: x\ndata: {source: synthetic}\nsurrogate: {training: {steps: many}}", "steps"),
        ("data: {source: synthetic}", "name"),
    ],
)
def test_an_editor_sees_a_mistake(wrong: str, place: str, validator: jsonschema.Draft202012Validator) -> None:
    errors = list(validator.iter_errors(content(wrong)))
    assert errors
    assert any(place in f"{error.json_path} {error.message}" for error in errors)


def test_every_setting_has_a_meaning() -> None:
    schema = study_schema()
    groups = {"Study": schema, **schema["$defs"]}
    bare = [
        f"{group}.{name}"
        for group, entry in groups.items()
        for name, setting in entry.get("properties", {}).items()
        if not {"description", "$ref", "const"} & set(setting)
    ]
    assert bare == []
    assert [name for name, entry in schema["$defs"].items() if not entry.get("description")] == []
