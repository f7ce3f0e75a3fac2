"""A map without gradient: scikit-learn's extra trees from attributes to θ.

The trees learn from the best of many parameter sets in every trained cell, by its own observations. They know nothing
of the other cells' series, so they are a yardstick for networks that are trained through the model on all of them.

``paraformer run examples/extra_trees.yaml`` needs scikit-learn (``pip install scikit-learn``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from paraformer import Calibrated, CalibrationData, ForwardModel


class Trees:
    """``sets`` parameter sets in every trained cell, then ``trees`` from attributes to the best of them."""

    def __init__(self, sets: int, trees: int) -> None:
        self.sets, self.trees = sets, trees

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Any
    ) -> Calibrated:
        """θ of every cell, from its attributes alone."""
        space, cells = model.parameters, np.flatnonzero(data.trained & data.mask.any(axis=1))
        u = np.random.default_rng(seed).random((self.sets, len(space)))
        theta = np.broadcast_to(space.from_unit(u), (len(cells), *u.shape))
        series = model.select(cells).simulate(theta, ("soil_moisture",))["soil_moisture"]
        days = slice(data.first_day, data.first_day + len(data.time))  # the model begins with the first day of all
        error = (series[:, :, days] - data.observed[cells, None]) ** 2 * data.mask[cells, None]
        best = u[error.sum(axis=2).argmin(axis=1)]
        forest = ExtraTreesRegressor(self.trees, min_samples_leaf=2, random_state=seed)
        found = forest.fit(data.attributes[cells], best).predict(data.attributes).reshape(len(data.cells), -1)
        return Calibrated(space.clip(space.from_unit(found)), len(cells) * self.sets)


def extra_trees(sets: int = 128, trees: int = 300) -> Trees:
    """What ``network.name`` of the study names, given its ``settings``."""
    return Trees(sets, trees)
