"""The verdict by gauges: scores of flow at every gauge, of every method and of what it has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from paraformer.evaluation.streamflow import FlowScores, flow_scores, mean_flow, persistence, seasonal_flow

MEAN_FLOW, SEASONAL_FLOW, PERSISTENCE = "mean flow", "seasonal flow", "persistence"
BENCHMARKS = {
    MEAN_FLOW: "each gauge's mean of the training period",
    SEASONAL_FLOW: "each gauge's mean of the calendar month, training period",
    PERSISTENCE: "the flow observed the day before",
}
"""Rows without θ, and what a reader must know of them."""

FLOW_COLUMNS = (
    "gauge",
    "lat",
    "lon",
    "area_km2",
    "cells",
    "method",
    "seed",
    "period",
    *FlowScores._fields,
)
"""Columns of ``scores/streamflow.csv``; ``cells`` is trained where the gauge may be learned from, else unseen."""


PAIRED_COLUMNS = ("method", "against", "gauges", "value", "value_against", "difference", "better", "p")
"""Of a comparison: medians over the gauges that both are scored at, the median difference, the share of gauges at which
``method`` is better, and p of Wilcoxon's signed-rank test of no difference."""

_MIN_PAIRS = 6
"""Gauges that the test needs to reach p < 0.05."""


class GaugeSet(NamedTuple):
    """Gauges that are judged.

    Attributes:
        names: of the gauges.
        lat, lon: as reported [degree].
        area_km2: drainage area.
        trained: gauges that may be learned from.
        observed: daily flow [m3 s-1], any value where ``mask`` is False.
        mask: days that count.
        days: datetime64[D] [time].
        train, test: days of the periods.
    """

    names: tuple[str, ...]
    lat: Float[np.ndarray, " gauge"]
    lon: Float[np.ndarray, " gauge"]
    area_km2: Float[np.ndarray, " gauge"]
    trained: Bool[np.ndarray, " gauge"]
    observed: Float[np.ndarray, "gauge time"]
    mask: Bool[np.ndarray, "gauge time"]
    days: np.ndarray
    train: Bool[np.ndarray, " time"]
    test: Bool[np.ndarray, " time"]


class Flow(NamedTuple):
    """Daily flow [m3 s-1] at all gauges by one method and seed."""

    method: str
    seed: int
    simulated: np.ndarray


def judge_flow(gauges: GaugeSet, flows: Iterable[Flow]) -> tuple[pd.DataFrame, xr.Dataset]:
    """Scores of every method and benchmark at every gauge, and the daily series behind them.

    Returns:
        Table with ``FLOW_COLUMNS``, and ``simulated (row, gauge, time)`` with ``observed (gauge, time)`` [m3 s-1].
    """
    tables, series, rows = [], [], []
    for flow in flows:
        tables.append(score_flow(gauges, flow, gauges.mask))
        series.append(flow.simulated.astype(np.float32))
        rows.append((flow.method, flow.seed))
    tables += [score_flow(gauges, flow, known) for flow, known in benchmarks(gauges)]
    return pd.concat(tables, ignore_index=True), _series(gauges, rows, np.stack(series))


def score_flow(gauges: GaugeSet, flow: Flow, mask: Bool[np.ndarray, "gauge time"]) -> pd.DataFrame:
    """Scores of one method in both periods."""
    parts = []
    for period, chosen in (("train", gauges.train), ("test", gauges.test)):
        found = flow_scores(
            flow.simulated[:, chosen].astype(np.float64),
            gauges.observed[:, chosen],
            mask[:, chosen],
            gauges.days[chosen],
        )
        about = {
            "gauge": gauges.names,
            "lat": gauges.lat,
            "lon": gauges.lon,
            "area_km2": gauges.area_km2,
            "cells": np.where(gauges.trained, "trained", "unseen"),
            "method": flow.method,
            "seed": flow.seed,
            "period": period,
        }
        parts.append(pd.DataFrame({**about, **found._asdict()}))
    return pd.concat(parts, ignore_index=True)[list(FLOW_COLUMNS)]


def benchmarks(gauges: GaugeSet) -> Iterator[tuple[Flow, Bool[np.ndarray, "gauge time"]]]:
    """What a simulation has to beat, and the days on which it is known."""
    learned = gauges.mask & gauges.train
    for name, found in (
        (MEAN_FLOW, mean_flow(gauges.observed, learned)),
        (SEASONAL_FLOW, seasonal_flow(gauges.observed, learned, gauges.days)),
    ):
        yield Flow(name, -1, found), gauges.mask & np.isfinite(found)
    found, known = persistence(gauges.observed, gauges.mask)
    yield Flow(PERSISTENCE, -1, found), gauges.mask & known


def paired_flow(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], metric: str = "kge", period: str = "test"
) -> pd.DataFrame:
    """Methods against others at the same gauges, ``PAIRED_COLUMNS``; the mean over seeds of a gauge first.

    Gauges are taken one by one: neighbours are not independent, so that p is too small where many lie close together.

    Args:
        scores: ``FLOW_COLUMNS``.
        pairs: method, and the one it is compared with.
        metric: a score of which more is better.
    """
    part = scores[scores["period"] == period]
    values = part.pivot_table(index="gauge", columns="method", values=metric, sort=False, dropna=False)
    rows = []
    for method, against in pairs:
        both = values[[method, against]].dropna().to_numpy()
        difference = both[:, 0] - both[:, 1]
        p = float(stats.wilcoxon(difference).pvalue) if (difference != 0).sum() >= _MIN_PAIRS else np.nan
        middle = np.median(np.column_stack([both, difference]), axis=0) if len(both) else np.full(3, np.nan)
        rows.append((method, against, len(both), *middle, float((difference > 0).mean()) if len(both) else np.nan, p))
    return pd.DataFrame(rows, columns=list(PAIRED_COLUMNS))


def _series(
    gauges: GaugeSet, rows: list[tuple[str, int]], simulated: Float[np.ndarray, "row gauge time"]
) -> xr.Dataset:
    observed = np.where(gauges.mask, gauges.observed, np.nan).astype(np.float32)
    unit = {"units": "m3 s-1", "standard_name": "water_volume_transport_in_river_channel"}
    return xr.Dataset(
        {
            "simulated": (
                ("row", "gauge", "time"),
                simulated,
                {**unit, "long_name": "simulated flow, mean of the day"},
            ),
            "observed": (("gauge", "time"), observed, {**unit, "long_name": "observed flow on the days that count"}),
        },
        {
            "gauge": ("gauge", np.array(gauges.names, dtype=object)),
            "lat": ("gauge", gauges.lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("gauge", gauges.lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "area_km2": ("gauge", gauges.area_km2, {"units": "km2", "long_name": "drainage area"}),
            "trained": ("gauge", gauges.trained, {"long_name": "whether the gauge may be learned from"}),
            "time": gauges.days.astype("datetime64[ns]"),
            "method": ("row", np.array([method for method, _ in rows], dtype=object)),
            "seed": ("row", np.array([seed for _, seed in rows])),
        },
        {"Conventions": "CF-1.8", "title": "Daily flow at gauges, simulated with the θ of every row, and observed"},
    )
