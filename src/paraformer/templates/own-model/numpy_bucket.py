"""A land model of your own in NumPy: a bucket that fills, spills, dries and drains. It has no gradient.

``process.model: numpy_bucket:build`` in a study makes it the process model (docs/bring_your_own_model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube

NAMES = ("capacity", "residence", "demand")
RESIDUAL, POROSITY = 0.03, 0.45  # moisture of the dry and of the full bucket [m3 m-3]
SPIN_UP = 90  # first days, run once before the recorded run


def build(space: ParameterSpace, cube: Cube, files: Mapping[str, Path]) -> Bucket:
    """What the study calls: its parameters, its cells and days, and the files it names (none are needed here)."""
    assert space.names == NAMES, f"the parameters of this model are {NAMES}"
    named = {name: cube.dataset[name].values.astype(float) for name in ("prcp", "tair", "swdown")}
    return Bucket(space, named["prcp"], potential_evaporation(named["tair"], named["swdown"]))


def potential_evaporation(tair: np.ndarray, swdown: np.ndarray) -> np.ndarray:
    """0.025 (T + 3) Rs / λ [mm day-1] (Jensen & Haise 1963, J. Irrig. Drain. Div. 89, 15-41); T [degC], Rs [W m-2]."""
    return np.maximum(0.025 * (tair + 3.0), 0.0) * swdown * 86400.0 / 2.45e6


class Bucket:
    """Storage S [mm] of capacity C: rain fills it, what is above C runs off; then it dries and drains.

    Evaporation is d PET S / C, drainage S (1 - exp(-1 / τ)), both of the storage after the rain and limited by it.
    """

    outputs = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")
    differentiable = False

    def __init__(self, parameters: ParameterSpace, rain: np.ndarray, potential: np.ndarray) -> None:
        self.parameters, self.rain, self.potential, self.runs = parameters, rain, potential, 0

    @property
    def n_cells(self) -> int:
        return len(self.rain)

    def select(self, cells: np.ndarray) -> Bucket:
        return Bucket(self.parameters, self.rain[cells], self.potential[cells])

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """θ [cell, set, parameter] in physical units -> series [cell, set, day]; ``None`` is the a-priori θ."""
        if theta is None:  # no `prior` here, so the a-priori θ is the middle of every range
            theta = self.parameters.from_unit(np.full((self.n_cells, 1, len(NAMES)), 0.5))
        self.runs += theta.shape[0] * theta.shape[1]
        capacity, residence, demand = np.moveaxis(theta, -1, 0)  # each [cell, set]
        drained = 1.0 - np.exp(-1.0 / residence)
        storage = 0.5 * capacity
        found = {name: np.empty((*storage.shape, self.rain.shape[1])) for name in self.outputs}
        for day in (*range(min(SPIN_UP, self.rain.shape[1])), *range(self.rain.shape[1])):
            storage = storage + self.rain[:, day, None]
            runoff = np.maximum(storage - capacity, 0.0)
            storage = storage - runoff
            baseflow = drained * storage
            evaporation = np.minimum(demand * self.potential[:, day, None] * storage / capacity, storage - baseflow)
            storage = storage - baseflow - evaporation
            found["soil_moisture"][..., day] = RESIDUAL + (POROSITY - RESIDUAL) * storage / capacity
            found["evapotranspiration"][..., day] = evaporation
            found["runoff"][..., day] = runoff
            found["baseflow"][..., day] = baseflow
        return {name: found[name] for name in outputs}
