"""Variables of netCDF files of a product: opened, named, in the unit they must state, with their missing values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from jaxtyping import Float

from paraformer.core.cf import decode
from paraformer.core.errors import DataError, nearest
from paraformer.core.time import decode_times
from paraformer.core.units import same_unit
from paraformer.data.sources.granules import Format, fault_of, reading

Attributes = dict[str, Any]


def open_netcdf(path: Path, expected: Format = "netCDF") -> netCDF4.Dataset:
    """An open file whose numbers come as they are stored.

    Raises:
        DataError: no netCDF file, or not a whole one.
    """
    fault = fault_of(path, expected)
    if fault:
        raise DataError(f"{path}: {fault}")
    with reading(path):
        dataset = netCDF4.Dataset(path)
    dataset.set_auto_maskandscale(False)
    return dataset


def variable_of(path: Path, dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """A variable that must be there; raises DataError naming it and the nearest name."""
    if name not in dataset.variables:
        raise DataError(f"{path}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    return dataset[name]


def attributes_of(variable: netCDF4.Variable) -> Attributes:
    """All attributes of a variable."""
    return {key: variable.getncattr(key) for key in variable.ncattrs()}


def require_unit(path: Path, variable: netCDF4.Variable, expected: str) -> None:
    """Raise DataError unless a variable states the unit, in one of its usual spellings."""
    unit = str(getattr(variable, "units", ""))
    if not same_unit(unit, expected):
        raise DataError(f"{path}: variable '{variable.name}' has unit '{unit}', expected '{expected}'")


def axis_of(path: Path, dataset: netCDF4.Dataset, name: str) -> Float[np.ndarray, " n"]:
    """Values of a coordinate variable."""
    with reading(path, name):
        return np.asarray(variable_of(path, dataset, name)[:], dtype=np.float64)


def values_of(
    path: Path, variable: netCDF4.Variable, index: tuple[Any, ...], defaults: Attributes | None = None
) -> Float[np.ndarray, "*n"]:
    """A part of a variable as what it means, NaN where it is missing.

    Args:
        index: rows and columns, as netCDF4 takes them.
        defaults: attributes that count if the file states no missing value of its own.
    """
    attributes = attributes_of(variable)
    if defaults is not None and not {"_FillValue", "missing_value"} & attributes.keys():
        attributes |= defaults
    with reading(path, variable.name):
        return decode(np.asarray(variable[index]), attributes).astype(np.float64)


def stamps_of(path: Path, dataset: netCDF4.Dataset, name: str) -> np.ndarray:
    """UTC stamps of a time axis [datetime64[s]].

    Raises:
        DataError: units, calendar or time zone that are not those of UTC, or a missing date.
    """
    variable = variable_of(path, dataset, name)
    with reading(path, name):
        numbers = np.atleast_1d(np.asarray(variable[:]))
    attributes = attributes_of(variable)
    return decode_times(decode(numbers, attributes), attributes, source=str(path))
