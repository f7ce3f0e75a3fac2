"""Cells of a cube that look wrong though every value is possible: to be looked at, not dropped.

Each rule has its limit here; none knows the truth. A finding says cell, variable and what is odd.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from paraformer.core.grid import unit_vectors
from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING

COLUMNS = ("cell", "lat", "lon", "variable", "finding")

ENOUGH = 20
"""Observations from which on a series can be called constant or stuck."""
STILL = 1e-3
"""Standard deviation below which an observed series counts as constant [unit of the observation]."""
STUCK = 0.2
"""Share of observations with the very same value."""
NEIGHBOURS = 8
FAR = 8.0
"""Distance from the median of the neighbours, in robust standard deviations of that distance over all cells."""


def suspicious_cells(cube: Cube) -> pd.DataFrame:
    """Findings, one a row, with ``COLUMNS``.

    Rules: a cell without any observation; observations that never change, or are stuck at one value; forcing that is
    constant in time (air pressure may be), or no rain at all; a mean of forcing, observation or attribute far from that
    of the neighbouring cells.
    """
    rows: list[tuple[int, str, str]] = []
    observation = str(cube.dataset.attrs["observation"])
    values, mask = cube.observed()
    rows += [(int(k), observation, "no observation at all") for k in np.flatnonzero(~mask.any(axis=1))]
    rows += _still(observation, values, mask)
    for name in FORCING:
        series = cube.dataset[name].values.astype(np.float64)
        if name == "prcp":
            rows += [(int(k), name, "no precipitation at all") for k in np.flatnonzero(~(series > 0).any(axis=1))]
        elif name != "pres":
            rows += [(int(k), name, "constant in time") for k in np.flatnonzero(np.ptp(series, axis=1) == 0)]
        rows += _far(cube, name, series.mean(axis=1))
    count = mask.sum(axis=1)
    rows += _far(
        cube, observation, np.divide(values.sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
    )
    for name in cube.attribute_names:
        if not name.startswith(("climate_", "landcover_")) and name not in ("lat", "lon"):
            rows += _far(cube, name, cube.dataset[name].values.astype(np.float64))
    cells, lat, lon = cube.cells, cube.lat, cube.lon
    return pd.DataFrame([(cells[k], lat[k], lon[k], name, what) for k, name, what in rows], columns=list(COLUMNS))


def _still(
    name: str, values: Float[np.ndarray, "cell time"], mask: Bool[np.ndarray, "cell time"]
) -> list[tuple[int, str, str]]:
    found = []
    for k in np.flatnonzero(mask.sum(axis=1) >= ENOUGH):
        series = values[k, mask[k]]
        most = float(np.unique(series, return_counts=True)[1].max() / series.size)
        if series.std() < STILL:
            found.append((int(k), name, f"never changes (standard deviation {series.std():.2g})"))
        elif most > STUCK:
            found.append((int(k), name, f"one value on {100 * most:.0f} % of its days"))
    return found


def _far(cube: Cube, name: str, mean: Float[np.ndarray, " cell"]) -> list[tuple[int, str, str]]:
    """Cells whose mean is far from the median of the cells around them."""
    known = np.flatnonzero(np.isfinite(mean))
    if known.size <= NEIGHBOURS + 1:
        return []
    places = unit_vectors(cube.lat[known], cube.lon[known])
    around = cKDTree(places).query(places, k=NEIGHBOURS + 1)[1][:, 1:]
    apart = mean[known] - np.median(mean[known][around], axis=1)
    spread = 1.4826 * float(np.median(np.abs(apart - np.median(apart))))
    if spread == 0:
        return []
    far = np.flatnonzero(np.abs(apart - np.median(apart)) > FAR * spread)
    return [
        (int(known[k]), name, f"mean {mean[known][k]:.4g}, cells around {mean[known][k] - apart[k]:.4g}") for k in far
    ]
