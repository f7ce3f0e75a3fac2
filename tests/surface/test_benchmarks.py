"""Every benchmark says what it does and what it takes, and starts with its default arguments."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    specification = importlib.util.spec_from_file_location(f"benchmark_{request.param}", FOLDER / f"{request.param}.py")
    assert specification is not None
    assert specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, specification.name, found)
    specification.loader.exec_module(found)
    return found


@pytest.mark.parametrize("module", NAMES, indirect=True)
def test_help_names_command_and_arguments(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(module.__file__), "--help"])
    with pytest.raises(SystemExit) as leaving:
        module.main()
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert "--out" in shown
    assert "python benchmarks/" in shown


@pytest.mark.parametrize(
    "module", [n for n in NAMES if "def arguments(" in (FOLDER / f"{n}.py").read_text()], indirect=True
)
def test_default_arguments_are_accepted(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(module.__file__)])
    assert module.arguments() is not None
