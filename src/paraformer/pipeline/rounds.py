"""Refine rounds: the process model runs the θ that learners found, and the surrogate goes on learning from there.

A surrogate is fitted to θ from all over the space, and answers worst where learners go. Each round learns θ through
the surrogate as it is, runs the process model at this θ and around it, states the surrogate gap and the response slope,
and, unless both are good enough, continues the fit with these runs (decision 0021).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import CalibrationData
from paraformer.core.files import write_json
from paraformer.core.log import Progress
from paraformer.core.run_files import AUDIT, GAP
from paraformer.core.schema import Cube, Ensemble
from paraformer.evaluation.holdout import holdout_of
from paraformer.evaluation.score import score_cells, surrogate_gap
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner
from paraformer.process.ensemble import own_sets, run_sets
from paraformer.process.executor import Executor, Source
from paraformer.surrogate.audit import AuditConfig, compare, perturbed
from paraformer.surrogate.config import RoundsConfig
from paraformer.surrogate.fit import SurrogateData
from paraformer.surrogate.model import Surrogate

COLUMNS = ("round", "learner", "gap", "slope", "correlation", "nse_median", "good_enough")
"""Of the table of rounds: ``gap`` is the process model's mean RMSE less the surrogate's [m3 m-3], through the learner's
own observation operator, trained cells, training period; slope and correlation are of the response to θ near the
learned one; ``nse_median`` is over cells."""


@dataclass(frozen=True)
class Round:
    """What a round works on: the study's cells, the process model, and the surrogate as the round before left it."""

    number: int
    study: Study
    settings: RoundsConfig
    cube: Cube
    data: CalibrationData
    source: Source
    executor: Executor
    surrogate: Surrogate

    def run(self, path: Path, progress: Progress) -> int:
        """Learn, run the process model near the learned θ, measure; returns the process-model runs.

        Writes θ's runs as ``runs.zarr`` and the measure as ``round.json``.
        """
        study, config = self.study, self.settings
        design = AuditConfig(perturbation=config.perturbation, perturbations=config.perturbations)
        parts = []
        for name, learner in followed(study, config).items():
            found = Learner(learner).calibrate(
                self.surrogate, self.data, seed=study.seed, directory=path / "learners" / name, progress=progress
            )
            near, pairs = perturbed(study.space, found.theta, design, study.seed + self.number)
            parts.append(near)
        held_out = np.tile(np.arange(1 + config.perturbations) == config.perturbations, len(parts))
        sets = own_sets(np.concatenate(parts, axis=1), held_out)
        runs = run_sets(
            self.source,
            sets,
            path / "runs.zarr",
            outputs=study.surrogate.outputs,
            axes=self.cube.axes,
            chunk_cells=study.ensemble.chunk_cells,
            progress=progress,
            executor=self.executor,
        )
        truth = Ensemble.open(path / "runs.zarr").output("soil_moisture")
        rows, size = [], 1 + config.perturbations
        for at, (name, learner) in enumerate(followed(study, config).items()):
            some = slice(at * size, (at + 1) * size)
            rows.append(self._measure(name, learner, parts[at], truth[:, some], pairs))
        write_json(path / "round.json", rows)
        return runs

    def _measure(
        self,
        name: str,
        learner: LearnerConfig,
        theta: Float[np.ndarray, "cell set parameter"],
        truth: Float[np.ndarray, "cell set time"],
        pairs: Sequence[tuple[int, int]],
    ) -> dict[str, Any]:
        """Gap at the learned θ, and response around it, of one learner."""
        guess = self.surrogate.simulate(theta, ("soil_moisture",))["soil_moisture"]
        row = compare(truth, guess, np.ones(theta.shape[:2], bool), where=name, output="soil_moisture", pairs=pairs)
        holdout, operator = holdout_of(self.cube), learner.loss.operator
        settings = self.study.evaluation.model_copy(update={"operators": (operator,)})
        scores = [score_cells(name, 0, series[:, 0], holdout, settings) for series in (truth, guess)]
        gap = training_gap(surrogate_gap(*scores), name, operator)
        return _row(self.number, name, gap, row.as_dict(), self.settings)


def followed(study: Study, config: RoundsConfig) -> dict[str, LearnerConfig]:
    """Learners whose θ the rounds follow, as they are trained through the surrogate alone."""
    names = config.learners or [n for n, learner in study.learners.items() if learner.simulator != "process"]
    alone = {"simulator": "surrogate", "refinement": None}
    return {name: study.learners[name].model_copy(update=alone) for name in names}


def good_enough(path: Path) -> bool:
    """Whether the round at ``path`` found every followed learner's gap and slope good enough."""
    return all(row["good_enough"] for row in json.loads((path / "round.json").read_text(encoding="utf-8")))


def with_rounds(data: SurrogateData, paths: Sequence[Path]) -> SurrogateData:
    """The ensemble's runs and behind them those of the rounds at ``paths``."""
    for path in paths:
        archive = Ensemble.open(path / "runs.zarr")
        runs = {name: archive.output(name) for name in data.runs}
        data = data.joined(archive.theta, runs, archive.held_out)
    return data


def rounds_table(study: Study, paths: Sequence[Path], scores: Path) -> pd.DataFrame:
    """Gap and response slope by round, ``COLUMNS``; round 0 is the surrogate of the ensemble alone.

    The last rows are of the surrogate that the learners were trained through in the end, at the θ of their first seed:
    from the verdict's own table of gaps and its audit.

    Args:
        paths: folders of the rounds that were run, in their order.
        scores: folder of the scores, which stands beside the verdict's.
    """
    config = study.rounds
    assert config is not None
    rows = [row for path in paths for row in json.loads((path / "round.json").read_text(encoding="utf-8"))]
    if not good_enough(paths[-1]):
        gaps = pd.read_csv(scores / GAP)
        audited = {
            row["where"]: row for row in json.loads((scores.parent / "verdict" / AUDIT).read_text(encoding="utf-8"))
        }
        for name, learner in followed(study, config).items():
            gap = training_gap(gaps[gaps["seed"] == 0], name, learner.loss.operator)
            rows.append(_row(len(paths), name, gap, audited[f"near {name}"], config))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def training_gap(gaps: pd.DataFrame, method: str, operator: str) -> float:
    """Gap in RMSE of one method over trained cells and the training period [m3 m-3], from ``surrogate_gap``'s table."""
    wanted = (gaps["method"] == method) & (gaps["operator"] == operator) & (gaps["metric"] == "rmse")
    (value,) = gaps.loc[wanted & (gaps["cells"] == "trained") & (gaps["period"] == "train"), "difference"]
    return float(value)


def _row(number: int, name: str, gap: float, audit: dict[str, Any], config: RoundsConfig) -> dict[str, Any]:
    """One row of the table; surrogate ``number`` is the one that round ``number + 1`` has learned through."""
    slope = audit["slope"]
    return {
        "round": number,
        "learner": name,
        "gap": gap,
        "slope": slope,
        "correlation": audit["correlation"],
        "nse_median": audit["nse_median"],
        "good_enough": bool(abs(gap) <= config.gap and slope >= config.slope),
    }
