"""Annual totals from every unit and axis, the Budyko curve against its limits, scores over cells against SciPy."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.small_holdout import DAYS, holdout
from paraformer.core.errors import DataError
from paraformer.core.time import Period
from paraformer.evaluation.evapotranspiration import (
    SCORE_COLUMNS,
    Series,
    budyko,
    judge_evapotranspiration,
    reference_total,
    whole_years,
)

WORLD = holdout()
CELLS = WORLD.cells.size
TEST = Period(start="2016-01-01", end="2016-12-31")
YEARS = whole_years(DAYS, TEST)
MONTHS = DAYS[365:].astype("datetime64[M]").astype(int) % 12 + 1
"""Of the days of 2016."""
LEVEL = 300 + 50 * np.arange(CELLS)
"""Annual totals [mm year-1]."""


def variable(values: np.ndarray, unit: str, dims: tuple[str, ...], name: str = "et_x", **coords) -> xr.DataArray:
    return xr.DataArray(values, dims=dims, coords=coords, name=name, attrs={"units": unit})


def dataset(*references: xr.DataArray) -> xr.Dataset:
    rain = np.full((CELLS, DAYS.size), 2.0)
    return xr.Dataset(
        {"prcp": (("cell", "time"), rain)} | {str(r.name): r for r in references},
        coords={"time": DAYS.astype("datetime64[ns]"), "cell": WORLD.cells},
    )


def daily(total: np.ndarray) -> np.ndarray:
    """A series whose total over 2016 (a leap year) is ``total``, and nonsense before."""
    series = np.full((CELLS, DAYS.size), 99.0)
    series[:, 365:] = total[:, None] / 366
    return series


def judged(references: list[xr.DataArray], *series: Series):
    potential = np.full((CELLS, DAYS.size), 4.0)
    return judge_evapotranspiration(dataset(*references), series, potential, WORLD, TEST)


def test_whole_years_are_counted_from_the_first_day():
    days = np.arange("2015-04-01", "2019-01-01", dtype="datetime64[D]")
    found = whole_years(days, Period(start="2015-04-01", end="2017-07-01"))
    assert found.number == 2
    assert str(found.period) == "2015-04-01..2017-03-31"
    assert found.days.sum() == 366 + 365
    assert whole_years(days, Period(start="2015-04-01", end="2016-03-30")) is None
    leap = whole_years(days, Period(start="2016-02-29", end="2017-02-28"))
    assert (leap.number, leap.days.sum()) == (1, 366)


@pytest.mark.parametrize(
    ("values", "unit", "dims"),
    [
        (LEVEL, "mm year-1", ("cell",)),
        (LEVEL / 12, "mm month-1", ("cell",)),
        (LEVEL / 365.25, "mm day-1", ("cell",)),
        (np.repeat(LEVEL[:, None] / 12, 12, axis=1), "mm month-1", ("cell", "month")),
        (np.repeat(LEVEL[:, None] / 365.25, 12, axis=1), "mm/day", ("cell", "month")),
        (np.repeat(LEVEL[:, None], 12, axis=1), "mm year-1", ("cell", "month")),
        (daily(LEVEL), "mm day-1", ("cell", "time")),
        (daily(LEVEL), "kg m-2 d-1", ("cell", "time")),
    ],
)
def test_the_same_field_in_every_form(values, unit, dims):
    coords = {"month": np.arange(1, 13)} if "month" in dims else {}
    found = reference_total(variable(values, unit, dims, **coords), YEARS, DAYS)
    assert found.known.all()
    np.testing.assert_allclose(found.total, LEVEL, rtol=1e-12)


def test_a_monthly_series_is_its_own_years():
    """Unequal months in shuffled years: only the wanted year's twelve count, each with its own length."""
    months = np.arange("2014-01", "2018-01", dtype="datetime64[M]")
    values = np.random.default_rng(0).random((CELLS, months.size)) * 100
    wanted = slice(24, 36)
    series = variable(values, "mm month-1", ("cell", "date"), date=months.astype("datetime64[ns]"))
    np.testing.assert_allclose(reference_total(series, YEARS, DAYS).total, values[:, wanted].sum(axis=1))
    rate = series.assign_attrs(units="mm day-1")
    length = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    np.testing.assert_allclose(reference_total(rate, YEARS, DAYS).total, values[:, wanted] @ np.array(length))
    values[3, 30] = np.nan
    values[4, 2] = np.nan
    found = reference_total(series.copy(data=values), YEARS, DAYS)
    assert np.flatnonzero(~found.known).tolist() == [3], "a gap outside the years does not matter"


def test_faults_of_a_reference_are_named():
    months = np.arange("2016-01", "2016-12", dtype="datetime64[M]").astype("datetime64[ns]")
    short = variable(np.ones((CELLS, 11)), "mm month-1", ("cell", "date"), date=months)
    with pytest.raises(DataError, match=r"et_x: month 2016-12 of 2016-01-01\.\.2016-12-31 is missing"):
        reference_total(short, YEARS, DAYS)
    twice = variable(np.ones((CELLS, 2)), "mm month-1", ("cell", "date"), date=months[[0, 0]])
    with pytest.raises(DataError, match="one date a month, in order"):
        reference_total(twice, YEARS, DAYS)
    with pytest.raises(DataError, match="et_x: unknown unit 'W m-2' of evapotranspiration"):
        reference_total(variable(LEVEL, "W m-2", ("cell",)), YEARS, DAYS)
    with pytest.raises(DataError, match="et_x: unknown unit '1'"):
        reference_total(variable(LEVEL, "", ("cell",)), YEARS, DAYS)
    with pytest.raises(DataError, match="does not fit a daily series"):
        reference_total(variable(daily(LEVEL), "mm month-1", ("cell", "time")), YEARS, DAYS)
    with pytest.raises(DataError, match=r"dims \('cell', 'band'\) are none of"):
        reference_total(variable(np.ones((CELLS, 3)), "mm day-1", ("cell", "band")), YEARS, DAYS)
    middle = whole_years(DAYS, Period(start="2015-01-15", end="2016-01-14"))
    with pytest.raises(DataError, match="years that start with a month"):
        reference_total(short, middle, DAYS)


def test_budyko_meets_both_limits():
    rain = np.array([500.0, 500.0, 0.0, 500.0])
    potential = np.array([0.5, 1e6, 800.0, 0.0])
    found = budyko(rain, potential)
    np.testing.assert_allclose(found[0], 0.5, rtol=2e-3)
    np.testing.assert_allclose(found[1], 500, rtol=2e-3)
    assert found[2:].tolist() == [0, 0]
    humid = np.sqrt(np.tanh(1.0) * (1 - np.exp(-1.0)))
    np.testing.assert_allclose(budyko(np.array([700.0]), np.array([700.0])), 700 * humid)


@given(st.floats(1, 5000), st.floats(1, 5000))
def test_budyko_never_exceeds_water_or_energy(rain, potential):
    found = budyko(np.array([rain]), np.array([potential]))[0]
    assert 0 < found <= min(rain, potential) * (1 + 1e-12)


def test_scores_equal_an_independent_computation():
    reference = variable(LEVEL, "mm year-1", ("cell",))
    noise = np.random.default_rng(0).normal(40, 60, CELLS)
    _, scores = judged([reference], Series("net", 2, daily(LEVEL + noise)))
    assert set(scores["method"]) == {"net", "Budyko curve"}
    assert tuple(scores.columns) == SCORE_COLUMNS
    for name, chosen in (("all", slice(None)), ("trained", WORLD.trained), ("unseen", ~WORLD.trained)):
        row = scores[scores["cells"] == name].iloc[0]
        error, level = noise[chosen], LEVEL[chosen]
        np.testing.assert_allclose(row["rmse"], np.sqrt(np.mean(error**2)))
        np.testing.assert_allclose(row["bias"], error.mean())
        np.testing.assert_allclose(row["nse"], 1 - np.mean(error**2) / np.var(level))
        np.testing.assert_allclose(row["pcc"], stats.pearsonr(level + error, level).statistic)
        assert (row["n_cells"], row["n_masked"], row["seed"]) == (level.size, 0, 2)


def one(scores, method: str, cells: str = "all"):
    return scores.query("method == @method and cells == @cells").iloc[0]


def test_the_seasonal_cycle_is_scored_apart_from_the_annual_total():
    length = np.bincount(MONTHS, minlength=13)[1:]
    wave = np.cos(2 * np.pi * np.arange(12) / 12)
    months = LEVEL[:, None] * length / 366 + 10 * wave
    reference = variable(months, "mm month-1", ("cell", "month"), month=np.arange(1, 13))
    series = daily(LEVEL + 100.0)
    series[:, 365:] += 10 * (wave / length)[MONTHS - 1]  # the same cycle on another level
    flat = daily(LEVEL + 100.0)
    _, scores = judged([reference], Series("same", 0, series), Series("flat", 0, flat))
    same = one(scores, "same")
    assert same["bias"] == pytest.approx(100.0)
    level = 100 * (length / 366 - 1 / 12)  # longer months have more of the level
    assert same["season_rmse"] == pytest.approx(np.sqrt(np.mean(level**2)))
    assert same["season_pcc"] > 0.99
    centred = 10 * wave - level
    assert one(scores, "flat")["season_rmse"] == pytest.approx(np.sqrt(np.mean(centred**2)))
    assert np.isnan(one(scores, "Budyko curve")["season_rmse"])  # knows no months
    _, scores = judged([variable(LEVEL, "mm year-1", ("cell",))], Series("same", 0, series))
    assert np.isnan(one(scores, "same")["season_pcc"])


@pytest.mark.parametrize("form", ["climatology", "daily", "dates"])
def test_months_of_a_reference_in_every_form(form):
    length = np.bincount(MONTHS, minlength=13)[1:]
    totals = LEVEL[:, None] / 12 + np.arange(12.0)
    if form == "climatology":
        given = variable(totals[:, ::-1], "mm month-1", ("cell", "month"), month=np.arange(12, 0, -1))
    elif form == "daily":
        values = np.full((CELLS, DAYS.size), 9.0)
        values[:, 365:] = (totals / length)[:, MONTHS - 1]
        given = variable(values, "mm day-1", ("cell", "time"))
    else:
        dates = (np.datetime64("2016-01") + np.arange(12)).astype("datetime64[ns]")
        given = variable(totals, "mm month-1", ("cell", "date"), date=dates)
    np.testing.assert_allclose(reference_total(given, YEARS, DAYS).months, totals)


def test_seeds_are_an_ensemble_and_methods_are_paired_with_default_vic():
    random = np.random.default_rng(1)
    seeds = LEVEL + random.normal(0, 30, (4, CELLS))
    reference = variable(LEVEL, "mm year-1", ("cell",))
    default = Series("default VIC", -1, daily(LEVEL + 50.0))
    _, scores = judged([reference], default, *(Series("net", i, daily(t)) for i, t in enumerate(seeds)))
    net = scores.query("method == 'net' and cells == 'all'")
    assert net["crps"].nunique() == 1
    pairs = np.abs(seeds[:, None] - seeds[None]).sum(axis=(0, 1)) / (2 * 4 * 3)
    assert net["crps"].iloc[0] == pytest.approx((np.abs(seeds - LEVEL).mean(axis=0) - pairs).mean())
    inside = (seeds.min(axis=0) <= LEVEL) & (seeds.max(axis=0) >= LEVEL)
    assert net["coverage"].iloc[0] == pytest.approx(inside.mean())
    assert net["nominal"].iloc[0] == pytest.approx(3 / 5)
    assert net["less_default"].iloc[0] == pytest.approx(np.abs(seeds - LEVEL).mean() - 50.0)
    assert np.isnan(net["less_p"].iloc[0])  # all cells lie in one tile
    alone = one(scores, "default VIC")
    assert alone["crps"] == pytest.approx(50.0)  # its absolute error
    assert alone[["coverage", "less_default"]].isna().all()


def test_a_difference_has_an_interval_where_there_are_tiles():
    wide = replace(WORLD, lat=10.0 * np.arange(CELLS) - 50, lon=np.zeros(CELLS))
    reference = variable(LEVEL, "mm year-1", ("cell",))
    better = LEVEL + np.random.default_rng(2).normal(0, 5, CELLS)
    series = [Series("default VIC", -1, daily(LEVEL + 50.0)), Series("net", 0, daily(better))]
    potential = np.full((CELLS, DAYS.size), 4.0)
    _, scores = judge_evapotranspiration(dataset(reference), series, potential, wide, TEST)
    net = one(scores, "net")
    assert net["less_low"] < net["less_default"] < net["less_high"] < 0
    assert net["less_p"] < 0.05


def test_references_stand_against_each_other_and_masks_are_counted():
    holes = LEVEL.astype(float) + 20
    holes[[0, 1]] = np.nan
    first, second = variable(LEVEL, "mm year-1", ("cell",), "et_a"), variable(holes, "mm year-1", ("cell",), "et_b")
    fields, scores = judged([first, second], Series("net", -1, daily(LEVEL)))
    rows = scores.query("cells == 'all'").set_index(["method", "reference"])
    assert rows.loc[("et_b", "et_a"), ["rmse", "n_cells", "n_masked"]].tolist() == pytest.approx([20, CELLS - 2, 2])
    assert rows.loc[("et_a", "et_b"), "bias"] == pytest.approx(-20)
    assert rows.loc[("net", "et_b"), "n_masked"] == 2
    assert ("et_a", "et_a") not in rows.index
    assert set(scores["kind"]) == {"process model", "curve", "reference"}
    expected = 2 * 366 * np.sqrt(2 * np.tanh(0.5) * (1 - np.exp(-2.0)))
    np.testing.assert_allclose(fields["total"][fields["kind"].values == "curve"], expected)
    (second_of,) = fields["total"].values[fields["method"].values == "et_b"]
    assert fields["cell"].values[np.isnan(second_of)].tolist() == [100, 101]


def test_a_single_bad_day_of_a_simulation_stops_the_verdict():
    series = daily(LEVEL)
    series[2, 400] = np.nan
    with pytest.raises(DataError, match="evapotranspiration of net, seed 0: simulation is nan in cell 102, day 400"):
        judged([], Series("net", 0, series))


def test_half_a_year_has_no_annual_total(caplog):
    short = Period(start="2016-01-01", end="2016-06-30")
    with caplog.at_level(logging.WARNING):
        assert judge_evapotranspiration(dataset(), [], np.ones((CELLS, DAYS.size)), WORLD, short) is None
    assert "2016-01-01..2016-06-30 holds no whole year" in caplog.text


def test_too_few_cells_have_no_score():
    values = np.where(np.arange(CELLS) < 2, LEVEL, np.nan)
    _, scores = judged([variable(values, "mm year-1", ("cell",))], Series("net", 0, daily(LEVEL)))
    row = scores.query("method == 'net' and cells == 'all'").iloc[0]
    assert np.isnan(row["rmse"])
    assert row["n_cells"] == 2
