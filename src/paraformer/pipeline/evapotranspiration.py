"""Evapotranspiration of a judged study: the archives' series and the cube's climate, brought to the evaluation room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from paraformer.core.schema import Cube
from paraformer.core.time import Period
from paraformer.data.climate import priestley_taylor
from paraformer.evaluation.evapotranspiration import Series, judge_evapotranspiration
from paraformer.evaluation.holdout import Holdout

Archives = Mapping[Path, Sequence[tuple[str, int]]]
"""Archive of process-model runs -> method and seed of each of its sets, in order."""


def evapotranspiration_tables(
    cube: Cube, holdout: Holdout, archives: Archives, period: Literal["train", "test"] | Period
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Annual evapotranspiration of every row and cell, and its scores against every reference of the cube.

    Returns:
        Tables with ``FIELD_COLUMNS`` and ``SCORE_COLUMNS`` of ``evaluation.evapotranspiration``.
    """
    forcing = (cube.dataset[name].values.astype(np.float64) for name in ("tair", "swdown", "lwdown", "pres"))
    chosen = cube.period(period) if isinstance(period, str) else period
    return judge_evapotranspiration(cube.dataset, _series(archives), priestley_taylor(*forcing), holdout, chosen)


def _series(archives: Archives) -> Iterator[Series]:
    for path, rows in archives.items():
        daily = xr.open_zarr(path, consolidated=False)["evapotranspiration"]
        for position, (method, seed) in enumerate(rows):
            yield Series(method, seed, daily[:, position].values)
