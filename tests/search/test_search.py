"""The calibrator: twins, a kill at every kind of moment, counted runs, files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paraformer.core.contracts import CalibrationData, Calibrator, ForwardModel
from paraformer.core.errors import RunError, SettingsError
from paraformer.core.log import Advance, Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from paraformer.search import search as module
from paraformer.search.config import RandomConfig, SCEUAConfig
from paraformer.search.search import Search, SearchResult
from paraformer.search.state import Stop
from process.miniature import make_forcing, make_parameters
from search.twin import CELLS, POORLY_SEEN, SPACE, UNTRAINED, Mortal, bucket, random, sceua, truth, twin
from training.killing import KillAt, Killed

UNSEARCHED = [UNTRAINED, POORLY_SEEN]
Config = SCEUAConfig | RandomConfig
FILES = ("result.safetensors", "trace.csv")


def search(
    config: Config,
    directory: Path,
    *,
    model: ForwardModel | None = None,
    data: CalibrationData | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> SearchResult:
    return Search(config).search(
        model or bucket(), data or twin(), seed=seed, directory=directory, progress=progress or Progress()
    )


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_it_fulfils_the_contract() -> None:
    assert isinstance(Search(sceua()), Calibrator)
    assert [Search(c).name for c in (sceua(), random())] == ["sceua", "random"]


@pytest.mark.parametrize("through", ["process", "surrogate"])
def test_it_calibrates_and_says_how_many_process_model_runs_theta_stands_on(tmp_path: Path, through: str) -> None:
    config = random(budget=10, model=through)
    given = {"seed": 0, "directory": tmp_path, "progress": Progress()}
    found, whole = Search(config).calibrate(bucket(), twin(), **given), search(config, tmp_path)
    assert np.array_equal(found.theta, whole.theta)
    assert found.runs == (whole.evaluations.sum() if through == "process" else 0)


def test_it_finds_the_hidden_parameters(tmp_path: Path) -> None:
    """All three, in every searched cell; the others keep the a-priori θ to the bit."""
    result = search(sceua(budget=1000, least_range=1e-4), tmp_path)
    SPACE.require_inside(result.theta)
    searched = np.setdiff1d(np.arange(CELLS), UNSEARCHED)
    error = np.abs(SPACE.to_unit(result.theta) - SPACE.to_unit(truth()))
    assert (error[searched] < 0.01).all()
    assert (result.cost[searched] < 1e-4).all()
    assert np.array_equal(result.theta[UNSEARCHED], twin().prior[UNSEARCHED])
    assert np.isnan(result.cost[UNSEARCHED]).all()
    assert (result.stopped[UNSEARCHED] == Stop.NOT_SEARCHED).all()
    assert (result.evaluations[UNSEARCHED] == 0).all()


@pytest.mark.parametrize("config", [sceua(), sceua(budget=450), random()], ids=["budget", "convergence", "random"])
def test_every_run_is_counted(tmp_path: Path, config: Config) -> None:
    model = bucket()
    result = search(config, tmp_path, model=model)
    assert model.runs == result.evaluations.sum()
    assert (result.evaluations <= config.budget).all()
    spent = result.stopped == Stop.BUDGET
    assert (result.evaluations[spent] == config.budget).all()


@pytest.mark.parametrize("config", [sceua(), random()], ids=["sceua", "random"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_in_any_run_changes_no_bit(tmp_path: Path, config: Config, after: bool) -> None:
    """In the initial population, in reflections, contractions and random points, in the last call; again and again."""
    search(config, tmp_path / "whole", model=Mortal(bucket(), -1, after=after))
    expected = content(tmp_path / "whole")
    for first in (1, 2, 7):
        directory, kills, at = tmp_path / str(first), 0, first
        while True:
            try:
                search(config, directory, model=Mortal(bucket(), at, after=after))
                break
            except Killed:
                kills, at = kills + 1, at + 3
        assert kills
        assert content(directory) == expected


@pytest.mark.parametrize("config", [sceua(), random()], ids=["sceua", "random"])
def test_a_kill_at_any_file_changes_no_bit(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each rename (checkpoints, trace, result) and before the checkpoint is removed."""
    search(config, tmp_path / "whole")
    expected, rename = content(tmp_path / "whole"), os.replace
    for name in ("checkpoint.safetensors", *FILES):
        for late in (False, True):

            def killing(old: Path, new: Path, name: str = name, late: bool = late) -> None:
                if Path(new).name != name or late:
                    rename(old, new)
                if Path(new).name == name:
                    raise Killed

            directory = tmp_path / f"{name}-{late}"
            with monkeypatch.context() as patch:
                patch.setattr(os, "replace", killing)
                with pytest.raises(Killed):
                    search(config, directory)
            search(config, directory)
            assert content(directory) == expected


def test_a_kill_between_checkpoints_changes_no_bit(tmp_path: Path) -> None:
    """And how often one is written, or how much is run at once, does not either."""
    config = sceua()
    search(config, tmp_path / "whole")
    for checkpoint_seconds, runs_together in ((0, 3), (1e9, 512)):
        settings = {"checkpoint_seconds": checkpoint_seconds, "runs_together": runs_together}
        with pytest.raises(Killed):
            search(config.model_copy(update=settings), tmp_path / str(runs_together), progress=KillAt(200))
        search(config, tmp_path / str(runs_together))
        assert content(tmp_path / str(runs_together)) == content(tmp_path / "whole")


def test_a_lost_state_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a checkpoint that forgets the step of the evolution ends elsewhere."""
    search(sceua(), tmp_path / "whole")
    kept = module._resumed
    monkeypatch.setattr(module, "_resumed", lambda *given: (replace(kept(*given)[0], step=0), kept(*given)[1]))
    with pytest.raises(Killed):
        search(sceua(), tmp_path / "b", progress=KillAt(200))
    search(sceua(), tmp_path / "b")
    assert content(tmp_path / "b") != content(tmp_path / "whole")


def test_a_finished_search_is_read_back_without_a_run(tmp_path: Path) -> None:
    first = search(sceua(), tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"left by a kill between storing and removing")
    model = bucket()
    again = search(sceua(), tmp_path, model=model)
    assert model.runs == 0
    for name, values in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), values)
    assert sorted(content(tmp_path)) == sorted(FILES)


@pytest.mark.parametrize("finished", [True, False])
def test_another_search_is_refused(tmp_path: Path, finished: bool) -> None:
    if finished:
        search(sceua(), tmp_path)
    else:
        with pytest.raises(Killed):
            search(sceua(), tmp_path, progress=KillAt(200))
    data = twin()
    observed = data.observed + 0.01 * data.mask
    for what, changes in {
        "settings": {"config": sceua(complexes=2)},
        "seed": {"seed": 1},
        "data": {"data": replace(data, observed=observed)},
        "cells": {"data": replace(data, cells=data.cells + 1)},
        "days": {"data": replace(data, first_day=9)},
        "forward_model": {"model": Mortal(bucket(), 0, after=True)},
    }.items():
        with pytest.raises(RunError, match=f"another '{what}'"):
            search(**{"config": sceua(), "directory": tmp_path, **changes})  # type: ignore[arg-type]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for name in ("result.safetensors", "checkpoint.safetensors"):
        directory = tmp_path / name[:4]
        directory.mkdir()
        (directory / name).write_bytes(b"not a search")
        with pytest.raises(RunError, match=f"{name}: not a readable search"):
            search(sceua(), directory)


def test_a_cell_does_not_know_the_others(tmp_path: Path) -> None:
    """The cells in another order, and half of them alone."""
    data, whole = twin(), search(sceua(), tmp_path / "whole")
    for some in (np.array([5, 3, 1, 0, 2, 4]), np.array([3, 0])):
        fields = {
            n: getattr(data, n)[some]
            for n in (
                "cells",
                "observed",
                "mask",
                "trained",
                "prior",
                "history",
                "history_mask",
                "attributes",
                "forcing",
            )
        }
        part = search(sceua(), tmp_path / str(len(some)), model=bucket().select(some), data=replace(data, **fields))
        for name in ("theta", "cost", "evaluations", "stopped"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[some])


def test_observations_of_untrained_cells_change_nothing(tmp_path: Path) -> None:
    data = twin()
    seen = data.trained[:, None] & data.mask
    poisoned = replace(
        data,
        observed=np.where(seen, data.observed, np.nan),
        mask=data.mask | ~data.trained[:, None],
        history=np.full_like(data.history, np.nan),
    )
    search(sceua(), tmp_path / "a")
    search(sceua(), tmp_path / "b", data=poisoned)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_the_prior_is_never_lost_and_may_be_left_out(tmp_path: Path) -> None:
    """Started from the truth, a search ends there; without the prior it cannot know it in so few runs."""
    data = replace(twin(), prior=truth())
    with_prior = search(sceua(budget=30), tmp_path / "a", data=data)
    without = search(sceua(budget=30, start_from_prior=False), tmp_path / "b", data=data)
    np.testing.assert_allclose(with_prior.theta, truth(), rtol=1e-12)
    assert np.nanmin(without.cost) > np.nanmax(with_prior.cost)


def test_the_trace_shows_the_best_cost_after_each_shuffle(tmp_path: Path) -> None:
    result = search(sceua(), tmp_path)
    with (tmp_path / "trace.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["round"]) for row in rows] == list(range(1, len(rows) + 1))
    assert int(rows[0]["evaluations"]) == 4 * 3 * 7
    for name in ("median_cost", "mean_cost"):
        cost = np.array([float(row[name]) for row in rows])
        assert (np.diff(cost) <= 0).all()
    assert float(rows[-1]["median_cost"]) >= np.nanmedian(result.cost)


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    """Converged cells do not leave work behind, and a resumed search starts where it was."""
    moves: list[int] = []

    class Seen(Progress):
        @contextmanager
        def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
            moves.extend([total, done])

            def advance(steps: int = 1, note: str = "") -> None:
                moves.append(steps)

            yield advance

    with pytest.raises(Killed):
        search(sceua(budget=450), tmp_path, progress=KillAt(200))
    search(sceua(budget=450), tmp_path, progress=Seen())
    total, done, *steps = moves
    assert total == 4 * 450
    assert done >= 150
    assert done + sum(steps) == total


def test_a_budget_below_the_initial_population_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="budget 20 is below the initial population of 21"):
        search(sceua(budget=20), tmp_path)


def test_it_calibrates_vic(tmp_path: Path) -> None:
    """A twin of the process model: the cost falls far below that of the a-priori θ, runs are counted, cells fit."""
    space = ParameterSpace.of("infilt", "expt")
    model = VIC(space, make_parameters(3), make_forcing(3), VICSettings(), threads=1)
    hidden = space.from_unit(np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.9]]))
    shown = model.simulate(hidden[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    everything, model.runs = np.ones(shown.shape, dtype=bool), 0
    data = replace(
        twin(),
        cells=np.arange(3) + 100,
        time=np.datetime64("2015-03-01") + np.arange(40),
        attributes=np.zeros((3, 1)),
        forcing=np.zeros((3, 40, 7)),
        observed=shown,
        mask=everything,
        trained=np.ones(3, dtype=bool),
        prior=space.clip(model.prior()),
        first_day=0,
        history=shown,
        history_mask=everything,
    )
    prior = search(random(budget=1), tmp_path / "prior", model=model, data=data)
    model.runs = 0
    result = search(sceua(complexes=2, budget=120), tmp_path / "sceua", model=model, data=data)
    assert model.runs == result.evaluations.sum()
    assert (result.cost < 0.1 * prior.cost).all()
