"""Recovery of a known θ."""

import numpy as np
from scipy import stats

from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.evaluation.recovery import RECOVERY_COLUMNS, recovery

SPACE = ParameterSpace.of(*PAPER_SET)
TRAINED = np.arange(40) % 4 > 0


def world(noise: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    unit = random.random((40, 5))
    return SPACE.from_unit(np.clip(unit + noise * random.standard_normal(unit.shape), 0, 1)), SPACE.from_unit(unit)


def test_the_truth_is_recovered_perfectly():
    _, truth = world(0)
    table = recovery(truth, truth, SPACE, TRAINED)
    assert tuple(table.columns) == RECOVERY_COLUMNS
    blocks = [[p, c] for p in PAPER_SET for c in ("trained", "unseen")]
    assert table[["parameter", "cells"]].to_numpy().tolist() == blocks
    np.testing.assert_allclose(table["pearson"], 1, rtol=1e-10)
    np.testing.assert_allclose(table["spearman"], 1, rtol=1e-10)
    np.testing.assert_allclose(table["rmse"], 0, atol=1e-12)
    assert set(table["n"]) == {30, 10}


def test_numbers_are_those_of_scipy_in_unit_coordinates():
    theta, truth = world(0.2)
    row = recovery(theta, truth, SPACE, TRAINED).query("parameter == 'dsmax' and cells == 'unseen'").iloc[0]
    a, b = (np.log(values[~TRAINED, 2] / 0.1) / np.log(500) for values in (theta, truth))
    expected = (stats.pearsonr(a, b).statistic, stats.spearmanr(a, b).statistic, np.sqrt(np.mean((a - b) ** 2)))
    np.testing.assert_allclose(row[["pearson", "spearman", "rmse"]].astype(float), expected, rtol=1e-10)


def test_a_constant_theta_has_no_correlation():
    theta, truth = world(0.2)
    theta[:, 0] = 0.2
    table = recovery(theta, truth, SPACE, np.ones(40, bool)).set_index("parameter")
    assert np.isnan(table.loc["infilt", "pearson"])
    assert table.drop("infilt")[["pearson", "spearman", "rmse"]].notna().all().all()
    assert set(table["cells"]) == {"trained"}
