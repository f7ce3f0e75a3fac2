"""Learners that read the history: what it is worth, which of it they may see, batches, gap-filled days, maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from learners.toy import DAYS, FIRST, NAMES, SPACE, Waves, secretive_twin, small, twin
from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError, ModelError, RunError, SettingsError
from paraformer.core.log import Progress
from paraformer.learners.config import LearnerConfig
from paraformer.learners.inputs import HISTORY_FEATURES, History, Scaling
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen
from paraformer.learners.task import LearnTask
from training.killing import KillAt, Killed

Z = ("lstm_z", "paraformer_z")


def learn(config: LearnerConfig, directory: Path, data: CalibrationData, seed: int = 0) -> LearnedMap:
    model = Waves(len(data.cells))
    return Learner(config).learn(model, data, seed=seed, directory=directory, progress=Progress())


def theta(learned: LearnedMap, data: CalibrationData, observations: str = "masked") -> np.ndarray:
    history = History.of(data, observations)
    return learned.predict(data.attributes, data.prior, data.attribute_names, history)


def task_of(config: LearnerConfig, data: CalibrationData) -> LearnTask:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ParameterMap(config, 3, 2)
        torch.nn.init.normal_(network.head.linear.weight, std=0.01)
    return LearnTask(network.eval(), config, Waves(len(data.cells)), Seen.of(config, data, SPACE), 0)


def same_weights(one: Path, other: Path) -> bool:
    return (one / "member-0.safetensors").read_bytes() == (other / "member-0.safetensors").read_bytes()


@pytest.fixture(scope="module")
def error_of_attributes(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Mean error on unseen cells of a learner that sees attributes only, in unit coordinates."""
    data, truth = secretive_twin()
    learned = learn(small("ffn_a", 100, cells_per_batch=60), tmp_path_factory.mktemp("a"), data)
    return float(np.abs(SPACE.to_unit(theta(learned, data)) - truth)[~data.trained].mean())


@pytest.mark.parametrize(("network", "steps", "share"), [("lstm_z", 350, 0.7), ("paraformer_z", 200, 0.4)])
def test_history_recovers_what_no_attribute_tells(
    tmp_path: Path, network: str, steps: int, share: float, error_of_attributes: float
) -> None:
    """On cells never trained on; attributes are no better there than the middle of the range."""
    data, truth = secretive_twin()
    config = small(network, steps, cells_per_batch=60)
    config = config.model_copy(update={"network": config.network.model_copy(update={"dropout": 0.0})})
    error = np.abs(SPACE.to_unit(theta(learn(config, tmp_path, data), data)) - truth)
    assert error_of_attributes > 0.15
    assert error[~data.trained].mean() < share * error_of_attributes


@pytest.mark.parametrize("network", Z)
def test_unseen_cells_change_no_weight_but_their_own_theta(tmp_path: Path, network: str) -> None:
    data, _ = secretive_twin(24)
    unseen = ~data.trained
    poisoned = replace(
        data,
        attributes=np.where(unseen[:, None], 1e9, data.attributes),
        forcing=np.where(unseen[:, None, None], np.nan, data.forcing),
        history=np.where(unseen[:, None], np.nan, data.history),
        history_mask=data.history_mask | unseen[:, None],
        filled=np.where(unseen[:, None], np.nan, data.filled),
    )
    clean = learn(small(network), tmp_path / "a", data)
    learn(small(network), tmp_path / "b", poisoned)
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "model.json").read_bytes() == (tmp_path / "b" / "model.json").read_bytes()
    wetter = replace(data, history=data.history + 0.1 * (data.history_mask & unseen[:, None]))
    before, after = theta(clean, data), theta(clean, wetter)
    assert (before[unseen] != after[unseen]).any(axis=1).all()
    assert np.array_equal(before[data.trained], after[data.trained])


@pytest.mark.parametrize("network", Z)
def test_a_trained_cells_history_and_forcing_matter(tmp_path: Path, network: str) -> None:
    """Planted fault: the test above can fail, and a store of other data is refused."""
    data, _ = secretive_twin(24)
    learn(small(network), tmp_path / "a", data)
    at = np.argwhere(data.history_mask & data.trained[:, None])[0]
    for name in ("history", "forcing"):
        changed = getattr(data, name).copy()
        changed[tuple(at)] += 0.1
        learn(small(network), tmp_path / name, replace(data, **{name: changed}))
        assert not same_weights(tmp_path / "a", tmp_path / name)
        with pytest.raises(RunError, match="another 'data'"):
            learn(small(network), tmp_path / "a", replace(data, **{name: changed}))


@pytest.mark.parametrize("network", ["ffn_a", "paraformer_a"])
def test_learners_from_attributes_ignore_the_history(tmp_path: Path, network: str) -> None:
    data, _ = secretive_twin(24)
    other = replace(
        data, history=data.history + 1, history_mask=~data.history_mask, forcing=data.forcing * np.nan, filled=None
    )
    clean, poisoned = learn(small(network), tmp_path / "a", data), learn(small(network), tmp_path / "b", other)
    assert (tmp_path / "a" / "model.json").read_bytes() == (tmp_path / "b" / "model.json").read_bytes()
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert np.array_equal(theta(clean, data), poisoned.predict(data.attributes, data.prior, NAMES))


@pytest.mark.parametrize("network", Z)
def test_what_stands_on_an_unobserved_day_is_never_read(tmp_path: Path, network: str) -> None:
    data, _ = secretive_twin(24)
    poisoned = replace(
        data,
        history=np.where(data.history_mask, data.history, np.nan),
        observed=np.where(data.mask, data.observed, np.nan),
    )
    clean, other = learn(small(network), tmp_path / "a", data), learn(small(network), tmp_path / "b", poisoned)
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert np.array_equal(theta(clean, data), theta(other, poisoned))
    flagged = replace(data, history_mask=data.history_mask | (np.arange(DAYS) == 5))
    assert not np.array_equal(theta(clean, data), theta(clean, flagged))  # planted: a mask that lies is seen


def test_an_unobserved_day_is_the_mean_with_flag_0() -> None:
    data, _ = secretive_twin(24)
    scaling = Scaling.fit(data, small("lstm_z"))
    history = scaling(data.attributes, History.of(data, "masked")).history
    assert history is not None
    features = dict(zip(HISTORY_FEATURES, history.numpy().transpose(2, 0, 1), strict=True))
    assert np.array_equal(features["observed"] == 1, data.history_mask)
    assert (features["soil_moisture"][~data.history_mask] == 0).all()
    seen = features["soil_moisture"][data.history_mask & data.trained[:, None]].astype(float)
    assert (seen.mean(), seen.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
    assert features["prcp"][data.trained].std() == pytest.approx(1, abs=1e-6)


def test_filled_days_enter_the_history_and_by_option_the_loss(tmp_path: Path) -> None:
    data, _ = secretive_twin(24)
    assert data.filled is not None
    moved = replace(data, filled=np.where(data.history_mask, data.filled, data.filled + 0.1))
    for mode, weights_move in (("masked", False), ("filled", True), ("both", True)):
        config = small("lstm_z", observations=mode)
        for name, given in (("a", data), ("b", moved)):
            learn(config, tmp_path / mode / name, given)
        assert same_weights(tmp_path / mode / "a", tmp_path / mode / "b") is not weights_move
    poisoned = replace(data, filled=np.where(data.history_mask, np.nan, data.filled))
    learned = learn(
        small("lstm_z", observations="both"), tmp_path / "c", poisoned
    )  # real observations take their place
    assert same_weights(tmp_path / "c", tmp_path / "both" / "a")
    assert np.array_equal(theta(learned, poisoned, "both"), theta(learned, data, "both"))
    with pytest.raises(DataError, match="'filled' needs gap-filled observations"):
        learn(small("lstm_z", observations="filled"), tmp_path / "d", replace(data, filled=None))
    with pytest.raises(DataError, match="'both' needs gap-filled observations"):
        learn(small("ffn_a", observations="both"), tmp_path / "d", replace(data, filled=None))
    data.filled[4, 7] = np.nan
    data.history_mask[4, 7] = data.mask[4, 7] = False
    with pytest.raises(DataError, match="series of cell 4 is not finite on 2015-01-15"):
        learn(small("ffn_a", observations="both"), tmp_path / "d", data)


@pytest.mark.parametrize("fit", ["rmse", "cell_rmse"])
def test_a_filled_day_counts_with_its_weight(fit: str) -> None:
    """Against the weighted mean written out; weight 1 is a day like any other."""
    data, _ = secretive_twin(24)
    for weight in (1.0, 0.25):
        config = small("ffn_a", observations="both", filled_weight=weight, loss={"prior_weight": 0.0, "fit": fit})
        task = task_of(config, data)
        batch = task.draw(0)
        found = float(task.loss(task.network, 0, 0).detach())
        days = batch.starts[:, None] + np.arange(40)
        u = task._theta(task.network, batch)
        error = task._simulate(u, batch)["soil_moisture"].detach().numpy() - data.filled[batch.cells[:, None], days]
        weights = np.where(data.mask[batch.cells[:, None], days], 1.0, weight)
        if fit == "rmse":
            expected = np.sqrt((weights * error**2).sum() / weights.sum())
        else:
            expected = np.sqrt((weights * error**2).sum(axis=1) / weights.sum(axis=1)).mean()
        assert found == pytest.approx(expected, rel=1e-5)


PAPER = {"window": 20, "periods": "own", "history": "loss", "start": "middle", "head": "linear"}
"""Each cell has a window of its own, whose days are those of its history: the paper's batches."""


@pytest.mark.parametrize("changes", [{}, PAPER], ids=["shared", "own"])
@pytest.mark.parametrize("network", Z)
def test_a_training_killed_at_any_step_ends_with_the_same_bits(tmp_path: Path, network: str, changes: dict) -> None:
    data, _ = secretive_twin(24)
    training = {"steps": 5, "checkpoint_steps": 1, "checkpoint_seconds": None, "ema": 0.9}
    config = small(network, training=training, observations="both", windows_per_batch=2, **changes)
    whole = theta(learn(config, tmp_path / "whole", data), data, "both")
    for step in range(1, 6):
        place = tmp_path / str(step)
        with pytest.raises(Killed):
            Learner(config).learn(Waves(24), data, seed=0, directory=place, progress=KillAt(step))
        resumed = Learner(config).calibrate(Waves(24), data, seed=0, directory=place, progress=Progress())
        assert np.array_equal(resumed.theta, whole)
        assert same_weights(place, tmp_path / "whole")


@pytest.mark.parametrize("changes", [{}, {"periods": "own"}, PAPER], ids=["shared", "own", "paper"])
def test_a_batch_of_several_windows_is_one_loss_over_all_of_them(changes: dict) -> None:
    """Each window has its own cells, days and histories; the loss is pooled, whatever the batch is cut into."""
    data, _ = secretive_twin(24)
    loss = {"prior_weight": 0.0, "range_weight": 0.0, "fit": "rmse"}
    config = small("paraformer_z", windows_per_batch=3, cells_per_batch=12, loss=loss, **changes)
    task = task_of(config, data)
    batch = task.draw(4)
    assert batch.cells.shape == batch.starts.shape == batch.histories.shape == (36,)
    assert len(np.unique(batch.starts)) > (3 if changes else 1)
    assert len(np.unique(batch.starts)) <= (36 if changes else 3)
    assert len(np.unique(batch.histories)) > 3
    assert batch.histories.max() <= DAYS - 20
    assert np.array_equal(batch.histories, batch.starts) is (config.history == "loss")
    assert len(np.unique(batch.cells)) > 12
    squares, days = 0.0, 0
    for cell, start, first in zip(*batch[:3], strict=True):
        history = task.inputs.history[cell : cell + 1, first : first + 20]
        u = task.network(task.inputs.attributes[cell : cell + 1], task.prior[cell : cell + 1], history)
        one = Waves(24).respond(u, torch.tensor([cell]), FIRST + int(start), config.window)["soil_moisture"]
        days_of = slice(start, start + config.window)
        seen = data.mask[cell, days_of]
        squares += ((one.detach().numpy()[0] - data.observed[cell, days_of])[seen] ** 2).sum()
        days += seen.sum()
    assert float(task.loss(task.network, 4, 0).detach()) == pytest.approx(np.sqrt(squares / days), rel=1e-5)


def test_other_days_than_those_of_the_loss_reach_neither_theta_nor_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``history: loss`` a sample is its window: forcing, observations in and observations out."""
    data, _ = secretive_twin(24)
    task = task_of(small("lstm_z", **PAPER, cells_per_batch=1), data)
    batch = task.draw(2)
    (cell,), (start,) = batch.cells, batch.starts
    inside = (np.arange(24)[:, None] == cell) & (np.arange(DAYS) >= start) & (np.arange(DAYS) < start + 20)
    changed = replace(
        data,
        forcing=np.where(inside[..., None], data.forcing, data.forcing + 3),
        history=np.where(inside, data.history, data.history + 0.2),
        observed=np.where(inside, data.observed, data.observed + 0.2),
    )
    scaling = Scaling.fit(data, task.config)
    monkeypatch.setattr(Scaling, "fit", lambda *_: scaling)

    def loss(given: CalibrationData, history: str) -> float:
        config = task.config.model_copy(update={"history": history})
        other = LearnTask(task.network, config, Waves(24), Seen.of(config, given, SPACE), 0)
        return float(other.loss(other.network, 2, 0).detach())

    assert loss(data, "loss") == loss(changed, "loss")
    assert loss(data, "random") != loss(changed, "random")


def test_batches_depend_on_seed_and_step_alone_and_cells_do_not_depend_on_the_history() -> None:
    data, _ = secretive_twin(24)
    reader, other = task_of(small("lstm_z"), data), task_of(small("ffn_a"), data)
    for step in (0, 7, 10**6):
        one, again = reader.draw(step), reader.draw(step)
        assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
        assert np.array_equal(one.cells, other.draw(step).cells)
        assert np.array_equal(one.starts, other.draw(step).starts)


def test_prediction_in_batches_is_prediction_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = secretive_twin(24)
    learned = learn(small("paraformer_z"), tmp_path, data)
    whole = theta(LearnedMap.load(tmp_path, SPACE), data)
    monkeypatch.setattr("paraformer.learners.learned._BATCH", 5)
    assert np.allclose(theta(learned, data), whole, rtol=1e-5)
    order = np.arange(24)[::-1]
    history = History.of(data, "masked").select(order)
    found = learned.predict(data.attributes[order], data.prior[order], NAMES, history)
    assert np.allclose(found, whole[order], rtol=1e-5)


def test_a_map_that_reads_the_history_asks_for_it(tmp_path: Path) -> None:
    data = twin()
    learned = learn(small("lstm_z"), tmp_path, data)
    with pytest.raises(DataError, match="reads the history of a cell"):
        learned.predict(data.attributes, data.prior, NAMES)
    history = History.of(data, "masked")
    history.forcing[3, 4, 1] = np.nan
    with pytest.raises(DataError, match="history: 'tair' of cell 3, day 4 is not finite"):
        learned.predict(data.attributes, data.prior, NAMES, history)
    long = LearnerConfig.model_validate({"network": {"name": "lstm_z", "history_days": DAYS + 1}})
    with pytest.raises(SettingsError, match=f"network.history_days: {DAYS + 1} days do not fit into the {DAYS} days"):
        learn(long, tmp_path / "b", data)


def test_attention_maps_are_rows_of_weights(tmp_path: Path) -> None:
    data, _ = secretive_twin(24)
    history = History.of(data, "masked")
    z = learn(small("paraformer_z", members=2), tmp_path / "z", data)
    maps = z.attention(data.attributes, NAMES, history, member=1, start=7)
    assert {name: m.shape for name, m in maps.items()} == {"attribute": (24, 1, 2, 3, 3), "time": (24, 2, 3, 5)}
    a = learn(small("paraformer_a"), tmp_path / "a", data).attention(data.attributes, NAMES)
    assert {name: m.shape for name, m in a.items()} == {"attribute": (24, 2, 2, 3, 3)}
    for weights in (*maps.values(), *a.values()):
        assert (weights >= 0).all()
        assert np.allclose(weights.sum(-1), 1, atol=1e-6)
    assert not np.allclose(maps["time"], z.attention(data.attributes, NAMES, history, start=7)["time"])
    assert not np.allclose(maps["time"], z.attention(data.attributes, NAMES, history, member=1)["time"])
    with pytest.raises(DataError, match="20 days from day 41 leaves the 60 days"):
        z.attention(data.attributes, NAMES, history, start=41)
    with pytest.raises(ModelError, match="member 2 of 2"):
        z.attention(data.attributes, NAMES, history, member=2)
    with pytest.raises(ModelError, match="network 'ffn_a' has none"):
        learn(small(), tmp_path / "f", data).attention(data.attributes, NAMES)
