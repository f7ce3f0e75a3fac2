"""Named arrays in memory: what a file holds, before it is written or in place of one.

``Arrays`` answers as an xarray dataset does, as far as readers of input files ask, without loading xarray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paraformer.core.lazy import deferred

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

Entry = tuple[Any, np.ndarray] | tuple[Any, np.ndarray, Mapping[str, Any]]
"""Dimensions (one name or several), values, and attributes if there are any."""


@dataclass(frozen=True)
class Array:
    """One variable: its dimensions, values and attributes."""

    name: str
    dims: tuple[str, ...]
    values: np.ndarray
    attrs: Mapping[str, Any]
    encoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def load(self) -> Array:
        return self

    def isel(self, cell: slice) -> Array:
        """Some of the cells of a variable whose first dimension they are."""
        return Array(self.name, self.dims, self.values[cell], self.attrs, self.encoding)


class Arrays:
    """Variables by name, with dimensions and attributes in common.

    Args:
        variables: name -> dimensions, values, attributes.
        attrs: of the whole.
        coords: names of those variables that say where the others are.
    """

    def __init__(
        self, variables: Mapping[str, Entry], attrs: Mapping[str, Any] | None = None, coords: tuple[str, ...] = ()
    ) -> None:
        self.variables: dict[str, Array] = {}
        for name, (dims, values, *more) in variables.items():
            named = (dims,) if isinstance(dims, str) else tuple(dims)
            self.variables[name] = Array(name, named, np.asarray(values), dict(more[0]) if more else {})
        self.attrs, self.coords = dict(attrs or {}), coords
        self.sizes = {
            dim: length
            for variable in self.variables.values()
            for dim, length in zip(variable.dims, variable.shape, strict=True)
        }

    def __getitem__(self, name: str) -> Array:
        return self.variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def close(self) -> None:
        """Nothing is open."""

    def to_xarray(self) -> xr.Dataset:
        """The same as an xarray dataset."""
        found = {name: (v.dims, v.values, dict(v.attrs)) for name, v in self.variables.items()}
        data = {name: entry for name, entry in found.items() if name not in self.coords}
        return xr.Dataset(data, {name: found[name] for name in self.coords}, self.attrs)
