"""Single records of the model's structured types, and compiled functions as Python, for direct tests of them."""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher


def record(dtype: np.dtype, **values: Any) -> Any:
    """One record of zeros with some fields set; compiled functions and plain Python take it alike."""
    made = np.zeros(1, dtype=dtype).view(np.recarray)[0]
    for name, value in values.items():
        made[name] = value
    return made


def in_python(names: dict[str, Any]) -> None:
    """Replace the compiled functions among a module's names by the Python they are made of, callees included.

    Compiled by itself, an inner function of the model changes how the model is compiled in the same process after it:
    other products and sums are fused, and its numbers differ in their last bits from those of every other process.
    """
    made: dict[int, dict[str, Any]] = {}

    def plain(compiled: Dispatcher) -> FunctionType:
        function = compiled.py_func
        around = function.__globals__
        if id(around) not in made:
            made[id(around)] = dict(around)
            replace(made[id(around)])
        closed = [cell.cell_contents for cell in function.__closure__ or ()]
        cells = tuple(CellType(plain(each) if isinstance(each, Dispatcher) else each) for each in closed)
        return FunctionType(function.__code__, made[id(around)], function.__name__, function.__defaults__, cells)

    def replace(those: dict[str, Any]) -> None:
        for name, value in list(those.items()):
            if isinstance(value, Dispatcher):
                those[name] = plain(value)

    replace(names)
