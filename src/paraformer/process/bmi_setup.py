"""What a stepping run of VIC starts from: a YAML file of cube and parameter files, or a VIC-5 global parameter file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import Field

from paraformer.core.errors import DataError
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.settings import Settings, validated
from paraformer.core.time import Day
from paraformer.core.yaml import read
from paraformer.process.config import ProcessConfig
from paraformer.process.files import parameter_files
from paraformer.process.recipe import ProcessRecipe
from paraformer.process.vic.driver.global_param import GlobalParameters, read_global_parameters
from paraformer.process.vic.driver.inputs import read_days, read_run_land
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.land import capped
from paraformer.process.vic.model import VIC
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate
from paraformer.process.vic.state import State, cold_start


class BMIConfig(Settings):
    """Settings of a stepping run; relative paths start at the file.

    ``process`` is the group of a study file; ``parameters`` and ``domain`` must be given, spin-up comes before day 0.
    """

    cube: Path = Field(description="cube of a run directory (cube/cube.zarr)")
    process: ProcessConfig
    cells: tuple[int, ...] | None = Field(default=None, min_length=1, description="identifiers; none takes all cells")
    start: Day | None = Field(default=None, description="first day; none takes that of the cube")
    end: Day | None = Field(default=None, description="last day; none takes that of the cube")


@dataclass(frozen=True)
class World:
    """Cells, weather and state of a stepping run.

    Attributes:
        parameters: of the cells.
        settings: steps and water balance.
        lat, lon: centres of the cells [degree].
        n_day: days of weather.
        weather: forcing of one day, by its number.
        state: changes as the run goes on [cell, 1, column].
        threads: CPU threads; ``None`` uses all.
    """

    parameters: CellParameters
    settings: VICSettings
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    n_day: int
    weather: Callable[[int], Forcing]
    state: State
    threads: int | None = None


def read_world(path: Path | str) -> World:
    """Read a YAML file (``.yaml``, ``.yml``), or else a global parameter file.

    Raises:
        SettingsError: naming file and key.
        DataError: a file that is missing or does not fit.
    """
    path = Path(path)
    if path.suffix in (".yaml", ".yml"):
        return _from_cube(validated(BMIConfig, path, read(path)))
    return _from_global(read_global_parameters(path))


def _from_cube(config: BMIConfig) -> World:
    process, store = config.process, config.cube
    cube = Cube.open(store)
    days = _period(cube, config, store)
    recipe = ProcessRecipe(process, ParameterSpace.of(*PAPER_SET), store, parameter_files(process), days)
    cells = _positions(cube, config, store)
    model = recipe.select(cells)
    parameters, forcing = model.cell_parameters, model.forcing
    state = cold_start(parameters) if model.initial_state is None else model.initial_state
    return World(
        parameters,
        model.settings,
        cube.lat[cells],
        cube.lon[cells],
        forcing.n_day,
        lambda day: forcing.select_days(day, day + 1),
        capped(_spun_up(model, state), parameters),
        process.threads,
    )


def _period(cube: Cube, config: BMIConfig, store: Path) -> tuple[int, int]:
    first = cube.time[0] if config.start is None else np.datetime64(config.start, "D")
    last = cube.time[-1] if config.end is None else np.datetime64(config.end, "D")
    if first < cube.time[0] or last > cube.time[-1] or last < first:
        raise DataError(f"{store}: start {first} and end {last} are not days of {cube.time[0]} to {cube.time[-1]}")
    return int((first - cube.time[0]).astype(int)), int((last - cube.time[0]).astype(int)) + 1


def _positions(cube: Cube, config: BMIConfig, store: Path) -> np.ndarray:
    if config.cells is None:
        return np.arange(len(cube.cells))
    place = {int(cell): position for position, cell in enumerate(cube.cells)}
    for cell in config.cells:
        if cell not in place:
            raise DataError(f"{store}: no cell {cell}; the cube has {len(place)} cells")
    return np.array([place[cell] for cell in config.cells])


def _spun_up(model: VIC, state: State) -> State:
    for _ in range(model.spin_up_cycles if model.spin_up_days else 0):
        spun = simulate(
            model.cell_parameters,
            model.forcing.select_days(0, model.spin_up_days),
            model.settings,
            initial_state=state,
            threads=model.threads,
            return_state=True,
        ).state
        assert spun is not None
        state = spun
    return state


def _from_global(run: GlobalParameters) -> World:
    land = read_run_land(run)
    domain = land.domain

    @lru_cache(maxsize=1)
    def year_of(year: int) -> tuple[np.datetime64, Forcing]:
        days = run.days[run.days.astype("datetime64[Y]").astype(np.int64) + 1970 == year]
        return days[0], read_days(run, domain, days)

    def weather(day: int) -> Forcing:
        date = run.days[day]
        first, forcing = year_of(int(str(date)[:4]))
        at = int((date - first).astype(int))
        return forcing.select_days(at, at + 1)

    return World(land.parameters, run.settings, domain.cell_lat, domain.cell_lon, run.n_day, weather, land.start())
