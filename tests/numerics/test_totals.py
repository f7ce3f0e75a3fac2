"""Totals of mean months and signatures of runoff, against values known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paraformer.core.time import DAYS_OF_MONTH
from paraformer.numerics.months import monthly_operator
from paraformer.numerics.totals import baseflow_index, chi_squared, relative_error, runoff_ratio

YEAR = np.datetime64("2015-04-01") + np.arange(366)


def test_a_constant_rate_gives_the_length_of_each_month_whatever_the_period() -> None:
    """A leap year, and a year and a half, weigh every month alike."""
    for days in (YEAR, np.datetime64("2015-04-01") + np.arange(550)):
        np.testing.assert_allclose(np.full(days.size, 2.0) @ monthly_operator(days), 2 * DAYS_OF_MONTH)


def test_a_day_counts_in_its_own_month_alone() -> None:
    series = (np.datetime64("2015-07-14") == YEAR) * 31.0
    np.testing.assert_allclose(series @ monthly_operator(YEAR), 31.0 * (np.arange(12) == 6))


def test_a_month_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="month 3 has 5 days of the 20"):
        monthly_operator(YEAR[:-26])


def test_signatures_are_ratios_of_sums() -> None:
    runoff, baseflow = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    rain = torch.tensor([[4.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(runoff_ratio(runoff, baseflow, rain), torch.tensor([0.25, 0.0]))
    torch.testing.assert_close(baseflow_index(runoff, baseflow), torch.tensor([0.5, 0.0]))


def test_a_relative_error_is_in_units_of_the_spread_and_never_reads_the_unknown() -> None:
    reference = torch.tensor([[1.0], [3.0], [float("nan")]])
    known = torch.tensor([[True], [True], [False]])
    simulated = torch.tensor([[5.0], [7.0], [1e9]], requires_grad=True)
    error = relative_error(simulated, reference, known, 2.0)
    assert float(error.detach()) == pytest.approx(2.0)
    (slope,) = torch.autograd.grad(error, simulated)
    assert float(slope[2]) == 0.0
    assert torch.isfinite(slope).all()
    assert float(relative_error(simulated, reference, known, 2.0, remove_bias=True).detach()) < 1e-5
    assert float(relative_error(simulated, reference, torch.zeros_like(known), 2.0).detach()) < 1e-5


def test_chi_squared_is_the_sum_of_squares_in_standard_deviations() -> None:
    reference = torch.tensor([[1.0], [3.0], [float("nan")]])
    known = torch.tensor([[True], [True], [False]])
    simulated = torch.tensor([[5.0], [9.0], [1e9]])
    assert float(chi_squared(simulated, reference, known, 2.0)) == pytest.approx(4 + 9)
    assert float(chi_squared(simulated, reference, known, 2.0, remove_bias=True)) == pytest.approx(2 * 0.5**2)
    assert float(chi_squared(simulated, reference, torch.zeros_like(known), 2.0)) == 0.0
