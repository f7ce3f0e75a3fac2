"""Targets of a search beside soil moisture and flow: residuals against references, in units of their spread."""

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
    """Residuals whose squares add up to the weighted squared relative errors of evapotranspiration and signatures."""

    def __init__(self, config: TargetsConfig, data: CalibrationData) -> None:
        super().__init__(config, data, torch.float64)
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
            parts.append(error * ((c.weight / count).sqrt() / c.scale))
        return torch.cat(parts, dim=1)
