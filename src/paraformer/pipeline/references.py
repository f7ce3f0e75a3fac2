"""Reference rows: what a score means, from methods that learn no parameter (docs/method.md section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.conventions import axes, days_since
from paraformer.core.log import Progress
from paraformer.core.names import API, API_PER_CELL, API_TEMPERATURE, CLIMATOLOGY, DIRECT, TRAINING_MEAN
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.schema import Cube
from paraformer.core.seeding import derive_seed
from paraformer.evaluation.baselines import Baseline, climatology, precipitation_memory, training_mean
from paraformer.evaluation.config import DirectConfig
from paraformer.evaluation.direct import fit_direct
from paraformer.evaluation.holdout import Holdout
from paraformer.training.sequence import CellInputs


class Reference(NamedTuple):
    """One row: its name and seed (-1 where it has none), its series, and where it has one."""

    name: str
    seed: int
    baseline: Baseline


def train_direct(
    config: DirectConfig, cube: Cube, holdout: Holdout, path: Path, *, seed: int, seeds: int, progress: Progress
) -> None:
    """Train the direct LSTM with every seed and write its series of every cell and day into ``path``."""
    inputs = CellInputs(cube.cells, cube.time, cube.forcing(), cube.attributes(), cube.attribute_names)
    series = []
    for number in range(seeds):
        own, folder = derive_seed(seed, DIRECT, number), path / f"seed-{number}"
        series.append(fit_direct(config, inputs, holdout, seed=own, directory=folder, progress=progress))
    meaning = {"units": "m3 m-3", "long_name": "soil moisture from forcing and attributes, without a process model"}
    dataset = xr.Dataset(
        {"soil_moisture": (("seed", "cell", "time"), np.stack(series).astype(np.float32), meaning)},
        coords={
            "seed": ("seed", np.arange(seeds, dtype=np.int32), {"long_name": "seed of the network"}),
            **axes(cube.cells, cube.lat, cube.lon, cube.time),
        },
        attrs={"title": DIRECT},
    )
    write_dataset(dataset, path / "direct.nc", encoding={"time": days_since(cube.time[0])})


def references(cube: Cube, holdout: Holdout, direct: Path | None) -> Iterator[Reference]:
    """Every reference row, in the order of the tables.

    Args:
        direct: folder that ``train_direct`` filled, ``None`` if the study leaves that row out.
    """
    prcp, tair = (cube.dataset[name].values.astype(np.float64) for name in ("prcp", "tair"))
    yield Reference(TRAINING_MEAN, -1, training_mean(holdout))
    yield Reference(CLIMATOLOGY, -1, climatology(cube.time, holdout))
    yield Reference(API, -1, precipitation_memory(prcp, holdout))
    yield Reference(API_PER_CELL, -1, precipitation_memory(prcp, holdout, per_cell=True))
    yield Reference(API_TEMPERATURE, -1, precipitation_memory(prcp, holdout, tair=tair))
    if direct is not None:
        for seed, series in enumerate(_read(direct)):
            yield Reference(DIRECT, seed, Baseline(series, np.ones(len(series), dtype=bool)))


def _read(path: Path) -> Float[np.ndarray, "seed cell time"]:
    return read_dataset(path / "direct.nc")["soil_moisture"].values.astype(np.float64)
