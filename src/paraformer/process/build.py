"""From a study's settings, parameter files and cube to a process model that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import hash_path
from paraformer.core.grid import match_cells
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.time import day_of_year, month_of
from paraformer.core.variables import FORCING
from paraformer.process.bucket import Bucket
from paraformer.process.compiled import build_compiled, compiled_files
from paraformer.process.config import ProcessConfig
from paraformer.process.executor import Source
from paraformer.process.own import ModelFiles, build_own, model_files, prior_of
from paraformer.process.vic.disaggregation import disaggregate, require_divisor
from paraformer.process.vic.files import Domain, read_domain, read_state
from paraformer.process.vic.files import read_parameters as read_vic_parameters
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.model import VIC
from paraformer.process.vic.parameters import CellParameters
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


def read_parameters(
    files: ProcessFiles, lat: Float[np.ndarray, " cell"], lon: Float[np.ndarray, " cell"]
) -> CellParameters:
    """A-priori parameters of the cells at the given places, in their order; an initial state is proved beside them.

    Raises:
        DataError: missing variable, cell without parameters, values VIC cannot run with, or a state that does not fit.
    """
    domain = read_domain(files.domain)
    everywhere = read_vic_parameters(files.parameters, domain)
    if files.initial_state is not None:
        read_state(files.initial_state, everywhere, domain)
    return everywhere.select(_positions(files, domain, lat, lon))


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
    domain = read_domain(files.domain)
    everywhere = read_vic_parameters(files.parameters, domain)
    here = _positions(files, domain, cube.lat, cube.lon)
    state = None if files.initial_state is None else read_state(files.initial_state, everywhere, domain)[here]
    return VIC(
        space,
        everywhere.select(here)._replace(cell=np.asarray(cube.cells)),
        forcing_of(cube, config.vic),
        config.vic,
        initial_state=state,
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


def clipped_prior(model: Source) -> Float[np.ndarray, "cell parameter"]:
    """A-priori θ of the cells of a model or recipe, clamped to the bounds of the study."""
    return model.parameters.clip(prior_of(model))


def _positions(files: ProcessFiles, domain: Domain, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return match_cells(lat, lon, domain.cell_lat, domain.cell_lon, source=str(files.domain))
