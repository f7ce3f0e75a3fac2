"""VIC's netCDF files, opened and read: whole, packed as CF says, numbers with NaN where a value is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np

from paraformer.core.errors import DataError, nearest
from paraformer.core.netcdf_header import require_whole

Dataset = netCDF4.Dataset
FILLS: dict[str, Any] = netCDF4.default_fillvals
"""What stands for a missing value, by type."""


@contextmanager
def open_dataset(path: Path | str, mode: Literal["r", "r+", "w"] = "r", format: Any = "NETCDF4") -> Iterator[Dataset]:
    """Context of an open netCDF file.

    Raises:
        DataError: if there is none, it cannot be opened, or it is truncated, naming it.
    """
    if mode != "w":
        require_whole(path)
    try:
        dataset = netCDF4.Dataset(path, mode, format=format)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    try:
        yield dataset
    finally:
        dataset.close()


def require_variable(dataset: Dataset, name: str) -> Any:
    """A variable of numbers, as the library gives it.

    Raises:
        DataError: if the file lacks it, it holds text, or it is packed with a factor that is none.
    """
    path = dataset.filepath()
    if name not in dataset.variables:
        raise DataError(f"{path}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    variable = dataset[name]
    kind = variable.datatype  # not the dtype, which of text of any length is that of a character
    if not isinstance(kind, np.dtype) or kind.kind not in "fiu":
        raise DataError(f"{path}: variable '{name}' holds text or another type ({kind}), expected numbers")
    for attribute in ("scale_factor", "add_offset"):
        value = np.asarray(variable.getncattr(attribute) if attribute in variable.ncattrs() else 1.0)
        if value.dtype.kind not in "fiu" or not np.isfinite(value).all() or (attribute[0] == "s" and not value.all()):
            raise DataError(f"{path}: variable '{name}' has {attribute} {value}, expected a number that is not 0")
    return variable


def read_variable(dataset: Dataset, name: str, part: Any = ...) -> np.ndarray:
    """A variable, or a part of it, as float64 with NaN where a value is missing or outside the file's valid range.

    Raises:
        DataError: as ``require_variable``; or if its values cannot be read.
    """
    variable = require_variable(dataset, name)
    try:
        values = np.ma.asarray(variable[part])
    except (OSError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{dataset.filepath()}: variable '{name}' cannot be read ({error})") from error
    return np.ma.filled(values.astype(np.float64), np.nan)
