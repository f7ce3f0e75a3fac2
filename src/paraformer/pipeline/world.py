"""The built-in world: its truth is made by the process model itself, so only the pipeline can put it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from paraformer.config import Study
from paraformer.core.netcdf import write_dataset
from paraformer.core.parameters import ROUTING_PARAMETERS, ParameterSpace
from paraformer.core.physics import RIVER_RADIUS
from paraformer.core.schema import Cube
from paraformer.core.seeding import generator
from paraformer.data.config import SyntheticConfig
from paraformer.data.cube import whole_cube
from paraformer.data.sources.synthetic import World, write_world
from paraformer.pipeline.streamflow import WORLD_FLOW, WORLD_RIVER
from paraformer.process.build import build_process
from paraformer.process.files import process_files
from paraformer.routing.basins import RiverBasins
from paraformer.routing.files import write_network
from paraformer.routing.make import distances
from paraformer.routing.network import DIFFUSIVITY, VELOCITY, Gauges, Network, no_gauges, no_hillslope

RIVER_TRUTH = "river_truth.nc"
"""What is hidden of a world's river: velocities, their exponent, and flow without error."""

TOGETHER = 512
"""Cells that are simulated together: VIC's forcing of them, three years long, takes a third of a gigabyte."""


def make_world(study: Study, directory: Path) -> int:
    """Write ``inputs.nc, params.nc, domain.nc, truth.nc``; returns the number of process-model runs."""
    config, space = study.data.synthetic, study.space
    assert config is not None
    runs = 0

    def simulate(
        params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        nonlocal runs
        cube = whole_cube(inputs)
        files = process_files(study.process, {"parameters": params, "domain": domain})
        runs += len(theta)
        parts = []
        for first in range(0, len(theta), TOGETHER):
            some = slice(first, first + TOGETHER)
            model = build_process(study.process, space, Cube(cube.dataset.isel(cell=some)), files)
            parts.append(model.simulate(theta[some, None, :], outputs))
        return {name: np.concatenate([part[name][:, 0] for part in parts]) for name in outputs}

    world, series = write_world(directory, config, study.seed, space, simulate)
    if config.river is not None and world.river is not None:
        _write_river(directory, config, study.seed, world, series)
    return runs


def _write_river(
    directory: Path, config: SyntheticConfig, seed: int, world: World, series: Mapping[str, np.ndarray]
) -> None:
    """Write the river without what is hidden, the flow that its gauges observe, and the truth of both."""
    river, land = world.river, world.land
    assert river is not None
    assert config.river is not None
    n, outlets = len(land.lat), river.outlets
    half = np.deg2rad(land.side / 2)
    bands = np.sin(np.deg2rad(land.lat) + half) - np.sin(np.deg2rad(land.lat) - half)
    network = Network(
        cells=np.arange(n),
        lat=land.lat,
        lon=land.lon,
        downstream=river.downstream,
        length=distances(land.lat, land.lon, river.downstream),
        area=RIVER_RADIUS**2 * 2 * half * bands,
        velocity=np.full(n, VELOCITY),
        diffusivity=np.full(n, DIFFUSIVITY),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
        source="the built-in world",
    )
    names = tuple(f"gauge {i + 1}" for i in range(len(outlets)))
    area = np.array([network.area[river.basin == i].sum() for i in range(len(outlets))])
    gauged = network.with_gauges(Gauges(names, land.lat[outlets], land.lon[outlets], outlets, area))
    write_network(gauged, directory / WORLD_RIVER)
    basins = RiverBasins(gauged, ParameterSpace(ROUTING_PARAMETERS[name] for name in ("velocity", "velocity_exponent")))
    runoff, baseflow = (np.asarray(series[name], dtype=np.float64) for name in ("runoff", "baseflow"))
    order = [int(gauges[0]) for gauges in basins.gauges]
    exponent = np.full(len(outlets), config.river.velocity_exponent)
    true = basins.flows(runoff, baseflow, np.stack([river.velocity, exponent], axis=1)[order])
    error = generator(seed, "world", config.seed, "gauges").standard_normal(true.shape)
    seen = true * np.maximum(1 + config.river.noise * error, 0.0)
    days = world.days.astype("datetime64[ns]")
    axes = {"gauge": np.array(names, dtype=object), "time": days}
    unit = {"units": "m3 s-1", "long_name": "flow, mean of the day"}
    write_dataset(xr.Dataset({"discharge": (("gauge", "time"), seen, unit)}, axes), directory / WORLD_FLOW)
    hidden = {
        "velocity": (("gauge",), river.velocity, {"units": "m s-1", "long_name": "true velocity of the flood wave"}),
        "velocity_exponent": (("gauge",), exponent, ROUTING_PARAMETERS["velocity_exponent"].attributes),
        "discharge": (("gauge", "time"), true, unit),
    }
    write_dataset(xr.Dataset(hidden, axes), directory / RIVER_TRUTH)
