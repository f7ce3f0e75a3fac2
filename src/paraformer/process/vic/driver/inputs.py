"""What a global parameter file names, read: cells and their parameters, the state a run begins with, the forcing."""

from __future__ import annotations

import numpy as np

from paraformer.core.proof import Proof
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.files import (
    Domain,
    as_forcing,
    read_series,
    require_series,
)
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.land import Land, read_land, run_cells


def read_run_land(run: GlobalParameters, *, with_state: bool = True) -> Land:
    """The cells to run, their parameters in the same order, and the state the run begins with.

    Args:
        with_state: whether the initial state is read; else the land is that of a cold start.

    Raises:
        DataError: files that do not fit each other, or values no soil, plant or state has.
    """
    return read_land(
        run.parameters,
        run_cells(run.parameters, run.domain, run.grid_names),
        run.initial_state if with_state else None,
        names=run.grid_names,
        canopy_source=run.canopy_source,
        snow_bands=run.snow_bands,
    )


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
