"""A finished run that lost, cut or garbled one of its files goes on to the same files, or says which one it is.

By number, as the mutants of ``test_fuzz.py``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fuzz.law import Broken, attempt
from fuzz.mutant import pick
from fuzz.numbers import again, numbers
from paraformer.config import load_study
from paraformer.core.files import hash_path
from paraformer.pipeline import run_study

STAGES = ("cube", "ensemble", "surrogate", "parameters", "verdict", "scores")


def damage(run: Path, rng: np.random.Generator) -> tuple[Path, str]:
    """Damage one file of a run; returns it and what was done."""
    path = pick(rng, sorted(p for p in run.rglob("*") if p.is_file() and p.name != ".lock"))
    kind = pick(rng, ["lost", "cut", "empty", "longer", "lost folder", "one bit"])
    content = path.read_bytes()
    if path.name in ("stage.json", "manifest.json"):
        kind = "garbled"
        path.write_bytes(bytes(len(content)))
    elif kind == "lost":
        path.unlink()
    elif kind == "lost folder" and path.parent != run:
        shutil.rmtree(path.parent)
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "one bit" and content:
        at = int(rng.integers(len(content)))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << int(rng.integers(8))]) + content[at + 1 :])
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(content + b"\0" * 100)
    return path, kind


@pytest.mark.parametrize("number", numbers(6, 60))
def test_a_damaged_run_goes_on_or_says_what_is_damaged(number: int, world: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world / "run", run)
    path, kind = damage(run, np.random.default_rng([number, 4]))
    text = f"{path.relative_to(run)} {kind}"
    try:
        done = attempt(lambda: run_study(load_study(world / "study.yaml"), run, until="scores"))
    except Broken as error:
        pytest.fail(f"{text}: {error}\n  {again('damaged', number)}", pytrace=False)
    if done.code:
        assert done.code in (3, 5), f"{text}: {done}; {again('damaged', number)}"
        assert path.name in done.line or str(path.parent) in done.line, f"{text}: {done}; {again('damaged', number)}"
        return
    for stage in STAGES:
        assert hash_path(run / stage) == hash_path(world / "run" / stage), f"{text}; {again('damaged', number)}"
