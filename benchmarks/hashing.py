"""What it costs to prove every file of a run against its content hash, as JSON:

``python benchmarks/hashing.py [RUN] [--set KEY=VALUE] [--out FILE]``

A finished run is proved once by the command that goes on with it (``core.run``): every file of every stage is read and
hashed. Stated are the bytes, the processor seconds of that, and their share of the processor seconds that the run took
by its manifest. Without a run directory the demo study is run first, which takes about four minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[1] / "src" / "paraformer" / "studies" / "demo.yaml"


def measured(run: Path) -> dict[str, Any]:
    """Cost of proving every finished stage of a run."""
    from paraformer.core.run import changed

    marks = [mark for mark in run.rglob("stage.json") if "stale" not in mark.relative_to(run).parts]
    files = [json.loads(mark.read_text(encoding="utf-8"))["files"] for mark in marks]
    wall, cpu = time.perf_counter(), time.process_time()
    damaged = [name for mark in marks for name in changed(mark.parent)]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stages = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    total = sum(entry["cpu_s"] for entry in stages.values())
    size = sum(size for of in files for size, _ in of.values())
    return {
        "stages": len(marks),
        "files": sum(map(len, files)),
        "MB": round(size / 1e6, 1),
        "damaged": damaged,
        "cpu_s": round(cpu, 3),
        "wall_s": round(wall, 3),
        "GB_per_cpu_s": round(size / 1e9 / cpu, 2),
        "run_cpu_s": round(total, 1),
        "share_of_the_run": round(cpu / total, 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="directory of a finished run")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = given.run
        if run is None:
            from paraformer.config import load_study
            from paraformer.pipeline import run_study

            run = Path(folder) / "run"
            run_study(load_study(DEMO, given.overrides), run, until="scores")
        text = json.dumps(measured(run), indent=1) + "\n"
    sys.stdout.write(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
