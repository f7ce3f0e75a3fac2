"""What the command line shows: whole helps in groups, an example each, tables that fit, the version, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import paraformer
from docs.test_snippets import parse
from paraformer.cli import app
from paraformer.cli.app import GROUPS, Grouped, summary
from surface.test_surface import every_command

COMMANDS = list(every_command(typer.main.get_command(app)))
NAMED = [pytest.param(words, command, id=" ".join(words) or "paraformer") for words, command in COMMANDS]
MODULE = [sys.executable, "-m", "paraformer"]


def helped(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="paraformer")
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize(("words", "command"), NAMED)
def test_a_help_is_whole(words: tuple[str, ...], command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = helped(words, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    assert " ".join(command.help.split()) in flat
    for below in getattr(command, "commands", {}).values():
        assert summary(below) in flat
    assert not re.search(r"\w(\.\.\.|…)(?!\S)", flat.partition(" Options: ")[2])


@pytest.mark.parametrize(("words", "command"), [p for p in NAMED if p.values[0]])
def test_a_help_ends_with_an_example_that_is_right(
    words: tuple[str, ...], command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = helped(words, monkeypatch).rstrip().splitlines()[-1].split()
    assert last[:2] == ["Example:", "paraformer"]
    assert last[2:][: len(words)] == list(words)
    parse(last[2:])


def test_every_verb_is_in_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    text = helped((), monkeypatch)
    places = [text.index(f"\n{title}:\n") for title in GROUPS]
    assert places == sorted(places)
    assert "\nCommands:\n" not in text


def test_a_verb_that_is_cut_is_seen() -> None:
    """What click does without our groups."""
    cut = typer.Typer(rich_markup_mode=None)
    whole = typer.Typer(rich_markup_mode=None, cls=Grouped)
    for one in (cut, whole):
        one.command("walk", help="A long way " + "up and down " * 12)(lambda: None)
        one.command("rest", help="Sit down")(lambda: None)
    assert "..." in CliRunner().invoke(cut, ["--help"]).stdout.partition("Commands:")[2]
    assert "..." not in CliRunner().invoke(whole, ["--help"]).stdout.partition("Commands:")[2]


def test_version_and_module() -> None:
    result = subprocess.run([*MODULE, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"paraformer {paraformer.__version__}\n"
    wrong = subprocess.run([*MODULE, "chekc"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Usage: paraformer ")
    assert "Did you mean 'check'" in wrong.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("paraformer ch", "check"), ("paraformer run --any", "--any-threads")],
)
def test_completion_in_the_shell(typed: str, offered: str) -> None:
    asked = {"_PARAFORMER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    result = subprocess.run(MODULE, capture_output=True, text=True, check=False, env={**os.environ, **asked})
    assert offered in result.stdout.split()
