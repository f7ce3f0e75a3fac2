"""The surrogate as a forward model: gradient, equivariance, warm-up, contract, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from paraformer.core.contracts import DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, RunError
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.surrogate.fit import fit_surrogate
from paraformer.surrogate.model import Surrogate, recycled
from surrogate.reservoirs import CELLS, DAYS, SPACE, archive, config


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("surrogate")
    fit_surrogate(config(20, outputs=("soil_moisture", "baseflow")), archive(), path, seed=0, progress=Progress())
    return path


@pytest.fixture
def surrogate(directory: Path) -> Surrogate:
    return Surrogate.load(directory, SPACE)


def unit(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 2, generator=torch.Generator().manual_seed(0))


def test_it_fulfils_the_contracts(surrogate: Surrogate) -> None:
    assert isinstance(surrogate, ForwardModel)
    assert isinstance(surrogate, DifferentiableModel)
    assert surrogate.n_cells == CELLS


@pytest.mark.parametrize("name", ["soil_moisture", "baseflow"])
def test_the_gradient_to_theta_is_right(surrogate: Surrogate, name: str) -> None:
    surrogate.to(torch.float64)
    cells = torch.tensor([0, 4, 9])
    u = (0.2 + 0.6 * unit()).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: surrogate.respond(v, cells, 50, 8, (name,))[name], u)


def test_weights_are_frozen(surrogate: Surrogate) -> None:
    u = unit().requires_grad_()
    surrogate.respond(u, torch.tensor([0, 1, 2]), 10, 5)["soil_moisture"].sum().backward()
    assert u.grad is not None
    assert u.grad.abs().sum() > 0
    assert all(p.grad is None for p in surrogate.network.parameters())


def test_cells_and_sets_are_independent(surrogate: Surrogate) -> None:
    """Permuting cells permutes the result; a subset and one run at a time give the same series."""
    theta = archive().theta[:, 3:6]
    whole = surrogate.simulate(theta, ("soil_moisture", "baseflow"))
    order = np.random.default_rng(1).permutation(CELLS)
    permuted = surrogate.select(order).simulate(theta[order], ("baseflow",))
    single = surrogate.select(np.array([7])).simulate(theta[7:8, 1:2])
    assert np.allclose(permuted["baseflow"], whole["baseflow"][order], atol=1e-5)
    assert np.allclose(single["soil_moisture"][0, 0], whole["soil_moisture"][7, 1], atol=1e-6)
    assert whole["soil_moisture"].shape == (CELLS, 3, DAYS)
    assert (whole["baseflow"] >= 0).all()
    assert surrogate.runs == 3 * CELLS


def test_a_window_agrees_with_the_whole_series_after_its_own_warm_up(surrogate: Surrogate) -> None:
    cells, u = torch.arange(3), unit()
    theta = SPACE.from_unit(u.numpy())[:, None]
    whole = surrogate.select(np.arange(3)).simulate(theta)["soil_moisture"][:, 0]
    first = surrogate.respond(u, cells, 0, DAYS)["soil_moisture"].numpy()
    assert np.allclose(first, whole, atol=1e-6)
    window = surrogate.respond(u, cells, 150, 40)["soil_moisture"].numpy()
    assert window.shape == (3, 40)
    assert np.abs(window - whole[:, 150:190]).max() < 0.3 * whole.std()


def test_windows_of_their_own_are_the_same_as_one_by_one(surrogate: Surrogate) -> None:
    cells, u, starts = torch.tensor([4, 0, 4]), unit(), np.array([150, 3, 0])
    both = surrogate.respond(u, cells, starts, 40, ("soil_moisture", "baseflow"))
    for i, start in enumerate(starts.tolist()):
        alone = surrogate.respond(u[i : i + 1], cells[i : i + 1], start, 40, ("soil_moisture", "baseflow"))
        for name, series in both.items():
            assert torch.allclose(series[i], alone[name][0], atol=1e-6)
    same = surrogate.respond(u, cells, np.full(3, 150), 40)["soil_moisture"]
    assert torch.equal(same, surrogate.respond(u, cells, 150, 40)["soil_moisture"])
    with pytest.raises(ModelError, match=r"days 0\.\.309 are outside its 300 days"):
        surrogate.respond(u, cells, np.array([0, 270, 10]), 40)


def test_the_warm_up_recycles_the_spin_up_year() -> None:
    assert recycled(np.array([-3, -1, 0, 2, 400]), 365).tolist() == [362, 364, 0, 2, 400]
    assert recycled(np.array([-366]), 365).tolist() == [364]
    assert recycled(np.array([-2]), 0).tolist() == [0]


def test_no_theta_runs_the_prior(surrogate: Surrogate) -> None:
    prior = surrogate.simulate(SPACE.from_unit(np.full((CELLS, 1, 2), 0.5)))
    assert np.allclose(surrogate.simulate(None)["soil_moisture"], prior["soil_moisture"], atol=1e-6)


def test_files_give_back_the_same_model_and_save_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    Surrogate.load(directory).save(tmp_path)
    for file in directory.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_one_that_learned_flow_as_a_logarithm_is_read_so(directory: Path, surrogate: Surrogate, tmp_path: Path) -> None:
    """Surrogates of before decision 0049, whose descriptions name nothing."""
    earlier = Surrogate.load(directory, SPACE)
    del earlier._description["logarithmic"]
    earlier.save(tmp_path)
    now, before = (each.simulate(None, ("baseflow",))["baseflow"] for each in (surrogate, Surrogate.load(tmp_path)))
    assert (now > 0).any()
    np.testing.assert_allclose(before, np.expm1(now), rtol=1e-4, atol=1e-6)


def test_another_parameter_space_is_refused(directory: Path) -> None:
    with pytest.raises(RunError, match="another 'parameter_space'"):
        Surrogate.load(directory, ParameterSpace.of("expt"))


def test_missing_and_damaged_files_are_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"surrogate\.json: not readable"):
        Surrogate.load(tmp_path)
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RunError, match="not readable"):
        Surrogate.load(tmp_path)


def test_requests_it_cannot_serve_are_named(surrogate: Surrogate) -> None:
    with pytest.raises(ModelError, match="'runoff' was not learned"):
        surrogate.simulate(None, ("runoff",))
    with pytest.raises(ModelError, match="outside its 300 days"):
        surrogate.respond(unit(), torch.arange(3), 290, 20)
    with pytest.raises(DataError, match="theta: shape"):
        surrogate.simulate(archive().theta[:4])
    outside = archive().theta[:, :1] * 100
    with pytest.raises(DataError, match="out of bounds: parameter 'leak', cell 100"):
        surrogate.simulate(outside)
