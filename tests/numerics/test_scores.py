"""Scores: independent formulas, identities, exact merging, and what stays unscored."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paraformer.core.errors import DataError, ModelError
from paraformer.numerics.scores import METRICS, Statistics, accumulate, fair_crps, finish, merge


def series(seed: int = 0, cells: int = 4, days: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulated, observed, mask."""
    random = np.random.default_rng(seed)
    observed = 0.25 + 0.08 * random.standard_normal((cells, days))
    simulated = 0.05 + 0.7 * observed + 0.03 * random.standard_normal((cells, days))
    return simulated, observed, random.random((cells, days)) < 0.6


def close(a: Statistics, b: Statistics) -> None:
    for name, left, right in zip(Statistics._fields, a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15, err_msg=name)


def test_scores_equal_independent_formulas():
    simulated, observed, mask = series()
    values, scored = finish(accumulate(simulated, observed, mask))
    for cell in range(len(mask)):
        s, o = simulated[cell, mask[cell]], observed[cell, mask[cell]]
        r = stats.pearsonr(s, o).statistic
        expected = {
            "rmse": np.sqrt(np.mean((s - o) ** 2)),
            "pcc": r,
            "nse": 1 - np.sum((s - o) ** 2) / np.sum((o - np.mean(o)) ** 2),
            "ubrmse": np.std(s - o),
            "kge": 1 - np.linalg.norm([r - 1, s.std() / o.std() - 1, s.mean() / o.mean() - 1]),
            "bias": np.mean(s) - np.mean(o),
        }
        for name in METRICS:
            np.testing.assert_allclose(values[name][cell], expected[name], rtol=1e-10, err_msg=name)
            assert scored[name][cell]


def test_the_observed_mean_as_forecast_has_nse_zero_and_no_correlation():
    """By definition (Nash & Sutcliffe 1970)."""
    _, observed, mask = series()
    mean = np.where(mask, observed, 0).sum(1) / mask.sum(1)
    values, scored = finish(accumulate(np.repeat(mean[:, None], 90, axis=1), observed, mask))
    np.testing.assert_allclose(values["nse"], 0, atol=1e-12)
    np.testing.assert_allclose(values["bias"], 0, atol=1e-15)
    assert not scored["pcc"].any()
    assert not scored["kge"].any()
    assert scored["rmse"].all()


@given(seed=st.integers(0, 999), offset=st.floats(-0.5, 0.5))
@settings(max_examples=30, deadline=None)
def test_identities(seed, offset):
    simulated, observed, mask = series(seed)
    values, _ = finish(accumulate(simulated + offset, observed, mask))
    np.testing.assert_allclose(values["ubrmse"] ** 2, values["rmse"] ** 2 - values["bias"] ** 2, atol=1e-12)
    shifted, _ = finish(accumulate(simulated, observed, mask))
    for name in ("pcc", "ubrmse"):
        np.testing.assert_allclose(values[name], shifted[name], rtol=1e-9)
    assert (values["nse"] <= 1).all()
    assert (np.abs(values["pcc"]) <= 1).all()
    assert (values["kge"] <= 1).all()
    assert (values["rmse"] >= np.abs(values["bias"])).all()


@given(size=st.floats(1e-9, 1e-2), day=st.integers(0, 89))
@settings(max_examples=30, deadline=None)
def test_nse_is_one_only_for_a_perfect_simulation(size, day):
    _, observed, mask = series()
    mask[:, day] = True
    perfect, _ = finish(accumulate(observed, observed, mask))
    np.testing.assert_array_equal(perfect["nse"], 1)
    np.testing.assert_array_equal(perfect["rmse"], 0)
    np.testing.assert_allclose(perfect["kge"], 1, atol=1e-12)
    wrong = observed.copy()
    wrong[:, day] += size
    values, _ = finish(accumulate(wrong, observed, mask))
    assert (values["rmse"] > 0).all()
    if size > 1e-6:
        assert (values["nse"] < 1).all()


@given(cuts=st.lists(st.integers(0, 90), max_size=5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_chunks_of_time_give_the_same_statistics(cuts, seed):
    arrays = series(seed)
    edges = [0, *sorted(cuts), 90]
    parts = (accumulate(*(a[:, start:stop] for a in arrays)) for start, stop in itertools.pairwise(edges))
    merged = functools.reduce(merge, parts)
    whole = accumulate(*arrays)
    close(merged, whole)
    for name in METRICS:
        np.testing.assert_allclose(finish(merged).values[name], finish(whole).values[name], rtol=1e-10, atol=1e-12)


def test_chunks_of_cells_give_the_same_bits():
    arrays = series()
    whole = accumulate(*arrays)
    for cell in range(4):
        for left, right in zip(accumulate(*(a[cell : cell + 1] for a in arrays)), whole, strict=True):
            np.testing.assert_array_equal(left, right[cell : cell + 1])


def test_merging_is_associative_and_commutative():
    a, b, c = (accumulate(*series(seed)) for seed in (1, 2, 3))
    close(merge(merge(a, b), c), merge(a, merge(b, c)))
    close(merge(a, b), merge(b, a))
    close(merge(a, accumulate(*(values[:, :0] for values in series()))), a)  # of no day


def test_a_large_mean_costs_no_digits():
    simulated, observed, mask = series()
    small = finish(accumulate(simulated, observed, mask)).values
    large = finish(accumulate(simulated + 1e6, observed + 1e6, mask)).values
    for name in ("rmse", "pcc", "nse", "ubrmse"):
        np.testing.assert_allclose(large[name], small[name], rtol=1e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_masked_values_never_leak(poison):
    simulated, observed, mask = series()
    clean = accumulate(simulated, observed, mask)
    dirty = accumulate(np.where(mask, simulated, poison), np.where(mask, observed, poison), mask)
    for left, right in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(left, right)


def test_short_and_constant_cells_are_unscored_and_the_mask_says_so():
    simulated, observed, mask = series()
    mask[0] = np.arange(90) < 19
    mask[1] = np.arange(90) < 20
    observed[2] = 0.3
    mask[3] = False
    values, scored = finish(accumulate(simulated, observed, mask))
    for name in METRICS:
        assert scored[name].tolist() == [False, True, False, False]
        np.testing.assert_array_equal(np.isnan(values[name]), ~scored[name])


def test_a_nan_on_a_day_that_counts_stops_the_work():
    simulated, observed, mask = series()
    mask[2, 5] = True
    broken = simulated.copy()
    broken[2, 5] = np.nan
    with pytest.raises(ModelError, match="cell position 2, day position 5"):
        accumulate(broken, observed, mask)
    broken = observed.copy()
    broken[2, 5] = np.inf
    with pytest.raises(DataError, match="cell position 2, day position 5"):
        accumulate(simulated, broken, mask)


def test_the_fair_crps_of_few_members_is_that_of_their_distribution_on_average():
    random = np.random.default_rng(0)
    truth = random.standard_normal(200_000)
    exact = 2 / np.sqrt(np.pi) - 1 / np.sqrt(np.pi)  # E|X - Y| - E|X - X'| / 2 of standard normal numbers
    for m in (2, 3, 8):
        found = fair_crps(random.standard_normal((m, truth.size)), truth).mean()
        assert found == pytest.approx(exact, abs=0.005)
    np.testing.assert_array_equal(fair_crps(np.array([[1.0, 5.0]]), np.array([3.0, 4.0])), [2.0, 1.0])
