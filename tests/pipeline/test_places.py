"""The whole chain with regions left out, a learner and θ carried from searched cells to the others."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.config import load_study
from paraformer.core.errors import SettingsError
from paraformer.core.grid import points
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.pipeline import run_study
from paraformer.pipeline.consistent import require_consistent
from paraformer.report import study_page
from worlds import TINY, write_study

LEARNER = {
    "network": {"name": "ffn_a", "hidden": 8},
    "window": 60,
    "cells_per_batch": 4,
    "training": {"steps": 4, "checkpoint_steps": 2, "schedule": {"warm_up": 1}},
}
SEARCH = {"Latin hypercube": {"name": "random", "budget": 10, "model": "surrogate"}}


def study_of(folder: Path, **changes: object) -> Path:
    base = copy.deepcopy(TINY)
    for name in ("gap_filling", "references"):
        del base[name]
    given = {
        "learners": {"FFN_A": LEARNER},
        "searches": SEARCH,
        "search_seeds": 2,
        "learner_seeds": 1,
        "data__split": {"blocks": {"degrees": 1.0, "folds": 3, "fold": 1}},
        "evaluation__transfers": {"source": "Latin hypercube"},
    }
    return write_study(folder, base=base, **(given | changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    run_study(load_study(study_of(folder)), folder / "run", until="scores")
    return folder / "run"


def test_every_row_is_judged_on_the_cells_of_the_region_left_out(finished: Path) -> None:
    results = Results(finished)
    scores = results.scores
    carried = [f"Latin hypercube, {by}" for by in ("nearest", "inverse distance", "attributes", "kriging")]
    assert results.names("transfer") == carried
    assert {"FFN_A", *carried} <= set(scores["method"])
    assert set(scores.loc[scores["method"] == carried[3], "seed"]) == {0, 1}
    assert set(scores.loc[scores["method"] == "FFN_A", "cells"]) == {"trained", "unseen"}
    runs = {method.name: method.process_model_runs for method in results.methods}
    assert {runs[name] for name in carried} == {runs["Latin hypercube"]}
    assert set(carried) <= set(study_page.tables(results)["method"])


def test_the_report_says_what_rows_of_carried_theta_know(finished: Path) -> None:
    results = Results(finished)
    note = study_page.transfer_note(results)
    assert note.startswith("Latin hypercube, nearest, Latin hypercube, inverse distance")
    assert "these rows use no observation of the cell itself" in note
    results.methods = tuple(method for method in results.methods if method.kind != "transfer")
    assert study_page.transfer_note(results) == ""


def test_the_judged_theta_is_that_of_the_nearest_trained_cell(finished: Path) -> None:
    cube = Cube.open(finished / "cube" / "cube.zarr")
    archive = xr.open_zarr(finished / "verdict" / "verdict.zarr", consolidated=False)
    rows = list(zip(archive.attrs["methods"], archive.attrs["seeds"], strict=True))
    theta = archive["theta"].values
    own, given = (theta[:, rows.index((name, 1))] for name in ("Latin hypercube", "Latin hypercube, nearest"))
    at, donors = points(cube.lat, cube.lon), np.flatnonzero(cube.trained)
    away = np.linalg.norm(at[:, None] - at[donors], axis=-1)
    away[away < 1.0] = np.inf
    np.testing.assert_allclose(given, own[donors[away.argmin(axis=1)]], rtol=1e-6)
    assert 0 < (~cube.trained).sum() < len(cube.cells)


def test_theta_and_series_are_labelled(finished: Path) -> None:
    """θ of a row is that of the file of its method and seed, and its series starts as the archive's."""
    results = Results(finished)
    rows = list(zip(results.theta["method"].values, results.theta["seed"].values, strict=True))
    own = results.theta.isel(row=rows.index(("Latin hypercube", 1)))
    with xr.open_dataset(results.seed_folder("Latin hypercube", 1) / "theta.nc") as file:
        for name in results.space.names:
            np.testing.assert_array_equal(own[name], file[name])
            assert own[name].attrs["units"] == file[name].attrs["units"]
    series = results.series
    assert series["soil_moisture"].dims == ("row", "cell", "time")
    assert series["soil_moisture"].attrs["units"] == "m3 m-3"
    assert series["method"].values[0] == results.default
    assert {"methods", "seeds"}.isdisjoint(series.attrs), "they are coordinates"
    found = dict(results.series_of("soil_moisture"))
    assert list(found) == [m.name for m in results.methods if m.kind != "reference"]
    assert found["Latin hypercube"].shape == (2, len(results.cube.cells), len(results.cube.time))
    assert results.theta_fields()["FFN_A"].shape == (1, len(results.cube.cells), len(results.space))


def test_a_source_that_the_study_does_not_have_is_named(tmp_path: Path) -> None:
    study = load_study(study_of(tmp_path, evaluation__transfers={"source": "Latin hypercub"}))
    with pytest.raises(SettingsError, match=r"evaluation\.transfers\.source: 'Latin hypercub' is no search .* 'Latin"):
        require_consistent(study)
    require_consistent(load_study(study_of(tmp_path, evaluation__transfers={"source": "best θ per cell"})))
