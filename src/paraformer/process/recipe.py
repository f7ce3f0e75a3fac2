"""Recipe of a process model: small enough to send to any machine, where it reads the files of the cells asked for."""

from __future__ import annotations

import pickle
import platform
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError
from paraformer.core.files import hash_path
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.process.build import build_vic, require_spin_up
from paraformer.process.config import ProcessConfig
from paraformer.process.executor import CellSource, Executor, Recipe, deferred, memory
from paraformer.process.files import Places, ProcessFiles, land_at
from paraformer.process.vic.bounds import require_corners
from paraformer.process.vic.files import Domain, read_domain
from paraformer.process.vic.land import Land
from paraformer.process.vic.model import VIC
from paraformer.process.vic.outputs import OFFERED
from paraformer.process.vic.parameters import CellParameters, a_priori

_PRIOR_CELLS = 4096
"""Cells whose parameters are read together for the a-priori θ: some 10 kB each."""

KEPT_SHARE = 0.25
"""Part of the memory for chunks kept between calls of ``ChunkedModel``; 16 cells x 3 years take 8 MiB."""

TOGETHER = 512
"""Least cells of a chunk of ``ChunkedModel`` in one process, so that all of its threads find work in one call."""


@dataclass(frozen=True)
class ProcessRecipe:
    """VIC on the cells and days of a cube, to be built for any of the cells, anywhere that sees the files.

    Attributes:
        config: settings of the process model.
        parameters: the space θ lives in.
        cube: the cube's zarr store.
        files: parameter files.
        days: positions of the first day and of the one after the last; ``None`` takes all days of the cube.
        version: hash of what cube and files hold. Workers may outlive both: what they keep of one version is not taken
            for another.
    """

    config: ProcessConfig
    parameters: ParameterSpace
    cube: Path
    files: ProcessFiles
    days: tuple[int, int] | None = None
    version: str = ""

    def __post_init__(self) -> None:
        """Paths become absolute: workers start in folders of their own."""
        named = {f.name: getattr(self.files, f.name) for f in fields(self.files)}
        absolute = {name: path and path.absolute() for name, path in named.items()}
        object.__setattr__(self, "cube", self.cube.absolute())
        object.__setattr__(self, "files", replace(self.files, **absolute))

    @property
    def n_cells(self) -> int:
        return len(self._cube().cells)

    def description(self) -> dict[str, Any]:
        """What a simulation depends on beside θ, wherever and in whatever chunks it is made."""
        return {
            "model": self.config.model,
            "settings": self.config.vic.model_dump(mode="json"),
            "spin_up": [self.config.spin_up.days, self.config.spin_up.cycles],
            "days": self.days,
            "inputs": self.version or [hash_path(self.cube), self.files.hashes()],
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        return OFFERED

    @property
    def cell_parameters(self) -> CellParameters:
        """A-priori parameters of all cells, some 10 kB each; no forcing is read."""
        return land_at(self.files, Places.of(self._cube()), quiet=True).parameters

    def select(self, cells: np.ndarray) -> VIC:
        """The model of some cells, by position; reads their forcing, parameters and state, and nothing of the others.

        Raises:
            DataError: if files and cube do not fit, or this machine cannot read them.
            SettingsError: if the spin-up is longer than the forcing.
        """
        everywhere = self._cube()
        first, stop = self.days or (0, len(everywhere.time))
        require_spin_up(self.config, stop - first)
        land = self._land(np.asarray(cells), quiet=True)
        cube = Cube(everywhere.dataset.isel(cell=np.asarray(cells), time=slice(first, stop)))
        return build_vic(self.config, self.parameters, cube, land)

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ of all cells in physical units, not clipped to the bounds; no forcing is read."""
        parts = []
        for start in range(0, self.n_cells, _PRIOR_CELLS):
            cells = np.arange(start, min(start + _PRIOR_CELLS, self.n_cells))
            parameters = self._land(cells, quiet=False).parameters
            require_corners(parameters, self.parameters)
            parts.append(a_priori(parameters, self.parameters.names))
        return np.concatenate(parts)

    def _cube(self) -> Cube:
        return _open_cube(self.cube, _stamp(self.cube / "zarr.json"))

    def _land(self, cells: np.ndarray, *, quiet: bool) -> Land:
        """Parameters and state of some cells, by position, which may be repeated."""
        domain = _open_domain(self.files.domain, _stamp(self.files.domain))
        once, order = np.unique(cells, return_inverse=True)
        return land_at(self.files, Places.of(self._cube()).select(once), domain, quiet=quiet).select(order)


def _stamp(path: Path) -> int:
    """Time of change, so that what is kept of a file does not outlive it."""
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"{path}: cannot be read on {platform.node()} ({error.strerror or error})") from error


@lru_cache(maxsize=4)
def _open_cube(path: Path, stamp: int) -> Cube:
    """The cube, opened once a process; ``stamp`` is its time of change."""
    return Cube.open(path)


@lru_cache(maxsize=4)
def _open_domain(path: Path, stamp: int) -> Domain:
    """The domain, read once a process."""
    return read_domain(path)


class ChunkedModel(ForwardModel):
    """A forward model whose cells run chunk by chunk on an executor: for searches and audits of many cells.

    Every chunk keeps its place in the recipe, however few of its cells are asked for, and goes to the same worker as
    long as that lives, so that forcing is read once. Values do not depend on chunks or executor.

    Args:
        source: recipe (hashable, and small enough to travel), or a forward model in memory.
        outputs: what the model offers.
        executor: where chunks run.
        chunk_cells: cells read and simulated together.
        cells: positions in ``source`` of this model's cells; ``None`` takes all.
    """

    differentiable = False

    def __init__(
        self,
        source: Recipe | ForwardModel,
        outputs: tuple[str, ...],
        executor: Executor,
        *,
        chunk_cells: int,
        cells: Int[np.ndarray, " cell"] | None = None,
    ) -> None:
        self.source, self.outputs, self.executor, self.chunk_cells = source, outputs, executor, chunk_cells
        self.cells = np.arange(source.n_cells) if cells is None else np.asarray(cells)
        self.parameters = source.parameters
        self.runs = 0

    @property
    def n_cells(self) -> int:
        return len(self.cells)

    def description(self) -> Any:
        """The source's own, and which of its cells these are, if not all."""
        whole = np.array_equal(self.cells, np.arange(self.source.n_cells))
        found = self.source.description()
        return found if whole else {"source": found, "cells": self.cells.tolist()}

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """The source's own."""
        return self.source.prior()[self.cells]

    def select(self, cells: np.ndarray) -> ChunkedModel:
        """The same model for a subset of its cells; it counts its own runs."""
        return ChunkedModel(
            self.source, self.outputs, self.executor, chunk_cells=self.chunk_cells, cells=self.cells[np.asarray(cells)]
        )

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """As the process model's own ``simulate``, with its errors; ``ModelError`` if workers are lost too often."""
        home = self.cells // self.chunk_cells

        def jobs() -> Iterator[tuple[Any, ...]]:
            for chunk in np.unique(home).tolist():
                group = np.flatnonzero(home == chunk)
                part = None if theta is None else np.ascontiguousarray(theta[group])
                yield self._part(chunk, group), part, tuple(outputs), group, chunk

        found: dict[str, np.ndarray] = {}
        for group, series in self.executor.run(_simulate_group, jobs(), place=_chunk_of):
            for name, values in series.items():
                if name not in found:
                    found[name] = np.empty((self.n_cells, *values.shape[1:]))
                found[name][group] = values
        self.runs += self.n_cells * (1 if theta is None else theta.shape[1])
        return found

    def _part(self, chunk: int, group: Int[np.ndarray, " some"]) -> Callable[[], ForwardModel]:
        """What gives the model of some cells of a chunk where the job runs."""
        if isinstance(self.source, ForwardModel):
            return deferred(self.source, self.cells[group], self.executor)
        first = chunk * self.chunk_cells
        stop = min(first + self.chunk_cells, self.source.n_cells)
        return partial(_some_of_chunk, self.source, first, stop, self.cells[group] - first)


def chunked(source: ProcessRecipe | ForwardModel, executor: Executor, chunk_cells: int) -> ChunkedModel:
    """The model of all cells of a source: chunks of ``chunk_cells`` on workers, of ``TOGETHER`` at least in here."""
    size = chunk_cells if executor.remote else max(chunk_cells, TOGETHER)
    return ChunkedModel(source, source.outputs, executor, chunk_cells=size)


class _Kept:
    """Models of chunks; those least recently used leave when all need more than ``KEPT_SHARE`` of the memory."""

    def __init__(self) -> None:
        self.models: OrderedDict[tuple[CellSource, int, int], tuple[ForwardModel, int]] = OrderedDict()

    def __call__(self, source: CellSource, first: int, stop: int) -> ForwardModel:
        key = (source, first, stop)
        if key not in self.models:
            model = source.select(np.arange(first, stop))
            size, allowed = _bytes_of(model), KEPT_SHARE * memory()
            while self.models and size + sum(other for _, other in self.models.values()) > allowed:
                self.models.popitem(last=False)
            self.models[key] = (model, size)
        self.models.move_to_end(key)
        return self.models[key][0]


_kept = _Kept()


def _bytes_of(model: ForwardModel) -> int:
    """Bytes of a model's arrays, which pickle hands out without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    return len(rest) + sum(buffer.raw().nbytes for buffer in buffers)


def _some_of_chunk(source: CellSource, first: int, stop: int, cells: Int[np.ndarray, " some"]) -> ForwardModel:
    model = _kept(source, first, stop)
    return model if np.array_equal(cells, np.arange(stop - first)) else model.select(cells)


def _chunk_of(job: tuple[Any, ...]) -> int:
    return int(job[-1])


def _simulate_group(
    build: Callable[[], ForwardModel],
    theta: Float[np.ndarray, "some set parameter"] | None,
    outputs: Sequence[str],
    group: Int[np.ndarray, " some"],
    chunk: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Simulate some cells of a chunk; ``group`` says where they belong."""
    return group, build().simulate(theta, outputs)
