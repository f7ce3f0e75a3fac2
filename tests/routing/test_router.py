"""Routers: torch and numba alike, two hillslopes in pieces, programs repeated only with a warning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from paraformer.core.contracts import Router
from paraformer.core.errors import DataError, SettingsError
from paraformer.routing.make import lumped_network
from paraformer.routing.network import Gauges, Hillslope, Network
from paraformer.routing.router import network_router, respond

DAY = 86400.0


def river() -> Network:
    """Three cells in a row and a lumped one; gauges at the end and at the single cell."""
    one = np.ones(4)
    hillslope = Hillslope(0.3 * DAY * one, 2.0 * one, 3.0 * DAY * one, one)
    network = lumped_network(np.arange(1, 5), 40 + np.arange(4) / 2, -100 * one, 1e9 * one, hillslope)
    network = replace(network, downstream=np.array([1, 2, -1, -1]), length=np.array([5e4, 4e4, 3e4, 0.0]))
    places = np.array([2, 3])
    return network.with_gauges(
        Gauges(("end", "single"), network.lat[places], network.lon[places], places, np.full(2, 2e9))
    )


def water() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.gamma(0.3, 8.0, (4, 50)), rng.gamma(2.0, 0.5, (4, 50))


def test_a_network_router_is_a_router_and_goes_in_pieces() -> None:
    router = network_router(river(), DAY)
    assert isinstance(router, Router)
    runoff, baseflow = water()
    whole = router.route(runoff, baseflow)
    coming, parts = np.zeros((2, router.lags)), []
    for part in (slice(0, 7), slice(7, 50)):
        flow, coming = router.advance(runoff[:, part], baseflow[:, part], coming)
        parts.append(flow)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole.discharge, rtol=1e-12)
    unbroken = router.advance(runoff, baseflow, np.zeros((2, router.lags)))
    assert np.array_equal(np.concatenate(parts, axis=1), unbroken.discharge)
    assert np.array_equal(coming, unbroken.coming)
    given = sum(float(w @ part.sum(axis=1)) for w, part in zip(router.cell_weights(), (runoff, baseflow), strict=True))
    assert whole.discharge.sum() + whole.coming.sum() == pytest.approx(given, rel=1e-12)
    with pytest.raises(DataError, match="runoff of 3 cells, expected 4"):
        router.route(runoff[:3], None)


def test_a_uniform_river_composed_is_the_same() -> None:
    runoff, baseflow = water()
    flows = [
        network_router(river(), DAY, method=method).route(runoff, baseflow).discharge
        for method in ("exact", "composed")
    ]
    np.testing.assert_allclose(flows[1], flows[0], rtol=0, atol=1e-9 * flows[0].max())


def test_torch_gives_the_routers_numbers_and_gradients_to_the_river() -> None:
    network, (runoff, baseflow) = river(), water()
    velocity = torch.from_numpy(network.velocity.copy()).requires_grad_()
    delay = torch.from_numpy(network.hillslope.baseflow_delay.copy()).requires_grad_()
    waters = [torch.from_numpy(part).requires_grad_() for part in (runoff, baseflow)]
    flow = respond(network, DAY, waters[0], waters[1], velocity=velocity, hillslope={"baseflow_delay": delay})
    np.testing.assert_allclose(
        flow.detach().numpy(), network_router(network, DAY).route(runoff, baseflow).discharge, rtol=1e-12
    )
    flow.sum().backward()
    assert velocity.grad is not None
    assert delay.grad is not None
    assert (velocity.grad[:2] != 0).all()
    assert (velocity.grad[2:] == 0).all()  # a gauge's own cell has no channel
    assert (delay.grad < 0).all()  # slower water, less of it inside the days


def test_a_program_is_repeated_with_its_box_its_step_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    network = river()
    with pytest.raises(SettingsError, match="method lohmann needs the program's box"):
        network_router(network, DAY, method="lohmann")
    network = replace(network, box=np.array([0.7, 0.3]))
    with pytest.raises(SettingsError, match="method lohmann routes days, found a step of 3600 s"):
        network_router(network, 3600.0, method="lohmann")
    network_router(network, DAY, method="lohmann_2015")
    assert "kernels are sampled by the hour" in caplog.text
    with pytest.raises(DataError, match="no gauges"):
        network_router(
            replace(
                network,
                gauges=Gauges((), *(np.empty(0),) * 2, np.empty(0, np.int64), np.empty(0)),
                fraction=np.empty(0),
            ),
            DAY,
        )
