"""A land model of your own in torch: learners take its own gradient, without a surrogate and without differences.

``process.model: torch_bucket:build`` in a study makes it the process model (docs/bring_your_own_model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube

NAMES = ("residence", "depth", "residual")
POROSITY = 0.5  # [m3 m-3]


def build(space: ParameterSpace, cube: Cube, files: Mapping[str, Path]) -> Reservoir:
    """What the study calls: its parameters, its cells and days, and the files it names (none are needed here)."""
    assert space.names == NAMES, f"the parameters of this model are {NAMES}"
    rain = torch.as_tensor(cube.dataset["prcp"].values.astype(float))
    return Reservoir(space, rain, cube.time)


class Reservoir:
    """A linear reservoir of rain, dS/dt = P - S / τ, exact over a day of steady rain; S [mm], P [mm day-1], τ [day].

    Moisture is r + (n - r) (1 - exp(-S / D)), between residual r and porosity n: smooth, and so is its gradient.
    """

    outputs = ("soil_moisture",)
    differentiable = True

    def __init__(self, parameters: ParameterSpace, rain: Tensor, time: np.ndarray) -> None:
        self.parameters, self.rain, self.time, self.runs = parameters, rain, time, 0

    @property
    def n_cells(self) -> int:
        return len(self.rain)

    def prior(self) -> np.ndarray:
        """A-priori θ [cell, parameter], physical units: a month, 100 mm, 0.05."""
        return np.tile([30.0, 100.0, 0.05], (self.n_cells, 1))

    def select(self, cells: np.ndarray) -> Reservoir:
        return Reservoir(self.parameters, self.rain[torch.as_tensor(cells)], self.time)

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """θ [cell, set, parameter] in physical units -> series [cell, set, day]; ``None`` is the a-priori θ."""
        theta = self.prior()[:, None] if theta is None else theta
        self.runs += theta.shape[0] * theta.shape[1]
        with torch.no_grad():
            series = moisture(torch.as_tensor(theta, dtype=self.rain.dtype), self.rain[:, None])
        return {"soil_moisture": series.numpy()}

    def respond(self, u: Tensor, cells: Tensor, start: int, length: int) -> dict[str, Tensor]:
        """Unit coordinates u [batch, parameter] of some cells [batch] -> differentiable series [batch, length]."""
        self.runs += len(u)
        theta = torch.stack([p.from_unit(u[:, i]) for i, p in enumerate(self.parameters)], dim=-1)
        series = moisture(theta, self.rain[cells, : start + length].to(u.dtype))
        return {"soil_moisture": series[:, start:]}


def moisture(theta: Tensor, rain: Tensor) -> Tensor:
    """Series [..., day] of runs with θ [..., parameter] from the steady state of a millimetre a day."""
    residence, depth, residual = theta.unbind(-1)
    kept = torch.exp(-1.0 / residence)
    storage, days = residence.expand(torch.broadcast_shapes(residence.shape, rain.shape[:-1])), []
    for today in rain.unbind(-1):
        storage = storage * kept + today * residence * (1.0 - kept)
        days.append(storage)
    full = 1.0 - torch.exp(-torch.stack(days, dim=-1) / depth[..., None])
    return residual[..., None] + (POROSITY - residual[..., None]) * full
