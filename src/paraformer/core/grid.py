"""Cells on the globe: matching two lists of cells by position."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError


def unit_vectors(lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]) -> Float[np.ndarray, "cell 3"]:
    """Points on the unit sphere from latitude and longitude [degree]."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def match_cells(
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    other_lat: Float[np.ndarray, " other"],
    other_lon: Float[np.ndarray, " other"],
    *,
    source: str,
    tolerance: float = 0.01,
) -> Int[np.ndarray, " cell"]:
    """Position in the other list of each cell, by nearest latitude and longitude.

    Args:
        tolerance: largest distance that still counts as the same place [degree of arc].

    Raises:
        DataError: naming the first cell that has no partner within the tolerance.
    """
    tree = cKDTree(unit_vectors(np.asarray(other_lat, float), np.asarray(other_lon, float)))
    distance, index = tree.query(unit_vectors(np.asarray(lat, float), np.asarray(lon, float)))
    far = distance > 2 * np.sin(np.deg2rad(tolerance) / 2)
    if far.any():
        at = int(np.argmax(far))
        raise DataError(
            f"{source}: no cell within {tolerance} degree of lat {lat[at]:.4f}, lon {lon[at]:.4f} "
            f"(nearest is {np.rad2deg(distance[at]):.3f} degree away)"
        )
    return index.astype(np.int64)
