"""What VIC, and a check of a study, load: nothing of networks, clusters, tables and figures.

Loading torch, dask, pandas and matplotlib takes seconds and gigabytes that a run of VIC has no use for. Each test runs
in a process of its own and looks at the modules there, not at the time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from process.drop_in import global_file, make_world

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "lightning_fabric", "dask", "distributed", "pandas", "matplotlib"}

VIC = """
import importlib, pkgutil
import paraformer.process.vic as package
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
assert "paraformer.process.vic.driver.run" in names
for name in names:
    if not name.endswith(".cuda"):  # compiles for a GPU when it is loaded
        importlib.import_module(name)
"""
COMMAND = """
import sys
from paraformer.cli import main
sys.argv = ["paraformer", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def loaded(code: str) -> set[str]:
    """Top-level modules of a new interpreter after some code."""
    code += "\nimport json, sys\nprint()\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_heavy_libraries_are_seen() -> None:
    assert loaded("import pandas") & HEAVY == {"pandas"}


def test_every_module_of_vic_loads_without_them() -> None:
    assert not loaded(VIC) & HEAVY


def test_vic_runs_its_own_files_without_them(tmp_path: Path) -> None:
    make_world(tmp_path)
    found = loaded(COMMAND.format(arguments=["vic", "run", str(global_file(tmp_path)), "--quiet"]))
    assert not found & HEAVY
    assert list((tmp_path / "out").glob("*.nc")), "the run wrote nothing"


@pytest.mark.parametrize("study", ["demo", "twin"])
def test_the_built_in_world_is_checked_without_them(study: str) -> None:
    found = loaded(COMMAND.format(arguments=["check", f"studies/{study}.yaml"]))
    assert not found & (HEAVY | {"xarray", "zarr", "numba"})


def test_a_built_in_world_of_a_model_of_ones_own_is_checked_without_networks() -> None:
    found = loaded(COMMAND.format(arguments=["check", "examples/numpy_bucket.yaml"]))
    assert not found & {"torch", "lightning_fabric", "matplotlib"}
