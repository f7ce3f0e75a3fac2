"""Speed of routing, as JSON: ``python benchmarks/routing.py [--part pairs|continent] [--out FILE]``. The parts:

- ``pairs``: 100,000 pairs of cell and gauge of 8 ordinates over 10 years of days, float32 runoff, one thread (aim:
  0.6 s), and the making of their unit hydrographs.
- ``continent``: 77,000 cells of a random river network over 10 years of days to 1000 gauges, in blocks of time, all
  threads (aims: 10 s, 2 GB).

Each has wall and processor time (machines are shared: the second one counts), the number of products made, and what
the programs would make: the Lohmann program 48 x 2304 a pair for its unit hydrographs, RVIC 48 x 1200; both then one
product a lag and day, of 107 lags and of 10.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from paraformer.numerics.routing import Pairs, Response, convolve, path_sums, upstream_pairs
from paraformer.numerics.unit_hydrograph import TravelTimes, Window, unit_hydrographs, windows
from paraformer.routing.network import upstream_area

DAY, N_DAY, N_LAG = 86400.0, 3653, 8
LOHMANN_HOURS, LOHMANN_PATH, LOHMANN_LAGS = 48, 2304, 107
RVIC_HOURS, RVIC_PATH, RVIC_LAGS = 48, 1200, 10


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What ``work`` gives, and its seconds of wall and processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def operations(n_pair: int, n_lag: int, n_day: int) -> dict[str, float]:
    """Products of ours and of the programs."""
    return {
        "ours": float(n_pair) * n_lag * n_day,
        "lohmann_hydrographs": float(n_pair) * LOHMANN_HOURS * LOHMANN_PATH,
        "lohmann_flow": float(n_pair) * LOHMANN_LAGS * n_day,
        "rvic_hydrographs": float(n_pair) * RVIC_HOURS * RVIC_PATH,
        "rvic_flow": float(n_pair) * RVIC_LAGS * n_day,
    }


def measure_pairs(n_pair: int, n_day: int) -> dict[str, Any]:
    """1000 gauges of 100 cells each, as if of separate basins."""
    rng = np.random.default_rng(1)
    n_gauge = max(n_pair // 100, 1)
    gauge = np.repeat(np.arange(n_gauge), n_pair // n_gauge)
    n = len(gauge)
    pairs = Pairs(np.arange(n), gauge, np.full(n, -1), np.searchsorted(gauge, np.arange(n_gauge + 1)))
    mean = rng.uniform(2e4, 3e5, n)
    times = TravelTimes(mean, (0.3 * mean) ** 2, np.full(n, 2.5), np.full(n, 0.0))
    window = Window(np.zeros(n, np.int64), np.full(n, N_LAG))
    unit_hydrographs(TravelTimes(*(part[:2] for part in times)), DAY, Window(window.offset[:2], window.length[:2]))
    ordinates, making = timed(lambda: unit_hydrographs(times, DAY, window))
    response = Response(ordinates, window, np.full(n, 1.0))
    runoff = rng.random((n, n_day), dtype=np.float32)
    few = Pairs(pairs.source[:1], gauge[:1], pairs.downstream[:1], np.array([0, 1]))
    convolve(runoff[:1, :16], few, Response(ordinates[:1], Window(window.offset[:1], window.length[:1]), np.ones(1)))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    _, flow = timed(lambda: convolve(runoff, pairs, response))
    numba.set_num_threads(threads)
    return {"n_pair": n, "n_day": n_day, "hydrographs": making, "flow": flow, "operations": operations(n, N_LAG, n_day)}


def measure_continent(n_cell: int, n_gauge: int, n_day: int) -> dict[str, Any]:
    """A random tree, gauges on rivers of 20 cells and more, blocks of a year of days."""
    rng = np.random.default_rng(2)
    downstream = np.array(
        [-1, *(rng.integers(max(0, i - 1 - 2000), max(1, i - 1)) if i > 1 else 0 for i in range(1, n_cell))]
    )
    drained = upstream_area(downstream, np.ones(n_cell))
    pairs = upstream_pairs(downstream, rng.choice(np.flatnonzero(drained >= 20), n_gauge))
    delay = rng.uniform(5e3, 3e4, n_cell)
    none = np.zeros(len(pairs.source))
    mean = path_sums(delay, pairs)
    times = TravelTimes(mean, path_sums((0.5 * delay) ** 2, pairs), none, none)
    window = windows(times, DAY, 1e-8)
    ordinates, making = timed(lambda: unit_hydrographs(times, DAY, window))
    response = Response(ordinates, window, np.full(len(none), 1.0))
    block = 366

    def all_blocks() -> float:
        total = 0.0
        for start in range(0, n_day, block):
            length = min(block, n_day - start)
            runoff = np.full((n_cell, length), 1.0, np.float32)
            total += float(convolve(runoff, pairs, response).sum())
        return total

    _, flow = timed(all_blocks)
    lags = float(window.length.mean())
    return {
        "n_cell": n_cell,
        "n_pair": len(none),
        "n_gauge": n_gauge,
        "mean_lags": lags,
        "hydrographs": making,
        "flow": flow,
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "threads": numba.get_num_threads(),
        "operations": operations(len(none), round(lags), n_day),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("pairs", "continent"), help="one of the two alone")
    parser.add_argument("--share", type=float, default=1.0, help="of the sizes, for a quick look")
    parser.add_argument("--out", type=Path, help="write the result here as well")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    found: dict[str, Any] = {}
    if given.part in (None, "continent"):
        found["continent"] = measure_continent(int(77_000 * given.share), max(int(1000 * given.share), 1), N_DAY)
    if given.part in (None, "pairs"):
        found["pairs"] = measure_pairs(int(100_000 * given.share), N_DAY)
    text = json.dumps(found, indent=2)
    print(text)  # noqa: T201
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
