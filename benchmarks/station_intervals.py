"""How often intervals at stations hold the truth: ``python benchmarks/station_intervals.py [--series N] [--out FILE]``.

Made-up pairs of series of a year (366 days, none of which counts in the first and last 50, as in frost) of a known
correlation of 0.7, whose days resemble each other, scored in blocks of days of several lengths as
``evaluation.stations`` does. Shows the share of the 95 % intervals of r, ubRMSE and bias that hold the truth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.signal import lfilter

from paraformer.evaluation import stations

R, DAYS, FROST = 0.7, 366, 50
TRUTH = {"r": R, "ubrmse": float(np.sqrt((1 - R) ** 2 + 1 - R**2)), "bias": 0.0}


def covered(rho: float, block: int, series: int) -> dict[str, float]:
    """Share of intervals that hold the truth, for a correlation ``rho`` from day to day."""
    held = dict.fromkeys(TRUTH, 0)
    random = np.random.default_rng(0)
    for _ in range(series):
        noise = random.standard_normal((2, DAYS + 200))
        observed, other = lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise)[:, 200:]
        simulated = R * observed + np.sqrt(1 - R**2) * other
        observed[:FROST], observed[-FROST:] = np.nan, np.nan
        site = stations.Site("made", 0.0, 0.0, 0.05, observed, {"model": simulated}, {"model": 1})
        with mock.patch.object(stations, "BLOCK_DAYS", block), mock.patch.object(stations, "KINDS", ("raw",)):
            rows = [dict(zip(stations.SCORE_COLUMNS, row, strict=True)) for row in stations.score_site(site)]
        for row in rows:
            held[row["metric"]] += row["low"] <= TRUTH[row["metric"]] <= row["high"]
    return {name: round(count / series, 2) for name, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=300, help="pairs of series a line")
    parser.add_argument("--out", type=Path, help="write the table here as JSON")
    given = parser.parse_args()
    table = []
    for rho in (0.8, 0.9, 0.95):
        for block in (5, 10, 20, 30):
            row = {"correlation": rho, "block": block} | covered(rho, block, given.series)
            print(json.dumps(row), flush=True)  # noqa: T201
            table.append(row)
    if given.out is not None:
        given.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
