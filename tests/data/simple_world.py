"""A miniature input file in the simple format, made by formula, and settings that fit it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from paraformer.core.variables import VOCABULARY
from paraformer.data.config import DataConfig

CELLS = np.array([3, 4, 7, 10, 11, 12, 20])
N_DAYS = 800
START = np.datetime64("2015-04-01")
PERIODS = {"train": {"start": "2015-04-01", "end": "2016-03-31"}, "test": {"start": "2016-04-01", "end": "2017-03-31"}}
SPLIT = {"variable": "split", "trained": "train", "unseen": "neighbour"}
OFFSET = {"prcp": 2, "tair": 10, "swdown": 200, "lwdown": 300, "wind": 3, "vp": 1, "pres": 95}
SPREAD = {"prcp": 2, "tair": 15, "swdown": 150, "lwdown": 60, "wind": 2, "vp": 0.7, "pres": 0}


def simple_dataset(steps: int = 1, n_days: int = N_DAYS) -> xr.Dataset:
    """Seven cells; cell 12 has ``qc`` 1, cells 4 and 11 are ``neighbour``, cell 20 is ``excluded``."""
    n = len(CELLS)
    time = START + (np.arange(n_days * steps) * (86400 // steps)).astype("timedelta64[s]")
    phase = np.arange(n_days * steps)[None, :] / steps * 2 * np.pi / 365.25 + np.arange(n)[:, None]
    variables: dict[str, Any] = {}
    for name, offset in OFFSET.items():
        values = offset + SPREAD[name] * np.sin(phase * (1 if name != "prcp" else 7))
        variables[name] = (("cell", "time"), values.astype("f4"), {"units": VOCABULARY[name].unit})
    moisture = 0.2 + 0.1 * np.sin(phase * 3)
    moisture[:, np.arange(n_days * steps) % (3 * steps) != 0] = np.nan
    variables["sm_smap"] = (("cell", "time"), moisture.astype("f4"), {"units": "m3/m3"})
    for k, name in enumerate(("sand", "clay", "elevation")):
        variables[name] = (("cell",), 20.0 + k + np.arange(n), {"units": VOCABULARY[name].unit})
    variables["landcover_igbp"] = (("cell",), np.array([10, 10, 7, 5, 12, 7, 1]), {"units": "1"})
    variables["slope"] = (("cell",), np.linspace(0, 1, n), {"units": "degree"})
    variables["qc"] = (("cell",), np.array([0, 0, 0, 0, 0, 1, 0], dtype="i1"))
    roles = ["train", "neighbour", "train", "train", "neighbour", "train", "excluded"]
    variables["split"] = (("cell",), np.array(roles))
    variables["et_gleam"] = (("cell", "month"), np.full((n, 12), 50.0), {"units": "mm month-1"})
    coords = {"cell": CELLS, "time": time.astype("datetime64[ns]")}
    variables["lat"] = (("cell",), np.linspace(30, 45, n), {"units": "degrees_north"})
    variables["lon"] = (("cell",), np.linspace(-120, -80, n), {"units": "degrees_east"})
    return xr.Dataset(variables, coords, {"title": "seven cells", "references": "made by formula"})


def write(dataset: xr.Dataset, path: Path) -> Path:
    dataset.to_netcdf(path)
    return path


def settings(path: Path, **changes: Any) -> DataConfig:
    given = {"path": path, "split": SPLIT, "select": {"qc": 0}, "chunk_cells": 2, **PERIODS}
    return DataConfig(**(given | changes))


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
