"""A model that is linear in θ, so that every posterior has a closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paraformer.core.contracts import CalibrationData, ForwardModel
from paraformer.core.parameters import Parameter, ParameterSpace

DAYS, CELLS = 120, 3
SPACE = ParameterSpace(Parameter(name=name, lower=0.0, upper=1.0) for name in ("level", "course", "unseen"))
TIME = np.datetime64("2015-04-01") + np.arange(DAYS)


class Linear(ForwardModel):
    """Soil moisture 0.2 + G u; the last parameter does nothing."""

    parameters, outputs, differentiable = SPACE, ("soil_moisture",), False

    def __init__(self, slopes: np.ndarray) -> None:
        self.slopes, self.runs = slopes, 0

    @property
    def n_cells(self) -> int:
        return len(self.slopes)

    def select(self, cells: np.ndarray) -> Linear:
        return Linear(self.slopes[cells])

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        assert theta is not None
        self.runs += theta.shape[0] * theta.shape[1]
        return {"soil_moisture": 0.2 + np.einsum("ctp,csp->cst", self.slopes, theta)}


def linear() -> Linear:
    random = np.random.default_rng(3)
    course = random.normal(size=(CELLS, DAYS))
    return Linear(np.stack([np.full((CELLS, DAYS), 0.05), 0.03 * course, np.zeros((CELLS, DAYS))], axis=-1))


def observed(noise: float = 0.03, prior: tuple[float, float, float] = (0.4, 0.5, 0.6)) -> CalibrationData:
    """Two days of three observed, of a θ unlike the a-priori one."""
    random = np.random.default_rng(4)
    truth = random.uniform(0.3, 0.7, (CELLS, 3))
    series = linear().simulate(truth[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    mask = random.random((CELLS, DAYS)) < 2 / 3
    seen = np.where(mask, series + noise * random.normal(size=series.shape), 0.0)
    return CalibrationData(
        cells=np.arange(CELLS) + 7,
        time=TIME,
        attributes=np.zeros((CELLS, 1)),
        attribute_names=("none",),
        forcing=np.zeros((CELLS, DAYS, 7)),
        observed=seen,
        mask=mask,
        trained=np.ones(CELLS, dtype=bool),
        prior=np.broadcast_to(prior, (CELLS, 3)).copy(),
        first_day=0,
        history=seen,
        history_mask=mask,
    )
