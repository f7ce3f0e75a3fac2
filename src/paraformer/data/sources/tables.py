"""Attributes from a user's table: one row a cell, as in CAMELS (CSV, text with semicolons) or parquet.

Rows are found by a column of identifiers (``gauge_id`` 01013500 is cell 1013500) or by place.

Source of the CAMELS layout: Addor, N. et al. (2017), Hydrol. Earth Syst. Sci. 21, 5293-5313.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int

from paraformer.core.errors import DataError, nearest
from paraformer.core.grid import match_cells
from paraformer.core.proof import Proof, place_of
from paraformer.core.variables import ATTRIBUTES, VOCABULARY, Variable
from paraformer.data.sources.config import TableConfig


def add_attributes(dataset: xr.Dataset, config: TableConfig) -> xr.Dataset:
    """A dataset of the simple format with the attributes of a table added.

    Numeric columns become attributes, in the unit of the vocabulary if their name is there; text columns that are asked
    for become labels.

    Raises:
        DataError: the file is missing or no table; a column is missing; an identifier is no integer or there twice; a
            cell of the dataset has no row; an attribute is missing or outside the range of the vocabulary; a name is
            already in the dataset.
    """
    table = _read(config.path)
    columns = _columns(table, config)
    rows = _rows(table, dataset, config)
    added: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    for name, column in columns.items():
        if name in dataset.variables:
            raise DataError(f"{config.path}: attribute '{name}' is already in the data")
        values = table[column].to_numpy()[rows]
        if pd.api.types.is_numeric_dtype(table[column]):
            added[name] = (("cell",), _checked(config.path, name, values.astype(np.float64), dataset), _attrs(name))
        else:
            added[name] = (("cell",), values.astype(str), {})
    return dataset.assign(added)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: file does not exist")
    try:
        if path.suffix in (".parquet", ".pq"):
            return pd.read_parquet(path).reset_index(drop=False).drop(columns="index", errors="ignore")
        return pd.read_csv(path, sep=None, engine="python", dtype_backend="numpy_nullable", na_values=["-9999"])
    except ImportError as error:
        raise DataError(f"{path}: reading parquet needs the package pyarrow, which is not installed") from error
    except Exception as error:  # each format's library has errors of its own
        raise DataError(f"{path}: not a table ({str(error).splitlines()[0] if str(error) else error!r})") from error


def _columns(table: pd.DataFrame, config: TableConfig) -> Mapping[str, str]:
    """Columns by the name they get."""
    wanted = [config.key] if config.key is not None else [config.lat, config.lon]
    for column in (*wanted, *(config.columns or {}).values()):
        if column not in table.columns:
            raise DataError(f"{config.path}: column '{column}' is missing{nearest(column, map(str, table.columns))}")
    if config.columns is not None:
        return config.columns
    taken = {config.key, config.lat, config.lon}
    return {c: c for c in map(str, table.columns) if c not in taken and pd.api.types.is_numeric_dtype(table[c])}


def _rows(table: pd.DataFrame, dataset: xr.Dataset, config: TableConfig) -> Int[np.ndarray, " cell"]:
    """Row of the table for each cell."""
    cells = dataset["cell"].values
    if config.key is None:
        place = (table[name].to_numpy(dtype=np.float64) for name in (config.lat, config.lon))
        lat, lon = dataset["lat"].values, dataset["lon"].values
        return match_cells(lat, lon, *place, source=str(config.path), tolerance=config.tolerance)
    try:
        keys = table[config.key].to_numpy().astype(np.int64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{config.path}: column '{config.key}' holds identifiers that are no integers") from error
    values, first, counts = np.unique(keys, return_index=True, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{config.path}: column '{config.key}': {values[counts > 1][0]} is there twice")
    at = np.clip(np.searchsorted(values, cells), 0, len(values) - 1)
    if (values[at] != cells).any():
        raise DataError(f"{config.path}: no row for cell {cells[int(np.argmax(values[at] != cells))]}")
    return first[at]


def _checked(path: Path, name: str, values: np.ndarray, dataset: xr.Dataset) -> np.ndarray:
    """Values that the vocabulary, or any number for a name it does not know, allows."""
    known = ATTRIBUTES.get(name) or Variable(name, "1", ("cell",), (-np.inf, np.inf), "attribute", "")
    proof = Proof(str(path))
    found = proof.values(known, values, place_of(lambda i: f"cell {dataset['cell'].values[i]}"))
    proof.finish()
    return found


def _attrs(name: str) -> dict[str, str]:
    known = VOCABULARY.get(name)
    return {"units": known.unit, "long_name": known.long_name} if known else {}
