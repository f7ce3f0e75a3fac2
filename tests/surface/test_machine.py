"""What surrounds the program: terminal, pipes, memory, cache and log. A finished run ends with 0 whoever listens."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from data.simple_world import PERIODS, SPLIT, simple_dataset, write
from paraformer.process.bucket import BUCKET_PARAMETERS
from process import drop_in
from worlds import write_study

COMMAND = [sys.executable, "-c", "from paraformer.cli import main; main()"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven cells for the bucket model, and a learner whose name no ASCII terminal can show."""
    folder = tmp_path_factory.mktemp("cells")
    data = {"source": "cells", "path": str(write(simple_dataset(), folder / "inputs.nc")), "split": SPLIT, **PERIODS}
    learners = {"FFN θ, Zürich": {"network": {"name": "ffn_a"}, "window": 60}}
    process, outputs = {"model": "bucket"}, ["soil_moisture"]
    bucket = {"parameters": [p.model_dump() for p in BUCKET_PARAMETERS], "process": process}
    return write_study(
        folder, data=data, learners=learners, **bucket, surrogate__outputs=outputs, ensemble__outputs=outputs
    )


def run(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", f"{code}\nfrom paraformer.cli import main; main()"] if code else COMMAND
    return subprocess.run([*command, *arguments], capture_output=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize(
    "terminal",
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C", marks=pytest.mark.long),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="latin-1", marks=pytest.mark.long),
    ],
)
def test_a_terminal_that_is_not_utf8_shows_question_marks(study: Path, terminal: dict[str, str]) -> None:
    result = run("check", str(study), **terminal)
    assert result.returncode == 0, result.stderr
    assert b"learners: FFN ?, Z" in result.stdout
    failed = run("check", str(study), "--set", "learners.FFN θ, Zürich.window=-1", **terminal)
    assert failed.returncode == 2
    assert failed.stderr.startswith(b"error: ")
    assert b"Traceback" not in failed.stderr


def test_a_reader_that_leaves_changes_no_exit_code(study: Path, tmp_path: Path) -> None:
    """As ``| head`` does."""
    command = [*COMMAND, "cube", "--quiet", str(study), "--directory", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    assert b"Broken pipe" not in errors
    assert (tmp_path / "run" / "cube" / "stage.json").is_file()


def test_nobody_listens_at_all(study: Path, tmp_path: Path) -> None:
    """Streams closed from the start, as of a service, and a standard output that is full."""
    cube = f"cube '{study}' --directory '{tmp_path / 'run'}'"
    shell = f"{sys.executable} -c 'from paraformer.cli import main; main()' {cube}"
    assert subprocess.run(f"{shell} >&- 2>&-", shell=True).returncode == 0
    full = subprocess.run(f"{shell} >/dev/full", shell=True, stderr=subprocess.PIPE, text=True)
    assert full.returncode == 5
    assert full.stderr.strip().splitlines()[-1] == "error: No space left on device"


def test_exhausted_memory_is_5(study: Path) -> None:
    code = "\n".join(
        (
            "import os, resource, paraformer.cli, paraformer.pipeline, netCDF4, xarray.backends.netCDF4_",
            "used = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')",
            "resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, resource.RLIM_INFINITY))",
            "held = []",
            "try:",
            "    while True: held.append(bytes(2**18))",
            "except MemoryError: del held[-8:]",
        )
    )
    result = run("check", str(study), code=code)
    assert result.returncode == 5, result.stderr
    assert b"memory is exhausted" in result.stderr.splitlines()[-1]
    assert b"Traceback" not in result.stderr


def test_a_bug_is_70_and_shows_where_with_debug(study: Path) -> None:
    """A planted one: what is no refusal of the machine's must not look like one."""
    code = "import paraformer.pipeline as p\ndef bug(study): raise KeyError('x')\np.check_study = bug"
    result = run("check", str(study), code=code)
    assert result.returncode == 70
    assert result.stderr.splitlines()[-1].startswith(b"unexpected error: KeyError: 'x' (a bug")
    assert b"Traceback" in run("--debug", "check", str(study), code=code).stderr


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", pytest.param("NETCDF4", marks=pytest.mark.long)])
def test_vic_run_on_a_full_disk_is_5(tmp_path: Path, kind: str) -> None:
    """The library of classic netCDF crashes where a file that could not be written is closed once more."""
    drop_in.make_world(tmp_path)
    path = drop_in.global_file(tmp_path, last="2000-12-24", streams=drop_in.STREAM.replace("NETCDF4", kind))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    command = [*COMMAND, "vic", "run", str(path), "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert result.returncode == 5, result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'out'}")
    assert "File too large" in result.stderr.splitlines()[-1]
    assert list((tmp_path / "out").iterdir()) == []
