"""The gradient of any process model: against closed forms, higher-order differences, and the law of one Jacobian."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.toy import small
from paraformer.core.contracts import CalibrationData, DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.learners.learn import Learner
from paraformer.process.bucket import BUCKET_PARAMETERS, Bucket
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.jacobian import stencil
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters

DAYS = np.datetime64("2015-04-01") + np.arange(60)
NAMES = ("soil_moisture", "baseflow")


class Blind(ForwardModel):
    """The bucket without its gradient."""

    differentiable = False
    parameters = BUCKET_PARAMETERS
    outputs = Bucket.outputs

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    @property
    def n_cells(self) -> int:
        return self.bucket.n_cells

    @property
    def runs(self) -> int:
        return self.bucket.runs

    @runs.setter
    def runs(self, count: int) -> None:
        self.bucket.runs = count

    def select(self, cells: np.ndarray) -> Blind:
        return Blind(self.bucket.select(cells))

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        return self.bucket.simulate(theta, outputs)


def bucket(cells: int = 4) -> Bucket:
    random = np.random.default_rng(0)
    rain = np.where(random.random((cells, DAYS.size)) < 0.3, random.exponential(8.0, (cells, DAYS.size)), 0.0)
    return Bucket(rain, DAYS)


def wrapped(cells: int = 4, **settings: object) -> DifferentiableProcess:
    return DifferentiableProcess(Blind(bucket(cells)), DAYS, **settings)


def unit(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pulled(model: DifferentiableModel, u: torch.Tensor, cells: torch.Tensor, start: int, length: int) -> torch.Tensor:
    """Gradient of one fixed random projection of all series."""
    u = u.clone().requires_grad_(True)
    found = model.respond(u, cells, start, length, NAMES)
    random = torch.Generator().manual_seed(1)
    total = sum((found[n] * torch.rand(found[n].shape, generator=random, dtype=torch.float64)).sum() for n in NAMES)
    (gradient,) = torch.autograd.grad(total, u)
    return gradient


def test_it_keeps_the_contract_and_counts_the_runs_of_the_wrapped_model() -> None:
    model = wrapped()
    assert isinstance(model, DifferentiableModel)
    u, cells = unit(4), torch.arange(4)
    model.respond(u, cells, 0, 60)
    assert model.runs == model.model.runs == 4
    model.respond(u.requires_grad_(True), cells, 0, 60)["soil_moisture"].sum().backward()
    assert model.runs == 4 + 4 * 7
    with torch.no_grad():
        model.respond(u[:1], cells[[1]], 0, 60)
    assert model.runs == 33
    assert model.select(np.array([2, 0])).n_cells == 2


@pytest.mark.parametrize("keep", [True, False])
def test_it_equals_the_closed_form_gradient(keep: bool) -> None:
    """Truncation is a constant times h², so that two steps together take it away (Richardson)."""
    u, cells = unit(6), torch.tensor([3, 0, 0, 2, 1, 3])
    expected = pulled(bucket(), u, cells, 10, 40)
    wide, narrow = (pulled(wrapped(keep=keep, step=h, runs_together=20), u, cells, 10, 40) for h in (1e-3, 5e-4))
    torch.testing.assert_close((4 * narrow - wide) / 3, expected, rtol=1e-9, atol=1e-9)
    assert 3.99 < float((wide - expected).norm() / (narrow - expected).norm()) < 4.01
    torch.testing.assert_close(pulled(wrapped(keep=keep), u, cells, 10, 40), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("edge", [0.0, 3e-5, 1.0 - 3e-5, 1.0])
def test_near_a_bound_the_order_stays_two(edge: float) -> None:
    u = unit(4)
    u[:, 0], u[::2, 2] = edge, edge
    expected = pulled(bucket(), u, torch.arange(4), 0, 60)
    errors = [float((pulled(wrapped(step=h), u, torch.arange(4), 0, 60) - expected).abs().max()) for h in (4e-3, 1e-3)]
    assert 12 < errors[0] / errors[1] < 20


def test_gradcheck() -> None:
    model, cells = wrapped(2), torch.tensor([1, 0, 1])
    for keep in (True, False):
        model.keep = keep
        u = unit(3).requires_grad_(True)
        assert torch.autograd.gradcheck(lambda u: tuple(model.respond(u, cells, 20, 8, NAMES).values()), (u,))


def test_gradcheck_notices_a_wrong_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "paraformer.process.jacobian.stencil", lambda u, h: stencil(u, h)._replace(weight=1.001 * stencil(u, h).weight)
    )
    model, u = wrapped(2), unit(2).requires_grad_(True)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(lambda u: model.respond(u, torch.arange(2), 20, 8)["soil_moisture"], (u,), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=9), st.integers(1, 80))
def test_batch_is_loop_and_equal_rows_run_once(rows: list[tuple[int, int]], together: int) -> None:
    """Any mixture of cells and θ, any size of a block, kept or recomputed, gives the bits of one row alone."""
    choices = unit(3, seed=2)
    cells, u = torch.tensor([c for c, _ in rows]), choices[[k for _, k in rows]]
    kept, again = (wrapped(keep=keep, runs_together=together) for keep in (True, False))
    found = pulled(kept, u, cells, 5, 50)
    assert torch.equal(found, pulled(again, u, cells, 5, 50))
    assert kept.runs == again.runs == 7 * len(set(rows))
    value = kept.respond(u, cells, 5, 50)["soil_moisture"]
    slope = torch.autograd.functional.jacobian(
        lambda v: kept.respond(v, cells[:1], 5, 50)["soil_moisture"], u[:1], vectorize=False
    )[0, :, 0]
    alone = wrapped().linearise(np.repeat(u[:1, None].numpy(), 4, axis=0), ("soil_moisture",))
    first = rows[0][0]
    assert np.array_equal(value[0].numpy(), alone.value["soil_moisture"][first, 0, 5:55])
    assert np.array_equal(slope.numpy(), alone.slope["soil_moisture"][first, 0, 5:55])


def test_float32_in_float32_out_and_no_gradient_where_none_is_asked_for() -> None:
    model = wrapped()
    u = unit(4).float().requires_grad_(True)
    found = model.respond(u, torch.arange(4), 0, 60)["soil_moisture"]
    found.sum().backward()
    assert found.dtype == u.grad.dtype == torch.float32
    before = model.runs
    assert not model.respond(u.detach(), torch.arange(4), 0, 60)["soil_moisture"].requires_grad
    assert model.runs == before + 4


def test_outside_the_bounds_it_is_the_clamped_model() -> None:
    u = torch.tensor([[-0.2, 0.5, 1.3], [0.5, 0.5, 0.5]], dtype=torch.float64)
    model, cells = wrapped(2), torch.arange(2)
    gradient = pulled(model, u, cells, 0, 60)
    assert torch.equal(gradient[0, [0, 2]], torch.zeros(2, dtype=torch.float64))
    assert torch.equal(gradient[0, 1], pulled(model, u.clamp(0, 1), cells, 0, 60)[0, 1])
    assert (gradient[1] != 0).all()


def test_a_known_value_saves_one_run() -> None:
    model, u = wrapped(), unit(8).numpy().reshape(4, 2, 3)
    whole = model.linearise(u, NAMES)
    assert model.runs == 4 * 2 * 7
    again = model.linearise(u, NAMES, whole.value)
    assert model.runs == 4 * 2 * 13
    for name in NAMES:
        assert np.array_equal(whole.slope[name], again.slope[name])


def test_refusals_name_the_problem() -> None:
    model, u, cells = wrapped(), unit(1), torch.tensor([2])
    with pytest.raises(ModelError, match="no output 'runof'"):
        model.respond(u, cells, 0, 5, ("runof",))
    with pytest.raises(ModelError, match=r"days 50\.\.69 are outside its 60 days"):
        model.respond(u, cells, 50, 20)
    with pytest.raises(DataError, match="u of 'depth' is not finite, cell at position 2"):
        model.respond(torch.tensor([[0.5, torch.nan, 0.5]]), cells, 0, 5)
    with pytest.raises(DataError, match=r"cell at position 3, set 0, is 1\.5"):
        model.linearise(np.array([0.5, 0.5, 0.5, 1.5])[:, None, None] * np.ones(3), NAMES)
    with pytest.raises(DataError, match=r"expected \(4 cells, sets, 3\)"):
        model.linearise(np.zeros((3, 1, 3)), NAMES)
    with pytest.raises(SettingsError, match="'deph'; did you mean 'depth'"):
        wrapped(step={"deph": 1e-3})
    with pytest.raises(SettingsError, match=r"'depth' is 0\.3; it must be above 0 and at most 0.25"):
        wrapped(step={"depth": 0.3})
    longer = DifferentiableProcess(bucket(), np.append(DAYS, DAYS[-1] + 1 + np.arange(9)))
    with pytest.raises(ModelError, match=r"days 55\.\.64 are asked for, but the model ends on day 59"):
        longer.respond(u, cells, 55, 10)


def test_a_step_for_each_parameter() -> None:
    model = wrapped(step={"depth": 1e-3})
    assert model.steps.tolist() == [1e-4, 1e-3, 1e-4] == model.select(np.array([1])).steps.tolist()
    assert model.description()["step"]["depth"] == 1e-3


REGIMES = {
    "humid": {"temperature": 18.0, "rain": 6.0},
    "semi-arid": {"temperature": 22.0, "rain": 0.8, "humidity": 0.4},
    "snow": {"temperature": -2.0, "rain": 3.0},
}


@pytest.mark.parametrize("regime", REGIMES)
def test_vic_agrees_with_differences_of_higher_order(regime: str) -> None:
    """Fourth-order differences of the same reach, over θ space; where VIC has a kink between the nodes, they differ."""
    space = ParameterSpace.of("infilt", "ds", "dsmax", "ws", "expt")
    vic = VIC(
        space,
        make_parameters(4),
        make_forcing(4, 120, **REGIMES[regime]),
        VICSettings(),
        threads=1,
        spin_up_days=60,
        spin_up_cycles=1,
    )
    days = np.datetime64("2015-04-01") + np.arange(120)
    u = 0.05 + 0.9 * np.random.default_rng(3).random((4, 5, 5))
    wide, narrow = (
        DifferentiableProcess(vic, days, step=h).linearise(u, ("soil_moisture",)).slope["soil_moisture"]
        for h in (1e-4, 5e-5)
    )
    higher = (4 * narrow - wide) / 3
    size = np.sqrt(np.mean(higher**2, axis=(1, 2), keepdims=True)) + 1e-9
    difference = np.abs(wide - higher) / size
    assert np.median(difference) < 1e-6
    assert (difference > 0.01).mean() < 0.01


def twin(model: Bucket) -> CalibrationData:
    """Observations of half the days of six trained cells; θ follows one attribute."""
    random = np.random.default_rng(4)
    attributes = random.normal(size=(model.n_cells, 2))
    truth = BUCKET_PARAMETERS.from_unit(0.5 + 0.2 * np.tanh(attributes[:, [0, 0, 1]]))
    series = model.simulate(truth[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    trained = np.arange(model.n_cells) < 6
    mask = (random.random(series.shape) < 0.5) & trained[:, None]
    observed = np.where(mask, series, 0.0)
    return CalibrationData(
        cells=np.arange(model.n_cells),
        time=DAYS,
        attributes=attributes,
        attribute_names=("clay", "slope"),
        forcing=np.zeros((model.n_cells, DAYS.size, 7)),
        observed=observed,
        mask=mask,
        trained=trained,
        prior=model.prior(),
        first_day=0,
        history=observed,
        history_mask=mask,
    )


def test_a_learner_finds_the_same_parameters_as_through_the_models_own_gradient(tmp_path: Path) -> None:
    """Same network, same loss, same steps: only the gradient comes from elsewhere."""
    model, steps = bucket(8), 40
    data, config = twin(model), small("ffn_a", steps, window=None, cells_per_batch=6)
    through = DifferentiableProcess(Blind(model), DAYS)
    model.runs = 0
    found = Learner(config).calibrate(through, data, seed=0, directory=tmp_path / "wrapped", progress=Progress())
    assert through.runs == steps * 6 * 7
    own = Learner(config).calibrate(model, data, seed=0, directory=tmp_path / "own", progress=Progress())
    u, expected, start = (BUCKET_PARAMETERS.to_unit(theta) for theta in (found.theta, own.theta, data.prior))
    assert np.abs(expected - start).max() > 0.1
    np.testing.assert_allclose(u, expected, atol=1e-4)
