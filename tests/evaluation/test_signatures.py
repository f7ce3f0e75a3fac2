"""Signatures of runs against a closed balance, against references and against the truth of a world that has one."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from evaluation.small_holdout import DAYS, holdout
from paraformer.core.time import Period
from paraformer.evaluation.signatures import COLUMNS, Fluxes, judge_signatures

HOLDOUT = holdout()
CELLS = len(HOLDOUT.cells)
TEST = Period(start=dt.date(2016, 1, 1), end=dt.date(2016, 12, 31))
RAIN = 4.0


def run(method: str, share: np.ndarray, base: float) -> Fluxes:
    """Rain of ``RAIN`` mm day-1, of which a share runs off, and of that another as baseflow; nothing is stored.

    Before the test year everything is nine times as much.
    """
    days = np.where(HOLDOUT.test_days, 1.0, 9.0)
    part = (base + np.linspace(0, 0.2, CELLS))[:, None]
    flow = RAIN * share[:, None] * days
    return Fluxes(method, 0, RAIN * (1 - share)[:, None] * days, (1 - part) * flow, part * flow)


def dataset(**references: np.ndarray) -> xr.Dataset:
    variables = {"prcp": (("cell", "time"), np.full((CELLS, DAYS.size), RAIN))}
    variables |= {name: (("cell",), values) for name, values in references.items()}
    return xr.Dataset(variables, {"time": DAYS.astype("datetime64[ns]")})


SHARE = np.linspace(0.1, 0.6, CELLS)


def test_against_the_truth_the_test_year_alone_counts() -> None:
    runs = [run("a", SHARE + 0.1, 0.5), run("true θ", SHARE, 0.3)]
    table = judge_signatures(dataset(), runs, HOLDOUT, TEST, "true θ")
    assert list(table.columns) == list(COLUMNS)
    assert set(table["method"]) == {"a"}
    assert set(table["reference"]) == {"true θ"}
    everywhere = table[table["cells"] == "all"].set_index("quantity")
    assert everywhere.loc["runoff_ratio", "bias"] == pytest.approx(0.1)
    assert everywhere.loc["baseflow_index", "rmse"] == pytest.approx(0.2)
    assert everywhere.loc["evapotranspiration", "bias"] == pytest.approx(-0.1 * RAIN * 366)
    assert everywhere.loc["runoff_ratio", "pcc"] == pytest.approx(1)


def test_against_references_where_they_are_known_and_where_there_is_runoff() -> None:
    known = np.where(np.arange(CELLS) == 1, np.nan, SHARE)
    dry = np.where(np.arange(CELLS) == 2, 1e-4, SHARE)
    given = dataset(runoff_ratio_obs=known, baseflow_index_obs=0.3 + 0.01 * np.arange(CELLS))
    table = judge_signatures(given, [run("a", dry, 0.3)], HOLDOUT, TEST, None)
    everywhere = table[table["cells"] == "all"].set_index("quantity")
    assert set(everywhere.index) == {"runoff_ratio", "baseflow_index"}  # products of evapotranspiration: another table
    assert everywhere.loc["runoff_ratio", "n_masked"] == 1
    assert everywhere.loc["baseflow_index", "n_masked"] == 1
    error = np.zeros(CELLS)
    error[2] = dry[2] - SHARE[2]
    assert everywhere.loc["runoff_ratio", "rmse"] == pytest.approx(np.sqrt((np.delete(error, 1) ** 2).mean()), rel=1e-6)


def test_nothing_to_compare_with_and_no_whole_year_give_no_row() -> None:
    assert judge_signatures(dataset(), [run("a", SHARE, 0.3)], HOLDOUT, TEST, None).empty
    short = Period(start=dt.date(2016, 1, 1), end=dt.date(2016, 11, 30))
    assert judge_signatures(dataset(), [run("true θ", SHARE, 0.3)], HOLDOUT, short, "true θ").empty
