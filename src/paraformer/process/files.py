"""The files a study's process model reads, proved for the cells, days and parameters of the study.

Loads neither the model nor what compiles it, so that a study is checked in a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import hash_path
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.process.compiled import compiled_cells, compiled_files
from paraformer.process.config import ProcessConfig
from paraformer.process.own import ModelFiles, model_files
from paraformer.process.vic.bounds import require_corners
from paraformer.process.vic.disaggregation import require_divisor
from paraformer.process.vic.files import Domain, read_domain, require_writable
from paraformer.process.vic.land import Land, read_land
from paraformer.process.vic.settings import VICSettings


@dataclass(frozen=True)
class ProcessFiles:
    """VIC-5 image-driver files: a-priori parameters, domain, and an initial state or ``None`` for a cold start."""

    parameters: Path
    domain: Path
    initial_state: Path | None = None

    def hashes(self) -> dict[str, str]:
        """Content hash of each file."""
        named = {"parameters": self.parameters, "domain": self.domain, "initial_state": self.initial_state}
        return {name: hash_path(path) for name, path in named.items() if path is not None}


def parameter_files(config: ProcessConfig) -> ProcessFiles:
    """The files a study names.

    Raises:
        SettingsError: if the study names no parameter or domain file.
        DataError: if a file does not exist.
    """
    if config.parameters is None or config.domain is None:
        missing = "parameters" if config.parameters is None else "domain"
        raise SettingsError(f"process.{missing} is missing: VIC needs a parameter file and a domain file")
    files = ProcessFiles(config.parameters, config.domain, config.initial_state)
    for path in (files.parameters, files.domain, files.initial_state):
        if path is not None and not path.exists():
            raise DataError(f"{path}: no such file")
    return files


def process_files(config: ProcessConfig, given: Mapping[str, Path]) -> ProcessFiles | ModelFiles:
    """The files of the process model, whichever it is.

    Args:
        given: files that stand beside the built-in world's data, by the names of ``ProcessFiles``; else empty.

    Raises:
        SettingsError: if the study leaves out what its model needs.
        DataError: if a file does not exist or cannot be read.
    """
    if config.model == "compiled":
        return ModelFiles(*compiled_files(config))
    if config.model != "vic":
        return model_files(config, given)
    return ProcessFiles(**given) if given else parameter_files(config)


class Places(NamedTuple):
    """Cells by identifier, latitude and longitude [degree]."""

    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]

    @classmethod
    def of(cls, cube: Cube) -> Places:
        """The cells of a cube."""
        return cls(np.asarray(cube.cells), cube.lat, cube.lon)

    def select(self, cells: np.ndarray) -> Places:
        """Some of the cells, by position."""
        return Places(*(values[cells] for values in self))


def land_at(files: ProcessFiles, places: Places, domain: Domain | None = None, *, quiet: bool = False) -> Land:
    """A-priori parameters and initial state of cells, found by their places and proved (``vic.land.read_land``).

    Args:
        domain: the domain file, where it has been read before.
        quiet: whether what is odd in the files is not said, as where they are read part by part.

    Raises:
        DataError: missing variable, a cell that is not in a file or not to be run, or values no soil, plant or state
            has.
    """
    domain = domain or read_domain(files.domain)
    position = domain.find(places.lat, places.lon, places.cells)
    order = np.argsort(position)  # of the file
    here = domain.only(position[order], places.cells[order])
    land = read_land(files.parameters, here, files.initial_state, quiet=quiet)
    return land.select(np.argsort(order))


def require_files(
    config: ProcessConfig,
    files: ProcessFiles | ModelFiles,
    places: Places,
    days: np.ndarray,
    space: ParameterSpace,
) -> None:
    """Prove the files of the process model for the cells and days of a study: what a later stage would refuse.

    Args:
        days: of the data (datetime64[D]).
        space: parameters that will be written into the parameter file; VIC must be able to run at their bounds.

    Raises:
        DataError: files that do not fit the cells, or values that the model cannot run with.
        SettingsError: files of another period, or bounds of θ that VIC cannot run with in some cell.
    """
    if isinstance(files, ProcessFiles):
        require_corners(land_at(files, places).parameters, space)
    elif config.model == "compiled":
        compiled, position = compiled_cells(config, *places, days)
        require_corners(compiled.cell_parameters.select(position)._replace(cell=places.cells), space)
    if files.parameters is not None:
        require_writable(files.parameters, space.names)


def require_steps(found: int, settings: VICSettings) -> None:
    """Raise SettingsError unless VIC's snow steps can be made of a forcing with ``found`` steps a day."""
    if found == 1:
        require_divisor(settings.snow_steps_per_day)
    elif found != settings.snow_steps_per_day:
        raise SettingsError(
            f"process.vic.snow_steps_per_day is {settings.snow_steps_per_day}, but the forcing has {found} steps a "
            "day; they must be equal"
        )
