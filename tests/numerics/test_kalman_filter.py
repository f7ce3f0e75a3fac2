"""The ensemble's update against the Kalman filter in closed form, and innovations that tell right errors from wrong."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.numerics.kalman_filter import expected, innovations, offset_filter, update


def members_of(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Members whose own mean and covariance are these, but for rounding [member, item]."""
    drawn = np.random.default_rng(seed).standard_normal((count, len(mean)))
    drawn -= drawn.mean(axis=0)
    own = np.linalg.cholesky(np.cov(drawn.T))
    return mean + drawn @ np.linalg.inv(own).T @ np.linalg.cholesky(covariance).T


def test_a_linear_model_is_filtered_as_by_the_kalman_filter():
    random = np.random.default_rng(1)
    step = np.array([[0.8, 0.1, 0.0], [0.1, 0.9, 0.05], [0.0, 0.02, 0.98]])
    seen = np.array([0.7, 0.0, 1.0])  # as moisture of layer 1 through a line, and an offset
    mean, root = np.array([1.0, 2.0, 0.5]), random.standard_normal((3, 3))
    covariance, error = root @ root.T + np.eye(3), 0.3
    members = members_of(mean, covariance, 24)
    for day in range(30):
        mean, covariance, members = step @ mean, step @ covariance @ step.T, members @ step.T
        predicted = members @ seen
        found = expected(predicted[None], np.array([error]))
        np.testing.assert_allclose([found.mean[0], found.variance[0]], [seen @ mean, seen @ covariance @ seen + error])
        observed = random.standard_normal()
        is_seen = np.array([day % 3 != 1])
        members += update(members[None], predicted[None], np.array([observed]), np.array([error]), is_seen)[0]
        if is_seen[0]:
            gain = covariance @ seen / (seen @ covariance @ seen + error)
            mean, covariance = mean + gain * (observed - seen @ mean), covariance - np.outer(gain, seen @ covariance)
        np.testing.assert_allclose(members.mean(axis=0), mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(np.cov(members.T), covariance, rtol=1e-8, atol=1e-12)


def test_what_is_not_observed_or_has_no_spread_is_not_moved():
    random = np.random.default_rng(2)
    state, predicted = random.standard_normal((3, 8, 2)), random.standard_normal((3, 8))
    state[2], predicted[2] = 1.0, 0.5  # members all alike
    observed, mask = np.array([np.nan, 3.0, 3.0]), np.array([False, True, True])
    change = update(state, predicted, observed, np.full(3, 0.1), mask)
    assert (change[0] == 0).all()
    assert (change[1] != 0).any()
    assert (change[2] == 0).all()


def filtered(spread: float, noise: float, days: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecasts, variances and observations of an autoregression, filtered as if its errors were the given ones."""
    random, kept, true_spread, true_noise = np.random.default_rng(3), 0.9, 0.2, 0.3
    truth, mean, variance = 0.0, 0.0, spread**2
    found = np.empty((3, days))
    for day in range(days):
        truth = kept * truth + true_spread * random.standard_normal()
        observed = truth + true_noise * random.standard_normal()
        mean, variance = kept * mean, kept**2 * variance + spread**2
        found[:, day] = mean, variance + noise**2, observed
        gain = variance / (variance + noise**2)
        mean, variance = mean + gain * (observed - mean), (1 - gain) * variance
    return found[0][None], found[1][None], found[2][None]


def test_innovations_are_white_and_as_large_as_expected_where_the_errors_are_right():
    forecast, variance, observed = filtered(0.2, 0.3)
    mask = np.ones(forecast.shape, dtype=bool)
    right = innovations(forecast, variance, observed, mask)
    assert right.mean[0] == pytest.approx(0.0, abs=0.03)
    assert right.normalised[0] == pytest.approx(1.0, abs=0.08)
    assert right.correlation[0] == pytest.approx(0.0, abs=0.05)
    slow, fast = (innovations(*filtered(*wrong), mask) for wrong in ((0.05, 0.3), (0.6, 0.3)))
    assert slow.correlation[0] > 0.2  # what an observation said was not used up
    assert fast.correlation[0] < -0.1
    assert fast.normalised[0] < 0.7
    assert right.surprise[0] < min(slow.surprise[0], fast.surprise[0])


def test_innovations_of_masked_days_and_of_few_do_not_count():
    forecast, variance, observed = filtered(0.2, 0.3, days=50)
    forecast, variance, observed = (np.repeat(values, 2, axis=0) for values in (forecast, variance, observed))
    mask = np.ones((2, 50), dtype=bool)
    mask[0, ::2] = False
    mask[1, 2:] = False
    observed = np.where(mask, observed, np.nan)
    found = innovations(forecast, variance, observed, mask)
    alone = innovations(forecast[:1, 1::2], variance[:1, 1::2], observed[:1, 1::2], mask[:1, 1::2])
    for whole, part in zip(found, alone, strict=True):
        assert whole[0] == part[0]
        assert np.isnan(whole[1])


def test_the_filter_of_an_offset_is_regression_on_all_earlier_residuals():
    random, memory, std, error = np.random.default_rng(5), 6.0, 0.04, 0.03
    days = np.arange(20)
    covariance = std**2 * np.exp(-np.abs(days[:, None] - days) / memory)
    residual, mask = random.standard_normal((1, 20)), random.random((1, 20)) < 0.6
    level = np.ones(1)
    hidden = np.where(mask, residual, np.nan)
    forecast, variance = offset_filter(hidden, mask, std * level, memory * level, error * level)
    for day in range(20):
        before = days[mask[0] & (days < day)]
        weight = covariance[day, before] @ np.linalg.inv(
            covariance[np.ix_(before, before)] + error**2 * np.eye(len(before))
        )
        assert forecast[0, day] == pytest.approx(weight @ residual[0, before], abs=1e-12)
        assert variance[0, day] == pytest.approx(std**2 - weight @ covariance[before, day] + error**2)
