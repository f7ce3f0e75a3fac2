"""What an archive of process-model runs costs, before it is made: measured on a few cells, scaled to all of them.

    core seconds = start + chunks · chunk + cells · years · cell + cells · sets · years · run

where ``cell`` is what a chunk does once for each of its cells (forcing read, disaggregated, derived) and ``run`` the
model itself; years count the spin-up. Bytes on disk are values times the measured bytes of a compressed value.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from paraformer.core.log import Progress
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.process.config import SpinUp
from paraformer.process.ensemble import WORKING_BYTES, Sets, run_sets
from paraformer.process.executor import Source
from paraformer.process.vic.column import MET
from paraformer.process.vic.simulate import BLOCK_BYTES


@dataclass(frozen=True)
class Time:
    """Work of all cores, and wall time on this machine [s]."""

    core: float
    wall: float

    def __add__(self, other: Time) -> Time:
        return Time(self.core + other.core, self.wall + other.wall)

    def __mul__(self, factor: float) -> Time:
        return Time(self.core * factor, self.wall * factor)


def timed(work: Callable[[], object]) -> Time:
    """Time of a piece of work done by this process.

    Core seconds are the processor's own count, so that a busy machine changes them less than it does the wall time.
    """
    wall, core = time.perf_counter(), time.process_time()
    work()
    return Time(time.process_time() - core, time.perf_counter() - wall)


@dataclass(frozen=True)
class Archive:
    """Size of an archive.

    Attributes:
        cells, sets, days: lengths of its axes.
        outputs: series kept of every run.
        chunk_cells: cells of a chunk.
        spin_up: days run before the archive's own, with every set.
    """

    cells: int
    sets: int
    days: int
    outputs: int
    chunk_cells: int
    spin_up: SpinUp

    @property
    def runs(self) -> int:
        return self.cells * self.sets

    @property
    def chunks(self) -> int:
        return -(-self.cells // self.chunk_cells)

    @property
    def values(self) -> int:
        """Numbers stored in the archive's series."""
        return self.runs * self.days * self.outputs

    def terms(self) -> Float[np.ndarray, " term"]:
        """What the four coefficients of the model are multiplied with; the forcing is prepared without spin-up."""
        years = (self.days + self.spin_up.days * self.spin_up.cycles) / DAYS_PER_YEAR
        return np.array([1.0, self.chunks, self.cells * self.days / DAYS_PER_YEAR, self.runs * years])


@dataclass(frozen=True)
class ProcessCost:
    """Measured coefficients of a process model on a machine.

    Attributes:
        start: of an archive [s].
        chunk: of a chunk of cells [s].
        cell: of a cell and year of forcing [s].
        run: of a run and year [s].
        value: a stored value on disk [byte].
    """

    start: Time
    chunk: Time
    cell: Time
    run: Time
    value: float

    def time(self, archive: Archive) -> Time:
        """Time to make an archive."""
        parts = zip((self.start, self.chunk, self.cell, self.run), archive.terms(), strict=True)
        total = Time(0.0, 0.0)
        for coefficient, count in parts:
            total += coefficient * float(count)
        return total

    def disk(self, archive: Archive) -> float:
        """Bytes of an archive."""
        return archive.values * self.value

    @staticmethod
    def memory(archive: Archive, steps_per_day: int) -> float:
        """Bytes one chunk needs while it runs, beside the interpreter and the archive's own θ.

        Forcing of seven series at the snow step, with two copies while it is made, and what is derived of it; series
        of a block of sets, as the model makes them and as volumes; the chunk of every output as it is kept, and one
        of them compressed.
        """
        cells = min(archive.chunk_cells, archive.cells)
        steps = cells * archive.days * steps_per_day
        forcing = 3 * 7 * 8 * steps + min(BLOCK_BYTES, 2 * MET.itemsize * steps)
        series = cells * archive.sets * archive.days * archive.outputs
        block = max(min(8 * series, WORKING_BYTES), 8 * cells * archive.days * archive.outputs)
        return forcing + 2 * block + 4 * series * (1 + 1 / archive.outputs)


def measure(source: Source, spin_up: SpinUp, outputs: tuple[str, ...], days: int, seconds: float = 2.0) -> ProcessCost:
    """Measure the coefficients by making five small archives in a temporary folder.

    Args:
        source: model or recipe of a sample of the cells, of whichever kind they are, at least two.
        outputs: series to keep.
        days: length of the source's time axis.
        seconds: wall time the largest of the archives may take, about.
    """
    cells = source.n_cells
    with tempfile.TemporaryDirectory() as folder:
        make = _Maker(source, spin_up, outputs, days, Path(folder))
        make(cells, 1, 1)  # compiles, opens, fills caches
        one = make(cells, 1, cells)[1].wall
        more = make(cells, 3, cells)[1].wall
        each = max((more - one) / 2, one / 100, 1e-4)
        sets = int(np.clip(seconds / each, 4, 500))
        few = min(cells, 6)
        designs = [
            make(1, 1, 1),
            make(few, 1, 1),
            make(cells, 1, cells),
            make(cells, 2, cells),
            make(cells, sets, cells),
        ]
    terms = np.stack([archive.terms() for archive, _, _ in designs])
    core, wall = (_fit(terms, np.array([getattr(found, kind) for _, found, _ in designs])) for kind in ("core", "wall"))
    start, chunk, cell, run = (Time(float(c), float(w)) for c, w in zip(core, wall, strict=True))
    largest, _, size = designs[-1]
    return ProcessCost(start, chunk, cell, run, size / largest.values)


def _fit(terms: Float[np.ndarray, "design term"], seconds: Float[np.ndarray, " design"]) -> Float[np.ndarray, " term"]:
    """Coefficients that are not negative, with small errors where times are small (weights 1 / time)."""
    weight = 1.0 / np.maximum(seconds, 1e-3)
    scale = terms.max(axis=0)
    return nnls(terms / scale * weight[:, None], seconds * weight)[0] / scale


class _Maker:
    """Makes small archives: cells, sets and cells a chunk -> their size, time, and bytes on disk."""

    def __init__(self, source: Source, spin_up: SpinUp, outputs: tuple[str, ...], days: int, folder: Path) -> None:
        self.source, self.spin_up, self.outputs, self.days, self.folder = source, spin_up, outputs, days, folder
        self.count = 0

    def __call__(self, cells: int, sets: int, chunk_cells: int) -> tuple[Archive, Time, int]:
        self.count += 1
        path = self.folder / f"{self.count}.zarr"
        source = _First(self.source, cells)
        unit = np.random.default_rng(self.count).random((cells, sets, len(self.source.parameters)))
        design = Sets(self.source.parameters.from_unit(unit))
        axes = {
            "cell": np.arange(cells),
            "time": np.datetime64("2000-01-01") + np.arange(self.days),
            "lat": np.zeros(cells),
            "lon": np.zeros(cells),
        }
        found = timed(
            lambda: run_sets(
                source, design, path, outputs=self.outputs, axes=axes, chunk_cells=chunk_cells, progress=Progress()
            )
        )
        size = sum(p.stat().st_size for name in self.outputs for p in (path / name).rglob("*") if p.is_file())
        archive = Archive(cells, sets, self.days, len(self.outputs), chunk_cells, self.spin_up)
        return archive, found, size


class _First:
    """The first cells of a source."""

    def __init__(self, source: Source, cells: int) -> None:
        self.parameters, self.n_cells, self.select = source.parameters, cells, source.select
