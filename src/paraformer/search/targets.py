"""Targets of a search beside soil moisture and flow: residuals against references, by their spread or their error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.targets_config import TargetsConfig
from paraformer.numerics.references import WATERS, References


class OtherTargets(References):
    """Residuals of evapotranspiration and signatures: their squares add up to the weighted squared relative errors.

    Args:
        config: the targets.
        data: with their references.
        by_error: under ``loss.inference`` they add up to χ² instead, each value by the variance of its error.
    """

    def __init__(self, config: TargetsConfig, data: CalibrationData, *, by_error: bool) -> None:
        super().__init__(config, data, torch.float64)
        self.by_error = by_error
        self.outputs = tuple(name for name in config.outputs if config.streamflow is None or name not in WATERS)

    def residuals(
        self, simulated: Mapping[str, Float[Tensor, "run day"]], cells: Int[np.ndarray, " run"], *, together: bool
    ) -> Float[Tensor, "run value"]:
        """Residuals of some runs over the training period [1].

        Args:
            simulated: series of the training days that ``outputs`` and the waters of flow name.
            cells: positions of the cells run.
            together: the mean square is over the values of all runs, those of a basin; else over those of each.
        """
        axis = (0, 1) if together else (1,)
        parts = []
        for c in self.compared:
            known, found = c.known[cells], self.value(c.target, simulated, cells)
            error = torch.where(known, found - c.values[cells], 0.0)
            count = known.sum(axis, keepdim=True).clamp(min=1)
            if c.remove_bias:
                error = torch.where(known, error - error.sum(axis, keepdim=True) / count, 0.0)
            parts.append(error / c.scale if self.by_error else error * ((c.weight / count).sqrt() / c.scale))
        return torch.cat(parts, dim=1)

    def count(self, cells: Int[np.ndarray, " cell"]) -> Int[np.ndarray, " cell"]:
        """Values that each of some cells is compared with."""
        return sum((c.known[cells].sum(dim=1).numpy() for c in self.compared), np.zeros(len(cells), dtype=np.int64))
