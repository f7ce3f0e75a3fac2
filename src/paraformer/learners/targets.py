"""Targets of a learner beside soil moisture: evapotranspiration and signatures of runoff, in units of their spread or
error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from paraformer.core.contracts import CalibrationData
from paraformer.core.targets_config import TargetsConfig
from paraformer.numerics.references import Compared, References
from paraformer.numerics.totals import chi_squared, relative_error


class OtherTargets(References):
    """Loss of everything but soil moisture, in the unit of soil moisture [m3 m-3]."""

    def __init__(self, config: TargetsConfig, data: CalibrationData) -> None:
        super().__init__(config, data, torch.float32)

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
        found = {target: self.value(target, simulated, cells) for target in self.config.chosen}
        for c in self.compared:
            values = c.values[cells].to(found[c.target])
            yield c, difference(found[c.target], values, c.known[cells], c.scale, remove_bias=c.remove_bias)
