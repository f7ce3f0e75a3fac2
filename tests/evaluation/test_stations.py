"""Scores at stations: the same days, the right layer, intervals that hold the truth as often as said."""

import numpy as np
import pytest
from scipy.signal import lfilter

from paraformer.evaluation.compare import MIN_BLOCKS
from paraformer.evaluation.stations import (
    SCORE_COLUMNS,
    SUMMARY_COLUMNS,
    Site,
    block_days,
    layer_of,
    score_site,
    score_sites,
    summarise_sites,
)


def autocorrelated(random: np.random.Generator, number: int, days: int, rho: float) -> np.ndarray:
    """First-order autoregressive series of mean 0 and standard deviation 1."""
    noise = random.standard_normal((number, days + 200))
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise)[:, 200:]


def site(observed: np.ndarray, station: str = "s", place: tuple[float, float] = (40.0, -100.0), **simulated) -> Site:
    return Site(station, *place, 0.05, observed, simulated, dict.fromkeys(simulated, 1))


def rows(one: Site):
    return score_sites(iter([one])).set_index(["method", "kind", "metric"]).sort_index()


def test_scores_are_those_of_the_days_that_all_series_have():
    random = np.random.default_rng(0)
    observed, first, second = 0.3 + 0.1 * autocorrelated(random, 3, 366, 0.9)
    observed[:60], first[100:130], second[200:210] = np.nan, np.nan, np.nan
    found = rows(site(observed, first=first, second=second))
    shared = np.isfinite(observed + first + second)
    assert (found["days"].xs("raw", level="kind") == shared.sum()).all()
    for name, series in (("first", first), ("second", second)):
        o, s = observed[shared], series[shared]
        value = found["value"][name, "raw"]
        assert value["r"] == pytest.approx(np.corrcoef(o, s)[0, 1])
        assert value["bias"] == pytest.approx((s - o).mean())
        assert value["ubrmse"] == pytest.approx((s - o).std())
    less = found.loc[("second", "raw", "r")]
    assert less["less_first"] == pytest.approx(
        found["value"]["second", "raw", "r"] - found["value"]["first", "raw", "r"]
    )
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()
    assert ("first", "anomaly", "bias") not in found.index
    assert np.isnan(found.loc[("first", "raw", "r"), "less_first"])


def test_anomalies_do_not_see_a_season():
    """Two series that share a season and nothing else agree raw, and not in their anomalies."""
    random, days = np.random.default_rng(1), np.arange(730)
    season = 0.1 * np.sin(2 * np.pi * days / 365)
    observed, simulated = season + 0.02 * random.standard_normal((2, 730))
    found = rows(site(observed, m=simulated))
    assert found.loc[("m", "raw", "r"), "value"] > 0.9
    assert abs(found.loc[("m", "anomaly", "r"), "value"]) < 0.15
    assert found.loc[("m", "anomaly", "r"), "low"] < 0 < found.loc[("m", "anomaly", "r"), "high"]


def test_equal_methods_do_not_differ_and_a_better_one_is_seen():
    random = np.random.default_rng(2)
    truth, error = autocorrelated(random, 2, 366, 0.8)
    same = rows(site(truth, a=truth + error, b=truth + error))
    assert (same.loc["b"]["less_first"].abs() < 1e-12).all()
    better = rows(site(truth, a=truth + error, b=truth + 0.5 * error)).loc[("b", "raw")]
    assert better.loc["r", "less_first_low"] > 0
    assert better.loc["ubrmse", "less_first_high"] < 0


def test_intervals_hold_the_truth_and_days_one_by_one_would_not():
    """r of 100 pairs of series of known correlation 0.7, whose days resemble each other (0.9)."""
    held = narrow = 0
    for seed in range(100):
        signal, other = autocorrelated(np.random.default_rng(seed), 2, 366, 0.9)
        made = site(signal, m=0.7 * signal + np.sqrt(1 - 0.49) * other)
        r = next(dict(zip(SCORE_COLUMNS, row, strict=True)) for row in score_site(made))
        assert (r["kind"], r["metric"], r["block_days"]) == ("raw", "r", 30)
        held += r["low"] <= 0.7 <= r["high"]
        apart = 1.96 / np.sqrt(366 - 3)
        narrow += np.tanh(np.arctanh(r["value"]) - apart) <= 0.7 <= np.tanh(np.arctanh(r["value"]) + apart)
    assert held / 100 > 0.85
    assert narrow / 100 < 0.75, "the planted fault: independent days"


def test_blocks_are_shorter_where_there_are_few_days():
    assert [block_days(n) for n in (2000, 240, 200, 20, 3)] == [30, 30, 25, 2, 1]
    observed = np.full(366, np.nan)
    observed[100:300] = np.random.default_rng(0).random(200)
    found = rows(site(observed, m=np.random.default_rng(1).random(366)))
    assert (found["block_days"] == 25).any()
    assert found["low"].notna().all()
    assert MIN_BLOCKS <= 200 / 25
    observed[119:] = np.nan
    assert rows(site(observed, m=np.ones(366))).empty, "19 days are too few"


def test_a_series_that_does_not_move_has_no_correlation():
    found = rows(site(np.random.default_rng(0).random(366), m=np.full(366, 0.3)))
    assert np.isnan(found.loc[("m", "raw", "r"), ["value", "low", "high"]].astype(float)).all()
    assert np.isfinite(found.loc[("m", "raw", "bias"), "low"])


@pytest.mark.parametrize(
    ("depth", "layer"), [(0.02, 1), (0.05, 1), (0.1, 1), (0.11, 2), (0.4, 2), (0.5, 3), (1.9, 3), (2.0, None)]
)
def test_a_probe_belongs_to_the_layer_that_holds_it(depth, layer):
    assert layer_of(depth, np.array([0.1, 0.3, 1.5])) == layer


def test_five_centimetres_are_layer_1_however_thin():
    assert layer_of(0.05, np.array([0.03, 0.3, 1.5])) == 1
    assert layer_of(0.2, np.array([0.25, 0.3, 1.5])) == 1


def test_stations_together_are_compared_in_pairs():
    random, sites = np.random.default_rng(3), []
    for i in range(12):
        truth, error = autocorrelated(random, 2, 366, 0.8)
        better = truth + 0.5 * error
        sites.append(site(truth, f"s{i}", (30.0 + i % 3 * 8, -120.0 + i * 8), a=truth + error + 0.3, b=better - 0.1))
    found = summarise_sites(score_sites(iter(sites)))
    assert tuple(found.columns) == SUMMARY_COLUMNS
    raw = found[found["kind"] == "raw"].set_index(["metric", "method"])
    assert (found["stations"] == 12).all()
    r = raw.loc[("r", "b")]
    assert r["low"] > 0
    assert (r["better"], r["p"] < 0.01) == (12, True)
    assert r["clearly_better"] >= 10
    assert r["clearly_worse"] == 0
    assert raw.loc[("ubrmse", "b"), "high"] < 0
    bias = raw.loc[("bias", "b")]
    assert bias["median"] == pytest.approx(-0.1, abs=0.05)
    assert bias["less_first"] == pytest.approx(-0.2, abs=0.1), "of its size, not of its sign"
    assert bias["better"] >= 10
    few = summarise_sites(score_sites(iter(sites[:3])))
    assert few["low"].isna().all(), "three tiles have no interval"
    assert few.set_index(["kind", "metric", "method"]).loc[("raw", "r", "b"), "less_first"] > 0
