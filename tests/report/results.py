"""A miniature set of results: three methods on 24 cells of a grid, one with two seeds, one without correlation."""

import numpy as np
import pandas as pd

CELLS = 24
LAT = 35 + np.arange(CELLS) // 6 * 1.25
LON = -100 + np.arange(CELLS) % 6 * 1.5
TRAINED = np.arange(CELLS) % 4 > 0


def cell_scores() -> pd.DataFrame:
    """Per-cell scores as the evaluation room hands them over."""
    random = np.random.default_rng(0)
    frames = []
    for method, seeds, level in (("default VIC", [-1], 0.09), ("net_A", [0, 1], 0.06), ("training mean", [-1], 0.07)):
        for seed in seeds:
            for operator in ("raw", "global_linear"):
                for metric in ("rmse", "pcc", "nse", "ubrmse"):
                    value = level + 0.01 * random.standard_normal(CELLS)
                    value = {"pcc": 0.7 - value, "nse": 1 - 15 * value}.get(metric, value)
                    scored = np.arange(CELLS) != 5
                    if metric == "pcc" and method == "training mean":
                        scored = np.zeros(CELLS, bool)
                    frames.append(
                        pd.DataFrame(
                            {
                                "cell": np.arange(CELLS),
                                "lat": LAT,
                                "lon": LON,
                                "method": method,
                                "seed": seed,
                                "operator": operator,
                                "cells": np.where(TRAINED, "trained", "unseen"),
                                "period": "test",
                                "metric": metric,
                                "value": np.where(scored, value, np.nan),
                                "scored": scored,
                            }
                        )
                    )
    return pd.concat(frames, ignore_index=True)


def summary() -> pd.DataFrame:
    """Means and spread over seeds, as the evaluation room hands them over."""
    scores = cell_scores()
    keys = ["method", "operator", "cells", "period", "metric"]
    seeds = scores.groupby([*keys, "seed"], sort=False).agg(
        mean=("value", "mean"), median=("value", "median"), n_scored=("scored", "sum"), n=("scored", "size")
    )
    seeds["n_unscored"] = seeds["n"] - seeds["n_scored"]
    grouped = seeds.groupby(keys, sort=False)
    result = grouped.agg(
        mean=("mean", "mean"),
        std=("mean", "std"),
        median=("median", "mean"),
        seeds=("mean", "size"),
        n_scored=("n_scored", "min"),
        n_unscored=("n_unscored", "max"),
    )
    return result.reset_index()


def gap() -> pd.DataFrame:
    """Surrogate gap of ``net_A``."""
    rows = [
        ("net_A", seed, "raw", cells, "test", "rmse", 0.06 + d, 0.06, d)
        for seed, d in ((0, 0.001), (1, 0.003))
        for cells in ("trained", "unseen")
    ]
    return pd.DataFrame(
        rows,
        columns=["method", "seed", "operator", "cells", "period", "metric", "process_model", "surrogate", "difference"],
    )
