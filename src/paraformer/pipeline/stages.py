"""The stages of one study: what each reads, what its result depends on, what it writes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from paraformer.config import Study
from paraformer.core.files import write_text
from paraformer.core.log import Progress
from paraformer.core.run import Run
from paraformer.core.schema import Ensemble, ParameterField
from paraformer.data import build_cube, calibration_view, gather, source_hash
from paraformer.data.gapfill import fill_gaps
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner, process_runs
from paraformer.pipeline import report as reporting
from paraformer.pipeline.consistent import extent_of, require_consistent, require_fits, require_outputs
from paraformer.pipeline.emulation import fit_and_audit
from paraformer.pipeline.keys import process_of, settings_of, space_of
from paraformer.pipeline.opened import Opened
from paraformer.pipeline.references import train_direct
from paraformer.pipeline.rounds import Round, followed, good_enough, rounds_table, with_rounds
from paraformer.pipeline.uncertainty import Uncertain
from paraformer.pipeline.verdict import Judged, axes, holdout_of, judge, write_csv
from paraformer.pipeline.world import make_world
from paraformer.process.build import process_files
from paraformer.process.ensemble import ensemble_sets, run_sets
from paraformer.process.parameter_field import read_theta, write_parameter_field
from paraformer.report.tables import to_text
from paraformer.search.config import SearchConfig
from paraformer.search.search import Search
from paraformer.surrogate.model import Surrogate


class Chain(Opened):
    """Each public method finishes one stage and remembers it; later stages read what earlier ones left on disk."""

    def __init__(self, study: Study, run: Run, progress: Progress) -> None:
        require_consistent(study)
        super().__init__(study, run)
        self.progress = progress

    def cube(self) -> None:
        """Raw files, or the built-in world, to the cube."""
        study, synthetic = self.study, self.study.data.source == "synthetic"
        settings: dict[str, Any] = {"data": settings_of(study.data, "chunk_cells", "path")}
        if synthetic:
            settings |= {"seed": study.seed, "parameters": space_of(study), "process": process_of(study)}
        inputs = {} if synthetic else {"data": source_hash(study.data)}
        if synthetic and study.process.model != "vic":
            inputs |= process_files(study.process, {}).hashes()

        def work(path: Path) -> int:
            runs = make_world(study, path) if synthetic else 0
            gathered = path / "inputs.nc" if synthetic else gather(study.data, path, self.progress)
            build_cube(study.data, path / "cube.zarr", self.progress, inputs=gathered)
            return runs

        self._finish("cube", settings, inputs, work)
        require_fits(study, extent_of(self._cube))

    def gap_filling(self) -> None:
        """A seamless series of the observations, where the study asks for one."""
        study = self.study
        if study.gap_filling is None:
            return
        config = study.gap_filling

        def work(path: Path) -> int:
            fill_gaps(config, self._cube, path, seed=study.seed, progress=self.progress)
            return 0

        settings = {"gap_filling": settings_of(config), "seed": study.seed}
        self._finish("gap_filling", settings, self._hash("cube"), work)

    def ensemble(self) -> None:
        """Many θ of every cell through the process model."""
        study = self.study
        settings = {
            "parameters": space_of(study),
            "process": process_of(study),
            "seed": study.seed,
            "ensemble": settings_of(study.ensemble, "chunk_cells"),
        }

        def work(path: Path) -> int:
            require_outputs(study, self._model.outputs)
            sets = ensemble_sets(study.ensemble, study.space, self._prior, study.seed)
            return run_sets(
                self._model,
                sets,
                path / "ensemble.zarr",
                outputs=study.ensemble.outputs,
                axes=axes(self._cube),
                chunk_cells=study.ensemble.chunk_cells,
                progress=self.progress,
                executor=self._executor(),
            )

        self._finish("ensemble", settings, self._files.hashes() | self._hash("cube"), work)

    def surrogate(self) -> None:
        """The ensemble to a differentiable surrogate, audited on θ it has not seen."""
        study = self.study
        settings = {"surrogate": settings_of(study.surrogate), "seed": study.seed}

        def work(path: Path) -> int:
            fit_and_audit(study.surrogate, self._surrogate_data(), path, seed=study.seed, progress=self.progress)
            return 0

        self._finish("surrogate", settings, self._hash("cube", "ensemble"), work)

    def rounds(self) -> None:
        """Refine rounds, where the study asks for them; ``surrogate`` is the last one's from here on."""
        study, config = self.study, self.study.rounds
        if config is None:
            return
        learners = {name: settings_of(learner) for name, learner in followed(study, config).items()}
        settings = {
            "rounds": settings_of(config),
            "evaluation": settings_of(study.evaluation),
            "seed": study.seed,
            "process": process_of(study),
            "surrogate": settings_of(study.surrogate),
            "learners": learners,
        }
        for number in range(config.rounds):
            inputs = self._files.hashes() | self._hash("cube", "ensemble", "surrogate")
            if "gap_filling" in self.done:
                inputs |= self._hash("gap_filling")
            name = f"rounds/{number}/runs"
            self._finish(name, settings, inputs, partial(self._round, number))
            if good_enough(self.done[name].path):
                return
            last = f"rounds/{number}/surrogate"
            self._finish(last, settings, inputs | self._hash(name), partial(self._continue_surrogate, number))
            self.done["surrogate"] = self.done[last]

    def parameters(self) -> None:
        """θ of every cell: every search and every learner through its forward model."""
        study = self.study
        for name, search in study.searches.items():
            settings = {"search": search.numerical(), "seeds": study.search_seeds, "seed": study.seed}
            inputs = self._files.hashes() | self._hash("cube")
            if search.model == "process":
                settings |= {"process": process_of(study), "parameters": space_of(study)}
            else:
                inputs |= self._hash("surrogate")
            self._finish(f"parameters/{name}", settings, inputs, partial(self._search, name, search))
        for name, learner in study.learners.items():
            settings = {"learner": settings_of(learner), "seeds": study.learner_seeds, "seed": study.seed}
            inputs = self._files.hashes() | self._hash("cube")
            if learner.simulator != "process":
                inputs |= self._hash("surrogate")
            if learner.simulator != "surrogate":
                settings |= {"process": process_of(study), "parameters": space_of(study)}
            if learner.observations != "masked":
                inputs |= self._hash("gap_filling")
            self._finish(f"parameters/{name}", settings, inputs, partial(self._learn, name, learner))

    def uncertainty(self) -> None:
        """Posterior of θ around what some methods found, where the study asks for it."""
        study, config = self.study, self.study.uncertainty
        if config is None:
            return

        def work(path: Path) -> int:
            fields = [
                ParameterField(name, 0, read_theta(self._folder(name, 0), study.space)) for name in config.methods
            ]
            this = Uncertain(
                config,
                study.space,
                self._process_model(),
                holdout_of(self._cube),
                fields,
                study.seed,
                self._cube.time,
                self._cube.dataset["prcp"].values,
                self._truth(),
                self._true_moisture(),
            )
            return this.run(path, self.progress)

        settings = {
            "uncertainty": settings_of(config),
            "process": process_of(study),
            "seed": study.seed,
            "parameters": space_of(study),
        }
        found = self._hash("cube", *(f"parameters/{name}" for name in config.methods))
        self._finish("uncertainty", settings, self._files.hashes() | found, work)

    def references(self) -> None:
        """Reference rows that have to be trained."""
        study, direct = self.study, self.study.references.direct
        if direct is None:
            return

        def work(path: Path) -> int:
            train_direct(
                direct,
                self._cube,
                holdout_of(self._cube),
                path,
                seed=study.seed,
                seeds=study.references.seeds,
                progress=self.progress,
            )
            return 0

        settings = {"direct": settings_of(direct), "seeds": study.references.seeds, "seed": study.seed}
        self._finish("references", settings, self._hash("cube"), work)

    def scores(self) -> None:
        """The verdict of the process model on every θ."""
        study = self.study
        settings = {"evaluation": settings_of(study.evaluation), "process": process_of(study), "seed": study.seed}
        learned = self._hash(*(f"parameters/{name}" for name in study.calibrators))
        inputs = self._files.hashes() | self._hash("cube", "ensemble", "surrogate") | learned
        if self._rounds_done:
            inputs |= self._hash(*(name for name in self.done if name.startswith("rounds/")))
        if "references" in self.done:
            inputs |= self._hash("references")

        def work(path: Path) -> int:
            fields = [
                ParameterField(name, seed, read_theta(self._folder(name, seed), study.space))
                for name, seeds in study.calibrators.items()
                for seed in range(seeds)
            ]
            ensemble = Ensemble.open(self.done["ensemble"].path / "ensemble.zarr")
            runs = {
                name: self.done[f"parameters/{name}"].runs // study.search_seeds
                for name, search in study.searches.items()
                if search.model == "process"
            }
            runs |= {
                name: self._learner_runs(name)
                for name, learner in study.learners.items()
                if learner.simulator != "surrogate" or study.rounds is not None
            }
            direct = self.done["references"].path if "references" in self.done else None
            case = Judged(
                study,
                self._cube,
                ensemble,
                self._process_model(),
                self._model,
                self._executor(),
                self._surrogate,
                fields,
                runs,
                direct,
                self._truth(),
            )
            runs_of_judging = judge(case, path, self.progress)
            if self._rounds_done:
                write_csv(path / "rounds.csv", rounds_table(study, self._rounds_done, path))
            return runs_of_judging

        self._finish("scores", settings, inputs, work)

    def report(self) -> None:
        """Figures, and the page that holds tables and figures."""
        study, scores = self.study, self.done["scores"].path
        uncertainty = self.done["uncertainty"].path if "uncertainty" in self.done else None
        inputs = self._hash("cube", "surrogate", "scores", *(["uncertainty"] if uncertainty else []))

        def work(path: Path) -> int:
            reporting.draw(study, self._cube, scores, self.done["surrogate"].path, self._prior, path, uncertainty)
            return 0

        self._finish("figures", {"report": settings_of(study.report)}, inputs, work)
        manifest = json.loads((self.run.directory / "manifest.json").read_text())
        page = reporting.page(
            study, scores, self.done["surrogate"].path, self.done["figures"].path, manifest, uncertainty
        )
        write_text(self.run.directory / "report.html", page)
        reporting.write_tables(scores, self.run.directory / "tables")

    def summary(self) -> str:
        """What to tell the user at the end."""
        lines = []
        if "scores" in self.done:
            scores = self.done["scores"].path
            lines = ["Test period, every θ judged by the process model:", to_text(reporting.tables(scores)), ""]
            if (scores / "evapotranspiration.csv").exists():
                lines += [
                    "Annual evapotranspiration against every product, all cells:",
                    to_text(reporting.evapotranspiration(scores)),
                    "",
                ]
            lines += [reporting.checklist(scores), ""]
            if (scores / "recovery.csv").exists():
                lines += ["Correlation of found with true θ:", to_text(reporting.recovery_table(scores)), ""]
            lines.append(f"scores:  {scores}")
        if "figures" in self.done:
            lines += [
                f"figures: {self.done['figures'].path}",
                f"tables:  {self.run.directory / 'tables'}",
                f"report:  {self.run.directory / 'report.html'}",
            ]
        return "\n".join(lines or [f"{name}: {stage.path}" for name, stage in self.done.items()])

    def _finish(self, name: str, settings: dict[str, Any], inputs: dict[str, str], work: Any) -> None:
        with self.workers():
            self.done[name] = self.run.stage(name, settings=settings, inputs=inputs, work=work)

    @property
    def _rounds_done(self) -> list[Path]:
        """Folders of the refine rounds that were run, in their order."""
        return [s.path for name, s in self.done.items() if name.startswith("rounds/") and name.endswith("/runs")]

    def _round(self, number: int, path: Path) -> int:
        study, config = self.study, self.study.rounds
        assert config is not None
        surrogate = Surrogate.load(self.done["surrogate"].path, study.space)
        this = Round(
            number, study, config, self._cube, self._calibration_data, self._model, self._executor(), surrogate
        )
        return this.run(path, self.progress)

    def _continue_surrogate(self, number: int, path: Path) -> int:
        """Go on from the surrogate of the round before, on the ensemble's runs and those of all rounds."""
        study, config = self.study, self.study.rounds
        assert config is not None
        settings = study.surrogate.model_copy(update={"training": config.training})
        data, start = self._surrogate_data(), Surrogate.load(self.done["surrogate"].path, study.space)
        more = with_rounds(data, self._rounds_done)
        fit_and_audit(
            settings,
            more,
            path,
            seed=study.seed,
            progress=self.progress,
            start=start,
            near_share=config.share,
            audited=data,
        )
        return 0

    def _learn(self, name: str, config: LearnerConfig, path: Path) -> int:
        """Every seed of one learner; returns its own process-model runs, none if it sees the surrogate alone."""
        process = None if config.simulator == "surrogate" else self._differentiable()
        model = process if process is not None and config.simulator == "process" else self._surrogate
        refine_with, runs = (process if config.simulator == "surrogate_then_process" else None), 0
        for seed in range(self.study.learner_seeds):
            folder = path / f"seed-{seed}"
            theta = Learner(config).calibrate(
                model,
                self._calibration_data,
                seed=self.study.seed + seed,
                directory=folder,
                progress=self.progress,
                refine_with=refine_with,
            )
            self._keep(ParameterField(name, seed, theta), folder)
            runs += process_runs(folder)
        return runs

    def _learner_runs(self, name: str) -> int:
        """Process-model runs that a seed of a learner stands on: its own, and the ensemble's if the surrogate's too."""
        own = self.done[f"parameters/{name}"].runs // self.study.learner_seeds
        if self.study.learners[name].simulator == "process":
            return own
        return own + sum(s.runs for stage, s in self.done.items() if stage == "ensemble" or stage.startswith("rounds/"))

    def _search(self, name: str, config: SearchConfig, path: Path) -> int:
        """Every seed of one search, each cell by its own observations of the training period; returns its runs."""
        model, runs = self._searched(config), 0
        data = calibration_view(self._cube, self.study.space, self._prior, every_cell=True)
        for seed in range(self.study.search_seeds):
            folder = path / f"seed-{seed}"
            found = Search(config).search(
                model, data, seed=self.study.seed + seed, directory=folder, progress=self.progress
            )
            self._keep(ParameterField(name, seed, found.theta), folder)
            runs += int(found.evaluations.sum())
        return runs if config.model == "process" else 0

    def _keep(self, field: ParameterField, folder: Path) -> None:
        write_parameter_field(folder, field, self.study.space, self._cube, self._files)
