"""Routing along with a run (ROUT_PARAM): runoff of the model steps -> OUT_DISCHARGE, and the ring of a state file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import Router
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.process.vic.datasets import open_dataset, read_variable
from paraformer.process.vic.domain import Domain, locate
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.files import read_domain, read_run_cells

RING = "STATE_ROUT_RING"


class Places(NamedTuple):
    """The cells of a run: centres [degree], areas by the domain file [m2], and the file for messages."""

    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    area: Float[np.ndarray, " cell"]
    source: str


def read_places(run: GlobalParameters) -> Places:
    """Cells of a run, for the making of its router.

    Raises:
        DataError: as ``read_run_cells``; a domain file without areas.
    """
    domain = read_run_cells(run.parameters, read_domain(run.domain, run.grid_names), run.grid_names)
    with open_dataset(run.domain) as dataset:
        located = locate(dataset, domain, run.grid_names)
        area = located.take(read_variable(dataset, run.grid_names.area)[located.rows])
    return Places(domain.cell_lat, domain.cell_lon, area, f"{run.domain} (cells that are run)")


class Rivers:
    """The rivers of a run: the water of each stretch of days goes in, discharge on the grid comes out.

    Where the routing step is longer than the model step, the discharge of a routing step stands in all of its model
    steps; where it is shorter, a model step's water enters evenly and its discharge is the mean.

    Args:
        router: of the cells that are run.
        domain: those cells.
        steps_per_day: model steps.

    Raises:
        DataError: two gauges in one cell, where a grid has one value.
        SettingsError: a routing step that fits neither the day nor the model step.
    """

    def __init__(self, router: Router, domain: Domain, steps_per_day: int) -> None:
        self.router = router
        cells, count = np.unique(router.outlets, return_counts=True)
        if (count > 1).any():
            cell = int(cells[count > 1][0])
            names = [name for name, at in zip(router.gauges, router.outlets, strict=True) if at == cell]
            raise DataError(f"ROUT_PARAM: outlets {' and '.join(names)} lie in one cell, {domain.words(cell)}")
        ratio = router.step * steps_per_day / SECONDS_PER_DAY
        whole = ratio if ratio >= 1 else 1 / ratio
        if abs(whole - round(whole)) > 1e-9 or SECONDS_PER_DAY % router.step:
            raise SettingsError(
                f"ROUT_PARAM: unit hydrographs in steps of {router.step:g} s fit neither a day nor model steps of "
                f"{SECONDS_PER_DAY / steps_per_day:g} s"
            )
        self._together, self._apart = (round(whole), 1) if ratio >= 1 else (1, round(whole))
        self._coming = np.zeros((len(router.gauges), router.lags))
        self._last = np.zeros(len(router.gauges))
        self._water = np.empty((2, router.n_cells, 0))

    def begin(self, n_step: int) -> None:
        """Start a stretch of model steps, whole days of them."""
        self._water = np.zeros((2, self.router.n_cells, n_step))

    def add(
        self, runoff: Float[np.ndarray, "cell time"], baseflow: Float[np.ndarray, "cell time"], cells: slice
    ) -> None:
        """Runoff and baseflow of some cells [mm a model step]."""
        self._water[0, cells], self._water[1, cells] = runoff, baseflow

    def finish(self) -> Float[np.ndarray, "cell time"]:
        """Discharge of the stretch [m3 s-1]: at the outlets' cells, 0 elsewhere."""
        _, n_cell, n_step = self._water.shape
        if self._apart > 1:
            water = np.repeat(self._water / self._apart, self._apart, axis=2)
        else:
            water = self._water.reshape(2, n_cell, n_step // self._together, self._together).sum(axis=3)
        flow, self._coming = self.router.advance(water[0], water[1], self._coming)
        self._last = flow[:, -1] / self.router.scale
        shown = np.zeros((n_cell, n_step))
        if self._apart > 1:
            shown[self.router.outlets] = flow.reshape(len(flow), n_step, self._apart).mean(axis=2)
        else:
            shown[self.router.outlets] = np.repeat(flow, self._together, axis=1)
        return shown

    @property
    def ring(self) -> Float[np.ndarray, "lag gauge"]:
        """VIC-5's ring: flow of the last step, then that still to come [mm a step over the outlet's cell]."""
        return np.concatenate([self._last[:, None], self._coming[:, :-1]], axis=1).T

    def restore(self, path: Path) -> bool:
        """Begin with the ring of a state file; whether it has one.

        Raises:
            DataError: a ring of other outlets or length, or with values that are missing.
        """
        with open_dataset(path) as dataset:
            if RING not in dataset.variables:
                return False
            ring = read_variable(dataset, RING)
        expected = (self.router.lags, len(self.router.gauges))
        if ring.shape != expected:
            raise DataError(
                f"{path}: '{RING}' has shape {ring.shape}, expected steps and outlets {expected} of ROUT_PARAM"
            )
        if not np.isfinite(ring).all():
            raise DataError(f"{path}: '{RING}' holds missing values")
        self._coming = np.concatenate([ring[1:], np.zeros((1, ring.shape[1]))]).T.copy()
        return True
