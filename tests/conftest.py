"""Shapes and types are checked at run time in tests; numba kernels check their own types when they compile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts: networks this small only wait for a second thread

_CHECKED = [
    "paraformer.core",
    "paraformer.numerics",
    "paraformer.training",
    "paraformer.data",
    "paraformer.surrogate",
    "paraformer.learners",
    "paraformer.evaluation",
    "paraformer.report",
    "paraformer.process.ensemble",
    "paraformer.process.bucket",
    "paraformer.process.vic.model",
    "paraformer.process.differentiable",
    "paraformer.process.jacobian",
    "paraformer.process.compiled",
    "paraformer.process.recipe",
    "paraformer.process.executor",
    "paraformer.process.bmi",
    "paraformer.process.bmi_setup",
    "paraformer.routing",
    "paraformer.search",
]
install_import_hook(_CHECKED, "typecheck.check")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that read the shared reference data are skipped, with the reason, where it is absent."""
    if SHARED.exists():
        return
    skip = pytest.mark.skip(reason=f"the shared reference data is not beside the project ({SHARED})")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the shared reference data."""
    return SHARED
