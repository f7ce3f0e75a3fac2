"""Every way to fail ends with one clear line on standard error and the documented exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.cli import interrupt
from paraformer.cli.interrupt import RESUMES, interruptible
from worlds import write_study

COMMAND = [sys.executable, "-c", "from paraformer.cli import main; main()"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_check_of_a_good_study(tmp_path: Path) -> None:
    result = run("check", str(write_study(tmp_path)))
    assert result.returncode == 0, result.stderr
    assert "settings are valid" in result.stdout


def test_unknown_key_is_2(tmp_path: Path) -> None:
    result = run("check", str(write_study(tmp_path, ensemble__comon=3)))
    assert result.returncode == 2
    assert last_line(result).startswith("error: ")
    assert "did you mean 'common'" in last_line(result)


def test_unknown_verb_is_2() -> None:
    assert run("calibrate").returncode == 2


def cells_study(tmp_path: Path) -> Path:
    return write_study(
        tmp_path,
        data={
            "source": "cells",
            "path": "inputs.nc",
            "train": {"start": "2015-04-01", "end": "2015-04-20"},
            "test": {"start": "2015-04-21", "end": "2015-04-30"},
        },
    )


def test_missing_and_truncated_files_are_3(tmp_path: Path) -> None:
    study = cells_study(tmp_path)
    result = run("check", str(study))
    assert result.returncode == 3
    assert "inputs.nc" in last_line(result)
    full = tmp_path / "full.nc"
    xr.Dataset({"a": ("x", np.random.default_rng(0).random(5000))}).to_netcdf(full)
    (tmp_path / "inputs.nc").write_bytes(full.read_bytes()[:7000])
    result = run("check", str(study))
    assert result.returncode == 3
    assert "inputs.nc" in last_line(result)


def test_unwritable_run_directory_is_5(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, not a folder")
    result = run("cube", str(write_study(tmp_path)), "--directory", str(tmp_path / "runs" / "tiny"))
    assert result.returncode == 5
    assert "run directory is not writable" in last_line(result)


def test_interrupt_is_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [*COMMAND, "run", str(write_study(tmp_path)), "--directory", str(tmp_path / "run")]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    while not (tmp_path / "run" / "cube" / "stage.json").exists() and process.poll() is None:
        time.sleep(0.05)  # till the run is in the middle of its first stage
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "the same command goes on" in errors.strip().splitlines()[-1]


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    result = run("--debug", "check", str(tmp_path / "nothing.yaml"))
    assert result.returncode == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("what", ["describe", "check"])
def test_a_path_that_is_nothing(tmp_path: Path, what: str) -> None:
    result = run(what, str(tmp_path / "nothing"))
    assert result.returncode in (2, 3)
    assert "nothing" in last_line(result)


def test_a_comparison_of_no_run_is_5(tmp_path: Path) -> None:
    result = run("compare", str(tmp_path))
    assert result.returncode == 5
    assert "this is not the directory of a run" in last_line(result)


def test_interrupt_of_compiled_code_that_does_not_look_up(tmp_path: Path) -> None:
    """As VIC's, which runs for minutes: here a hash of OpenSSL that would take hours, which no signal stops."""
    code = (
        "import hashlib, sys, paraformer.pipeline as p\n"
        "def long(study):\n"
        "    print('begun', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
        "p.check_study = long\n"
        "from paraformer.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "check", str(write_study(tmp_path))],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)  # the hash takes many times that
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1] == "interrupted"


def test_after_an_interrupt_there_is_half_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is what the innermost work said of itself."""
    left: list[tuple[str, int]] = []
    waited: list[float] = []
    done = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(interrupt.time, "sleep", waited.append)
    try:
        interrupt.watch(lambda words, code: (left.append((words, code)), done.set()))
        signal.signal(signal.SIGINT, lambda *given: None)  # compiled code would not come to it
        with interruptible(RESUMES):
            signal.raise_signal(signal.SIGINT)
            assert done.wait(30)
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, before)
    assert waited == [interrupt.GRACE]
    assert interrupt.GRACE <= 0.5
    assert left == [(RESUMES, 130)]
