"""Zarr stores of formats 2 and 3 as datasets of stored numbers, and the chunks that they lack.

A chunk that is not in the store reads as the fill value, without a word. It was lost, or left out by a writer that
skips chunks of nothing but fill; the store does not say which (decision 0028).
"""

from __future__ import annotations

import base64
import binascii
import logging
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing

from paraformer.core.cf import missing
from paraformer.core.errors import DataError

logger = logging.getLogger(__name__)

_DIMENSIONS = "_ARRAY_DIMENSIONS"


def open_store(path: Path) -> xr.Dataset:
    """A store as xarray opens it, nothing loaded, no value decoded; ``_FillValue`` says what is missing.

    In format 2 the fill value of the array stands for a missing value, as xarray writes it, unless it is 0, which is
    what zarr puts there when nobody asks. In format 3 it stands for none.

    Raises:
        OSError, ValueError, KeyError: whatever zarr raises of a folder that is no store.
    """
    group = zarr.open_group(path, mode="r")
    variables = {}
    for name, array in _arrays(path, group):
        attributes = {key: value for key, value in array.attrs.items() if key != _DIMENSIONS}
        stored = attributes.pop("_FillValue", None)
        if stored is None and array.metadata.zarr_format == 2 and array.fill_value:
            stored = array.fill_value
        if stored is not None:
            attributes["_FillValue"] = _number(stored)
        lazy = indexing.LazilyIndexedArray(_StoredArray(array))
        variables[name] = xr.Variable(_dims(name, array), lazy, attributes, {"chunks": array.chunks})
    dataset = xr.Dataset(variables, attrs=dict(group.attrs))
    return xr.decode_cf(dataset, mask_and_scale=False, decode_times=False)


def _arrays(path: Path, group: zarr.Group) -> list[tuple[str, zarr.Array]]:
    """Arrays of a group by name; what lies beside them and is none is said."""
    with warnings.catch_warnings(record=True) as passed_over:
        warnings.simplefilter("always")
        found = list(group.arrays())
    for text in dict.fromkeys(str(warning.message) for warning in passed_over):
        logger.warning("%s: %s", path, text)
    return found


Words = Callable[[str, int, int], str]
"""Words for the positions from one to another on a named axis: ``cells 4 to 7``."""


def require_chunks(path: Path, variable: xr.DataArray, *, gaps_at_ends: bool, words: Words) -> None:
    """Raise for an array that lacks chunks, unless what they read as is what the variable may well have everywhere.

    That is the fill value of labels that are whole numbers, and, with ``gaps_at_ends``, no value before the first or
    after the last chunk in time; both are said.

    Args:
        variable: of the store; the chunks of a shard, which lie in one file, count as one.
        gaps_at_ends: whether the variable may be missing on any day.
        words: for the axes that are known.

    Raises:
        DataError: naming the first chunk that is not there, and its part of the axes.
    """
    array = zarr.open_array(path / str(variable.name), mode="r")
    shape = tuple(array.shards or array.chunks)
    absent = np.zeros(tuple(-(-size // chunk) for size, chunk in zip(array.shape, shape, strict=True)), dtype=bool)
    for index in np.ndindex(*absent.shape):
        chunk = path / _file_of(array, variable, index)
        absent[index] = (
            not chunk.is_file() or not chunk.stat().st_size
        )  # zarr takes an empty shard for one of fill values
    if not absent.any():
        return
    said = f"{path}: variable '{variable.name}': {int(absent.sum())} of {absent.size} chunks are not in the store"
    if variable.dims == ("cell",) and variable.dtype.kind in "iub" and variable.name not in ("cell", "lat", "lon"):
        logger.warning("%s: their values are taken as %s", said, array.fill_value)
        return
    if gaps_at_ends and variable.dims == ("cell", "time") and _is_missing(array.fill_value, variable):
        days = absent.all(axis=0)
        there = np.flatnonzero(~days)
        if there.size and not absent[:, there[0] : there[-1] + 1].any():
            logger.warning("%s, all before the first or after the last day with one: no value there", said)
            return
    index = tuple(int(i) for i in np.argwhere(absent)[0])
    spans = [
        words(str(dim), i * chunk, min((i + 1) * chunk, size) - 1)
        for dim, i, chunk, size in zip(variable.dims, index, shape, array.shape, strict=True)
    ]
    part = ", ".join(span for span in spans if span)
    raise DataError(
        f"{said}, first {_file_of(array, variable, index)}{part and f' ({part})'}; if they were left out because they "
        "hold nothing but fill values, write the store with write_empty_chunks=True"
    )


def _is_missing(fill: Any, variable: xr.DataArray) -> bool:
    """Whether an absent chunk reads as missing values, not as numbers."""
    return variable.dtype.kind in "iuf" and bool(missing(np.full(1, fill, variable.dtype), variable.attrs)[0])


def _file_of(array: zarr.Array, variable: xr.DataArray, index: tuple[int, ...]) -> str:
    return f"{variable.name}/{array.metadata.encode_chunk_key(index)}"


class _StoredArray(BackendArray):
    """An array of a store behind xarray's lazy indexing."""

    def __init__(self, array: zarr.Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._get)

    def _get(self, key: tuple[int | slice, ...]) -> np.ndarray:
        return np.asarray(self.array[key])


def _dims(name: str, array: zarr.Array) -> tuple[str, ...]:
    """Names of the axes; an axis without one is an axis of its own."""
    stored: Any = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_DIMENSIONS)
    named = stored or [None] * array.ndim
    return tuple(f"axis {k} of {name}" if found is None else str(found) for k, found in enumerate(named))


def _number(stored: Any) -> Any:
    """A fill value of the attributes: a number, text that is one, or a double in base64, as xarray writes it."""
    if not isinstance(stored, str):
        return stored
    try:
        return float(stored)
    except ValueError:
        pass
    try:
        return struct.unpack("<d", base64.standard_b64decode(stored))[0]
    except (binascii.Error, struct.error):
        return stored
