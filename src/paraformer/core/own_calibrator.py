"""A calibrator of the user's own: a map without gradient, or a search, made by a function that a study names.

The function gets the settings of the study by name and returns an object with

- ``calibrate(model, data, *, seed, directory, progress) -> Calibrated``, as ``core.contracts.Calibrator`` has it: θ of
  every cell of ``data``, in physical units, inside the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paraformer.core.contracts import Calibrated, CalibrationData, ForwardModel
from paraformer.core.errors import ModelError, ParaformerError
from paraformer.core.log import Progress
from paraformer.core.own_code import find_factory, said


@dataclass
class OwnCalibrator:
    """The user's calibrator, held to the contract (implements ``core.contracts.Calibrator``).

    Attributes:
        key: setting that names it, as messages begin.
        name: ``package.module:function``.
        folder: of the module; ``None``: it is installed.
        settings: what the function is given by name.
        most_runs: most forward runs of a cell; ``None`` sets no limit.
    """

    key: str
    name: str
    folder: Path | None
    settings: Mapping[str, Any]
    most_runs: int | None = None

    def make(self) -> Any:
        """What the user's function returns.

        Raises:
            SettingsError: if module or function is not found.
            ModelError: if it fails, or what it returns cannot calibrate.
        """
        factory = find_factory(self.name, self.folder, self.key)
        try:
            made = factory(**self.settings)
        except ParaformerError:
            raise
        except Exception as error:
            raise ModelError(f"{self.key}: {self.name} failed ({said(error)})") from error
        if not callable(getattr(made, "calibrate", None)):
            raise ModelError(f"{self.key}: {self.name} returned {type(made).__name__}, which has no 'calibrate'")
        return made

    def calibrate(
        self, model: ForwardModel, data: CalibrationData, *, seed: int, directory: Path, progress: Progress
    ) -> Calibrated:
        """θ of every cell of ``data``; runs are those that ``model`` counts.

        Raises:
            SettingsError, ModelError: as ``make``; or θ of another shape, not finite or outside its bounds, or more
                runs than may be.
        """
        made, before = self.make(), model.runs
        directory.mkdir(parents=True, exist_ok=True)
        try:
            found = made.calibrate(model, data, seed=seed, directory=directory, progress=progress)
        except ParaformerError:
            raise
        except Exception as error:
            raise ModelError(f"{self.key}: {self.name} failed ({said(error)})") from error
        runs = model.runs - before
        if self.most_runs is not None and runs > self.most_runs * len(data.cells):
            raise ModelError(
                f"{self.key}: {self.name} made {runs} runs in {len(data.cells)} cells, more than the budget of "
                f"{self.most_runs} a cell"
            )
        return Calibrated(self._theta(found, model, data), runs)

    def _theta(self, found: Any, model: ForwardModel, data: CalibrationData) -> np.ndarray:
        theta = np.asarray(getattr(found, "theta", found), dtype=np.float64)
        expected, space = (len(data.cells), len(model.parameters)), model.parameters
        if theta.shape != expected:
            shapes = f"{theta.shape}, expected [cell, parameter] = {expected}"
            raise ModelError(f"{self.key}: {self.name} gave θ of shape {shapes}")
        outside = ~((theta >= space.lower) & (theta <= space.upper))
        if outside.any():
            cell, at = (int(i) for i in np.argwhere(outside)[0])
            low, high = space.parameters[at].physical_bounds
            raise ModelError(
                f"{self.key}: {self.name} gave {space.names[at]} {theta[cell, at]:g} in cell {data.cells[cell]}, "
                f"expected [{low:g}, {high:g}]"
            )
        return theta
