"""How far the θ of a map is from a search's: intervals hold what they promise, and say no more than they know."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.evaluation.map_error import COVERED, covered, shared_error

N = 4000


def test_intervals_hold_nine_in_ten_whatever_the_networks_spread() -> None:
    """Truth apart by a normal error that all networks share: it is found again, and intervals of new cells hold it."""
    random = np.random.default_rng(0)
    shared = np.array([0.05, 0.2])
    std = random.uniform(0.0, 0.1, (2 * N, 2))
    mean = random.uniform(0.3, 0.7, (2 * N, 2))
    found = mean + random.standard_normal((2 * N, 2)) * np.sqrt(std**2 + shared**2)
    error = shared_error(mean[:N], std[:N], found[:N])
    np.testing.assert_allclose(error, shared, rtol=0.1)
    np.testing.assert_allclose(covered(mean[N:], std[N:], found[N:], error), COVERED, atol=0.02)
    assert (covered(mean[:N], std[:N], found[:N], error) >= COVERED).all()
    assert (covered(mean[:N], std[:N], found[:N], 0.99 * error) < COVERED).all(), "the smallest that does"


def test_networks_that_differ_enough_share_nothing() -> None:
    mean, found = np.zeros((10, 1)), np.full((10, 1), 0.1)
    assert shared_error(mean, np.full((10, 1), 0.2), found)[0] == 0.0
    assert shared_error(mean, np.zeros((10, 1)), found)[0] == pytest.approx(0.1 / 1.6449, rel=1e-4)
