"""Who is judged on what: trained and unseen cells, training and test period, as masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError
from paraformer.core.schema import Cube


class Subset(NamedTuple):
    """One block of a score table: ``cells`` is trained or unseen, ``period`` is train or test."""

    cells: str
    period: str
    cell_mask: np.ndarray
    day_mask: np.ndarray


@dataclass(frozen=True)
class Holdout:
    """Observations and what may be fitted to them.

    Attributes:
        cells: identifiers [cell].
        lat: latitude [degree_north] [cell].
        lon: longitude [degree_east] [cell].
        observed: observed soil moisture [m3 m-3] [cell, time]; any value where ``mask`` is False.
        mask: where there is an observation [cell, time].
        trained: cells learners may learn from; the others are unseen [cell].
        train_days: days of the training period [time].
        test_days: days of the test period [time].

    Raises:
        DataError: if a shape does not fit, the periods share a day or are empty, or no cell is trained.
    """

    cells: np.ndarray
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    observed: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    trained: Bool[np.ndarray, " cell"]
    train_days: Bool[np.ndarray, " time"]
    test_days: Bool[np.ndarray, " time"]

    def __post_init__(self) -> None:
        n_cells, n_days = self.mask.shape
        for name, shape in (
            ("cells", (n_cells,)),
            ("lat", (n_cells,)),
            ("lon", (n_cells,)),
            ("trained", (n_cells,)),
            ("observed", self.mask.shape),
            ("train_days", (n_days,)),
            ("test_days", (n_days,)),
        ):
            found = np.shape(getattr(self, name))
            if found != shape:
                raise DataError(f"holdout: '{name}' has shape {found}, expected {shape}")
        if (self.train_days & self.test_days).any():
            raise DataError("holdout: the training and the test period share a day")
        for name in ("train_days", "test_days", "trained"):
            if not getattr(self, name).any():
                raise DataError(f"holdout: '{name}' is empty")

    def subsets(self) -> Iterator[Subset]:
        """The blocks that have at least one cell: trained and unseen cells in the training and test period."""
        for cells, cell_mask in (("trained", self.trained), ("unseen", ~self.trained)):
            for period, day_mask in (("train", self.train_days), ("test", self.test_days)):
                if cell_mask.any():
                    yield Subset(cells, period, cell_mask, day_mask)

    def coordinates(self) -> dict[str, Any]:
        """Coordinates of the cells, as files of scores have them."""
        return {
            "cell": ("cell", self.cells),
            "lat": ("cell", self.lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", self.lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "trained": ("cell", self.trained, {"long_name": "whether learners learned from the cell"}),
        }

    def only(self, available: Bool[np.ndarray, " cell"]) -> Holdout:
        """The same holdout without the observations of the other cells, which then count as unscored."""
        return replace(self, mask=self.mask & available[:, None])

    def require_simulated(self, simulated: np.ndarray, source: str) -> None:
        """Raise unless a simulation has the shape [cell, time] of the observations and is finite on every day.

        Raises:
            DataError: naming what was found, with the first cell and day that are not finite.
        """
        if simulated.shape != self.mask.shape:
            raise DataError(f"{source}: simulation has shape {simulated.shape}, expected {self.mask.shape}")
        bad = ~np.isfinite(simulated)
        if bad.any():
            cell, day = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(f"{source}: simulation is {simulated[cell, day]} in cell {self.cells[cell]}, day {day}")


def holdout_of(cube: Cube) -> Holdout:
    """Observations of a cube, its trained cells and its two periods."""
    observed, mask = cube.observed()
    return Holdout(
        cells=cube.cells,
        lat=cube.lat,
        lon=cube.lon,
        observed=observed,
        mask=mask,
        trained=cube.trained,
        train_days=cube.period("train").mask(cube.time),
        test_days=cube.period("test").mask(cube.time),
    )
