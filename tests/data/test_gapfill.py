"""Gap filling: what it gives back, what it must not see, and that a kill changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from paraformer.core.errors import DataError, RunError
from paraformer.core.log import Progress
from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING
from paraformer.data.config import GapFillConfig
from paraformer.data.gapfill import (
    FILLED,
    SCORE_COLUMNS,
    SCORES,
    FillSamples,
    Observations,
    _hidden,
    fill_gaps,
    hide_weeks,
    interpolate,
    nearest_observation,
    open_filled,
)
from paraformer.training.sequence import CellInputs, sequence_data
from training.killing import KillAt, Killed

DAYS = np.arange("2015-01-01", "2017-03-01", dtype="datetime64[D]")
TRAIN, TEST = slice(0, 365), slice(365, 731)
"""365 training days, 366 test days, and 59 days after both."""


def cube(poisoned: tuple[slice, slice] | np.ndarray | None = None) -> Cube:
    """Eight cells, the last two unseen; a reservoir fed by rain, seen on two days of five, wrongly where poisoned."""
    random = np.random.default_rng(4)
    shape = (8, DAYS.size)
    forcing = {name: random.standard_normal(shape) for name in FORCING}
    forcing["prcp"] = np.where(random.random(shape) < 0.3, random.exponential(6.0, shape), 0.0)
    drained = np.linspace(0.06, 0.25, 8)
    content, state = np.empty(shape), np.full(8, 20.0)
    for day in range(DAYS.size):
        state = content[:, day] = (1 - drained) * state + forcing["prcp"][:, day]
    observed = np.clip(0.05 + 0.006 * content + 0.005 * random.standard_normal(shape), 0, 1)
    observed[random.random(shape) > 0.4] = np.nan
    if poisoned is not None:
        observed[poisoned] += 0.3
    variables = {name: (("cell", "time"), values) for name, values in forcing.items()}
    variables["sm_obs"] = (("cell", "time"), observed.astype("f4"), {"units": "m3 m-3"})
    variables["drained"] = (("cell",), drained)
    variables["trained"] = (("cell",), np.arange(8) < 6)
    coords = {
        "cell": ("cell", np.arange(8) + 40),
        "time": ("time", DAYS.astype("datetime64[ns]")),
        "lat": ("cell", np.linspace(30, 37, 8)),
        "lon": ("cell", np.full(8, -100.0)),
    }
    attrs = {
        "observation": "sm_obs",
        "attributes": ["drained"],
        "train_start": "2015-01-01",
        "train_end": "2015-12-31",
        "test_start": "2016-01-01",
        "test_end": "2016-12-31",
    }
    return Cube(xr.Dataset(variables, coords, attrs))


def settings(steps: int = 4, **changes: object) -> GapFillConfig:
    given = {"hidden": 8, "dropout": 0.1, "warm_up": 20, "window": 60, "cells_per_batch": 4, "members": 1, **changes}
    return GapFillConfig.model_validate({**given, "training": {"steps": steps, "checkpoint_steps": 2}})


def fill(folder: Path, of: Cube | None = None, config: GapFillConfig | None = None) -> np.ndarray:
    fill_gaps(config or settings(), of or cube(), folder, seed=1, progress=Progress())
    return open_filled(folder)


def weights(folder: Path) -> bytes:
    return (folder / "network" / "member-0.safetensors").read_bytes()


def test_the_product_keeps_observations_and_leaves_no_gap(tmp_path: Path) -> None:
    found = fill(tmp_path)
    observed, mask = cube().observed()
    assert found.shape == (8, DAYS.size)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found[mask], observed[mask])
    with xr.open_dataset(tmp_path / FILLED) as file:
        np.testing.assert_array_equal(file["was_observed"].values == 1, mask)
        assert file["soil_moisture"].attrs["units"] == "m3 m-3"
        np.testing.assert_array_equal(file["time"].values, DAYS.astype("datetime64[ns]"))
        np.testing.assert_array_equal(file["cell"].values, cube().cells)
    scores = pd.read_csv(tmp_path / SCORES)
    assert tuple(scores.columns) == SCORE_COLUMNS
    assert len(scores) == 3 * 2 * 2  # methods, kinds of hiding, trained and unseen cells
    counts = scores.groupby(["hidden", "cells"])["n"]
    assert (counts.nunique() == 1).all()  # every method is judged on the same days
    assert (counts.first() > 0).all()


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_it_learns_and_the_next_observation_helps(tmp_path: Path, direction: str) -> None:
    config = settings(200, direction=direction, hidden=16, window=90)
    fill(tmp_path, config=config)
    rmse = pd.read_csv(tmp_path / SCORES).set_index(["method", "hidden", "cells"])["rmse"]
    for hidden in ("random", "weeks"):
        for other in ("climatology", "linear interpolation"):
            assert rmse["LSTM", hidden, "trained"] < 0.8 * rmse[other, hidden, "trained"]


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_test_observations_reach_test_days_only(tmp_path: Path, direction: str) -> None:
    """Poison: every test-period observation is shifted."""
    config = settings(direction=direction)
    clean = fill(tmp_path / "a", config=config)
    poisoned = fill(tmp_path / "b", cube((slice(None), TEST)), config)
    mask = cube().observed()[1]
    changed = (clean != poisoned) & ~mask
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert (tmp_path / "a" / SCORES).read_bytes() == (tmp_path / "b" / SCORES).read_bytes()
    assert not changed[:, TRAIN].any()
    assert not changed[:, TEST.stop :].any()
    assert changed[:, TEST].mean() > 0.4  # planted fault: they do reach the test days


def test_the_periods_may_come_in_either_order(tmp_path: Path) -> None:
    """With the test period first its observations stand before those of the training period; still none reaches it."""
    turned = [cube(), cube((slice(None), TRAIN))]
    names = {
        "train_start": "2016-01-01",
        "train_end": "2016-12-31",
        "test_start": "2015-01-01",
        "test_end": "2015-12-31",
    }
    clean, poisoned = (fill(tmp_path / str(i), Cube(c.dataset.assign_attrs(names))) for i, c in enumerate(turned))
    assert weights(tmp_path / "0") == weights(tmp_path / "1")
    np.testing.assert_array_equal(clean[:, 365:], poisoned[:, 365:])


def test_unseen_cells_teach_nothing_and_are_filled_from_their_own(tmp_path: Path) -> None:
    clean = fill(tmp_path / "a")
    poisoned = fill(tmp_path / "b", cube((slice(6, 8), slice(None))))
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    np.testing.assert_array_equal(clean[:6], poisoned[:6])
    assert not np.allclose(clean[6:], poisoned[6:])


def test_a_training_observation_of_a_trained_cell_matters(tmp_path: Path) -> None:
    """Planted fault: the tests of the weights can fail."""
    fill(tmp_path / "a")
    fill(tmp_path / "b", cube((slice(0, 1), TRAIN)))
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


@pytest.mark.parametrize("kind", ["random", "weeks"])
def test_the_days_of_the_score_teach_nothing(tmp_path: Path, kind: str) -> None:
    observed, mask = cube().observed()
    days = [cube().period(name).mask(DAYS) for name in ("train", "test")]
    hidden = _hidden(Observations(observed, mask, cube().trained, *days), 1)[kind]
    assert 0.02 < hidden[:, TRAIN].sum() / mask[:, TRAIN].sum() < 0.1
    assert not hidden[:, TEST].any()
    fill(tmp_path / "a")
    fill(tmp_path / "b", cube(hidden))
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    first, second = (pd.read_csv(tmp_path / name / SCORES).set_index("hidden").loc[kind, "bias"] for name in "ab")
    np.testing.assert_allclose(first - second, 0.3, atol=1e-6)  # no method saw them, but they are what is judged


@pytest.mark.parametrize("killed_at", [1, 3])
def test_a_killed_filling_ends_with_the_same_bytes(tmp_path: Path, killed_at: int) -> None:
    fill(tmp_path / "whole")
    with pytest.raises(Killed):
        fill_gaps(settings(), cube(), tmp_path / "killed", seed=1, progress=KillAt(killed_at))
    fill(tmp_path / "killed")
    names = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert [str(n) for n in names] == [FILLED, SCORES, "network/member-0.safetensors", "network/members.json"]
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    with pytest.raises(RunError, match="another 'settings'"):
        fill(tmp_path / "whole", config=settings(direction="forward"))


FLAGS = arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 25)))


@given(FLAGS, st.integers(0, 1000))
def test_nearest_observations_are_those_of_a_loop(visible: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(visible.shape)
    both = nearest_observation(values, visible, "both")
    np.testing.assert_array_equal(nearest_observation(values, visible, "forward"), both[..., :3])
    for cell, day in np.ndindex(visible.shape):
        seen = np.flatnonzero(visible[cell])
        for side, there in ((slice(0, 3), seen[seen < day][-1:]), (slice(3, 6), seen[seen > day][:1])):
            expected = np.zeros(3)
            if there.size:
                age = abs(int(there[0]) - day)
                expected = np.array([values[cell, there[0]], np.exp(-age / 3), np.exp(-age / 30)])
            np.testing.assert_allclose(both[cell, day, side], expected)


@given(FLAGS)
def test_interpolation_passes_through_what_it_sees(visible: np.ndarray) -> None:
    values = np.random.default_rng(0).random(visible.shape)
    found = interpolate(values, visible)
    np.testing.assert_array_equal(found[visible], values[visible])
    some = visible.any(axis=1)
    assert (found[~some] == 0).all()
    line = np.broadcast_to(0.3 + 0.01 * np.arange(visible.shape[1]), visible.shape)
    inside = np.maximum.accumulate(visible, axis=1) & np.maximum.accumulate(visible[:, ::-1], axis=1)[:, ::-1]
    np.testing.assert_allclose(interpolate(line, visible)[inside], line[inside])


def test_weeks_are_hidden_whole() -> None:
    hidden = hide_weeks((200, 140), 0.3, np.random.default_rng(0))
    assert 0.25 < hidden.mean() < 0.35
    edges = np.diff(hidden.astype(int), axis=1)
    for cell in range(200):
        starts, ends = np.flatnonzero(edges[cell] == 1), np.flatnonzero(edges[cell] == -1)
        if starts.size and ends.size and ends[-1] > starts[0]:
            length = ends[ends > starts[0]] - starts[: (ends > starts[0]).sum()]
            assert (length % 7 == 0).all()


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_no_target_stands_among_the_inputs_of_its_batch(direction: str) -> None:
    """Every fitted value is marked by its digits: none of them may be found in the inputs, the others must be."""
    random = np.random.default_rng(0)
    inputs = CellInputs(np.arange(3), DAYS[:200], np.zeros((3, 200, 7)), random.standard_normal((3, 1)), ("a",))
    mask = random.random((3, 200)) < 0.5
    data = sequence_data(inputs, random.random((3, 200)), mask, trained=np.ones(3, bool), training=np.ones(200, bool))
    for step in range(5):
        batch = FillSamples(data, direction).draw(settings(cells_per_batch=3), 0)(step, 0)
        given = set(batch.daily[..., 9:].flatten().tolist())
        fitted = set(batch.target[batch.mask].tolist())
        assert fitted
        assert not fitted & given
        assert given & set(batch.target[~batch.mask].tolist()) - {0.0}


def test_errors_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"filled\.nc: not a readable gap-filled series"):
        open_filled(tmp_path)
    nothing = cube().dataset.copy(deep=True)
    nothing["sm_obs"][:6, :365] = np.nan
    with pytest.raises(DataError, match="no observation of a trained cell"):
        fill(tmp_path, Cube(nothing))
    with pytest.raises(ValidationError, match="Extra inputs"):
        GapFillConfig(directions="both")
    with pytest.raises(ValidationError, match="'forward' or 'both'"):
        GapFillConfig(direction="backward")
