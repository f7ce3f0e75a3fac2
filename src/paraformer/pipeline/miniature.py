"""A study in miniature: some of its cells and a few steps through the whole chain, to see what a unit of work costs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from paraformer.config import Study
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress, warnings_alone
from paraformer.core.netcdf import write_dataset
from paraformer.core.run import Run
from paraformer.core.seeding import generator
from paraformer.data.config import DataConfig, Split
from paraformer.data.quality import check
from paraformer.pipeline.stages import Chain
from paraformer.process.config import LocalExecutor
from paraformer.routing.basins import RiverBasins
from paraformer.routing.files import read_network
from paraformer.search.config import FlowMisfitConfig, RandomConfig

_TRAINED, _UNSEEN, _WORLD = 64, 16, (8, 12)
"""Cells of the sample, drawn at random because snow and tiles make their costs differ by half of the mean; most rows
and columns of a built-in world."""
_STEPS, _TRAINS = (2, 12), ("gap_filling", "surrogate", "parameters/", "references")
"""Steps of its trainings, and the stages that have some."""
_FLOW = "planned_flow"
"""Flow of the cells of a river in miniature."""
SEARCH, BUDGET = "parameters/surrogate runs", 8
"""The one search of a miniature, and its runs of the surrogate a cell."""


class Size(NamedTuple):
    """How much there is: cells, trained cells, days of the cube, days up to the end of training, steps of a day."""

    cells: int
    trained: int
    days: int
    train_days: int
    steps: int

    def scaled(self, cells: int) -> Size:
        """The same with another number of cells, trained ones in proportion."""
        return self._replace(cells=cells, trained=max(1, round(cells * self.trained / self.cells)))


class Unit(NamedTuple):
    """A stage of the miniature: time beside its training steps, and of a step [core s, wall s]; bytes on disk of what
    grows with cells, and of networks."""

    rest: np.ndarray
    step: np.ndarray
    grown: int
    fixed: int


class Miniature(NamedTuple):
    """Sizes of the study and of its miniature, the miniature's stages, the runs of its ensemble, how many runs of the
    process model the gradient of one takes, and the cells of the largest basin, which a batch holds as a whole."""

    whole: Size
    small: Size
    units: Mapping[str, Unit]
    runs: int
    gradient: int
    basin: int = 1


def measure(study: Study) -> Miniature:
    """Run a study in miniature, once for what is compiled and loaded first, then with few and with more steps."""
    with warnings_alone(), tempfile.TemporaryDirectory(prefix="paraformer-plan-") as place:
        folder, anchors = Path(place), study.surrogate.anchors
        data, cells, trained = _sample(study, folder)
        _run(_small(study, data, _STEPS[0], 0), folder / "first")
        (_, few), (chain, more) = (_run(_small(study, data, steps, anchors), folder / "run") for steps in _STEPS)
        units = {}
        for name, taken in few.items():
            step = np.maximum(more[name] - taken, 0.0) / (_STEPS[1] - _STEPS[0])
            step *= name.startswith(_TRAINS) and name != SEARCH
            files = {p: p.stat().st_size for p in (folder / "run" / name).rglob("*") if p.is_file()}
            fixed = sum(size for p, size in files.items() if p.name.startswith(("network", "member", "model.json")))
            units[name] = Unit(np.maximum(taken - _STEPS[0] * step, 0.0), step, sum(files.values()) - fixed, fixed)
        cube, gradient = chain._cube, chain._differentiable().runs_per_gradient
        days, steps = (len(cube.time), chain._training_days), int(cube.dataset.sizes.get("step", 1))
        size = Size(len(cube.cells), int(cube.trained.sum()), *days, steps)
        whole = size._replace(cells=cells, trained=trained) if trained else size.scaled(cells)
        flow, basins = study.data.streamflow, chain._basins
        if flow is not None and flow.network is not None:
            basins = RiverBasins(read_network(flow.network), None)
        largest = 1 if basins is None else max(map(len, basins.cells))
        return Miniature(whole, size, units, chain.done["ensemble"].runs, gradient, largest)


def _run(study: Study, folder: Path) -> tuple[Chain, dict[str, np.ndarray]]:
    """The chain, and what its stages took."""
    with Run(folder) as run:
        chain = Chain(study, run, Progress())
        chain.run_until("scores")
    stages = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return chain, {name: np.array([stage["cpu_s"], stage["wall_s"]]) for name, stage in stages.items()}


def _sample(study: Study, folder: Path) -> tuple[DataConfig, int, int]:
    """Data of the miniature; cells and trained cells of the study, 0 where their share is that of the miniature."""
    data, world, flow = study.data, study.data.synthetic, study.data.streamflow
    if data.source == "synthetic" and world is not None:
        least = {"rows": min(world.rows, _WORLD[0]), "columns": min(world.columns, _WORLD[1])}
        return data.model_copy(update={"synthetic": world.model_copy(update=least)}), world.rows * world.columns, 0
    if data.source != "cells":
        raise SettingsError(f"plan: source '{data.source}' has no cells yet; run 'cube', plan with the file it makes")
    selection = check(data)
    try:
        kinds = ((selection.trained, _TRAINED), (~selection.trained, _UNSEEN))
        trained, unseen = (generator(0, "plan").permutation(selection.position[of])[:most] for of, most in kinds)
        position = np.sort(np.concatenate([trained, unseen]))
        labels = np.where(np.isin(position, trained), "train", "unseen")
        whole = selection.file.dataset
        assert isinstance(whole, xr.Dataset)  # as every file is read
        dataset = whole.isel(cell=position).load().drop_encoding()
        if flow is not None and flow.network is not None:
            rain = selection.file.series("prcp", position).mean(axis=2, dtype=np.float64)
            dataset = _one_cell_basins(dataset, rain, selection.file.days)
            alone = {"network": None, "observed": None, "variable": _FLOW, "routing": None if flow.learned else ()}
            flow = flow.model_copy(update=alone)
        write_dataset(dataset.assign(planned=("cell", labels)), folder / "sample.nc")
    finally:
        selection.file.close()
    split = Split(variable="planned", trained=("train",), unseen=("unseen",) if unseen.size else ())
    sample = data.model_copy(update={"path": folder / "sample.nc", "split": split, "streamflow": flow})
    return sample, len(selection.cells), int(selection.trained.sum())


def _one_cell_basins(dataset: xr.Dataset, rain: np.ndarray, days: np.ndarray) -> xr.Dataset:
    """Cells as basins of their own: a few cells of a river are none. All of their rain is their flow, which costs what
    any flow does; routing costs little beside the runs."""
    flow = (("cell", "date"), rain, {"units": "mm day-1"})
    area = ("cell", np.ones(len(rain)), {"units": "km2"})
    named = dataset.drop_vars("gauge_id", errors="ignore").assign_coords(date=days.astype("datetime64[ns]"))
    return named.assign({_FLOW: flow, "area_km2": area})


def _search(study: Study) -> RandomConfig:
    """A search of the miniature; of flow where there is nothing else."""
    if study.moisture:
        return RandomConfig(budget=BUDGET, model="surrogate")
    return RandomConfig(budget=BUDGET, model="surrogate", targets="streamflow", flow=FlowMisfitConfig(min_days=2))


def with_needed(study: Study, outputs: Sequence[str]) -> tuple[str, ...]:
    """Outputs of the miniature's ensemble and surrogate: also what learners and the search need that in the study go
    through the process model alone."""
    needed = [name for learner in study.learners.values() if learner.targets for name in learner.targets.outputs]
    return tuple(dict.fromkeys([*outputs, *needed, *(() if study.moisture else ("runoff", "baseflow"))]))


def _small(study: Study, data: DataConfig, steps: int, anchors: int) -> Study:
    """The study on other data, with few steps and sets, one seed, one member, and no search but one."""

    def few(config: Any, **also: Any) -> Any:
        short = {"steps": steps, "epochs": None, "checkpoint_steps": None, "checkpoint_seconds": None}
        given = {key: value for key, value in short.items() if hasattr(config.training, key)}
        return config.model_copy(update={"training": config.training.model_copy(update=given), **also})

    direct, own = study.references.direct, study.ensemble.held_out + max(2, study.surrogate.sets(6))
    alone = {"members": 1, "simulator": "surrogate", "refinement": None}
    changes = {
        "data": data,
        "process": study.process.model_copy(update={"executor": LocalExecutor()}),
        "ensemble": study.ensemble.model_copy(
            update={"common": max(anchors, 1), "own": own, "outputs": with_needed(study, study.ensemble.outputs)}
        ),
        "surrogate": few(study.surrogate, anchors=anchors, outputs=with_needed(study, study.surrogate.outputs)),
        "gap_filling": study.gap_filling and few(study.gap_filling),
        "learners": {name: few(learner, **alone) for name, learner in study.learners.items()},
        "searches": {SEARCH.removeprefix("parameters/"): _search(study)},
        "references": study.references.model_copy(update={"seeds": 1, "direct": direct and few(direct)}),
        "evaluation": study.evaluation.model_copy(update={"transfers": None}),
        "report": study.report.model_copy(update={"sites": ()}),
        **dict.fromkeys(("learner_seeds", "search_seeds"), 1),
        **dict.fromkeys(("rounds", "cross_validation", "uncertainty")),
    }
    return study.model_copy(update=changes)
