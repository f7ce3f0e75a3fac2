"""What a global parameter file names, read: cells and their parameters, the state a run begins with, the forcing."""

from __future__ import annotations

import numpy as np

from paraformer.core.proof import Proof
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.files import (
    Domain,
    as_forcing,
    read_domain,
    read_parameters,
    read_run_cells,
    read_series,
    read_state,
    require_series,
)
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters, column_moisture_capacity
from paraformer.process.vic.state import State, cold_start


def read_land(run: GlobalParameters) -> tuple[Domain, CellParameters]:
    """The cells to run, and their parameters in the same order.

    Raises:
        DataError: files that do not fit each other, or values no soil or plant has.
    """
    domain = read_run_cells(run.parameters, read_domain(run.domain, run.grid_names), run.grid_names)
    return domain, read_parameters(
        run.parameters, domain, canopy_source=run.canopy_source, snow_bands=run.snow_bands, names=run.grid_names
    )


def read_start(run: GlobalParameters, domain: Domain, parameters: CellParameters) -> State:
    """State a run begins with, with no more moisture than the soil holds.

    Raises:
        DataError: as ``read_state``.
    """
    if run.initial_state is None:
        return capped(cold_start(parameters), parameters)
    return capped(read_state(run.initial_state, parameters, domain, run.grid_names), parameters)


def capped(state: State, parameters: CellParameters) -> State:
    """The state with no more moisture than the soil holds, a copy of its own."""
    state = state.copy()
    most = column_moisture_capacity(parameters)
    state["moisture"] = np.minimum(state["moisture"], most[:, None, None, :])
    return state


def require_forcing(run: GlobalParameters, domain: Domain) -> None:
    """Raise before the first day for a file that would be missed, or not fit, years later.

    Raises:
        DataError: as ``read_series``, but for values.
    """
    years, steps = run.days.astype("datetime64[Y]"), run.settings.forcing_steps_per_day
    for files in run.forcing:
        for year in np.unique(years):
            path = files.path(int(str(year)))
            require_series(path, domain, run.days[years == year], steps, files.names, run.grid_names)


def read_days(run: GlobalParameters, domain: Domain, days: np.ndarray, proof: Proof | None = None) -> Forcing:
    """Forcing of days of one year.

    Args:
        proof: collects what is odd in all years; the caller finishes it.

    Raises:
        DataError: as ``read_series``.
    """
    year, steps = int(str(days[0])[:4]), run.settings.forcing_steps_per_day
    series: dict[str, np.ndarray] = {}
    for files in run.forcing:
        path = files.path(year)
        series |= read_series([path], domain, days, steps, files.names, grid_names=run.grid_names, proof=proof)
    return as_forcing(series, days)
