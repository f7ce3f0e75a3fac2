"""Runs are compared only where they were judged on the same observations; names never hide where a row is from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.variables import FORCING
from paraformer.pipeline.compare import Question, compare_runs, describe_comparison

LAT, LON = (grid.ravel() for grid in np.meshgrid(np.arange(30.0, 48, 3), np.arange(-120.0, -84, 4)))
CELLS = LAT.size
DAYS = np.arange("2015-01-01", "2015-03-01", dtype="datetime64[D]")
DEFAULT = np.random.default_rng(0).random(CELLS)


def write_run(
    path: Path,
    fields: dict[str, list[np.ndarray]],
    *,
    order: slice = slice(None),
    operators: Mapping[str, float] = MappingProxyType({"raw": 1.0}),
    metrics: Mapping[str, float] = MappingProxyType({"rmse": 1.0}),
    kinds: Mapping[str, str] = MappingProxyType({}),
    **changes: Any,
) -> Path:
    """A run directory as ``compare`` reads it: method -> raw test RMSE of each seed; ``changes`` of its cube.

    Scores under other operators, and other scores, are those times a number.
    """
    cells, series = np.arange(CELLS)[order], ("cell", "time")
    observed = np.random.default_rng(1).random((CELLS, DAYS.size)).astype(np.float32)
    observed[:, ::3] = np.nan
    values = {
        "lat": LAT,
        "lon": LON,
        "cell": np.arange(CELLS),
        "observed": observed,
        "trained": np.arange(CELLS) > 8,
        "observation": "sm_smap",
        "test_end": "2015-02-28",
    } | changes
    data = {name: (series, np.zeros((cells.size, DAYS.size), np.float32)) for name in FORCING}
    data |= {values["observation"]: (series, values["observed"][order]), "trained": ("cell", values["trained"][order])}
    coords = {
        "cell": values["cell"][order],
        "time": DAYS.astype("datetime64[ns]"),
        "lat": ("cell", values["lat"][order]),
        "lon": ("cell", values["lon"][order]),
    }
    attributes = {
        "observation": values["observation"],
        "attributes": [],
        "train_start": "2015-01-01",
        "train_end": "2015-01-31",
        "test_start": "2015-02-01",
        "test_end": values["test_end"],
    }
    xr.Dataset(data, coords, attributes).to_zarr(path / "cube" / "cube.zarr", consolidated=False)
    rows = [(m, seed, f) for m, seeds in ({"default VIC": [DEFAULT]} | fields).items() for seed, f in enumerate(seeds)]
    raw = np.stack([field[order] for *_, field in rows])
    factors = np.multiply.outer(list(operators.values()), list(metrics.values()))
    score = np.einsum("rc,om->romc", raw, factors)[:, :, None]
    places = {name: ("cell", values[name][order]) for name in ("cell", "lat", "lon", "trained")}
    named = {"method": ("row", np.array([m for m, *_ in rows], dtype=object)), "seed": ("row", [s for _, s, _ in rows])}
    labels = {"operator": list(operators), "period": ["test"], "metric": list(metrics)}
    dims = ("row", "operator", "period", "metric", "cell")
    (path / "scores").mkdir()
    xr.Dataset({"score": (dims, score)}, {**places, **named, **labels}).to_netcdf(path / "scores" / "cells.nc")
    methods = [
        (m, kinds.get(m, "default" if m == "default VIC" else "learner"), len(f), 1, 0, "")
        for m, f in ({"default VIC": [DEFAULT]} | fields).items()
    ]
    table = pd.DataFrame(methods, columns=["method", "kind", "seeds", "members", "process_model_runs", "note"])
    table.to_csv(path / "scores" / "methods.csv", index=False)
    (path / "manifest.json").write_text(json.dumps({"git": "abc", "seed": 0}))
    return path


def better(by: float, seed: int = 2) -> np.ndarray:
    return DEFAULT - by + 0.01 * np.random.default_rng(seed).standard_normal(CELLS)


def test_one_run_is_compared_with_default_vic(tmp_path):
    run = write_run(tmp_path / "a", {"net": [better(0.1)], "twin": [DEFAULT]})
    rows = compare_runs([run], Question()).query("cells == 'trained'").set_index("method")
    assert rows["against"].tolist() == ["default VIC"] * 2
    assert rows.loc["net", "difference"] == pytest.approx(-0.1, abs=0.01)
    assert rows.loc["net", "p"] < 0.001
    assert rows.loc["twin", ["difference", "low", "high", "p"]].tolist() == [0, 0, 0, 1]
    other = compare_runs([run], Question(), "net")
    assert other["method"].drop_duplicates().tolist() == ["default VIC", "twin"]
    text = describe_comparison(other)
    assert "rmse (raw, test period)" in text
    assert "default VIC  net" in text


def test_why_there_is_no_interval_is_said(tmp_path):
    run = write_run(tmp_path / "a", {"net": [better(0.1)], "twin": [DEFAULT]})
    text = describe_comparison(compare_runs([run], Question(tile=360.0)))
    assert text.count("no interval for trained cells") == 1
    assert re.search(
        r"the \d+ that are scored lie in (1 tile|[2-4] tiles) of 360 degrees, and a bootstrap needs 8", text
    )
    assert "no interval for trained" not in describe_comparison(compare_runs([run], Question()))


def test_namesakes_of_two_runs_in_any_order_of_cells(tmp_path):
    one = write_run(tmp_path / "a", {"net": [better(0.1)], "only": [better(0.2)]})
    two = write_run(tmp_path / "b", {"net": [better(0.3, seed=3)]}, order=slice(None, None, -1))
    rows = compare_runs([one, two], Question()).query("cells == 'trained'")
    pairs = list(zip(rows["method"], rows["against"], strict=True))
    assert pairs == [("a/net", "default VIC"), ("b/net", "a/net"), ("only", "default VIC")]
    assert rows["difference"].tolist() == pytest.approx([-0.1, -0.2, -0.2], abs=0.01)


def test_changed_default_runs_stand_apart(tmp_path):
    one = write_run(tmp_path / "a", {})
    two = write_run(tmp_path / "b", {"default VIC": [better(0.1)], "net": [better(0.1)]})
    rows = compare_runs([one, two], Question()).drop_duplicates("method")
    assert dict(zip(rows["method"], rows["against"], strict=True)) == {
        "b/default VIC": "a/default VIC",
        "net": "a/default VIC",
    }


def moved(field: np.ndarray, at: object, value: object) -> np.ndarray:
    result = field.copy()
    result[at] = value
    return result


OBSERVED = np.random.default_rng(1).random((CELLS, DAYS.size)).astype(np.float32)
OBSERVED[:, ::3] = np.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": moved(np.arange(CELLS), 3, 999)}, r"different cells: cell 3 is in a only \(2 such cells\)"),
        ({"lat": moved(LAT, 5, 31.0)}, r"differ in 'lat' of cell 5: 30.0 and 31.0|differ in 'lat' of cell 5"),
        ({"trained": np.arange(CELLS) > 9}, "differ in 'trained' of cell 9"),
        ({"observation": "sm_obs"}, "different observations: sm_smap and sm_obs"),
        ({"test_end": "2015-02-27"}, r"different test periods: 2015-02-01\.\.2015-02-28 and 2015-02-01\.\.2015-02-27"),
        ({"observed": moved(OBSERVED, (4, 40), 0.5)}, "in 1 cell-days, first in cell 4 on 2015-02-10"),
        ({"observed": moved(OBSERVED, (4, 40), np.nan)}, "in 1 cell-days, first in cell 4 on 2015-02-10"),
    ],
)
def test_what_makes_runs_incomparable_is_named(tmp_path, changes, message):
    one, two = write_run(tmp_path / "a", {}), write_run(tmp_path / "b", {"net": [better(0.1)]}, **changes)
    with pytest.raises(DataError, match=message):
        compare_runs([one, two], Question())


def test_observations_outside_the_period_do_not_matter(tmp_path):
    one = write_run(tmp_path / "a", {})
    two = write_run(tmp_path / "b", {"net": [better(0.1)]}, observed=moved(OBSERVED, (4, 10), 0.5))
    assert len(compare_runs([one, two], Question()))


def test_wrong_directories_and_names(tmp_path):
    run = write_run(tmp_path / "a", {})
    with pytest.raises(RunError, match="is not the directory of a run"):
        compare_runs([tmp_path], Question())
    with pytest.raises(RunError, match="named twice"):
        compare_runs([run, tmp_path / "." / "a"], Question())
    with pytest.raises(DataError, match="no method 'defualt VIC' in a; did you mean 'default VIC'"):
        compare_runs([run], Question(), "defualt VIC")
    with pytest.raises(DataError, match="nothing to compare"):
        compare_runs([run], Question())
    with pytest.raises(SettingsError, match="no period 'tset'; did you mean 'test'"):
        compare_runs([run], Question(period="tset"))
