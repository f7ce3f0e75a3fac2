"""Soil moisture of stations as one labelled dataset, whatever network it comes from, and the cells they lie in.

==================  ======================  ==============================================================
variable            dims                    content
==================  ======================  ==============================================================
soil_moisture       station, depth, time    mean of the day [m3 m-3]; NaN where there is none or a flag drops it
station, name       station                 identifier and name
lat, lon            station                 [degree]
elevation           station                 [m]; NaN where the source does not say
sand, clay          station                 [%] of the soil near the surface; NaN where the source does not say
depth               depth                   of the probe below the surface [m]
time                time                    days; the attribute ``day`` says whether UTC or local ones
==================  ======================  ==============================================================
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from scipy.spatial import cKDTree

from paraformer.core.conventions import LATITUDE, LONGITUDE
from paraformer.core.errors import DataError
from paraformer.core.grid import cell_words, points
from paraformer.core.schema import Cube

logger = logging.getLogger(__name__)

WITHIN = 25.0
"""Distance from the centre of a cell beyond which a station says nothing of it [km]: half the diagonal of 36 km."""

MATCH_COLUMNS = (
    "station",
    "name",
    "cell",
    "distance_km",
    "elevation_difference",
    "sand_difference",
    "clay_difference",
    "used",
    "reason",
)
"""Of a match; differences are station less cell [m], [%], NaN where one of them is not known."""

_SAME = 0.01
"""Cells nearer to each other than this lie at one place [km]."""


class Probe(NamedTuple):
    """Daily soil moisture of one probe.

    Attributes:
        station, name: identifier and name of the station.
        lat, lon: [degree].
        depth: [m].
        days: datetime64[D], each once.
        values: mean of the day [m3 m-3], NaN where there is none.
        elevation: [m], NaN if not known.
        sand, clay: [%], NaN if not known.
    """

    station: str
    name: str
    lat: float
    lon: float
    depth: float
    days: np.ndarray
    values: np.ndarray
    elevation: float = np.nan
    sand: float = np.nan
    clay: float = np.nan


def stations_dataset(probes: Sequence[Probe], attrs: Mapping[str, Any], quality: Mapping[str, Any]) -> xr.Dataset:
    """Probes as one dataset. Of several probes of a station at one depth, the one with most days is kept, and said.

    Args:
        attrs: title, source, references, ``day``.
        quality: what the flags dropped, kept as JSON in the attribute ``quality``.

    Raises:
        DataError: no probe has a value.
    """
    chosen: dict[tuple[str, float], Probe] = {}
    for probe in probes:
        key = (probe.station, round(probe.depth, 4))
        rival = chosen.get(key)
        if rival is not None:
            logger.warning("station %s: several probes at %g m; the one with most days is taken", *key)
        if rival is None or np.isfinite(probe.values).sum() > np.isfinite(rival.values).sum():
            chosen[key] = probe
    kept = {key: probe for key, probe in chosen.items() if np.isfinite(probe.values).any()}
    if not kept:
        raise DataError(f"{attrs.get('source', 'stations')}: no soil moisture is left after missing values and flags")
    first = min(probe.days.min() for probe in kept.values())
    days = np.arange(first, max(probe.days.max() for probe in kept.values()) + np.timedelta64(1, "D"))
    names, depths = sorted({key[0] for key in kept}), np.array(sorted({key[1] for key in kept}))
    values = np.full((len(names), len(depths), len(days)), np.nan, dtype=np.float32)
    of: dict[str, Probe] = {}
    for (name, depth), probe in sorted(kept.items()):
        at = (probe.days - first).astype(int)
        values[names.index(name), int(np.searchsorted(depths, depth)), at] = probe.values
        of.setdefault(name, probe)
    about = [of[name] for name in names]

    def each(field: str) -> np.ndarray:
        return np.array([getattr(probe, field) for probe in about], dtype=np.float64)

    unknown = "; NaN: not known"
    coords = {
        "station": ("station", np.array(names, dtype=object), {"long_name": "identifier of the station"}),
        "name": ("station", np.array([p.name for p in about], dtype=object), {"long_name": "name of the station"}),
        "depth": ("depth", depths, {"units": "m", "standard_name": "depth", "positive": "down"}),
        "time": ("time", days.astype("datetime64[ns]"), {"standard_name": "time"}),
        "lat": ("station", each("lat"), LATITUDE),
        "lon": ("station", each("lon"), LONGITUDE),
        "elevation": ("station", each("elevation"), {"units": "m", "long_name": f"elevation{unknown}"}),
        "sand": ("station", each("sand"), {"units": "%", "long_name": f"sand fraction of the soil{unknown}"}),
        "clay": ("station", each("clay"), {"units": "%", "long_name": f"clay fraction of the soil{unknown}"}),
    }
    meaning = {"units": "m3 m-3", "long_name": "soil moisture of a probe, mean of the day"}
    told = {**attrs, "quality": json.dumps(dict(quality))}
    return xr.Dataset({"soil_moisture": (("station", "depth", "time"), values, meaning)}, coords, told)


def daily_means(time: np.ndarray, values: Float[np.ndarray, " time"], least: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of the days that have at least ``least`` values; NaN on others that have any stamp.

    Args:
        time: datetime64, in any order.
    """
    days, of = np.unique(time.astype("datetime64[D]"), return_inverse=True)
    known = np.isfinite(values)
    count = np.bincount(of[known], minlength=days.size)
    total = np.bincount(of[known], weights=values[known], minlength=days.size)
    return days, np.where(count >= least, total / np.maximum(count, 1), np.nan)


def match_stations(stations: xr.Dataset, cube: Cube, within: float = WITHIN, *, own: bool = False) -> pd.DataFrame:
    """The cell that each station lies in or nearest to, how far both differ, and whether it is used.

    Args:
        stations: as this module gives them.
        cube: cells; ``elevation``, ``sand`` and ``clay`` are compared where it has them.
        within: largest distance from the centre of a cell [km].
        own: each station stands in the file of the cells and names its own, ``cell (station)``.

    Returns:
        A row a station, ``MATCH_COLUMNS``; ``reason`` says why one is not used.

    Raises:
        DataError: two cells lie at the place nearest to a station.
    """
    places = points(stations["lat"].values, stations["lon"].values)
    tree = cKDTree(points(cube.lat, cube.lon))
    distance, position = tree.query(places)
    if own:
        at_cell = {int(cell): i for i, cell in enumerate(cube.cells)}
        position = np.array([at_cell[int(cell)] for cell in stations["cell"].values])
        distance = np.linalg.norm(places - tree.data[position], axis=1)
    words = cell_words(cube.lat, cube.lon, np.asarray(cube.cells))
    rows = []
    for i, at in enumerate(position):
        name = str(stations["station"].values[i])
        twins = tree.query_ball_point(tree.data[at], _SAME)
        if len(twins) > 1 and distance[i] <= within and not own:
            raise DataError(
                f"station {name}: {len(twins)} cells at its place, the first {words(min(twins))}, expected one"
            )
        far = f"{distance[i]:.0f} km from the nearest cell, more than {within:g}"
        differences = [_difference(stations, cube, what, i, int(at)) for what in ("elevation", "sand", "clay")]
        used = bool(distance[i] <= within)
        about = (name, str(stations["name"].values[i]), cube.cells[at], float(distance[i]))
        rows.append((*about, *differences, used, "" if used else far))
    return pd.DataFrame(rows, columns=list(MATCH_COLUMNS))


def _difference(stations: xr.Dataset, cube: Cube, what: str, station: int, cell: int) -> float:
    if what not in stations or what not in cube.dataset:
        return float("nan")
    return float(stations[what].values[station] - cube.dataset[what].values[cell])
