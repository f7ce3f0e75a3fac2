"""Losses against values worked out by hand, their masks and their gradients."""

from __future__ import annotations

import pytest
import torch

from paraformer.numerics.losses import LOSSES, cell_rmse, range_boundary_loss, rmse

NAN = float("nan")
SIMULATED = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.4, 0.4], [0.9, 0.9, 0.9]], dtype=torch.float64)
OBSERVED = torch.tensor([[0.1, 0.5, NAN], [0.4, 0.4, 0.8], [NAN, NAN, NAN]], dtype=torch.float64)
MASK = torch.isfinite(OBSERVED)


def test_rmse_pools_observed_cell_days() -> None:
    assert rmse(SIMULATED, OBSERVED, MASK).item() == pytest.approx((0.25 / 5) ** 0.5)


def test_cell_rmse_is_the_mean_over_observed_cells() -> None:
    expected = ((0.09 / 2) ** 0.5 + (0.16 / 3) ** 0.5) / 2
    assert cell_rmse(SIMULATED, OBSERVED, MASK).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_a_gradient_and_none_where_nothing_is_observed(name: str) -> None:
    simulated = SIMULATED.clone().requires_grad_()
    LOSSES[name](simulated, OBSERVED, MASK).backward()
    assert torch.isfinite(simulated.grad).all()
    assert (simulated.grad[~MASK] == 0).all()
    assert torch.autograd.gradcheck(lambda s: LOSSES[name](s, OBSERVED, MASK), SIMULATED.clone().requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_observation_and_a_perfect_fit_are_harmless(name: str) -> None:
    simulated = SIMULATED.clone().requires_grad_()
    loss = LOSSES[name](simulated, OBSERVED, torch.zeros_like(MASK)) + LOSSES[name](simulated, SIMULATED, MASK)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(simulated.grad).all()


def test_range_boundary_loss_is_zero_inside_and_on_the_bounds() -> None:
    assert range_boundary_loss(torch.tensor([[0.0, 0.3, 1.0], [0.5, 0.5, 0.5]])).item() == 0.0


@pytest.mark.parametrize(
    ("u", "expected"),
    [
        ([[1.2, 0.5, 0.5]], 3 * 0.2 / 1.01),
        ([[1.2, 1.4, 0.5]], 3 * 0.6 / 2.01),
        ([[-0.1, 1.4, 0.5]], 3 * 0.1 / 1.01 + 3 * 0.4 / 1.01),
        ([[-0.1, 0.5, 0.5], [0.5, 0.5, 0.5]], 3 * 0.1 / 1.01 / 2),
    ],
)
def test_range_boundary_loss_by_hand(u: list[list[float]], expected: float) -> None:
    """Li & Lu 2023, eq. 13, with p = 3, α = p and ε = 0.01; mean over cells."""
    assert range_boundary_loss(torch.tensor(u, dtype=torch.float64)).item() == pytest.approx(expected)


def test_range_boundary_loss_settings_and_gradient() -> None:
    u = torch.tensor([[1.2, -0.3]], dtype=torch.float64, requires_grad=True)
    assert range_boundary_loss(u, alpha=1.0, epsilon=1.0).item() == pytest.approx(0.2 / 2 + 0.3 / 2)
    assert torch.autograd.gradcheck(range_boundary_loss, u)
    range_boundary_loss(u).backward()
    assert u.grad.sign().tolist() == [[1.0, -1.0]]
