"""Gap filling: a seamless daily series from gappy observations, forcing and attributes, with its error beside it.

An LSTM is given, with forcing and attributes, the last observation before each day and its age (``forward``), or the
next one after it too (``both``). In training some of the observations are hidden from it, singly and by whole weeks,
and the hidden ones are what it must find, so that a day's own observation never stands among its inputs. After Fang,
K., Shen, C. (2020), J. Hydrometeorol. 21, 399-413, who feed the last observation to a network of the same kind.

Who may see what: weights see observations of trained cells in the training period alone. In the product, a day of the
training period sees the observations of that period, a day of the test period all, any other day all but the test
period's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int

from paraformer.core.conventions import axes, days_since
from paraformer.core.errors import DataError, ModelError
from paraformer.core.files import atomic_path
from paraformer.core.log import Progress
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.schema import Cube
from paraformer.core.seeding import generator
from paraformer.core.time import day_of_year
from paraformer.core.variables import VOCABULARY
from paraformer.data.config import GapFillConfig
from paraformer.numerics.seasonal import seasonal_course
from paraformer.training.sequence import (
    Batch,
    CellInputs,
    Draw,
    SequenceData,
    SequenceNetwork,
    fit_members,
    predict,
    sequence_data,
    with_warm_up,
)
from paraformer.training.sequence_config import SequenceConfig
from paraformer.training.tensors import to_tensor

logger = logging.getLogger(__name__)

FILLED, SCORES = "filled.nc", "gap_filling.csv"
SCORE_COLUMNS = ("method", "hidden", "cells", "n", "rmse", "pcc", "bias")
"""Columns of ``gap_filling.csv``: RMSE and bias [m3 m-3] over all hidden cell-days together; PCC of their departures
from the mean of the cell's own visible days, so that differences among cells do not count."""

_MEMORIES = (3.0, 30.0)
"""Days over which the two inputs that tell an observation's age fall to 1/e."""

_PRACTICE = 0.3
"""Largest share of observations, and of weeks, hidden in a training window."""

_HIDDEN = 0.05
"""Share of the training period's observations hidden singly, and of its weeks hidden whole, for the score."""
_HARMONICS = 2


def nearest_observation(
    values: Float[np.ndarray, "cell time"], visible: Bool[np.ndarray, "cell time"], direction: str
) -> Float[np.ndarray, "cell time feature"]:
    """The last visible observation before each day, never of the day itself; with ``both`` the next one after it too.

    Args:
        values: normalised observations; any finite value where ``visible`` is False.

    Returns:
        For each side three features: its value, and ``exp(-age / m)`` for each m of ``_MEMORIES``; 0 without one.
    """
    before = _last(values, visible)
    if direction == "forward":
        return before
    return np.concatenate([before, _last(values[:, ::-1], visible[:, ::-1])[:, ::-1]], axis=-1)


def _last(
    values: Float[np.ndarray, "cell time"], visible: Bool[np.ndarray, "cell time"]
) -> Float[np.ndarray, "cell time feature"]:
    days = np.arange(values.shape[1])
    seen = np.maximum.accumulate(np.where(visible, days, -1), axis=1)
    last = np.concatenate([np.full((len(values), 1), -1), seen[:, :-1]], axis=1)
    known, age = last >= 0, days - last
    value = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(known[..., None], np.stack([value, *(np.exp(-age / m) for m in _MEMORIES)], axis=-1), 0.0)


def hide_weeks(shape: tuple[int, int], share: Any, random: np.random.Generator) -> Bool[np.ndarray, "cell time"]:
    """Whole weeks, drawn with a chance of ``share`` [1 or cell, 1]; every cell's weeks begin on a day of its own."""
    week = (np.arange(shape[1]) + random.integers(7, size=(shape[0], 1))) // 7
    drawn = random.random((shape[0], int(week.max()) + 1)) < share
    return np.take_along_axis(drawn, week, axis=1)


@dataclass(frozen=True)
class FillSamples:
    """Windows in which some of the fitted observations are hidden and the rest are inputs (``sequence.Samples``)."""

    data: SequenceData
    direction: str

    @property
    def features(self) -> tuple[int, int]:
        daily, statics = self.data.features
        return daily + (3 if self.direction == "forward" else 6), statics

    def identity(self) -> dict[str, Any]:
        return self.data.identity()

    def draw(self, config: SequenceConfig, seed: int) -> Draw:
        data = self.data
        daily, statics = with_warm_up(data.daily, config.warm_up).astype(np.float32), to_tensor(data.statics)
        first = [(0, 0), (config.warm_up, 0)]  # nothing was observed in the recycled days
        target, mask = np.pad(np.where(data.mask, data.target, 0.0), first), np.pad(data.mask, first)

        def batch(step: int, rank: int) -> Batch:
            windows = data.windows(config, seed, rank)
            cells, starts, random = windows.draw_each(step)
            rows, days = cells[:, None], starts[:, None] + np.arange(config.warm_up + windows.length)
            seen, values = mask[rows, days], target[rows, days]
            share = _PRACTICE * random.random((2, len(cells), 1))
            hidden = seen & ((random.random(seen.shape) < share[0]) | hide_weeks(seen.shape, share[1], random))
            near = nearest_observation(values, seen & ~hidden, self.direction)
            counted = slice(config.warm_up, None)
            return Batch(
                to_tensor(np.concatenate([daily[rows, days], near], axis=-1)),
                statics[cells],
                to_tensor(values[:, counted]),
                torch.as_tensor(hidden[:, counted]),
            )

        return batch


class Observations(NamedTuple):
    """Observations of a cube [m3 m-3] [cell, time] and who may learn from them: cells, and days of both periods."""

    values: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    trained: Bool[np.ndarray, " cell"]
    train: Bool[np.ndarray, " time"]
    test: Bool[np.ndarray, " time"]


@dataclass(frozen=True)
class Filler:
    """Trained networks with the inputs of the cells they fill."""

    members: list[SequenceNetwork]
    data: SequenceData
    config: GapFillConfig
    observed: Float[np.ndarray, "cell time"]

    def __call__(self, visible: Bool[np.ndarray, "cell time"]) -> Float[np.ndarray, "cell time"]:
        """Estimate of every day [m3 m-3] from the visible observations."""
        scale = self.data.scale
        values = scale(np.where(visible, self.observed, scale.mean[0])[..., None])[..., 0]
        near = nearest_observation(values, visible, self.config.direction)
        daily = np.concatenate([self.data.daily, near], axis=-1)
        series = predict(self.members, daily, self.data.statics, warm_up=self.config.warm_up)
        if not np.isfinite(series).all():
            raise ModelError("gap filling: the network gave a value that is not finite")
        return np.clip(series * scale.scale[0] + scale.mean[0], 0.0, 1.0)


def fill_gaps(config: GapFillConfig, cube: Cube, path: Path, *, seed: int, progress: Progress) -> None:
    """Train, judge and write ``filled.nc`` and ``gap_filling.csv`` into ``path``.

    Interrupted work resumes from ``path``; the same cube, settings and seed give the same bytes.

    Raises:
        DataError: if there is no observation to learn from, or an input is not finite.
        ModelError: if a loss or an estimate is not finite.
        RunError: if ``path`` holds the network of other settings or data.
    """
    values, mask = cube.observed()
    seen = Observations(
        values, mask, cube.trained, cube.period("train").mask(cube.time), cube.period("test").mask(cube.time)
    )
    hidden = _hidden(seen, seed)
    fitted = mask & seen.train & seen.trained[:, None] & ~hidden["random"] & ~hidden["weeks"]
    inputs = CellInputs(cube.cells, cube.time, cube.forcing(), cube.attributes(), cube.attribute_names)
    data = sequence_data(inputs, values, fitted, trained=seen.trained, training=seen.train)
    samples = FillSamples(data, config.direction)
    members = fit_members(config, samples, path / "network", seed=seed, progress=progress, description="gap filling")
    filler = Filler(members, data, config, values)
    scores = _judge(filler, seen, hidden, day_of_year(cube.time))
    with atomic_path(path / SCORES) as temporary:
        scores.to_csv(temporary, index=False)
    _write(cube, _product(filler, seen), mask, path / FILLED)


def _hidden(seen: Observations, seed: int) -> dict[str, Bool[np.ndarray, "cell time"]]:
    """Observations of the training period that are kept from the network to judge it: whole weeks, and single days."""
    random = generator(seed, "gap filling", "hidden")
    weeks = seen.mask & seen.train & hide_weeks(seen.mask.shape, _HIDDEN, random)
    days = seen.mask & seen.train & ~weeks & (random.random(seen.mask.shape) < _HIDDEN)
    return {"random": days, "weeks": weeks}


def _product(filler: Filler, seen: Observations) -> Float[np.ndarray, "cell time"]:
    """The seamless series: observed days as they are, the others from the observations their period may see."""
    found = np.empty(seen.mask.shape)
    for days, sources in (
        (seen.train, seen.train),
        (seen.test, np.ones_like(seen.test)),
        (~seen.train & ~seen.test, ~seen.test),
    ):
        if days.any():
            visible = seen.mask & sources
            found[:, days] = np.where(visible, seen.values, filler(visible))[:, days]
    return found


def _judge(
    filler: Filler,
    seen: Observations,
    hidden: dict[str, Bool[np.ndarray, "cell time"]],
    season: Int[np.ndarray, " time"],
) -> pd.DataFrame:
    """Scores on hidden days of the training period beside those of simpler fillings, which see the same days."""
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "LSTM": filler,
        "climatology": lambda visible: seasonal_course(season, seen.values, visible, harmonics=_HARMONICS),
        "linear interpolation": partial(interpolate, seen.values),
    }
    rows = []
    for kind, where in hidden.items():
        visible = seen.mask & seen.train & ~where
        usable = where & visible.any(axis=1, keepdims=True)
        for method, fill in methods.items():
            found = fill(visible)
            for cells, chosen in (("trained", seen.trained), ("unseen", ~seen.trained)):
                at = usable & chosen[:, None]
                if at.any():
                    rows.append((method, kind, cells, *_score(found, seen.values, at, visible)))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _score(
    found: Float[np.ndarray, "cell time"],
    observed: Float[np.ndarray, "cell time"],
    at: Bool[np.ndarray, "cell time"],
    visible: Bool[np.ndarray, "cell time"],
) -> tuple[int, float, float, float]:
    mean = np.where(visible, observed, 0.0).sum(axis=1, keepdims=True) / np.maximum(visible.sum(1, keepdims=True), 1)
    error = (found - observed)[at]
    departures = (found - mean)[at], (observed - mean)[at]
    varies = all(d.std() > 0 for d in departures)
    pcc = float(np.corrcoef(*departures)[0, 1]) if varies else float("nan")
    return int(at.sum()), float(np.sqrt((error**2).mean())), pcc, float(error.mean())


def interpolate(
    values: Float[np.ndarray, "cell time"], visible: Bool[np.ndarray, "cell time"]
) -> Float[np.ndarray, "cell time"]:
    """Straight lines between visible days, the nearest one before the first and after the last; 0 without any."""
    days, found = np.arange(values.shape[1]), np.zeros(values.shape)
    for cell in np.flatnonzero(visible.any(axis=1)):
        known = visible[cell]
        found[cell] = np.interp(days, days[known], values[cell, known])
    return found


def _write(
    cube: Cube, filled: Float[np.ndarray, "cell time"], observed: Bool[np.ndarray, "cell time"], path: Path
) -> None:
    """CF-1.8 netCDF; equal data give equal bytes."""
    name = str(cube.dataset.attrs["observation"])
    known = VOCABULARY["soil_moisture"]
    flags = {
        "long_name": "day was observed",
        "flag_values": np.array([0, 1], "i1"),
        "flag_meanings": "estimated observed",
    }
    attrs = {
        "units": known.unit,
        "standard_name": known.standard_name,
        "ancillary_variables": "was_observed",
        "long_name": f"{name}, gaps filled",
        "coordinates": "lat lon",
    }
    coords = axes(cube.cells, cube.lat, cube.lon, cube.time)
    dataset = xr.Dataset(
        {
            "soil_moisture": (("cell", "time"), filled.astype(np.float32), attrs),
            "was_observed": (("cell", "time"), observed.astype(np.int8), flags),
        },
        coords,
        {
            "featureType": "timeSeries",
            "title": f"gap-filled {name}",
            "cube_key": str(cube.dataset.attrs.get("cube_key", "")),
        },
    )
    packed = {"zlib": True, "complevel": 1, "shuffle": True}
    encoding: dict[str, dict[str, Any]] = {
        "soil_moisture": {**packed, "_FillValue": None},
        "was_observed": packed,
        "lat": {"_FillValue": None},
        "lon": {"_FillValue": None},
        "time": days_since(cube.time[0]),
    }
    write_dataset(dataset, path, encoding=encoding)
    logger.info("%s: %d cells, %.0f %% of %d days observed", path, len(filled), 100 * observed.mean(), len(cube.time))


def open_filled(path: Path) -> Float[np.ndarray, "cell time"]:
    """The seamless series that ``fill_gaps`` wrote into the folder ``path`` [m3 m-3], float64.

    Raises:
        DataError: if there is none, or it cannot be read.
    """
    file = path / FILLED
    try:
        return read_dataset(file, engine="netcdf4")["soil_moisture"].values.astype(np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file}: not a readable gap-filled series ({error})") from error
