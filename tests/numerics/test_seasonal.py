"""The seasonal course: harmonics are found again, shrunk and kept in range as its docstring says."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.numerics.seasonal import masked_range, seasonal_course

DAYS = np.arange(1, 366)
PHASE = 2 * np.pi * DAYS / 365.25


def test_harmonics_of_a_full_year_come_back_less_the_shrinkage() -> None:
    """With every day seen the normal matrix is nearly diagonal: n/2 beside five days of zero."""
    values = 0.25 + 0.05 * np.cos(PHASE) - 0.03 * np.sin(2 * PHASE)
    found = seasonal_course(DAYS, values[None], np.ones((1, 365), dtype=bool), harmonics=2)[0]
    kept = 182.5 / (182.5 + 5.0)
    expected = 0.25 + kept * (values - 0.25)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(found - values).max() > 1e-3


def test_one_harmonic_cannot_follow_two() -> None:
    values = 0.25 + 0.05 * np.cos(2 * PHASE)
    found = seasonal_course(DAYS, values[None], np.ones((1, 365), dtype=bool), harmonics=1)[0]
    np.testing.assert_allclose(found, 0.25, atol=1e-3)


def test_without_harmonics_it_is_the_mean_of_the_days_that_are_seen() -> None:
    values, mask = np.array([[0.1, np.nan, 0.4, 9.0]]), np.array([[True, False, True, False]])
    found = seasonal_course(np.arange(1, 5), values, mask, harmonics=0)
    np.testing.assert_allclose(found, [[0.25] * 4], rtol=1e-14)


def test_it_is_least_squares_with_five_days_of_zero_for_each_amplitude() -> None:
    """Independent: the penalty as rows of a plain least-squares problem."""
    random = np.random.default_rng(1)
    mask = random.random(365) < 0.2
    values = np.where(mask, 0.3 + 0.1 * np.sin(PHASE) + 0.02 * random.standard_normal(365), np.nan)
    rows = np.stack([np.ones(365), np.cos(PHASE), np.sin(PHASE)], axis=1)
    penalty = np.sqrt(5.0) * np.eye(3)[1:]
    design, target = np.concatenate([rows[mask], penalty]), np.concatenate([values[mask], [0.0, 0.0]])
    expected = rows @ np.linalg.lstsq(design, target, rcond=None)[0]
    found = seasonal_course(DAYS, values[None], mask[None], harmonics=1)[0]
    low, high = values[mask].min(), values[mask].max()
    np.testing.assert_allclose(found, np.clip(expected, low, high), rtol=1e-9)


def test_half_a_year_without_a_day_does_not_swing() -> None:
    mask = (DAYS > 120) & (DAYS < 270)
    values = np.where(mask, 0.2 + 0.1 * np.cos(3 * PHASE), np.nan)
    found = seasonal_course(DAYS, values[None], mask[None], harmonics=3)[0]
    assert found.min() >= np.nanmin(values)
    assert found.max() <= np.nanmax(values)


def test_a_cell_without_a_day_is_zero_and_leaves_others_alone() -> None:
    values = np.stack([0.2 + 0.05 * np.cos(PHASE), np.full(365, np.nan)])
    mask = np.stack([np.ones(365, dtype=bool), np.zeros(365, dtype=bool)])
    both = seasonal_course(DAYS, values, mask, harmonics=2)
    np.testing.assert_array_equal(both[1], 0.0)
    np.testing.assert_allclose(both[0], seasonal_course(DAYS, values[:1], mask[:1], harmonics=2)[0], rtol=1e-12)


def test_range_of_the_days_that_are_seen() -> None:
    low, high = masked_range(
        np.array([[3.0, -9.0, 1.0], [5.0, 6.0, 7.0]]), np.array([[True, False, True], [False] * 3])
    )
    assert (low.tolist(), high.tolist()) == ([[1.0], [0.0]], [[3.0], [0.0]])
    with pytest.raises(ValueError, match="zero-size"):
        masked_range(np.zeros((1, 0)), np.zeros((1, 0), dtype=bool))
