"""Every check passes on sound results and fails on a planted fault."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.small_holdout import DAYS, holdout, score_method, simulation
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.evaluation.checklist import (
    CHECK_COLUMNS,
    attribute_range,
    parameters_at_bounds,
    residual_autocorrelation,
    seed_spread,
    surrogate_gaps,
    unscored_cells,
)
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.score import score_cells, surrogate_gap

SPACE = ParameterSpace.of(*PAPER_SET)


def failed(table: pd.DataFrame) -> list[str]:
    assert tuple(table.columns) == CHECK_COLUMNS
    return table.loc[~table["passed"].astype(bool), "subject"].tolist()


def inner(cells: int = 20) -> np.ndarray:
    return 0.1 + 0.8 * np.random.default_rng(0).random((cells, 5))


def test_parameters_at_bounds():
    unit = inner()
    assert failed(parameters_at_bounds("net", SPACE.from_unit(unit), SPACE)) == []
    unit[:3, 1], unit[3:6, 1] = 0, 1
    table = parameters_at_bounds("net", SPACE.from_unit(unit), SPACE)
    assert failed(table) == ["ds"]
    row = table.set_index("subject").loc["ds"]
    np.testing.assert_allclose(row["found"], 0.3)
    assert "15% of cells at the lower, 15% at the upper" in row["message"]


def test_surrogate_gap():
    world, simulated = holdout(), simulation(holdout())
    true = score_cells("net", 0, simulated, world, EvaluationConfig())
    for error, expected in ((0.0001, []), (0.02, ["trained cells, seed 0", "unseen cells, seed 0"])):
        gap = surrogate_gap(true, score_cells("net", 0, simulated - error, world, EvaluationConfig()))
        assert sorted(failed(surrogate_gaps(gap))) == expected


def test_unseen_cells_outside_the_trained_range():
    attributes, trained = np.random.default_rng(0).random((40, 2)), np.arange(40) < 30
    attributes[0], attributes[1] = -0.1, 1.1
    assert failed(attribute_range(attributes, ("sand", "clay"), trained)) == []
    attributes[35, 1] = 2.0
    assert failed(attribute_range(attributes, ("sand", "clay"), trained)) == ["clay"]
    assert len(attribute_range(attributes, ("sand", "clay"), np.ones(40, bool))) == 0


def test_unscored_cells():
    world = holdout()
    table = score_method("net", 0, simulation(world), world, EvaluationConfig())
    assert failed(unscored_cells(table)) == []
    part = world.only(np.arange(12) != 0)
    table = score_method("net", 0, simulation(world), part, EvaluationConfig())
    assert failed(unscored_cells(table)) == ["unseen cells"]


def test_spread_over_seeds():
    unit = np.stack([inner()] * 4)
    unit[:, :, 4] = np.random.default_rng(1).random((4, 20))
    theta = SPACE.from_unit(unit)
    assert failed(seed_spread("net", theta, SPACE)) == ["expt"]
    assert len(seed_spread("net", theta[:1], SPACE)) == 0


def persistent(memory: float, cells: int = 60) -> np.ndarray:
    """Residuals of a first-order autoregression with this memory from day to day."""
    shocks = np.random.default_rng(0).standard_normal((cells, DAYS.size))
    series = shocks.copy()
    for day in range(1, DAYS.size):
        series[:, day] = memory * series[:, day - 1] + np.sqrt(1 - memory**2) * shocks[:, day]
    return 0.02 * series


@pytest.mark.parametrize("step", [1, 2, 3])
def test_residuals_with_a_memory_are_recognised(step):
    """Observed every ``step`` days, an autoregression of memory m has m**step from one observation to the next."""
    world = holdout(cells=60)
    every = np.broadcast_to(np.arange(DAYS.size) % step == 0, world.mask.shape).copy()
    world = replace(world, mask=every, observed=np.full(world.mask.shape, 0.2))
    for memory, passes in ((0.0, True), (0.6, True), (0.97, False)):
        table = residual_autocorrelation("net", 0.2 + persistent(memory), world)
        assert table["found"].item() == pytest.approx(memory**step, abs=0.06)
        assert (failed(table) == []) == passes
    assert f"mean step of {step}.0 days" in table["message"].item()


def test_long_gaps_break_the_chain_and_few_pairs_say_nothing():
    """Errors of two states, one before and one after a long gap: no pair may lie across it."""
    world, days = holdout(cells=2), np.arange(DAYS.size)
    mask = ((days >= 365) & (days < 395)) | (days >= 700)
    world = replace(world, mask=np.stack([mask] * 2), observed=np.zeros((2, DAYS.size)))
    alternating = np.stack([np.where(days % 2 == 0, 1.0, -1.0)] * 2)
    assert residual_autocorrelation("net", alternating, world)["found"].item() == pytest.approx(-1, abs=1e-3)
    sparse = replace(world, mask=np.stack([days % 4 == 0] * 2))
    assert len(residual_autocorrelation("net", alternating, sparse)) == 0
    assert len(residual_autocorrelation("net", np.full((2, DAYS.size), 0.3), world)) == 0
