"""A model of four series that are linear in three parameters, and observations of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from paraformer.core.contracts import CalibrationData, DifferentiableModel, Reference
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.numerics.months import monthly_operator

CELLS, DAYS = 24, 366
SPACE = ParameterSpace(Parameter(name=name, lower=0, upper=1) for name in ("level", "loss", "split"))


class Ledger(DifferentiableModel):
    """Three parameters, three stores: ``level`` sets soil moisture alone, ``loss`` the share of rain that evaporates,
    ``split`` the share of the rest that is baseflow."""

    differentiable = True
    parameters = SPACE
    outputs = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")

    def __init__(self) -> None:
        self.time = np.datetime64("2015-04-01") + np.arange(DAYS)
        self.runs = 0
        self.asked: set[tuple[str, ...]] = set()
        self.rain = torch.as_tensor(2.0 + np.sin(np.arange(DAYS) / 20)[None] + np.linspace(0, 1, CELLS)[:, None])
        self.rain = self.rain.float()

    @property
    def n_cells(self) -> int:
        return CELLS

    def select(self, cells: np.ndarray) -> Ledger:
        raise NotImplementedError

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def respond(
        self, u: torch.Tensor, cells: torch.Tensor, start: int, length: int, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, torch.Tensor]:
        self.asked.add(tuple(outputs))
        rain = self.rain[cells, start : start + length]
        level, loss, split = u[:, :1], u[:, 1:2], u[:, 2:]
        left = (1 - loss) * rain
        found = {
            "soil_moisture": 0.1 + 0.3 * level + 0.0 * rain,
            "evapotranspiration": loss * rain,
            "runoff": (1 - split) * left,
            "baseflow": split * left,
        }
        return {name: found[name] for name in outputs}


def true_u(attributes: np.ndarray) -> np.ndarray:
    return 0.5 + 0.25 * attributes


def twin() -> CalibrationData:
    """Observations of all four kinds that the true θ explains; a quarter of the cells is unseen."""
    random = np.random.default_rng(0)
    model, attributes = Ledger(), random.uniform(-1, 1, (CELLS, 3))
    u = torch.as_tensor(true_u(attributes)).float()
    series = {k: v.numpy() for k, v in model.respond(u, torch.arange(CELLS), 0, DAYS, Ledger.outputs).items()}
    trained = np.arange(CELLS) % 4 > 0
    total = (series["runoff"] + series["baseflow"]).sum(1)

    def reference(values: np.ndarray) -> Reference:
        known = np.repeat(trained[:, None], values.shape[1], axis=1)
        return Reference(np.where(known, values, 0.0), known)

    mask = random.random((CELLS, DAYS)) < 0.5
    forcing = np.zeros((CELLS, DAYS, 7))
    forcing[..., 0] = model.rain.numpy()
    return CalibrationData(
        cells=np.arange(CELLS),
        time=model.time,
        attributes=attributes,
        attribute_names=("a", "b", "c"),
        forcing=forcing,
        observed=series["soil_moisture"] * (mask & trained[:, None]),
        mask=mask & trained[:, None],
        trained=trained,
        prior=np.full((CELLS, 3), 0.5),
        first_day=0,
        history=series["soil_moisture"] * mask,
        history_mask=mask,
        references={
            "et": reference(series["evapotranspiration"].astype(float) @ monthly_operator(model.time)),
            "ratio": reference((total / model.rain.numpy().sum(1))[:, None].astype(float)),
            "index": reference((series["baseflow"].sum(1) / total)[:, None].astype(float)),
        },
    )
