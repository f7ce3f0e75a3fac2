"""The work of each stage: what fills its folder, from what the stages before it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import Calibrated, CalibrationData, Calibrator, ForwardModel
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.results import Results
from paraformer.core.run import Run
from paraformer.core.run_files import CROSS_VALIDATION, CUBE, ENSEMBLE, ROUNDS, STREAMFLOW, STREAMFLOW_KEPT
from paraformer.core.schema import Ensemble, ParameterField
from paraformer.data.cube import build_cube
from paraformer.data.gapfill import fill_gaps
from paraformer.data.gather import gather
from paraformer.data.sources.synthetic import INPUTS
from paraformer.data.views import calibration_view
from paraformer.evaluation.holdout import holdout_of
from paraformer.learners.attended import has_attention
from paraformer.learners.config import LearnerConfig
from paraformer.learners.encoding import static_of
from paraformer.learners.learn import Learner
from paraformer.learners.released import ReleasedMap
from paraformer.pipeline.attention import attention_of
from paraformer.pipeline.consistent import require_outputs
from paraformer.pipeline.cross_validation import compared, judge_apart, learned_apart
from paraformer.pipeline.emulation import fit_and_audit
from paraformer.pipeline.folds import at_basins, deal
from paraformer.pipeline.land import more_attributes
from paraformer.pipeline.opened import Opened
from paraformer.pipeline.references import train_direct
from paraformer.pipeline.released import folder_of
from paraformer.pipeline.report_page import write_report
from paraformer.pipeline.rounds import Round, rounds_table, with_rounds
from paraformer.pipeline.scores import Verdict, write_scores
from paraformer.pipeline.streamflow import (
    gauge_set,
    judge_flow_apart,
    open_river,
    read_routing,
    warn_of_water,
    write_river,
    write_routing,
)
from paraformer.pipeline.uncertainty import Uncertain
from paraformer.pipeline.verdict import Judged, judge
from paraformer.pipeline.world import make_world
from paraformer.process.ensemble import ensemble_sets, run_sets
from paraformer.process.files import Places
from paraformer.process.parameter_field import read_theta, write_parameter_field
from paraformer.report import study_figures
from paraformer.report.figures import save_figure
from paraformer.search.config import OwnSearchConfig, SearchConfig
from paraformer.search.search import Search
from paraformer.surrogate.model import Surrogate


class Work(Opened):
    """A study, its run, and what each stage does; each method gives the process-model runs its result stands on."""

    def __init__(self, study: Study, run: Run, progress: Progress) -> None:
        super().__init__(study, run)
        self.progress = progress

    def _build_cube(self, path: Path) -> int:
        study, synthetic = self.study, self.study.data.source == "synthetic"
        runs = make_world(study, path) if synthetic else 0
        gathered = path / INPUTS if synthetic else gather(study.data, path, self.progress)
        more = more_attributes(study, path)
        build_cube(study.data, path / CUBE, self.progress, inputs=gathered, more=more)
        return runs

    def _open_river(self, path: Path) -> int:
        cube = self._cube
        world = self.done["cube"].path if self.study.data.source == "synthetic" else None
        river = open_river(self.study, Places.of(cube), cube.time, world)
        warn_of_water(river, cube.dataset["prcp"].values.astype(np.float64))
        write_river(river, cube.time, path)
        return 0

    def _fill_gaps(self, path: Path) -> int:
        assert self.study.gap_filling is not None
        fill_gaps(self.study.gap_filling, self._cube, path, seed=self.study.seed, progress=self.progress)
        return 0

    def _run_ensemble(self, path: Path) -> int:
        study = self.study
        require_outputs(study, self._model.outputs)
        return run_sets(
            self._model,
            ensemble_sets(study.ensemble, study.space, self._prior, study.seed),
            path / ENSEMBLE,
            outputs=study.ensemble.outputs,
            axes=self._cube.axes,
            chunk_cells=study.ensemble.chunk_cells,
            progress=self.progress,
            executor=self._executor(),
        )

    def _fit_surrogate(self, path: Path) -> int:
        study = self.study
        fit_and_audit(study.surrogate, self._surrogate_data(), path, seed=study.seed, progress=self.progress)
        return 0

    def _sample_posterior(self, path: Path) -> int:
        study, config = self.study, self.study.uncertainty
        assert config is not None
        fields = [self._field(name, 0) for name in config.methods]
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

    def _train_direct(self, path: Path) -> int:
        study, direct = self.study, self.study.references.direct
        assert direct is not None
        holdout, seeds = holdout_of(self._cube), study.references.seeds
        train_direct(direct, self._cube, holdout, path, seed=study.seed, seeds=seeds, progress=self.progress)
        return 0

    def _judge(self, path: Path) -> int:
        study = self.study
        fields = [self._field(name, seed) for name, seeds in study.calibrators.items() for seed in range(seeds)]
        emulated = "surrogate" in self.done
        case = Judged(
            study,
            self._cube,
            self._archive if emulated else None,
            self._process_model(),
            self._model,
            self._executor(),
            self._surrogate if emulated else None,
            fields,
            self._truth(),
        )
        return judge(case, path, self.progress)

    def _write_scores(self, path: Path) -> int:
        study, emulated = self.study, "surrogate" in self.done
        case = Verdict(
            study,
            self._cube,
            self._archive if emulated else None,
            self._surrogate if emulated else None,
            self.done["surrogate"].path.relative_to(self.run.directory).as_posix() if emulated else "",
            self.done["verdict"].path,
            self._own_runs(),
            self.done["references"].path if "references" in self.done else None,
            self._truth(),
            self._river,
            self._basins,
            self._routing,
        )
        write_scores(case, path)
        if study.cross_validation is not None:
            if study.moisture:
                write_csv(path / CROSS_VALIDATION, compared(study, self.done))
            apart = [self.done[f"cross_validation/{name}"].path / STREAMFLOW for name in study.learners]
            flow = [pd.read_csv(file, dtype={"gauge": str}) for file in apart if file.exists()]
            if flow:
                write_csv(path / STREAMFLOW_KEPT, pd.concat(flow, ignore_index=True))
        if self._rounds_done:
            write_csv(path / ROUNDS, rounds_table(study, self._rounds_done, path))
        return 0

    def _routing(self, name: str, seed: int) -> Float[np.ndarray, "basin parameter"] | None:
        """Times of travel that a seed of a method has learned; ``None`` where it takes the river's."""
        if self._basins is None or name not in self.study.calibrators:
            return None
        return read_routing(self._folder(name, seed), self._basins)

    def _own_runs(self) -> Mapping[str, int]:
        """Process-model runs of every search and learner that made some, a seed."""
        study = self.study
        searches = {
            name: self.done[f"parameters/{name}"].runs // study.search_seeds
            for name, search in study.searches.items()
            if search.model == "process"
        }
        learners = {
            name: self._learner_runs(name)
            for name, learner in study.learners.items()
            if learner.simulator != "surrogate" or study.rounds is not None
        }
        return searches | learners

    def _draw(self, path: Path) -> int:
        results, config = Results(self.run.directory), self.study.report
        study_figures.draw(results, config, path)
        for name, learner in self.study.learners.items():
            if has_attention(learner):
                save_figure(attention_of(self.study, results, name).figure(), path / f"attention-{name}", config)
        return 0

    def _write_page(self) -> None:
        write_report(Results(self.run.directory), self.study.report, self.done["figures"].path)

    @property
    def _archive(self) -> Ensemble:
        return Ensemble.open(self.done["ensemble"].path / ENSEMBLE)

    def _field(self, name: str, seed: int) -> ParameterField:
        return ParameterField(name, seed, read_theta(self._folder(name, seed), self.study.space))

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
        """Every seed of one learner."""
        learner, model = self._learner(config)
        return self._calibrate(name, learner, model, self._learning_data(config), self.study.learner_seeds, path)

    def _search(self, name: str, config: SearchConfig, path: Path) -> int:
        """Every seed of one search, each cell by its own observations of the training period."""
        wanted = () if config.others is None else config.others.references
        data = calibration_view(self._cube, self.study.space, self._prior, every_cell=True, references=wanted)
        search = config.calibrator() if isinstance(config, OwnSearchConfig) else Search(config)
        if config.of_flow:
            data = replace(data, streamflow=self._gauged(data.trained))
        return self._calibrate(name, search, self._searched(config), data, self.study.search_seeds, path)

    def _calibrate(
        self, name: str, calibrator: Calibrator, model: ForwardModel, data: CalibrationData, seeds: int, path: Path
    ) -> int:
        """θ of every seed of a calibrator and of their mean, as files; returns the process-model runs behind them."""
        fields, runs = [], 0
        for seed in range(seeds):
            folder, own = path / f"seed-{seed}", self.study.seed + seed
            found = calibrator.calibrate(model, data, seed=own, directory=folder, progress=self.progress)
            fields.append(found.theta)
            self._write_field(folder, ParameterField(name, seed, found.theta))
            if found.routing is not None and self._basins is not None:
                write_routing(folder, self._basins, found.routing)
            runs += found.runs
        self._write_field(path, ParameterField(name, -1, self.study.space.mean(np.stack(fields))))
        return runs

    def _write_field(self, folder: Path, field: ParameterField) -> None:
        write_parameter_field(folder, field, self.study.space, self._cube, self._files)

    def _cross_validate(self, name: str, config: LearnerConfig, path: Path) -> int:
        """One learner without each fold of blocks of trained cells; returns its own runs and those that judge it."""
        study, cube = self.study, self._cube
        assert study.cross_validation is not None
        learner, model = self._learner(config)
        places = cube.lat, cube.lon
        if config.of_streamflow and self._basins is not None:
            places = at_basins(*places, self._basins.cells)
        folds = deal(study.cross_validation, *places, cube.trained)

        def learn(data: CalibrationData, folder: Path) -> Calibrated:
            return learner.calibrate(model, data, seed=study.seed, directory=folder, progress=self.progress)

        found = learned_apart(learn, self._learning_data(config), folds, path)
        judged = 0
        if study.moisture:
            given, least = (self._trained_process(), holdout_of(cube), folds, path), study.evaluation.min_days
            judged += judge_apart(found.theta, *given, min_days=least, progress=self.progress)
        if config.of_streamflow and self._river is not None and self._basins is not None:
            gauges = gauge_set(self._river, self._basins, cube)
            judged += judge_flow_apart(name, found, self._process_model(), self._basins, gauges, folds.of, path)
        return found.runs + judged

    def _learning_data(self, config: LearnerConfig) -> CalibrationData:
        """What a learner may see; one that starts from a map sees attributes as the map does."""
        data = self._calibration_data
        if config.start_from is None:
            return data
        encoding = ReleasedMap.load(folder_of(config.start_from)).encoding
        return replace(data, attributes=encoding(static_of(self._cube)).values, attribute_names=encoding.names)

    def _learner(self, config: LearnerConfig) -> tuple[Calibrator, ForwardModel]:
        """A learner, and the forward model that it is trained through."""
        if not config.has_gradient:
            through_process = config.simulator == "process"
            model = self._trained_process() if through_process else self._surrogate.until(self._training_days)
            return config.own_calibrator(), model
        start = () if config.start_from is None else ReleasedMap.load(folder_of(config.start_from)).seeds
        process = None if config.simulator == "surrogate" else self._differentiable()
        model = process if process is not None and config.simulator == "process" else self._surrogate
        return Learner(config, process if config.simulator == "surrogate_then_process" else None, start), model

    def _learner_runs(self, name: str) -> int:
        """Process-model runs that a seed of a learner stands on: its own, and the ensemble's if the surrogate's too."""
        own = self.done[f"parameters/{name}"].runs // self.study.learner_seeds
        if self.study.learners[name].simulator == "process":
            return own
        return own + sum(s.runs for stage, s in self.done.items() if stage == "ensemble" or stage.startswith("rounds/"))
