"""Packed numbers that did not fit into their type: what comes out of the wrap-around is a value of another climate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from paraformer.core.cf import is_packed, missing, native
from paraformer.data.sources.cells import CellsFile

_SMOOTH = ("tair", "lwdown", "vp", "pres")
"""Series without jumps over most of their range; of the others a wrapped value is negative, which the range refuses."""
_JUMP = 0.75
"""Part of the type's numbers that no such series crosses from one step to the next."""
_PILED = 5
"""Values of a cell at the very end of the type that are no chance."""


def overflown(file: CellsFile, name: str, position: np.ndarray) -> Bool[np.ndarray, "some time"] | None:
    """Values of a packed series that were wrapped round or cut at the end of the type; ``None`` if it is not packed."""
    variable = file.variable(name)
    if not is_packed(variable.attrs) or variable.dtype.kind not in "iu":
        return None
    stored = file.stored(name, position)
    counts, absent = native(stored, variable.attrs), missing(stored, variable.attrs)
    ends = np.iinfo(counts.dtype)
    top = (counts == ends.max) & ~absent
    found = top & (top.sum(axis=1, keepdims=True) >= _PILED)
    if name in _SMOOTH:
        bottom = (counts == ends.min) & ~absent
        found |= bottom & (bottom.sum(axis=1, keepdims=True) >= _PILED)
        jump = np.abs(np.diff(counts.astype(np.float64), axis=1)) > _JUMP * (float(ends.max) - float(ends.min))
        found[:, 1:] |= jump & ~absent[:, 1:] & ~absent[:, :-1]
    return found
