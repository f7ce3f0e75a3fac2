"""The valid world, made once for each module."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.law import judge_study
from fuzz.mutant import Mutant
from fuzz.world import make_files


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the valid world, and its finished run in ``run``."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_files(folder)
    assert judge_study(folder, Mutant("nothing", ()), folder) == "runs"
    return folder
