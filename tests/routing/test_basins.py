"""Basins as calibrators see them: which gauges go together, and the flow of parts against that of the whole river."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from paraformer.core.contracts import Basins
from paraformer.core.errors import DataError
from paraformer.core.parameters import ROUTING_PARAMETERS, ParameterSpace
from paraformer.routing.basins import RiverBasins, with_routing
from paraformer.routing.network import Gauges, Network, no_gauges, no_hillslope
from paraformer.routing.router import network_router

BELOW = np.array([2, 2, 3, -1, 5, -1, -1])
"""0 and 1 drain through 2 to 3; 4 to 5; 6 is alone."""


def river(*outlets: int, fraction: float = 1.0) -> Network:
    """Seven cells with gauges at some of them."""
    n = len(BELOW)
    gauges = np.array(outlets, np.int64)
    bare = Network(
        cells=np.arange(n) + 10,
        lat=np.linspace(40, 43, n),
        lon=np.linspace(5, 8, n),
        downstream=BELOW,
        length=np.where(BELOW >= 0, 30e3 + 5e3 * np.arange(n), 0.0),
        area=1e8 * (1 + np.arange(n)),
        velocity=np.full(n, 0.7),
        diffusivity=np.full(n, 600.0),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
    )
    names = tuple(f"g{i}" for i in outlets)
    return bare.with_gauges(
        Gauges(names, bare.lat[gauges], bare.lon[gauges], gauges, np.full(len(outlets), np.nan)), np.full(n, fraction)
    )


def space(*names: str) -> ParameterSpace:
    return ParameterSpace(ROUTING_PARAMETERS[name] for name in names)


def water(days: int = 60) -> np.ndarray:
    random = np.random.default_rng(3)
    return random.exponential(4.0, (2, len(BELOW), days)) * (random.random((2, len(BELOW), days)) < 0.4)


def test_gauges_that_share_a_cell_are_one_basin() -> None:
    basins = RiverBasins(river(5, 3, 2), space("velocity"))
    assert isinstance(basins, Basins)
    assert [gauges.tolist() for gauges in basins.gauges] == [[0], [1, 2]]
    assert [cells.tolist() for cells in basins.cells] == [[4, 5], [0, 1, 2, 3]]


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_flow_of_basins_is_that_of_the_whole_river(fraction: float) -> None:
    network = river(3, 5, 2, fraction=fraction)
    runoff, baseflow = water()
    whole = network_router(network, 86400.0).route(runoff, baseflow).discharge
    found = RiverBasins(network, None).flows(runoff, baseflow)
    np.testing.assert_allclose(found, whole, rtol=0, atol=2e-5 * whole.max())


def test_learned_times_are_those_of_a_river_that_has_them() -> None:
    network, (runoff, baseflow) = river(3, 5), water()
    basins = RiverBasins(network, space("velocity", "runoff_delay", "runoff_shape"))
    values = np.array([[1.9, 30.0, 2.0], [0.4, 5.0, 1.0]])
    n = len(BELOW)
    own = np.where(np.isin(np.arange(n), (4, 5)), 1, 0)
    slope = np.array([values[own, 1] * 3600.0, values[own, 2]])
    hillslope = type(network.hillslope)(slope[0], slope[1], slope[0], slope[1])
    other = replace(network, velocity=values[own, 0], hillslope=hillslope)
    whole = network_router(other, 86400.0).route(runoff, baseflow).discharge
    np.testing.assert_allclose(basins.flows(runoff, baseflow, values), whole, rtol=0, atol=2e-5 * whole.max())


def test_baseflow_keeps_its_hillslope_where_it_is_named() -> None:
    both = with_routing(river(3), {"runoff_delay": 10.0, "runoff_shape": 2.0})
    assert both.hillslope.alike
    assert both.hillslope.baseflow_delay[0] == 36000.0
    apart = with_routing(river(3), {"runoff_delay": 10.0, "baseflow_delay": 100.0})
    assert apart.hillslope.baseflow_delay[0] == 360000.0
    assert apart.hillslope.runoff_delay[0] == 36000.0


def test_learning_begins_at_the_river_inside_the_bounds() -> None:
    basins = RiverBasins(river(3, 5), space("velocity", "runoff_delay"))
    np.testing.assert_allclose(basins.prior(), [[0.7, 24.0], [0.7, 24.0]])  # a delay of 0 begins at a day
    assert RiverBasins(river(3), None).prior().shape == (1, 0)


def test_a_river_without_gauges_is_refused() -> None:
    with pytest.raises(DataError, match="no gauges"):
        RiverBasins(river(), None)


@pytest.mark.parametrize(
    "learned",
    [
        ("velocity",),
        ("velocity", "velocity_exponent"),
        ("velocity_exponent", "runoff_delay"),
        ("velocity", "diffusivity", "runoff_delay", "runoff_shape"),
        ("runoff_delay", "runoff_shape", "baseflow_delay", "baseflow_shape"),
        (),
    ],
)
def test_flow_with_gradients_is_the_same_flow(learned: tuple[str, ...]) -> None:
    """In torch, from unit coordinates: the same numbers, and slopes that differences give, of waters and times."""
    basins = RiverBasins(river(3, 5, 2), space(*learned) if learned else None)
    cells, waters = basins.cells[0], torch.as_tensor(water())
    runoff, baseflow = (each[torch.as_tensor(cells)].clone().requires_grad_() for each in waters)
    unit = torch.full((len(learned),), 0.45, dtype=torch.float64, requires_grad=True)
    found = basins.respond(0, runoff, baseflow, unit if learned else None)
    physical = None if basins.parameters is None else basins.parameters.from_unit(unit.detach().numpy())
    given = runoff.detach().numpy(), baseflow.detach().numpy()
    np.testing.assert_allclose(found.detach().numpy(), basins.flow(0, *given, physical), rtol=1e-9, atol=1e-9)
    weight = torch.as_tensor(np.random.default_rng(5).normal(size=found.shape))
    (weight * found).sum().backward()
    for part in (runoff, baseflow):
        assert part.grad is not None
        assert part.grad.abs().sum() > 0
    for i in range(len(learned)):
        step = torch.zeros_like(unit).index_fill(0, torch.tensor(i), 1e-5)
        with torch.no_grad():
            ends = [(weight * basins.respond(0, runoff, baseflow, unit + way * step)).sum() for way in (1, -1)]
        assert unit.grad is not None
        assert float(unit.grad[i]) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=2e-3)
