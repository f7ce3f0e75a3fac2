"""VIC behind the contract ``core.contracts.ForwardModel``: θ in, daily series out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import ModelError, nearest
from paraformer.core.files import hash_bytes
from paraformer.core.parameters import ParameterSpace
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.outputs import OFFERED, as_asked, in_millimetres
from paraformer.process.vic.parameters import CellParameters, a_priori
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Device, Simulation, simulate
from paraformer.process.vic.state import State


class VIC(ForwardModel):
    """VIC-5 in water-balance mode for a fixed list of cells and days.

    Args:
        parameters: the space θ lives in.
        cell_parameters: a-priori parameters of the cells.
        forcing: their forcing at the snow step.
        settings: steps and water balance mode.
        initial_state: [cell, 1, column]; ``None`` is a cold start.
        spin_up_days: length of the spin-up, the first days of the forcing, run with every set's own θ.
        spin_up_cycles: how often it is repeated before the recorded run.
        threads: CPU threads; ``None`` uses all.
        device: ``cpu``, or ``cuda`` for an NVIDIA GPU.
    """

    differentiable = False
    outputs: tuple[str, ...] = OFFERED
    forcing_names: tuple[str, ...] = Forcing._fields[:7]

    def __init__(
        self,
        parameters: ParameterSpace,
        cell_parameters: CellParameters,
        forcing: Forcing,
        settings: VICSettings,
        *,
        initial_state: State | None = None,
        spin_up_days: int = 0,
        spin_up_cycles: int = 0,
        threads: int | None = None,
        device: Device = "cpu",
    ) -> None:
        self.parameters = parameters
        self.cell_parameters = cell_parameters
        self.forcing = forcing
        self.settings = settings
        self.initial_state = initial_state
        self.spin_up_days = spin_up_days
        self.spin_up_cycles = spin_up_cycles
        self.threads = threads
        self.device = device
        self.runs = 0

    @property
    def n_cells(self) -> int:
        return self.cell_parameters.n_cell

    def description(self) -> dict[str, Any]:
        """What a simulation depends on beside θ: settings, spin-up, and a hash of parameters, forcing and state."""
        arrays = [*self.cell_parameters, *self.forcing, *([] if self.initial_state is None else [self.initial_state])]
        return {
            "model": "VIC",
            "settings": self.settings.model_dump(mode="json"),
            "spin_up": [self.spin_up_days, self.spin_up_cycles],
            "inputs": hash_bytes(*(np.ascontiguousarray(a).tobytes() for a in arrays)),
        }

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ of the cells in physical units, not clipped to the bounds."""
        return a_priori(self.cell_parameters, self.parameters.names)

    def select(self, cells: np.ndarray) -> VIC:
        """The same model for a subset of its cells; it counts its own runs."""
        return VIC(
            self.parameters,
            self.cell_parameters.select(cells),
            self.forcing.select(cells),
            self.settings,
            initial_state=None if self.initial_state is None else self.initial_state[np.asarray(cells)],
            spin_up_days=self.spin_up_days,
            spin_up_cycles=self.spin_up_cycles,
            threads=self.threads,
            device=self.device,
        )

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Run every set of every cell; ``None`` runs the a-priori parameters as they are (one set).

        Raises:
            ModelError: unknown output.
            DataError: θ outside its bounds, or bad forcing or parameters.
        """
        for name in outputs:
            if name not in self.outputs:
                raise ModelError(f"VIC has no output '{name}'{nearest(name, self.outputs)}")
        if theta is not None:
            self.parameters.require_inside(theta, self.cell_parameters.cell.tolist())
        found = self.run(theta, in_millimetres(outputs)).outputs
        return as_asked(outputs, found, self.cell_parameters.depth[:, 0], self.parameters, theta)

    def run(
        self,
        theta: Float[np.ndarray, "cell set parameter"] | None,
        outputs: Sequence[str],
        *,
        return_state: bool = False,
    ) -> Simulation:
        """As ``simulate``, with water balance errors and, if asked for, the final state."""
        self.runs += self.n_cells * (1 if theta is None else theta.shape[1])
        return simulate(
            self.cell_parameters,
            self.forcing,
            self.settings,
            theta=theta,
            theta_names=self.parameters.names if theta is not None else (),
            initial_state=self.initial_state,
            spin_up_days=self.spin_up_days,
            spin_up_cycles=self.spin_up_cycles,
            outputs=outputs,
            threads=self.threads,
            device=self.device,
            return_state=return_state,
        )
