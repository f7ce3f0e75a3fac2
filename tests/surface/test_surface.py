"""Snapshots of the public surface: names, CLI help, settings. A change here is a change for users: changelog it.

To renew after a deliberate change: ``PARAFORMER_RENEW=1 pytest tests/surface``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import paraformer
from paraformer.cli import app
from paraformer.config import Study
from paraformer.core.settings import Settings
from surface.count_settings import all_settings, settings_of_shipped

HERE = Path(__file__).parent


def every_command(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and all below it, with the words that call them."""
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, (*words, name))


def require_same(name: str, found: str) -> None:
    path = HERE / name
    if os.environ.get("PARAFORMER_RENEW"):
        path.write_text(found)
    assert found == path.read_text(), f"{name} changed; see the docstring of this file"


def test_public_names() -> None:
    assert len(paraformer.__all__) <= 25
    for name in paraformer.__all__:
        assert getattr(paraformer, name) is not None
    require_same("names.txt", "\n".join(paraformer.__all__) + "\n")
    page = (HERE.parents[1] / "docs/python.md").read_text(encoding="utf-8").partition("## Public names")[2]
    assert sorted(re.findall(r"`(\w+)`", page)) == sorted(paraformer.__all__), "docs/python.md lists the public names"
    with pytest.raises(AttributeError, match="no attribute 'VICC'"):
        paraformer.VICC  # noqa: B018


def test_import_is_light() -> None:
    code = "import sys, paraformer; print([m for m in ('torch', 'numba', 'xarray', 'matplotlib') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_command_line_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")
    runner = CliRunner()
    pages = []
    for words, _ in every_command(typer.main.get_command(app)):
        result = runner.invoke(app, [*words, "--help"], prog_name="paraformer")
        assert result.exit_code == 0
        pages.append(result.stdout)
    require_same("help.txt", "\n".join(pages))


def keys(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "", depth: int = 0) -> list[str]:
    """Dotted keys with their defaults, through every nested settings class."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    lines: list[str] = []
    for option in schema.get("anyOf", schema.get("oneOf", [])):
        lines += keys(option, definitions, prefix, depth)
    if isinstance(schema.get("additionalProperties"), dict):
        lines += keys(schema["additionalProperties"], definitions, f"{prefix}<name>.", depth + 1)
    if isinstance(schema.get("items"), dict):
        lines += keys(schema["items"], definitions, f"{prefix}[].", depth + 1)
    for name, entry in schema.get("properties", {}).items():
        default = json.dumps(entry["default"]) if "default" in entry else "required"
        lines.append(f"{prefix}{name} = {default}")
        lines += keys(entry, definitions, f"{prefix}{name}.", depth + 1)
    return list(dict.fromkeys(lines))


def has_its_use(name: str, groups: set[str], pages: list[str]) -> bool:
    """Whether a page names a setting as a key and, unless it stands at the top of a study, a group that it is in."""
    key = re.compile(rf"`[^`\n]*\b{name}\b[^`\n]*`|\b{name}[:=]")
    return any(key.search(page) and (not groups or groups & set(re.findall(r"\w+", page))) for page in pages)


def test_every_setting_is_set_by_a_study_or_has_its_use_in_the_docs() -> None:
    """A setting that nobody needs is one more thing that can be wrong; its place is a constant."""
    root = HERE.parents[1]
    settings, shipped = all_settings(), settings_of_shipped(root)
    assert {("Study", "seed"), ("SyntheticConfig", "river")} <= settings.keys()
    pages = [page.read_text(encoding="utf-8") for page in (root / "docs").glob("*.md")]
    idle = [s for s in settings.keys() - shipped if not has_its_use(s[1], settings[s], pages)]
    assert not idle, f"neither set nor documented: {sorted(idle)}"
    assert not has_its_use("keep_observed", {"gap_filling"}, pages), "one that is gone would be seen"


def test_settings() -> None:
    schema = Study.model_json_schema()
    require_same("settings.txt", "\n".join(keys(schema, schema["$defs"])) + "\n")


def test_every_default_lies_within_its_own_limits() -> None:
    """Pydantic takes a default unseen; written into a study it has to be accepted."""
    waiting, seen = [Settings], set()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if not any(field.is_required() for field in kind.model_fields.values()):
            try:
                given = kind()
            except ValueError:
                continue  # needs one of several
            kind.model_validate(given.model_dump())
            seen.add(kind.__name__)
    assert {"LevenbergConfig", "SurrogateConfig", "EvaluationConfig", "TrainingConfig"} <= seen
