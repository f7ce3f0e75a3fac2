"""``plan``: cells, runs, core-hours, memory and disk of every stage, before anything starts.

Runs, steps and bytes are counted; what one of them costs is measured on a study in miniature.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from paraformer.config import Study
from paraformer.core.errors import SettingsError
from paraformer.core.log import duration
from paraformer.core.text_table import to_text
from paraformer.learners.config import LearnerConfig
from paraformer.pipeline.consistent import require_consistent
from paraformer.pipeline.miniature import BUDGET, SEARCH, Miniature, Size, measure, with_needed
from paraformer.pipeline.rounds import followed
from paraformer.pipeline.world import TOGETHER
from paraformer.process.ensemble import chunk_bytes
from paraformer.search.config import of_streamflow
from paraformer.surrogate.audit import AuditConfig
from paraformer.surrogate.config import RoundsConfig

_FIGURES, _FIGURES_DISK = (18.0, 6.0), (4e6, 1e6)
"""Time of figures and page [s] and bytes, and what each search and learner adds; measured on the built-in world."""


class StagePlan(NamedTuple):
    """One stage: process-model runs, time [core s, wall s], memory and disk [byte]. A search's runs are its budget."""

    name: str
    runs: int
    time: np.ndarray
    memory: float
    disk: float


class Plan(NamedTuple):
    """A study's name, size and stages."""

    study: str
    size: Size
    stages: tuple[StagePlan, ...]

    @property
    def total(self) -> StagePlan:
        """Sums; of memory the largest."""
        _, runs, time, memory, disk = zip(*self.stages, strict=True)
        return StagePlan("total", sum(runs), np.sum(time, axis=0), max(memory), sum(disk))

    def to_text(self, cores: int | None = None) -> str:
        """As a table; with ``cores``, also the time if so many cores share the process model's runs evenly."""
        size, stages = self.size, (*self.stages, self.total)
        told = [f"plan of {self.study}: {size.cells:,} cells ({size.trained:,} trained), {size.days:,} days"]
        rows = [
            (s.name, f"{s.runs:,}", *map(duration, s.time), *(f"{size / 1e9:.2g} GB" for size in (s.memory, s.disk)))
            for s in stages
        ]
        told.append(to_text(pd.DataFrame(rows, columns=["stage", "runs", "CPU time", "wall time", "memory", "disk"])))
        if cores is not None:
            spread = sum(s.time[0] for s in self.stages if s.runs and s.name != "cube") / cores
            rest = sum(s.time[1] for s in self.stages if not s.runs or s.name == "cube")
            told.append(
                f"on {cores:,} cores: {duration(spread)} of process model, {duration(rest)} of the rest on one such"
            )
        return "\n".join(told)


def plan_study(study: Study, *, cells: int | None = None) -> Plan:
    """Plan a study, or the same study with another number of cells.

    Raises:
        SettingsError: settings that contradict each other, a number of cells below 1, or data that are no cells yet.
        DataError: the first problem of the data.
    """
    if cells is not None and cells < 1:
        raise SettingsError(f"--cells {cells}: a plan needs at least one cell")
    require_consistent(study)
    return plan_of(study, measure(study), cells)


def plan_of(study: Study, small: Miniature, cells: int | None = None) -> Plan:
    """As ``plan_study``, from what a miniature took."""
    size = small.whole if cells is None else small.whole.scaled(cells)
    return Plan(study.name, size, tuple(_Counted(study, small, size).stages()))


class _Counted:
    """Counts of a study's work, times what a unit of it costs."""

    def __init__(self, study: Study, small: Miniature, size: Size) -> None:
        self.study, self.size, self.few, self.units = study, size, small.small, small.units
        self.gradient, self.basin = small.gradient, small.basin
        self.base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0  # interpreter and compiled code
        self.factor, self.series = size.cells / self.few.cells, 4.0 * size.cells * size.days
        self.run = self.units["ensemble"].rest / small.runs  # a run over all days
        self.value = self.units["ensemble"].grown / (
            small.runs * self.few.days * len(with_needed(study, study.ensemble.outputs))
        )
        spin_up = study.process.spin_up.days * study.process.spin_up.cycles
        self.short = (size.train_days + spin_up) / (size.days + spin_up)  # of a run up to the end of training
        self.kept = self._disk("surrogate")

    def stages(self) -> Iterator[StagePlan]:
        """Every stage of the chain, in its order."""
        study, cells, series = self.study, self.size.cells, self.series
        made = cells if study.data.source == "synthetic" else 0
        yield self._stage("cube", memory=self._cube(made))._replace(runs=made)
        if study.data.streamflow is not None:
            yield self._stage("streamflow", memory=6 * series)
        if study.gap_filling is not None:
            yield self._trained("gap_filling", study.gap_filling, 20 * series)
        if study.emulated:
            yield from self._emulated()
        if study.rounds is not None:
            yield self._rounds(study.rounds, self._held)
        for name, search in study.searches.items():
            budget, disk = search.budget * study.search_seeds, self._disk(SEARCH) * study.search_seeds
            runs, share = (cells * budget, 0.0) if search.model == "process" else (0, budget / BUDGET)
            if of_streamflow(search) and search.find == "routing":
                runs = cells * study.search_seeds  # the a-priori θ is run once
            one = self._stage(SEARCH, share=share, runs=runs, of=self.short, memory=self.kept, disk=disk)
            yield one._replace(name=f"parameters/{name}")
        for name, learner in study.learners.items():
            yield self._learned(name, learner, self.size.trained, study.learner_seeds)
        if study.cross_validation is not None:
            for name, learner in study.learners.items():
                yield self._kept_aside(name, learner, study.cross_validation.folds)
        if study.uncertainty is not None:
            config = study.uncertainty
            each, methods = 2 * len(study.parameters) + 1 + config.rounds * config.draws, len(config.methods)
            memory = self._chunk(each, 1) + 8.0 * 5 * 32 * each * self.size.days  # five series of a block of 32 cells
            time = self.run * (runs := cells * each * methods)
            yield StagePlan("uncertainty", runs, time, self.base + memory, 8 * series * methods)
        if study.references.direct is not None:
            yield self._trained("references", study.references.direct, 20 * series, study.references.seeds)
        yield from self._judging()
        drawn, disk = (first + each * len(study.calibrators) for first, each in (_FIGURES, _FIGURES_DISK))
        yield StagePlan("figures", 0, np.full(2, drawn), self.base, disk)

    @property
    def _held(self) -> float:
        """Memory of the ensemble, and of one output thrice."""
        ensemble = self.study.ensemble
        sets = 1 + ensemble.common + ensemble.own
        return self.series * sets * (len(self.study.surrogate.outputs) + 3)

    def _emulated(self) -> Iterator[StagePlan]:
        """Ensemble and surrogate."""
        study, cells, series = self.study, self.size.cells, self.series
        sets, outputs = 1 + study.ensemble.common + study.ensemble.own, len(study.ensemble.outputs)
        theta, values = 8.0 * len(study.parameters) * cells * sets, series / 4 * sets * outputs * self.value
        memory = 2 * theta + self._chunk(sets, outputs)
        yield self._stage("ensemble", share=0.0, runs=cells * sets, memory=memory, disk=values + theta)
        yield self._trained("surrogate", study.surrogate, self._held)

    def _stage(
        self, name: str, *, share: float = 1.0, steps: float = 0.0, runs: int = 0, of: float = 1.0, **told: Any
    ) -> StagePlan:
        """``share`` of what its cells took in miniature, training steps, and runs of a share ``of`` all days."""
        unit, disk = self.units[name], told.get("disk", self._disk(name) * share)
        time = np.maximum(unit.rest * self.factor, 0.0) * share + unit.step * steps + self.run * runs * of
        return StagePlan(name, runs, time, self.base + told["memory"], disk)

    def _disk(self, name: str, nets: int = 1) -> float:
        return self.units[name].grown * self.factor + self.units[name].fixed * nets

    def _batches(self, steps: int, batch: int, trained: int) -> float:
        """Steps; one of a larger batch than the miniature's is taken to cost in proportion."""
        return steps * min(batch, trained) / min(batch, self.few.trained)

    def _trained(self, name: str, config: Any, memory: float, seeds: int = 1) -> StagePlan:
        steps = self._batches(config.training.steps, config.cells_per_batch, self.size.trained)
        return self._stage(name, share=seeds, steps=steps * seeds, memory=memory)

    def _learned(self, name: str, learner: LearnerConfig, trained: int, seeds: int) -> StagePlan:
        """Seeds of a learner of so many trained cells; process-model runs of an a-priori line are left out."""
        if not learner.has_gradient:
            return self._stage(f"parameters/{name}", share=seeds * trained / self.few.trained, memory=self.kept)
        days, nets, through = self.study.data.train.days, learner.members * seeds, learner.refined()
        least = self.basin if learner.of_streamflow else 1
        batch, refined = (max(each.cells_per_batch, least) for each in (learner, through))
        steps = self._batches(learner.steps(trained, days), batch, trained)
        runs = through.steps(trained, days) * min(refined, trained) * self.gradient
        stage = f"parameters/{name}"
        steps, runs = steps * (learner.simulator != "process"), runs * (learner.simulator != "surrogate")
        told: dict[str, Any] = {"memory": self.kept, "disk": self._disk(stage, learner.members) * seeds}
        return self._stage(stage, share=nets, steps=steps * nets, runs=runs * nets, of=self.short, **told)

    def _kept_aside(self, name: str, learner: LearnerConfig, folds: int) -> StagePlan:
        """A learner without each fold of the trained cells, and a run of the θ that it has in each of them."""
        trained = self.size.trained
        one = self._learned(name, learner, trained - trained // folds, folds)
        moist = trained if self.study.moisture else 0
        through = 2 * self.size.cells if learner.of_streamflow else 0  # its θ and the default's through its river
        time = one.time + self.run * (moist * self.short + through)
        return one._replace(name=f"cross_validation/{name}", runs=one.runs + moist + through, time=time)

    def _rounds(self, config: RoundsConfig, held: float) -> StagePlan:
        """Every round that may come: one seed of each learner followed, runs near its θ, more of the fit."""
        learners, number = followed(self.study, config), config.rounds
        fit = self._trained(
            "surrogate", self.study.surrogate.model_copy(update={"training": config.training}), 0.0, number
        )
        time = sum((self._learned(*each, self.size.trained, number).time for each in learners.items()), fit.time)
        sets = number * len(learners) * (1 + config.perturbations)
        runs, values = self.size.cells * sets, self.series / 4 * sets * len(self.study.surrogate.outputs)
        memory = self.base + held + 4 * values
        return StagePlan("rounds", runs, time + self.run * runs, memory, fit.disk + values * self.value)

    def _judging(self) -> Iterator[StagePlan]:
        """The verdict (default θ, best of the ensemble twice, every seed of every method, transfers, the audit near
        their θ), and the scores made of it; each in proportion to the miniature's."""
        study, by, near = self.study, self.study.evaluation.transfers, 1 + AuditConfig().perturbations
        carried = 0 if by is None else len(by.by) * study.calibrators.get(by.source, 1)
        more = 2 * study.moisture + (study.data.source == "synthetic")
        fields, few = more + carried + sum(study.calibrators.values()), more + 1 + len(study.learners)
        small = 1 + few + near * (1 + len(study.learners))
        sets = 1 + fields + (near * len(study.calibrators) if study.emulated else 0)
        memory, disk = 2 * self.series * (4 + fields), self._disk("verdict") * (1 + fields) / (1 + few)
        verdict = self._stage("verdict", share=sets / small, memory=memory, disk=disk)
        yield verdict._replace(runs=self.size.cells * sets)
        yield self._stage("scores", share=(2 * fields + 5) / (2 * few + 5), memory=memory)

    def _chunk(self, sets: int, outputs: int) -> float:
        """Memory of a chunk of cells while so many sets of it run."""
        cells = min(self.study.ensemble.chunk_cells, self.size.cells)
        return chunk_bytes(cells, sets, self.size.days, outputs, self.study.process.vic.snow_steps_per_day)

    def _cube(self, made: int) -> float:
        """Memory of a chunk of the cube; of a built-in world: weather of all cells, and runs of some (measured)."""
        run = 17 * self.study.process.vic.snow_steps_per_day * min(made, TOGETHER)
        chunk = 3 * 8 * self.study.data.chunk_cells * self.size.steps
        return 8.0 * self.size.days * max(10 * made + run, chunk)
