"""What makes a dataset a file by the CF conventions (CF-1.8): axes, labels, types, units and provenance, in one place.

Every file and store is written through here, so that each has the same axes. VIC-5's own files (history, state,
converted parameters) keep the attributes that VIC-5 gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paraformer.core.lazy import deferred
from paraformer.core.variables import Variable

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

Coordinates = dict[str, tuple[str, np.ndarray, dict[str, str]]]

LATITUDE = {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude"}
LONGITUDE = {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"}

FILES = 2
"""Version of the layout of ensembles and posteriors, part of their stages' keys; older ones are made again."""

WRITTEN = {"Conventions": "CF-1.8", "history": "written by ParaFormer"}
"""No date and no version: equal data give equal bytes."""


def axes(
    cells: np.ndarray,
    lat: np.ndarray,
    lon: np.ndarray,
    time: np.ndarray | None = None,
    *,
    time_name: str = "UTC day",
) -> Coordinates:
    """Coordinates ``cell``, ``lat``, ``lon`` and, where there are series, ``time``.

    Args:
        cells: identifiers.
        lat, lon: cell centres [degree].
        time: days or steps [datetime64].
        time_name: what a time is.
    """
    found: Coordinates = {
        "cell": ("cell", short(np.asarray(cells)), {"long_name": "cell identifier"}),
        "lat": ("cell", np.asarray(lat, dtype=np.float64), dict(LATITUDE)),
        "lon": ("cell", np.asarray(lon, dtype=np.float64), dict(LONGITUDE)),
    }
    if time is not None:
        about = {"standard_name": "time", "long_name": time_name}
        found["time"] = ("time", np.asarray(time).astype("datetime64[ns]"), about)
    return found


def labels(dim: str, names: Sequence[str], meaning: str) -> Coordinates:
    """A numbered axis and the names on it as ``<dim>_name``: coordinate variables of CF are numbers."""
    return {
        dim: (dim, np.arange(len(names), dtype=np.int32), {"long_name": f"number of the {dim}"}),
        f"{dim}_name": (dim, np.array(list(names), dtype=object), {"long_name": meaning}),
    }


def described(variable: Variable) -> dict[str, str]:
    """Unit and names of a variable of the vocabulary."""
    found = {"units": variable.unit, "long_name": variable.long_name}
    return found | ({"standard_name": variable.standard_name} if variable.standard_name else {})


def days_since(first: Any) -> dict[str, Any]:
    """Encoding of a daily time axis."""
    return {"units": f"days since {str(first)[:10]}", "calendar": "proleptic_gregorian", "dtype": "int32"}


def conventional(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with what CF asks of any: whole numbers of 32 bits where they fit, conventions, history."""
    found = dataset.assign_attrs({**WRITTEN, **dataset.attrs})
    long = {name for name, variable in found.variables.items() if variable.dtype in (np.int64, np.uint64)}
    changed = {name: found[name].copy(data=short(found[name].values)) for name in long}
    coords = {name: variable for name, variable in changed.items() if name in found.coords}
    return found.assign({n: v for n, v in changed.items() if n not in coords}).assign_coords(coords)


def short(values: np.ndarray) -> np.ndarray:
    """Whole numbers as 32 bits, where they fit: CF-1.8 knows no longer ones. Others stay as they are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return values
    limits = np.iinfo(np.int32)
    fits = not values.size or (values.min() >= limits.min and values.max() <= limits.max)
    return values.astype(np.int32) if fits else values
