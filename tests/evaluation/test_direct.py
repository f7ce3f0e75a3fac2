"""The direct LSTM: it learns a known response, sees nothing it must not see, and resumes bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from evaluation.small_holdout import DAYS, holdout, score_method
from paraformer.core.errors import DataError, RunError
from paraformer.core.log import Progress
from paraformer.core.variables import FORCING
from paraformer.evaluation.baselines import climatology
from paraformer.evaluation.config import DirectConfig, EvaluationConfig, ReferencesConfig
from paraformer.evaluation.direct import fit_direct
from paraformer.evaluation.holdout import Holdout
from paraformer.training.sequence import (
    Batch,
    CellInputs,
    SequenceNetwork,
    SequenceTask,
    predict,
    sequence_data,
    with_warm_up,
)
from training.killing import KillAt, Killed


def world() -> tuple[CellInputs, Holdout]:
    """Rain fills a reservoir that drains at a rate its attribute gives; the observations are its noisy content."""
    random = np.random.default_rng(2)
    base = holdout()
    forcing = random.standard_normal((12, DAYS.size, len(FORCING)))
    forcing[..., 0] = np.where(random.random((12, DAYS.size)) < 0.3, random.exponential(6.0, (12, DAYS.size)), 0.0)
    drained = np.linspace(0.06, 0.25, 12)
    content = np.empty((12, DAYS.size))
    state = np.full(12, 20.0)
    for day in range(DAYS.size):
        state = content[:, day] = (1 - drained) * state + forcing[:, day, 0]
    observed = 0.05 + 0.006 * content + 0.005 * random.standard_normal(content.shape)
    attributes = np.stack([drained, random.standard_normal(12)], axis=1)
    inputs = CellInputs(base.cells, DAYS, forcing, attributes, ("drained", "nothing"))
    return inputs, replace(base, observed=np.where(base.mask, observed, 0.0))


def settings(steps: int = 6, **changes: object) -> DirectConfig:
    given = {"hidden": 12, "dropout": 0.1, "warm_up": 30, "window": 60, "cells_per_batch": 6, "members": 2, **changes}
    return DirectConfig.model_validate({**given, "training": {"steps": steps, "checkpoint_steps": 2}})


def fit(config: DirectConfig, folder: Path, inputs: CellInputs, of: Holdout, seed: int = 0, **more: object):
    return fit_direct(config, inputs, of, seed=seed, directory=folder, progress=more.get("progress", Progress()))


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_a_known_response_is_learned(tmp_path: Path) -> None:
    """Better than the climatology on trained and on unseen cells in the test year, in a short training."""
    inputs, of = world()
    found = fit(settings(200, members=1, hidden=16), tmp_path, inputs, of)
    assert found.shape == of.mask.shape
    rmse = {}
    for name, series in (("direct", found), ("climatology", climatology(DAYS, of).simulated)):
        table = score_method(name, 0, series, of, EvaluationConfig(operators=("raw",)))
        rmse[name] = table.query("metric == 'rmse' and period == 'test'").set_index("cells")["mean"]
    assert rmse["direct"]["trained"] < 0.5 * rmse["climatology"]["trained"]
    assert rmse["direct"]["unseen"] < 0.8 * rmse["climatology"]["unseen"]


@pytest.mark.parametrize("killed_at", [3, 9])
def test_a_killed_training_ends_with_the_same_files(tmp_path: Path, killed_at: int) -> None:
    whole = fit(settings(), tmp_path / "whole", *world())
    with pytest.raises(Killed):
        fit(settings(), tmp_path / "killed", *world(), progress=KillAt(killed_at))
    resumed = fit(settings(), tmp_path / "killed", *world())
    np.testing.assert_array_equal(whole, resumed)
    assert list(files(tmp_path / "whole")) == ["member-0.safetensors", "member-1.safetensors", "members.json"]
    assert files(tmp_path / "whole") == files(tmp_path / "killed")
    again = fit(settings(), tmp_path / "whole", *world(), progress=KillAt(1))  # read back: nothing is trained
    np.testing.assert_array_equal(whole, again)
    with pytest.raises(RunError, match="another 'seed'"):
        fit(settings(), tmp_path / "whole", *world(), seed=1)
    with pytest.raises(RunError, match="another 'settings'"):
        fit(settings(7), tmp_path / "whole", *world())


def test_test_days_and_unseen_cells_change_nothing(tmp_path: Path) -> None:
    inputs, of = world()
    poison = ~(of.train_days & of.trained[:, None])
    poisoned = replace(of, observed=np.where(poison, np.nan, of.observed))
    clean, found = fit(settings(), tmp_path / "a", inputs, of), fit(settings(), tmp_path / "b", inputs, poisoned)
    np.testing.assert_array_equal(clean, found)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    hidden = replace(of, mask=of.mask & ~poison)
    np.testing.assert_array_equal(clean, fit(settings(), tmp_path / "c", inputs, hidden))


def test_a_training_day_of_a_trained_cell_matters(tmp_path: Path) -> None:
    """Planted fault: the test above can fail."""
    inputs, of = world()
    observed = of.observed.copy()
    observed[1, np.flatnonzero(of.mask[1])[0]] += 0.2
    clean = fit(settings(), tmp_path / "a", inputs, of)
    assert not np.array_equal(clean, fit(settings(), tmp_path / "b", inputs, replace(of, observed=observed)))


def test_members_start_differently_and_their_mean_is_taken(tmp_path: Path) -> None:
    fit(settings(), tmp_path, *world())
    assert (tmp_path / "member-0.safetensors").read_bytes() != (tmp_path / "member-1.safetensors").read_bytes()
    torch.manual_seed(0)
    networks = [SequenceNetwork(3, 2, 5, 0.0) for _ in range(3)]
    random = np.random.default_rng(0)
    daily, statics = random.standard_normal((4, 50, 3)), random.standard_normal((4, 2))
    alone = [predict([n], daily, statics, warm_up=7) for n in networks]
    np.testing.assert_allclose(predict(networks, daily, statics, warm_up=7), np.mean(alone, axis=0), atol=1e-7)
    order = [2, 0, 3, 1]
    by_one = predict(networks, daily[order], statics[order], warm_up=7, cells_per_batch=1)
    np.testing.assert_allclose(by_one, np.mean(alone, axis=0)[order], atol=1e-6)


def test_the_warm_up_recycles_the_first_year() -> None:
    days = np.arange(400.0)[None, :, None]
    np.testing.assert_array_equal(with_warm_up(days, 3)[0, :5, 0], [362, 363, 364, 0, 1])
    np.testing.assert_array_equal(with_warm_up(days[:, :4], 6)[0, :7, 0], [2, 3, 0, 1, 2, 3, 0])


def test_a_batch_holds_the_days_it_says() -> None:
    """Inputs of window and warm-up, targets of the window, from the same cells; nothing is fitted beyond the mask."""
    inputs, of = world()
    mask = of.mask & of.train_days & of.trained[:, None]
    data = sequence_data(inputs, of.observed, mask, trained=of.trained, training=of.train_days)
    padded = with_warm_up(data.daily, 30).astype("f4")
    batch = data.draw(settings(), 0)(4, 0)
    assert batch.daily.shape == (6, 90, len(FORCING) + 2)
    assert batch.target.shape == batch.mask.shape == (6, 60)
    for row in range(6):
        (cell,) = np.flatnonzero((data.statics.astype("f4") == batch.statics[row].numpy()).all(axis=1))
        start = next(s for s in range(306) if np.array_equal(padded[cell, s : s + 90], batch.daily[row].numpy()))
        assert of.trained[cell]
        np.testing.assert_array_equal(batch.mask[row].numpy(), mask[cell, start : start + 60])
        np.testing.assert_array_equal(batch.target[row].numpy(), data.target[cell, start : start + 60].astype("f4"))


def test_the_loss_is_the_error_of_masked_days() -> None:
    network = SequenceNetwork(1, 1, 4, 0.5).eval()
    daily, statics = torch.randn(2, 9, 1), torch.randn(2, 1)
    series = network(daily, statics)[:, 4:].detach()
    mask = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], dtype=torch.bool)
    target = torch.where(mask, series + 3.0, torch.full_like(series, 1e6))
    loss = SequenceTask(network, lambda step, rank: Batch(daily, statics, target, mask)).loss(network, 0, 0)
    assert float(loss.detach()) == pytest.approx(3.0, rel=1e-5)
    empty = Batch(daily, statics, target, torch.zeros_like(mask))
    nothing = SequenceTask(network, lambda step, rank: empty).loss(network, 0, 0)
    nothing.backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in network.parameters())


def test_dropout_takes_one_mask_for_all_days() -> None:
    network = SequenceNetwork(1, 1, 64, 0.5).train()
    kept = network._dropped(torch.ones(3, 20, 64))
    assert bool((kept == kept[:, :1]).all())
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert bool((network.eval()._dropped(torch.ones(3, 20, 64)) == 1).all())


def test_bad_inputs_and_settings_are_named(tmp_path: Path) -> None:
    inputs, of = world()
    forcing = inputs.forcing.copy()
    forcing[3, 7, 1] = np.nan
    with pytest.raises(DataError, match="forcing 'tair' of cell 103 is not finite on 2015-01-08"):
        fit(settings(), tmp_path, replace(inputs, forcing=forcing), of)
    attributes = inputs.attributes.copy()
    attributes[2, 1] = np.inf
    with pytest.raises(DataError, match="attribute 'nothing' of cell 102 is not finite"):
        fit(settings(), tmp_path, replace(inputs, attributes=attributes), of)
    with pytest.raises(DataError, match=r"forcing of \(12, 5\) cells and days, expected \(12, 731\)"):
        fit(settings(), tmp_path, replace(inputs, forcing=forcing[:, :5]), of)
    with pytest.raises(DataError, match="no observation of a trained cell"):
        fit(settings(), tmp_path, inputs, replace(of, mask=of.mask & of.test_days))
    with pytest.raises(ValidationError, match="Extra inputs"):
        ReferencesConfig(direkt={})


def test_a_partial_training_group_is_completed_from_the_defaults() -> None:
    default = DirectConfig()
    assert DirectConfig(training={"steps": 3}).training.optimiser == default.training.optimiser
    found = ReferencesConfig(direct={"hidden": 8}).direct
    assert found is not None
    assert (found.hidden, found.training) == (8, default.training)
    assert ReferencesConfig().direct is None
