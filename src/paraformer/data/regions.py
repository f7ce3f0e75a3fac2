"""Leave-region-out splits: whole blocks of latitude and longitude are unseen, and no trained cell need be near them.

Scattered unseen cells have trained ones around them; a block of them, with a buffer, asks what a map from attributes is
worth where nothing was learned (Roberts et al. 2017, Ecography 40, 913-929, doi 10.1111/ecog.02881). The blocks are
dealt out to folds, so that over all folds every cell is unseen once.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from paraformer.core.errors import DataError
from paraformer.core.grid import points
from paraformer.core.seeding import generator
from paraformer.data.config import BlockFolds, Blocks
from paraformer.data.sampling import LEFT_OUT, TRAINED, UNSEEN


def block_folds(
    blocks: BlockFolds,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    usable: Bool[np.ndarray, " cell"],
    *,
    source: str,
) -> Int[np.ndarray, " cell"]:
    """Fold in which each cell is unseen; -1 where it is not usable.

    Blocks begin at the south pole and 180 degrees west, so that they do not depend on which cells there are. In an
    order drawn from the seed each goes to the fold with the fewest cells so far.

    Args:
        lat, lon: cell centres [degree]; longitudes in -180..180 or 0..360.
        usable: cells that may be used; the others belong to no block.
        source: what the cells come from and the setting that asks for blocks, for the error.

    Raises:
        DataError: if there are fewer blocks with a cell than folds.
    """
    row = np.floor((lat + 90.0) / blocks.degrees).astype(np.int64)
    column = np.floor(((lon + 180.0) % 360.0) / blocks.degrees).astype(np.int64)
    places, block, cells = np.unique(
        np.stack([row, column], axis=1)[usable], axis=0, return_inverse=True, return_counts=True
    )
    if len(places) < blocks.folds:
        raise DataError(
            f"{source}: the cells lie in {len(places)} blocks of {blocks.degrees:g} degrees, fewer than "
            f"the {blocks.folds} folds; take smaller blocks or fewer folds"
        )
    of_block, filled = np.empty(len(places), dtype=np.int64), np.zeros(blocks.folds, dtype=np.int64)
    for at in generator(blocks.seed, "split", "blocks").permutation(len(places)):
        of_block[at] = np.argmin(filled)
        filled[of_block[at]] += cells[at]
    folds = np.full(len(lat), -1, dtype=np.int64)
    folds[usable] = of_block[block.reshape(-1)]
    return folds


def block_labels(
    blocks: Blocks,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    usable: Bool[np.ndarray, " cell"],
    *,
    source: str,
) -> np.ndarray:
    """Label of every cell: ``UNSEEN`` in the blocks of the fold, ``TRAINED`` elsewhere [cell].

    ``LEFT_OUT`` are cells that are not usable, and those nearer to an unseen one than the buffer. Arguments and errors
    as for ``block_folds``.
    """
    folds = block_folds(blocks, lat, lon, usable, source=source)
    unseen, trained = folds == blocks.fold, usable & (folds != blocks.fold)
    at = points(lat, lon)
    distance, _ = cKDTree(at[unseen]).query(at[trained])
    trained[trained] = distance >= blocks.buffer_km
    labels = np.full(len(lat), LEFT_OUT, dtype="<U8")
    labels[trained], labels[unseen] = TRAINED, UNSEEN
    return labels
