"""How far the θ of a map is from what a search finds in cells that the map has not seen.

Networks that were taught the same are wrong together, so that their spread alone says too little. What they share is
one standard deviation a parameter, as large as cells kept aside ask for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

COVERED = 0.9
"""Share of cells whose interval is to hold what the search found."""

_WIDTH = float(norm.ppf(0.5 + COVERED / 2))


def shared_error(
    mean: Float[np.ndarray, "cell parameter"],
    std: Float[np.ndarray, "cell parameter"],
    found: Float[np.ndarray, "cell parameter"],
) -> Float[np.ndarray, " parameter"]:
    """Smallest s for which 90 % of ``found`` lie within 1.645 √(std² + s²) of the mean; unit coordinates.

    Args:
        mean, std: of the networks, in cells that they were not trained on.
        found: by a search in each of these cells.
    """
    lacking = ((found - mean) / _WIDTH) ** 2 - std**2
    return np.sqrt(np.maximum(np.quantile(lacking, COVERED, axis=0, method="higher"), 0.0))


def covered(
    mean: Float[np.ndarray, "cell parameter"],
    std: Float[np.ndarray, "cell parameter"],
    found: Float[np.ndarray, "cell parameter"],
    shared: Float[np.ndarray, " parameter"],
) -> Float[np.ndarray, " parameter"]:
    """Share of cells whose 90 % interval holds what the search found."""
    within = np.abs(found - mean) <= _WIDTH * np.sqrt(std**2 + shared**2) * (1 + 1e-12)
    return within.mean(axis=0)
