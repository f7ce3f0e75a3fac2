"""θ carried to other cells: who gives to whom, against the closed forms of kriging and of weighted means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from paraformer.core.errors import DataError
from paraformer.core.grid import points
from paraformer.core.parameters import ParameterSpace
from paraformer.evaluation.config import METHODS, EvaluationConfig, TransfersConfig
from paraformer.evaluation.kriging import Variogram, empirical, fit_variogram, krige, weights
from paraformer.evaluation.transfer import Cells, transfer

SPACE = ParameterSpace.of("infilt", "expt")
CONFIG = TransfersConfig(source="SCE-UA", donors=3, kriging_donors=16)


def world(n: int = 60, seed: int = 0) -> tuple[Cells, np.ndarray]:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(30, 45, n), random.uniform(-120, -80, n)
    u = np.stack([0.5 + 0.4 * np.sin(lat / 2), random.uniform(0.1, 0.9, n)], axis=-1)
    cells = Cells(np.arange(n) + 100, lat, lon, random.normal(size=(n, 4)), np.arange(n) % 3 > 0)
    return cells, SPACE.from_unit(u)


def carried(by: str, cells: Cells, theta: np.ndarray, config: TransfersConfig = CONFIG) -> np.ndarray:
    return transfer(by, theta, cells, SPACE, config)


def between(cells: Cells) -> np.ndarray:
    """Distance from every cell to every trained one, infinite to itself [km]."""
    at = points(cells.lat, cells.lon)
    away = np.linalg.norm(at[:, None] - at[cells.trained], axis=-1)
    return np.where(np.arange(len(at))[:, None] == np.flatnonzero(cells.trained), np.inf, away)


def test_the_nearest_trained_cell_gives_its_own_theta() -> None:
    cells, theta = world()
    donors = np.flatnonzero(cells.trained)
    expected = theta[donors[between(cells).argmin(axis=1)]]
    np.testing.assert_allclose(carried("nearest", cells, theta), expected, rtol=1e-12)


def test_inverse_distance_is_the_mean_written_out() -> None:
    cells, theta = world()
    away, u = between(cells), SPACE.to_unit(theta)[cells.trained]
    found = SPACE.to_unit(carried("inverse_distance", cells, theta))
    for cell in range(60):
        near = np.argsort(away[cell])[:3]
        weight = away[cell, near] ** -2.0
        np.testing.assert_allclose(found[cell], weight @ u[near] / weight.sum(), rtol=1e-9)


def test_a_twin_in_its_attributes_gives_its_theta_wherever_it_is() -> None:
    cells, theta = world()
    donor = int(np.flatnonzero(cells.trained)[-1])
    cells.attributes[0] = cells.attributes[donor]
    assert not cells.trained[0]
    np.testing.assert_allclose(carried("attributes", cells, theta)[0], theta[donor], rtol=1e-6)
    scaled = cells._replace(attributes=cells.attributes * [1, 1000, 1, 0.01] + 7)  # units do not matter
    np.testing.assert_allclose(carried("attributes", scaled, theta), carried("attributes", cells, theta), rtol=1e-9)


@pytest.mark.parametrize("by", METHODS)
def test_no_theta_of_an_unseen_cell_is_read_and_none_of_its_own(by: str) -> None:
    cells, theta = world()
    found = carried(by, cells, theta)
    poisoned = np.where(cells.trained[:, None], theta, np.nan)
    np.testing.assert_array_equal(carried(by, cells, poisoned), found)
    SPACE.require_inside(found)
    donor = int(np.flatnonzero(cells.trained)[0])
    moved = theta.copy()
    moved[donor] = SPACE.from_unit(np.array([0.99, 0.01]))
    after = carried(by, cells, moved)
    if by != "kriging":  # there the variogram is that of all donors
        np.testing.assert_array_equal(after[donor], found[donor])
    assert (after != found).any()


@pytest.mark.parametrize("by", METHODS)
def test_the_order_of_cells_and_their_number_together_do_not_matter(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, theta = world()
    found = carried(by, cells, theta)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_allclose(
        carried(by, Cells(*(part[order] for part in cells)), theta[order]), found[order], rtol=1e-5
    )
    monkeypatch.setattr("paraformer.evaluation.transfer._TOGETHER", 7)
    np.testing.assert_allclose(carried(by, cells, theta), found, rtol=1e-9)


@pytest.mark.parametrize("by", METHODS)
def test_a_theta_alike_everywhere_stays(by: str) -> None:
    cells, theta = world()
    same = np.broadcast_to(theta[0], theta.shape)
    np.testing.assert_allclose(carried(by, cells, same), same, rtol=1e-9)


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0.01, 2), st.floats(10, 1000))
def test_weights_of_kriging_sum_to_one_and_solve_its_equations(
    seed: int, nugget: float, sill: float, length: float
) -> None:
    random = np.random.default_rng(seed)
    at, where = random.uniform(0, 1000, (12, 2)), random.uniform(0, 1000, (3, 2))
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    to = np.linalg.norm(where[:, None] - at, axis=-1)
    variogram = Variogram(nugget, sill, length)
    found = weights(variogram, np.broadcast_to(apart, (3, 12, 12)), to)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    covariance = variogram.covariance(apart) + nugget * np.eye(12)
    rest = found @ covariance - variogram.covariance(to)  # a Lagrange multiplier, the same for all points
    np.testing.assert_allclose(rest - rest.mean(axis=1, keepdims=True), 0, atol=1e-6)


def test_kriging_is_exact_at_points_without_a_nugget_and_smooths_with_one() -> None:
    random = np.random.default_rng(0)
    at, values = random.uniform(0, 1000, (30, 2)), random.normal(size=(30, 1))
    found = krige(at, values, at, [Variogram(0.0, 1.0, 300.0)])
    np.testing.assert_allclose(found, values, atol=1e-9)
    smooth = krige(at, values, at, [Variogram(1.0, 1.0, 300.0)])
    assert np.var(smooth) < 0.7 * np.var(values)


def test_far_from_all_points_kriging_gives_the_mean() -> None:
    """The generalised least squares mean; with a nugget alone, the plain one."""
    random = np.random.default_rng(0)
    at, values = random.uniform(0, 1000, (30, 2)), random.normal(size=(30, 1))
    away = np.array([[1e6, 1e6]])
    variogram = Variogram(0.2, 1.0, 300.0)
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    inverse = np.linalg.inv(variogram.covariance(apart) + 0.2 * np.eye(30))
    np.testing.assert_allclose(krige(at, values, away, [variogram])[0], (inverse @ values).sum() / inverse.sum())
    np.testing.assert_allclose(krige(at, values, away, [Variogram(1.0, 0.0, 300.0)])[0], values.mean(axis=0))


def test_the_variogram_of_a_known_field_is_recovered() -> None:
    """Medians over 24 Gaussian fields with nugget 0.3, sill 0.7 and range 150 in a square of 1000; a single field may
    by chance look linear, with any range."""
    random = np.random.default_rng(3)
    at = random.uniform(0, 1000, (400, 2))
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    root = np.linalg.cholesky(0.7 * np.exp(-apart / 150) + 0.3 * np.eye(400))
    found = np.median([fit_variogram(at, root @ random.normal(size=400)) for _ in range(24)], axis=0)
    assert found[0] == pytest.approx(0.3, abs=0.1)
    assert found[:2].sum() == pytest.approx(1.0, abs=0.15)
    assert found[2] == pytest.approx(150, rel=0.35)


def test_the_empirical_variogram_of_a_slope_is_its_square() -> None:
    """Points 0 .. 99 on a line: 100 - h pairs are h apart, those up to half of the largest distance count."""
    at = np.arange(100.0)[:, None]
    lag, gamma = empirical(at, 3 * at[:, 0])
    classes = np.array_split(np.repeat(np.arange(1, 50), 100 - np.arange(1, 50)), 15)
    np.testing.assert_allclose(lag, [h.mean() for h in classes])
    np.testing.assert_allclose(gamma, [4.5 * (h**2).mean() for h in classes])


def test_kriging_beats_the_nearest_cell_on_a_noisy_smooth_field() -> None:
    random = np.random.default_rng(7)
    cells, _ = world(300)
    u = 0.5 + 0.25 * np.stack([np.sin(cells.lat / 4), np.cos(cells.lon / 6)], axis=-1)
    noisy = SPACE.from_unit(np.clip(u + 0.1 * random.normal(size=u.shape), 0, 1))
    error = {by: np.abs(SPACE.to_unit(carried(by, cells, noisy)) - u).mean() for by in ("nearest", "kriging")}
    assert error["kriging"] < 0.8 * error["nearest"]


def test_what_cannot_be_carried_is_refused() -> None:
    cells, theta = world()
    alone = cells._replace(trained=np.arange(60) == 4)
    with pytest.raises(DataError, match="transfer by nearest: 1 trained cells, expected two or more"):
        carried("nearest", alone, theta)
    cells.lat[2], cells.lon[2] = cells.lat[7], cells.lon[7]
    with pytest.raises(DataError, match="trained cells 102 and 107 lie at one place"):
        carried("kriging", cells, theta)
    for given_, message in (
        ({"by": ["krige"]}, "nearest"),
        ({"by": ["kriging", "kriging"]}, "occurs twice"),
        ({"by": []}, "at least 1"),
        ({"donors": 0}, "greater than"),
    ):
        with pytest.raises(ValidationError, match=message):
            EvaluationConfig.model_validate({"transfers": {"source": "SCE-UA", **given_}})


def test_settings_without_transfers_are_hashed_as_before() -> None:
    assert "transfers" not in EvaluationConfig().model_dump(mode="json", exclude_none=True)
