"""Seeded mutants of valid inputs: each is refused by ``check`` in one line, or runs to its end.

A few of them run in ``make test``, all in ``make test-long``. Others are asked for by number:
``PARAFORMER_FUZZ=100:300 pytest tests/fuzz``, or ``PARAFORMER_FUZZ=117`` for one.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fuzz.datasets import mutate_file
from fuzz.drivers import mutate_global
from fuzz.law import Broken, Outcome, attempt, judge_driver, judge_study, require_one_line
from fuzz.mutant import Mutant, pick
from fuzz.numbers import again, numbers
from fuzz.studies import mutate_study
from fuzz.world import FILES
from process import drop_in

FEW, MORE = 10, 67
"""Mutants of each of three kinds, in ``make test`` and in ``make test-long``."""

pytestmark = pytest.mark.timeout(300, func_only=True)  # a mutant that hangs fails


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a valid ``vic run``, and its history."""
    folder = tmp_path_factory.mktemp("driver")
    drop_in.make_world(folder)
    path = drop_in.global_file(folder, last="2000-12-24")
    assert judge_driver(path, Mutant("nothing", ()), folder) == "runs"
    return folder


def judged(kind: str, number: int, mutant: Mutant, judge: Callable[[], str]) -> None:
    """Fail with the mutation and with the command that makes it again."""
    try:
        judge()
    except Broken as error:
        words = str(error)
    else:
        return
    pytest.fail(f"{mutant.text}\n  {words}\n  {again(kind, number)}", pytrace=False)


@pytest.mark.parametrize("number", numbers(FEW, MORE))
def test_study(number: int, world: Path, tmp_path: Path) -> None:
    """Settings and text of a study file."""
    for name in (*FILES, "study.yaml"):
        shutil.copy(world / name, tmp_path)
    mutant = mutate_study(tmp_path / "study.yaml", np.random.default_rng([number, 1]))
    judged("test_study", number, mutant, lambda: judge_study(tmp_path, mutant, world / "run"))


@pytest.mark.parametrize("number", numbers(FEW, MORE))
def test_files_of_a_study(number: int, world: Path, tmp_path: Path) -> None:
    """Inputs, parameters and domain."""
    rng = np.random.default_rng([number, 2])
    for name in (*FILES, "study.yaml"):
        shutil.copy(world / name, tmp_path)
    mutant = mutate_file(tmp_path / pick(rng, FILES), rng)
    judged("test_files_of_a_study", number, mutant, lambda: judge_study(tmp_path, mutant, world / "run"))


@pytest.mark.parametrize("number", numbers(FEW, MORE))
def test_driver(number: int, driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Global parameter file, parameters, domain and forcing of ``vic run``."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng([number, 3])
    for path in driver.glob("*.nc"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "global.txt"
    path.write_text((driver / path.name).read_text().replace(str(driver), str(tmp_path)))
    if rng.random() < 0.5:
        mutant = mutate_global(path, rng)
    else:
        mutant = mutate_file(tmp_path / pick(rng, ["params.nc", "domain.nc", "forcing.2000.nc"]), rng)
    judged("test_driver", number, mutant, lambda: judge_driver(path, mutant, next((driver / "out").iterdir())))


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        (3, "no such variable", "names none of a.nc, prcp"),
        (5, "a.nc: no", "exit code 5"),
        (3, "a.nc: " + "no " * 1000, "line of 3006 letters"),
    ],
)
def test_the_law_can_be_broken(code: int, line: str, words: str) -> None:
    with pytest.raises(Broken, match=words):
        require_one_line(Outcome(code, line), Mutant("", ("a.nc", "prcp")))


def test_bugs_and_python_s_own_words_break_the_law() -> None:
    def bug() -> None:
        raise KeyError("x")

    with pytest.raises(Broken, match="exit 70: KeyError"):
        attempt(bug)
    with pytest.raises(Broken, match="divide by zero"):
        attempt(lambda: warnings.warn("divide by zero encountered", RuntimeWarning, stacklevel=1))
