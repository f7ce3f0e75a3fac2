"""The observation operator: exact on known lines, blind to masked values, differentiable."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import SettingsError
from paraformer.numerics.observe import OPERATORS, Line, fit_line, observe

LINES = ("global_linear", "cell_moments", "cell_lstsq")


def series(seed: int = 0, cells: int = 5, days: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulated, observed, mask."""
    random = np.random.default_rng(seed)
    simulated = 0.25 + 0.08 * random.standard_normal((cells, days))
    observed = 0.1 + 0.6 * simulated + 0.02 * random.standard_normal((cells, days))
    return simulated, observed, random.random((cells, days)) < 0.5


@pytest.mark.parametrize("operator", LINES)
def test_a_known_line_is_recovered_exactly(operator):
    simulated, _, mask = series()
    line = fit_line(operator, simulated, 0.07 + 0.5 * simulated, mask)
    np.testing.assert_allclose(line.gain, 0.5, rtol=1e-12)
    np.testing.assert_allclose(line.offset, 0.07, rtol=1e-12)
    np.testing.assert_allclose(observe(simulated, line), 0.07 + 0.5 * simulated, rtol=1e-12)


def test_raw_is_the_identity():
    simulated, observed, mask = series()
    np.testing.assert_array_equal(observe(simulated, fit_line("raw", simulated, observed, mask)), simulated)


def test_cell_lstsq_equals_polyfit():
    simulated, observed, mask = series()
    line = fit_line("cell_lstsq", simulated, observed, mask)
    for cell in range(len(mask)):
        gain, offset = np.polyfit(simulated[cell, mask[cell]], observed[cell, mask[cell]], 1)
        np.testing.assert_allclose((line.gain[cell, 0], line.offset[cell, 0]), (gain, offset), rtol=1e-10)


def test_global_linear_equals_polyfit_over_all_cell_days():
    simulated, observed, mask = series()
    line = fit_line("global_linear", simulated, observed, mask)
    assert line.gain.shape == line.offset.shape == (1, 1)
    expected = np.polyfit(simulated[mask], observed[mask], 1)
    np.testing.assert_allclose((line.gain[0, 0], line.offset[0, 0]), expected, rtol=1e-10)


def test_cell_moments_match_mean_and_standard_deviation():
    simulated, observed, mask = series()
    fitted = observe(simulated, fit_line("cell_moments", simulated, observed, mask))
    for cell in range(len(mask)):
        found, expected = fitted[cell, mask[cell]], observed[cell, mask[cell]]
        np.testing.assert_allclose((found.mean(), found.std()), (expected.mean(), expected.std()), rtol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e9])
def test_masked_values_never_leak(operator, poison):
    simulated, observed, mask = series()
    clean = fit_line(operator, simulated, observed, mask)
    dirty = fit_line(operator, np.where(mask, simulated, poison), np.where(mask, observed, poison), mask)
    np.testing.assert_array_equal(clean.gain, dirty.gain)
    np.testing.assert_array_equal(clean.offset, dirty.offset)


@pytest.mark.parametrize("operator", ["cell_moments", "cell_lstsq"])
def test_degenerate_cells_get_an_offset_only(operator):
    simulated, observed, mask = series(cells=5)
    mask[0] = False
    mask[1] = np.arange(60) == 7
    simulated[2] = 0.3
    observed[3] = 0.2
    line = fit_line(operator, simulated, observed, mask)
    np.testing.assert_array_equal(line.gain[:4, 0], 1.0)
    assert line.offset[0, 0] == 0
    np.testing.assert_allclose(line.offset[1, 0], observed[1, 7] - simulated[1, 7])
    for cell in (2, 3):
        means = observed[cell, mask[cell]].mean() - simulated[cell, mask[cell]].mean()
        np.testing.assert_allclose(line.offset[cell, 0], means, rtol=1e-12)
    assert line.gain[4, 0] != 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_series_does_not_vary_whatever_its_rounding(dtype):
    constant = np.full((1, 365), 0.1, dtype)
    varying = (0.2 + 0.01 * np.sin(np.arange(365)))[None].astype(dtype)
    line = fit_line("cell_lstsq", constant, varying, np.ones((1, 365), bool))
    assert line.gain[0, 0] == 1
    assert line.gain.dtype == dtype


@pytest.mark.parametrize("operator", OPERATORS)
def test_torch_equals_numpy(operator):
    simulated, observed, mask = series()
    line = fit_line(operator, simulated, observed, mask)
    same = fit_line(operator, *(torch.from_numpy(a) for a in (simulated, observed, mask)))
    np.testing.assert_allclose(same.gain.numpy(), line.gain, rtol=1e-12)
    np.testing.assert_allclose(same.offset.numpy(), line.offset, rtol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_are_right_and_finite_with_gaps_and_degenerate_cells(operator):
    simulated, observed, mask = (torch.from_numpy(a) for a in series(cells=4, days=12))
    mask[0] = False
    mask[1] = torch.arange(12) == 3
    simulated[2] = 0.3
    observed = torch.where(mask, observed, torch.nan)

    def misfit(x: torch.Tensor) -> torch.Tensor:
        error = observe(x, fit_line(operator, x, observed, mask)) - torch.nan_to_num(observed)
        return torch.where(mask, error, 0.0).square().sum()

    leaf = simulated.clone().requires_grad_(True)
    misfit(leaf).backward()
    assert leaf.grad.isfinite().all()
    if operator != "global_linear":
        assert (leaf.grad[0] == 0).all()
    smooth = simulated[3:].clone().requires_grad_(True)
    gaps, seen = mask[3:], observed[3:]
    assert torch.autograd.gradcheck(lambda x: fit_line(operator, x, seen, gaps), (smooth,))


@pytest.mark.parametrize("operator", ["cell_moments", "cell_lstsq"])
@given(order=st.permutations(range(5)), shift=st.floats(-0.3, 0.3), scale=st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_cells_are_independent_and_the_result_ignores_the_units_of_the_simulation(operator, order, shift, scale):
    simulated, observed, mask = series()
    fitted = observe(simulated, fit_line(operator, simulated, observed, mask))
    permuted = fit_line(operator, simulated[order], observed[order], mask[order])
    np.testing.assert_allclose(observe(simulated[order], permuted), fitted[order], rtol=1e-12)
    other = shift + scale * simulated
    np.testing.assert_allclose(observe(other, fit_line(operator, other, observed, mask)), fitted, atol=1e-10)


def test_least_squares_beats_every_other_line():
    simulated, observed, mask = series()
    best = fit_line("cell_lstsq", simulated, observed, mask)

    def misfit(line: Line) -> np.ndarray:
        return np.where(mask, (observe(simulated, line) - observed) ** 2, 0).sum(axis=1)

    for operator in OPERATORS:
        assert (misfit(best) <= misfit(fit_line(operator, simulated, observed, mask)) + 1e-15).all()


def test_an_unknown_operator_is_named_with_the_nearest_valid_one():
    simulated, observed, mask = series()
    with pytest.raises(SettingsError, match=r"'global_line'.*'global_linear'"):
        fit_line("global_line", simulated, observed, mask)
