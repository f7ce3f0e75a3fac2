"""VIC's land from VIC's files: the cells of a run, their parameters, and the state they begin with.

The one place where a domain, a parameter and a state file become what ``model.VIC`` and ``simulate`` take, whether a
study, a global parameter file or a coupled run asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from paraformer.process.vic.domain import Domain, GridNames, read_domain, read_run_cells
from paraformer.process.vic.files import CanopySource, read_parameters
from paraformer.process.vic.parameters import CellParameters, column_moisture_capacity
from paraformer.process.vic.state import State, cold_start
from paraformer.process.vic.state_files import read_state


class Land(NamedTuple):
    """What VIC's files hold of some cells."""

    domain: Domain  # its active cells are those of ``parameters``, in the same order unless they were selected
    parameters: CellParameters
    state: State | None  # of a state file [cell, 1, column]; ``None`` is a cold start

    def select(self, cells: np.ndarray) -> Land:
        """Some of the cells, or a repetition, by position; the domain stays."""
        return self._replace(
            parameters=self.parameters.select(cells), state=None if self.state is None else self.state[cells]
        )

    def start(self) -> State:
        """The state a run begins with, a copy of its own, with no more moisture than the soil holds."""
        return capped(cold_start(self.parameters) if self.state is None else self.state, self.parameters)


def capped(state: State, parameters: CellParameters) -> State:
    """The state with no more moisture than the soil holds, a copy of its own."""
    state = state.copy()
    most = column_moisture_capacity(parameters)
    state["moisture"] = np.minimum(state["moisture"], most[:, None, None, :])
    return state


def read_land(
    parameters: Path,
    domain: Domain,
    initial_state: Path | None = None,
    *,
    names: GridNames = GridNames(),  # noqa: B008
    canopy_source: CanopySource = "FROM_VEGPARAM",
    snow_bands: bool = True,
    quiet: bool = False,
) -> Land:
    """Parameters and initial state of the active cells of a domain, in its order, proved.

    Args:
        parameters, initial_state: VIC-5 image-driver files; no state is a cold start.
        names, canopy_source, snow_bands, quiet: as ``files.read_parameters``.

    Raises:
        DataError: missing variable, a cell that is not in a file or not to be run, or values no soil, plant or state
            has.
    """
    found = read_parameters(
        parameters, domain, canopy_source=canopy_source, snow_bands=snow_bands, names=names, quiet=quiet
    )
    state = None if initial_state is None else read_state(initial_state, found, domain, names, quiet=quiet)
    return Land(domain, found, state)


def run_cells(parameters: Path, domain: Path, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """The cells that VIC-5's image driver runs: of the domain file, those that the parameter file says to run.

    Raises:
        DataError: files that do not fit each other.
    """
    return read_run_cells(parameters, read_domain(domain, names), names)
