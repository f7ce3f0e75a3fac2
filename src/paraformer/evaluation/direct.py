"""The ceiling row: an LSTM from forcing and attributes straight to observed soil moisture, without a process model.

Fang, K., Shen, C., Kifer, D., Yang, X. (2017), Geophys. Res. Lett. 44, 11030-11039, doi 10.1002/2017GL075619.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.evaluation.config import DirectConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.training.sequence import CellInputs, fit_members, predict, sequence_data


def fit_direct(
    config: DirectConfig, inputs: CellInputs, holdout: Holdout, *, seed: int, directory: Path, progress: Progress
) -> Float[np.ndarray, "cell time"]:
    """Train on the trained cells' observations of the training period, and predict every cell and day [m3 m-3].

    Interrupted work resumes from ``directory``, bit for bit; a finished training there is read back.

    Args:
        inputs: forcing and attributes of the cells and days of ``holdout``.

    Raises:
        DataError: if the inputs do not fit the holdout or are not finite, or there is nothing to learn from.
        ModelError: if a loss is not finite.
        RunError: if ``directory`` holds another training.
    """
    found = inputs.forcing.shape[:2]
    if found != holdout.mask.shape:
        raise DataError(f"direct LSTM: forcing of {found} cells and days, expected {holdout.mask.shape}")
    mask = holdout.mask & holdout.train_days & holdout.trained[:, None]
    data = sequence_data(inputs, holdout.observed, mask, trained=holdout.trained, training=holdout.train_days)
    members = fit_members(config, data, directory, seed=seed, progress=progress, description="direct LSTM")
    series = predict(members, data.daily, data.statics, warm_up=config.warm_up)
    return np.clip(series * data.scale.scale[0] + data.scale.mean[0], 0.0, 1.0)
