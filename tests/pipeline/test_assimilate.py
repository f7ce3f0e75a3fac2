"""A filter beside the open loop: what is fitted sees the training period alone, rows, water, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import paraformer as pf
from compliance import problems
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.evaluation.holdout import Holdout
from paraformer.pipeline import assimilate as module
from paraformer.pipeline.assimilate import Case, assimilate, describe_assimilation, summed, write_series
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters
from worlds import TINY, write_study

CELLS, DAYS, TRAINED = 4, 100, 60
THETA = np.tile([0.2, 12.0, 0.1], (CELLS, 1))


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    """Four cells whose true rain is another than the model's, and a satellite that drifts."""
    monkeypatch.setattr(module, "_WARMING", 5)
    monkeypatch.setattr(module, "_MOISTURE", {True: ((0.004, 0.8),), False: ((0.004, 0.0), (0.02, 0.0))})
    space = ParameterSpace.of("infilt", "expt", "depth_1")
    model = VIC(space, make_parameters(CELLS), make_forcing(CELLS, DAYS), VICSettings())
    random = np.random.default_rng(7)
    factor = np.repeat(np.exp(0.7 * random.standard_normal((CELLS, DAYS)) - 0.25), 8, axis=1)
    wet = VIC(space, model.cell_parameters, model.forcing._replace(prcp=model.forcing.prcp * factor), model.settings)
    truth = wet.simulate(THETA[:, None], ("soil_moisture",))["soil_moisture"][:, 0]
    observed = 0.05 + 0.8 * truth + 0.01 * random.standard_normal(truth.shape)
    mask = random.random(truth.shape) < 0.6
    days = np.arange(DAYS)
    holdout = Holdout(
        cells=model.cell_parameters.cell,
        lat=np.linspace(30.0, 45.0, CELLS),
        lon=np.full(CELLS, -100.0),
        observed=np.where(mask, observed, 0.0),
        mask=mask,
        trained=np.ones(CELLS, dtype=bool),
        train_days=days < TRAINED,
        test_days=days >= TRAINED,
    )
    time = np.datetime64("2016-03-01") + days
    return Case(model, time, holdout, True, 8, 0, Progress())


def test_the_filter_is_nearer_to_what_comes_than_the_open_loop(case: Case, tmp_path: Path) -> None:
    rows = [case.last_observation(), *case.rows("true θ", THETA)]
    table = summed(pd.concat([case.scored(row) for row in rows], ignore_index=True)).set_index("row")
    assert list(table.index) == ["last observation", "open loop, true θ", "offset alone, true θ", "filter, true θ"]
    assert table.loc["filter, true θ", "ubrmse"] < table.loc["open loop, true θ", "ubrmse"]
    assert (table["n_cells"] == CELLS).all()
    lead = table["ubrmse"].iloc[-1] - table["ubrmse"]
    np.testing.assert_allclose(table["lead"], lead, atol=1e-12)
    assert table["low"].isna().all()  # four cells lie in too few tiles
    assert table.loc["open loop, true θ", ["innovation", "normalised", "moved"]].isna().all()
    assert table.loc["offset alone, true θ", "normalised"] > 0
    assert np.isnan(table.loc["offset alone, true θ", "moved"])
    assert table.loc["filter, true θ", "moved"] > abs(table.loc["filter, true θ", "increment"])
    text = describe_assimilation(table.reset_index(), tmp_path)
    assert "filter, true θ" in text
    series = case.series(rows)
    assert series["forecast"].shape == (4, CELLS, DAYS)
    assert np.isfinite(series["std"][2:]).all()
    assert series["increment"][:3].isnull().all()
    write_series(series, tmp_path / "series.nc")
    assert problems(tmp_path / "series.nc", tmp_path) == []


def test_the_last_observation_is_of_an_earlier_day(case: Case) -> None:
    row, seen = case.last_observation(), case.holdout
    for cell in range(CELLS):
        known = np.flatnonzero(seen.mask[cell])
        assert not row.mask[cell, known[0]]
        assert row.mask[cell, known[1:]].all()
        np.testing.assert_array_equal(row.forecast[cell, known[1:]], seen.observed[cell, known[:-1]])


def test_nothing_that_is_fitted_sees_the_test_period_and_no_forecast_its_own_day(case: Case) -> None:
    """Other observations from a day of the test period on change no forecast up to that day."""
    later = np.arange(DAYS) >= 80
    other = replace(case.holdout, observed=np.where(later, 0.9 - case.holdout.observed, case.holdout.observed))
    changed = replace(case, holdout=other)
    for one, two in zip(case.rows("x", THETA), changed.rows("x", THETA), strict=True):
        np.testing.assert_array_equal(one.forecast[:, :81], two.forecast[:, :81])
        if one.errors is not None:
            for a, b in zip(one.errors, two.errors, strict=True):
                np.testing.assert_array_equal(a, b)
            assert (one.forecast[:, 81:] != two.forecast[:, 81:]).any()


def test_without_the_offset_all_goes_into_the_soil(case: Case) -> None:
    *_, row = replace(case, offset=False).rows("x", THETA)
    assert row.errors is not None
    assert not row.errors.offset.any()
    assert set(row.errors.moisture) <= {0.004, 0.02}


def small(folder: Path) -> pf.Result:
    settings = {
        "learners": {"A": TINY["learners"]["FFN_A"]},
        "learner_seeds": 1,
        "searches": None,
        "gap_filling": None,
        "references": {"direct": None},
        "data__synthetic": {"rows": 2, "columns": 2, "years": 2},
    }
    return pf.run(write_study(folder, **settings), folder / "run", until="scores", quiet=True)


@pytest.mark.long  # two years day by day, six times
def test_of_a_run_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOISTURE", {True: ((0.004, 0.8),)})
    result = small(tmp_path)
    table = assimilate(result.directory, "A", members=4, out=tmp_path / "out")
    assert table["row"].iloc[-1] == "filter, A"
    written = pd.read_csv(tmp_path / "out" / "rows.csv")
    np.testing.assert_allclose(written["ubrmse"], table["ubrmse"])
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    assert len(cells) == len(table) * 4
    with xr.open_dataset(tmp_path / "out" / "series.nc") as series:
        assert series.sizes["row"] == len(table)
    with pytest.raises(DataError, match="no θ of a method 'B'"):
        assimilate(result.directory, "B")
    monkeypatch.setattr(module, "build_process", lambda *_: object())
    with pytest.raises(SettingsError, match="a filter needs VIC's state"):
        assimilate(result.directory, "A")
