"""What an observation would say of θ: slopes of totals and signatures against autograd, gains against exact ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paraformer.core.time import DAYS_OF_MONTH, month_of
from paraformer.evaluation.config import TargetErrors
from paraformer.evaluation.information import ALL, SOIL_MOISTURE, TARGETS, information, target_precisions
from paraformer.numerics.totals import baseflow_index, runoff_ratio

CELLS, DAYS, SIZE = 3, 366, 2
TIME = np.datetime64("2015-04-01") + np.arange(DAYS)
ERRORS = TargetErrors()


def series() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Fluxes, their slopes, and precipitation."""
    random = np.random.default_rng(0)
    names = ("evapotranspiration", "runoff", "baseflow")
    value = {name: random.random((CELLS, DAYS)) + 0.1 for name in names}
    return value, {name: random.normal(size=(CELLS, DAYS, SIZE)) for name in names}, 3 * random.random((CELLS, DAYS))


def autograd_slope(value: dict[str, np.ndarray], slope: dict[str, np.ndarray], rain: np.ndarray, of: str) -> np.ndarray:
    """Derivative of a signature of the linear model, by torch."""

    def signature(u: torch.Tensor) -> torch.Tensor:
        runoff, baseflow = (
            torch.as_tensor(value[n]) + (torch.as_tensor(slope[n]) * u[:, None]).sum(-1) for n in ("runoff", "baseflow")
        )
        found = (
            runoff_ratio(runoff, baseflow, torch.as_tensor(rain))
            if of == "runoff ratio"
            else (baseflow_index(runoff, baseflow))
        )
        return found.sum()

    u = torch.zeros(CELLS, SIZE, dtype=torch.float64, requires_grad=True)
    return np.asarray(torch.autograd.grad(signature(u), u)[0])


@pytest.mark.parametrize(("of", "error"), [("runoff ratio", 0.05), ("baseflow index", 0.1)])
def test_signatures_have_the_slopes_of_the_losses_that_learners_minimise(of: str, error: float) -> None:
    value, slope, rain = series()
    expected = autograd_slope(value, slope, rain, of)
    found = target_precisions(value, slope, rain, TIME, ERRORS)[of]
    np.testing.assert_allclose(found, expected[:, :, None] * expected[:, None] / error**2, rtol=1e-10)


def test_totals_of_months_and_of_the_year() -> None:
    value, slope, rain = series()
    found = target_precisions(value, slope, rain, TIME, ERRORS)
    months = np.stack(
        [slope["evapotranspiration"][:, month_of(TIME) == m + 1].mean(1) * DAYS_OF_MONTH[m] for m in range(12)], axis=1
    )
    year = months.sum(axis=1)
    np.testing.assert_allclose(found["annual evapotranspiration"], year[:, :, None] * year[:, None] / 75.0**2)
    np.testing.assert_allclose(found["monthly evapotranspiration"], np.einsum("cmp,cmq->cpq", months, months) / 12.0**2)


def test_a_cell_without_runoff_has_no_baseflow_index() -> None:
    """The ratio of two nothings says nothing."""
    value, slope, rain = series()
    for name in ("runoff", "baseflow"):
        value[name][0] = 1e-4
    found = target_precisions(value, slope, rain, TIME, ERRORS)
    assert not found["baseflow index"][0].any()
    assert found["baseflow index"][1:].any()
    assert found["runoff ratio"].any(axis=(1, 2)).all()


def test_gain_is_that_of_the_linear_gaussian_problem_and_what_is_not_seen_keeps_its_prior() -> None:
    std, size = 0.2, 3

    def seeing(parameter: int) -> np.ndarray:
        precision = np.zeros((1, size, size))
        precision[:, parameter, parameter] = 1 / std**2
        return precision

    kinds = dict.fromkeys(TARGETS, np.zeros((1, size, size))) | {SOIL_MOISTURE: seeing(0), "runoff ratio": seeing(1)}
    gains = {kind: gain[0] for kind, gain in information(kinds).items()}
    exact = 1 / (1 + 12 * std**2)
    np.testing.assert_allclose(gains[SOIL_MOISTURE], [exact, 0, 0], atol=1e-12)
    np.testing.assert_allclose(gains["runoff ratio"], [0, exact, 0], atol=1e-12)
    for both in (f"{SOIL_MOISTURE} + runoff ratio", ALL):
        np.testing.assert_allclose(gains[both], [exact, exact, 0], atol=1e-12)
    assert set(gains) == {SOIL_MOISTURE, *TARGETS, *(f"{SOIL_MOISTURE} + {t}" for t in TARGETS), ALL}


@given(hnp.arrays(np.float64, (2, 4, 3), elements=st.floats(-1e3, 1e3)))
def test_more_observations_never_say_less(slopes: np.ndarray) -> None:
    first, second = (np.einsum("cvp,cvq->cpq", s, s) for s in (slopes[:, :1], slopes[:, 1:]))
    gains = information({SOIL_MOISTURE: first, "other": second})
    for gain in gains.values():
        assert ((gain >= -1e-6) & (gain <= 1 + 1e-6)).all()
        assert (gains[ALL] >= gain - 1e-6).all()
