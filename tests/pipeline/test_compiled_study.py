"""A whole study whose process model is a program: ensemble, surrogate, search, learner, verdict, and what goes wrong.

The program is a client of a few lines; what answers it is our own VIC in a process that stays, so that a run takes
milliseconds and not the start of an interpreter with all its libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from paraformer.config import Study, load_study
from paraformer.core.errors import ModelError
from paraformer.core.variables import VOCABULARY
from paraformer.pipeline import run_study
from process.drop_in import FIRST_DAY, MASK, N_DAY, global_file, make_world
from training.killing import KillAt, Killed

CLIENT = """#!{python} -SE
import os, socket, sys
said = open({folder!r} + "/calls", "a")
said.write(sys.argv[2] + "\\n")
said.close()
limit = os.environ.get("FAKE_VIC_CALLS")
if limit and sum(1 for _ in open({folder!r} + "/calls")) > int(limit):
    print("reading parameters")
    print("ERROR: soil layer 2 is broken", flush=True)
    sys.exit(3)
with socket.socket(socket.AF_UNIX) as link:
    link.connect("\\0" + {name!r})
    link.sendall(sys.argv[2].encode())
    link.shutdown(socket.SHUT_WR)
    answer = link.makefile().read()
print(answer, flush=True)
sys.exit(answer != "done")
"""
SERVER = """
import socket, sys, traceback
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import run_global
with socket.socket(socket.AF_UNIX) as server:
    server.bind("\\0" + sys.argv[1])
    server.listen(8)
    print("ready", flush=True)
    while True:
        link, _ = server.accept()
        with link:
            try:
                run_global(read_global_parameters(link.makefile().read()), threads=1)
                link.sendall(b"done")
            except Exception:
                link.sendall(traceback.format_exc().encode())
"""
FEW = {"steps": 2, "checkpoint_steps": 1, "schedule": {"warm_up": 1}}
CELLS, SETS = 3, 1 + 2 + 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """VIC's files of three cells, the program, and its server."""
    folder = tmp_path_factory.mktemp("compiled")
    make_world(folder)
    name = f"paraformer-test-{os.getpid()}"
    program = folder / "vic_image.exe"
    program.write_text(CLIENT.format(python=sys.executable, folder=str(folder), name=name))
    program.chmod(0o755)
    server = subprocess.Popen([sys.executable, "-c", SERVER, name], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    write_cells(folder / "cells.nc")
    global_file(folder)
    yield folder
    server.kill()
    server.wait()


def write_cells(path: Path) -> None:
    """The same cells and days in the simple format, with soil moisture by formula."""
    time, n = FIRST_DAY + np.arange(N_DAY), CELLS
    wave = np.sin(np.arange(N_DAY) / 3 + np.arange(n)[:, None])
    forcing = {
        "prcp": 3 + 3 * wave,
        "tair": 5 + wave,
        "swdown": 100 + 9 * wave,
        "lwdown": 250 + wave,
        "wind": 2 + wave,
        "vp": 0.6 + 0.1 * wave,
        "pres": 95 + 0 * wave,
    }
    variables: dict[str, Any] = {k: (("cell", "time"), v, {"units": VOCABULARY[k].unit}) for k, v in forcing.items()}
    variables["sm_smap"] = (("cell", "time"), 0.2 + 0.05 * wave, {"units": "m3 m-3"})
    variables["clay"] = (("cell",), np.array([10.0, 20.0, 30.0]), {"units": VOCABULARY["clay"].unit})
    variables["split"] = (("cell",), np.array(["train", "train", "neighbour"]))
    rows, columns = np.nonzero(MASK)
    variables["lat"] = (("cell",), np.array([40.0, 41.0])[rows], {"units": "degrees_north"})
    variables["lon"] = (("cell",), np.array([-100.0, -99.0])[columns], {"units": "degrees_east"})
    coords = {"cell": np.arange(n), "time": time.astype("datetime64[ns]")}
    xr.Dataset(variables, coords).to_netcdf(path)


def study(world: Path, folder: Path) -> Study:
    content = {
        "name": "compiled",
        "parameters": ["infilt", "expt"],
        "data": {
            "source": "cells",
            "path": str(world / "cells.nc"),
            "observation": "sm_smap",
            "attributes": ["clay"],
            "split": {"variable": "split", "trained": ["train"], "unseen": ["neighbour"]},
            "train": {"start": "2000-12-25", "end": "2001-01-08"},
            "test": {"start": "2001-01-09", "end": "2001-01-18"},
        },
        "process": {
            "model": "compiled",
            "executable": str(world / "vic_image.exe"),
            "processes": 2,
            "global_parameters": str(world / "global.txt"),
            "work": str(folder / "work"),
            "spin_up": {"days": 5, "cycles": 1},
        },
        "ensemble": {"common": 2, "own": 3, "held_out": 1, "chunk_cells": 2},
        "surrogate": {
            "anchors": 2,
            "hidden": 8,
            "embedding": 4,
            "warm_up": 2,
            "window": 5,
            "cells_per_batch": 2,
            "sets_per_cell": 2,
            "training": FEW,
        },
        "searches": {"SCE-UA": {"name": "sceua", "budget": 12, "checkpoint_seconds": 0, "loss": {"min_days": 5}}},
        "learners": {
            "FFN_A": {"network": {"name": "ffn_a", "hidden": 8}, "cells_per_batch": 2, "training": FEW},
            "refined": {
                "network": {"name": "ffn_a", "hidden": 8},
                "cells_per_batch": 2,
                "training": FEW,
                "simulator": "surrogate_then_process",
                "refinement": {**FEW, "cells_per_batch": 2},
            },
        },
        "evaluation": {"min_days": 5},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def content(run: Path) -> str:
    """Hash of the ensemble."""
    return str(json.loads((run / "ensemble" / "stage.json").read_text())["hash"])


def calls(world: Path) -> int:
    return len((world / "calls").read_text().splitlines())


def test_a_study_runs_on_a_program_from_ensemble_to_verdict(world: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_study(study(world, tmp_path), run, until="scores")
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    assert stages["ensemble"]["runs"] == CELLS * SETS
    assert stages["parameters/SCE-UA"]["runs"] > 0
    assert stages["parameters/refined"]["runs"] == 2 * 2 * 5
    table = pd.read_csv(run / "scores" / "soil_moisture.csv")
    raw = table[(table["operator"] == "raw") & (table["period"] == "test") & (table["metric"] == "rmse")]
    assert {"default VIC", "best θ per cell", "SCE-UA", "FFN_A", "refined"} <= set(raw["method"])
    assert np.isfinite(raw["mean"]).all()
    for name in ("SCE-UA", "FFN_A"):
        assert (run / "parameters" / name / "seed-0" / "params.nc").exists()  # runs in the program as it is
    assert not list((tmp_path / "work").glob("run*"))  # what the processes needed is gone; their logs are kept


def test_a_program_that_fails_loses_nothing_and_a_kill_neither(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = study(world, tmp_path)
    run_study(chosen, tmp_path / "whole", until="ensemble")
    before = calls(world)
    monkeypatch.setenv("FAKE_VIC_CALLS", str(before + SETS + 2))  # fails in the second chunk of cells
    with pytest.raises(ModelError, match="soil layer 2 is broken"):
        run_study(chosen, tmp_path / "run", until="ensemble")
    monkeypatch.delenv("FAKE_VIC_CALLS")
    at = calls(world)
    run_study(chosen, tmp_path / "run", until="ensemble")
    assert calls(world) - at <= SETS + 1  # one chunk and the a-priori run: the first chunk was kept
    whole = content(tmp_path / "whole")
    assert content(tmp_path / "run") == whole
    with pytest.raises(Killed):
        run_study(chosen, tmp_path / "killed", until="ensemble", progress=KillAt(CELLS * SETS - SETS))
    run_study(chosen, tmp_path / "killed", until="ensemble")
    assert content(tmp_path / "killed") == whole
