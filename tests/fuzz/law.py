"""The law: what ``check`` passes runs to its end; what is refused is refused in one line that names file or key."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fuzz.mutant import Mutant
from paraformer.config import load_study
from paraformer.core.faults import explained
from paraformer.core.netcdf import read_dataset
from paraformer.pipeline import check_study, run_study
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global

_HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""What Python shows to no user."""

_MEMORY = 2**31
"""Bytes that one command may take."""

_LONGEST = 1500
"""Letters of a line that a user can read."""


class Broken(AssertionError):
    """The law does not hold."""


@dataclass(frozen=True)
class Outcome:
    """Exit code of a command (0 is done) and the line it ends with."""

    code: int
    line: str


def attempt(work: Callable[[], object]) -> Outcome:
    """What the command line would make of ``work``.

    Raises:
        Broken: it would be exit 70, or Python's own words would be seen.
    """
    with (
        _memory(),
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stderr(io.StringIO()) as shown,
    ):
        warnings.simplefilter("always")
        try:
            work()
            outcome = Outcome(0, "")
        except Exception as error:
            known = explained(error)
            if known is None:
                raise Broken(f"exit 70: {type(error).__name__}: {error}") from error
            outcome = Outcome(known.exit_code, str(known))
    seen = [str(warning.message) for warning in caught if not issubclass(warning.category, _HIDDEN)]
    if seen or "Traceback" in shown.getvalue():
        raise Broken(f"Python's own words are seen: {seen[:1] or shown.getvalue()[-300:]}; {outcome}")
    return outcome


@contextlib.contextmanager
def _memory() -> Iterator[None]:
    """What takes more than ``_MEMORY`` fails, and not the machine."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def require_one_line(outcome: Outcome, mutant: Mutant) -> None:
    """Raise Broken unless a refusal can be acted on."""
    if outcome.code not in (2, 3):
        raise Broken(f"refused with exit code {outcome.code}, not 2 or 3: {outcome.line}")
    if len(outcome.line) > _LONGEST:
        raise Broken(f"refused in a line of {len(outcome.line)} letters: {outcome.line[:300]}")
    if not any(name and name in outcome.line for name in mutant.names):
        raise Broken(f"the refusal names none of {', '.join(mutant.names)}: {outcome.line}")


def judge_study(folder: Path, mutant: Mutant, original: Path, *, until: str = "scores") -> str:
    """Try ``check`` and then the run of a mutated ``study.yaml``; returns ``refused`` or ``runs``.

    Args:
        original: run directory of the world without the change.
        until: last stage.

    Raises:
        Broken: the law does not hold.
    """
    path = folder / "study.yaml"
    checked = attempt(lambda: check_study(load_study(path)))
    if checked.code:
        if mutant.valid:
            raise Broken(f"it is valid and refused: {checked.line}")
        require_one_line(checked, mutant)
        return "refused"
    if mutant.endless:
        return "runs"
    done = attempt(lambda: run_study(load_study(path), folder / "run", until=until))
    if done.code:
        raise Broken(f"check passes, and the run ends with {done.code}: {done.line}")
    if mutant.same:
        _require_same_scores(folder / "run", original, mutant.same)
    return "runs"


def _require_same_scores(found: Path, expected: Path, which: str) -> None:
    """The same scores, up to the order in which tiles and cells are summed."""
    tables = [pd.read_csv(run / "scores" / "soil_moisture.csv") for run in (found, expected)]
    keys = ["seed", *(name for name in tables[0] if not pd.api.types.is_numeric_dtype(tables[0][name]))]
    one, other = (table[table["method"] == "default VIC"] if which == "prior" else table for table in tables)
    merged = one.merge(other, on=keys, how="outer", suffixes=("", " before"), indicator=True)
    if (merged["_merge"] != "both").any():
        raise Broken("accepted, and the table of scores has other rows than without the change")
    for name in one.columns.difference(keys):
        now, before = merged[name].to_numpy(float), merged[f"{name} before"].to_numpy(float)
        if not np.allclose(now, before, rtol=1e-5, atol=1e-7, equal_nan=True):
            worst = merged.iloc[int(np.nanargmax(np.abs(now - before)))]
            raise Broken(f"accepted, and {name} of {worst['method']} is {worst[name]}, was {worst[f'{name} before']}")


def judge_driver(path: Path, mutant: Mutant, original: Path) -> str:
    """Try ``vic run`` of a mutated global parameter file; returns ``refused`` or ``runs``.

    Args:
        original: history file of the world without the change.

    Raises:
        Broken: the law does not hold.
    """
    written: list[Path] = []
    done = attempt(lambda: written.extend(run_global(read_global_parameters(path), threads=1).history))
    if done.code:
        if mutant.valid:
            raise Broken(f"it is valid and refused: {done.line}")
        require_one_line(done, mutant)
        return "refused"
    if mutant.same:
        now, before = (read_dataset(history).sortby(["lat", "lon"]) for history in (written[0], original))
        for name in before.variables:
            if not np.array_equal(now[name], before[name], equal_nan=before[name].dtype.kind == "f"):
                raise Broken(f"accepted, and {name} is another")
    return "runs"
