"""From a study's settings, parameter files and cube to a process model that runs."""

from __future__ import annotations

import numpy as np

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import SettingsError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.time import day_of_year, month_of
from paraformer.core.variables import FORCING
from paraformer.process.bucket import Bucket
from paraformer.process.compiled import build_compiled
from paraformer.process.config import ProcessConfig
from paraformer.process.files import Places, ProcessFiles, land_at, require_steps
from paraformer.process.own import ModelFiles, build_own
from paraformer.process.vic.disaggregation import disaggregate
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.land import Land
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings


def build_process(
    config: ProcessConfig, space: ParameterSpace, cube: Cube, files: ProcessFiles | ModelFiles
) -> ForwardModel:
    """The process model of a study on the cells and days of a cube.

    Raises:
        DataError: if files and cube do not fit, naming the first cell.
        SettingsError: if the spin-up is longer than the forcing, or the study's parameters are not the model's.
        ModelError: if a model of the user's own fails or does not keep the contract.
    """
    require_spin_up(config, len(cube.time))
    if isinstance(files, ProcessFiles):
        return build_vic(config, space, cube, land_at(files, Places.of(cube)))
    if config.model == "bucket":
        precipitation = cube.dataset["prcp"].values.astype(np.float64)
        return Bucket(precipitation, cube.time, parameters=space)
    if config.model == "compiled":
        return build_compiled(config, space, cube)
    return build_own(config, space, cube, files)


def require_spin_up(config: ProcessConfig, days: int) -> None:
    """Raise SettingsError if the spin-up is longer than the forcing."""
    if config.spin_up.days > days:
        raise SettingsError(f"process.spin_up.days: {config.spin_up.days} days, but the forcing has {days}")


def build_vic(config: ProcessConfig, space: ParameterSpace, cube: Cube, land: Land) -> VIC:
    """VIC on the cells and days of a cube.

    Args:
        land: of these cells, in their order.

    Raises:
        SettingsError: if the cube's sub-daily step is not the snow step.
    """
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
