"""A differentiable forward model with a known optimum, and observations that its own true θ explains.

y[cell, t] = 0.1 + 0.2 gain wave[cell, t] + 0.2 offset, in unit coordinates of the two parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from paraformer.core.contracts import CalibrationData, DifferentiableModel
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.learners.config import LearnerConfig

SPACE = ParameterSpace(
    (Parameter(name="gain", lower=1, upper=100, transform="log"), Parameter(name="offset", lower=-2, upper=2))
)
CELLS, DAYS, FIRST = 24, 60, 7
NAMES = ("clay", "slope", "constant")


class Waves(DifferentiableModel):
    """The model; its time axis starts ``FIRST`` days before the training period."""

    differentiable = True
    parameters = SPACE
    outputs = ("soil_moisture",)

    def __init__(self, cells: int = CELLS) -> None:
        self.time = np.datetime64("2015-01-01") + np.arange(FIRST + DAYS)
        self.runs = 0
        phase = np.linspace(0, 3, cells)[:, None]
        self.wave = torch.as_tensor(0.5 + 0.5 * np.sin(0.3 * np.arange(FIRST + DAYS) + phase), dtype=torch.float32)

    @property
    def n_cells(self) -> int:
        return len(self.wave)

    def select(self, cells: np.ndarray) -> Waves:
        other = Waves(self.n_cells)
        other.wave = self.wave[torch.as_tensor(cells)]
        return other

    def simulate(self, theta: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        u = torch.as_tensor(SPACE.to_unit(theta))
        return {"soil_moisture": (0.1 + 0.2 * u[..., :1] * self.wave[:, None] + 0.2 * u[..., 1:]).numpy()}

    def respond(
        self,
        u: torch.Tensor,
        cells: torch.Tensor,
        start: int | np.ndarray,
        length: int,
        outputs: Sequence[str] = ("soil_moisture",),
    ) -> dict[str, torch.Tensor]:
        days = torch.as_tensor(np.atleast_1d(start)[:, None] + np.arange(length))
        wave = self.wave[cells[:, None], days]
        return {"soil_moisture": 0.1 + 0.2 * u[:, :1] * wave + 0.2 * u[:, 1:]}


def true_u(attributes: np.ndarray) -> np.ndarray:
    """Hidden true θ, unit coordinates, as a function of the attributes."""
    return np.stack([0.5 + 0.3 * np.tanh(attributes[:, 0] - 20), 0.5 - 0.2 * attributes[:, 1]], axis=-1)


def twin(noise: float = 0.0) -> CalibrationData:
    """Observations of half the days in 24 cells, 18 of them trained."""
    random = np.random.default_rng(0)
    attributes = np.stack([random.normal(20, 1, CELLS), random.uniform(-1, 1, CELLS), np.full(CELLS, 3.0)], axis=-1)
    theta = SPACE.from_unit(true_u(attributes))
    truth = Waves().simulate(theta[:, None], ("soil_moisture",))["soil_moisture"][:, 0, FIRST:]
    mask = random.random((CELLS, DAYS)) < 0.5
    history = np.where(mask, truth + noise * random.normal(size=truth.shape), 0.0)
    trained = np.arange(CELLS) < 18
    return CalibrationData(
        cells=np.arange(CELLS),
        time=np.datetime64("2015-01-08") + np.arange(DAYS),
        attributes=attributes,
        attribute_names=NAMES,
        forcing=np.zeros((CELLS, DAYS, 7)),
        observed=history * trained[:, None],
        mask=mask & trained[:, None],
        trained=trained,
        prior=SPACE.from_unit(np.full((CELLS, 2), 0.5)),
        first_day=FIRST,
        history=history,
        history_mask=mask,
    )


def secretive_twin(cells: int = 360) -> tuple[CalibrationData, np.ndarray]:
    """A twin whose attributes say nothing of θ, and the hidden true θ in unit coordinates; a third is never trained on.

    Only the history tells: the first forcing is the wave, and the observations respond to it with the true gain.
    """
    random = np.random.default_rng(1)
    model = Waves(cells)
    u = random.uniform(0.1, 0.9, (cells, 2))
    truth = model.simulate(SPACE.from_unit(u)[:, None], ("soil_moisture",))["soil_moisture"][:, 0, FIRST:]
    mask = random.random((cells, DAYS)) < 0.5
    forcing = np.zeros((cells, DAYS, 7))
    forcing[..., 0] = model.wave[:, FIRST:].numpy()
    trained = np.arange(cells) % 3 > 0
    history = np.where(mask, truth, 0.0)
    data = CalibrationData(
        cells=np.arange(cells),
        time=np.datetime64("2015-01-08") + np.arange(DAYS),
        attributes=random.normal(size=(cells, 3)),
        attribute_names=NAMES,
        forcing=forcing,
        observed=history * trained[:, None],
        mask=mask & trained[:, None],
        trained=trained,
        prior=SPACE.from_unit(np.full((cells, 2), 0.5)),
        first_day=FIRST,
        history=history,
        history_mask=mask,
        filled=truth,
    )
    return data, u


NETWORKS: dict[str, dict[str, object]] = {
    "ffn_a": {"name": "ffn_a", "hidden": 32, "dropout": 0.1},
    "lstm_z": {"name": "lstm_z", "hidden": 16, "dropout": 0.1, "history_days": 20, "history_windows": 3},
    "paraformer_a": {"name": "paraformer_a", "width": 16, "heads": 2, "feed_forward": 32, "dropout": 0.1},
    "paraformer_z": {
        "name": "paraformer_z",
        "width": 16,
        "heads": 2,
        "feed_forward": 32,
        "dropout": 0.1,
        "layers": 1,
        "history_days": 20,
        "history_windows": 3,
        "patch": 4,
    },
}
"""Small settings of every network."""


def small(network: str = "ffn_a", steps: int = 10, **changes: object) -> LearnerConfig:
    """Small settings; ``changes`` replace top-level fields."""
    training = {
        "steps": steps,
        "optimiser": {"rate": 1e-2},
        "checkpoint_steps": 3,
        "checkpoint_seconds": None,
        "schedule": {"warm_up": 5},
    }
    base = {
        "network": NETWORKS[network],
        "window": 40,
        "cells_per_batch": 12,
        "training": training,
        "loss": {"prior_weight": 0.0, "fit": "cell_rmse"},
    }
    return LearnerConfig.model_validate({**base, **changes})
