"""Plan against run, as JSON: ``python benchmarks/plan_check.py [STUDY] [--set KEY=VALUE] [--out FILE]``.

Plans a study (the built-in world's by default), runs it in a temporary folder, and compares core seconds, process-model
runs and bytes on disk of every stage. Exits with 1 if the core seconds or the bytes of the whole are off by more than
20 %. Core seconds are compared, not wall time, because a shared machine changes the latter at will.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from paraformer.config import Study, load_study
from paraformer.pipeline import run_study
from paraformer.pipeline.plan import Plan, plan_study

DEMO = Path(__file__).resolve().parents[1] / "src" / "paraformer" / "studies" / "demo.yaml"
TOLERANCE = 0.2


def disk_of(path: Path) -> int:
    """Bytes of a folder's files."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def run_and_compare(study: Study, plan: Plan, folder: Path) -> dict[str, Any]:
    """Every stage as planned and as run."""
    run_study(study, folder)
    manifest = json.loads((folder / "manifest.json").read_text())["stages"]
    rows = {}
    for stage in plan.stages:
        found = manifest[stage.name]
        rows[stage.name] = {
            "core_s": {"planned": round(float(stage.time[0]), 2), "run": found["cpu_s"]},
            "wall_s": {"planned": round(float(stage.time[1]), 2), "run": found["wall_s"]},
            "runs": {"planned": stage.runs, "run": found["runs"]},
            "megabytes": {"planned": round(stage.disk / 1e6, 2), "run": round(disk_of(folder / stage.name) / 1e6, 2)},
        }
    return rows


def off(rows: dict[str, Any], kind: str) -> float:
    """How far the planned sum is from that of the run, relative."""
    planned, run = (sum(row[kind][which] for row in rows.values()) for which in ("planned", "run"))
    return planned / run - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", default=DEMO)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    study = load_study(options.study, options.overrides)
    load, start = os.getloadavg()[0], time.perf_counter()
    plan = plan_study(study)
    planned_in = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        rows = run_and_compare(study, plan, Path(folder) / "run")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {
        "study": study.name,
        "cells": plan.size.cells,
        "load_average_before": load,
        "plan_took_s": round(planned_in, 1),
        "stages": rows,
        "off": {kind: round(off(rows, kind), 3) for kind in ("core_s", "wall_s", "megabytes")},
        "peak_memory_mb": {"planned": round(plan.total.memory / 1e6), "run": round(peak / 1e6)},
    }
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    sys.exit(any(abs(result["off"][kind]) > TOLERANCE for kind in ("core_s", "megabytes")))


if __name__ == "__main__":
    main()
