"""The paired test finds a known difference, finds none where there is none, and errs as often as it says."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paraformer.core.errors import DataError
from paraformer.evaluation.compare import COMPARE_COLUMNS, MIN_BLOCKS, block_bootstrap, compare, tiles

LAT, LON = (grid.ravel() for grid in np.meshgrid(np.arange(25.0, 49, 1.5), np.arange(-120.0, -78, 1.5)))
CELLS = LAT.size


def correlated_fields(number: int, length: float = 0.75, seed: int = 0) -> np.ndarray:
    """Gaussian fields of mean 0 and standard deviation 1 whose correlation falls to 1/e at ``length`` degrees."""
    distance = np.hypot(LAT[:, None] - LAT, LON[:, None] - LON)
    root = np.linalg.cholesky(np.exp(-distance / length) + 1e-9 * np.eye(CELLS))
    return np.random.default_rng(seed).standard_normal((number, CELLS)) @ root.T


def table(fields: dict[str, list[np.ndarray]], unseen: np.ndarray | None = None) -> pd.DataFrame:
    """Per-cell raw test RMSE: method -> one field a seed; NaN is not scored."""
    groups = np.where(np.zeros(CELLS, bool) if unseen is None else unseen, "unseen", "trained")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "cell": np.arange(CELLS),
                    "lat": LAT,
                    "lon": LON,
                    "method": method,
                    "seed": seed,
                    "operator": "raw",
                    "cells": groups,
                    "period": "test",
                    "metric": "rmse",
                    "value": values,
                    "scored": np.isfinite(values),
                }
            )
            for method, seeds in fields.items()
            for seed, values in enumerate(seeds)
        ],
        ignore_index=True,
    )


def coverage(tile: float, length: float = 0.75, number: int = 300) -> float:
    """Share of correlated fields of true mean 0 whose interval holds 0."""
    block = tiles(LAT, LON, tile)
    found = [block_bootstrap(f, block, samples=499, seed=i) for i, f in enumerate(correlated_fields(number, length))]
    for one in found:
        assert (one.p < 0.04) <= (one.low > 0 or one.high < 0), "p-value and interval contradict each other"
    return float(np.mean([one.low <= 0 <= one.high for one in found]))


def test_intervals_cover_as_often_as_they_say():
    """95 % intervals must hold the truth about 95 times in a hundred, where tiles are wide beside the correlation."""
    assert 0.89 < coverage(8.0) < 0.98


def test_drawing_single_cells_would_be_far_too_sure():
    """Planted fault: a tile a cell, as if neighbours were independent."""
    assert coverage(0.5, length=1.5, number=60) < 0.75
    assert coverage(8.0, length=1.5, number=60) > 0.75


def test_block_bootstrap_equals_a_direct_one():
    """Same draws, one by one: gather the cells of the drawn blocks and take their mean."""
    field, block = correlated_fields(1)[0], tiles(LAT, LON, 6.0)
    found = block_bootstrap(field + 0.05, block, samples=2000, seed=1)
    n = block.max() + 1
    wider = stats.t.ppf(0.975, n - 1) / 1.959964 * np.sqrt(n / (n - 1))
    random = np.random.default_rng(3)
    members = [field[block == b] + 0.05 for b in range(block.max() + 1)]
    means = [
        np.concatenate([members[b] for b in random.integers(len(members), size=len(members))]).mean()
        for _ in range(2000)
    ]
    low, high = found.mean + wider * (np.percentile(means, (2.5, 97.5)) - found.mean)
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    assert found.mean == pytest.approx(field.mean() + 0.05)


def test_too_few_blocks_are_refused_and_leave_no_interval():
    with pytest.raises(DataError, match=f"only 6 tiles hold a scored cell, {MIN_BLOCKS} are needed"):
        block_bootstrap(np.zeros(CELLS), np.arange(CELLS) % 6)
    few = table({"a": [np.ones(CELLS)], "b": [np.zeros(CELLS)]}, unseen=(LAT < 27) & (LON < -110))  # in two tiles
    rows = compare(few, [("a", "b")]).set_index("cells")
    assert np.isnan(rows.loc["unseen", ["low", "high", "p"]].to_numpy(float)).all()
    assert rows.loc["unseen", "difference"] == 1
    assert rows.loc["trained", "p"] < 0.001


def test_tiles():
    found = tiles(np.array([0.5, 3.9, 4.1, -0.1]), np.array([0.5, 0.5, 0.5, 0.5]), 4.0)
    assert found[0] == found[1]
    assert len(set(found)) == 3
    with pytest.raises(DataError, match="above 0 degrees, found 0"):
        tiles(LAT, LON, 0.0)


def test_a_known_difference_is_found_and_a_common_field_cancels():
    """Cells differ a hundred times more than the methods do: only pairing can see the difference."""
    common, *noise = correlated_fields(4, seed=5)
    fields = {
        "better": [common - 0.05 + 0.05 * noise[0], common - 0.05 + 0.05 * noise[1]],
        "same": [common + 0.0003 * noise[2]],
        "base": [common],
    }
    rows = compare(table(fields), [("better", "base"), ("same", "base")]).set_index("method")
    assert tuple(rows.reset_index()[list(COMPARE_COLUMNS)]) == COMPARE_COLUMNS
    better, same = rows.loc["better"], rows.loc["same"]
    assert better["high"] < 0
    assert better["p"] < 0.01
    expected = -0.05 + 0.025 * (noise[0] + noise[1]).mean()
    assert better["difference"] == pytest.approx(expected)
    assert better["seeds"] == 2
    assert better["seed_std"] == pytest.approx(np.std([0.05 * n.mean() for n in noise[:2]], ddof=1))
    assert same["low"] < 0 < same["high"]
    assert np.isnan(same["seed_std"])


def test_a_cell_unscored_under_one_seed_is_left_out_of_both():
    first, second = np.full(CELLS, 2.0), np.full(CELLS, 4.0)
    second[7] = np.nan
    base = np.where(np.arange(CELLS) == 7, 100.0, 1.0)
    row = compare(table({"a": [first, second], "b": [base]}), [("a", "b")]).iloc[0]
    assert row["n_cells"] == CELLS - 1
    assert row["difference"] == 2
    nothing = table({"a": [np.full(CELLS, np.nan)], "b": [base]})
    assert len(compare(nothing, [("a", "b")])) == 0


def test_what_is_not_there_is_named():
    scores = table({"a": [np.ones(CELLS)]})
    with pytest.raises(DataError, match="no score with metric 'rsme'; did you mean 'rmse'"):
        compare(scores, [("a", "a")], metric="rsme")
    with pytest.raises(DataError, match="no method 'aa' in the table"):
        compare(scores, [("aa", "a")])
