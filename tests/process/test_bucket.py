"""The bucket: exact against its closed form and an integrator, closed balance, gradients, and a twin that is found."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from paraformer.core.contracts import DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError
from paraformer.process.bucket import BUCKET_PARAMETERS, Bucket

DAYS = np.arange("2015-04-01", "2015-07-10", dtype="datetime64[D]")


def bucket(cells: int = 3, seed: int = 0) -> Bucket:
    random = np.random.default_rng(seed)
    wet = random.random((cells, DAYS.size)) < 0.3
    return Bucket(np.where(wet, random.exponential(8.0, wet.shape), 0.0), DAYS)


def theta(model: Bucket, sets: int = 4, seed: int = 1) -> np.ndarray:
    return model.parameters.from_unit(np.random.default_rng(seed).random((model.n_cells, sets, 3)))


def test_it_keeps_the_contracts():
    assert isinstance(bucket(), ForwardModel)
    assert isinstance(bucket(), DifferentiableModel)


def test_it_equals_the_convolution_with_its_unit_response():
    model = bucket()
    values = theta(model)
    found = model.simulate(values, ("soil_moisture",))["soil_moisture"]
    for cell, run in np.ndindex(values.shape[:2]):
        residence, depth, residual = values[cell, run]
        rain = model.precipitation[cell]
        elapsed = np.arange(1, DAYS.size + 1)
        response = residence * (np.exp(-(elapsed - 1) / residence) - np.exp(-elapsed / residence))
        storage = rain.mean() * residence * np.exp(-elapsed / residence) + np.convolve(rain, response)[: DAYS.size]
        np.testing.assert_allclose(found[cell, run], residual + storage / depth, rtol=1e-12)


def test_it_equals_a_numerical_integration_of_its_equation():
    model = bucket(cells=1)
    residence, depth, residual = 7.0, 120.0, 0.05
    storage = model.precipitation[0].mean() * residence
    found = model.simulate(np.array([[[residence, depth, residual]]]), ("soil_moisture",))["soil_moisture"]
    for day in range(20):
        rain = model.precipitation[0, day]
        run = solve_ivp(lambda t, s, rain=rain: rain - s / residence, (0, 1), [storage], rtol=1e-11, atol=1e-11)
        storage = run.y[0, -1]
        np.testing.assert_allclose(found[0, 0, day], residual + storage / depth, rtol=1e-9)


@given(u=st.lists(st.floats(0, 1), min_size=3, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_water_is_neither_made_nor_lost(u, seed):
    model = bucket(cells=2, seed=seed)
    values = np.broadcast_to(BUCKET_PARAMETERS.from_unit(np.array(u)), (2, 1, 3))
    found = model.simulate(values, model.outputs)
    storage = (found["soil_moisture"][:, 0] - values[:, :, 2]) * values[:, :, 1]
    first = model.precipitation.mean(axis=1) * values[:, 0, 0]
    change = np.diff(storage, axis=1, prepend=first[:, None])
    np.testing.assert_allclose(model.precipitation - found["baseflow"][:, 0] - change, 0, atol=1e-9)
    assert (found["baseflow"] > -1e-12).all()
    assert (found["soil_moisture"] >= values[..., 2:] - 1e-12).all()


def test_constant_rain_stays_in_its_steady_state():
    model = Bucket(np.full((1, DAYS.size), 3.0), DAYS)
    found = model.simulate(np.array([[[10.0, 100.0, 0.1]]]), model.outputs)
    np.testing.assert_allclose(found["soil_moisture"], 0.1 + 3.0 * 10.0 / 100.0, rtol=1e-12)
    np.testing.assert_allclose(found["baseflow"], 3.0, rtol=1e-12)


def test_batches_cells_and_windows_change_nothing():
    model = bucket()
    values = theta(model)
    whole = model.simulate(values, model.outputs)
    part = model.select(np.array([2, 0])).simulate(values[[2, 0], :1], model.outputs)
    for name in model.outputs:
        np.testing.assert_array_equal(part[name], whole[name][[2, 0], :1])
    u = torch.from_numpy(model.parameters.to_unit(values[[2, 0], 1]))
    window = model.respond(u, torch.tensor([2, 0]), 30, 40, model.outputs)
    for name in model.outputs:
        np.testing.assert_allclose(window[name].numpy(), whole[name][[2, 0], 1, 30:70], rtol=1e-10, atol=1e-12)


def test_gradients():
    model = bucket()
    u = torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda u: model.respond(u, torch.arange(3), 5, 10)["soil_moisture"], (u,))


def test_a_twin_is_found():
    model = bucket(cells=1)
    truth = np.array([0.3, 0.6, 0.4])

    def simulated(u: np.ndarray) -> np.ndarray:
        return model.simulate(BUCKET_PARAMETERS.from_unit(u)[None, None], ("soil_moisture",))["soil_moisture"][0, 0]

    target = simulated(truth)
    fit = least_squares(lambda u: simulated(u) - target, np.full(3, 0.5), bounds=(0, 1), xtol=1e-14, ftol=1e-14)
    np.testing.assert_allclose(fit.x, truth, atol=1e-5)


def test_none_runs_the_prior_and_runs_are_counted():
    model = bucket()
    prior = model.simulate(None, ("soil_moisture",))["soil_moisture"]
    assert prior.shape == (3, 1, DAYS.size)
    np.testing.assert_array_equal(prior, model.simulate(model.prior()[:, None], ("soil_moisture",))["soil_moisture"])
    assert model.runs == 6
    model.simulate(theta(model), ("baseflow",))
    assert model.runs == 18


def test_refusals_name_the_problem():
    model = bucket()
    with pytest.raises(ModelError, match="'soil_moistur'; did you mean 'soil_moisture'"):
        model.simulate(None, ("soil_moistur",))
    with pytest.raises(DataError, match="parameter 'depth'"):
        model.simulate(np.broadcast_to([10.0, 900.0, 0.1], (3, 1, 3)), ("soil_moisture",))
    with pytest.raises(DataError, match="2 cells, expected 3"):
        model.simulate(theta(model)[:2], ("soil_moisture",))
    with pytest.raises(DataError, match="not negative"):
        Bucket(np.full((1, DAYS.size), -1.0), DAYS)
    with pytest.raises(DataError, match="100 days, the time axis 3"):
        Bucket(np.ones((1, DAYS.size)), DAYS[:3])
