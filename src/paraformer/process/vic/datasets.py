"""VIC's netCDF files, opened and read: whole, packed as CF says, numbers with NaN where a value is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np

from paraformer.core.cf import decode
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
        DataError: if the file lacks it, or it holds text.
    """
    path = dataset.filepath()
    if name not in dataset.variables:
        raise DataError(f"{path}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    variable = dataset[name]
    kind = variable.datatype  # not the dtype, which of text of any length is that of a character
    if not isinstance(kind, np.dtype) or kind.kind not in "fiu":
        raise DataError(f"{path}: variable '{name}' holds text or another type ({kind}), expected numbers")
    return variable


def read_variable(dataset: Dataset, name: str, part: Any = ...) -> np.ndarray:
    """A variable, or a part of it, as float64: unpacked, NaN where a value is missing or never written (``core.cf``).

    Raises:
        DataError: as ``require_variable``; or its values cannot be read, or packed with a factor that is none.
    """
    variable, path = require_variable(dataset, name), dataset.filepath()
    attributes = {attribute: variable.getncattr(attribute) for attribute in variable.ncattrs()}
    variable.set_auto_maskandscale(False)
    try:
        stored = np.asarray(variable[part])
        values = decode(stored, attributes).astype(np.float64)
    except (OSError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{path}: variable '{name}' cannot be read ({error})") from error
    finally:
        variable.set_auto_maskandscale(True)
    unwritten = FILLS.get(stored.dtype.str[1:])
    if "_FillValue" not in attributes and unwritten is not None and stored.dtype.itemsize > 1:
        values[stored == unwritten] = np.nan  # the library's own fill value, which VIC does not declare
    return values
