"""Scores of every cell: one labelled array, or the part of it that is wanted as a long table.

``score (row, operator, period, metric, cell)``, NaN where a cell is not scored. A row has ``method`` and ``seed``; a
cell has ``lat``, ``lon`` and ``trained``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paraformer.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DIMS = ("row", "operator", "period", "metric", "cell")
_NAMES = ("score", "method", "seed", "operator", "period", "metric", "cell", "lat", "lon", "trained")


def require_cell_scores(scores: xr.Dataset, source: str) -> None:
    """Raise DataError naming the first variable or coordinate that is missing."""
    for name in _NAMES:
        if name not in scores.variables:
            raise DataError(f"{source}: '{name}' is missing; expected scores of cells")


def chosen(scores: xr.Dataset, wanted: Mapping[str, str | Sequence[str] | None]) -> xr.Dataset:
    """The part of scores of cells with the wanted labels, loaded; dim -> one, several or ``None`` for all."""
    from paraformer.core.netcdf import interrupt_later

    for dim, labels in wanted.items():
        if labels is not None:
            several = (labels,) if isinstance(labels, str) else tuple(labels)
            scores = scores.isel({dim: np.flatnonzero(np.isin(scores[dim].values.astype(str), several))})
    with interrupt_later():
        return scores.load()


def long_table(scores: xr.Dataset) -> pd.DataFrame:
    """Scores of cells as a long table, ``core.schema.CELL_COLUMNS``: one line a row, operator, period, metric, cell."""
    import pandas as pd

    from paraformer.core.schema import CELL_COLUMNS

    values = scores["score"].transpose(*DIMS).values
    at = dict(zip(DIMS, np.indices(values.shape).reshape(len(DIMS), -1), strict=True))

    def spread(name: str, dim: str) -> np.ndarray:
        return scores[name].values[at[dim]]

    table = {name: spread(name, "cell") for name in ("cell", "lat", "lon")}
    table |= {name: spread(name, "row") for name in ("method", "seed")}
    table |= {name: spread(name, name) for name in ("operator", "period", "metric")}
    table["cells"] = np.where(spread("trained", "cell"), "trained", "unseen")
    table |= {"value": values.ravel(), "scored": np.isfinite(values).ravel()}
    return pd.DataFrame(table)[list(CELL_COLUMNS)]
