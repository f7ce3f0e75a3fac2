"""Fixtures of the process room's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from process.vic_files import make_files


@pytest.fixture(scope="session")
def vic_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature world in VIC's files, not to be changed."""
    folder = tmp_path_factory.mktemp("vic_world")
    make_files(folder)
    return folder


@pytest.fixture
def vic_copy(vic_world: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    for path in vic_world.glob("*.nc"):
        shutil.copy(path, tmp_path)
    return tmp_path
