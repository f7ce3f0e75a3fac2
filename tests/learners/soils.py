"""A twin experiment on miniature cells: VIC is the truth, and a surrogate of it is deliberately wrong."""

from __future__ import annotations

from functools import cache

import numpy as np

from learners.toy import NETWORKS
from paraformer.core.contracts import CalibrationData
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.config import LearnerConfig
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters

SPACE = ParameterSpace.of("infilt", "expt")
CELLS, SPIN_UP, DAYS = 8, 10, 40
TIME = np.datetime64("2015-04-01") + np.arange(DAYS)


def process(conductivity: float = 1.0) -> DifferentiableProcess:
    """VIC with its gradient; with another conductivity than 1 it is the surrogate that is wrong."""
    cells = make_parameters(CELLS)
    cells = cells._replace(ksat=conductivity * cells.ksat)
    model = VIC(
        SPACE,
        cells,
        make_forcing(CELLS, DAYS, temperature=15.0),
        VICSettings(),
        threads=1,
        spin_up_days=SPIN_UP,
        spin_up_cycles=1,
    )
    return DifferentiableProcess(model, TIME, keep=False, runs_together=24)


def true_u() -> np.ndarray:
    """Hidden true θ, unit coordinates: one attribute each; soil moisture tells the second."""
    return 0.5 + 0.25 * np.tanh(attributes()[:, :2])


def attributes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(CELLS, 3))


@cache
def twin() -> CalibrationData:
    """Observations of half the days in eight cells, six of them trained; the days of the spin-up are not learned."""
    moisture = process().simulate(SPACE.from_unit(true_u())[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    trained, days = np.arange(CELLS) < 6, slice(SPIN_UP, DAYS)
    history_mask = np.random.default_rng(1).random(moisture[:, days].shape) < 0.5
    history = np.where(history_mask, moisture[:, days], 0.0)
    mask = history_mask & trained[:, None]
    return CalibrationData(
        cells=np.arange(CELLS),
        time=TIME[days],
        attributes=attributes(),
        attribute_names=("clay", "slope", "ndvi"),
        forcing=np.zeros((CELLS, DAYS - SPIN_UP, 7)),
        observed=np.where(mask, history, 0.0),
        mask=mask,
        trained=trained,
        prior=SPACE.from_unit(np.full((CELLS, 2), 0.5)),
        first_day=SPIN_UP,
        history=history,
        history_mask=history_mask,
    )


def misfit(theta: np.ndarray, data: CalibrationData) -> float:
    """VIC's own root mean square error on the trained cells [m3 m-3], whoever found θ."""
    moisture = process().simulate(theta[:, None], ("soil_moisture",))["soil_moisture"][:, 0, SPIN_UP:]
    return float(np.sqrt(np.mean((moisture - data.observed)[data.mask] ** 2)))


def settings(simulator: str, network: str = "ffn_a", steps: int = 30, **changes: object) -> LearnerConfig:
    """Small settings; ``changes`` replace top-level fields."""
    training = {
        "steps": steps,
        "optimiser": {"rate": 1e-2},
        "checkpoint_steps": 2,
        "checkpoint_seconds": None,
        "schedule": {"warm_up": 2},
        "ema": 0.9,
    }
    base = {
        "network": NETWORKS[network],
        "simulator": simulator,
        "cells_per_batch": 4,
        "training": training,
        "loss": {"prior_weight": 0.0},
    }
    if simulator == "surrogate_then_process":
        base["refinement"] = {**training, "cells_per_batch": 3}
    return LearnerConfig.model_validate({**base, **changes})
