"""Rehearsal of a study: a few of its cells and a few training steps, timed, so that the whole can be planned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from paraformer.config import Study
from paraformer.core.contracts import CalibrationData
from paraformer.core.log import Progress
from paraformer.core.netcdf import write_dataset
from paraformer.core.schema import Cube
from paraformer.core.seeding import generator
from paraformer.data.cube import build_cube
from paraformer.data.gapfill import fill_gaps
from paraformer.data.quality import check as check_data
from paraformer.data.views import calibration_view
from paraformer.evaluation.holdout import holdout_of
from paraformer.evaluation.score import score_cells
from paraformer.learners.learn import Learner
from paraformer.pipeline.references import train_direct
from paraformer.pipeline.world import make_world
from paraformer.process.cost import ProcessCost, Time, measure, timed
from paraformer.process.descriptors import daily_descriptors, static_descriptors
from paraformer.process.ensemble import ensemble_sets
from paraformer.process.files import ProcessFiles, parameter_files
from paraformer.process.recipe import ProcessRecipe
from paraformer.surrogate.fit import SurrogateData, fit_surrogate
from paraformer.surrogate.model import Surrogate

CELLS = 48
"""Cells of the sample, drawn at random: their costs differ by half of the mean (snow, tiles), so the mean of 48 is off
by some 7 %. Every n-th cell will not do: on a grid it picks columns."""

_WORLD = (8, 12)
"""Most rows and columns of a built-in world that is rehearsed; all of its cells are the sample."""

_SIMULATED = 6
"""Cells with an ensemble of their own; a training batch repeats them, which costs the same as others would."""

_LARGEST_BATCH = 256
"""Cells of a training batch that is tried; a step of a larger one is taken to cost in proportion."""

_FEW, _MOST = 2, 60
"""Training steps of the shorter trial, and at most of the longer one; their difference is the price of a step."""

C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class Size:
    """How much a study has: cells, trained cells, days of the cube, and days up to the end of training."""

    cells: int
    trained: int
    days: int
    train_days: int
    steps: int  # of the forcing, a day

    def scaled(self, cells: int) -> Size:
        """The same with another number of cells, trained ones in proportion."""
        return replace(self, cells=cells, trained=max(1, round(cells * self.trained / self.cells)))


@dataclass(frozen=True)
class Price:
    """Price of a training: per cell once, and per step."""

    cell: Time
    step: Time
    disk: float  # bytes of what is stored

    def __call__(self, cells: int, steps: int) -> Time:
        return self.cell * cells + self.step * steps


class Rehearsal:
    """A study in miniature, in a folder of its own.

    Attributes:
        size: of the whole study.
        cube: a few of its cells.
        recipe: the process model on them.
        cube_time: to make the cube, a cell.
        cube_disk: bytes of the cube, a cell.
    """

    def __init__(self, study: Study, folder: Path, seconds: float) -> None:
        self.study, self.folder, self.seconds = study, folder, seconds
        stage = folder / "cube"
        store = stage / "cube.zarr"
        stage.mkdir()
        if study.data.source == "synthetic":
            self.size, taken = self._synthetic(store)
            files = ProcessFiles(stage / "params.nc", stage / "domain.nc")
        else:
            self.size, taken = self._from_file(store)
            files = parameter_files(study.process)
        self.cube = Cube.open(store)
        self.cube_time = taken * (1 / len(self.cube.cells))
        self.cube_disk = disk_of(stage) / len(self.cube.cells)
        self.files = files
        self.recipe = ProcessRecipe(study.process, study.space, store, files)

    def _synthetic(self, store: Path) -> tuple[Size, Time]:
        world = self.study.data.synthetic
        assert world is not None
        small = world.model_copy(update={"rows": min(world.rows, _WORLD[0]), "columns": min(world.columns, _WORLD[1])})
        data = self.study.data.model_copy(update={"synthetic": small})
        study = self.study.model_copy(update={"data": data})

        def make() -> None:
            make_world(study, store.parent)
            build_cube(data, store, inputs=store.parent / "inputs.nc")

        make_world(study, self.folder)  # compiles
        taken = timed(make)
        cells = world.rows * world.columns
        cube = Cube.open(store)
        return self._size_of(cube, len(cube.cells)).scaled(cells), taken

    def _from_file(self, store: Path) -> tuple[Size, Time]:
        """Some of the trained and some of the unseen cells."""
        selection = check_data(self.study.data)
        try:
            trained, unseen = (np.flatnonzero(kind) for kind in (selection.trained, ~selection.trained))
            share = round(CELLS * trained.size / selection.trained.size)
            chosen = np.concatenate([_some(trained, max(share, 1)), _some(unseen, max(CELLS - share, 1))])
            inputs = self.folder / "inputs.nc"
            dataset = selection.file.dataset.isel(cell=selection.position[np.sort(chosen)]).load()  # type: ignore[union-attr]
            write_dataset(dataset.drop_encoding(), inputs)
        finally:
            selection.file.close()
        taken = timed(lambda: build_cube(self.study.data, store, inputs=inputs))
        return self._size_of(Cube.open(store), len(selection.cells), int(selection.trained.sum())), taken

    def _size_of(self, cube: Cube, cells: int, trained: int | None = None) -> Size:
        days = int(np.flatnonzero(cube.period("train").mask(cube.time))[-1]) + 1
        return Size(
            cells,
            int(cube.trained.sum()) if trained is None else trained,
            len(cube.time),
            max(days, self.study.process.spin_up.days),
            int(cube.dataset.sizes.get("step", 1)),
        )

    @cached_property
    def process(self) -> ProcessCost:
        """Price of the process model."""
        return measure(
            self.recipe, self.study.process.spin_up, self.study.ensemble.outputs, len(self.cube.time), self.seconds
        )

    @cached_property
    def surrogate_price(self) -> Price:
        """Price of a step of the surrogate's fit."""
        config = self.study.surrogate
        return self._trial(config, config.cells_per_batch, self._fit)

    @cached_property
    def surrogate_run(self) -> Time:
        """Price of a run of the fitted surrogate over all days, with all its outputs."""
        model, theta = self._surrogate, self._data.theta[:, :4]
        outputs = self.study.surrogate.outputs
        model.simulate(theta[:, :1], outputs)
        return timed(lambda: model.simulate(theta, outputs)) * (1 / theta[..., 0].size)

    def learner_price(self, name: str) -> Price:
        """Price of a step of one member of a learner through the surrogate."""
        config = self.study.learners[name]
        alone = {"members": 1, "simulator": "surrogate", "refinement": None}
        alone["training"] = config.training.model_copy(update={"steps": 1, "epochs": None})  # a trial counts its own
        config = config.model_copy(update=alone)
        batch = min(config.cells_per_batch, self.size.trained)

        def learn(small: Any, folder: Path) -> None:
            Learner(small).calibrate(self._surrogate, self._view, seed=0, directory=folder, progress=Progress())

        return self._trial(config, batch, learn)

    @cached_property
    def gap_filling_price(self) -> Price:
        """Price of a step of the gap filling, all its members together."""
        config = self.study.gap_filling
        assert config is not None
        return self._trial(
            config,
            config.cells_per_batch,
            lambda small, folder: fill_gaps(small, self._tiled, folder, seed=0, progress=Progress()),
        )

    @cached_property
    def direct_price(self) -> Price:
        """Price of a step of the direct LSTM."""
        config = self.study.references.direct
        assert config is not None
        return self._trial(
            config,
            config.cells_per_batch,
            lambda small, folder: train_direct(
                small, self._tiled, holdout_of(self._tiled), folder, seed=0, seeds=1, progress=Progress()
            ),
        )

    @cached_property
    def score_price(self) -> Time:
        """Price of the scores of one series of one cell."""
        holdout, shape = holdout_of(self._tiled), (len(self._tiled.cells), len(self._tiled.time))
        series = np.random.default_rng(0).random(shape)
        return timed(lambda: score_cells("trial", -1, series, holdout, self.study.evaluation)) * (1 / shape[0])

    def _trial(self, config: C, batch: int, train: Callable[[C, Path], object]) -> Price:
        """Train with a few steps, twice; the first training of all is for compiling and opening."""
        training = config.training  # type: ignore[attr-defined]

        def attempt(steps: int) -> Time:
            self._attempts += 1
            few = training.model_copy(update={"steps": steps, "checkpoint_steps": None, "checkpoint_seconds": None})
            folder = self.folder / f"trial-{self._attempts}"
            folder.mkdir()
            return timed(lambda: train(config.model_copy(update={"training": few}), folder))

        first, few = attempt(1), attempt(_FEW)
        guess = max(few.wall - min(first.wall, few.wall), few.wall / 20, 1e-3)
        longer = _FEW + int(np.clip(self.seconds / guess, 5, _MOST))
        step = _positive(attempt(longer) + few * -1) * (1 / (longer - _FEW))
        disk = disk_of(self.folder / f"trial-{self._attempts}")
        cells = len(self._tiled.cells)
        larger = max(1.0, min(batch, self.size.cells) / cells)
        return Price(_positive(few + step * -_FEW) * (1 / cells), step * larger, disk)

    _attempts = 0

    def _fit(self, config: Any, folder: Path) -> Surrogate:
        return fit_surrogate(config, self._data, folder, seed=0, progress=Progress())

    @cached_property
    def _surrogate(self) -> Surrogate:
        config = self.study.surrogate
        training = config.training.model_copy(update={"steps": 1})
        folder = self.folder / "surrogate"
        folder.mkdir()
        return self._fit(config.model_copy(update={"training": training}), folder)

    @cached_property
    def _tiled(self) -> Cube:
        """As many trained cells as the largest batch holds, repeating those that are simulated."""
        study = self.study
        configs = [study.surrogate, *study.learners.values(), study.gap_filling, study.references.direct]
        batch = max(config.cells_per_batch for config in configs if config is not None)
        count = min(batch, _LARGEST_BATCH, max(self.size.trained, 2))
        dataset = self.cube.dataset.isel(cell=self._simulated[np.arange(count) % len(self._simulated)]).load()
        return Cube(dataset.assign_coords(cell=np.arange(count)))

    @property
    def _simulated(self) -> np.ndarray:
        return _some(np.flatnonzero(self.cube.trained), _SIMULATED)

    @cached_property
    def _view(self) -> CalibrationData:
        filled = np.nan_to_num(self._tiled.observed()[0])
        return calibration_view(
            self._tiled,
            self.study.space,
            self._data.theta[:, 0],
            filled=filled,
            references=self.study.target_references,
        )

    @cached_property
    def _data(self) -> SurrogateData:
        """A small ensemble, as the surrogate sees it."""
        study, cube = self.study, self._tiled
        config = study.ensemble.model_copy(
            update={"common": study.surrogate.anchors, "held_out": 1, "own": study.surrogate.sets(6) + 1}
        )
        model = self.recipe.select(self._simulated)
        sets = ensemble_sets(config, study.space, study.space.clip(model.prior()), study.seed)
        assert sets.theta is not None
        runs = model.simulate(sets.theta, study.surrogate.outputs)
        at = np.arange(len(cube.cells)) % len(self._simulated)
        cells = model.cell_parameters.select(at)
        static_names, statics = static_descriptors(cells)
        daily_names, daily = daily_descriptors(cells, cube.time)
        return SurrogateData(
            space=study.space,
            cells=cube.cells,
            time=cube.time,
            forcing=cube.forcing(),
            statics=statics,
            static_names=static_names,
            theta=sets.theta[at],
            kind=np.array(["prior"] + ["common"] * config.common + ["own"] * config.own),
            held_out=sets.labels["held_out"][1][at],
            runs={name: values[at].astype(np.float32) for name, values in runs.items()},
            trained=cube.trained,
            training=cube.period("train").mask(cube.time),
            daily=daily,
            daily_names=daily_names,
            spin_up=study.process.spin_up.days,
        )


@contextmanager
def rehearse(study: Study, seconds: float = 2.0) -> Iterator[Rehearsal]:
    """Context of a rehearsal in a temporary folder; each of its longest trials takes about ``seconds``."""
    with tempfile.TemporaryDirectory(prefix="paraformer-plan-") as folder:
        yield Rehearsal(study, Path(folder), seconds)


def disk_of(path: Path) -> int:
    """Bytes of a file, or of a folder's files."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _some(positions: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the positions, drawn at random, in order; always the same ones."""
    drawn = generator(0, "plan").permutation(positions.size)[:count]
    return positions[np.sort(drawn)]


def _positive(time: Time) -> Time:
    return Time(max(time.core, 0.0), max(time.wall, 0.0))
