"""What the header of an input file says of its variables: presence, dims, type, unit, and what the values are of."""

from __future__ import annotations

import re

from paraformer.core.errors import DataError
from paraformer.core.units import canonical, same_unit
from paraformer.core.variables import Variable
from paraformer.data.sources.cells import CellsFile

_MEANS = {"mean", "point"}
"""What the value of a step may be (CF, ``cell_methods``); an instantaneous one stands for its step."""


def check_header(file: CellsFile, expected: Variable) -> None:
    """Presence, dims and unit of a variable of the vocabulary, and that its values are means over time.

    Raises:
        DataError: naming the variable, what was found and what was expected.
    """
    variable = file.variable(expected.name)
    where = f"{file.path}: variable '{expected.name}'"
    if variable.dims != expected.dims:
        raise DataError(f"{where} has dims {variable.dims}, expected {expected.dims}")
    if variable.dtype.kind not in "fiu":
        raise DataError(f"{where} has type {variable.dtype}, expected numbers")
    if "month" in expected.dims:
        if file.dataset.sizes["month"] != 12:
            raise DataError(f"{where}: dimension 'month' has length {file.dataset.sizes['month']}, expected 12")
        file.months()
    unit = variable.attrs.get("units")
    if unit is None and expected.unit != "1":
        raise DataError(f"{where} has no attribute 'units', expected '{expected.unit}'")
    if unit is not None and not same_unit(str(unit), expected.unit):
        raise DataError(f"{where} has unit '{canonical(str(unit))}', expected '{expected.unit}'")
    method = method_over("time", str(variable.attrs.get("cell_methods", "")))
    if "time" in expected.dims and method and method not in _MEANS:
        raise DataError(
            f"{where} has cell_methods '{variable.attrs['cell_methods']}', a {method} over time; expected 'time: mean'"
        )


def method_over(axis: str, cell_methods: str) -> str:
    """The method that CF's ``cell_methods`` names for an axis: ``sum`` of ``lat: lon: mean time: sum``; or nothing."""
    for names, method in re.findall(r"((?:\w+\s*:\s*)+)(\w+)", re.sub(r"\([^)]*\)", "", cell_methods)):
        if axis in re.split(r"\s*:\s*", names):
            return str(method).lower()
    return ""
