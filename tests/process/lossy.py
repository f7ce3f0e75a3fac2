"""A recipe whose first jobs end the process that runs them, as a lost worker does."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paraformer.core.parameters import ParameterSpace
from paraformer.process.bucket import BUCKET_PARAMETERS, Bucket


@dataclass(frozen=True)
class LossyRecipe:
    """Buckets under made-up rain; the job that holds cell ``fatal`` dies ``deaths`` times.

    ``folder`` remembers every death and every cell that was read.
    """

    cells: int
    days: int
    folder: Path
    fatal: int = -1
    deaths: int = 0

    @property
    def parameters(self) -> ParameterSpace:
        return BUCKET_PARAMETERS

    @property
    def n_cells(self) -> int:
        return self.cells

    def description(self) -> str:
        return "buckets"

    def prior(self) -> np.ndarray:
        return whole(self.cells, self.days).prior()

    def select(self, cells: np.ndarray) -> Bucket:
        if self.fatal in cells and len(list(self.folder.glob("death-*"))) < self.deaths:
            (self.folder / f"death-{os.getpid()}").touch()
            os._exit(1)
        (self.folder / f"read-{cells[0]}-{os.getpid()}").touch()
        return whole(self.cells, self.days).select(cells)


def whole(cells: int, days: int) -> Bucket:
    """All buckets in memory."""
    time = np.datetime64("2015-04-01") + np.arange(days)
    return Bucket(np.random.default_rng(0).exponential(3.0, (cells, time.size)), time)


def days_of(recipe: LossyRecipe) -> np.ndarray:
    return np.datetime64("2015-04-01") + np.arange(recipe.days)


def pair(place: int, number: int) -> tuple[int, int]:
    """A job that gives what it was given."""
    return place, number


def meet(folder: Path, number: int) -> int:
    """A job that ends when two of them have begun; returns the process it ran in."""
    (folder / f"here-{number}").touch()
    while len(list(folder.glob("here-*"))) < 2:
        time.sleep(0.01)
    return os.getpid()
