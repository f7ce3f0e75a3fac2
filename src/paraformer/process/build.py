"""From a study's settings, parameter files and cube to a process model that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import hash_path
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.time import day_of_year, month_of
from paraformer.core.variables import FORCING
from paraformer.process.bucket import Bucket
from paraformer.process.compiled import build_compiled, compiled_cells, compiled_files
from paraformer.process.config import ProcessConfig
from paraformer.process.own import ModelFiles, build_own, model_files
from paraformer.process.vic.bounds import require_corners
from paraformer.process.vic.disaggregation import disaggregate, require_divisor
from paraformer.process.vic.files import Domain, read_domain, read_state, require_writable
from paraformer.process.vic.files import read_parameters as read_vic_parameters
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.model import VIC
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.state import State


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


class Land(NamedTuple):
    """What VIC's files hold of some cells, in their order."""

    parameters: CellParameters
    state: State | None  # ``None`` is a cold start

    def select(self, cells: np.ndarray) -> Land:
        """Some of the cells, or a repetition, by position."""
        return Land(self.parameters.select(cells), None if self.state is None else self.state[cells])


def read_land(files: ProcessFiles, places: Places, *, quiet: bool = False) -> Land:
    """A-priori parameters and initial state of cells, found by their places and proved.

    Args:
        quiet: whether what is odd in the files is not said, as where they are read part by part.

    Raises:
        DataError: missing variable, a cell that is not in a file or not to be run, or values no soil, plant or state
            has.
    """
    return land_of(files, read_domain(files.domain), places, quiet=quiet)


def land_of(files: ProcessFiles, domain: Domain, places: Places, *, quiet: bool = False) -> Land:
    """As ``read_land``, with the domain that has been read."""
    position = domain.find(places.lat, places.lon, places.cells)
    order = np.argsort(position)  # of the file
    here = domain.only(position[order], places.cells[order])
    parameters = read_vic_parameters(files.parameters, here, quiet=quiet)
    state = None if files.initial_state is None else read_state(files.initial_state, parameters, here, quiet=quiet)
    return Land(parameters, state).select(np.argsort(order))


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
        require_corners(read_land(files, places).parameters, space)
    elif config.model == "compiled":
        compiled, position = compiled_cells(config, *places, days)
        require_corners(compiled.cell_parameters.select(position)._replace(cell=places.cells), space)
    if files.parameters is not None:
        require_writable(files.parameters, space.names)


def build_process(
    config: ProcessConfig, space: ParameterSpace, cube: Cube, files: ProcessFiles | ModelFiles
) -> ForwardModel:
    """The process model of a study on the cells and days of a cube.

    Raises:
        DataError: if files and cube do not fit, naming the first cell.
        SettingsError: if the spin-up is longer than the forcing, or the study's parameters are not the model's.
        ModelError: if a model of the user's own fails or does not keep the contract.
    """
    if config.spin_up.days > len(cube.time):
        raise SettingsError(f"process.spin_up.days: {config.spin_up.days} days, but the cube has {len(cube.time)}")
    if isinstance(files, ProcessFiles):
        return build_vic(config, space, cube, files)
    if config.model == "bucket":
        precipitation = cube.dataset["prcp"].values.astype(np.float64)
        return Bucket(precipitation, cube.time, parameters=space)
    if config.model == "compiled":
        return build_compiled(config, space, cube)
    return build_own(config, space, cube, files)


def build_vic(config: ProcessConfig, space: ParameterSpace, cube: Cube, files: ProcessFiles) -> VIC:
    """VIC on the cells and days of a cube.

    Raises:
        DataError: if files and cube do not fit, naming the first cell.
    """
    land = read_land(files, Places.of(cube))
    return VIC(
        space,
        land.parameters,
        forcing_of(cube, config.vic),
        config.vic,
        initial_state=land.state,
        spin_up_days=config.spin_up.days,
        spin_up_cycles=config.spin_up.cycles,
        threads=config.threads,
        device=config.device or "cpu",
    )


def forcing_of(cube: Cube, settings: VICSettings) -> Forcing:
    """VIC's forcing at the snow step: daily means are disaggregated, sub-daily series of that step pass through.

    Raises:
        SettingsError: if the cube's sub-daily step is not the snow step.
    """
    steps, names = settings.snow_steps_per_day, tuple(FORCING)
    found = cube.dataset.sizes.get("step", 1)
    require_steps(found, settings)
    if found == 1:
        return disaggregate(cube.forcing(), cube.lat, cube.lon, cube.time, steps)
    shape = (len(cube.cells), len(cube.time) * steps)
    series = {name: cube.dataset[f"{name}_sub"].values.astype(np.float64).reshape(shape) for name in names}
    series["prcp"] = series["prcp"] / steps  # the cube's rate [mm day-1] to the amount of a step
    return Forcing(**series, month=month_of(cube.time), day_of_year=day_of_year(cube.time))


def require_steps(found: int, settings: VICSettings) -> None:
    """Raise SettingsError unless VIC's snow steps can be made of a forcing with ``found`` steps a day."""
    if found == 1:
        require_divisor(settings.snow_steps_per_day)
    elif found != settings.snow_steps_per_day:
        raise SettingsError(
            f"process.vic.snow_steps_per_day is {settings.snow_steps_per_day}, but the forcing has {found} steps a "
            "day; they must be equal"
        )
