"""What flow says of velocity and of its exponent, with one gauge and two: ``python benchmarks/velocity_exponent.py``.

A straight river of 40 cells of 150 km2, each with three more that drain to it, has runoff of showers; true velocity at
1000 km2 1 m s-1, exponent 0.2. θ, and so runoff, is known: what is told here is the best that flow can say. Daily flow
of a year has independent errors of a tenth. Told are the correlation of the two estimates, their standard deviations
(Gauss-Newton), and how much of the flow's variance is missed if the exponent is held at 0 and velocity fitted anew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from paraformer.core.parameters import ROUTING_PARAMETERS, ParameterSpace
from paraformer.core.text_table import to_text
from paraformer.routing.basins import RiverBasins
from paraformer.routing.network import Gauges, Network, no_gauges, no_hillslope

LENGTH, SIDE, DAYS = 40, 3, 365
TRUE = np.array([1.0, 0.2])
NOISE = 0.1
SPACE = ParameterSpace(ROUTING_PARAMETERS[name] for name in ("velocity", "velocity_exponent"))


def river(*outlets: int) -> Network:
    """Cells of the river first, from its spring to its mouth, then those beside it."""
    stem = np.arange(LENGTH)
    downstream = np.concatenate([np.append(stem[1:], -1), np.repeat(stem, SIDE)])
    n = len(downstream)
    bare = Network(
        cells=np.arange(n),
        lat=np.linspace(40, 45, n),
        lon=np.zeros(n),
        downstream=downstream,
        length=np.full(n, 15e3),
        area=np.full(n, 150e6),
        velocity=np.full(n, 1.5),
        diffusivity=np.full(n, 800.0),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
    )
    at = np.array(outlets)
    names = tuple(f"g{i}" for i in outlets)
    return bare.with_gauges(Gauges(names, bare.lat[at], bare.lon[at], at, np.full(len(at), np.nan)))


def told(*outlets: int) -> dict[str, float]:
    """What gauges at some cells of the river say."""
    basins = RiverBasins(river(*outlets), SPACE)
    random, n = np.random.default_rng(0), LENGTH * (1 + SIDE)
    shower = random.exponential(8.0, (1, DAYS)) * (random.random((1, DAYS)) < 0.25)
    runoff = shower * random.uniform(0.2, 1.8, (n, DAYS))
    water = torch.as_tensor(runoff)
    true = basins.flow(0, runoff, np.zeros_like(runoff), TRUE)
    unit = torch.as_tensor(SPACE.to_unit(TRUE))
    columns = torch.eye(2, dtype=torch.float64)
    step = 1e-4
    ends = [[basins.respond(0, water, 0 * water, unit + way * step * c).numpy() for way in (1, -1)] for c in columns]
    error = NOISE * np.maximum(true, 1e-3 * true.max())
    slopes = np.stack([((high - low) / (2 * step) / error).ravel() for high, low in ends])
    covariance = np.linalg.inv(slopes @ slopes.T)
    spread = np.sqrt(np.diag(covariance))

    def missed(log_velocity: float) -> float:
        flow = basins.flow(0, runoff, np.zeros_like(runoff), np.array([np.exp(log_velocity), 0.0]))
        return float((((flow - true) ** 2).sum(1) / (true.var(1) * DAYS)).mean())

    best = minimize_scalar(missed, bounds=(-2.0, 1.5), method="bounded")
    return {
        "correlation": covariance[0, 1] / spread.prod(),
        "sd of ln velocity": spread[0] * np.log(5.0 / 0.1),
        "sd of exponent": spread[1],
        "velocity at exponent 0": float(np.exp(best.x)),
        "1 - NSE there": float(best.fun),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the table as CSV")
    out = parser.parse_args().out
    rows = {"mouth": told(LENGTH - 1), "mouth and a quarter of the way": told(LENGTH - 1, LENGTH // 4)}
    table = pd.DataFrame(rows).T.rename_axis("gauges").reset_index()
    sys.stdout.write(to_text(table.round(4)) + "\n")
    if out is not None:
        table.to_csv(out, index=False)


if __name__ == "__main__":
    main()
