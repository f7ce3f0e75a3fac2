"""A judged run made of numbers alone, in memory: every part that a report may have, and names that nobody should use.

No stage is run. ``Made`` is the object of results with its parts set; what a report links to need not be there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from paraformer.core.method import Method
from paraformer.core.parameters import VIC_PARAMETERS, ParameterSpace
from paraformer.core.results import Results
from paraformer.core.schema import Cube

HOSTILE = "</script><script>window.caught=1</script><img src=x onerror='window.caught=1'>"
"""A name that would run if it were put into the page as markup."""
METHODS = (
    Method("default VIC", "default", 1, 1, 0, "a-priori parameters as they are"),
    Method("SCE-UA", "search", 2, 1, 900, "a search in each cell"),
    Method("SCE-UA, nearest", "transfer", 2, 1, 900, "θ of the nearest trained cell"),
    Method("FFN_A", "learner", 2, 1, 300, f"a network; {HOSTILE}"),
    Method(HOSTILE, "learner", 1, 1, 300, "a network with a name that nobody should use"),
    Method("true θ", "truth", 1, 1, 0, "of the built-in world"),
    Method("climatology", "reference", 1, 1, None, "seasonal course"),
    Method("direct LSTM", "reference", 1, 1, None, "a network without a process model"),
)
OPERATORS, PERIODS = ("raw", "cell_moments"), ("train", "test")
METRICS = ("rmse", "pcc", "nse", "ubrmse", "kge", "bias")
SPACE = ParameterSpace([VIC_PARAMETERS[name] for name in ("infilt", "ds", "dsmax", "ws", "expt", "depth_1", "ksat")])
LEVEL = 0.9


class Made(Results):
    """Results without files but the manifest and the study."""

    def theta_fields(self) -> dict[str, np.ndarray]:
        return dict(self.made_theta)

    def posterior(self, method: str) -> xr.Dataset:
        return self.made_posterior


def made_run(folder: Path, *, rows: int = 4, columns: int = 9, days: int = 400, seed: int = 0) -> Made:
    """Results of ``rows`` x ``columns`` cells a degree apart around 38°N 90°W, every fourth unseen."""
    random, n = np.random.default_rng(seed), rows * columns
    study = {
        "name": "made <b>",
        "learner_seeds": 2,
        "learners": {"FFN_A": {}, HOSTILE: {}},
        "report": {"operator": "cell_moments"},
        "uncertainty": {"methods": ["FFN_A"]},
        "data": {"split": {"design": None}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    (folder / "manifest.json").write_text('{"seed": 3}')
    made = Made(folder)
    made.methods = METHODS
    made.cube = _cube(random, rows, columns, days)
    made.space = SPACE
    made.prior = SPACE.from_unit(random.random((n, len(SPACE))))
    with_theta = [m for m in METHODS if m.kind not in ("default", "reference")]
    made.made_theta = {m.name: SPACE.from_unit(random.random((m.seeds, n, len(SPACE)))) for m in with_theta}
    made.made_posterior = _posterior(random, made.made_theta["FFN_A"][0])
    made.cell_scores = _cell_scores(random, made.cube)
    made.series = _series(random, n, days, made.cube)
    made.summary = _summary(made)
    made.surrogate_gap = pd.DataFrame(
        columns=["method", "operator", "cells", "period", "metric", "process_model", "surrogate", "difference"]
    )
    checks = [("spread over seeds", "FFN_A", "expt", 0.2, 0.1, False, "wide"), ("gap", HOSTILE, "", 0.0, 0.1, True, "")]
    columns_of = ["check", "method", "subject", "found", "limit", "passed", "message"]
    made.checklist = pd.DataFrame(checks, columns=columns_of)
    made.audit = made.audit_learned = pd.DataFrame([{"where": "held_out", "output": "soil_moisture", "rmse": 0.02}])
    made.evapotranspiration, made.recovery = _evapotranspiration(random), _recovery(random)
    made.signatures = made.pareto = made.rounds = made.cross_validation = None
    return made


def rows_of(seeds: bool = True) -> dict[str, tuple[str, Any]]:
    """Coordinates of the rows of every method, or of those with series."""
    found = [
        (m.name, s if m.seeds > 1 else -1) for m in METHODS if seeds or m.kind != "reference" for s in range(m.seeds)
    ]
    return {"method": ("row", np.array([n for n, _ in found], dtype=object)), "seed": ("row", [s for _, s in found])}


def _cube(random: np.random.Generator, rows: int, columns: int, days: int) -> Cube:
    n = rows * columns
    time = np.datetime64("2015-04-01") + np.arange(days)
    moisture = 0.2 + 0.1 * random.random((n, days))
    moisture[random.random((n, days)) < 0.6] = np.nan
    fields = {
        "sm_obs": (("cell", "time"), moisture),
        "prcp": (("cell", "time"), random.gamma(0.3, 8, (n, days))),
        "trained": ("cell", np.arange(n) % 4 > 0),
    }
    coords = {
        "cell": 100 + np.arange(n),
        "time": time.astype("datetime64[ns]"),
        "lat": ("cell", 36.0 + np.repeat(np.arange(rows), columns)),
        "lon": ("cell", -92.0 + np.tile(np.arange(columns), rows)),
    }
    split = days // 2
    ends = {"train_start": time[0], "train_end": time[split - 1], "test_start": time[split], "test_end": time[-1]}
    return Cube(xr.Dataset(fields, coords, {"observation": "sm_obs"} | {k: str(v) for k, v in ends.items()}))


def _posterior(random: np.random.Generator, theta: np.ndarray) -> xr.Dataset:
    u = SPACE.to_unit(theta)
    dims = ("cell", "parameter")
    ends = {"lower": SPACE.from_unit(0.8 * u), "upper": SPACE.from_unit(0.8 * u + 0.2)}
    fields = {f"theta_{end}": (dims, values) for end, values in ends.items()}
    fields |= {name: (dims, random.random(theta.shape)) for name in ("unit_std", "gain")}
    k = np.where(np.arange(len(theta)) % 5 == 0, 0.9, 0.3)
    return xr.Dataset(fields | {"pareto_k": ("cell", k)}, attrs={"level": LEVEL})


def _cell_scores(random: np.random.Generator, cube: Cube) -> xr.Dataset:
    rows = rows_of()
    shape = (len(rows["seed"][1]), len(OPERATORS), len(PERIODS), len(METRICS), len(cube.cells))
    scores = 0.05 + 0.02 * random.random(shape)
    scores[:, :, :, METRICS.index("nse"), 0] = -300.0
    scores[..., 3] = np.nan
    line = (("row", "operator", "cell"), random.random((shape[0], shape[1], shape[-1])))
    coords = rows | {"operator": list(OPERATORS), "period": list(PERIODS), "metric": list(METRICS), "cell": cube.cells}
    coords |= {"lat": ("cell", cube.lat), "lon": ("cell", cube.lon), "trained": ("cell", cube.trained)}
    fields = {"score": (("row", "operator", "period", "metric", "cell"), scores), "gain": line, "offset": line}
    return xr.Dataset(fields, coords, {"min_days": 20, "surrogate": "surrogate", "left_out": ""})


def _evapotranspiration(random: np.random.Generator) -> pd.DataFrame:
    """Every method with θ against five products: the widest table that a report has."""
    rows = [
        ("process model", m.name, seed, f"et_{product}", cells, "2016", *random.random(5))
        for m in METHODS
        if m.kind != "reference"
        for seed in range(m.seeds)
        for product in ("gleam", "mod16", "fluxcom", "era5", "ssebop")
        for cells in ("all", "unseen")
    ]
    scores = ["rmse", "pcc", "nse", "bias", "mean"]
    table = pd.DataFrame(rows, columns=["kind", "method", "seed", "reference", "cells", "period", *scores])
    return table.assign(season_rmse=0.2, crps=0.3, less_default=-90.0, less_low=-120.0, less_high=-60.0)


def _recovery(random: np.random.Generator) -> pd.DataFrame:
    rows = [
        (name, parameter, cells, *random.random(3))
        for name in ("FFN_A", HOSTILE)
        for parameter in SPACE.names
        for cells in ("trained", "unseen")
    ]
    return pd.DataFrame(rows, columns=["method", "parameter", "cells", "pearson", "spearman", "rmse"])


def _series(random: np.random.Generator, n: int, days: int, cube: Cube) -> xr.Dataset:
    rows = rows_of(seeds=False)
    moisture = 0.2 + 0.05 * random.standard_normal((len(rows["seed"][1]), n, days)).cumsum(axis=-1) / np.sqrt(days)
    return xr.Dataset({"soil_moisture": (("row", "cell", "time"), moisture.astype(np.float32))}, rows)


def _summary(made: Made) -> pd.DataFrame:
    table = made.cell_table()
    keys = ["method", "operator", "cells", "period", "metric"]
    seeds = table.groupby([*keys, "seed"], sort=False).agg(
        value=("value", "mean"), median=("value", "median"), n_scored=("scored", "sum"), n=("scored", "size")
    )
    seeds["n_unscored"] = seeds["n"] - seeds["n_scored"]
    found = seeds.groupby(keys, sort=False).agg(
        mean=("value", "mean"),
        std=("value", "std"),
        median=("median", "mean"),
        seeds=("value", "size"),
        n_scored=("n_scored", "min"),
        n_unscored=("n_unscored", "max"),
    )
    return found.reset_index()
