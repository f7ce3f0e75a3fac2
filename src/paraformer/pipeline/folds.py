"""Trained cells dealt out to folds by blocks of latitude and longitude, for ``pipeline.cross_validation``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from paraformer.config import Study
from paraformer.core.errors import SettingsError
from paraformer.data.config import BlockFolds, Blocks
from paraformer.data.regions import block_folds, block_labels
from paraformer.data.sampling import TRAINED


@dataclass(frozen=True)
class Folds:
    """Which cells are kept aside when.

    Attributes:
        of: fold in which each cell is kept aside; -1 for cells that are not trained [cell].
        learned: cells that are learned from in each fold, less those within the buffer [fold, cell].
    """

    of: Int[np.ndarray, " cell"]
    learned: Bool[np.ndarray, "fold cell"]


def deal(
    config: BlockFolds,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    trained: Bool[np.ndarray, " cell"],
) -> Folds:
    """Deal the trained cells out to folds, by blocks.

    Raises:
        DataError: if there are fewer blocks than folds.
        SettingsError: if a fold leaves no cell to learn from.
    """
    key = "cross_validation"
    learned = [
        block_labels(Blocks(**config.model_dump(), fold=fold), lat, lon, trained, source=key) == TRAINED
        for fold in range(config.folds)
    ]
    for fold, cells in enumerate(learned):
        if not cells.any():
            raise SettingsError(f"{key}.buffer_km: {config.buffer_km:g} km leave no cell to learn from in fold {fold}")
    return Folds(block_folds(config, lat, lon, trained, source=key), np.stack(learned))


def at_basins(
    lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], basins: Sequence[np.ndarray]
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Places by which basins are dealt out whole: of every cell of a basin the middle of its cells."""
    lat, lon = np.array(lat, dtype=np.float64), np.array(lon, dtype=np.float64)
    for cells in basins:
        lat[cells], lon[cells] = lat[cells].mean(), lon[cells].mean()
    return lat, lon


def require_folds(
    study: Study, lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"], trained: Bool[np.ndarray, " cell"]
) -> None:
    """Raise as ``deal`` where the study's trained cells cannot be dealt out, before any work."""
    if study.cross_validation is not None:
        deal(study.cross_validation, lat, lon, trained)
