"""A miniature process model for surrogate tests: a leaky store of rain, with runs of many θ.

s(t) = s(t-1) exp(-k) + P(t) / capacity, started by repeating the first 90 days, with two parameters: the leak k [day-1]
and the capacity [mm].
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paraformer.core.contracts import ForwardModel
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.surrogate.config import SurrogateConfig
from paraformer.surrogate.fit import SurrogateData

SPACE = ParameterSpace(
    (
        Parameter(name="leak", lower=0.1, upper=0.6, transform="log"),
        Parameter(name="capacity", lower=100, upper=300, unit="mm"),
    )
)
CELLS, DAYS, SPIN_UP = 10, 300, 90


COMMON = np.array([[0.02, 0.02], [0.02, 0.98], [0.98, 0.02], [0.98, 0.98], [0.5, 0.5], [0.25, 0.5]])


def reservoir(rain: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Storage [1] of every cell and set: rain [cell, time], θ [cell, set, parameter] -> [cell, set, time]."""
    storage = np.zeros(theta.shape[:2])
    series = np.zeros((*theta.shape[:2], rain.shape[1]))
    for day in range(-SPIN_UP, rain.shape[1]):
        storage = storage * np.exp(-theta[..., 0]) + rain[:, day % SPIN_UP if day < 0 else day, None] / theta[..., 1]
        if day >= 0:
            series[..., day] = storage
    return series


class ReservoirModel(ForwardModel):
    """The store as a ForwardModel."""

    differentiable = False
    outputs = ("soil_moisture",)
    parameters = SPACE

    def __init__(self, rain: np.ndarray) -> None:
        self.rain, self.runs = rain, 0

    @property
    def n_cells(self) -> int:
        return len(self.rain)

    def select(self, cells: np.ndarray) -> ReservoirModel:
        return ReservoirModel(self.rain[cells])

    def simulate(self, theta: np.ndarray, outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        self.runs += theta.shape[0] * theta.shape[1]
        return {"soil_moisture": reservoir(self.rain, theta)}


def archive(common: int = 6, own: int = 24, held_out: int = 2) -> SurrogateData:
    """Runs of the store in 10 cells, 8 of them trained; the last own sets are held out."""
    random = np.random.default_rng(4)
    wet = np.where(random.random((CELLS, DAYS)) < 0.3, random.gamma(0.8, 10, (CELLS, DAYS)), 0.0)
    rain = wet * np.linspace(0.5, 1.5, CELLS)[:, None]
    forcing = np.concatenate([rain[..., None], random.normal(size=(CELLS, DAYS, 6))], axis=-1)
    u = np.concatenate(
        [
            np.full((CELLS, 1, 2), 0.5),
            np.broadcast_to(COMMON[:common], (CELLS, common, 2)),
            random.random((CELLS, own, 2)),
        ],
        axis=1,
    )
    theta = SPACE.from_unit(u)
    held = np.zeros(theta.shape[:2], bool)
    held[:, 1 + common + own - held_out :] = True
    storage = reservoir(rain, theta)
    leak = storage * (np.exp(theta[..., :1]) - 1) * theta[..., 1:]
    return SurrogateData(
        space=SPACE,
        cells=np.arange(100, 100 + CELLS),
        time=np.datetime64("2015-04-01") + np.arange(DAYS),
        forcing=forcing,
        statics=random.normal(size=(CELLS, 2)),
        static_names=("clay", "slope"),
        theta=theta,
        kind=np.array(["prior", *["common"] * common, *["own"] * own]),
        held_out=held,
        runs={"soil_moisture": storage.astype(np.float32), "baseflow": leak.astype(np.float32)},
        trained=np.arange(CELLS) < 8,
        training=np.arange(DAYS) < 200,
        spin_up=SPIN_UP,
    )


def config(steps: int = 10, **changes: object) -> SurrogateConfig:
    """Small settings; ``changes`` replace top-level fields."""
    base = {
        "outputs": ("soil_moisture",),
        "anchors": 6,
        "hidden": 16,
        "embedding": 8,
        "warm_up": 5,
        "window": 20,
        "cells_per_batch": 8,
        "sets_per_cell": 4,
        "training": {"steps": steps, "optimiser": {"rate": 1e-2}, "checkpoint_steps": 4, "checkpoint_seconds": None},
    }
    return SurrogateConfig.model_validate({**base, **changes})


def without_training_runs_of_unseen_cells(data: SurrogateData) -> SurrogateData:
    """The same archive with garbage wherever a fit on trained cells must not look."""
    unseen = ~data.trained
    forcing, statics = data.forcing.copy(), data.statics.copy()
    forcing[unseen] = 1e3
    statics[unseen] = -1e3
    runs = {name: np.where(unseen[:, None, None], np.float32(0.7), values) for name, values in data.runs.items()}
    return replace(data, forcing=forcing, statics=statics, runs=runs)
