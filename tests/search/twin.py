"""A twin experiment: what buckets of known θ would show, with gaps, to be found again by a search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paraformer.core.contracts import CalibrationData, ForwardModel
from paraformer.process.bucket import BUCKET_PARAMETERS as SPACE
from paraformer.process.bucket import Bucket
from paraformer.search.config import RandomConfig, SCEUAConfig
from training.killing import Killed

CELLS, DAYS, FIRST = 6, 60, 10
UNTRAINED, POORLY_SEEN = 2, 4
"""Positions of the cells that must keep their a-priori θ."""


def bucket(cells: int = CELLS) -> Bucket:
    """The model; its time axis starts ``FIRST`` days before the training period and ends 5 days after it."""
    random = np.random.default_rng(0)
    shape = (cells, FIRST + DAYS + 5)
    rain = random.exponential(12.0, shape) * (random.random(shape) < 0.3)
    return Bucket(rain, np.datetime64("2015-01-01") + np.arange(shape[1]))


def truth() -> np.ndarray:
    """Hidden true θ [cell, parameter]."""
    return SPACE.from_unit(np.random.default_rng(1).uniform(0.1, 0.9, (CELLS, len(SPACE))))


def twin() -> CalibrationData:
    """Observations of half the days, without noise."""
    model, random = bucket(), np.random.default_rng(2)
    shown = model.simulate(truth()[:, None], ("soil_moisture",))["soil_moisture"][:, 0, FIRST : FIRST + DAYS]
    mask = random.random(shown.shape) < 0.5
    mask[POORLY_SEEN, 10:] = False
    trained = np.arange(CELLS) != UNTRAINED
    return CalibrationData(
        cells=np.arange(CELLS) + 100,
        time=model.time[FIRST : FIRST + DAYS],
        attributes=np.zeros((CELLS, 1)),
        attribute_names=("constant",),
        forcing=np.zeros((CELLS, DAYS, 7)),
        observed=np.where(mask & trained[:, None], shown, 0.0),
        mask=mask & trained[:, None],
        trained=trained,
        prior=model.prior(),
        first_day=FIRST,
        history=np.where(mask, shown, 0.0),
        history_mask=mask,
    )


def sceua(**changes: object) -> SCEUAConfig:
    """Small settings that checkpoint after every step."""
    return SCEUAConfig.model_validate({"complexes": 3, "budget": 100, "checkpoint_seconds": 0, **changes})


def random(**changes: object) -> RandomConfig:
    """Small settings that checkpoint after every step."""
    return RandomConfig.model_validate({"budget": 50, "checkpoint_seconds": 0, **changes})


class Mortal(ForwardModel):
    """A forward model that is killed in call number ``at`` of ``simulate``, before or after the run."""

    differentiable = False
    parameters = SPACE
    outputs = ("soil_moisture",)

    def __init__(self, model: Bucket, at: int, *, after: bool) -> None:
        self.model, self.after, self.runs = model, after, 0
        self.calls = [at]  # shared by the parts

    @property
    def n_cells(self) -> int:
        return self.model.n_cells

    def select(self, cells: np.ndarray) -> Mortal:
        part = Mortal(self.model.select(cells), 0, after=self.after)
        part.calls = self.calls
        return part

    def simulate(self, theta: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.calls[0] -= 1
        if self.calls[0] == 0 and not self.after:
            raise Killed
        found = self.model.simulate(theta, outputs)
        self.runs = self.model.runs
        if self.calls[0] == 0:
            raise Killed
        return found
