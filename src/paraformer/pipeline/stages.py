"""The stages of one study as a table: what each reads, on which settings its result depends, what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from paraformer.config import Study
from paraformer.core.conventions import FILES
from paraformer.core.files import hash_path
from paraformer.core.log import Progress
from paraformer.core.names import STAGES
from paraformer.core.own_code import source_of
from paraformer.core.results import Results
from paraformer.core.run import Run
from paraformer.core.run_files import SCORES_LAYOUT
from paraformer.data.gather import source_hash
from paraformer.learners.config import LearnerConfig, OwnConfig, OwnHistoryConfig
from paraformer.learners.own import source_of_network
from paraformer.pipeline.closing import closing_words
from paraformer.pipeline.consistent import extent_of, require_consistent, require_fits
from paraformer.pipeline.folds import require_folds
from paraformer.pipeline.released import folder_of
from paraformer.pipeline.rounds import followed, good_enough
from paraformer.pipeline.stage import StageSpec, parts, settings_of
from paraformer.pipeline.streamflow import flow_hashes
from paraformer.pipeline.verdict import deeper
from paraformer.pipeline.work import Work
from paraformer.process.files import process_files
from paraformer.report.series import site_positions
from paraformer.search.config import OwnSearchConfig
from paraformer.training.threads import own_threads


class Chain(Work):
    """The table of stages of a study, and the run that finishes one after the other."""

    def __init__(self, study: Study, run: Run, progress: Progress) -> None:
        require_consistent(study)
        super().__init__(study, run, progress)

    def run_until(self, last: str) -> None:
        """Finish every stage up to and including those of ``last`` (one of ``STAGES``)."""
        for group in STAGES[: STAGES.index(last) + 1]:
            for spec in getattr(self, group)():
                self._finish(spec)
            if group == "cube":
                require_fits(self.study, extent_of(self._cube))
                require_folds(self.study, self._cube.lat, self._cube.lon, self._cube.trained)
                site_positions(self.study.report.sites, self._cube.cells)  # one that is not there, before any work
            if group == "report":
                self._write_page()

    def _finish(self, spec: StageSpec) -> None:
        inputs = {name: self.done[name].hash for name in spec.reads if name in self.done}
        with self.workers():
            self.done[spec.name] = self.run.stage(
                spec.name,
                settings=dict(spec.depends),
                inputs={**spec.files, **inputs},
                work=spec.work,
                threads=own_threads() if spec.trains else None,
            )

    def cube(self) -> Iterator[StageSpec]:
        """Raw files, or the built-in world, to the cube."""
        study, synthetic = self.study, self.study.data.source == "synthetic"
        made_of = ("data", "seed", "parameters", "process") if synthetic else ("data",)
        files = {} if synthetic else {"data": source_hash(study.data)}
        own_model = study.process.model != "vic"
        if own_model if synthetic else study.data.land_attributes:
            files |= process_files(study.process, {}).hashes()
        yield StageSpec("cube", (), parts(study, *made_of), self._build_cube, files)

    def streamflow(self) -> Iterator[StageSpec]:
        """The river on the study's cells and the flow of its gauges, where the study has them."""
        config = self.study.data.streamflow
        if config is not None:
            depends = {"streamflow": settings_of(config, "network", "observed")}
            yield StageSpec("streamflow", ("cube",), depends, self._open_river, flow_hashes(self.study))

    def gap_filling(self) -> Iterator[StageSpec]:
        """A seamless series of the observations, where the study asks for one."""
        study, config = self.study, self.study.gap_filling
        if config is not None:
            depends = parts(study, "seed", gap_filling=settings_of(config))
            yield StageSpec("gap_filling", ("cube",), depends, self._fill_gaps, {}, trains=True)

    def ensemble(self) -> Iterator[StageSpec]:
        """Many θ of every cell through the process model."""
        if not self.study.emulated:
            return
        depends = parts(self.study, "parameters", "process", "seed", "ensemble", layout=FILES)
        yield StageSpec("ensemble", ("cube",), depends, self._run_ensemble, self._file_hashes)

    def surrogate(self) -> Iterator[StageSpec]:
        """The ensemble to a differentiable surrogate, audited on θ it has not seen."""
        if not self.study.emulated:
            return
        depends = parts(self.study, "surrogate", "seed")
        yield StageSpec("surrogate", ("cube", "ensemble"), depends, self._fit_surrogate, {}, trains=True)

    def rounds(self) -> Iterator[StageSpec]:
        """Refine rounds, where the study asks for them; ``surrogate`` is the last one's from here on."""
        study, config = self.study, self.study.rounds
        if config is None:
            return
        learners = {name: settings_of(learner) for name, learner in followed(study, config).items()}
        named = ("least_days", "seed", "process", "surrogate")
        depends = parts(study, *named, rounds=settings_of(config), learners=learners)
        reads = ("cube", "ensemble", "surrogate", "gap_filling")
        for number in range(config.rounds):
            name, last = f"rounds/{number}/runs", f"rounds/{number}/surrogate"
            yield StageSpec(name, reads, depends, partial(self._round, number), self._file_hashes, trains=True)
            if good_enough(self.done[name].path):
                return
            go_on = partial(self._continue_surrogate, number)
            yield StageSpec(last, (*reads, name), depends, go_on, self._file_hashes, trains=True)
            self.done["surrogate"] = self.done[last]

    def parameters(self) -> Iterator[StageSpec]:
        """θ of every cell: every search and every learner through its forward model."""
        study = self.study
        for name, search in study.searches.items():
            depends = parts(study, "search_seeds", "seed", search=search.numerical())
            reads: tuple[str, ...] = ("cube", "streamflow") if search.of_flow else ("cube",)
            if search.model == "process":
                depends |= parts(study, "process", "parameters")
            else:
                reads += ("surrogate",)
            if isinstance(search, OwnSearchConfig):
                depends["code"] = hash_path(source_of(search.name, search.module_folder, "searches.name"))
            work = partial(self._search, name, search)
            yield StageSpec(f"parameters/{name}", reads, depends, work, self._file_hashes)
        for name, learner in study.learners.items():
            depends, reads = self._learning(learner, "learner_seeds")
            work = partial(self._learn, name, learner)
            yield StageSpec(f"parameters/{name}", reads, depends, work, self._file_hashes, trains=True)

    def _learning(self, learner: LearnerConfig, *more: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What a trained learner depends on, and the stages it reads."""
        depends = parts(self.study, *more, "seed", learner=settings_of(learner, "start_from"))
        if learner.start_from is not None:
            depends["start_from"] = hash_path(folder_of(learner.start_from))
        if isinstance(learner.network, OwnConfig | OwnHistoryConfig):
            depends["code"] = hash_path(source_of_network(learner.network))
        reads: tuple[str, ...] = ("cube",)
        if learner.simulator != "process":
            reads += ("surrogate",)
        if learner.simulator != "surrogate":
            depends |= parts(self.study, "process", "parameters")
        if learner.observations != "masked":
            reads += ("gap_filling",)
        if learner.of_streamflow:
            reads += ("streamflow",)
        return depends, reads

    def cross_validation(self) -> Iterator[StageSpec]:
        """Every learner without each fold of blocks of trained cells, where the study asks for it."""
        if self.study.cross_validation is None:
            return
        for name, learner in self.study.learners.items():
            more = ("cross_validation", "least_days", "process", "parameters")
            depends, reads = self._learning(learner, *more)
            work = partial(self._cross_validate, name, learner)
            yield StageSpec(f"cross_validation/{name}", reads, depends, work, self._file_hashes, trains=True)

    def uncertainty(self) -> Iterator[StageSpec]:
        """Posterior of θ around what some methods found, where the study asks for it."""
        study, config = self.study, self.study.uncertainty
        if config is not None:
            depends = parts(study, "process", "seed", "parameters", uncertainty=settings_of(config), layout=FILES)
            reads = ("cube", *(f"parameters/{name}" for name in config.methods))
            yield StageSpec("uncertainty", reads, depends, self._sample_posterior, self._file_hashes)

    def references(self) -> Iterator[StageSpec]:
        """Reference rows that have to be trained."""
        study, direct = self.study, self.study.references.direct
        if direct is not None:
            depends = parts(study, "seed", direct=settings_of(direct), seeds=study.references.seeds)
            yield StageSpec("references", ("cube",), depends, self._train_direct, {}, trains=True)

    def verdict(self) -> Iterator[StageSpec]:
        """The process model's own run of every θ; of the evaluation, only what decides which θ these are."""
        depends = parts(self.study, "process", "seed", "least_days", "transfers", deeper=deeper(self.study) or None)
        reads = ("cube", "ensemble", "surrogate", *self._learned)
        yield StageSpec("verdict", reads, depends, self._judge, self._file_hashes)

    def scores(self) -> Iterator[StageSpec]:
        """Tables of the verdict."""
        more = tuple(name for name in self.done if name.startswith(("rounds/", "cross_validation/")))
        reads = ("cube", "streamflow", "ensemble", "surrogate", "references", "verdict", *self._learned, *more)
        depends = parts(self.study, "evaluation", "seed", layout=SCORES_LAYOUT)
        yield StageSpec("scores", reads, depends, self._write_scores, {})

    def report(self) -> Iterator[StageSpec]:
        """Figures; the page that holds them is written anew every time."""
        learned = (f"parameters/{name}" for name in self.study.learners)  # attention is drawn from the maps themselves
        reads = ("cube", "surrogate", "scores", "verdict", "uncertainty", *learned)
        yield StageSpec("figures", reads, parts(self.study, "report"), self._draw, {})

    @property
    def _learned(self) -> tuple[str, ...]:
        return tuple(f"parameters/{name}" for name in self.study.calibrators)

    def summary(self) -> str:
        """What to tell the user at the end."""
        return closing_words(self.study, Results(self.run.directory), self.done)
