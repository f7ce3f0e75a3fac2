"""Vegetation library by IGBP class: what VIC-5 needs to know of each, and how roots and leaves are spread.

Sources: vegetation library by IGBP class of the VIC sample data (University of Washington, ``veg_lib_IGBP``), after the
LDAS library of Nijssen, B. et al. (2001), J. Clim. 14, 3307-3323; roots by Zeng, X. (2001), J. Hydrometeorol. 2,
525-530, Table 2. Wind is measured 10 m above the ground or, over trees, above their tops (the library's 50 m and 5 m
are heights of other forcings).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.data.igbp import BARREN, IGBP_CLASSES

WIND_HEIGHT = 10.0
"""Height of the wind in the forcing [m]."""

_EVERGREEN = (3.4, 3.4, 3.5, 3.7, 4.0, 4.4, 4.4, 4.3, 4.2, 3.7, 3.5, 3.4)
_DECIDUOUS = (1.68, 1.52, 1.68, 2.9, 4.9, 5.0, 5.0, 4.6, 3.44, 3.04, 2.16, 2.0)
_OPEN = (2.0, 2.25, 2.95, 3.85, 3.75, 3.5, 3.55, 3.2, 3.3, 2.85, 2.6, 2.2)
_CROP = (0.5, 0.5, 0.5, 0.5, 1.5, 3.0, 4.5, 5.0, 2.5, 0.5, 0.5, 0.5)
_SPARSE = (0.2,) * 12
_NONE = (0.0,) * 12
_DARK, _LEAFY, _SHRUBBY, _GRASSY, _WHITE = (0.12,) * 12, (0.18,) * 12, (0.19,) * 12, (0.2,) * 12, (0.6,) * 12
_CROP_ALBEDO = (0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1)


class PlantClass(NamedTuple):
    """One IGBP class.

    ``rarc``, ``rmin`` [s m-1], ``rgl`` [W m-2], ``rough``, ``displacement`` [m], monthly leaf area index and albedo
    [1]; ``root_a``, ``root_b`` [m-1] and ``root_depth`` [m] of Zeng's profile.
    """

    igbp: int
    overstory: bool
    rarc: float
    rmin: float
    rgl: float
    rough: float
    displacement: float
    lai: tuple[float, ...]
    albedo: tuple[float, ...]
    root_a: float
    root_b: float
    root_depth: float

    @property
    def name(self) -> str:
        """Name of the class."""
        return IGBP_CLASSES[self.igbp]

    @property
    def wind_height(self) -> float:
        """Height at which the wind is given [m]."""
        return WIND_HEIGHT + (self.displacement / 0.67 if self.overstory else 0.0)


LIBRARY = (
    PlantClass(1, True, 60, 150, 30, 1.476, 8.04, _EVERGREEN, _DARK, 6.706, 2.175, 1.8),
    PlantClass(2, True, 60, 150, 30, 1.476, 8.04, _EVERGREEN, _DARK, 7.344, 1.303, 3.0),
    PlantClass(3, True, 60, 150, 30, 1.23, 6.7, _DECIDUOUS, _LEAFY, 7.066, 1.953, 2.0),
    PlantClass(4, True, 60, 150, 30, 1.23, 6.7, _DECIDUOUS, _LEAFY, 5.990, 1.955, 2.0),
    PlantClass(5, True, 60, 140, 50, 1.23, 6.7, _DECIDUOUS, _LEAFY, 4.453, 1.631, 2.4),
    PlantClass(6, False, 50, 135, 75, 0.495, 1.0, _OPEN, _SHRUBBY, 6.326, 1.567, 2.5),
    PlantClass(7, False, 50, 135, 75, 0.495, 1.0, _OPEN, _SHRUBBY, 7.718, 1.262, 3.1),
    PlantClass(8, True, 60, 125, 50, 1.23, 6.7, _DECIDUOUS, _LEAFY, 7.604, 2.300, 1.7),
    PlantClass(9, False, 40, 125, 75, 0.495, 1.0, _OPEN, _SHRUBBY, 8.235, 1.627, 2.4),
    PlantClass(10, False, 25, 50, 100, 0.0738, 0.402, _OPEN, _GRASSY, 10.740, 2.608, 1.5),
    PlantClass(11, False, 25, 50, 100, 0.0738, 0.402, _OPEN, _GRASSY, 10.740, 2.608, 1.5),
    PlantClass(12, False, 40, 100, 100, 0.215, 1.166, _CROP, _CROP_ALBEDO, 5.558, 2.614, 1.5),
    PlantClass(13, False, 25, 50, 100, 0.0738, 0.402, _SPARSE, _GRASSY, 10.740, 2.608, 1.5),
    PlantClass(14, False, 40, 125, 75, 0.495, 1.0, _OPEN, _SHRUBBY, 5.558, 2.614, 1.5),
    PlantClass(15, False, 5, 50, 100, 0.0738, 0.402, _SPARSE, _WHITE, 4.372, 0.978, 4.0),
    PlantClass(BARREN, False, 5, 50, 100, 0.0738, 0.402, _NONE, _GRASSY, 4.372, 0.978, 4.0),
)
"""Classes 1 to 16, bare soil last, as VIC-5 wants it. Zeng gives no roots for wetland, urban land and ice: the first
two have those of grassland, ice those of barren land."""

ROOT_ZONES = (0.1, 0.9)
"""Thickness of the two upper root zones; the third reaches down to the rooting depth [m]."""

HIGHEST_LEAF_AREA = 8.0
"""Leaf area index that no tile exceeds, however little of its cell is covered by plants."""


def rooted_above(plant: PlantClass, depth: float) -> float:
    """Share of roots above a depth [m], ``Y = 1 - (exp(-a d) + exp(-b d)) / 2`` (Zeng 2001, eq. 2)."""
    return 1 - 0.5 * float(np.exp(-plant.root_a * depth) + np.exp(-plant.root_b * depth))


def root_zones(plant: PlantClass) -> tuple[Float[np.ndarray, " zone"], Float[np.ndarray, " zone"]]:
    """Thickness [m] and share of roots of VIC's three root zones; the shares add up to 1."""
    bottom = np.array([ROOT_ZONES[0], sum(ROOT_ZONES), plant.root_depth])
    above = np.array([0.0, *(rooted_above(plant, d) for d in bottom)])
    return np.diff(bottom, prepend=0.0), np.diff(above) / above[-1]


def leaf_area(
    cover: Float[np.ndarray, "class cell"], observed: Float[np.ndarray, "month cell"] | None
) -> Float[np.ndarray, "class month cell"]:
    """Leaf area index of each class and month.

    Without observations that of the library. With them, the library's courses are scaled by one factor a cell and
    month, so that the mean over the cell's land, bare soil included, is the observed one; what would exceed
    ``HIGHEST_LEAF_AREA`` is cut.

    Args:
        cover: area shares of the classes of ``LIBRARY``, sum 1.
        observed: mean leaf area index of the cells' land [1].
    """
    library = np.array([plant.lai for plant in LIBRARY])[:, :, None] * np.ones(cover.shape[1])
    if observed is None:
        return library
    mean = np.einsum("kc,kmc->mc", cover, library)
    factor = np.divide(observed, mean, out=np.zeros_like(mean), where=mean > 0)
    return np.minimum(library * factor, HIGHEST_LEAF_AREA)
