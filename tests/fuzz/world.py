"""The valid world that mutants are made of: six cells, eight months, every stage in a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from paraformer.config import load_study
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.pipeline.world import make_world
from worlds import write_study

_FEW = {"steps": 3, "checkpoint_steps": 2, "schedule": {"warm_up": 1}}
STUDY: dict[str, Any] = {
    "name": "fuzz",
    "seed": 3,
    "parameters": ["infilt", "expt"],
    "data": {
        "source": "cells",
        "path": "inputs.nc",
        "observation": "sm_obs",
        "chunk_cells": 4,
        "split": {"variable": "split", "trained": ["train"], "unseen": ["neighbour"]},
        "train": {"start": "2015-04-01", "end": "2015-07-30"},
        "test": {"start": "2015-07-31", "end": "2015-11-26"},
    },
    "process": {
        "parameters": "params.nc",
        "domain": "domain.nc",
        "spin_up": {"days": 30, "cycles": 1},
        "threads": 1,
    },
    "ensemble": {"common": 2, "own": 2, "held_out": 1, "chunk_cells": 4},
    "surrogate": {
        "anchors": 2,
        "hidden": 4,
        "embedding": 4,
        "warm_up": 5,
        "window": 20,
        "cells_per_batch": 4,
        "sets_per_cell": 2,
        "training": _FEW,
    },
    "searches": {"LH": {"name": "random", "budget": 4, "model": "surrogate"}},
    "learners": {
        "FFN_A": {
            "network": {"name": "ffn_a", "hidden": 4},
            "window": 40,
            "cells_per_batch": 4,
            "members": 1,
            "training": _FEW,
        }
    },
    "report": {"formats": ["png"], "dpi": 50},
}
DAYS = 240
FILES = ("inputs.nc", "params.nc", "domain.nc")


def make_files(folder: Path) -> None:
    """``study.yaml``, ``inputs.nc``, ``params.nc`` and ``domain.nc``."""
    small = {"source": "synthetic", "synthetic": {"rows": 2, "columns": 3, "years": 2}}
    study = load_study(write_study(folder, data=small))
    make_world(study, folder)
    write_dataset(read_dataset(folder / "inputs.nc").isel(time=slice(DAYS)), folder / "inputs.nc")
    (folder / "truth.nc").unlink()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
