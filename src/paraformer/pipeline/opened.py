"""What the stages of a study leave behind, opened when a later stage asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Bool, Float

from paraformer.config import Study
from paraformer.core.contracts import CalibrationData, DifferentiableModel, ForwardModel, GaugedFlow
from paraformer.core.files import hash_json
from paraformer.core.run import Run, Stage
from paraformer.core.run_files import CUBE, ENSEMBLE
from paraformer.core.schema import Cube
from paraformer.data.gapfill import open_filled
from paraformer.data.sources.synthetic import open_truth
from paraformer.data.views import calibration_view
from paraformer.pipeline.emulation import surrogate_data
from paraformer.pipeline.land import files_of
from paraformer.pipeline.streamflow import River, basins_of, gauged_flow, read_river
from paraformer.process.build import build_process
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.executor import Executor, open_executor
from paraformer.process.files import ProcessFiles
from paraformer.process.own import ModelFiles
from paraformer.process.recipe import ProcessRecipe, chunked
from paraformer.routing.basins import RiverBasins
from paraformer.search.config import SearchConfig
from paraformer.surrogate.fit import SurrogateData
from paraformer.surrogate.model import Surrogate


class Opened:
    """The finished stages of a run, and the cube, models and data that are made of them, each opened once."""

    def __init__(self, study: Study, run: Run) -> None:
        self.study, self.run = study, run
        self.done: dict[str, Stage] = {}
        self._opened = ExitStack()
        self._open_executor: Executor | None = None

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Workers that are started inside end with it."""
        with self._opened:
            yield
        self._open_executor = None

    def _folder(self, name: str, seed: int) -> Path:
        return self.run.directory / "parameters" / name / f"seed-{seed}"

    @cached_property
    def _cube(self) -> Cube:
        return Cube.open(self.done["cube"].path / CUBE)

    @cached_property
    def _files(self) -> ProcessFiles | ModelFiles:
        """Files of the process model."""
        return files_of(self.study, self.done["cube"].path)

    @cached_property
    def _file_hashes(self) -> dict[str, str]:
        """Content of the process model's files, read once a run."""
        return self._files.hashes()

    @cached_property
    def _model(self) -> ProcessRecipe | ForwardModel:
        return self._source()

    def _source(self, days: int | None = None) -> ProcessRecipe | ForwardModel:
        """The process model on all or the first days: VIC as a recipe, read where it runs; others as they are built."""
        study, span = self.study, None if days is None else (0, days)
        if isinstance(self._files, ProcessFiles):
            version = hash_json(self._file_hashes | {"cube": self.done["cube"].hash})
            store = self.done["cube"].path / CUBE
            return ProcessRecipe(study.process, study.space, store, self._files, span, version)
        cube = Cube(self._cube.dataset.isel(time=slice(*span) if span else slice(None)))
        return build_process(study.process, study.space, cube, self._files)

    def _executor(self) -> Executor:
        """Where chunks of cells run, until the stage ends."""
        if self._open_executor is None:
            self._open_executor = self._opened.enter_context(open_executor(self.study.process.executor))
        return self._open_executor

    def _process_model(self, days: int | None = None) -> ForwardModel:
        """The process model as one forward model; one with a gradient of its own stays in this process."""
        source = self._model if days is None else self._source(days)
        if not isinstance(source, ProcessRecipe) and (source.differentiable or not self._executor().remote):
            return source
        return chunked(source, self._executor(), self.study.ensemble.chunk_cells)

    @cached_property
    def _prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ, clamped to the bounds."""
        return self.study.space.clip(self._model.prior())

    @cached_property
    def _surrogate(self) -> Surrogate:
        return Surrogate.load(self.done["surrogate"].path, self.study.space)

    @cached_property
    def _river(self) -> River | None:
        """The river and its gauges; ``None`` in a study without streamflow."""
        return read_river(self.done["streamflow"].path) if "streamflow" in self.done else None

    @cached_property
    def _basins(self) -> RiverBasins | None:
        return None if self._river is None else basins_of(self.study, self._river)

    def _gauged(self, trained: Bool[np.ndarray, " cell"]) -> GaugedFlow | None:
        """Flow of the training period at the gauges of trained cells."""
        if self._river is None or self._basins is None:
            return None
        train = self._cube.period("train").mask(self._cube.time)
        return gauged_flow(self._basins, self._river.observed, train, trained)

    @cached_property
    def _calibration_data(self) -> CalibrationData:
        filled = open_filled(self.done["gap_filling"].path) if "gap_filling" in self.done else None
        wanted = self.study.target_references
        view = calibration_view(self._cube, self.study.space, self._prior, filled=filled, references=wanted)
        return replace(view, streamflow=self._gauged(view.trained))

    def _surrogate_data(self) -> SurrogateData:
        return surrogate_data(self.study, self._cube, self._model, self.done["ensemble"].path / ENSEMBLE)

    def _searched(self, config: SearchConfig) -> ForwardModel:
        """The forward model of a search, without the days after the training period."""
        if config.model == "surrogate":
            return self._surrogate.until(self._training_days)
        process = self._trained_process()
        if config.name != "levenberg":
            return process
        return DifferentiableProcess(process, self._cube.time[: self._training_days])

    def _differentiable(self) -> DifferentiableModel:
        """The process model as learners see it, without the days after the training period; θ has a gradient."""
        process = self._trained_process()
        if process.differentiable:
            return cast(DifferentiableModel, process)
        return DifferentiableProcess(process, self._cube.time[: self._training_days], keep=False)

    def _trained_process(self) -> ForwardModel:
        return self._process_model(self._training_days)

    @property
    def _training_days(self) -> int:
        """Days up to the end of the training period, and at least those of the spin-up."""
        days = int(np.flatnonzero(self._cube.period("train").mask(self._cube.time))[-1]) + 1
        return max(days, self.study.process.spin_up.days)

    def _truth(self) -> Float[np.ndarray, "cell parameter"] | None:
        """True θ of the cube's cells, of a built-in world."""
        return self._of_truth("theta")

    def _true_moisture(self) -> Float[np.ndarray, "cell time"] | None:
        return self._of_truth("soil_moisture")

    def _of_truth(self, name: str) -> np.ndarray | None:
        """A variable of the built-in world's truth, in the cells that the study uses of it."""
        if self.study.data.source != "synthetic":
            return None
        with open_truth(self.done["cube"].path) as truth:
            return truth[name].sel(cell=self._cube.cells).values.astype(np.float64)
