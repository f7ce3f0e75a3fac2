"""Every check passes on sound results and fails on a planted fault."""

import numpy as np
import pandas as pd

from evaluation.small_holdout import holdout, simulation
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.evaluation.checklist import (
    CHECK_COLUMNS,
    attribute_range,
    parameters_at_bounds,
    seed_spread,
    surrogate_gaps,
    unscored_cells,
)
from paraformer.evaluation.config import ChecklistLimits, EvaluationConfig
from paraformer.evaluation.score import score_cells, score_method, surrogate_gap

SPACE = ParameterSpace.of(*PAPER_SET)
LIMITS = ChecklistLimits()


def failed(table: pd.DataFrame) -> list[str]:
    assert tuple(table.columns) == CHECK_COLUMNS
    return table.loc[~table["passed"].astype(bool), "subject"].tolist()


def inner(cells: int = 20) -> np.ndarray:
    return 0.1 + 0.8 * np.random.default_rng(0).random((cells, 5))


def test_parameters_at_bounds():
    unit = inner()
    assert failed(parameters_at_bounds("net", SPACE.from_unit(unit), SPACE, LIMITS)) == []
    unit[:3, 1], unit[3:6, 1] = 0, 1
    table = parameters_at_bounds("net", SPACE.from_unit(unit), SPACE, LIMITS)
    assert failed(table) == ["ds"]
    row = table.set_index("subject").loc["ds"]
    np.testing.assert_allclose(row["found"], 0.3)
    assert "15% of cells at the lower, 15% at the upper" in row["message"]


def test_surrogate_gap():
    world, simulated = holdout(), simulation(holdout())
    true = score_cells("net", 0, simulated, world, EvaluationConfig())
    for error, expected in ((0.0001, []), (0.02, ["trained cells, seed 0", "unseen cells, seed 0"])):
        gap = surrogate_gap(true, score_cells("net", 0, simulated - error, world, EvaluationConfig()))
        assert sorted(failed(surrogate_gaps(gap, LIMITS))) == expected


def test_unseen_cells_outside_the_trained_range():
    attributes, trained = np.random.default_rng(0).random((40, 2)), np.arange(40) < 30
    attributes[0], attributes[1] = -0.1, 1.1
    assert failed(attribute_range(attributes, ("sand", "clay"), trained, LIMITS)) == []
    attributes[35, 1] = 2.0
    assert failed(attribute_range(attributes, ("sand", "clay"), trained, LIMITS)) == ["clay"]
    assert len(attribute_range(attributes, ("sand", "clay"), np.ones(40, bool), LIMITS)) == 0


def test_unscored_cells():
    world = holdout()
    table = score_method("net", 0, simulation(world), world, EvaluationConfig())
    assert failed(unscored_cells(table, LIMITS)) == []
    part = world.only(np.arange(12) != 0)
    table = score_method("net", 0, simulation(world), part, EvaluationConfig())
    assert failed(unscored_cells(table, LIMITS)) == ["unseen cells"]


def test_spread_over_seeds():
    unit = np.stack([inner()] * 4)
    unit[:, :, 4] = np.random.default_rng(1).random((4, 20))
    theta = SPACE.from_unit(unit)
    assert failed(seed_spread("net", theta, SPACE, LIMITS)) == ["expt"]
    assert len(seed_spread("net", theta[:1], SPACE, LIMITS)) == 0
