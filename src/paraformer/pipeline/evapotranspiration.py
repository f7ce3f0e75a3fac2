"""Evapotranspiration of a judged study: the archives' series and the cube's climate, brought to the evaluation room."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from paraformer.core.schema import Cube
from paraformer.core.time import Period
from paraformer.core.variables import REFERENCES
from paraformer.data.climate import priestley_taylor
from paraformer.evaluation.evapotranspiration import Series, judge_evapotranspiration, whole_years
from paraformer.evaluation.holdout import Holdout

Archives = Mapping[Path, Sequence[tuple[str, int]]]
"""Archive of process-model runs -> method and seed of each of its sets, in order."""


def why_left_out(cube: Cube, outputs: Collection[str]) -> str | None:
    """Why a study has no Table 3 and no Figure 9, in one sentence for log and report; ``None`` if it has them.

    Args:
        outputs: what the process model offers.
    """
    test, reason = cube.period("test"), None
    if "evapotranspiration" not in outputs:
        reason = "the process model gives no evapotranspiration"
    elif not any(str(name).startswith("et_") for name in cube.dataset.data_vars):
        known = ", ".join(name for name in REFERENCES if name.startswith("et_"))
        reason = f"the input file has no reference of evapotranspiration ({known})"
    elif whole_years(cube.time, test) is None:
        reason = f"the test period {test} holds no whole year, so there is no annual total"
    return None if reason is None else f"Table 3 and Figure 9 (annual evapotranspiration) are left out: {reason}."


def evapotranspiration_tables(
    cube: Cube, holdout: Holdout, archives: Archives, period: Literal["train", "test"] | Period
) -> tuple[xr.Dataset, pd.DataFrame] | None:
    """As ``evaluation.evapotranspiration.judge_evapotranspiration``, of every row of the archives."""
    forcing = (cube.dataset[name].values.astype(np.float64) for name in ("tair", "swdown", "lwdown", "pres"))
    chosen = cube.period(period) if isinstance(period, str) else period
    return judge_evapotranspiration(cube.dataset, _series(archives), priestley_taylor(*forcing), holdout, chosen)


def _series(archives: Archives) -> Iterator[Series]:
    for path, rows in archives.items():
        daily = xr.open_zarr(path, consolidated=False)["evapotranspiration"]
        for position, (method, seed) in enumerate(rows):
            yield Series(method, seed, daily[:, position].values)
