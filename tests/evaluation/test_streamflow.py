"""Scores of discharge: closed forms, parts, timing, and what they have to beat."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.evaluation.streamflow import flow_scores, mean_flow, persistence, seasonal_flow

DAYS = np.datetime64("2001-01-01") + np.arange(1460)


def flow(seed: int = 0) -> np.ndarray:
    """Two gauges, four years: a season with storms that recede."""
    rng = np.random.default_rng(seed)
    storms = np.where(rng.random((2, 1460)) < 0.05, rng.gamma(2.0, 30.0, (2, 1460)), 0.0)
    recession = np.exp(-np.arange(60) / 6.0)
    wet = np.stack([np.convolve(row, recession)[:1460] for row in storms])
    return 5 + 3 * np.sin(2 * np.pi * np.arange(1460) / 365.25) + wet


def everything(observed: np.ndarray) -> np.ndarray:
    return np.ones(observed.shape, dtype=bool)


def test_the_truth_is_perfect() -> None:
    observed = flow()
    scores = flow_scores(observed.copy(), observed, everything(observed), DAYS)
    for name in ("kge", "kge_2012", "r", "alpha", "beta", "gamma", "nse", "log_nse", "peak_ratio"):
        np.testing.assert_allclose(getattr(scores, name), 1.0, atol=1e-12, err_msg=name)
    for name in ("percent_bias", "high_flow", "low_flow", "peak_days", "lag"):
        np.testing.assert_allclose(getattr(scores, name), 0.0, atol=1e-9, err_msg=name)


def test_parts_of_a_scaled_flow() -> None:
    """Twice the flow: alpha 2, beta 2, gamma 1; the two KGE differ."""
    observed = flow()
    scores = flow_scores(2 * observed, observed, everything(observed), DAYS)
    np.testing.assert_allclose(scores.alpha, 2)
    np.testing.assert_allclose(scores.beta, 2)
    np.testing.assert_allclose(scores.gamma, 1)
    np.testing.assert_allclose(scores.kge, 1 - np.sqrt(2))
    np.testing.assert_allclose(scores.kge_2012, 0, atol=1e-12)
    np.testing.assert_allclose(scores.percent_bias, 100)
    np.testing.assert_allclose(scores.high_flow, 100)
    np.testing.assert_allclose(scores.low_flow, 0, atol=1e-9)  # in logarithms a factor is no shape
    np.testing.assert_allclose(scores.peak_ratio, 2)


@pytest.mark.parametrize("late", [-3, 0, 1, 4])
def test_the_lag_is_found(late: int) -> None:
    observed = flow()
    scores = flow_scores(np.roll(observed, late, axis=1), observed, everything(observed), DAYS)
    assert scores.lag.tolist() == [late, late]
    assert scores.peak_days.tolist() == [late, late]


def test_gaps_and_warm_up_do_not_count() -> None:
    observed = flow()
    mask = everything(observed)
    mask[:, :365] = False
    mask[0, 500:520] = False
    simulated = observed + np.random.default_rng(1).normal(0, 2, observed.shape)
    holes = np.where(mask, observed, np.nan)
    scores = flow_scores(simulated, holes, mask, DAYS)
    changed = simulated.copy()
    changed[:, :300] = 1e9
    other = flow_scores(changed, holes, mask, DAYS)
    for name in ("kge", "nse", "log_nse", "high_flow", "low_flow", "peak_days", "lag"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(other, name), err_msg=name)
    assert scores.days.tolist() == [1075, 1095]
    expected = (
        1 - ((simulated - observed)[1, 365:] ** 2).sum() / ((observed[1, 365:] - observed[1, 365:].mean()) ** 2).sum()
    )
    assert scores.nse[1] == pytest.approx(expected)


def test_log_nse_has_its_epsilon_and_days_without_flow_count() -> None:
    observed = np.maximum(flow() - 12, 0.0)
    simulated = observed * 1.3
    scores = flow_scores(simulated, observed, everything(observed), DAYS)
    epsilon = observed.mean(axis=1, keepdims=True) / 100
    s, o = np.log(simulated + epsilon), np.log(observed + epsilon)
    expected = 1 - ((s - o) ** 2).sum(axis=1) / ((o - o.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    np.testing.assert_allclose(scores.log_nse, expected, rtol=1e-10)
    assert np.isnan(scores.low_flow).all()


def test_benchmarks() -> None:
    observed = flow()
    train = everything(observed)
    train[:, 730:] = False
    mean, season = mean_flow(observed, train), seasonal_flow(observed, train, DAYS)
    np.testing.assert_allclose(mean[:, 0], observed[:, :730].mean(axis=1))
    january = DAYS.astype("datetime64[M]").astype(int) % 12 == 0
    np.testing.assert_allclose(season[:, january][:, -1], observed[:, january & train[0]].mean(axis=1))
    test = ~train
    scores = flow_scores(mean, observed, test, DAYS)
    assert (scores.nse <= 1e-9).all()
    assert np.isnan(scores.kge).all()  # a constant has no correlation
    assert (flow_scores(season, observed, test, DAYS).kge > -0.5).all()
    before, known = persistence(observed, everything(observed))
    np.testing.assert_array_equal(before[:, 1:], observed[:, :-1])
    assert not known[:, 0].any()
    assert (flow_scores(before, observed, known, DAYS).nse > 0).all()
