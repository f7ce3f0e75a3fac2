"""Forcing of the cells, and its checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.variables import Variable
from paraformer.core.vic_variables import VIC_FORCING


class Forcing(NamedTuple):
    """Forcing at the snow step. The time axis is day x step; ``month`` and ``day_of_year`` have one value a day."""

    prcp: Float[np.ndarray, "cell time"]  # precipitation [mm step-1]
    tair: Float[np.ndarray, "cell time"]  # air temperature [degC]
    swdown: Float[np.ndarray, "cell time"]  # incoming short-wave radiation [W m-2]
    lwdown: Float[np.ndarray, "cell time"]  # incoming long-wave radiation [W m-2]
    wind: Float[np.ndarray, "cell time"]  # [m s-1]
    vp: Float[np.ndarray, "cell time"]  # vapour pressure [kPa]
    pres: Float[np.ndarray, "cell time"]  # air pressure [kPa]
    month: Int[np.ndarray, " day"]  # 1..12
    day_of_year: Int[np.ndarray, " day"]  # 1..366

    @property
    def n_cell(self) -> int:
        return self.prcp.shape[0]

    @property
    def n_day(self) -> int:
        return len(self.month)

    def select(self, cells: np.ndarray | Sequence[int]) -> Forcing:
        """The same forcing for a subset (or repetition) of the cells, by position."""
        index = np.asarray(cells)
        return self._replace(**{name: getattr(self, name)[index] for name in SERIES})

    def select_days(self, start: int, stop: int) -> Forcing:
        """The days [start, stop)."""
        steps = self.prcp.shape[1] // self.n_day
        part = slice(start * steps, stop * steps)
        series = {name: np.ascontiguousarray(getattr(self, name)[:, part]) for name in SERIES}
        return self._replace(**series, month=self.month[start:stop], day_of_year=self.day_of_year[start:stop])


SERIES = Forcing._fields[:7]


def require_valid(forcing: Forcing, cell_ids: np.ndarray, steps_per_day: int) -> None:
    """Raise unless the forcing can run.

    Raises:
        DataError: wrong shape, NaN or a value outside the range of ``core.vic_variables.VIC_FORCING``, naming variable,
            cell and time.
    """
    shape = (len(cell_ids), forcing.n_day * steps_per_day)
    if len(forcing.day_of_year) != forcing.n_day:
        raise DataError(f"forcing: {forcing.n_day} months but {len(forcing.day_of_year)} days of year")
    if forcing.n_day and not (forcing.month.min() >= 1 and forcing.month.max() <= 12):
        raise DataError("forcing: month must lie in 1..12")
    for name in SERIES:
        values = getattr(forcing, name)
        if values.shape != shape:
            raise DataError(
                f"forcing '{name}' has shape {values.shape}; expected {shape} "
                f"({steps_per_day} steps a day for {forcing.n_day} days)"
            )
        low, high = VIC_FORCING[name].valid
        if values.size and not (values.min() >= low and values.max() <= high):  # NaN fails both
            _refuse(VIC_FORCING[name], values, cell_ids, steps_per_day)


def _refuse(variable: Variable, values: np.ndarray, cell_ids: np.ndarray, steps_per_day: int) -> None:
    (low, high), name, unit = variable.valid, variable.name, variable.unit
    cell, time = (int(i) for i in np.argwhere(~((values >= low) & (values <= high)))[0])
    where = f"forcing '{name}', cell {cell_ids[cell]}, day {time // steps_per_day}, step {time % steps_per_day}"
    if np.isnan(values[cell, time]):
        raise DataError(f"{where}: missing value (NaN)")
    raise DataError(
        f"{where}: found {values[cell, time]:g} {unit}, expected {low:g} to {high:g} {unit}; {variable.hint}"
    )
