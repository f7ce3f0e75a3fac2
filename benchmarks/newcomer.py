"""From one's own VIC files to new parameters in VIC: ``python benchmarks/newcomer.py DATA --out FOLDER [--cells 30]``.

DATA is ``../shared/data/conus``: its VIC files with a domain of so many cells stand for those of a user, and its SMAP
file for the observations. The commands are those of docs/results/newcomer.md, one after the other, each in a process
of its own; their times are written to FOLDER/newcomer.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

logger = logging.getLogger(__name__)

COMMANDS = (
    "paraformer new vic mine --global global.txt --observations smap.nc",
    "paraformer check mine/study.yaml",
    "paraformer run mine/study.yaml --directory run --quiet @overrides@",
    "paraformer vic run global.txt",
    "paraformer vic run global_learned.txt",
)


def main() -> None:
    asked = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    write_files(asked.data.resolve(), out, asked.cells)
    times = []
    overrides = " ".join(f"--set {setting}" for setting in asked.set)
    for command in (each.replace("@overrides@", overrides).strip() for each in COMMANDS):
        if "learned" in command:
            _put_learned(out)
        began, before = time.monotonic(), _processor_time()
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)], cwd=out, capture_output=True, text=True, check=False
        )
        wall, cpu = time.monotonic() - began, _processor_time() - before
        logger.info("$ %s\n%s%s(%.1f s, of the processor %.1f s)\n", command, done.stdout, done.stderr, wall, cpu)
        if done.returncode:
            sys.exit(done.returncode)
        times.append({"command": command, "wall_s": round(wall, 1), "cpu_s": round(cpu, 1)})
    facts = {"cells": asked.cells, "cores": os.cpu_count(), "load": os.getloadavg(), "commands": times}
    (out / "newcomer.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _processor_time() -> float:
    """Of all processes that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_files(data: Path, out: Path, cells: int) -> None:
    """A user's files: a global parameter file of two years, a domain of so many trained cells, observations."""
    vic = data / "vic5"
    with xr.open_dataset(data / "conus_smap_nldas.nc") as dataset:
        seen = dataset[["sm_smap", "lat", "lon", "split", "qc"]].load()
    good = np.flatnonzero((seen["qc"].values == 0) & (seen["split"].values == "train"))
    chosen = good[np.linspace(0, len(good) - 1, cells).astype(int)]
    seen[["sm_smap", "lat", "lon"]].isel(cell=np.sort(chosen)).to_netcdf(out / "smap.nc")
    with xr.open_dataset(vic / "domain.nc") as dataset:
        domain = dataset.load()
    mask = np.isin(np.arange(domain.sizes["x"]), chosen).astype(np.int32)
    domain["mask"][:] = mask
    domain.to_netcdf(out / "domain.nc")
    with xr.open_dataset(vic / "params_B.nc", decode_cf=False) as dataset:
        params = dataset.load()
    params["run_cell"][:] = mask
    params.to_netcdf(out / "params.nc")
    text = (vic / "global_default_B.txt").read_text(encoding="utf-8")
    changed = {
        "${DATA}/domain.nc": "domain.nc",
        "${DATA}/params_B.nc": "params.nc",
        "${DATA}": str(vic),
        "${FORCING}": str(vic / "forcing"),
    }
    for old, new in {**changed, "${OUT}": "out_default", "ENDYEAR 2018": "ENDYEAR 2017"}.items():
        text = text.replace(old, new)
    (out / "global.txt").write_text(text, encoding="utf-8")


def _put_learned(out: Path) -> None:
    """The global parameter file with the learned parameter file in it."""
    import paraformer as pf

    result = pf.Result(out / "run")
    logger.info("%s", result.recommended.why)
    learned = result.parameter_file(str(result.recommended.method))
    lines = (out / "global.txt").read_text(encoding="utf-8").splitlines()
    lines = [f"PARAMETERS {learned}" if line.startswith("PARAMETERS") else line for line in lines]
    text = "\n".join(lines).replace("out_default", "out_learned")
    (out / "global_learned.txt").write_text(text + "\n", encoding="utf-8")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/conus"))
    parser.add_argument("--out", type=Path, default=Path("runs/newcomer"), help="folder of files, run and times")
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the study to change")
    return parser


if __name__ == "__main__":
    main()
