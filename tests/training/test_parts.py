"""Settings, schedules, windows and normalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from paraformer.core.errors import DataError, SettingsError
from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig
from paraformer.training.normalise import Normaliser
from paraformer.training.schedule import rate_factor
from paraformer.training.threads import no_denormals, settle_threads
from paraformer.training.windows import Windows


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (OptimiserConfig, {"rho": 0.9}, "'rho' applies to adadelta"),
        (TrainingConfig, {"step": 3}, "Extra inputs"),
    ],
)
def test_inapplicable_and_unknown_settings_are_errors(config: type, settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**settings)


def test_cosine_rises_then_falls_to_nothing() -> None:
    config = ScheduleConfig(warm_up=4)
    rates = [rate_factor(config, step, 104) for step in range(105)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[54] == pytest.approx(0.5)
    assert rates[104] == pytest.approx(0.0)


def test_constant_stays() -> None:
    assert {rate_factor(ScheduleConfig(name="constant", warm_up=0), step, 9) for step in range(9)} == {1.0}


@given(seed=st.integers(0, 99), step=st.integers(0, 10**6), batch=st.integers(1, 30))
def test_windows_stay_inside_and_depend_on_seed_and_step_alone(seed: int, step: int, batch: int) -> None:
    windows = Windows(np.arange(3, 23), first=10, last=60, length=20, batch=batch, seed=seed)
    cells, starts = windows.draw(step)
    assert 10 <= starts[0] <= 40
    assert starts.tolist() == [starts[0]] * cells.size
    assert len(set(cells.tolist())) == min(batch, 20)
    assert set(cells.tolist()) <= set(range(3, 23))
    again, starts_again = windows.draw(step)
    assert np.array_equal(starts, starts_again)
    assert np.array_equal(cells, again)
    _, starts, _ = windows.draw_each(step)
    assert starts.min() >= 10
    assert starts.max() <= 40


@given(seed=st.integers(0, 99), step=st.integers(0, 10**6), batch=st.integers(1, 30), count=st.integers(1, 4))
def test_windows_of_their_own_differ_from_cell_to_cell(seed: int, step: int, batch: int, count: int) -> None:
    windows = Windows(np.arange(3, 23), first=10, last=60, length=20, batch=batch, seed=seed)
    cells, starts = windows.draw(step, count, own=True)
    assert cells.size == starts.size == count * min(batch, 20)
    assert all(len(set(part.tolist())) == part.size for part in np.split(cells, count))
    assert (starts >= 10).all()
    assert (starts <= 40).all()
    assert cells.size < 8 or len(np.unique(starts)) > 1
    for one, again in zip((cells, starts), windows.draw(step, count, own=True), strict=True):
        assert np.array_equal(one, again)


def test_several_windows_each_draw_cells_of_their_own() -> None:
    """The first is that of a batch of one window; a cell comes back, but not within a window."""
    windows = Windows(np.arange(8), first=0, last=60, length=10, batch=5, seed=0)
    cells, starts = windows.draw(3, windows=4)
    assert np.array_equal(cells[:5], windows.draw(3)[0])
    assert len(set(starts.tolist())) == 4
    for part, start in zip(cells.reshape(4, 5), starts.reshape(4, 5), strict=True):
        assert len(set(part.tolist())) == 5
        assert len(set(start.tolist())) == 1


def test_windows_reach_both_ends() -> None:
    windows = Windows(np.arange(5), first=0, last=12, length=10, batch=2, seed=0)
    assert {int(windows.draw(step)[1][0]) for step in range(60)} == {0, 1, 2}


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="365 days do not fit into the 100 days"):
        Windows(np.arange(3), 0, 100, 365, 2, 0)


def table(cells: int = 12) -> np.ndarray:
    return np.random.default_rng(2).normal(3, 2, (cells, 40, 3)) * [1e-3, 1, 1e4]


def test_normalised_training_cells_have_mean_0_and_deviation_1() -> None:
    trained = np.arange(12) < 9
    scaled = Normaliser.fit(("a", "b", "c"), table(), trained)(table())[trained]
    assert scaled.mean((0, 1)) == pytest.approx([0, 0, 0], abs=1e-12)
    assert scaled.std((0, 1)) == pytest.approx([1, 1, 1])


def test_the_order_of_the_cells_changes_no_bit() -> None:
    order = np.random.default_rng(0).permutation(12)
    trained = np.arange(12) < 9
    one = Normaliser.fit(("a", "b", "c"), table(), trained)
    other = Normaliser.fit(("a", "b", "c"), table()[order], trained[order])
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.scale.tobytes() == other.scale.tobytes()


def test_unseen_cells_change_no_bit() -> None:
    trained = np.arange(12) < 9
    poisoned = table()
    poisoned[~trained] = np.nan
    one, other = (Normaliser.fit(("a", "b", "c"), values, trained) for values in (table(), poisoned))
    assert one.describe() == other.describe()
    assert Normaliser.from_description(one.describe()).describe() == one.describe()


def test_a_constant_feature_keeps_its_scale() -> None:
    found = Normaliser.fit(("a",), np.full((4, 1), 0.1), np.ones(4, bool))
    assert found(np.array([[0.1]])) == pytest.approx(0.0)
    assert found.scale.tolist() == [1.0]


@pytest.mark.parametrize("magnitude", [1e-9, 1e-6, 1.0, 1e9])
def test_a_feature_varies_whatever_its_magnitude(magnitude):
    """A conductivity of 1e-6 m s-1 with a spread of 11 % is no constant; 11.5 with its rounding is one."""
    values = magnitude * np.array([[3.1], [2.9], [3.4], [2.7], [3.9]])
    found = Normaliser.fit(("ksat",), values, np.ones(5, bool))
    assert found(values).std() == pytest.approx(1.0)
    same = magnitude * 11.5 * (1 + np.array([[0.0], [1e-15], [-1e-15]]))
    assert Normaliser.fit(("depth",), same, np.ones(3, bool)).scale[0] == 1.0
    masked = Normaliser.fit_masked("ksat", values.T, np.ones((1, 5), bool))
    assert masked.scale[0] == pytest.approx(found.scale[0])


def test_a_gap_in_a_trained_cell_is_named() -> None:
    values = table()
    values[4, 7, 1] = np.nan
    with pytest.raises(DataError, match="'b' of cell 4 is nan"):
        Normaliser.fit(("a", "b", "c"), values, np.ones(12, bool))
    with pytest.raises(DataError, match="no trained cell"):
        Normaliser.fit(("a", "b", "c"), values, np.zeros(12, bool))


def test_another_library_s_threads_do_not_reach_a_training() -> None:
    """numba's pool sets torch's threads when it first starts; the bits of a matrix product depend on them."""
    settle_threads()
    own = torch.get_num_threads()
    torch.set_num_threads(own + 1)
    settle_threads()
    assert torch.get_num_threads() == own


def test_denormal_numbers_are_zero_inside_and_come_back_outside() -> None:
    """A process model that runs after a training must find the arithmetic as it was."""
    tiny = torch.tensor([1e-39])
    with no_denormals():
        assert float((tiny * 0.5)[0]) == 0
    assert float((tiny * 0.5)[0]) > 0
