"""A power law of area for velocity: the law itself, exponent 0, the adjoint, and where the area comes from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from paraformer.routing.basins import RiverBasins, with_routing
from paraformer.routing.network import Network
from paraformer.routing.reaches import REFERENCE_AREA, relative_area
from paraformer.routing.router import network_router, respond
from routing.test_basins import BELOW, river, space, water

UPSTREAM = np.array([100.0, 200.0, 600.0, 1000.0, 500.0, 1100.0, 700.0])
"""Of the cells of ``river`` [km2]: 100 km2 the first, 200 the second, and so on."""


def test_the_area_of_a_reach_is_what_drains_through_it() -> None:
    network = river(3, 5)
    inside = np.array([0, 1, 2, 3, 4, 5])  # cell 6 has no gauge below it
    np.testing.assert_allclose(network.drained_area[inside], UPSTREAM[inside] * 1e6)
    np.testing.assert_allclose(network.drained_area[[3, 5]], network.model_area)
    np.testing.assert_allclose(relative_area(network)[[0, 3, 6]], [0.1, 1.0, 1.0])
    part = river(3, 5, fraction=0.5)
    np.testing.assert_allclose(part.drained_area[[3, 5]], part.model_area)
    np.testing.assert_allclose(part.drained_area[0], 50e6)


def test_the_law_is_velocity_times_relative_area_to_the_exponent() -> None:
    found = with_routing(river(3, 5), {"velocity": 2.0, "velocity_exponent": 0.3})
    inside = np.arange(6)
    expected = 2.0 * (UPSTREAM[inside] * 1e6 / REFERENCE_AREA) ** 0.3
    np.testing.assert_allclose(found.velocity[inside], expected, rtol=1e-14)
    own = with_routing(river(3, 5), {"velocity_exponent": 0.3})
    np.testing.assert_allclose(own.velocity, 0.7 / 2.0 * found.velocity, rtol=1e-14)


def test_flow_is_that_of_a_network_with_such_velocities() -> None:
    network, (runoff, baseflow) = river(3, 5), water()
    law = np.array([[1.2, -0.4], [1.2, -0.4]])
    found = RiverBasins(network, space("velocity", "velocity_exponent")).flows(runoff, baseflow, law)
    by_hand = replace(network, velocity=1.2 * (UPSTREAM * 1e6 / REFERENCE_AREA) ** -0.4)
    whole = network_router(by_hand, 86400.0).route(runoff, baseflow).discharge
    np.testing.assert_allclose(found, whole, rtol=0, atol=2e-5 * whole.max())


def test_an_exponent_of_0_changes_no_bit() -> None:
    network, waters = river(3, 5, 2), water()
    one, two = (RiverBasins(network, space(*names)) for names in (("velocity",), ("velocity", "velocity_exponent")))
    velocity = np.array([[1.9], [0.4]])
    expected = one.flows(*waters, velocity)
    np.testing.assert_array_equal(two.flows(*waters, np.hstack([velocity, np.zeros((2, 1))])), expected)
    none = RiverBasins(network, space("velocity_exponent"))
    np.testing.assert_array_equal(none.prior(), [[0.0], [0.0]])
    np.testing.assert_array_equal(none.flows(*waters, none.prior()), RiverBasins(network, None).flows(*waters))
    runoff, baseflow = (torch.as_tensor(each[two.cells[0]]) for each in waters)
    unit = torch.tensor([0.3, 0.5], dtype=torch.float64)
    assert torch.equal(two.respond(0, runoff, baseflow, unit), one.respond(0, runoff, baseflow, unit[:1]))


def reaches(network: Network, exponent: float) -> torch.Tensor:
    return torch.as_tensor(with_routing(network, {"velocity": 1.1, "velocity_exponent": exponent}).velocity)


def test_the_adjoint_is_the_transposed_operator() -> None:
    """<R q, g> = <q, Rᵀ g> for flow by reaches of different velocities."""
    network, random = river(3, 5, 2), np.random.default_rng(4)
    velocity = reaches(network, 0.35)
    runoff = torch.as_tensor(random.normal(size=(len(BELOW), 50)), dtype=torch.float64).requires_grad_()
    flow = respond(network, 86400.0, runoff, torch.zeros_like(runoff), velocity=velocity)
    weight = torch.as_tensor(random.normal(size=tuple(flow.shape)))
    forward = (weight * flow).sum()
    forward.backward()
    assert runoff.grad is not None
    scale = float((weight * flow).detach().abs().sum())
    assert float(((runoff * runoff.grad).sum() - forward).detach()) == pytest.approx(0.0, abs=1e-14 * scale)


def test_the_slope_along_the_law_is_that_of_the_reaches_along_it() -> None:
    """dF/de = Σ dF/dv v ln(A / A_ref): path sums reversed, then the law."""
    basins = RiverBasins(river(3, 5, 2), space("velocity", "velocity_exponent"))
    network, cells = river(3, 5, 2), basins.cells[0]
    runoff, baseflow = (torch.as_tensor(each) for each in water())
    exponent = basins.parameters.parameters[1] if basins.parameters is not None else None
    assert exponent is not None
    unit = torch.tensor([float(space("velocity").to_unit(np.array([1.1]))[0]), 0.85], dtype=torch.float64)
    unit.requires_grad_()
    weight = torch.as_tensor(np.random.default_rng(5).normal(size=(2, runoff.shape[1])))
    (weight * basins.respond(0, runoff[cells], baseflow[cells], unit)).sum().backward()
    velocity = reaches(network, float(exponent.from_unit(0.85))).requires_grad_()
    (weight * respond(network, 86400.0, runoff, baseflow, velocity=velocity, tail=1e-6)[[0, 2]]).sum().backward()
    assert unit.grad is not None
    assert velocity.grad is not None
    along = velocity.grad * velocity.detach() * torch.as_tensor(np.log(relative_area(network)))
    assert float(unit.grad[1]) == pytest.approx(float(along[cells].sum()), rel=1e-9)


def test_a_reach_without_area_carries_no_water_and_no_nan() -> None:
    network = river(3)
    bare = replace(network, area=np.where(np.arange(len(BELOW)) == 0, 0.0, network.area))
    found = RiverBasins(bare, space("velocity", "velocity_exponent")).flows(*water(), np.array([[1.0, 0.4]]))
    assert np.isfinite(found).all()
