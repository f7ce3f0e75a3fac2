"""What a global parameter file names, read: cells and their parameters, the state a run begins with, the forcing."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from paraformer.core.proof import Proof
from paraformer.core.radiation import prove_radiation
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.files import (
    Domain,
    as_forcing,
    read_series,
    require_series,
)
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.land import Land, read_land, run_cells
from paraformer.process.vic.state_files import date_of_state

logger = logging.getLogger(__name__)


def read_run_land(run: GlobalParameters, *, with_state: bool = True) -> Land:
    """The cells to run, their parameters in the same order, and the state the run begins with.

    Args:
        with_state: whether the initial state is read; else the land is that of a cold start.

    Raises:
        DataError: files that do not fit each other, or values no soil, plant or state has.
    """
    if with_state and run.initial_state is not None:
        _compare_dates(run.initial_state, run.days[0])
    return read_land(
        run.parameters,
        run_cells(run.parameters, run.domain, run.grid_names),
        run.initial_state if with_state else None,
        names=run.grid_names,
        canopy_source=run.canopy_source,
        snow_bands=run.snow_bands,
    )


def _compare_dates(state: Path, first: np.datetime64) -> None:
    """Say that a run begins on another day than its state, which may be meant: a spin-up is used for several runs."""
    found = date_of_state(state)
    if found is not None and abs(found - first.astype("datetime64[s]")) > np.timedelta64(1, "D"):
        logger.warning(
            "%s: the state is of %s, and the run begins %s; VIC takes it as it is, snow and soil water of another day",
            state,
            found.astype("datetime64[D]"),
            first,
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
    names: dict[str, str] = {}
    for files in run.forcing:
        path = files.path(year)
        series |= read_series([path], domain, days, steps, files.names, grid_names=run.grid_names, proof=proof)
        names |= files.names
    whole = proof or Proof(str(path))
    prove_radiation(whole, series, domain.cell_lat, days, lambda cell, day: f"{domain.words(cell)}, {days[day]}", names)
    if whole.refused or proof is None:
        whole.finish()
    return as_forcing(series, days)
