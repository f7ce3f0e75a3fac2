"""Anomalies from a moving mean, and statistics of blocks drawn with replacement."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.numerics.scores import accumulate, resample
from paraformer.numerics.seasonal import WINDOW_DAYS, moving_anomalies


def test_anomalies_are_from_the_mean_of_five_weeks():
    values = np.random.default_rng(0).random((2, 120))
    found, mask = moving_anomalies(values, np.ones(120, bool))
    day = 60
    window = values[:, day - 17 : day + 18]
    assert window.shape[1] == WINDOW_DAYS == 35
    np.testing.assert_allclose(found[:, day], values[:, day] - window.mean(axis=1), rtol=1e-12)
    assert mask.all(), "at the ends the window has half of its days, more than a third"
    np.testing.assert_allclose(found[:, 0], values[:, 0] - values[:, :18].mean(axis=1), rtol=1e-12)


def test_a_slow_season_leaves_no_anomaly():
    """A straight course is gone; a wave of a year is damped to under 2 % of itself."""
    days = np.arange(730)
    slow = np.stack([days / 730, np.sin(2 * np.pi * days / 365)])
    found, _ = moving_anomalies(slow, np.ones(730, bool))
    inside = slice(17, -17)
    np.testing.assert_allclose(found[0, inside], 0, atol=1e-12)
    assert np.abs(found[1, inside]).max() < 0.02


def test_masked_days_are_in_no_mean_and_lonely_days_have_no_anomaly():
    values, mask = np.full((1, 200), 0.3), np.ones(200, bool)
    values[0, 50:100], mask[50:100] = np.nan, False
    values[0, 75], mask[75] = 0.9, True
    found, known = moving_anomalies(values, mask)
    assert not known[75], "its window holds a single day"
    assert not known[50:75].any()
    np.testing.assert_allclose(found, 0, atol=1e-12)
    short, none = moving_anomalies(np.ones((1, 5)), np.ones(5, bool))
    assert short.shape == (1, 5)
    assert not none.any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_drawn_blocks_are_those_days_repeated(seed, blocks):
    """Statistics of a draw are those of the days of its blocks, each as often as it was drawn."""
    random = np.random.default_rng(seed)
    simulated, observed = random.random((2, blocks, 9)) + 100.0
    mask = random.random((blocks, 9)) < 0.7
    mask[0, :2] = True
    drawn = random.integers(0, 3, (4, blocks)).astype(float)
    drawn[0], drawn[1:, 0] = 1.0, 1.0
    found = resample(accumulate(simulated, observed, mask), drawn)
    for i, times in enumerate(drawn.astype(int)):
        chosen = np.repeat(np.arange(blocks), times)
        expected = accumulate(*(v[chosen].reshape(1, -1) for v in (simulated, observed, mask)))
        for name in expected._fields:
            np.testing.assert_allclose(getattr(found, name)[i], getattr(expected, name)[0], atol=1e-9, err_msg=name)
