"""Variables of VIC's files cell by cell, their axes proved: dimensions, sizes, and order where an axis has coordinates.

Layers, bands, root zones and months are put into the order of their coordinates, so that a file that begins its year in
October is read right.
"""

from __future__ import annotations

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.variables import Variable
from paraformer.process.vic.datasets import Dataset, read_variable, require_variable
from paraformer.process.vic.domain import Located

_DIMENSION = {
    "layer": "nlayer",
    "band": "snow_band",
    "class": "veg_class",
    "zone": "root_zone",
    "month": "month",
    "node": "soil_node",
}
"""Names of the dimensions in VIC's files, by the axes of ``core.variables``."""
_COORDINATE = {
    "layer": ("layer", "nlayer"),
    **{axis: (_DIMENSION[axis],) for axis in ("band", "class", "zone", "month")},
}
_SIZE = {"layer": 3, "month": 12}
"""Sizes that are the same in all files."""
_LARGEST_CLASS = 99


class CellReader:
    """Reads variables of a parameter or state file at some cells.

    Args:
        dataset: the open file.
        located: where the cells are in it.
        counted: axes whose coordinates must count positions from 0 or 1. The numbers of the vegetation classes do so in
            state files alone.
    """

    def __init__(
        self, dataset: Dataset, located: Located, counted: tuple[str, ...] = ("layer", "band", "zone")
    ) -> None:
        self.dataset, self.located = dataset, located
        self.path = dataset.filepath()
        self._sizes: dict[str, tuple[int, str]] = {}
        self._order = {axis: order for axis in (*counted, "month") if (order := self._order_of(axis)) is not None}

    def __call__(self, variable: Variable) -> np.ndarray:
        """``read`` of a variable of the vocabulary."""
        return self.read(variable.name, *variable.dims[1:])

    def read(self, name: str, *axes: str) -> np.ndarray:
        """Values at the cells, NaN where missing [cell, ...], with the given other axes.

        Raises:
            DataError: the file lacks it; or its dimensions or sizes are others.
        """
        self._require_shape(name, axes)
        values = read_variable(self.dataset, name, (..., self.located.rows, slice(None)))
        for position, axis in enumerate(axes):
            if axis in self._order:
                values = np.take(values, self._order[axis], axis=position)
        return self.located.take(values)

    def write(self, variable: Variable, values: np.ndarray) -> None:
        """Replace the values at the cells [cell, ...], as ``self(variable)`` gives them.

        Raises:
            DataError: if the file does not hold the variable in double precision.
        """
        name, axes = variable.name, variable.dims[1:]
        stored = require_variable(self.dataset, name)
        if stored.dtype != np.float64:
            raise DataError(f"{self.path}: '{name}' is {stored.dtype}; θ needs float64")
        placed = np.moveaxis(values, 0, -1)
        for position, axis in enumerate(axes):
            if axis in self._order:
                placed = np.take(placed, np.argsort(self._order[axis]), axis=position)
        full = read_variable(self.dataset, name)
        full[..., self.located.row, self.located.column] = placed
        for attribute in {"valid_range", "valid_min", "valid_max"} & set(stored.ncattrs()):
            stored.delncattr(attribute)  # or a new value would read as a missing one
        stored[...] = np.ma.masked_invalid(full)

    def classes(self) -> np.ndarray:
        """Numbers of the vegetation classes, in the order of the file; their positions where it has none [class].

        Raises:
            DataError: numbers that are missing, not whole, there twice, or of no class.
        """
        numbers = self._coordinate("class")
        if numbers is None:
            return np.arange(len(self.dataset.dimensions[_DIMENSION["class"]]))
        good = (numbers == np.rint(numbers)) & (numbers >= 0) & (numbers <= _LARGEST_CLASS)
        if not good.all() or len(np.unique(numbers)) < len(numbers):
            raise DataError(
                f"{self.path}: 'veg_class' is {_listed(numbers)}, expected whole numbers from 0 to {_LARGEST_CLASS}, "
                "each once"
            )
        return numbers.astype(np.int64)

    def _require_shape(self, name: str, axes: tuple[str, ...]) -> None:
        found = require_variable(self.dataset, name)
        dims, shape = found.dimensions, found.shape
        expected = (*(_DIMENSION[axis] for axis in axes), *self.located.dims)
        known = set(expected) | set(_DIMENSION.values())
        if len(dims) != len(expected) or any(d != e and d in known for d, e in zip(dims, expected, strict=True)):
            raise DataError(f"{self.path}: '{name}' has dimensions {_listed(dims)}, expected {_listed(expected)}")
        if shape[-2:] != self.located.shape:
            raise DataError(f"{self.path}: '{name}' has the grid {shape[-2:]}, expected {self.located.shape}")
        for axis, size in zip(axes, shape, strict=False):
            wanted, first = self._sizes.setdefault(axis, (_SIZE.get(axis, size), name))
            if size != wanted:
                like = "" if axis in _SIZE else f" as '{first}' has"
                raise DataError(f"{self.path}: '{name}' has {size} {_plural(axis)}, expected {wanted}{like}")

    def _coordinate(self, axis: str) -> np.ndarray | None:
        for name in _COORDINATE[axis]:
            if name in self.dataset.variables and self.dataset[name].dimensions == (_DIMENSION[axis],):
                return read_variable(self.dataset, name)
        return None

    def _order_of(self, axis: str) -> np.ndarray | None:
        """Positions in the order of the axis's coordinates; ``None`` if it has none, or they are in order.

        Raises:
            DataError: coordinates that do not count the axis.
        """
        numbers = self._coordinate(axis)
        if numbers is None:
            return None
        order = np.argsort(numbers, kind="stable")
        starts = (1,) if axis == "month" else (0, 1)
        if not any(np.array_equal(numbers[order], np.arange(start, start + len(order))) for start in starts):
            count = f"1 to {12 if axis == 'month' else len(order)}"
            raise DataError(
                f"{self.path}: the coordinate of the {_plural(axis)} is {_listed(numbers)}, expected {count}"
            )
        return None if np.array_equal(order, np.arange(len(order))) else order


def _plural(axis: str) -> str:
    return f"{axis}es" if axis.endswith("s") else f"{axis}s"


def _listed(values: np.ndarray | tuple[str, ...]) -> str:
    return ", ".join(v if isinstance(v, str) else f"{v:g}" for v in values)
