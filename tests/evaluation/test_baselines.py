"""Training mean and climatology: what they may see, what they recover, and what they leave unscored."""

from dataclasses import replace

import numpy as np

from evaluation.small_holdout import DAYS, holdout, simulation
from paraformer.evaluation.baselines import NOTES, climatology, training_mean
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.score import score_method


def test_training_mean_is_each_cells_own():
    world = holdout()
    found, available = training_mean(world)
    for cell in range(12):
        expected = world.observed[cell, world.mask[cell] & world.train_days].mean()
        np.testing.assert_allclose(found[cell], expected, rtol=1e-12)
    assert available.all()


def test_climatology_recovers_a_harmonic_course_in_another_year():
    world = holdout()
    angle = 2 * np.pi * np.arange(1, 732) / 365.25
    course = 0.2 + 0.05 * np.cos(angle - 1) + 0.02 * np.sin(2 * angle)
    observed = np.where(world.mask, course, np.nan)
    found, _ = climatology(DAYS, replace(world, observed=observed), harmonics=2)
    np.testing.assert_allclose(found[:, world.test_days], np.broadcast_to(course[365:], (12, 366)), atol=0.008)


def test_no_test_day_reaches_a_baseline():
    world = holdout()
    poisoned = replace(world, observed=np.where(world.test_days, np.nan, world.observed))
    for baseline in (training_mean, lambda w: climatology(DAYS, w)):
        np.testing.assert_array_equal(baseline(world).simulated, baseline(poisoned).simulated)


def test_long_gaps_do_not_let_the_harmonics_swing():
    """Half a year without retrievals: the course stays within what the cell has shown."""
    world = holdout()
    summer = (np.arange(731) % 365 > 120) & (np.arange(731) % 365 < 270)
    gappy = replace(world, mask=world.mask & summer)
    found, _ = climatology(DAYS, gappy, harmonics=4)
    training = np.where(gappy.mask & gappy.train_days, gappy.observed, np.nan)
    for cell in range(12):
        seen = training[cell][np.isfinite(training[cell])]
        assert seen.min() <= found[cell].min() <= found[cell].max() <= seen.max()


def test_a_cell_without_training_days_is_unavailable_and_then_unscored():
    world = holdout()
    mask = world.mask.copy()
    mask[4] &= world.test_days
    world = replace(world, mask=mask)
    for baseline in (training_mean(world), climatology(DAYS, world)):
        assert baseline.available.tolist() == [cell != 4 for cell in range(12)]
        assert np.isfinite(baseline.simulated).all()
        table = score_method("baseline", -1, baseline.simulated, world.only(baseline.available), EvaluationConfig())
        rows = table.query("metric == 'rmse' and period == 'test' and operator == 'raw'").set_index("cells")
        assert rows.loc["trained", "n_unscored"] == 1
        assert rows.loc["unseen", "n_unscored"] == 0


def test_climatology_beats_the_mean_where_there_are_seasons_and_both_beat_a_biased_model():
    world = holdout()
    mean, season = training_mean(world), climatology(DAYS, world)
    rmse = []
    for simulated in (season.simulated, mean.simulated, simulation(world)):
        table = score_method("x", -1, simulated, world, EvaluationConfig())
        rmse.append(table.query("metric == 'rmse' and period == 'test' and operator == 'raw'")["mean"].mean())
    assert rmse == sorted(rmse)
    assert set(NOTES) == {"training mean", "climatology"}
