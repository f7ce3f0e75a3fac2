"""A trained map in Python: θ of cells that stand in memory or in files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr

from paraformer.core.errors import SettingsError
from paraformer.core.html import card
from paraformer.core.log import shown_progress
from paraformer.core.netcdf import write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.released import ReleasedMap
from paraformer.pipeline.apply import predicted, theta_dataset, wanted_by
from paraformer.pipeline.released import describe_map, find_map
from paraformer.pipeline.target import Target, open_target, target_with_prior

Data = xr.Dataset | str | Path
"""A dataset, or the file that holds it."""


def load_model(model: str | Path, method: str | None = None) -> TrainedMap:
    """A trained map by its name or place.

    Args:
        model: name of a map that comes with the installation (``paraformer models``), a folder of
            ``paraformer export``, or a run directory.
        method: learner of a run directory; may be left out where there is only one.

    Raises:
        SettingsError: nothing of that name, or a method that does not belong to it.
        RunError: a run whose learner is not trained, or a damaged folder.
    """
    found = find_map(str(model), method)
    return TrainedMap(found.seeds, found.encoding, found.card)


class TrainedMap(ReleasedMap):
    """A trained map from what is known of a cell to its θ; it trains nothing.

    Attributes:
        name: of the learner.
        parameters: what it finds (``ParameterSpace``).
        card: what a user has to know of it: data, period, scores.
    """

    def apply(
        self, cells: Data, params: Data | None = None, domain: Data | None = None, *, quiet: bool = True
    ) -> xr.Dataset:
        """θ of cells.

        Args:
            cells: forcing, attributes and, for a map of history, observations ``(cell, time)`` in the format of
                docs/input_format.md, all days of which are read; or a study or VIC global parameter file by its path.
            params, domain: VIC-5 files of the cells, which give the a-priori θ; beside a file of cells they are found
                by themselves. Without them a dataset may hold the a-priori θ as variables ``(cell)`` named as the
                parameters, physical units.
            quiet: no progress.

        Returns:
            A variable a parameter ``(cell)`` in physical units, ``<name>_spread`` (standard deviation over the
            networks), ``unlike_training (cell)`` and ``beyond_training (cell, attribute)``: where to doubt it.

        Raises:
            SettingsError, DataError: cells that the map cannot be applied to.
        """
        with TemporaryDirectory() as work:
            target = self._target(cells, params, domain, Path(work), quiet)
            seen, applied = predicted(self, target)
            return theta_dataset(self, target, seen, applied)

    def _target(self, cells: Data, params: Data | None, domain: Data | None, work: Path, quiet: bool) -> Target:
        wanted = wanted_by(self)
        path = as_file(cells, work / "cells.nc")
        if isinstance(cells, xr.Dataset) and (params is None or domain is None):
            values = _prior_of(cells, self)
            return target_with_prior(path, wanted, lambda space: values)
        files = tuple(
            None if given is None else as_file(given, work / name)
            for given, name in ((params, "params.nc"), (domain, "domain.nc"))
        )
        return open_target(path, wanted, (files[0], files[1]), work / "target", shown_progress(quiet))

    def __repr__(self) -> str:
        return f"TrainedMap({self.name}: {', '.join(self.parameters.names)})"

    def _repr_html_(self) -> str:
        first, *others = describe_map(self).splitlines()
        return card(first, {str(i): line for i, line in enumerate(others, 1)})


def as_file(given: Data, path: Path) -> Path:
    """The file of some data; a dataset is written to ``path``, so that it is proved as any file is."""
    if not isinstance(given, xr.Dataset):
        return Path(given)
    write_dataset(given, path)
    return path


def _prior_of(cells: xr.Dataset, found: ReleasedMap) -> np.ndarray:
    """A-priori θ that a dataset holds; the middle of the range for a map that does not read it."""
    space: ParameterSpace = found.parameters
    missing = [name for name in space.names if name not in cells]
    if not missing:
        return np.stack([np.asarray(cells[name].values, dtype=np.float64) for name in space.names], axis=-1)
    if any(seed.config.start == "prior" for seed in found.seeds):
        raise SettingsError(
            f"the map '{found.name}' adds to the a-priori θ of a cell: give VIC's files as params and domain, or "
            f"variables (cell) of the dataset: {', '.join(missing)}"
        )
    return space.from_unit(np.full((cells.sizes["cell"], len(space)), 0.5))
