"""``plan``: cells, runs, core-hours, memory and disk of every stage, before anything starts.

Prices are measured in a rehearsal on this machine; what is not worth measuring is a documented constant.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass

from paraformer.config import Study
from paraformer.core.errors import SettingsError
from paraformer.learners.config import LearnerConfig
from paraformer.pipeline.consistent import require_consistent
from paraformer.pipeline.rehearsal import Rehearsal, Size, disk_of, rehearse
from paraformer.pipeline.rounds import followed
from paraformer.process.cost import DAYS_PER_YEAR, Archive, Time
from paraformer.surrogate.audit import AuditConfig

_FIGURES, _FIGURES_OF_METHOD = Time(17.0, 18.0), Time(6.0, 6.0)
_FIGURES_DISK, _FIGURES_DISK_OF_METHOD = 4e6, 1e6
"""Figures and page of a study, and what each search and learner adds [s, byte]: measured on the built-in world with two
and with four of them; more cells change little."""

_OUTPUTS = 4
"""Series the verdict keeps of every run."""

_DAILY_INPUTS = 12
"""Daily series a surrogate keeps of every cell beside its anchors: forcing, season, leaf area and the like."""


@dataclass(frozen=True)
class StagePlan:
    """One stage: process-model runs, time [s], memory and disk [byte]. A search's runs are its budget: an upper end."""

    name: str
    runs: int
    time: Time
    memory: float
    disk: float


@dataclass(frozen=True)
class Plan:
    """A study's stages and size, and what the rehearsal found."""

    study: str
    size: Size
    stages: tuple[StagePlan, ...]
    prices: str

    @property
    def total(self) -> StagePlan:
        """Sums; of memory the largest."""
        parts = [s.time for s in self.stages]
        time = Time(sum(t.core for t in parts), sum(t.wall for t in parts))
        return StagePlan(
            "total",
            sum(s.runs for s in self.stages),
            time,
            max(s.memory for s in self.stages),
            sum(s.disk for s in self.stages),
        )

    def to_text(self, cores: int | None = None) -> str:
        """As a table; with ``cores``, also the hours if so many cores share the process model's runs evenly."""
        lines = [
            f"plan of {self.study}: {self.size.cells:,} cells ({self.size.trained:,} trained), {self.size.days:,} days",
            f"  measured on this machine: {self.prices}",
            f"  {'stage':28s} {'runs':>15s} {'core-hours':>12s} {'hours here':>12s} {'memory':>10s} {'disk':>10s}",
        ]
        for s in (*self.stages, self.total):
            hours, here = s.time.core / 3600, s.time.wall / 3600
            lines.append(
                f"  {s.name:28s} {s.runs:15,d} {_short(hours):>12s} {_short(here):>12s} "
                f"{_bytes(s.memory):>10s} {_bytes(s.disk):>10s}"
            )
        if cores is not None:
            shared = [s for s in self.stages if s.runs and s.name != "cube"]
            spread = sum(s.time.core for s in shared) / cores / 3600
            rest = sum(s.time.wall for s in self.stages if s not in shared) / 3600
            lines.append(
                f"  on {cores:,} cores: {_short(spread)} hours of process model, "
                f"{_short(rest)} of the rest on one machine like this one"
            )
        return "\n".join(lines)


def plan_study(study: Study, *, cells: int | None = None) -> Plan:
    """Plan a study, or the same study with another number of cells.

    Raises:
        SettingsError: settings that contradict each other, a number of cells below 1, or a model other than VIC.
        DataError: the first problem of the data.
    """
    require_consistent(study)
    if study.process.model != "vic":
        raise SettingsError(f"plan: only process.model 'vic' can be rehearsed, not '{study.process.model}'")
    with rehearse(study) as rehearsal:
        return plan_of(study, rehearsal, cells=cells)


def plan_of(study: Study, rehearsal: Rehearsal, *, cells: int | None = None) -> Plan:
    """As ``plan_study``, from a rehearsal that is there."""
    if cells is not None and cells < 1:
        raise SettingsError(f"--cells {cells}: a plan needs at least one cell")
    size = rehearsal.size if cells is None else rehearsal.size.scaled(cells)
    stages = tuple(_stages(study, rehearsal, size))
    words = (
        f"{1000 * rehearsal.process.run.core:.2f} core-ms a process-model run and year, "
        f"{1000 * rehearsal.surrogate_price.step.core:.0f} a step of the surrogate's fit, "
        f"{rehearsal.process.value:.2f} bytes a stored value"
    )
    return Plan(study.name, size, stages, words)


def _stages(study: Study, rehearsal: Rehearsal, size: Size) -> Iterator[StagePlan]:
    base = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # interpreter and compiled code
    theta = 8.0 * len(study.parameters) * size.cells
    chunk = 8.0 * 3 * 8 * study.data.chunk_cells * size.days * size.steps
    kept = 4.0 * size.cells * size.days * (study.surrogate.anchors * len(study.surrogate.outputs) + _DAILY_INPUTS)
    world = size.cells if study.data.source == "synthetic" else 0
    yield StagePlan("cube", world, rehearsal.cube_time * size.cells, base + chunk, rehearsal.cube_disk * size.cells)
    if study.gap_filling is not None:
        price = rehearsal.gap_filling_price(size.cells, study.gap_filling.training.steps)
        yield StagePlan("gap_filling", 0, price, base + 4.0 * 20 * size.cells * size.days, 4.0 * size.cells * size.days)
    yield _ensemble(study, rehearsal, size, base, theta)
    yield _surrogate(study, rehearsal, size, base + kept, kept)
    yield from _rounds(study, rehearsal, size, base + kept, kept)
    yield from _parameters(study, rehearsal, size, base + kept)
    if study.references.direct is not None:
        steps = study.references.direct.training.steps
        price = rehearsal.direct_price(size.cells, steps) * study.references.seeds
        disk = 4.0 * size.cells * size.days * study.references.seeds
        yield StagePlan("references", 0, price, base + 4.0 * 20 * size.cells * size.days, disk)
    yield from _judging(study, rehearsal, size, base + kept + theta)
    methods = len(study.calibrators)
    yield StagePlan(
        "figures", 0, _FIGURES + _FIGURES_OF_METHOD * methods, base, _FIGURES_DISK + _FIGURES_DISK_OF_METHOD * methods
    )


def _archive(study: Study, size: Size, sets: int, outputs: int) -> Archive:
    return Archive(size.cells, sets, size.days, outputs, study.ensemble.chunk_cells, study.process.spin_up)


def _ensemble(study: Study, rehearsal: Rehearsal, size: Size, base: float, theta: float) -> StagePlan:
    sets = 1 + study.ensemble.common + study.ensemble.own
    archive, cost = _archive(study, size, sets, len(study.ensemble.outputs)), rehearsal.process
    memory = base + 2 * theta * sets + cost.memory(archive, study.process.vic.snow_steps_per_day)
    return StagePlan("ensemble", archive.runs, cost.time(archive), memory, cost.disk(archive) + theta * sets)


def _surrogate(study: Study, rehearsal: Rehearsal, size: Size, base: float, kept: float) -> StagePlan:
    """Fit and audit; the fit holds the whole ensemble, with three copies of one output while it is normalised."""
    sets = 1 + study.ensemble.common + study.ensemble.own
    fit = rehearsal.surrogate_price(size.cells, study.surrogate.training.steps)
    audit = rehearsal.surrogate_run * (size.cells * study.ensemble.held_out)
    series = 4.0 * size.cells * sets * size.days
    return StagePlan("surrogate", 0, fit + audit, base + series * (len(study.surrogate.outputs) + 3), kept)


def _rounds(study: Study, rehearsal: Rehearsal, size: Size, base: float, kept: float) -> Iterator[StagePlan]:
    """Every round that may come: one seed of each learner followed, runs near its θ, more of the fit."""
    config = study.rounds
    if config is None:
        return
    learners, cost = followed(study, config), rehearsal.process
    archive = _archive(study, size, len(learners) * (1 + config.perturbations), len(study.surrogate.outputs))
    one = cost.time(archive) + rehearsal.surrogate_price(size.cells, config.training.steps)
    for name, learner in learners.items():
        one += rehearsal.learner_price(name)(size.cells, _steps(study, learner, size)) * learner.members
    series = 4.0 * size.cells * size.days * (1 + study.ensemble.common + study.ensemble.own)
    series += 4.0 * archive.runs * size.days * config.rounds
    memory = base + series * (len(study.surrogate.outputs) + 3)
    disk = (cost.disk(archive) + kept) * config.rounds
    yield StagePlan("rounds", archive.runs * config.rounds, one * config.rounds, memory, disk)


def _parameters(study: Study, rehearsal: Rehearsal, size: Size, base: float) -> Iterator[StagePlan]:
    file = disk_of(rehearsal.files.parameters) * (size.cells / rehearsal.size.cells)
    for name, search in study.searches.items():
        runs = size.cells * search.budget * study.search_seeds
        archive = Archive(
            size.cells, search.budget, size.train_days, 1, study.ensemble.chunk_cells, study.process.spin_up
        )
        own = search.model == "process"
        share = size.train_days / size.days
        time = rehearsal.process.time(archive) * study.search_seeds if own else rehearsal.surrogate_run * (runs * share)
        yield StagePlan(f"parameters/{name}", runs if own else 0, time, base, file * study.search_seeds)
    for name, learner in study.learners.items():
        price, members = rehearsal.learner_price(name), learner.members * study.learner_seeds
        through_surrogate = _steps(study, learner, size) if learner.simulator != "process" else 0
        runs = _process_runs(study, learner, size) * members
        time = price(size.cells, through_surrogate) * members + rehearsal.process.run * (runs * _years(study, size))
        disk = (file + price.disk * learner.members) * study.learner_seeds
        yield StagePlan(f"parameters/{name}", runs, time, base, disk)


def _steps(study: Study, learner: LearnerConfig, size: Size) -> int:
    """Steps of one member; of epochs as many as these come to if every trained cell is observed."""
    return learner.steps(size.trained, study.data.train.days)


def _process_runs(study: Study, learner: LearnerConfig, size: Size) -> int:
    """Process-model runs of one member's gradients; a few of a-priori lines are left out."""
    if learner.simulator == "surrogate":
        return 0
    through_process = learner.refined()
    batch = min(through_process.cells_per_batch, size.trained)
    return _steps(study, through_process, size) * batch * (2 * len(study.parameters) + 1)


def _years(study: Study, size: Size) -> float:
    """Years of a run on the days of training, spin-up included."""
    return (size.train_days + study.process.spin_up.days * study.process.spin_up.cycles) / DAYS_PER_YEAR


def _judging(study: Study, rehearsal: Rehearsal, size: Size, base: float) -> Iterator[StagePlan]:
    """The verdict (default θ, best of the ensemble twice, every seed of every method, the audit near their θ), and the
    scores made of it."""
    fields = 2 + sum(study.calibrators.values()) + (study.data.source == "synthetic")
    near = len(study.calibrators) * (1 + AuditConfig().perturbations)
    cost = rehearsal.process
    judged = _archive(study, size, 1 + fields, _OUTPUTS)
    time = cost.time(judged) + cost.time(_archive(study, size, near, 1))
    time += rehearsal.surrogate_run * (size.cells * near)
    memory = base + 8.0 * size.cells * size.days * (4 + fields)
    yield StagePlan("verdict", size.cells * (1 + fields + near), time, memory, cost.disk(judged))
    tables = rehearsal.surrogate_run * (size.cells * fields) + rehearsal.score_price * (size.cells * (2 * fields + 5))
    yield StagePlan("scores", 0, tables, memory, 0.0)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} PB"
