"""Where the cells of a file are: proved coordinates, and words for a cell in messages."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.grid import Words, cell_words, require_places
from paraformer.core.units import canonical
from paraformer.data.sources.cells import CellsFile

logger = logging.getLogger(__name__)

_UNITS = {"lat": "degrees_north", "lon": "degrees_east"}
_STANDARD_NAMES = {"lat": "latitude", "lon": "longitude"}
_SAME = 5
"""Decimals of a degree to which the places of two cells must agree to be one."""
_NAMED = 10
"""Cells that a message names; of more it gives the number."""


def places_of(file: CellsFile) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Latitude and longitude of every cell of a file [degree].

    Raises:
        DataError: not there, no numbers, another unit or standard name; a value that is missing or off the globe;
            all values so small that they are radians.
    """
    lat, lon = (_coordinate(file, name) for name in ("lat", "lon"))
    require_places(lat, lon, cell_words(lat, lon, file.cells), source=str(file.path))
    if (np.abs(lat) <= np.pi / 2).all() and (np.abs(lon) <= 2 * np.pi).all():  # but for one island there is only sea
        raise DataError(
            f"{file.path}: variables 'lat' and 'lon' span {lat.min():.4g} to {lat.max():.4g} and {lon.min():.4g} to "
            f"{lon.max():.4g}: radians? expected degrees"
        )
    return lat, lon


def words_of(file: CellsFile) -> Words:
    """Words for the cell at a position of a file whose places are proved."""
    lat, lon = (file.static(name).astype(np.float64) for name in ("lat", "lon"))
    return cell_words(lat, lon, file.cells)


def listed(cells: np.ndarray) -> str:
    """Names of some cells, the first ones of many."""
    more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return ", ".join(str(cell) for cell in cells[:_NAMED]) + more


def say_shared_places(file: CellsFile, position: np.ndarray) -> None:
    """Warn of cells that lie at one place, naming them."""
    lat, lon = (file.static(name)[position].astype(np.float64) for name in ("lat", "lon"))
    place = np.round(np.stack([lat, lon % 360], axis=1), _SAME)
    _, group, count = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    shared = count[group.ravel()] > 1
    if shared.any():
        at = np.flatnonzero(shared)[0]
        same = file.cells[position][group.ravel() == group.ravel()[at]]
        logger.warning(
            "%s: %d cells share their place with another, first cells %s at lat %.6g, lon %.7g",
            file.path,
            int(shared.sum()),
            listed(same),
            lat[at],
            lon[at],
        )


def _coordinate(file: CellsFile, name: str) -> Float[np.ndarray, " cell"]:
    values, attributes = file.static(name), file.variable(name).attrs
    if values.dtype.kind not in "fiu":
        raise DataError(f"{file.path}: variable '{name}' has type {values.dtype}, expected numbers in degrees")
    unit, standard = str(attributes.get("units", "degree")), str(attributes.get("standard_name", _STANDARD_NAMES[name]))
    if canonical(unit) not in (_UNITS[name], "degree"):
        raise DataError(f"{file.path}: variable '{name}' has unit '{unit}', expected '{_UNITS[name]}'")
    if standard != _STANDARD_NAMES[name]:
        raise DataError(
            f"{file.path}: variable '{name}' has standard_name '{standard}', expected '{_STANDARD_NAMES[name]}'"
        )
    return values.astype(np.float64)
