"""How soon Ctrl-C ends a run: ``python benchmarks/interrupts.py RUN [--times 5] [--compiling]``.

RUN is a finished run of the built-in world (``paraformer demo --directory RUN``). For every stage it is copied without
that stage, which the same command makes anew; SIGINT comes at a random moment of it, whose length RUN tells. What
counts is the time until the process has ended. ``--compiling`` interrupts the compiler, with nothing kept.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

logger = logging.getLogger(__name__)

STAGES = (
    "cube",
    "ensemble",
    "surrogate",
    "parameters/SCE-UA",
    "parameters/ParaFormer_Z",
    "verdict",
    "scores",
    "figures",
)


def main() -> None:
    asked = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stages = ["cube"] if asked.compiling else asked.stages
    draws, found = random.Random(asked.draw), {}
    with tempfile.TemporaryDirectory() as folder:
        for stage in stages:
            one = (asked.run, stage, Path(folder), draws, asked.compiling)
            found[stage] = [interrupted(*one) for _ in range(asked.times)]
            logger.info("%s: %s s", stage, ", ".join(f"{seconds:.2f}" for seconds in found[stage]))
    logger.info("longest: %.2f s", max(map(max, found.values())))
    if asked.out is not None:
        asked.out.write_text(json.dumps(found), encoding="utf-8")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--times", type=int, default=5, help="of every stage")
    parser.add_argument("--stages", nargs="*", default=STAGES)
    parser.add_argument("--compiling", action="store_true", help="the compiler, with nothing kept")
    parser.add_argument("--draw", type=int, default=0, help="which random moments")
    parser.add_argument("--out", type=Path, help="seconds of every stage as JSON")
    return parser


def interrupted(run: Path, stage: str, folder: Path, draws: random.Random, compiling: bool) -> float:
    """Seconds from SIGINT at a random moment of a stage to the end of the process."""
    length = 20.0 if compiling else length_of(run, stage)
    while True:
        copy = folder / "run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        shutil.rmtree(copy / stage)
        shutil.rmtree(folder / "kept", ignore_errors=True)
        kept = {"NUMBA_CACHE_DIR": str(folder / "kept")} if compiling else {}
        command = [sys.executable, "-m", "paraformer", "demo", "--directory", str(copy)]
        wait = draws.uniform(0.0, length)
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, **streams, text=True, env=os.environ | kept, preexec_fn=listening)
        assert process.stderr is not None
        line = next((line for line in process.stderr if line.startswith(f"{stage}: starting")), "")
        if not line:
            raise SystemExit(f"{stage}: never begun; exit code {process.wait()}")
        time.sleep(wait)
        if done(copy / stage):  # faster than when RUN was made
            process.kill()
            process.wait()
            length = wait
            continue
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        told = process.stderr.read().strip().splitlines()
        code, seconds = process.wait(), time.monotonic() - began
        logger.info("%s after %.1f s: ended in %.2f s with %d: %s", stage, wait, seconds, code, told[-1:])
        return seconds


def listening() -> None:
    """Take SIGINT, which a job in the background ignores and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def done(stage: Path) -> bool:
    """Whether a stage is finished."""
    return bool(json.loads((stage / "stage.json").read_text(encoding="utf-8")).get("complete"))


def length_of(run: Path, stage: str) -> float:
    """Seconds that a stage of a run took."""
    stages = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return float(stages[stage]["wall_s"])


if __name__ == "__main__":
    main()
