"""Cells that a map is applied to: those of a study, of a file of the simple format, or of a VIC global parameter file.

All three become a cube, the a-priori θ of its cells, and a parameter file that θ can be written into.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.config import Study, load_study
from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.core.proof import Proof
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.core.units import same_unit
from paraformer.core.variables import ATTRIBUTES, FORCING
from paraformer.data.cube import climate_variables, in_memory, whole_cube
from paraformer.data.gapfill import open_filled
from paraformer.data.sources.cells import open_cells
from paraformer.pipeline.land import files_of, with_land
from paraformer.pipeline.run import run_study
from paraformer.process.build import build_process
from paraformer.process.config import ProcessConfig
from paraformer.process.files import Places, ProcessFiles, land_at
from paraformer.process.own import ModelFiles
from paraformer.process.vic.attributes import land_variables
from paraformer.process.vic.driver.global_param import GlobalParameters, read_global_parameters
from paraformer.process.vic.driver.inputs import read_days, read_run_land
from paraformer.process.vic.files import GridNames
from paraformer.process.vic.parameters import CellParameters, a_priori

logger = logging.getLogger(__name__)

_TOP = 0
"""Layer of a parameter file that the attributes of the soil are taken from: maps of soil texture are of the top."""


Prior = Callable[[ParameterSpace], Float[np.ndarray, "cell parameter"]]
"""A-priori θ of some cells in a parameter space, physical units, not clipped."""


@dataclass(frozen=True)
class Wanted:
    """What a map has to be given of its cells.

    Attributes:
        attributes: static variables; those that are not there are unknown.
        observation: variable of the observations, empty for a map that reads none.
        filled: whether observations have to be gap-filled.
    """

    attributes: tuple[str, ...]
    observation: str
    filled: bool


@dataclass(frozen=True)
class Target:
    """Cells that a map is applied to.

    Attributes:
        source: what the user named.
        cube: forcing, static variables, observations if there are any; its training period is what a map may read.
        prior: a-priori θ of the cells.
        files: parameter file for θ, if the model has one.
        names: of the coordinates in that file.
        model: the process model of a parameter space on all days of the cube; ``None`` where nothing judges.
        filled: gap-filled observations of all days [m3 m-3] [cell, time].
        study: the study, if it is one.
    """

    source: Path
    cube: Cube
    prior: Prior
    files: ProcessFiles | ModelFiles
    names: GridNames
    model: Callable[[ParameterSpace], ForwardModel] | None
    filled: Float[np.ndarray, "cell time"] | None = None
    study: Study | None = None


def open_target(
    path: Path, wanted: Wanted, files: tuple[Path | None, Path | None], work: Path, progress: Progress
) -> Target:
    """The cells at ``path``.

    Args:
        files: parameter and domain file of a file of the simple format; by default those beside it.
        work: folder for the cube of a study.

    Raises:
        SettingsError: nothing of the kind, or files given that do not belong to it.
        DataError: files that do not fit, or values that no weather, soil or plant has.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; expected a study, a file of cells, or a VIC global parameter file")
    if path.is_dir() or path.suffix in (".nc", ".nc4", ".zarr"):
        return _of_file(path, wanted, files)
    if any(files):
        raise SettingsError(f"{path}: names its parameter and domain file itself; leave out --parameters and --domain")
    if path.suffix in (".yaml", ".yml"):
        return _of_study(path, wanted, work, progress)
    return _of_global(path, wanted)


def _of_study(path: Path, wanted: Wanted, work: Path, progress: Progress) -> Target:
    study = load_study(path)
    if wanted.filled and study.gap_filling is None:
        raise SettingsError(f"{path}: the map reads gap-filled observations; add 'gap_filling: {{}}' to the study")
    run_study(study, work, until="gap_filling" if wanted.filled else "cube", progress=progress)
    results = Results(work)
    filled = open_filled(results.folder("gap_filling")) if wanted.filled else None
    cube, files = results.cube, files_of(study, results.folder("cube"))
    return _with_files(path, _with_climate(cube), study.process, files, filled=filled, study=study)


def _of_file(path: Path, wanted: Wanted, files: tuple[Path | None, Path | None]) -> Target:
    cube = _cube_of(path, wanted)
    parameters, domain = (
        given or path.parent / name for given, name in zip(files, ("params.nc", "domain.nc"), strict=True)
    )
    for option, file in (("--parameters", parameters), ("--domain", domain)):
        if not file.exists():
            raise DataError(f"{file}: no such file; VIC's parameter and domain file go with {path.name} ({option})")
    return _with_files(path, cube, ProcessConfig(), ProcessFiles(parameters, domain))


def target_with_prior(path: Path, wanted: Wanted, prior: Prior) -> Target:
    """Cells of a file of the simple format without files of VIC: the a-priori θ is given, and nothing can be judged."""
    return Target(path, _cube_of(path, wanted), prior, ModelFiles(()), GridNames(), None)


def _cube_of(path: Path, wanted: Wanted) -> Cube:
    """A file of the simple format, with what a map has to be given."""
    cells = open_cells(path)
    there = {str(name): variable for name, variable in cells.dataset.variables.items()}
    cells.close()
    attributes = tuple(name for name in dict.fromkeys((*wanted.attributes, *ATTRIBUTES)) if name in there)
    observation = _observation(path, there, wanted.observation) if wanted.observation else ""
    if wanted.filled:
        raise SettingsError("the map reads gap-filled observations, which only a study with 'gap_filling' makes")
    return whole_cube(path, attributes, observation, climate=True)


def _observation(path: Path, there: Mapping[str, Any], wanted: str) -> str:
    """Observed soil moisture: the variable of the map's own study, else the only one of its kind, which is said."""
    if wanted in there:
        return wanted
    found = [
        name
        for name, variable in there.items()
        if variable.dims == ("cell", "time") and same_unit(str(variable.attrs.get("units", "")), "m3 m-3")
    ]
    if len(found) == 1:
        logger.warning("%s: '%s' is taken as the observation that the map reads as '%s'", path, found[0], wanted)
        return found[0]
    others = f"; {', '.join(found)} all have the unit m3 m-3" if found else ""
    raise DataError(f"{path}: variable '{wanted}' is missing: the map reads a history of observations{others}")


def _with_files(path: Path, cube: Cube, config: ProcessConfig, files: ProcessFiles | ModelFiles, **more: Any) -> Target:
    def prior(space: ParameterSpace) -> Float[np.ndarray, "cell parameter"]:
        if isinstance(files, ProcessFiles):
            return a_priori(land_at(files, Places.of(cube)).parameters, space.names)
        return build_process(config, space, cube, files).prior()

    def model(space: ParameterSpace) -> ForwardModel:
        return build_process(config, space, cube, files)

    if isinstance(files, ProcessFiles):
        cube = with_land(cube, files)
    return Target(path, cube, prior, files, GridNames(), model, **more)


def _of_global(path: Path, wanted: Wanted) -> Target:
    """Weather and soil as VIC's own files have them; of attributes, what a parameter file knows."""
    run = read_global_parameters(path)
    if wanted.observation:
        raise DataError(
            f"{path}: the map reads a history of observations ('{wanted.observation}'), and VIC's files hold none; "
            "take a map of attributes, or make a study of the cells"
        )
    domain, parameters, _ = read_run_land(run, with_state=False)
    daily = _daily(run, domain)
    cells = np.arange(len(parameters.lat))
    coords = {
        "cell": ("cell", cells),
        "time": ("time", run.days.astype("datetime64[ns]")),
        "lat": ("cell", domain.cell_lat),
        "lon": ("cell", domain.cell_lon),
    }
    variables = {name: (("cell", "time"), values) for name, values in daily.items()}
    variables |= climate_variables(daily, run.days) | known_attributes(parameters) | land_variables(parameters)

    def prior(space: ParameterSpace) -> Float[np.ndarray, "cell parameter"]:
        return a_priori(parameters, space.names)

    return Target(
        path, in_memory(variables, coords), prior, ProcessFiles(run.parameters, run.domain), run.grid_names, None
    )


def _daily(run: GlobalParameters, domain: Any) -> dict[str, Float[np.ndarray, "cell time"]]:
    """Daily forcing of a global parameter file, in the units of ``core.variables.FORCING``, year by year."""
    proof, years = Proof(""), run.days.astype("datetime64[Y]")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in FORCING}
    for year in np.unique(years):
        forcing = read_days(run, domain, run.days[years == year], proof)
        for name in FORCING:
            steps = getattr(forcing, name).reshape(forcing.n_cell, forcing.n_day, -1)
            parts[name].append(steps.sum(axis=2) if name == "prcp" else steps.mean(axis=2))
    proof.finish()
    return {name: np.concatenate(values, axis=1) for name, values in parts.items()}


def known_attributes(parameters: CellParameters) -> dict[str, Any]:
    """Attributes of the vocabulary that a parameter file knows, as variables ``(cell)``."""
    known = {"bulk": parameters.bulk_density[:, _TOP] / 1000.0, "elevation": parameters.elev}
    return {name: (("cell",), values, {"units": ATTRIBUTES[name].unit}) for name, values in known.items()}


def _with_climate(cube: Cube) -> Cube:
    """The cube with the climate indices of its training period, whether its study asked for them or not."""
    days = cube.period("train").mask(cube.time)
    forcing = {name: cube.dataset[name].values[:, days].astype(np.float64) for name in FORCING}
    missing = {
        name: entry for name, entry in climate_variables(forcing, cube.time[days]).items() if name not in cube.dataset
    }
    return Cube(cube.dataset.assign(missing))
