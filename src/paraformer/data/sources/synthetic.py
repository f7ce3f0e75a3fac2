"""The built-in world: weather, land, a hidden true θ, and what a satellite would have seen of the moisture it causes.

Everything follows from the root seed and the number of the world, bit for bit. The process model is passed in, for this
room runs none. The truth is written to a file of its own, ``truth.nc``, that no learner reads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.arrays import Arrays
from paraformer.core.conventions import axes, days_since, described, labels
from paraformer.core.errors import DataError, ModelError
from paraformer.core.lazy import deferred
from paraformer.core.netcdf import read_dataset, write_arrays, write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import parameter_space_to_json
from paraformer.core.seeding import generator
from paraformer.core.variables import FORCING, VOCABULARY
from paraformer.data.config import SyntheticConfig
from paraformer.data.sources.cells import CellsFile, cells_of
from paraformer.data.sources.fields import uniform
from paraformer.data.sources.fluxes import FLUXES, observe_fluxes
from paraformer.data.sources.land import Land, make_land
from paraformer.data.sources.river import WorldRiver, make_river, unseen_basins
from paraformer.data.sources.vic_files import make_domain, make_parameters
from paraformer.data.sources.weather import simulate_weather

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

logger = logging.getLogger(__name__)

INPUTS, PARAMS, DOMAIN, TRUTH = "inputs.nc", "params.nc", "domain.nc", "truth.nc"
"""Names of the files of a world."""

Simulate = Callable[
    [Path, Path, Path, Float[np.ndarray, "cell parameter"], Sequence[str]], dict[str, Float[np.ndarray, "cell time"]]
]
"""``simulate(params_path, domain_path, inputs_path, theta, outputs)``: daily series of the outputs, ``soil_moisture``
(volumetric, of layer 1 at the end of each day [m3 m-3]) and fluxes [mm day-1], for θ in physical units; ``inputs_path``
holds the forcing in the simple format."""

OUTPUTS = ("soil_moisture", *FLUXES)
"""Series of the process model that may be observed."""

WATERS = ("runoff", "baseflow")
"""Those that become flow in a river."""

ORBIT_CYCLE, OVERPASSES = 8, (0, 3, 5)
"""Days after which the orbit repeats, and the days of the cycle with a morning overpass: every two to three days."""

_LOST_FROZEN = 0.9
"""Share of overpasses without a retrieval on frozen or snow-covered ground."""

DRIVERS: dict[str, tuple[str, str, str]] = {
    "infilt": ("clay", "elevation_sd", "wetness"),
    "ds": ("elevation_sd", "wetness", "sand"),
    "dsmax": ("sand", "elevation", "clay"),
    "ws": ("ndvi", "clay", "temperature"),
    "expt": ("clay", "sand", "wetness"),
    "expt_1": ("clay", "sand", "wetness"),
    "depth_1": ("capa", "ndvi", "elevation_sd"),
    "ksat": ("sand", "bulk", "clay"),
    "canopy_gap": ("ndvi", "temperature", "wetness"),
}
"""The three properties of a cell that most shape each true parameter; any other parameter takes ``_OTHER``."""

_OTHER = ("bulk", "temperature", "wetness")


def write_world(
    directory: Path, config: SyntheticConfig, seed: int, space: ParameterSpace, simulate: Simulate
) -> tuple[World, dict[str, Float[np.ndarray, "cell time"]]]:
    """Make a world and write ``inputs.nc``, ``params.nc``, ``domain.nc`` and ``truth.nc`` into ``directory``.

    Args:
        seed: root seed of the study.
        space: the parameters whose truth is hidden.
        simulate: the process model (``Simulate``).

    Returns:
        The world, and the true series.

    Raises:
        ModelError: if the process model returns another shape, a value that is not finite or no moisture content.
    """
    world = draw_world(config, seed)
    land, days = world.land, world.days
    theta = true_theta(land, space, config, seed)
    directory.mkdir(parents=True, exist_ok=True)
    write_land(world, directory)
    weather = directory / f".forcing-{INPUTS}"
    outputs = OUTPUTS if config.fluxes is not None else OUTPUTS[:1] if config.river is None else (OUTPUTS[0], *WATERS)
    try:
        _write(_inputs(world, {}), weather)
        series = simulate(directory / PARAMS, directory / DOMAIN, weather, theta, outputs)
    finally:
        weather.unlink(missing_ok=True)
    truth = np.asarray(series["soil_moisture"], dtype=np.float64)
    _require_moisture(truth, (len(land.lat), len(days)))
    observed = observe(world, series, config, seed)
    _write(_truth(land, days, theta, truth, space), directory / TRUTH)
    _write(_inputs(world, observed), directory / INPUTS)
    seen = np.isfinite(observed["sm_obs"]).mean()
    logger.info("%s: %d cells, %d days, %.0f %% observed", directory, len(land.lat), len(days), 100 * seen)
    return world, series


class World(NamedTuple):
    """A world without process model: land, weather [cell, time], and which cells are never learned from."""

    land: Land
    days: np.ndarray
    forcing: dict[str, Float[np.ndarray, "cell time"]]
    unseen: Bool[np.ndarray, " cell"]
    river: WorldRiver | None = None


def draw_world(config: SyntheticConfig, seed: int) -> World:
    """Draw land and weather; the same root seed gives the same world, bit for bit."""
    shape = (config.rows, config.columns)
    days = np.arange(np.datetime64(config.train.start), np.datetime64(config.test.end) + 1).astype("datetime64[D]")
    land = make_land(shape, seed, config.seed, config.grid)
    forcing = simulate_weather(land.climate, shape, days, seed, config.seed)
    river = None if config.river is None else make_river(land, config.river, seed, config.seed)
    if river is None:
        unseen = scattered(shape, config.unseen, seed, config.seed)
    else:
        unseen = unseen_basins(river, config.unseen, seed, config.seed)
    return World(land, days, {name: values.astype(np.float32) for name, values in forcing.items()}, unseen, river)


def write_land(world: World, directory: Path) -> None:
    """Write VIC's files of a world, ``params.nc`` and ``domain.nc``."""
    write_arrays(make_parameters(world.land), directory / PARAMS)
    write_arrays(make_domain(world.land), directory / DOMAIN)


def observe(
    world: World, series: Mapping[str, Float[np.ndarray, "cell time"]], config: SyntheticConfig, seed: int
) -> dict[str, np.ndarray]:
    """What is seen of the process model's series: moisture with gaps and noise, and fluxes if the settings have any."""
    truth = np.asarray(series["soil_moisture"], dtype=np.float64)
    seen = overpasses(world.land, world.days, world.forcing, config, seed)
    noise = generator(seed, "world", config.seed, "retrieval").standard_normal(truth.shape)
    moisture = np.where(seen, np.clip(truth + config.noise * noise, 0.0, 1.0), np.nan).astype(np.float32)
    if config.fluxes is None:
        return {"sm_obs": moisture}
    rng, training = generator(seed, "world", config.seed, "fluxes"), config.train.mask(world.days)
    rain = world.forcing["prcp"]
    return {"sm_obs": moisture} | observe_fluxes(series, rain, world.days, training, config.fluxes, rng)


def world_cells(world: World, observed: Mapping[str, np.ndarray], path: Path) -> CellsFile:
    """A world in memory, as it is read from the ``inputs.nc`` that ``write_world`` writes of it.

    Args:
        observed: result of ``observe``.
        path: what messages call it.
    """
    inputs = _inputs(world, observed)
    since = {"units": f"days since {world.days[0]}", "calendar": "proleptic_gregorian"}
    time = ("time", np.arange(len(world.days), dtype=np.int32), dict(inputs["time"].attrs) | since)
    entries = {name: (v.dims, v.values, v.attrs) for name, v in inputs.variables.items()}
    return cells_of(Arrays(entries | {"time": time}, inputs.attrs, inputs.coords), path)


def true_theta(
    land: Land, space: ParameterSpace, config: SyntheticConfig, seed: int
) -> Float[np.ndarray, "cell parameter"]:
    """The hidden true θ, physical units.

    For each parameter, with x, y, z the standardised properties ``DRIVERS`` of the cells, the explained part is
    ``g = x + 0.8 tanh(1.5 y) + 0.5 x y / (1 + |x y|) + 0.6 sin(1.2 z)``, standardised over the cells, with a sign that
    depends on the parameter; the unexplained part e is standard normal, independent from cell to cell. The unit
    coordinate is ``0.08 + 0.84 Φ(sqrt(1 - s) g + sqrt(s) e)``, where s is ``config.unexplained``: the share of the
    variance, before Φ, that no attribute explains. It stays inside the bounds, away from their ends.
    """
    known = {name: np.asarray(values, dtype=np.float64) for name, values in land.attributes.items()}
    known |= {"wetness": land.climate.wetness, "temperature": land.climate.temperature}
    unit = np.empty((len(land.lat), len(space)))
    for position, parameter in enumerate(space):
        x, y, z = (_standardised(known[name]) for name in DRIVERS.get(parameter.name, _OTHER))
        g = x + 0.8 * np.tanh(1.5 * y) + 0.5 * x * y / (1 + np.abs(x * y)) + 0.6 * np.sin(1.2 * z)
        rng = generator(seed, "world", config.seed, "truth", parameter.name)
        sign = rng.choice([-1.0, 1.0])
        e = _standardised(rng.standard_normal(len(x)))
        mixed = np.sqrt(1 - config.unexplained) * sign * _standardised(g) + np.sqrt(config.unexplained) * e
        unit[:, position] = 0.08 + 0.84 * uniform(mixed)
    return space.from_unit(unit)


def scattered(shape: tuple[int, int], share: float, seed: int, world: int) -> Bool[np.ndarray, " cell"]:
    """Unseen cells, evenly scattered so that each has trained neighbours: a systematic sample along 2 x 2 blocks.

    Blocks are walked row by row, the cells of a block in random order; every ``1 / share``-th cell is unseen.
    """
    rng = generator(seed, "world", world, "split")
    row, column = (index.ravel() for index in np.indices(shape))
    chance = rng.permutation(row.size)
    order = np.lexsort((chance, column // 2, row // 2))
    steps = np.floor(np.arange(row.size + 1) * share + 1e-9)
    unseen = np.zeros(row.size, dtype=bool)
    unseen[order] = np.diff(steps) > 0
    return unseen


def overpasses(
    land: Land, days: np.ndarray, forcing: dict[str, Float[np.ndarray, "cell time"]], config: SyntheticConfig, seed: int
) -> Bool[np.ndarray, "cell time"]:
    """Cell-days with a retrieval.

    The orbit passes on ``OVERPASSES`` of each ``ORBIT_CYCLE``, shifted by one day for every 9 degrees of longitude (the
    1000 km swath). A share ``config.lost`` of the passes gives no retrieval; on frozen or snow-covered ground the share
    is ``_LOST_FROZEN``.
    """
    number = days.astype("datetime64[D]").astype(np.int64)[None, :]
    swath = np.floor((land.lon + 180) / 9).astype(np.int64)[:, None]
    passes = np.isin((number + swath) % ORBIT_CYCLE, OVERPASSES)
    draw = generator(seed, "world", config.seed, "overpass").random(passes.shape)
    frozen = frozen_ground(forcing["prcp"].astype(np.float64), forcing["tair"].astype(np.float64))
    return passes & (draw >= np.where(frozen, _LOST_FROZEN, config.lost))


def frozen_ground(
    prcp: Float[np.ndarray, "cell time"], tair: Float[np.ndarray, "cell time"]
) -> Bool[np.ndarray, "cell time"]:
    """Days with frozen or snow-covered ground, by a degree-day balance (Hock 2003, J. Hydrol. 282, 104-115).

    Snow falls below 0.5 degC and melts 3 mm a day and degree above 0 degC; ground counts as frozen where the
    exponentially smoothed (5-day) air temperature is below 0 degC, as snow-covered above 5 mm of water.
    """
    snow, smooth = np.zeros(len(prcp)), tair[:, 0].copy()
    frozen = np.empty(prcp.shape, dtype=bool)
    for day in range(prcp.shape[1]):
        now = tair[:, day]
        snow += np.where(now < 0.5, prcp[:, day], 0.0)
        snow = np.maximum(snow - 3.0 * np.maximum(now, 0.0), 0.0)
        smooth = 0.8 * smooth + 0.2 * now
        frozen[:, day] = (smooth < 0) | (snow > 5)
    return frozen


def _standardised(values: Float[np.ndarray, " cell"]) -> Float[np.ndarray, " cell"]:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _require_moisture(truth: np.ndarray, expected: tuple[int, int]) -> None:
    if truth.shape != expected:
        raise ModelError(f"the process model returned shape {truth.shape}, expected [cell, time] = {expected}")
    bad = ~((truth >= 0) & (truth <= 1))
    if bad.any():
        cell, day = (int(i) for i in np.argwhere(bad)[0])
        raise ModelError(
            f"the process model returned {truth[cell, day]:g} for cell {cell}, day {day}; "
            "expected volumetric soil moisture in [0, 1] m3 m-3"
        )


def _attributes(name: str) -> dict[str, str]:
    return described(VOCABULARY[name])


def _coordinates(land: Land, days: np.ndarray) -> dict[str, Any]:
    return dict(axes(np.arange(len(land.lat)), land.lat, land.lon, days))


def _inputs(world: World, observed: Mapping[str, np.ndarray]) -> Arrays:
    """The world in the simple input format, with observations by name."""
    variables: dict[str, Any] = {
        name: (("cell", "time"), world.forcing[name], _attributes(name) | {"cell_methods": "time: mean"})
        for name in FORCING
    }
    for name, values in world.land.attributes.items():
        variables[name] = (("cell",), values, _attributes(name))
    labels = np.where(world.unseen, "neighbour", "train")
    variables["split"] = (("cell",), labels, {"long_name": "train: learned from; neighbour: only scored"})
    attrs = {
        "title": "built-in synthetic world",
        "source": "stochastic weather generator and random fields; observations are the process model's plus noise",
    }
    variables |= {name: (VOCABULARY[name].dims, values, _attributes(name)) for name, values in observed.items()}
    coords = _coordinates(world.land, world.days)
    return Arrays(variables | coords, attrs, tuple(coords))


def _truth(land: Land, days: np.ndarray, theta: np.ndarray, truth: np.ndarray, space: ParameterSpace) -> Arrays:
    """What is hidden: θ* and the moisture without noise and gaps."""
    moisture = _attributes("soil_moisture")
    moisture["long_name"] += ", noise-free"
    variables = {
        "theta": (("cell", "parameter"), theta, {"long_name": "true parameters, physical units"}),
        "soil_moisture": (("cell", "time"), truth, moisture),
    }
    coords = _coordinates(land, days) | labels("parameter", space.names, "name of the parameter")
    attrs = {
        "title": "truth of the built-in world: not to be learned from",
        "parameter_space": parameter_space_to_json(space),
    }
    return Arrays(variables | coords, attrs, tuple(coords))


def open_truth(directory: Path) -> xr.Dataset:
    """The truth of a world, loaded: ``theta (cell, parameter)`` and ``soil_moisture (cell, time)``.

    Raises:
        DataError: if there is no readable ``truth.nc`` in ``directory``.
    """
    path = directory / TRUTH
    try:
        return read_dataset(path, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable truth of a built-in world ({error})") from error


def _write(arrays: Arrays, path: Path) -> None:
    """Write a netCDF file atomically, series compressed; equal data give equal bytes."""
    dataset = arrays.to_xarray()
    encoding: dict[str, dict[str, Any]] = {}
    for key, variable in dataset.variables.items():
        if variable.dtype.kind == "f":
            encoding[str(key)] = {"_FillValue": np.nan if np.isnan(variable.values).any() else None}
        if variable.dims == ("cell", "time"):
            encoding[str(key)] |= {"zlib": True, "complevel": 1, "shuffle": True}
        if key == "time":
            encoding["time"] = days_since(variable.values[0])
    write_dataset(dataset, path, encoding=encoding)
