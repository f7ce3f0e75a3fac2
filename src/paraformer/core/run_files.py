"""Files of a run directory: their names, and how they are read.

Who writes one takes its name here, and ``core.results`` reads it. Files of the folder ``scores``:

- ``methods.csv``: a line a method, in the order of all tables and legends (``Method``);
- ``cells.nc``: scores of every cell, and the line that each observation operator fitted (``cell_scores``);
- ``soil_moisture.csv``: their statistics over cells, a line a seed (``SCORE_COLUMNS``); ``summary.csv``: over seeds;
- ``surrogate_gap.csv``, ``checklist.csv``, and where the study has them ``evapotranspiration.csv`` and ``.nc``,
  ``signatures.csv``, ``pareto.csv``, ``recovery.csv``, ``rounds.csv`` and ``cross_validation.csv``;
- ``streamflow.csv``: scores of flow at every gauge, a line a seed and period; ``discharge.nc``: its daily series. A
  study of streamflow alone has these, ``methods.csv``, and where it is known ``recovery.csv``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from paraformer.core.errors import RunError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MANIFEST, STUDY = "manifest.json", "study.yaml"
"""Files of the run directory itself: what was run and how, and the resolved study."""

CUBE, ENSEMBLE = "cube.zarr", "ensemble.zarr"
"""Stores of the folders ``cube`` and ``ensemble``."""

SCORES_LAYOUT = 4
"""Version of the files of the folder ``scores``, part of its stage's key; 1 was a long table of cells, 2 knew neither
seasonal cycles nor seeds as an ensemble, 3 no Pareto front."""

METHODS, CELLS, SCORES, SUMMARY = "methods.csv", "cells.nc", "soil_moisture.csv", "summary.csv"
GAP, CHECKLIST, RECOVERY, ROUNDS, SIGNATURES, PARETO, CROSS_VALIDATION = (
    "surrogate_gap.csv",
    "checklist.csv",
    "recovery.csv",
    "rounds.csv",
    "signatures.csv",
    "pareto.csv",
    "cross_validation.csv",
)
EVAPOTRANSPIRATION, ANNUAL = "evapotranspiration.csv", "evapotranspiration.nc"
"""Files of the folder ``scores``."""

STREAMFLOW, DISCHARGE, STREAMFLOW_KEPT = "streamflow.csv", "discharge.nc", "streamflow_kept.csv"
"""Files of the folder ``scores`` where flow was judged; the last of basins kept aside by ``cross_validation``."""

RIVER, OBSERVED_FLOW, ROUTING = "network.nc", "observed.nc", "routing.nc"
"""Files of the folder ``streamflow``, and of a seed of a method that has learned times of travel."""

DEFAULT_RUNS, RUNS, AUDIT, WATER = "default.zarr", "verdict.zarr", "audit_learned.json", "water_balance.json"
"""Files of the folder ``verdict``: runs of the a-priori θ as it is, runs of every row's θ, the audit near them, and how
well the process model kept its water in all these runs."""

THETA, PARAMS = "theta.nc", "params.nc"
"""Files of a seed of a method: θ alone, and VIC's parameter file with θ in it."""


def is_run(directory: Path) -> bool:
    """Whether this is the directory of a run."""
    return (directory / MANIFEST).exists()


def opened(path: Path) -> xr.Dataset:
    """A netCDF file, read when computed with.

    Raises:
        RunError: it is not readable.
    """
    from paraformer.core.netcdf import open_later

    try:
        return open_later(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable ({error})") from error


def read_csv(path: Path, types: Mapping[str, type] | None = None) -> pd.DataFrame:
    """A table, its columns of some types where these are given.

    Raises:
        RunError: it is not readable.
    """
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=types)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not a readable table ({error})") from error


def read_json_table(path: Path) -> pd.DataFrame:
    """The same of a JSON file of columns.

    Raises:
        RunError: it is not readable.
    """
    import pandas as pd

    try:
        return pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable ({error})") from error
