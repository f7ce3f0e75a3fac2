"""Targets of a search beside soil moisture and flow: residuals against references, in units of their spread."""

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


class Compared(NamedTuple):
    """One reference of one target: values, the spread that errors are divided by, and the weight of their square."""

    target: str
    values: Float[Tensor, "cell value"]
    known: Bool[Tensor, "cell value"]
    scale: float
    weight: float
    remove_bias: bool


class OtherTargets:
    """Residuals whose squares add up to the weighted squared relative errors of evapotranspiration and signatures.

    Args:
        config: targets of the search.
        data: with their references.

    Raises:
        DataError: if a reference is not among the data, has the wrong shape, or does not vary over trained cells; if
            the training period lacks a calendar month.
    """

    def __init__(self, config: TargetsConfig, data: CalibrationData) -> None:
        self.outputs = tuple(name for name in config.outputs if config.streamflow is None or name not in _WATERS)
        self.compared = tuple(
            _compared(target, settings, name, data)
            for target, settings in config.chosen.items()
            for name in settings.reference
        )
        observed = data.observed[data.mask & data.trained[:, None]]
        self.unit = float(observed.std()) if observed.size else 1.0
        self.precipitation = torch.as_tensor(data.forcing[..., list(FORCING).index("prcp")]).double()
        self.months = torch.zeros(0, 0)
        if config.evapotranspiration is not None:
            try:
                months = monthly_operator(data.time)
            except ValueError as error:
                raise DataError(f"targets: evapotranspiration, training period: {error}") from error
            annual = config.evapotranspiration.period == "year"
            self.months = torch.as_tensor(months.sum(axis=1, keepdims=True) if annual else months)

    def residuals(
        self, simulated: Mapping[str, Float[Tensor, "run day"]], cells: Int[np.ndarray, " run"], *, together: bool
    ) -> Float[Tensor, "run value"]:
        """Residuals of some runs over the training period [1].

        Args:
            simulated: series of the training days that ``outputs`` and the waters of flow name.
            cells: positions of the cells run.
            together: the mean square is over the values of all runs, those of a basin; else over those of each.
        """
        axis = (0, 1) if together else (1,)
        parts = []
        for c in self.compared:
            known, found = c.known[cells], self._value(c.target, simulated, cells)
            error = torch.where(known, found - c.values[cells], 0.0)
            count = known.sum(axis, keepdim=True).clamp(min=1)
            if c.remove_bias:
                error = torch.where(known, error - error.sum(axis, keepdim=True) / count, 0.0)
            parts.append(error * ((c.weight / count).sqrt() / c.scale))
        return torch.cat(parts, dim=1)

    def _value(self, target: str, simulated: Mapping[str, Tensor], cells: np.ndarray) -> Float[Tensor, "run value"]:
        if target == "evapotranspiration":
            return simulated["evapotranspiration"] @ self.months
        runoff, baseflow = (simulated[name] for name in _WATERS)
        if target == "runoff_ratio":
            return runoff_ratio(runoff, baseflow, self.precipitation[cells])[:, None]
        return baseflow_index(runoff, baseflow)[:, None]


_WATERS = ("runoff", "baseflow")


def _compared(target: str, settings: TargetConfig, name: str, data: CalibrationData) -> Compared:
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
    share, removed = settings.weight / len(settings.reference), settings.bias == "remove"
    filled = torch.as_tensor(np.where(known, values, 0.0))
    return Compared(target, filled, torch.as_tensor(known), scale, share, removed)
