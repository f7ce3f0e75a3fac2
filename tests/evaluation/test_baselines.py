"""Reference rows: what they may see, what they recover, and what they leave unscored."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.small_holdout import DAYS, holdout, score_method, simulation
from paraformer.core.errors import DataError
from paraformer.evaluation.baselines import (
    MEMORIES,
    NOTES,
    WARMINGS,
    antecedent_precipitation,
    climatology,
    precipitation_memory,
    training_mean,
)
from paraformer.evaluation.config import EvaluationConfig


def weather(cells: int = 12, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Showers on one day in four, and a warm summer."""
    random = np.random.default_rng(seed)
    prcp = np.where(random.random((cells, DAYS.size)) < 0.25, random.exponential(8.0, (cells, DAYS.size)), 0.0)
    tair = 12 - 12 * np.cos(2 * np.pi * np.arange(DAYS.size) / 365.25) + 3 * random.standard_normal(prcp.shape)
    return prcp, tair


def rained_on(index: np.ndarray) -> np.ndarray:
    """Soil moisture on another line in every cell."""
    return 0.1 + 0.01 * np.arange(len(index))[:, None] + 0.02 * np.sqrt(index)


ROWS = {
    "common": lambda world: precipitation_memory(weather()[0], world),
    "cell": lambda world: precipitation_memory(weather()[0], world, per_cell=True),
    "temperature": lambda world: precipitation_memory(weather()[0], world, tair=weather()[1]),
}


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
    for baseline in (training_mean, lambda w: climatology(DAYS, w), *ROWS.values()):
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
    for baseline in (training_mean(world), climatology(DAYS, world), *(row(world) for row in ROWS.values())):
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
    assert set(NOTES) >= {"training mean", "climatology", "API, one decay", "API, decay per cell", "direct LSTM"}


def test_the_index_of_one_shower_decays_and_recurs():
    """P on day 0 of every year: the index is a geometric series over the days and over the years before."""
    prcp = np.zeros((1, 730))
    prcp[0, [0, 365]] = 10.0
    for k in (0.5, 0.99):
        expected = 10 * k ** (np.arange(730) % 365) / (1 - k**365)
        np.testing.assert_allclose(antecedent_precipitation(prcp, np.full((1, 1), k))[0], expected, rtol=1e-12)


def test_the_index_takes_a_decay_for_every_day():
    prcp, decay = np.array([[1.0, 0.0, 2.0]]), np.array([[0.9, 0.5, 0.1]])
    start = ((1 * 0.5 + 0) * 0.1 + 2) / (1 - 0.9 * 0.5 * 0.1)
    first = 0.9 * start + 1
    np.testing.assert_allclose(antecedent_precipitation(prcp, decay)[0], [first, 0.5 * first, 0.05 * first + 2])


def test_the_decay_that_made_the_moisture_is_found_again():
    prcp, tair = weather()
    world = holdout()
    memory, warming = MEMORIES[15], WARMINGS[3]
    one = rained_on(antecedent_precipitation(prcp, np.full((1, 1), np.exp(-1 / memory))))
    warm = rained_on(antecedent_precipitation(prcp, np.exp(-(warming ** ((tair - 10) / 10)) / memory)))
    each = rained_on(antecedent_precipitation(prcp, np.exp(-1 / np.array(MEMORIES[8:20]))[:, None]))
    cases = ((one, "common"), (one, "cell"), (one, "temperature"), (warm, "temperature"), (each, "cell"))
    for truth, row in cases:
        found = ROWS[row](replace(world, observed=truth)).simulated
        training = np.where(world.mask & world.train_days, truth, np.nan)
        low, high = (f(training, axis=1, keepdims=True) for f in (np.nanmin, np.nanmax))
        np.testing.assert_allclose(found, np.clip(truth, low, high), atol=1e-9)
    wrong = ROWS["common"](replace(world, observed=each)).simulated
    assert np.abs(wrong - each).max() > 0.01


def test_an_unseen_cell_does_not_choose_the_common_decay():
    prcp, tair = weather()
    world = holdout()
    world = replace(world, observed=rained_on(antecedent_precipitation(prcp, np.full((1, 1), 0.9))))
    other = np.where(world.trained[:, None], world.observed, world.observed[:, ::-1])
    for forcing in ({}, {"tair": tair}):
        clean, changed = (
            precipitation_memory(prcp, replace(world, observed=o), **forcing).simulated for o in (world.observed, other)
        )
        np.testing.assert_array_equal(clean[world.trained], changed[world.trained])
        assert not np.allclose(clean[~world.trained], changed[~world.trained])


def test_one_observed_day_gives_a_constant_and_bad_forcing_is_named():
    world, (prcp, tair) = holdout(), weather()
    mask = world.mask.copy()
    mask[2, :365] = False
    mask[2, 100] = True
    found = ROWS["cell"](replace(world, mask=mask)).simulated
    np.testing.assert_allclose(found[2], world.observed[2, 100])
    with pytest.raises(DataError, match=r"'prcp'.*shape \(12, 5\)"):
        precipitation_memory(prcp[:, :5], world)
    tair[3, 7] = np.nan
    with pytest.raises(DataError, match=r"'tair'.*nan in cell 103, day 7"):
        precipitation_memory(prcp, world, tair=tair)
