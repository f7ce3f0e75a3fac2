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
from paraformer.data.attributes import TEXTURE
from paraformer.data.sources.weather import saturation_vapour_pressure
from paraformer.data.values import MIST

COLUMNS = ("cell", "lat", "lon", "variable", "finding")

ENOUGH = 20
"""Observations from which on a series can be called constant or stuck."""
STILL = 1e-3
"""Standard deviation below which an observed series counts as constant [unit of the observation]."""
STUCK = 0.2
"""Share of observations with the very same value."""
SATURATED = 0.2
"""Share of days on which vapour pressure exceeds ``MIST`` times saturation at the mean temperature."""
TEXTURE_SUM = 2.0
"""Distance of the sum of sand, silt and clay from 100 [%]."""
NEIGHBOURS = 8
FAR = 8.0
"""Distance from the median of the neighbours, in robust standard deviations of that distance over all cells."""


def suspicious_cells(cube: Cube) -> pd.DataFrame:
    """Findings, one a row, with ``COLUMNS``.

    Rules: a cell without any observation; observations that never change, or are stuck at one value; forcing that is
    constant in time (air pressure may be), or no rain at all; vapour pressure above saturation; a mean of forcing,
    observation or attribute far from that of the neighbouring cells; forcing that swings more or less than theirs, as
    if it were in another unit; a texture that does not add up.
    """
    rows: list[tuple[int, str, str]] = []
    observation = str(cube.dataset.attrs["observation"])
    values, mask = cube.observed()
    if observation:
        rows += [(int(k), observation, "no observation at all") for k in np.flatnonzero(~mask.any(axis=1))]
    rows += _still(observation, values, mask)
    for name in FORCING:
        series = cube.dataset[name].values.astype(np.float64)
        if name == "prcp":
            rows += [(int(k), name, "no precipitation at all") for k in np.flatnonzero(~(series > 0).any(axis=1))]
        elif name != "pres":
            rows += [(int(k), name, "constant in time") for k in np.flatnonzero(np.ptp(series, axis=1) == 0)]
        rows += _far(cube, name, series.mean(axis=1))
        rows += _far(cube, name, series.std(axis=1), "standard deviation")
    rows += _misty(cube)
    rows += _texture(cube)
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
        distinct, count = np.unique(series, return_counts=True)
        most, value = float(count.max() / series.size), float(distinct[count.argmax()])
        if series.std() < STILL:
            found.append((int(k), name, f"never changes (standard deviation {series.std():.2g})"))
        elif most > STUCK:
            found.append((int(k), name, f"one value on {100 * most:.0f} % of its days: {value:.4g}"))
    return found


def _misty(cube: Cube) -> list[tuple[int, str, str]]:
    """Cells whose air holds more vapour than it can, on more days than fog and rounding explain."""
    tair, vp = (cube.dataset[name].values.astype(np.float64) for name in ("tair", "vp"))
    share = (vp > MIST * saturation_vapour_pressure(tair)).mean(axis=1)
    return [
        (int(k), "vp", f"above saturation on {100 * share[k]:.0f} % of its days")
        for k in np.flatnonzero(share > SATURATED)
    ]


def _texture(cube: Cube) -> list[tuple[int, str, str]]:
    """Cells whose sand, silt and clay do not add up: missing maps that were filled with zero, or another scale."""
    if not set(TEXTURE) <= set(cube.attribute_names):
        return []
    total = np.sum([cube.dataset[name].values.astype(np.float64) for name in TEXTURE], axis=0)
    wrong = np.flatnonzero(~(np.abs(total - 100) <= TEXTURE_SUM))
    return [(int(k), "sand", f"sand, silt and clay add up to {total[k]:.4g} %") for k in wrong]


def _far(cube: Cube, name: str, mean: Float[np.ndarray, " cell"], what: str = "mean") -> list[tuple[int, str, str]]:
    """Cells whose mean (or other statistic) is far from the median of the cells around them."""
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
        (int(known[k]), name, f"{what} {mean[known][k]:.4g}, cells around {mean[known][k] - apart[k]:.4g}") for k in far
    ]
