"""Validation at stations by the steps of Gruber et al. (2020), doi 10.1016/j.rse.2020.111806.

Quality flags are the readers' (``data.stations``). Here: the same days for all series that are compared; r, bias and
ubRMSE of the values as they are (raw) and, but for the bias, of anomalies from a moving mean of 35 days, without the
season; each with a 95 % interval by a bootstrap of blocks of days. Nothing is rescaled.

Blocks. Errors of soil moisture resemble each other for weeks, so days drawn one by one, or blocks of few days, make
intervals too narrow: blocks of 30 days are drawn, shorter ones where the days would not fill ``compare.MIN_BLOCKS``. Of
made-up series of a year without a hundred days of frost whose correlation from day to day is 0.8, 0.9 and 0.95, nominal
95 % intervals hold the truth, of r in 95, 94 and 89 of 100 cases, of ubRMSE in 88, 81 and 70, of bias in 92, 88 and 84;
with blocks of 10 days of r in 92, 87 and 80, of ubRMSE in 87, 77 and 64 (``benchmarks/station_intervals.py``). One year
holds one season: no interval from within it tells how raw scores differ from year to year.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from paraformer.evaluation.compare import MIN_BLOCKS, TILE, Interval, block_bootstrap, draw_blocks, interval_of, tiles
from paraformer.numerics.scores import MIN_DAYS, Statistics, accumulate, finish, resample
from paraformer.numerics.seasonal import moving_anomalies

BLOCK_DAYS = 30
"""Length of a block of days."""

SAMPLES = 1999
"""Draws of an interval."""

KINDS = ("raw", "anomaly")
METRICS = {"r": "pcc", "bias": "bias", "ubrmse": "ubrmse"}
"""Scores at a station and their names in ``numerics.scores``; bias and ubRMSE in m3 m-3."""

SCORE_COLUMNS = (
    "station",
    "lat",
    "lon",
    "depth",
    "method",
    "layer",
    "kind",
    "metric",
    "days",
    "block_days",
    "value",
    "low",
    "high",
    "less_first",
    "less_first_low",
    "less_first_high",
)
"""Of a station's scores. ``less_first``: the value less that of the first method on the same days, with the interval of
the same draws."""

SUMMARY_COLUMNS = (
    "depth",
    "kind",
    "metric",
    "method",
    "stations",
    "median",
    "less_first",
    "low",
    "high",
    "p",
    "better",
    "clearly_better",
    "clearly_worse",
)
"""Over stations: medians; mean difference to the first method (of bias: of its absolute values), its 95 % interval by a
bootstrap of tiles (as ``compare``) and p; at how many stations it is better, and at how many the station's own interval
says so or says the contrary."""


class Site(NamedTuple):
    """What is compared at one depth of one station.

    Attributes:
        station: identifier.
        lat, lon: [degree].
        depth: of the probe [m].
        observed: [m3 m-3] [time], NaN where there is none; a value a day, no day left out.
        simulated: method -> series [m3 m-3] [time]; NaN on days that do not count. The first is compared with.
        layers: method -> number of the model's layer.
    """

    station: str
    lat: float
    lon: float
    depth: float
    observed: Float[np.ndarray, " time"]
    simulated: Mapping[str, Float[np.ndarray, " time"]]
    layers: Mapping[str, int]


def layer_of(depth: float, thickness: Float[np.ndarray, " layer"]) -> int | None:
    """Number, from 1, of the layer that a probe is compared with; ``None`` below the last.

    Probes down to 5 cm belong to layer 1, however thin, and a probe at the boundary of two to the upper one.

    Args:
        depth: of the probe [m].
        thickness: of the layers [m].
    """
    if depth <= 0.05 + _ROUNDING:
        return 1
    below = np.cumsum(thickness) >= depth - _ROUNDING
    return int(np.argmax(below)) + 1 if below.any() else None


_ROUNDING = 1e-6


def score_site(site: Site, *, min_days: int = MIN_DAYS) -> Iterator[tuple]:
    """Rows of ``SCORE_COLUMNS``, none where the shared days are fewer than ``min_days``."""
    methods = list(site.simulated)
    series = np.stack([site.observed, *site.simulated.values()]).astype(np.float64)
    shared = np.asarray(np.isfinite(series).all(axis=0))
    for kind in KINDS:
        values, mask = (series, shared) if kind == "raw" else moving_anomalies(series, shared)
        days = int(mask.sum())
        if days < min_days:
            continue
        length, blocks = by_block(values, mask)
        drawn = draw_blocks(len(blocks[0].days), samples=SAMPLES).astype(np.float64)
        whole = np.ones((1, drawn.shape[1]))
        found = [finish(resample(part, np.concatenate([whole, drawn])), min_days=1).values for part in blocks]
        for metric, name in METRICS.items():
            if metric == "bias" and kind == "anomaly":
                continue
            for method, own in zip(methods, found, strict=True):
                value = _interval(metric, own[name], drawn.shape[1])
                less = _interval("", own[name] - found[0][name], drawn.shape[1]) if method != methods[0] else None
                place = (site.station, site.lat, site.lon, site.depth, method, site.layers[method])
                numbers = (days, length, *value[:3], *(less[:3] if less else (np.nan,) * 3))
                yield (*place, kind, metric, *numbers)


def by_block(series: Float[np.ndarray, "series time"], mask: Bool[np.ndarray, " time"]) -> tuple[int, list[Statistics]]:
    """Length of the blocks, and statistics of every series but the first against it, one a block that has a day."""
    length = block_days(int(mask.sum()))
    pad = -mask.size % length
    parts = np.pad(series, ((0, 0), (0, pad))).reshape(len(series), -1, length)
    inside = np.pad(mask, (0, pad)).reshape(-1, length)
    used = inside.any(axis=1)
    return length, [accumulate(one[used], parts[0][used], inside[used]) for one in parts[1:]]


def block_days(days: int) -> int:
    """Days of a block, so that at least ``MIN_BLOCKS`` of them hold some of the days."""
    return max(1, min(BLOCK_DAYS, days // MIN_BLOCKS))


_SCALE = {"r": (np.arctanh, np.tanh), "ubrmse": (np.log, np.exp)}
"""Where an interval is expanded, and the way back, so that it stays where the score can be."""


def _interval(metric: str, found: Float[np.ndarray, " sample"], n_blocks: int) -> Interval:
    """Interval of a score; the first of the samples is its value, draws without a score are left out."""
    known = found[np.isfinite(found)]
    if not np.isfinite(found[0]) or known.size == 1:
        return Interval(float(found[0]), np.nan, np.nan, np.nan)
    to, back = _SCALE.get(metric, (np.asarray, np.asarray))
    moved = to(np.clip(known, -1 + 1e-12, 1 - 1e-12) if metric == "r" else known)
    interval = interval_of(float(moved[0]), moved[1:], n_blocks)
    return Interval(float(found[0]), float(back(interval.low)), float(back(interval.high)), interval.p)


def score_sites(sites: Iterator[Site]) -> pd.DataFrame:
    """Scores of all sites, ``SCORE_COLUMNS``."""
    return pd.DataFrame([row for site in sites for row in score_site(site)], columns=list(SCORE_COLUMNS))


def summarise_sites(scores: pd.DataFrame, *, tile: float = TILE) -> pd.DataFrame:
    """Medians over stations and differences to the first method, ``SUMMARY_COLUMNS``.

    Args:
        scores: ``SCORE_COLUMNS``.
        tile: side of the bootstrap's tiles [degree]; without interval where fewer than ``MIN_BLOCKS`` hold a station.
    """
    rows = []
    for key, part in scores.groupby(["depth", "kind", "metric", "method"], sort=False):
        known = part[np.isfinite(part["value"])]
        less = known["less_first"].to_numpy()
        head = (*key, len(known), known["value"].median() if len(known) else np.nan)
        if not len(less) or not np.isfinite(less).all():
            rows.append((*head, *(np.nan,) * 7))
            continue
        metric = str(key[2])
        own = known[["less_first_low", "less_first_high"]].to_numpy()
        clear = (own > 0).all(axis=1) | (own < 0).all(axis=1)
        if metric == "bias":
            less = known["value"].abs().to_numpy() - np.abs(known["value"].to_numpy() - less)
        gain = less if metric == "r" else -less
        block = tiles(known["lat"].to_numpy(), known["lon"].to_numpy(), tile)
        mean = Interval(float(less.mean()), np.nan, np.nan, np.nan)
        if block.max() + 1 >= MIN_BLOCKS:
            mean = block_bootstrap(less, block)
        clearly = [np.nan, np.nan] if metric == "bias" else [int((clear & (sign * gain > 0)).sum()) for sign in (1, -1)]
        rows.append((*head, *mean, int((gain > 0).sum()), *clearly))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
