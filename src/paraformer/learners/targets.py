"""Targets beside soil moisture: evapotranspiration and signatures of runoff, in units of their spread or error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError
from paraformer.core.variables import FORCING
from paraformer.learners.comparable import comparable
from paraformer.learners.targets_config import EvapotranspirationTarget, TargetConfig, TargetsConfig
from paraformer.numerics.months import monthly_operator
from paraformer.numerics.totals import baseflow_index, chi_squared, relative_error, runoff_ratio
from paraformer.training.tensors import to_tensor


class Compared(NamedTuple):
    """One reference of one target, and what its errors are divided by: its spread, or the error that is given."""

    target: str
    values: Float[Tensor, "cell value"]
    known: Bool[Tensor, "cell value"]
    scale: float
    weight: float
    remove_bias: bool


class OtherTargets:
    """Loss of everything but soil moisture, in the unit of soil moisture [m3 m-3].

    Raises:
        DataError: if a reference is not among the data, has the wrong shape, or does not vary over trained cells; if
            the training period lacks a calendar month.
    """

    def __init__(self, config: TargetsConfig, data: CalibrationData) -> None:
        self.config = config
        self.compared = tuple(
            _compared(target, settings, name, data)
            for target, settings in config.chosen.items()
            for name in settings.reference
        )
        observed = data.observed[data.mask & data.trained[:, None]]
        self.unit = float(observed.std()) if observed.size else 1.0
        self.precipitation = to_tensor(data.forcing[..., list(FORCING).index("prcp")])
        self.months = torch.zeros(0, 0)
        if config.evapotranspiration is not None:
            try:
                months = monthly_operator(data.time)
            except ValueError as error:
                raise DataError(f"targets: evapotranspiration, training period: {error}") from error
            annual = config.evapotranspiration.period == "year"
            self.months = to_tensor(months.sum(axis=1, keepdims=True) if annual else months)

    def to(self, device: torch.device) -> OtherTargets:
        self.compared = tuple(c._replace(values=c.values.to(device), known=c.known.to(device)) for c in self.compared)
        self.precipitation, self.months = self.precipitation.to(device), self.months.to(device)
        return self

    def loss(
        self, simulated: Mapping[str, Float[Tensor, "sample day"]], cells: Int[Tensor, " sample"]
    ) -> Float[Tensor, ""]:
        """Weighted relative errors of the whole training period of some cells, times the spread of soil moisture."""
        errors = [c.weight * found for c, found in self._each(relative_error, simulated, cells)]
        return self.unit * torch.stack(errors).sum() if errors else torch.zeros(())

    def chi_squared(
        self, simulated: Mapping[str, Float[Tensor, "sample day"]], cells: Int[Tensor, " sample"]
    ) -> Float[Tensor, ""]:
        """Squared differences of all values of all references over the variances of their errors, summed."""
        found = [squares for _, squares in self._each(chi_squared, simulated, cells)]
        return torch.stack(found).sum() if found else torch.zeros(())

    def _each(
        self, difference: Callable[..., Tensor], simulated: Mapping[str, Tensor], cells: Int[Tensor, " sample"]
    ) -> Iterator[tuple[Compared, Float[Tensor, ""]]]:
        found = {target: self._value(target, simulated, cells) for target in self.config.chosen}
        for c in self.compared:
            values = c.values[cells].to(found[c.target])
            yield c, difference(found[c.target], values, c.known[cells], c.scale, remove_bias=c.remove_bias)

    def _value(self, target: str, simulated: Mapping[str, Tensor], cells: Tensor) -> Float[Tensor, "sample value"]:
        if target == "evapotranspiration":
            series = simulated["evapotranspiration"]
            return series @ self.months.to(series)
        runoff, baseflow = simulated["runoff"], simulated["baseflow"]
        if target == "runoff_ratio":
            return runoff_ratio(runoff, baseflow, self.precipitation[cells].to(runoff))[:, None]
        return baseflow_index(runoff, baseflow)[:, None]


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
    filled, removed = to_tensor(np.where(known, values, 0.0)), settings.bias == "remove"
    return Compared(target, filled, torch.as_tensor(known), scale, settings.share, removed)
