"""Hand-off data between rooms, with their validation: Cube, Ensemble, ParameterField, Scores.

Cubes and ensembles are CF-1.8 datasets in zarr, chunked along ``cell``; order of axes ``cell, time, variable``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError, nearest
from paraformer.core.html import card
from paraformer.core.lazy import deferred
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.core.time import Period
from paraformer.core.variables import FORCING

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

SCORE_COLUMNS = (
    "method",
    "operator",
    "cells",
    "period",
    "metric",
    "mean",
    "median",
    "p05",
    "p95",
    "n_scored",
    "n_unscored",
    "seed",
)
"""Columns of ``scores/soil_moisture.csv``."""

CELL_COLUMNS = ("cell", "lat", "lon", "method", "seed", "operator", "cells", "period", "metric", "value", "scored")
"""Columns of scores of cells as a long table (``core.cell_scores``); ``value`` is NaN exactly where not ``scored``."""


KINDS = ("prior", "common", "own")
"""Kinds of parameter sets in an ensemble."""


@dataclass(frozen=True)
class Cube:
    """Everything known about the cells: daily forcing, observations, attributes, references, the split.

    ``dataset`` has dims ``cell, time`` (and ``month``, ``step``); coords ``cell, time, lat, lon``; the seven forcings
    ``(cell, time)`` and, where the source is sub-daily, ``<name>_sub (cell, time, step)``; ``trained (cell)`` bool. Its
    attributes name the observed variable (``observation``), the static attributes (``attributes``), and the periods
    (``train_start`` ... ``test_end``).
    """

    dataset: xr.Dataset

    @classmethod
    def open(cls, path: str | Path) -> Cube:
        """Open a cube written by the data room.

        Raises:
            DataError: if there is no readable cube at ``path``, or it lacks a forcing, a coordinate or an attribute.
        """
        try:
            dataset = xr.open_zarr(path, consolidated=False)
        except Exception as error:
            raise DataError(f"{path}: not a readable cube ({error})") from error
        cube = cls(dataset)
        cube.validate(str(path))
        return cube

    def _repr_html_(self) -> str:
        facts = {
            "cells": f"{len(self.cells)}, {int(self.trained.sum())} of them trained",
            "days": f"{self.time[0]} to {self.time[-1]}",
            "learned from": self.period("train"),
            "judged on": self.period("test"),
            "observation": self.dataset.attrs["observation"],
            "attributes": ", ".join(self.attribute_names),
        }
        return card("Cube", facts, self.dataset._repr_html_())

    def validate(self, source: str) -> None:
        """Raise DataError unless the dataset holds everything the other rooms rely on."""
        for name in ("cell", "time", "lat", "lon"):
            if name not in self.dataset.coords:
                raise DataError(f"{source}: coordinate '{name}' is missing")
        for name in (*FORCING, "trained"):
            if name not in self.dataset:
                raise DataError(f"{source}: variable '{name}' is missing")
        for name in ("observation", "attributes", "train_start", "train_end", "test_start", "test_end"):
            if name not in self.dataset.attrs:
                raise DataError(f"{source}: global attribute '{name}' is missing")

    @property
    def cells(self) -> np.ndarray:
        """Cell identifiers."""
        return self.dataset["cell"].values

    @property
    def time(self) -> np.ndarray:
        """UTC days, datetime64[D]."""
        return self.dataset["time"].values.astype("datetime64[D]")

    @property
    def lat(self) -> Float[np.ndarray, " cell"]:
        return self.dataset["lat"].values.astype(np.float64)

    @property
    def lon(self) -> Float[np.ndarray, " cell"]:
        return self.dataset["lon"].values.astype(np.float64)

    @property
    def axes(self) -> dict[str, np.ndarray]:
        """Coordinates of archives of these cells and days."""
        return {"cell": self.cells, "time": self.time, "lat": self.lat, "lon": self.lon}

    @property
    def trained(self) -> Bool[np.ndarray, " cell"]:
        """Cells whose observations may be learned from."""
        return self.dataset["trained"].values.astype(bool)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        names = self.dataset.attrs["attributes"]
        return (names,) if isinstance(names, str) else tuple(names)

    def attributes(self) -> Float[np.ndarray, "cell attribute"]:
        """Static attributes, raw units."""
        return np.stack([self.dataset[name].values.astype(np.float64) for name in self.attribute_names], axis=-1)

    def forcing(self) -> Float[np.ndarray, "cell time forcing"]:
        """Daily forcing in the order of ``FORCING``."""
        return np.stack([self.dataset[name].values.astype(np.float64) for name in FORCING], axis=-1)

    def observed(self) -> tuple[Float[np.ndarray, "cell time"], Bool[np.ndarray, "cell time"]]:
        """Observations [m3 m-3] with 0 where there is none, and the mask of observed cell-days."""
        name = self.dataset.attrs["observation"]
        if not name:  # a study of streamflow alone
            nothing = np.zeros((len(self.cells), len(self.time)))
            return nothing, nothing.astype(bool)
        values = self.dataset[name].values.astype(np.float64)
        mask = np.isfinite(values)
        return np.where(mask, values, 0.0), mask

    def period(self, name: str) -> Period:
        """The ``train`` or ``test`` period."""
        return Period(start=self.dataset.attrs[f"{name}_start"], end=self.dataset.attrs[f"{name}_end"])


def parameter_space_to_json(space: ParameterSpace) -> str:
    """Parameter space as text for file attributes."""
    return json.dumps([p.model_dump() for p in space], sort_keys=True)


def parameter_space_from_json(text: str) -> ParameterSpace:
    """Inverse of ``parameter_space_to_json``."""
    return ParameterSpace(Parameter(**entry) for entry in json.loads(text))


@dataclass(frozen=True)
class Ensemble:
    """Process-model runs of many θ: ``theta (cell, set, parameter)`` and each output ``(cell, set, time)``.

    Sets come in three kinds (``kind (set)``): ``prior`` (the a-priori θ), ``common`` (the same unit coordinates in
    every cell) and ``own`` (every cell its own). ``held_out (cell, set)`` marks runs a surrogate must not learn from.
    """

    dataset: xr.Dataset

    @classmethod
    def open(cls, path: str | Path) -> Ensemble:
        """Open an archive written by the process room; raises DataError if it is not one."""
        try:
            dataset = xr.open_dataset(path, engine="zarr", consolidated=False, cache=False)
        except Exception as error:
            raise DataError(f"{path}: not a readable ensemble ({error})") from error
        for name in ("theta", "kind", "held_out"):
            if name not in dataset:
                raise DataError(f"{path}: variable '{name}' is missing from the ensemble")
        return cls(dataset)

    @property
    def parameters(self) -> ParameterSpace:
        return parameter_space_from_json(self.dataset.attrs["parameter_space"])

    @property
    def theta(self) -> Float[np.ndarray, "cell set parameter"]:
        """Physical values."""
        return self.dataset["theta"].values

    @property
    def kind(self) -> np.ndarray:
        """One of ``KINDS`` for each set."""
        return np.array(self.dataset["kind"].values.tolist())

    @property
    def held_out(self) -> Bool[np.ndarray, "cell set"]:
        return self.dataset["held_out"].values.astype(bool)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(str(name) for name, v in self.dataset.data_vars.items() if v.dims == ("cell", "set", "time"))

    def output(self, name: str) -> Float[np.ndarray, "cell set time"]:
        """One output of all runs (float32)."""
        if name not in self.dataset:
            raise DataError(f"the ensemble holds no output '{name}'{nearest(name, self.output_names)}")
        return self.dataset[name].values


@dataclass(frozen=True)
class ParameterField:
    """θ of every cell as one method found it.

    Attributes:
        method: name of the method, as in the score table.
        seed: its seed, or -1 where it has none.
        theta: physical values [cell, parameter]; ``None`` means the a-priori parameter file as it is.
    """

    method: str
    seed: int
    theta: Float[np.ndarray, "cell parameter"] | None
