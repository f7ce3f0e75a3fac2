"""What README and docs show is right: commands parse, settings are valid, Python runs or names what there is.

Of a shell block every command is parsed by the program's own parser, and the study it names is loaded with its
``--set``: running them takes hours and data. What the README shows of Python is run (``long``), on a world as small as
it gets. New blocks are found by themselves; one that cannot be checked says why (``snippets``).
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import pytest
import torch
import typer
import xarray as xr
import yaml

import paraformer as pf
from docs.snippets import PAGES, ROOT, Snippet, commands, snippets, snippets_of
from paraformer.cli import app
from paraformer.config import Study, load_study
from paraformer.core.schema import Cube
from paraformer.core.settings import validated
from paraformer.core.yaml import read
from paraformer.pipeline.released import export_map
from paraformer.process.bmi_setup import BMIConfig
from paraformer.process.own import OwnDifferentiable
from process.drop_in import global_file, make_world

SHELL, PYTHON, YAML, USAGE = (snippets(language) for language in ("bash", "python", "yaml", "usage"))
DATA = {"PARAFORMER_DATA": "/where/there/is/space", "PWD": str(ROOT)}
NOT_THERE = re.compile(r"(my|region|study)\.yaml")
"""Studies that a page says the reader makes."""


def named(snippet: Snippet) -> str:
    return snippet.name


# Shell


class Shell:
    """Checks the commands of a block one after the other: files that one makes are there for the next."""

    def __init__(self) -> None:
        self.copied: dict[str, Path] = {}
        self.environment = dict(DATA)

    def check(self, words: list[str]) -> None:
        words = [self._expanded(word) for word in words]
        while re.fullmatch(r"[A-Z_]+=\S+", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.environment[name] = value
        checks: dict[str, Callable[[list[str]], None]] = {
            "paraformer": self._paraformer,
            "make": self._make,
            "pip": self._pip,
            "python": self._python,
            "cp": self._copy,
            "export": self._export,
        }
        assert words[0] in checks, f"no check for '{words[0]}'"
        checks[words[0]](words[1:])

    def _expanded(self, word: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda m: self.environment.get(m[1], m[0]), word)

    def _paraformer(self, arguments: list[str]) -> None:
        """The command line's own parser takes the arguments; the study it names takes the settings."""
        parsed = parse(arguments)
        study, overrides = parsed.get("study"), parsed.get("overrides") or ()
        if study is not None:
            path = self._study(Path(study))
            if path is not None:
                load_study(path, overrides)

    def _study(self, path: Path) -> Path | None:
        if path.as_posix() in self.copied:
            return self.copied[path.as_posix()]
        if NOT_THERE.fullmatch(path.as_posix()):
            return None
        assert (ROOT / path).is_file(), f"no study {path}"
        return ROOT / path

    def _make(self, arguments: list[str]) -> None:
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert set(arguments) <= set(targets), f"make has no {arguments}"

    def _pip(self, arguments: list[str]) -> None:
        assert arguments[0] == "install"
        project = (ROOT / "pyproject.toml").read_text()
        for what in [a for a in arguments[1:] if not a.startswith(("-", "http"))]:
            extra = re.fullmatch(r"(?:\.|paraformer)\[(.+)\]", what)
            known = re.search(rf'^ *"?{re.escape(extra[1] if extra else what)}\b', project, flags=re.MULTILINE)
            assert what == "." or known, f"'{what}' is no dependency of the project"

    def _python(self, arguments: list[str]) -> None:
        script = ROOT / arguments[0]
        options = {a.partition("=")[0] for a in arguments[1:] if a.startswith("--")}
        assert options <= set(re.findall(r'"(--[\w-]+)"', script.read_text())), f"{arguments[0]} has no {options}"

    def _copy(self, arguments: list[str]) -> None:
        source, target = arguments
        assert (ROOT / source).is_file()
        self.copied[target] = ROOT / source

    def _export(self, arguments: list[str]) -> None:
        for argument in arguments:
            name, _, value = argument.partition("=")
            self.environment[name] = value


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that some words begin with, and the words behind it."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[:1], "a command is missing"
        assert words[0] in command.commands, f"no command '{words[0]}'"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def parse(arguments: list[str]) -> dict[str, Any]:
    """Values that the command line makes of some arguments; whatever it refuses fails."""
    command, rest = command_of(arguments)
    return dict(command.make_context(command.name or "", list(rest)).params)


@pytest.mark.parametrize("snippet", SHELL, ids=named)
def test_commands_are_those_of_the_program(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell()
    for words in commands(snippet.text):
        for name, value in shell.environment.items():
            monkeypatch.setenv(name, value)
        shell.check(words)


@pytest.mark.parametrize(
    "line",
    [
        "paraformer walk my.yaml",
        "paraformer run studies/demo.yaml --quickly",
        "paraformer run studies/nowhere.yaml",
        "paraformer run studies/demo.yaml --set learner_seedz=4",
        "python benchmarks/plan_check.py --slowly",
        "make tea",
        "pip install tea",
        "brew tea",
    ],
)
def test_a_wrong_command_is_seen(line: str) -> None:
    with pytest.raises(Exception, match=r"."):
        Shell().check(*commands(line))


@pytest.mark.parametrize("snippet", USAGE, ids=named)
def test_usage_names_the_options_there_are(snippet: Snippet) -> None:
    for line in snippet.text.splitlines():
        words = line.replace("[", " ").replace("]", " ").split()
        command, rest = command_of(words[1:])
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        told = {word for word in rest if word.startswith("--")}
        assert told == {option for option in known if option.startswith("--")} - {"--help"}, line


# YAML

BASE = {"name": "snippet", "data": {"source": "synthetic"}}
GROUPS: Mapping[str, Any] = {"Study": Study, "BMIConfig": BMIConfig}


@pytest.mark.parametrize("snippet", YAML, ids=named)
def test_settings_are_valid(snippet: Snippet, tmp_path: Path) -> None:
    """A part of a study is one together with the built-in world's data."""
    check_settings(snippet, tmp_path)


def check_settings(snippet: Snippet, folder: Path) -> None:
    content, group = yaml.safe_load(snippet.text), snippet.note.removeprefix("settings of ") or "Study"
    if group != "Study":
        (folder / "snippet.yaml").write_text(snippet.text, encoding="utf-8")
        validated(GROUPS[group], folder / "snippet.yaml", read(folder / "snippet.yaml"))
        return
    data = content.get("data", {})
    merged = {**BASE, **content, "data": data if "path" in data else {**BASE["data"], **data}}  # type: ignore[dict-item]
    if "streamflow" in snippet.text and "streamflow" not in data:  # a river goes with it
        merged["data"] = yaml.safe_load((ROOT / "studies" / "river.yaml").read_text(encoding="utf-8"))["data"]
    transfers = merged.get("evaluation", {}).get("transfers", {})
    if transfers:
        merged["searches"] = {transfers["source"]: {"name": "sceua"}}
    if "cross_validation" in merged:
        merged.setdefault("learners", {"A": {}, "B": {}})
    path = folder / "snippet.yaml"
    path.write_text(yaml.safe_dump(merged, allow_unicode=True), encoding="utf-8")
    load_study(path)


@pytest.mark.parametrize("text", ["process: {modl: vic}", "data: {path: a.nc}", "learners: {A: {window: -1}}"])
def test_a_wrong_setting_is_seen(text: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"."):
        check_settings(Snippet("page", 1, "yaml", "", text), tmp_path)


# Python


@pytest.mark.parametrize("snippet", [s for s in PYTHON if s.note.startswith("names from ")], ids=named)
def test_python_names_what_there_is(snippet: Snippet) -> None:
    check_names(snippet)


def check_names(snippet: Snippet) -> None:
    """Every name called is one of the modules (or imported by the block), and takes the keywords it is given."""
    tree, there = ast.parse(snippet.text), dict[str, Any](print=print)
    for module in snippet.note.removeprefix("names from ").split():
        there |= vars(importlib.import_module(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            there |= {a.name: getattr(importlib.import_module(str(node.module)), a.name) for a in node.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _resolved(node.func, there)
        if called is None:
            continue
        signature = inspect.signature(called)
        keywords = {k.arg: None for k in node.keywords if k.arg is not None}
        signature.bind(*[None] * len(node.args), **keywords)


def _resolved(node: ast.expr, there: Mapping[str, Any]) -> Any:
    """What a called expression is; ``None`` for a method of a value that only a run would have."""
    if isinstance(node, ast.Name):
        assert node.id in there, f"no name '{node.id}'"
        return there[node.id]
    return None


def test_a_wrong_name_or_keyword_is_seen() -> None:
    for text in ("combined(1, 2)", "remap(1, 2, 3, ruled=4)"):
        with pytest.raises((AssertionError, TypeError)):
            check_names(Snippet("page", 1, "python", "names from paraformer.data.regrid", text))


def test_every_python_block_is_run_or_its_names_are_checked() -> None:
    left = [s.name for s in PYTHON if not s.note.startswith("names from ") and key_of(s) not in RUN]
    assert not left, f"write a run for {left}, or a comment (tests/docs/snippets.py)"


def key_of(snippet: Snippet) -> str:
    """Page and beginning, which say what is run; lines of a page move."""
    return f"{snippet.page}: {snippet.text[:24].rstrip()}"


def run_reservoir(text: str, folder: Path) -> None:
    """The user's model as the page shows how it is built: on a cube, and it simulates."""
    numpy_bucket = _example("numpy_bucket")
    there = dict(vars(numpy_bucket))
    exec(compile(text, "docs", "exec"), there)
    space = load_study(ROOT / "examples/numpy_bucket.yaml").space
    model = there["build"](space, _cube(), {})
    theta = np.broadcast_to((space.lower + space.upper) / 2, (3, 1, len(space)))
    assert np.isfinite(model.simulate(theta, ("soil_moisture",))["soil_moisture"]).all()


def run_gradients(text: str, folder: Path) -> None:
    """Both gradients of the page are there, and alike."""
    space = load_study(ROOT / "examples/torch_bucket.yaml").space
    model = OwnDifferentiable(
        _example("torch_bucket").build(space, _cube(), {})
    )  # as a study puts it under the contract
    shown: list[torch.Tensor] = []
    exec(compile(text, "docs", "exec"), {"torch": torch, "space": space, "model": model, "print": shown.append})
    own, differences = shown
    np.testing.assert_allclose(own, differences, rtol=0.05, atol=1e-3)


def run_front_page(text: str, folder: Path) -> None:
    """What README and docs/python.md show, on a small study of the same name, with a map of it as the packaged one."""
    (folder / "studies").mkdir()
    study = yaml.safe_load((ROOT / "studies/demo.yaml").read_text(encoding="utf-8"))
    few = {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}}
    network = {"name": "paraformer_z", "width": 8, "heads": 2, "feed_forward": 8, "history_days": 80}
    learner = {"network": network, "window": 60, "training": few, "cells_per_batch": 4}
    study |= {"searches": {}, "learners": {"ParaFormer_Z": learner}, "ensemble": {"common": 4, "own": 4, "held_out": 2}}
    study["data"]["synthetic"] = {"rows": 3, "columns": 5, "years": 2}
    study["references"] = {"direct": None}
    surrogate = {"anchors": 4, "hidden": 8, "embedding": 4, "warm_up": 5, "window": 20, "cells_per_batch": 4}
    study["surrogate"] = {**surrogate, "sets_per_cell": 2, "training": few}
    (folder / "studies/demo.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    begun = pf.run(folder / "studies/demo.yaml", folder / "runs/demo", until="verdict", quiet=True)
    there = {
        name: xr.load_dataset(begun.folder("cube") / f"{file}.nc")
        for name, file in (("forcing", "inputs"), ("params", "params"), ("domain", "domain"))
    }
    prior = {name: ("cell", begun.prior[:, i]) for i, name in enumerate(begun.space.names)}
    there["dataset"] = there["forcing"].assign(prior)
    export_map(begun.directory, "ParaFormer_Z", folder / "map")
    (folder / "vic").mkdir()
    make_world(folder / "vic")
    global_file(folder / "vic", name="../global.txt")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mock.patch("paraformer.pipeline.released.packaged", return_value={"conus36-7-history": folder / "map"}):
            exec(compile(text, "page", "exec"), there)
    finally:
        os.chdir(before)
    assert (folder / "runs/demo/report.html").is_file()
    assert "to_vic" not in text or xr.load_dataset(folder / "params.nc")["infilt"].notnull().any()
    assert "theta" not in there or np.isfinite(there["theta"]["expt"]).all()


def run_vic(text: str, folder: Path) -> None:
    """The page's run, of the miniature world of the driver's tests."""
    make_world(folder)
    global_file(folder, name="global.txt")
    shown: list[Any] = []
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(text, "docs", "exec"), {"print": shown.append})
    finally:
        os.chdir(before)
    assert shown == [(3, 1, 10)]


def run_sum_of_waters(text: str, folder: Path) -> None:
    """Runoff and baseflow become one, and what is below zero zero."""
    waters = {"runoff": ("time", [-0.2, 1.0]), "baseflow": ("time", [0.1, 0.5])}
    xr.Dataset(waters, {"time": [0, 1]}).to_netcdf(folder / "stehekin.nc")
    with contextlib.chdir(folder):
        exec(text, {})
    found = xr.load_dataset(folder / "runoff.nc")["runoff"]
    assert found.values.tolist() == [0.0, 1.5]
    assert found.units == "mm day-1"


RUN: dict[str, Callable[[str, Path], None]] = {
    "docs/routing.md: import xarray as xr\n\nvic": run_sum_of_waters,
    "docs/bring_your_own_model.md: def build(space: Paramet": run_reservoir,
    "docs/bring_your_own_model.md: from paraformer.process.": run_gradients,
    "docs/vic_code.md: from paraformer.process.": run_vic,
}
LONG: dict[str, Callable[[str, Path], None]] = {
    "README.md: import paraformer as pf": run_front_page,
    "docs/python.md: import paraformer as pf": run_front_page,
}
RUN |= LONG


@pytest.mark.parametrize("snippet", [s for s in PYTHON if key_of(s) in RUN and key_of(s) not in LONG], ids=named)
def test_python_runs(snippet: Snippet, tmp_path: Path) -> None:
    RUN[key_of(snippet)](snippet.text, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("snippet", [s for s in PYTHON if key_of(s) in LONG], ids=named)
def test_python_runs_at_length(snippet: Snippet, tmp_path: Path) -> None:
    LONG[key_of(snippet)](snippet.text, tmp_path)


def _example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / f"examples/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cube() -> Cube:
    """Weather of three cells."""
    days = np.arange("2015-01-01", "2015-07-01", dtype="datetime64[D]")
    weather = {"prcp": 4.0, "tair": 10.0, "swdown": 150.0}
    random = np.random.default_rng(0)
    variables = {name: (("cell", "time"), random.exponential(mean, (3, days.size))) for name, mean in weather.items()}
    return Cube(xr.Dataset(variables, {"cell": np.arange(3), "time": days.astype("datetime64[ns]")}))


# The mechanism


def test_every_block_is_found() -> None:
    """By another way of counting: no page hides a block behind an indent or a longer fence."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = len(re.findall(r"^\s*```", text, flags=re.MULTILINE))
        assert fences == 2 * len(list(snippets_of(text, page.name))), page


def test_a_block_no_one_checks_is_refused() -> None:
    for text in ("```ruby\nputs 1\n```\n", "```\nnever closed\n", "```bash extra\nls\n```\n"):
        with pytest.raises(ValueError, match="page:1"):
            list(snippets_of(text, "page"))


def test_what_is_not_run_says_why() -> None:
    for page in PAGES:
        for snippet in snippets_of(page.read_text(encoding="utf-8"), page.name):
            known = re.match(r"(not run: \w+|names from \w+|settings of \w+)", snippet.note)
            assert known or not snippet.note, snippet.name
