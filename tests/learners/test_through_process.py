"""Learning through the process model: better θ than through a wrong surrogate, exact counts, exact resume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learners.soils import CELLS, SPACE, misfit, process, settings, true_u, twin
from learners.toy import Waves, small
from learners.toy import twin as waves
from paraformer.core.errors import ModelError, RunError
from paraformer.core.log import Advance, Progress
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner, process_runs
from training.killing import KillAt, Killed

STEPS = 25

WRONG = 30.0
"""Factor on the conductivity of the surrogate that is deliberately wrong."""


class KillBefore(Progress):
    """Kills the work before the first step of a task."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        if self.name in description:
            raise Killed
        with super().task(description, total, unit=unit, done=done) as advance:
            yield advance


def learn(config: LearnerConfig, folder: Path, progress: Progress | None = None, conductivity: float = 1.0) -> Any:
    """θ of the twin with a wrong surrogate, and the process model with its count; ``conductivity`` is the latter's."""
    own = process(conductivity)
    through, refine_with = (own, None) if config.simulator == "process" else (process(WRONG), own)
    learner = Learner(config, refine_with if config.simulator == "surrogate_then_process" else None)
    found = learner.calibrate(through, twin(), seed=0, directory=folder, progress=progress or Progress())
    assert found.runs == process_runs(folder)
    return found.theta, own


@pytest.fixture(scope="module")
def through_surrogate(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return learn(settings("surrogate", steps=STEPS), tmp_path_factory.mktemp("surrogate"))[0]


def test_through_the_process_model_the_hidden_parameters_are_found(
    tmp_path: Path, through_surrogate: np.ndarray
) -> None:
    """Of the exponent, which these days tell: a fifth of the way is left at most; a wrong surrogate leads astray."""
    trained = twin().trained

    def error(theta: np.ndarray) -> float:
        return float(np.abs(SPACE.to_unit(theta) - true_u())[trained, 1].mean())

    found = learn(settings("process", steps=STEPS), tmp_path)[0]
    assert error(found) < 0.2 * error(twin().prior)
    assert error(found) < 0.5 * error(through_surrogate)


def test_refinement_repairs_what_a_wrong_surrogate_has_taught(tmp_path: Path, through_surrogate: np.ndarray) -> None:
    """Planted fault: refined through the same wrong model, the learner stays as bad as it was."""
    data, config = twin(), settings("surrogate_then_process", steps=STEPS)
    before = misfit(through_surrogate, data)
    assert misfit(learn(config, tmp_path / "right")[0], data) < 0.5 * before
    assert misfit(learn(config, tmp_path / "wrong", conductivity=WRONG)[0], data) > 0.9 * before


@pytest.mark.parametrize("network", ["ffn_a", "paraformer_z"])
@pytest.mark.parametrize("simulator", ["process", "surrogate_then_process"])
def test_every_run_is_counted(tmp_path: Path, simulator: str, network: str) -> None:
    """Steps and the line of the a-priori θ: the count is that of the model itself."""
    changes: dict[str, object] = {"training": {"steps": 5}, "loss": {"operator": "global_linear", "line": "prior"}}
    if simulator == "surrogate_then_process":
        changes["refinement"] = {"steps": 5, "cells_per_batch": 3}
    config = settings(simulator, network, members=2, **changes)
    _, own = learn(config, tmp_path)
    batch = 4 if simulator == "process" else 3
    assert process_runs(tmp_path) == own.runs == 2 * (5 * batch * 5 + 6)


def test_a_learner_of_the_surrogate_alone_takes_no_run_and_leaves_no_record(tmp_path: Path) -> None:
    _, own = learn(settings("surrogate", steps=2), tmp_path)
    assert process_runs(tmp_path) == own.runs == 0
    assert not (tmp_path / "runs.json").exists()
    (tmp_path / "runs.json").write_text("{")
    with pytest.raises(RunError, match=r"runs\.json: not readable"):
        process_runs(tmp_path)


def test_a_kill_in_or_between_the_phases_changes_no_bit(tmp_path: Path) -> None:
    """Killed in each phase of each of two members, and after a phase has ended, before the next one begins."""
    config = settings("surrogate_then_process", "paraformer_z", steps=4, members=2)
    expected, _ = learn(config, tmp_path / "whole")
    kills = [KillAt(3), KillBefore("refinement"), KillAt(3), KillBefore("refinement 2"), KillAt(1), KillAt(4)]
    for kill in kills:
        with pytest.raises(Killed):
            learn(config, tmp_path / "killed", kill)
    assert np.array_equal(learn(config, tmp_path / "killed")[0], expected)
    names = ["member-0.safetensors", "member-1.safetensors", "model.json", "runs.json"]
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == names
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_refinement_goes_on_from_the_averaged_weights_of_each_member(tmp_path: Path) -> None:
    """With a rate of next to nothing it leaves them as they are; other members stay other members."""
    one = settings("surrogate", steps=4, members=2)
    still = {"steps": 3, "optimiser": {"rate": 1e-12, "weight_decay": 0.0}, "ema": None, "cells_per_batch": 3}
    two = settings("surrogate_then_process", steps=4, members=2, refinement=still)
    found, _ = learn(one, tmp_path / "one")
    refined, own = learn(two, tmp_path / "two")
    np.testing.assert_allclose(refined, found, rtol=1e-6)
    assert own.runs == 2 * 3 * 3 * 5


def test_what_is_refined_is_kept_apart_by_the_model_it_was_refined_with(tmp_path: Path) -> None:
    config = settings("surrogate_then_process", steps=2)
    learn(config, tmp_path)
    with pytest.raises(RunError, match="another 'refined_with'"):
        learn(config, tmp_path, conductivity=2.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulator": "process", "window": 40}, r"'window' \(40 days\) does not apply to simulator 'process'"),
        ({"simulator": "process", "windows_per_batch": 2}, "'windows_per_batch' does not apply to simulator 'process'"),
        ({"simulator": "vic"}, "Input should be 'surrogate', 'process' or 'surrogate_then_process'"),
        ({"refinement": {}}, "'refinement' applies to simulator 'surrogate_then_process' only, not 'surrogate'"),
        ({"simulator": "surrogate_then_process", "refinement": {"cells": 2}}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_do_not_apply_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LearnerConfig.model_validate(changes)


def test_a_partial_refinement_is_completed_from_its_own_defaults() -> None:
    config = LearnerConfig.model_validate({"simulator": "surrogate_then_process", "window": 365})
    assert config.refinement is not None
    assert (config.refinement.steps, config.refinement.optimiser.rate, config.refinement.cells_per_batch) == (
        60,
        3e-4,
        64,
    )
    fewer = LearnerConfig.model_validate({"simulator": "surrogate_then_process", "refinement": {"steps": 5}})
    assert fewer.refinement == config.refinement.model_copy(update={"steps": 5})
    assert LearnerConfig.model_validate(fewer.model_dump(mode="json")) == fewer


def test_models_that_do_not_fit_the_settings_are_refused(tmp_path: Path) -> None:
    plain, refined = small(), settings("surrogate_then_process")
    given: dict[str, Any] = {"seed": 0, "directory": tmp_path, "progress": Progress()}
    with pytest.raises(ModelError, match="'surrogate_then_process' was given no process model to refine with"):
        Learner(refined).calibrate(process(), twin(), **given)
    with pytest.raises(ModelError, match="'surrogate' was given a process model it does not need"):
        Learner(plain, Waves()).calibrate(Waves(), waves(), **given)
    with pytest.raises(ModelError, match=r"wrap VIC in process\.differentiable\.DifferentiableProcess"):
        Learner(refined, process().model).calibrate(process(), twin(), **given)
    with pytest.raises(ModelError, match=r"the surrogate has ParameterSpace\(gain, offset\)"):
        Learner(refined, process()).calibrate(Waves(CELLS), twin(), **given)
