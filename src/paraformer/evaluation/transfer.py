"""Transfer of θ that was found cell by cell to places without observations: regionalisation without a learner.

θ of a *donor* cell is found from its own observations; a *receiver* gets what donors near in space, or like it in their
attributes, have (Oudin et al. 2008, Water Resour. Res. 44, W03413, doi 10.1029/2007WR006240; Parajka et al. 2005,
Hydrol. Earth Syst. Sci. 9, 157-171, doi 10.5194/hess-9-157-2005). Averages are taken in unit coordinates of θ. A donor
never receives from itself, so that every cell of a row is judged as one that was not observed (leave-one-out).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.core.grid import points
from paraformer.core.parameters import ParameterSpace
from paraformer.evaluation.config import METHODS, TransfersConfig
from paraformer.evaluation.kriging import fit_variogram, krige
from paraformer.training.normalise import Normaliser

NOTES: Mapping[str, str] = {
    "nearest": "θ of the nearest trained cell",
    "inverse_distance": "mean θ of the nearest trained cells, weighted by inverse squared distance",
    "attributes": "mean θ of the trained cells most like it in their attributes, weighted by inverse squared distance "
    "in standard deviations",
    "kriging": "ordinary kriging of θ, an exponential variogram with a nugget fitted to the trained cells",
}
"""What a reader of the tables must know of each kind of transfer."""

_LIMIT = 3.0
"""Largest standardised attribute: a rare land cover must not decide alone who is alike."""

_TOGETHER = 512
"""Cells that receive together: bounds the memory whatever the number of cells."""

_COINCIDENT = 1e-6
"""Distance from which on a weight is finite [km, or standard deviations]."""


class Cells(NamedTuple):
    """Cells of a transfer: donors are the trained ones."""

    cells: np.ndarray
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    attributes: Float[np.ndarray, "cell attribute"]
    trained: Bool[np.ndarray, " cell"]


def transfer(
    by: str, theta: Float[np.ndarray, "cell parameter"], cells: Cells, space: ParameterSpace, config: TransfersConfig
) -> Float[np.ndarray, "cell parameter"]:
    """θ of every cell from those of the trained cells, physical units inside the bounds; a donor gets others' θ.

    Args:
        by: one of ``METHODS``.
        theta: θ found cell by cell; what stands in cells that are not trained is not read.

    Raises:
        DataError: if there are fewer than two trained cells, or two of them lie at one place.
    """
    assert by in METHODS
    donors = np.flatnonzero(cells.trained)
    if donors.size < 2:
        raise DataError(f"transfer by {by}: {donors.size} trained cells, expected two or more")
    values = np.clip(space.to_unit(theta[donors]), 0.0, 1.0)
    at = _standardised(cells) if by == "attributes" else points(cells.lat, cells.lon)
    if by != "attributes":
        _require_apart(at[donors], cells.cells[donors])
    variograms = [fit_variogram(at[donors], value) for value in values.T] if by == "kriging" else []
    found = np.empty((len(at), len(space)))
    for first in range(0, len(at), _TOGETHER):
        part = np.arange(first, min(first + _TOGETHER, len(at)))
        distance = np.linalg.norm(at[part, None] - at[donors], axis=-1)
        others = np.where(part[:, None] == donors, np.inf, distance)
        if by == "kriging":
            found[part] = krige(at[donors], values, at[part], variograms, others, points_used=config.kriging_donors)
        else:
            found[part] = _weighted(others, values, 1 if by == "nearest" else config.donors)
    return space.clip(space.from_unit(np.clip(found, 0.0, 1.0)))


def _weighted(
    distance: Float[np.ndarray, "cell donor"], values: Float[np.ndarray, "donor parameter"], count: int
) -> Float[np.ndarray, "cell parameter"]:
    """Mean over the nearest donors, weighted by inverse squared distance."""
    count = min(count, distance.shape[1] - 1)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    weight = np.maximum(np.take_along_axis(distance, nearest, axis=1), _COINCIDENT) ** -2.0
    return np.einsum("cd,cdp->cp", weight / weight.sum(axis=1, keepdims=True), values[nearest])


def _standardised(cells: Cells) -> Float[np.ndarray, "cell attribute"]:
    """Attributes in standard deviations of the trained cells, cut at ``_LIMIT``."""
    names = tuple(map(str, range(cells.attributes.shape[1])))
    scaled = Normaliser.fit(names, cells.attributes, cells.trained)(cells.attributes)
    return np.clip(scaled, -_LIMIT, _LIMIT)


def _require_apart(at: Float[np.ndarray, "donor axis"], cells: np.ndarray) -> None:
    """Raise DataError naming two trained cells at one place: nothing says which of their θ is nearer."""
    pairs = cKDTree(at).query_pairs(_COINCIDENT)
    if pairs:
        one, other = min(pairs)
        raise DataError(f"transfer: trained cells {cells[one]} and {cells[other]} lie at one place")
