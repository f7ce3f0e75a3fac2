"""Misfit: equal to each run alone, on the right days, and only what is wanted is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from paraformer.core.errors import DataError, ModelError
from paraformer.numerics.scores import accumulate, finish
from paraformer.process.bucket import Bucket
from paraformer.search.config import MisfitConfig
from paraformer.search.objective import Misfit, searchable
from search.twin import CELLS, DAYS, FIRST, POORLY_SEEN, SPACE, UNTRAINED, bucket, truth, twin

SEARCHED = np.array([0, 1, 3, 5])


class Leaking(Bucket):
    """A bucket whose last cell has no value on one day."""

    def select(self, cells: np.ndarray) -> Leaking:
        return Leaking(self.precipitation[cells], self.time)

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        found = super().simulate(theta, outputs)
        found["soil_moisture"][-1, 0, FIRST + 7] = np.nan
        return found


def test_cells_without_enough_observations_are_not_searched() -> None:
    data = twin()
    assert np.array_equal(searchable(data, 20), SEARCHED)
    assert POORLY_SEEN in searchable(data, 2)
    assert UNTRAINED not in searchable(replace(data, mask=np.ones_like(data.mask)), 2)
    still = np.where(np.arange(CELLS)[:, None] == 1, 0.3, data.observed)
    assert 1 not in searchable(replace(data, observed=still), 20)
    with pytest.raises(DataError, match="no trained cell has 200 observed days"):
        searchable(data, 200)


@pytest.mark.parametrize("operator", ["raw", "cell_moments", "cell_lstsq"])
@pytest.mark.parametrize("runs_together", [1, 2, 5, 1000])
def test_it_equals_every_run_alone(operator: str, runs_together: int) -> None:
    """Any pattern of wanted candidates, in calls of any size; the score is that of the verdict."""
    model, data, random = bucket(), twin(), np.random.default_rng(0)
    misfit = Misfit(model, data, SEARCHED, MisfitConfig.model_validate({"operator": operator}), runs_together)
    at, points = np.array([3, 0, 1]), random.random((3, 5, 3))
    wanted = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 1]], dtype=bool)
    cost = misfit(at, points, wanted)
    assert model.runs == wanted.sum()
    assert np.array_equal(np.isfinite(cost), wanted)
    for row, column in np.argwhere(wanted):
        cell = SEARCHED[at[row]]
        theta = SPACE.from_unit(points[row, column])[None, None]
        days = slice(FIRST, FIRST + DAYS)
        simulated = bucket().select(np.array([cell])).simulate(theta, ("soil_moisture",))["soil_moisture"][:, 0, days]
        seen, mask = data.observed[cell : cell + 1], data.mask[cell : cell + 1]
        if operator != "raw":
            s, o = simulated[mask], seen[mask]
            gain = o.std() / s.std() if operator == "cell_moments" else np.polyfit(s, o, 1)[0]
            simulated = gain * (simulated - s.mean()) + o.mean()
        expected = finish(accumulate(simulated, seen, mask)).values["rmse"][0]
        assert cost[row, column] == pytest.approx(expected, rel=1e-9)


def test_the_truth_costs_nothing_and_only_on_its_own_days() -> None:
    points = SPACE.to_unit(truth())[SEARCHED][:, None]
    wanted = np.ones((4, 1), dtype=bool)
    right = Misfit(bucket(), twin(), SEARCHED, MisfitConfig(), 512)(np.arange(4), points, wanted)
    late = replace(twin(), first_day=FIRST + 1)
    wrong = Misfit(bucket(), late, SEARCHED, MisfitConfig(), 512)(np.arange(4), points, wanted)
    assert (right < 1e-12).all()
    assert (wrong > 1e-3).all()


def test_values_that_are_not_observed_are_not_read() -> None:
    data = twin()
    poisoned = replace(data, observed=np.where(data.mask, data.observed, np.nan))
    call = np.arange(4), np.full((4, 1, 3), 0.4), np.ones((4, 1), dtype=bool)
    costs = [Misfit(bucket(), d, SEARCHED, MisfitConfig(), 512)(*call) for d in (data, poisoned)]
    assert np.array_equal(*costs)


def test_models_that_do_not_fit_are_named() -> None:
    call = np.arange(4), np.full((4, 1, 3), 0.4), np.ones((4, 1), dtype=bool)
    with pytest.raises(DataError, match="has 5 cells, the data 6"):
        Misfit(bucket(5), twin(), SEARCHED, MisfitConfig(), 512)
    with pytest.raises(ModelError, match="has 75 days; the training period ends on day 160"):
        Misfit(bucket(), replace(twin(), first_day=100), SEARCHED, MisfitConfig(), 512)(*call)
    whole = bucket()
    with pytest.raises(ModelError, match=r"cell 105 is nan on day 7 of the training period with residence .*, depth "):
        Misfit(Leaking(whole.precipitation, whole.time), twin(), SEARCHED, MisfitConfig(), 512)(*call)
