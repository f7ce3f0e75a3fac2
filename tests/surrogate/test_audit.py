"""The audit finds a perfect surrogate perfect, and each kind of fault."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.surrogate.audit import AuditConfig, audit, audit_held_out, compare, perturbed
from surrogate.reservoirs import CELLS, SPACE, ReservoirModel, archive


class Faulty(ReservoirModel):
    """The store with a weak response to θ (about the middle of the space), and an offset."""

    def __init__(self, rain: np.ndarray, response: float = 1.0, offset: float = 0.0) -> None:
        super().__init__(rain)
        self.response, self.offset = response, offset

    def simulate(self, theta: np.ndarray, outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        middle = super().simulate(SPACE.from_unit(np.full((CELLS, 1, 2), 0.5)), outputs)["soil_moisture"]
        true = super().simulate(theta, outputs)["soil_moisture"]
        return {"soil_moisture": middle + self.response * (true - middle) + self.offset}


def rain() -> np.ndarray:
    return archive().forcing[..., 0]


def test_a_perfect_surrogate_is_perfect() -> None:
    (row,) = audit(ReservoirModel(rain()), ReservoirModel(rain()), archive().theta[:, 5:8], where="random")
    assert (row.nse_median, row.nse_p05, row.slope, row.correlation) == pytest.approx((1, 1, 1, 1))
    assert (row.where, row.output, row.cells, row.unscored, row.runs) == ("random", "soil_moisture", CELLS, 0, 30)
    assert row.rmse == 0


def test_a_weak_response_shows_in_the_slope() -> None:
    (row,) = audit(Faulty(rain(), response=0.6), ReservoirModel(rain()), archive().theta[:, 5:8], where="random")
    assert row.slope == pytest.approx(0.6)
    assert row.slope_median == pytest.approx(0.6)
    assert row.correlation == pytest.approx(1)
    assert row.nse_median < 1


def test_an_offset_shows_in_the_efficiency_not_in_the_response() -> None:
    (row,) = audit(Faulty(rain(), offset=0.05), ReservoirModel(rain()), archive().theta[:, 5:8], where="random")
    assert row.slope == pytest.approx(1)
    assert row.nse_median < 0.99
    assert row.rmse == pytest.approx(0.05)


def test_efficiency_by_hand() -> None:
    """Two runs of one cell: each run's own mean, squares added over the runs."""
    truth = np.array([[[0.0, 1.0, 2.0], [5.0, 7.0, 9.0]]])
    guess = truth + np.array([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]])
    row = compare(truth, guess, np.ones((1, 2), bool), where="", output="x")
    assert row.nse_median == pytest.approx(1 - 2 / (2 + 8))
    assert row.rmse == pytest.approx((2 / 6) ** 0.5)
    x, y = truth[0, 1] - truth[0, 0], guess[0, 1] - guess[0, 0]
    assert row.slope == pytest.approx(np.polyfit(x, y, 1)[0])
    assert row.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_runs_that_do_not_vary_are_counted_not_scored() -> None:
    truth = np.zeros((2, 2, 5))
    truth[1] = np.arange(10).reshape(2, 5)
    row = compare(truth, truth, np.ones((2, 2), bool), where="", output="runoff")
    assert (row.cells, row.unscored) == (1, 1)
    assert row.nse_median == 1


def test_held_out_runs_come_from_the_archive_with_unequal_numbers_per_cell() -> None:
    data = archive()
    data.held_out[:4, 10] = True
    (row,) = audit_held_out(ReservoirModel(rain()), data)
    assert row.runs == 2 * CELLS + 4
    assert row.nse_median == pytest.approx(1, abs=1e-6)
    data.held_out[:] = False
    with pytest.raises(DataError, match="holds no run out"):
        audit_held_out(ReservoirModel(rain()), data)


def test_perturbations_stay_near_and_inside() -> None:
    theta = archive().theta[:, 9]
    theta[0] = SPACE.upper
    around, pairs = perturbed(SPACE, theta, AuditConfig(perturbation=0.05, perturbations=3), seed=0)
    assert around.shape == (CELLS, 4, 2)
    assert pairs == [(0, 1), (0, 2), (0, 3)]
    assert np.allclose(around[:, 0], theta)
    moved = np.abs(SPACE.to_unit(around) - SPACE.to_unit(theta)[:, None])
    assert 0 < moved.max() <= 0.05 + 1e-9
    SPACE.require_inside(around)
