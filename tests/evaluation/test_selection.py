"""Best set of an ensemble: by raw RMSE of the training period, of trained cells or of the cell itself."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.small_holdout import holdout, simulation
from paraformer.core.errors import DataError
from paraformer.evaluation.selection import best_per_cell, best_single, training_rmse

KIND = np.array(["prior", "common", "common", "own", "own"])


def ensemble() -> np.ndarray:
    """Five sets: 1 is the best common one on trained cells; 3 is perfect in even cells, 4 in odd ones."""
    world = holdout()
    base = simulation(world)
    sets = [base, base - 0.02, base - 0.05, base, base]
    even = np.arange(12) % 2 == 0
    sets[3] = np.where(even[:, None], world.observed, base)
    sets[4] = np.where(even[:, None], base, world.observed)
    return np.stack(sets, axis=1)


def test_rmse_of_every_set():
    world = holdout()
    rmse, scored = training_rmse(ensemble(), world)
    assert scored.all()
    mask = world.mask & world.train_days
    for i in range(5):
        error = np.where(mask, ensemble()[:, i] - world.observed, 0)
        np.testing.assert_allclose(rmse[:, i], np.sqrt((error**2).sum(1) / mask.sum(1)), rtol=1e-10, atol=1e-15)


def test_the_single_set_is_common_and_the_best_over_trained_cells():
    world = holdout()
    rmse, scored = training_rmse(ensemble(), world)
    chosen = best_single(rmse, scored, KIND, world.trained)
    assert chosen == 1
    assert chosen == np.argmin(rmse[world.trained][:, :3].mean(axis=0))
    rigged = rmse.copy()
    rigged[~world.trained, 2] = 0
    assert best_single(rigged, scored, KIND, world.trained) == 1


def test_each_cell_takes_its_own_best_and_unscored_cells_the_fallback():
    world = holdout()
    mask = world.mask.copy()
    mask[5] = False
    rmse, scored = training_rmse(ensemble(), replace(world, mask=mask))
    assert best_per_cell(rmse, scored, fallback=2).tolist() == [3, 4, 3, 4, 3, 2, 3, 4, 3, 4, 3, 4]


def test_chunks_of_cells_give_the_same():
    world = holdout()
    whole, _ = training_rmse(ensemble(), world)
    names = ("cells", "lat", "lon", "observed", "mask", "trained")
    for start in (0, 6):
        part = replace(world, **{name: getattr(world, name)[start : start + 6] for name in names})
        np.testing.assert_array_equal(training_rmse(ensemble()[start : start + 6], part)[0], whole[start : start + 6])


def test_the_test_period_plays_no_part():
    world = holdout()
    poisoned = replace(world, observed=np.where(world.test_days, np.nan, world.observed))
    np.testing.assert_array_equal(training_rmse(ensemble(), world)[0], training_rmse(ensemble(), poisoned)[0])


def test_refusals():
    world = holdout()
    rmse, scored = training_rmse(ensemble(), world)
    with pytest.raises(DataError, match="no common set"):
        best_single(rmse, scored, np.array(["own"] * 5), world.trained)
    with pytest.raises(DataError, match=r"shape \(3, 5, 731\)"):
        training_rmse(ensemble()[:3], world)
