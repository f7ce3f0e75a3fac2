"""How much of the a-priori maps is in the maps of θ, as JSON: ``python benchmarks/prior_pattern.py RUN [--out FILE]``.

For every method and parameter of a judged run: the correlation over cells of its θ with the a-priori θ, and their mean
distance, both in unit coordinates; mean and spread over seeds, of trained and of unseen cells. Where the a-priori map
is the same in all cells there is no correlation. Only reads the run. Table of decision 0024: of ``studies/heads.yaml``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from paraformer.core.results import Results

_CONSTANT = 1e-9
"""Spread below which an a-priori map is the same everywhere [unit coordinates]."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory with scores")
    parser.add_argument("--out", type=Path, help="file for the JSON; default: standard output")
    given = parser.parse_args()
    text = json.dumps(patterns(given.run), indent=1, ensure_ascii=False)
    given.out.write_text(text + "\n", encoding="utf-8") if given.out else sys.stdout.write(text + "\n")


def patterns(run: Path) -> list[dict[str, Any]]:
    """One row per method, parameter and group of cells."""
    results = Results(run)
    space, trained = results.space, results.cube.trained
    prior = space.to_unit(results.prior)
    rows = []
    for method, theta in results.theta_fields().items():
        found = space.to_unit(theta)
        for i, parameter in enumerate(space.names):
            for group, cells in (("trained", trained), ("unseen", ~trained)):
                seeds = found[:, cells, i]
                rows.append({"method": method, "parameter": parameter, "cells": group} | _row(seeds, prior[cells, i]))
    return rows


def _row(seeds: np.ndarray, prior: np.ndarray) -> dict[str, Any]:
    """Correlation and distance of the maps of all seeds [seed, cell] with the a-priori map [cell]."""
    distance = np.abs(seeds - prior).mean(axis=1)
    varied = [u for u in seeds if min(u.std(), prior.std()) > _CONSTANT]
    correlation = [float(np.corrcoef(u, prior)[0, 1]) for u in varied]
    return {
        "correlation": _over(correlation),
        "distance": _over(distance.tolist()),
        "spread_of_map": _over(seeds.std(axis=1).tolist()),
    }


def _over(values: list[float]) -> list[float] | None:
    """Mean and standard deviation over seeds."""
    if not values:
        return None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return [round(float(np.mean(values)), 4), round(spread, 4)]


if __name__ == "__main__":
    main()
