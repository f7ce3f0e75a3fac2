"""Results of flow at gauges made of numbers alone, in memory, as ``made_run`` makes those of soil moisture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from paraformer.core.method import Method
from paraformer.core.parameters import VIC_PARAMETERS, ParameterSpace
from paraformer.core.results import Results
from report.made_run import _cube

METHODS = (
    Method("default VIC", "default", 1, 1, 0, "a-priori parameters"),
    Method("SCE-UA", "search", 1, 1, 900, "a search at each gauge"),
    Method("FFN_A", "learner", 1, 1, 300, "a network <i>"),
)
SPACE = ParameterSpace([VIC_PARAMETERS[name] for name in ("infilt", "ds")])
KGE = {"default VIC": 0.2, "SCE-UA": 0.6, "FFN_A": 0.5, "seasonal flow": 0.1}
SCORES = ("kge", "r", "alpha", "beta", "nse", "log_nse", "percent_bias", "high_flow", "low_flow", "peak_days", "lag")


class MadeFlow(Results):
    """Results of flow without files but the manifest and the study."""

    moisture = False

    def theta_fields(self) -> dict[str, np.ndarray]:
        return {m.name: SPACE.from_unit(np.full((1, 12, 2), 0.5)) for m in METHODS[1:]}


def made_flow(folder: Path) -> MadeFlow:
    """12 gauges, every fourth unseen; KGE of a gauge is that of its method and 0.01 more from gauge to gauge."""
    (folder / "study.yaml").write_text(yaml.safe_dump({"name": "rivers", "learner_seeds": 1, "learners": {}}))
    (folder / "manifest.json").write_text('{"seed": 3}')
    made = MadeFlow(folder)
    made.methods, made.space, made.cross_validation, made.recovery = METHODS, SPACE, None, None
    made.cube = _cube(np.random.default_rng(0), 3, 4, 400)
    gauges = [f"{i:02d}" for i in range(12)]
    rows = [
        {"gauge": name, "lat": 40.0 + i, "lon": -90.0 - i, "area_km2": 100.0, "method": method, "seed": -1}
        | {"period": period, "cells": "trained" if i % 4 else "unseen"}
        | dict.fromkeys(SCORES, 0.5)
        | {"kge": kge + 0.01 * i}
        for i, name in enumerate(gauges)
        for method, kge in KGE.items()
        for period in ("train", "test")
    ]
    made.streamflow = pd.DataFrame(rows)
    time = made.cube.time.astype("datetime64[ns]")
    values = np.random.default_rng(1).gamma(1.0, 3.0, (3, 12, len(time))).astype(np.float32)
    made.discharge = xr.Dataset(
        {"simulated": (("row", "gauge", "time"), values), "observed": (("gauge", "time"), values[0])},
        {"method": ("row", [m.name for m in METHODS]), "seed": ("row", [-1, 0, 0])}
        | {"gauge": gauges, "time": time, "area_km2": ("gauge", np.full(12, 100.0))}
        | {"lat": ("gauge", 40.0 + np.arange(12)), "lon": ("gauge", -90.0 - np.arange(12))}
        | {"trained": ("gauge", np.arange(12) % 4 > 0)},
    )
    made.basins = np.eye(12)  # a cell each
    return made
