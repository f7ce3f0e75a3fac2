"""How a map sees the attributes of any cell: their names, units, classes and the range it was trained in.

It belongs to the map, not to the cells it is applied to: a class that no trained cell had, an attribute not known
and a value outside the trained range are said, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.schema import Cube
from paraformer.core.units import same_unit
from paraformer.core.variables import CATEGORICAL, class_column, class_of


class Encoded(NamedTuple):
    """Attributes of cells as a map sees them.

    Attributes:
        values: in the order of the map, raw units; NaN where not known [cell, attribute].
        beyond: how far outside the range of the trained cells, in its widths; 0 inside and where not known
            [cell, attribute].
        notes: what a user has to know, a line each.
    """

    values: Float[np.ndarray, "cell attribute"]
    beyond: Float[np.ndarray, "cell attribute"]
    notes: list[str]


def static_of(cube: Cube) -> xr.Dataset:
    """Variables of the cells that have one value each."""
    return cube.dataset[[str(n) for n, variable in cube.dataset.data_vars.items() if variable.dims == ("cell",)]]


@dataclass(frozen=True)
class Encoding:
    """Attributes in the order in which a map sees them.

    Attributes:
        names: of the attributes; one column a class of the land cover.
        units: of each.
        low, high: least and largest value of the trained cells [attribute].
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: Float[np.ndarray, " attribute"]
    high: Float[np.ndarray, " attribute"]

    @classmethod
    def of(cls, cube: Cube) -> Encoding:
        """Of the cells a map was trained on."""
        values = cube.attributes()[cube.trained]
        units = tuple(str(cube.dataset[name].attrs.get("units", "")) for name in cube.attribute_names)
        return cls(cube.attribute_names, units, values.min(axis=0), values.max(axis=0))

    def widened(self, cube: Cube) -> Encoding:
        """The same for a map that went on learning on the trained cells of a cube: its range holds them, too."""
        values = self(static_of(cube)).values[cube.trained]
        known = np.isfinite(values)
        low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
        return replace(self, low=np.minimum(self.low, low), high=np.maximum(self.high, high))

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables that the attributes are made of, each once."""
        return tuple(dict.fromkeys(CATEGORICAL if class_of(name) is not None else name for name in self.names))

    def __call__(self, cells: xr.Dataset) -> Encoded:
        """See the cells of a dataset.

        Args:
            cells: static variables ``(cell)`` by name, with their units; others are not looked at.

        Raises:
            DataError: if a variable has another unit than that of the map.
        """
        columns = np.stack([self._column(cells, name, unit) for name, unit in zip(self.names, self.units, strict=True)])
        values = columns.T.astype(np.float64)
        width = np.where(self.high > self.low, self.high - self.low, np.maximum(np.abs(self.high), 1e-12))
        beyond = np.maximum(self.low - values, values - self.high) / width
        missing = [name for name in self.variables if name not in cells]
        notes = [f"not known, so the map does without: {', '.join(missing)}"] if missing else []
        return Encoded(values, np.nan_to_num(np.maximum(beyond, 0.0)), notes + self._new_classes(cells))

    def _column(self, cells: xr.Dataset, name: str, unit: str) -> np.ndarray:
        number = class_of(name)
        if number is not None and CATEGORICAL in cells:
            return np.asarray(cells[CATEGORICAL].values == number, dtype=np.float64)
        if name not in cells:
            return np.full(cells.sizes["cell"], np.nan)
        found = cells[name]
        if found.dims != ("cell",):
            raise DataError(f"attribute '{name}' has dims {found.dims}, expected ('cell',)")
        given = str(found.attrs.get("units", ""))
        if given and unit and not same_unit(given, unit):
            raise DataError(f"attribute '{name}' has the unit '{given}', the map was trained on '{unit}'")
        return np.asarray(found.values, dtype=np.float64)

    def _new_classes(self, cells: xr.Dataset) -> list[str]:
        """Classes of the cells that no trained cell had."""
        known = [number for number in map(class_of, self.names) if number is not None]
        if not known or CATEGORICAL not in cells:
            return []
        found, count = np.unique(cells[CATEGORICAL].values, return_counts=True)
        return [
            f"{CATEGORICAL} {number:g} of {n} cells: no trained cell has it ({class_column(int(number))}); "
            "the map sees no land cover there"
            for number, n in zip(found, count, strict=True)
            if number not in known
        ]

    def describe(self) -> dict[str, Any]:
        """As JSON-like values."""
        return {
            "names": list(self.names),
            "units": list(self.units),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Encoding:
        """Inverse of ``describe``."""
        names, units = (tuple(map(str, description[key])) for key in ("names", "units"))
        low, high = (np.array(description[key], dtype=np.float64) for key in ("low", "high"))
        if not len(names) == len(units) == len(low) == len(high):
            raise ValueError("names, units, low and high differ in length")
        return cls(names, units, low, high)
