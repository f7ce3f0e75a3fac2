"""Effective days of autocorrelated errors against the variance of their mean; the penalty in NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from paraformer.core.parameters import ParameterSpace
from paraformer.numerics.inference import Inference, InferenceConfig, effective_days, error_model


def autoregression(correlation: float, cells: int, days: int) -> np.ndarray:
    random = np.random.default_rng(0)
    noise, series = random.normal(size=(cells, days)), np.empty((cells, days))
    series[:, 0] = noise[:, 0]
    for day in range(1, days):
        series[:, day] = correlation * series[:, day - 1] + np.sqrt(1 - correlation**2) * noise[:, day]
    return series


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_effective_days_are_those_of_the_mean_of_an_autoregression(correlation: float) -> None:
    """The variance of a mean of n errors is σ² / n_e, whatever line lies between simulation and observation."""
    errors = 0.05 * autoregression(correlation, 400, 500)
    course = np.sin(np.arange(500) / 29.0) * np.ones((400, 1))
    mask = np.ones(errors.shape, dtype=bool)
    found = effective_days(course, 0.2 + 0.1 * course + errors, mask)
    assert np.median(found) == pytest.approx(0.05**2 / errors.mean(axis=1).var(), rel=0.15)


def test_an_error_that_lasts_a_season_counts_for_as_long_under_noise_of_single_days() -> None:
    """Successive days are correlated by 0.45 alone, a season's error is not seen in them; every third day is."""
    random, shape = np.random.default_rng(2), (300, 360)
    errors = 0.03 * autoregression(0.97, *shape) + 0.03 * random.normal(size=shape)
    mask = np.zeros(shape, dtype=bool)
    mask[:, ::3] = True
    course = np.sin(np.arange(360) / 7.0) * np.ones((300, 1))
    found = np.median(effective_days(course, 0.2 + 0.1 * course + errors, mask))
    truth = errors[mask].var() / errors[:, ::3].mean(axis=1).var()
    by_successive_days = 120 * (1 - 0.45) / (1 + 0.45)
    assert truth < found < 2.5 * truth  # the straight line takes a share of it
    assert found < 0.6 * by_successive_days


def test_days_without_an_observation_say_nothing() -> None:
    errors = autoregression(0.6, 3, 400)
    mask = np.random.default_rng(1).random(errors.shape) < 0.3
    course = np.sin(np.arange(400) / 29.0) * np.ones((3, 1))
    poisoned = np.where(mask, course + 0.1 * errors, np.nan)
    found = effective_days(course, poisoned, mask)
    np.testing.assert_array_equal(found, effective_days(course, np.where(mask, poisoned, 9.0), mask))
    assert (found < mask.sum(axis=1)).all()
    assert (found > 0.3 * mask.sum(axis=1)).all()  # neighbours among the observed lie days apart


def test_excess_is_half_the_squared_distance_over_the_effective_days() -> None:
    prior, std, days = np.array([[0.5, 0.2], [0.1, 0.9]]), np.array([0.1, 0.5]), np.array([40.0, 10.0])
    inference = Inference(prior, std, days)
    np.testing.assert_allclose(inference.log_excess(prior + std), [2 / 80, 2 / 20])
    sets = np.stack([prior, prior + std, prior - 2 * std], axis=1)
    np.testing.assert_allclose(inference.log_excess(sets), [[0, 2 / 80, 8 / 80], [0, 2 / 20, 8 / 20]], atol=1e-15)
    in_torch = Inference(*(torch.as_tensor(a) for a in inference)).log_excess(torch.as_tensor(prior + std))
    np.testing.assert_allclose(in_torch.numpy(), [2 / 80, 2 / 20])


def test_prior_std_by_name() -> None:
    space = ParameterSpace.of("infilt", "expt")
    np.testing.assert_allclose(InferenceConfig().std(space), 12**-0.5)
    by_name = InferenceConfig.model_validate({"prior_std": {"expt": 0.1}})
    np.testing.assert_allclose(by_name.std(space), [12**-0.5, 0.1])
    with pytest.raises(ValidationError, match=r"expected 1e-06 to 1e\+06 for 'expt'"):
        InferenceConfig.model_validate({"prior_std": {"expt": 0.0}})


def test_variance_and_correlation_of_successive_observed_days() -> None:
    """Cells with fewer than three observations get the mean variance and no correlation."""
    residual = 0.04 * autoregression(0.6, 2, 20_000)
    mask = np.ones(residual.shape, dtype=bool)
    mask[1, 2:] = False
    found = error_model(residual, mask)
    assert found.variance[0] == pytest.approx(0.04**2, rel=0.05)
    assert found.correlation[0] == pytest.approx(0.6, abs=0.02)
    assert (found.variance[1], found.correlation[1]) == (found.variance[0], 0.0)
