"""Run VIC over cells and parameter sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.state import State


class Simulation(NamedTuple):
    """Result of a run. ``outputs[name]`` is [cell, set, time]; time is days, or model steps for ``step`` output."""

    outputs: dict[str, Float[np.ndarray, "cell set time"]]
    max_abs_water_error: Float[np.ndarray, "cell set"]  # largest |water balance error| of a model step [mm]
    state: State | None  # state at the end [cell, set, column], if asked for


def simulate(
    parameters: CellParameters,
    forcing: Forcing,
    settings: VICSettings,
    *,
    theta: Float[np.ndarray, "cell set parameter"] | None = None,
    theta_names: Sequence[str] = (),
    initial_state: State | None = None,
    spin_up_days: int = 0,
    spin_up_cycles: int = 0,
    outputs: Sequence[str] = ("soil_moisture_1",),
    output_frequency: Literal["day", "step"] = "day",
    threads: int | None = None,
    return_state: bool = False,
) -> Simulation:
    """Run every parameter set of every cell (see the module's docstring)."""
    raise NotImplementedError
