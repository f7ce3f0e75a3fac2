"""The filter through VIC's states: bits of the open loop without a gain, exact resume, seeds, water, and a twin."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.core.errors import SettingsError
from paraformer.core.parameters import ParameterSpace
from paraformer.numerics.observe import Line
from paraformer.process.assimilation import Errors, Filter, Members
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters

CELLS, DAYS = 3, 24
SPACE = ParameterSpace.of("infilt", "expt", "depth_1")
THETA = np.array([[0.1, 9.0, 0.06], [0.2, 12.0, 0.1], [0.3, 20.0, 0.2]])
RAW = Line(np.ones((1, 1)), np.zeros((1, 1)))
MASK = np.arange(DAYS) % 2 == np.arange(CELLS)[:, None] % 2


def model(**changes) -> VIC:
    settings = {"spin_up_days": 10, "spin_up_cycles": 2, **changes}
    return VIC(SPACE, make_parameters(CELLS), make_forcing(CELLS, DAYS), VICSettings(), **settings)


def errors(moisture: float = 0.01, offset: float = 0.02, observation: float = 0.03, rain: float = 0.5) -> Errors:
    level = np.ones(CELLS)
    return Errors(rain, 0.2 * rain, moisture * level, offset * level, 10.0 * level, observation * level)


def observations(seed: int = 0) -> np.ndarray:
    drawn = 0.1 + 0.3 * np.random.default_rng(seed).random((CELLS, DAYS))
    return np.where(MASK, drawn, np.nan)


def whole(run: Filter, stop: int = DAYS):
    return run.run(run.start(), observations(), MASK, stop)


@pytest.mark.parametrize("theta", [None, THETA])
def test_members_that_are_all_alike_have_the_bits_of_the_open_loop(theta):
    vic = model()
    run = Filter(vic, theta, RAW, errors(0.0, 0.0, 0.03, 0.0), members=4)
    found, last = whole(run)
    alone = vic.run(None if theta is None else theta[:, None], ("soil_moisture_1",), return_state=True)
    for member in range(4):
        np.testing.assert_array_equal(last.state[:, member], alone.state[:, 0])
    simulated = vic.simulate(None if theta is None else theta[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    np.testing.assert_array_equal(found.forecast, simulated)  # the mean of four equal numbers is that number
    np.testing.assert_allclose(found.variance, 0.03**2)
    assert not found.increment.any()
    assert not found.noise.any()


def test_a_run_in_two_parts_has_the_bits_of_one():
    run = Filter(model(), THETA, RAW, errors(), members=5)
    together, last = whole(run)
    first, between = whole(run, 11)
    second, end = Filter(model(), THETA, RAW, errors(), members=5).run(between, observations(), MASK, DAYS)
    for name in ("forecast", "variance", "moisture", "increment", "noise"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)], axis=1)
        np.testing.assert_array_equal(joined, getattr(together, name))
    np.testing.assert_array_equal(end.state, last.state)
    np.testing.assert_array_equal(end.offset, last.offset)


def test_what_is_drawn_depends_on_seed_cell_and_day_alone():
    vic = model()
    found = whole(Filter(vic, THETA, RAW, errors(), members=4))[0].forecast
    again = whole(Filter(vic, THETA, RAW, errors(), members=4))[0].forecast
    other = whole(Filter(vic, THETA, RAW, errors(), members=4, seed=1))[0].forecast
    np.testing.assert_array_equal(found, again)
    assert (found != other).any()
    order = np.array([2, 0])
    few = Errors(*(value[order] if isinstance(value, np.ndarray) else value for value in errors()))
    run = Filter(vic.select(order), THETA[order], RAW, few, members=4)
    part = run.run(run.start(), observations()[order], MASK[order], DAYS)[0].forecast
    np.testing.assert_array_equal(part, found[order])


def test_all_water_is_accounted_for():
    """A day of VIC, then what the update and the error add: the stored water says the same."""
    vic, weight = model(), make_parameters(CELLS).column_weight()
    run = Filter(vic, THETA, RAW, errors(moisture=0.02, rain=0.0), members=6)
    members = run.start()
    total = np.zeros(CELLS)
    for day in range(DAYS):
        one = vic.forcing.select_days(day, day + 1)
        before = VIC(SPACE, vic.cell_parameters, one, vic.settings, initial_state=members.state)
        alone = before.run(np.repeat(THETA[:, None], 6, axis=1), (), return_state=True).state
        found, members = run.run(members, observations(), MASK, day + 1)
        added = np.einsum("cmkl,ck->cl", members.state["moisture"] - alone["moisture"], weight) / 6
        np.testing.assert_allclose(added, found.increment[:, 0] + found.noise[:, 0], atol=1e-10)
        assert found.balance.max() < 1e-9
        total += np.abs(found.increment[:, 0]).sum(axis=1)
    assert (total > 1.0).all()


def test_moisture_stays_between_residual_and_maximum():
    run = Filter(model(), THETA, RAW, errors(moisture=0.05, observation=0.001), members=8)
    least, most = run.soil.least[:, None, None], run.soil.most[:, None, None]
    for level in (-5.0, 5.0):  # no soil can have it
        _, after = run.run(run.start(), np.full((CELLS, DAYS), level), np.ones_like(MASK), 6)
        assert (after.state["moisture"] >= least - 1e-9).all()
        assert (after.state["moisture"] <= most + 1e-9).all()


def test_a_true_course_is_found_behind_wrong_rain():
    vic, days = model(), 24
    random = np.random.default_rng(4)
    factor = np.repeat(np.exp(0.8 * random.standard_normal((CELLS, DAYS)) - 0.32), 8, axis=1)
    wet = VIC(SPACE, vic.cell_parameters, vic.forcing._replace(prcp=vic.forcing.prcp * factor), vic.settings)
    truth = wet.simulate(THETA[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    observed = truth + 0.01 * random.standard_normal(truth.shape)
    loop = model(spin_up_cycles=0).simulate(THETA[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    run = Filter(model(spin_up_cycles=0), THETA, RAW, errors(0.005, 0.0, 0.01, 0.8), members=24)
    found, _ = run.run(run.start(), observed, np.ones_like(MASK), days)
    wrong = np.sqrt(np.mean((loop - truth) ** 2, axis=1))
    assert (np.sqrt(np.mean((found.forecast - truth) ** 2, axis=1)) < 0.8 * wrong).all()
    assert (np.sqrt(np.mean((found.moisture - truth) ** 2, axis=1)) < 0.5 * wrong).all()


def test_an_offset_that_lasts_is_no_water():
    """A satellite that reads 0.05 too high: the offset learns it, and moisture stays that of the model."""
    vic = model(spin_up_cycles=0)
    loop = vic.simulate(THETA[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    run = Filter(vic, THETA, RAW, errors(0.0, 0.05, 0.01, 0.0), members=24)
    found, last = run.run(run.start(), loop + 0.05, np.ones_like(MASK), DAYS)
    np.testing.assert_allclose(last.offset.mean(axis=1), 0.05, atol=0.01)
    assert not found.increment.any()
    assert isinstance(last, Members)


def test_two_members_have_no_covariance_to_speak_of():
    with pytest.raises(SettingsError, match="members: 2; a covariance needs at least 3"):
        Filter(model(), None, RAW, errors(), members=2)
