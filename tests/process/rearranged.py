"""VIC's files with their cells elsewhere, each with its own coordinates: the same world in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np


def rearrange(
    source: Path, target: Path, order: np.ndarray, *, eastward: bool = False, flat: bool = True, shift: float = 0.0
) -> None:
    """Copy a file on a regular grid.

    Args:
        order: of the cells, counted row by row.
        eastward: whether longitudes run from 0 to 360.
        flat: whether the copy is one row of cells with 2-D coordinates; else the grid is kept, its rows and columns
            mirrored where ``order`` begins with another cell than the first.
        shift: added to all longitudes [degree].
    """
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(target, "w") as new:
        lon, lat = np.meshgrid(old["lon"][:] + shift, old["lat"][:])
        mirrored = slice(None, None, -1 if order[0] else 1)
        lon = lon % 360 if eastward else lon
        dims = ("y", "x") if flat else ("lat", "lon")
        sizes = (1, lon.size) if flat else lon.shape

        def moved(values: Any) -> Any:
            if flat:
                return values.reshape(*values.shape[:-2], 1, -1)[..., order]
            return values[..., mirrored, mirrored]

        for name, dimension in old.dimensions.items():
            if name not in ("lat", "lon"):
                new.createDimension(name, None if dimension.isunlimited() else len(dimension))
        for name, size in zip(dims, sizes, strict=True):
            new.createDimension(name, size)
        for name, values in (("lat", lat), ("lon", lon)):
            kept = values if flat else values[:, 0] if name == "lat" else values[0]
            here = moved(kept) if flat else kept[mirrored]
            new.createVariable(name, "f8", dims if flat else (name,))[:] = here
        for name, variable in old.variables.items():
            if name in ("lat", "lon"):
                continue
            gridded = variable.dimensions[-2:] == ("lat", "lon")
            kept_dims = (*variable.dimensions[:-2], *dims) if gridded else variable.dimensions
            fill = getattr(variable, "_FillValue", None)
            copy = new.createVariable(name, variable.dtype, kept_dims, fill_value=fill)
            copy.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
            copy[:] = moved(variable[:]) if gridded else variable[:]
