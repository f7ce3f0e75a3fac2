"""Is what a sampling design is given a sample already? A design thins a grid, and would thin a sample of it again.

Rows and columns say so themselves: those of a sample differ by multiples of its side. Latitudes and longitudes say so
by where the cells lie: a grid of 1/2 degree begins at a multiple of 1/2 degree and its centres are in the middle of its
cells; one of each 4 x 4 cells of a grid of 1/8 degree is as far from the next, and lies elsewhere.
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError
from paraformer.data.config import DESIGN
from paraformer.data.sampling import TRAINED, UNSEEN, GridIndex, Plane, planes

logger = logging.getLogger(__name__)

_MOST = 8
"""Largest side of the blocks that a sample is looked for; the paper's is 8."""

_CLOSE = 0.03
"""Largest distance from where the centre of a cell would lie [cells]."""

_FAR = {"degree": 0.4, "km": 40.0}
"""Cells farther apart than this are no whole grid of a product that is read here: SMAP's wider one has 36 km."""


class Sample(NamedTuple):
    """What says that cells are a sample.

    Attributes:
        side: of the blocks that one cell each is left of; 0 if it is not known.
        why: in words.
        numbered: whether rows and columns are those of the whole grid, so that a design does not thin it again.
    """

    side: int
    why: str
    numbered: bool


def sample_of_rows(index: GridIndex) -> Sample | None:
    """The sample that given rows and columns are; ``None`` if they are a whole grid, or a single cell."""
    steps = np.concatenate([np.diff(np.unique(axis)) for axis in index])
    side = int(np.gcd.reduce(steps)) if steps.size else 1
    return Sample(side, f"its rows and columns differ by multiples of {side}", True) if side > 1 else None


def sample_of_places(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], index: GridIndex
) -> Sample | None:
    """The sample that cells seem to be, from where they lie; ``None`` if nothing says so.

    Args:
        index: rows and columns that ``sampling.grid_index`` has found for them.
    """
    if not (index.row.max() and index.column.max()):
        return None  # one row or column: too little to tell
    found = min((_spacing(plane, index) for plane in planes(lat, lon)), key=lambda spacing: spacing.unevenness)
    apart = f"its cells lie {found.size:.4g} {found.unit} apart"
    side = 0 if found.is_own_grid() else next((n for n in range(2, _MOST + 1) if found.is_sample(n)), 0)
    if side:
        finer = f"{found.size / side:.4g} {found.unit}"
        return Sample(side, f"{apart}, as one of each {side} x {side} cells of a grid of {finer} does", False)
    if found.size > _FAR[found.unit]:
        return Sample(0, f"{apart}, farther than those of any grid of SMAP or NLDAS-2", False)
    return None


def require_whole_grid(
    design: str,
    sample: Sample | None,
    labels: np.ndarray,
    usable: Bool[np.ndarray, " cell"],
    *,
    source: str,
) -> None:
    """Warn, with numbers, of a design that thins a sample again.

    Args:
        labels: what the design makes of each cell [cell].
        usable: cells it could choose from [cell].

    Raises:
        DataError: if neighbours are to be judged and no trained cell has one.
    """
    matched = re.match(DESIGN, design)
    assert matched is not None
    cells, trained = int(usable.sum()), int((labels == TRAINED).sum())
    reason = "" if sample is None else f"; {sample.why}"
    if matched[2] and trained and not (labels == UNSEEN).any():
        raise DataError(
            f"{source}: design {design}: none of the {trained} trained cells has a neighbour among the {cells} cells "
            f"of the file{reason}: it needs every cell of the grid"
        )
    side = int(matched[1])
    if sample is None or (sample.numbered and side % sample.side == 0):
        return
    advice = "" if sample.numbered else ", or give variables 'row' and 'col' of the whole grid"
    logger.warning(
        "%s: design %s takes one of each %d x %d of the cells it finds and trains on %d of %d, but the file seems to "
        "be a sample already%s; to learn from all of its cells leave 'data.split' out%s",
        source,
        design,
        side,
        side,
        trained,
        cells,
        reason,
        advice,
    )


class _Spacing(NamedTuple):
    """How far cells are apart, and where their centres lie in a cell of that size, from its west and south or north.

    ``unevenness`` is the largest distance from an even spacing [cells].
    """

    size: float
    unit: str
    phases: tuple[float, float]
    unevenness: float

    def is_own_grid(self) -> bool:
        """Whether the centres are the middles, or the corners, of cells as large as they are apart."""
        return all(abs(2 * p - round(2 * p)) < 2 * _CLOSE for p in self.phases)

    def is_sample(self, side: int) -> bool:
        """Whether the centres are those of cells ``side`` times as small."""
        return all(abs(side * p - 0.5 - round(side * p - 0.5)) < _CLOSE for p in self.phases)


def _spacing(plane: Plane, index: GridIndex) -> _Spacing:
    sizes, phases, uneven = [], [], 0.0
    for values, steps, edge in zip((plane.east, plane.north), (index.column, index.row), plane.edges, strict=True):
        size = float(values.max() - values.min()) / float(steps.max())
        first = float(np.mean(values - steps * size))
        sizes.append(size * plane.size)
        phases.append((first - edge) / size % 1.0)
        uneven = max(uneven, float(np.abs(values - first - steps * size).max()) / size)
    return _Spacing(max(sizes), plane.unit, (phases[0], phases[1]), uneven)
