"""The verdict: who is judged on what, fitted on the training period only, aggregated as the schema says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.small_holdout import holdout, score_method, simulation
from paraformer.core.cell_scores import long_table
from paraformer.core.errors import DataError
from paraformer.core.schema import CELL_COLUMNS, SCORE_COLUMNS
from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.score import (
    APART,
    GAP_COLUMNS,
    aggregate,
    fit_operator,
    joined,
    score_cells,
    summarise,
    surrogate_gap,
    together,
)
from paraformer.numerics.observe import OPERATORS, Line, fit_line, observe
from paraformer.numerics.scores import METRICS

CONFIG = EvaluationConfig()


def test_the_table_has_every_block_once_and_the_schemas_columns():
    world = holdout()
    table = score_method("VIC", 3, simulation(world), world, CONFIG)
    assert tuple(table.columns) == SCORE_COLUMNS
    keys = table[["operator", "cells", "period", "metric"]]
    assert len(keys) == len(keys.drop_duplicates()) == len(OPERATORS) * 2 * 2 * len(METRICS + APART)
    assert set(table["cells"]) == {"trained", "unseen"}
    assert set(table["period"]) == {"train", "test"}
    assert set(table["seed"]) == {3}
    np.testing.assert_array_equal(table["n_scored"] + table["n_unscored"], np.where(table["cells"] == "trained", 8, 4))


def test_rows_are_statistics_of_the_cells():
    world = holdout()
    cells = score_cells("VIC", -1, simulation(world), world, CONFIG)
    assert tuple(long_table(cells).columns) == CELL_COLUMNS
    row = aggregate(cells).query("operator == 'raw' and cells == 'unseen' and period == 'test' and metric == 'rmse'")
    mask = world.mask & world.test_days
    error = np.where(mask, simulation(world) - world.observed, 0)
    rmse = np.sqrt((error**2).sum(1) / mask.sum(1))[~world.trained]
    expected = (rmse.mean(), np.median(rmse), *np.percentile(rmse, (5, 95)))
    np.testing.assert_allclose(row[["mean", "median", "p05", "p95"]].to_numpy()[0], expected, rtol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS)
def test_no_test_day_and_no_unseen_cell_reaches_what_is_fitted(operator):
    """Poisoned test days leave every line, and poisoned unseen cells leave the global line, as they are to the bit."""
    world, simulated = holdout(), simulation(holdout())
    clean = fit_operator(operator, simulated, world)
    poisoned = replace(world, observed=np.where(world.test_days, np.nan, world.observed))
    for left, right in zip(clean, fit_operator(operator, simulated, poisoned), strict=True):
        np.testing.assert_array_equal(left, right)
    if operator in ("raw", "global_linear"):
        poisoned = replace(world, observed=np.where(world.trained[:, None], world.observed, np.nan))
        for left, right in zip(clean, fit_operator(operator, simulated, poisoned), strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_poisoning_test_can_fail():
    """Planted fault: a line that sees the test period is not the same when the test period changes."""
    world, simulated = holdout(), simulation(holdout())
    changed = np.where(world.test_days, world.observed + 0.1, world.observed)
    lines = [fit_line("cell_lstsq", simulated, observed, world.mask) for observed in (world.observed, changed)]
    assert not np.array_equal(lines[0].offset, lines[1].offset)


def test_order_of_cells_does_not_matter():
    world, simulated = holdout(), simulation(holdout())
    order = np.random.default_rng(0).permutation(12)
    names = ("cells", "lat", "lon", "observed", "mask", "trained")
    shuffled = replace(world, **{name: getattr(world, name)[order] for name in names})
    left = score_method("VIC", 0, simulated, world, CONFIG)
    right = score_method("VIC", 0, simulated[order], shuffled, CONFIG)
    pd.testing.assert_frame_equal(left, right, rtol=1e-10)


def test_unscored_cells_are_counted_and_leave_the_mean_alone():
    world, simulated = holdout(), simulation(holdout())
    available = np.arange(12) != 1
    table = score_method("VIC", 0, simulated, world.only(available), CONFIG).query("operator == 'raw'")
    trained = table[table["cells"] == "trained"]
    assert (trained["n_scored"] == 7).all()
    assert (trained["n_unscored"] == 1).all()
    full = score_cells("VIC", 0, simulated, world, CONFIG)
    without = aggregate(full.isel(cell=available)).query("operator == 'raw' and cells == 'trained'")
    np.testing.assert_allclose(trained["mean"], without["mean"], rtol=1e-12)


def test_a_constant_simulation_has_no_correlation_but_an_rmse():
    world = holdout()
    table = score_method("flat", -1, np.full(world.mask.shape, 0.2), world, CONFIG).set_index("metric")
    assert (table.loc["pcc", "n_scored"] == 0).all()
    assert table.loc["pcc", "mean"].isna().all()
    assert table.loc["rmse", "mean"].notna().all()


def test_all_cells_trained_leaves_no_row_for_unseen_ones():
    world = replace(holdout(), trained=np.ones(12, bool))
    assert set(score_method("VIC", 0, simulation(world), world, CONFIG)["cells"]) == {"trained"}


def test_spread_over_seeds():
    world = holdout()
    tables = [score_method("net", seed, simulation(world, seed), world, CONFIG) for seed in (1, 2, 3)]
    single = score_method("VIC", -1, simulation(world), world, CONFIG)
    summary = summarise(pd.concat([*tables, single]))
    chosen = "operator == 'raw' and cells == 'trained' and period == 'test' and metric == 'rmse'"
    means = [t.query(chosen)["mean"].item() for t in tables]
    row = summary.query(chosen + " and method == 'net'").iloc[0]
    expected = [np.mean(means), np.std(means, ddof=1), min(means), max(means), 3]
    np.testing.assert_allclose(row[["mean", "std", "min", "max", "seeds"]].astype(float), expected, rtol=1e-12)
    row = summary.query(chosen + " and method == 'VIC'").iloc[0]
    assert np.isnan(row["std"])
    assert row["seeds"] == 1
    assert list(dict.fromkeys(summary["method"])) == ["net", "VIC"]


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_stored_line_is_the_one_that_was_scored(operator):
    """Figures show a simulation as it was scored, from the gain and offset beside the scores."""
    world, simulated = holdout(), simulation(holdout())
    row = score_cells("VIC", 0, simulated, world, CONFIG).sel(operator=operator)
    shown = observe(simulated, Line(row["gain"].values[0, :, None], row["offset"].values[0, :, None]))
    np.testing.assert_array_equal(shown, observe(simulated, fit_operator(operator, simulated, world)))


def test_surrogate_gap_is_the_difference_of_the_same_theta():
    world, simulated = holdout(), simulation(holdout())
    true = score_cells("net", 1, simulated, world, CONFIG)
    default = score_cells("default", -1, simulated, world, CONFIG)
    emulated = score_cells("net", 1, simulated - 0.01, world, CONFIG)
    gap = surrogate_gap(joined([true, default]), emulated)
    assert tuple(gap.columns) == GAP_COLUMNS
    assert set(gap["method"]) == {"net"}
    raw = gap.query("operator == 'raw' and metric == 'rmse' and cells == 'trained' and period == 'test'").iloc[0]
    wanted = "operator == 'raw' and metric == 'rmse' and cells == 'trained' and period == 'test'"
    expected = [long_table(t).query(wanted)["value"].mean() for t in (true, emulated)]
    np.testing.assert_allclose((raw["process_model"], raw["surrogate"]), expected, rtol=1e-12)
    np.testing.assert_allclose(raw["difference"], expected[0] - expected[1], rtol=1e-9)
    lines = gap[gap["operator"] != "raw"]
    np.testing.assert_allclose(lines["difference"], 0, atol=1e-12)


def test_bad_input_is_named():
    world, simulated = holdout(), simulation(holdout())
    with pytest.raises(DataError, match=r"VIC, seed 0: simulation has shape \(12, 5\)"):
        score_method("VIC", 0, simulated[:, :5], world, CONFIG)
    broken = simulated.copy()
    broken[3, 17] = np.nan
    with pytest.raises(DataError, match="nan in cell 103, day 17"):
        score_method("VIC", 0, broken, world, CONFIG)
    with pytest.raises(DataError, match="share a day"):
        replace(world, test_days=world.train_days)
    with pytest.raises(DataError, match="'trained' is empty"):
        replace(world, trained=np.zeros(12, bool))
    with pytest.raises(DataError, match="'cells' has shape"):
        replace(world, cells=world.cells[:3])


def test_a_cell_that_only_one_of_both_can_score_has_no_gap():
    """One-sided gaps: a cell counts where process model and surrogate are both scored, whichever of them is not."""
    world, simulated = holdout(), simulation(holdout())
    flat_here, flat_there = simulated.copy(), simulated.copy()
    here, there = np.flatnonzero(world.trained)[:2]
    flat_here[here], flat_there[there] = 0.2, 0.2  # no correlation of a constant
    true = score_cells("net", 1, flat_here, world, CONFIG)
    emulated = score_cells("net", 1, flat_there, world, CONFIG)
    rows = "operator == 'raw' and cells == 'trained' and period == 'test'"
    pcc = surrogate_gap(true, emulated).query(rows + " and metric == 'pcc'").iloc[0]
    assert pcc["n_scored"] == 6
    both = np.flatnonzero(world.trained)[2:]
    chosen = {"operator": "raw", "period": "test", "metric": "pcc"}
    operators, periods, metrics = (list(true[dim].values) for dim in chosen)
    at = {"operator": operators.index("raw"), "period": periods.index("test"), "metric": metrics.index("pcc")}
    expected = [float(t["score"].isel(at, drop=True)[0, both].mean()) for t in (true, emulated)]
    np.testing.assert_allclose(pcc[["process_model", "surrogate"]].astype(float), expected, rtol=1e-12)
    assert surrogate_gap(true, emulated).query(rows + " and metric == 'rmse'").iloc[0]["n_scored"] == 8
    assert set(surrogate_gap(true, emulated)["metric"]) == {"rmse", "pcc", "nse"}
    nowhere = score_cells("net", 1, np.full_like(simulated, 0.2), world, CONFIG)
    assert "pcc" not in set(surrogate_gap(true, nowhere)["metric"])


def test_a_line_is_fitted_to_trained_cells_or_to_each_cell_s_own_training_days():
    world, simulated = holdout(), simulation(holdout())
    days, trained = world.train_days, world.trained
    whole = fit_line(
        "global_linear",
        simulated[trained][:, days],
        world.observed[trained][:, days],
        world.mask[trained][:, days],
    )
    for left, right in zip(fit_operator("global_linear", simulated, world), whole, strict=True):
        np.testing.assert_array_equal(left, right)
    own = fit_line("cell_lstsq", simulated[:, days], world.observed[:, days], world.mask[:, days])
    for left, right in zip(fit_operator("cell_lstsq", simulated, world), own, strict=True):
        np.testing.assert_array_equal(left, right)
    assert np.asarray(own.offset).shape[0] == len(world.cells)


def test_seeds_are_counted_with_their_worst_coverage():
    world = holdout()
    tables = [score_method("net", seed, simulation(world, seed), world, CONFIG) for seed in (1, 2)]
    tables[0]["n_scored"], tables[0]["n_unscored"] = 5, 3
    tables[1]["n_scored"], tables[1]["n_unscored"] = 7, 1
    summary = summarise(pd.concat(tables))
    assert (summary["n_scored"] == 5).all()
    assert (summary["n_unscored"] == 3).all()
    medians = [t["median"].to_numpy() for t in tables]
    np.testing.assert_allclose(summary["median"], np.mean(medians, axis=0), rtol=1e-12)


def test_seasonal_course_and_what_is_left_are_scored_apart():
    """A simulation whose season is the observed one and whose anomalies are not, and the other way round."""
    world = holdout(cells=6)
    random = np.random.default_rng(3)
    shape, days = world.mask.shape, np.arange(world.mask.shape[1])
    season = 0.06 * np.cos(2 * np.pi * days / 365.25) * np.ones((6, 1))
    noise = 0.02 * random.standard_normal(shape)
    world = replace(world, observed=0.2 + season + noise, mask=np.ones(shape, dtype=bool))
    other = 0.02 * random.standard_normal(shape)

    def scores(simulated):
        cells = score_cells("x", -1, simulated, world, EvaluationConfig(operators=("raw",)))
        values = cells["score"].values[0, 0, 1].mean(axis=-1)
        return dict(zip(cells["metric"].values, values, strict=True))

    alike, unlike = scores(0.3 + season + other), scores(0.3 - season + noise)
    assert alike["season_pcc"] > 0.98
    assert alike["season_rmse"] < 0.005
    assert abs(alike["anomaly_pcc"]) < 0.1
    assert alike["anomaly_rmse"] == pytest.approx(np.hypot(0.02, 0.02), rel=0.05)
    assert unlike["season_pcc"] < -0.98
    assert unlike["season_rmse"] == pytest.approx(2 * 0.06 / np.sqrt(2), rel=0.03)
    assert unlike["anomaly_pcc"] > 0.98
    both = unlike["season_rmse"] ** 2 + unlike["anomaly_rmse"] ** 2
    assert both == pytest.approx(unlike["ubrmse"] ** 2, rel=0.06)  # but for the course's pull to its mean


def test_seeds_of_a_method_are_scored_as_an_ensemble():
    world, config = holdout(), EvaluationConfig(operators=("raw", "cell_lstsq"))
    seeds = np.stack([simulation(world, seed) for seed in range(3)], axis=1)
    cells = joined([score_cells("net", i, seeds[:, i], world, config) for i in range(3)])
    table = together("net", seeds, cells, world, config)
    assert set(table["metric"]) == {"rmse"}
    row = table.query("operator == 'raw' and cells == 'unseen' and period == 'test'").iloc[0]
    mask = world.mask & world.test_days
    crps, inside = [], []
    for cell in np.flatnonzero(~world.trained):
        x, y = seeds[cell][:, mask[cell]], world.observed[cell, mask[cell]]
        apart = np.abs(x[:, None] - x[None]).sum(axis=(0, 1)) / (2 * 3 * 2)
        crps.append((np.abs(x - y).mean(axis=0) - apart).mean())
        inside.append(((x.min(axis=0) <= y) & (x.max(axis=0) >= y)).mean())
    assert row["crps"] == pytest.approx(np.mean(crps))
    assert row["coverage"] == pytest.approx(np.mean(inside))
    assert row["nominal"] == pytest.approx(2 / 4)
    line = table.query("operator == 'cell_lstsq' and cells == 'unseen' and period == 'test'").iloc[0]
    assert line["crps"] < row["crps"]  # through the lines that the scores of cells hold
    alone = together("net", seeds[:, :1], cells.isel(row=[0]), world, config).iloc[0]
    assert alone["crps"] > 0
    assert np.isnan(alone["coverage"])
