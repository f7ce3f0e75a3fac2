"""References of targets beside soil moisture, and what of a simulation is compared with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError
from paraformer.core.targets_config import EvapotranspirationTarget, TargetConfig, TargetsConfig
from paraformer.core.variables import FORCING
from paraformer.numerics.comparable import comparable
from paraformer.numerics.months import monthly_operator
from paraformer.numerics.totals import baseflow_index, runoff_ratio

WATERS = ("runoff", "baseflow")


class Compared(NamedTuple):
    """One reference of one target, and what its errors are divided by: its spread, or the error that is given."""

    target: str
    values: Float[Tensor, "cell value"]
    known: Bool[Tensor, "cell value"]
    scale: float
    weight: float
    remove_bias: bool


class References:
    """Evapotranspiration and signatures of runoff: what was observed, of trained cells alone, and what a run says.

    Attributes:
        compared: every reference of every target.
        unit: spread of observed soil moisture over trained cells [m3 m-3]; 1 where there is none.

    Args:
        config: the targets.
        data: with their references.
        dtype: of the tensors.

    Raises:
        DataError: if a reference is not among the data, has the wrong shape, or does not vary over trained cells; if
            the training period lacks a calendar month.
    """

    def __init__(self, config: TargetsConfig, data: CalibrationData, dtype: torch.dtype) -> None:
        self.config = config
        self.compared = tuple(
            _compared(target, settings, name, data, dtype)
            for target, settings in config.chosen.items()
            for name in settings.reference
        )
        observed = data.observed[data.mask & data.trained[:, None]]
        self.unit = float(observed.std()) if observed.size else 1.0
        rain = np.ascontiguousarray(data.forcing[..., list(FORCING).index("prcp")])
        self.precipitation, self.months = torch.as_tensor(rain, dtype=dtype), torch.zeros(0, 0)
        if config.evapotranspiration is not None:
            try:
                months = monthly_operator(data.time)
            except ValueError as error:
                raise DataError(f"targets: evapotranspiration, training period: {error}") from error
            annual = config.evapotranspiration.period == "year"
            months = months.sum(axis=1, keepdims=True) if annual else months
            self.months = torch.as_tensor(np.ascontiguousarray(months), dtype=dtype)

    def to(self, device: torch.device) -> None:
        self.compared = tuple(c._replace(values=c.values.to(device), known=c.known.to(device)) for c in self.compared)
        self.precipitation, self.months = self.precipitation.to(device), self.months.to(device)

    def value(
        self,
        target: str,
        simulated: Mapping[str, Float[Tensor, "run day"]],
        cells: Int[Tensor, " run"] | Int[np.ndarray, " run"],
    ) -> Float[Tensor, "run value"]:
        """What some runs of the training period say of a target.

        Args:
            cells: positions of the cells run.
        """
        if target == "evapotranspiration":
            series = simulated["evapotranspiration"]
            return series @ self.months.to(series)
        runoff, baseflow = (simulated[name] for name in WATERS)
        if target == "runoff_ratio":
            return runoff_ratio(runoff, baseflow, self.precipitation[cells].to(runoff))[:, None]
        return baseflow_index(runoff, baseflow)[:, None]


def _compared(target: str, settings: TargetConfig, name: str, data: CalibrationData, dtype: torch.dtype) -> Compared:
    """A reference of a target, of trained cells alone."""
    if name not in data.references:
        raise DataError(f"targets: {target}: reference '{name}' is not among the data of the calibration")
    values, known = data.references[name]
    months = 12 if isinstance(settings, EvapotranspirationTarget) else 1
    if values.shape != (len(data.cells), months):
        raise DataError(
            f"targets: {target}: reference '{name}' has shape {values.shape}, expected "
            f"({len(data.cells)} cells, {months})"
        )
    seen = np.where(known & data.trained[:, None], values, np.nan)
    values, scale = comparable(f"targets: {target}", settings, name, seen)
    known = np.isfinite(values)
    filled, removed = torch.as_tensor(np.where(known, values, 0.0), dtype=dtype), settings.bias == "remove"
    return Compared(target, filled, torch.as_tensor(known), scale, settings.share, removed)
