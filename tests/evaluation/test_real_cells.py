"""Scores of compiled VIC-5 with its default parameters on the real cells, test year 2016-04-01..2017-03-31.

The published rows are over 406 good cells; the data set holds 304 of them. So the means must agree within three
standard errors of such a sub-sample, and the cells at hand must equal an independent loop over SciPy's formulas to
rounding.
"""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from paraformer.core.cell_scores import long_table
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.evaluation.score import score_cells

pytestmark = pytest.mark.shared

LAYER_1_MM = 100.0
PUBLISHED_CELLS = 406
PUBLISHED = {
    ("raw", "rmse"): 0.0941,
    ("raw", "pcc"): 0.633,
    ("raw", "nse"): -5.17,
    ("global_linear", "rmse"): 0.0750,
    ("global_linear", "pcc"): 0.633,
    ("global_linear", "nse"): -5.00,
    ("cell_lstsq", "rmse"): 0.0436,
    ("cell_lstsq", "pcc"): 0.631,
    ("cell_lstsq", "nse"): 0.326,
}
"""Mean over cells, by operator and metric."""
PUBLISHED_MEDIANS = {
    ("raw", "rmse"): 0.0869,
    ("raw", "pcc"): 0.681,
    ("global_linear", "rmse"): 0.0664,
    ("global_linear", "pcc"): 0.681,
    ("cell_lstsq", "rmse"): 0.0422,
    ("cell_lstsq", "pcc"): 0.681,
    ("cell_lstsq", "nse"): 0.362,
}


@pytest.fixture(scope="module")
def default_vic(shared: Path) -> tuple[np.ndarray, Holdout]:
    """Default VIC's volumetric moisture of layer 1 and the observations, good cells; all are trained cells."""
    with xr.open_dataset(shared / "data/conus/conus_smap_nldas.nc") as cube:
        good = cube["qc"].values == 0
        observed = cube["sm_smap"].values[good].astype(np.float64)
        names = (cube[name].values[good] for name in ("cell", "lat", "lon"))
        cells, lat, lon = (values.astype(np.float64) for values in names)
        days = cube["time"].values.astype("datetime64[D]")
    with xr.open_dataset(shared / "data/conus/vic5/default_B.nc") as vic:
        assert vic["sm1"].attrs["units"] == "mm"
        simulated = vic["sm1"].values[good] / LAYER_1_MM
    test_start, end = np.datetime64("2016-04-01"), np.datetime64("2017-04-01")
    train, test = days < test_start, (days >= test_start) & (days < end)
    return simulated, Holdout(cells, lat, lon, observed, np.isfinite(observed), np.ones(good.sum(), bool), train, test)


def test_default_vic_scores_as_published(default_vic):
    simulated, holdout = default_vic
    cells = long_table(score_cells("default VIC", -1, simulated, holdout, EvaluationConfig()))
    cells = cells[cells["period"] == "test"]
    assert cells["scored"].all()
    for (operator, metric), expected in PUBLISHED.items():
        values = cells[(cells["operator"] == operator) & (cells["metric"] == metric)]["value"].to_numpy()
        assert values.size == 304
        error = values.std(ddof=1) / np.sqrt(values.size) * np.sqrt(1 - values.size / PUBLISHED_CELLS)
        assert abs(values.mean() - expected) < 3 * error, (operator, metric, values.mean(), expected)
        if (operator, metric) in PUBLISHED_MEDIANS:
            # The standard error of a median is about 1.25 times that of a mean.
            assert abs(np.median(values) - PUBLISHED_MEDIANS[operator, metric]) < 3 * 1.25 * error, (operator, metric)


def test_default_vic_equals_an_independent_loop(default_vic):
    simulated, holdout = default_vic
    settings = EvaluationConfig(operators=("raw", "cell_lstsq"))
    cells = long_table(score_cells("default VIC", -1, simulated, holdout, settings))
    found = cells[cells["period"] == "test"].pivot(index="cell", columns=["operator", "metric"], values="value")
    for i in range(0, len(holdout.cells), 7):
        train, test = (holdout.mask[i] & days for days in (holdout.train_days, holdout.test_days))
        gain, offset = np.polyfit(simulated[i, train], holdout.observed[i, train], 1)
        o = holdout.observed[i, test]
        for operator, s in (("raw", simulated[i, test]), ("cell_lstsq", gain * simulated[i, test] + offset)):
            row = found.loc[holdout.cells[i], operator]
            np.testing.assert_allclose(row["rmse"], np.sqrt(np.mean((s - o) ** 2)), rtol=1e-9)
            np.testing.assert_allclose(row["nse"], 1 - np.mean((s - o) ** 2) / np.var(o), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(row["pcc"], stats.pearsonr(s, o).statistic, rtol=1e-9)
