"""A run directory is one object: what is in it, by name, read when asked for, and one line where something is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from paraformer.core.cell_scores import long_table
from paraformer.core.errors import DataError, RunError
from paraformer.core.method import KINDS
from paraformer.core.results import Results
from paraformer.core.schema import CELL_COLUMNS

METHODS = (("default VIC", "default", 1), ("SCE-UA", "search", 1), ("A", "learner", 2), ("climatology", "reference", 1))
ROWS = [(name, seed) for name, _, seeds in METHODS for seed in (range(seeds) if seeds > 1 else (-1,))]
OPERATORS, PERIODS, METRICS = ("raw", "cell_lstsq"), ("train", "test"), ("rmse", "pcc")
CELLS = np.array([7, 3, 9])
SCORES = np.random.default_rng(0).random((len(ROWS), len(OPERATORS), len(PERIODS), len(METRICS), CELLS.size))
SCORES[2, 0, 1, 0, 1] = np.nan  # one seed of A, raw, test, rmse: cell 3 is not scored


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory as far as scores go."""
    (tmp_path / "scores").mkdir()
    (tmp_path / "manifest.json").write_text('{"seed": 3}')
    (tmp_path / "study.yaml").write_text("name: s\nreport: {operator: cell_lstsq}\n")
    runs = {"default VIC": 0, "SCE-UA": 50, "A": 70}
    table = [(name, kind, seeds, 1, runs.get(name), "why") for name, kind, seeds in METHODS]
    columns = ["method", "kind", "seeds", "members", "process_model_runs", "note"]
    pd.DataFrame(table, columns=columns).to_csv(tmp_path / "scores" / "methods.csv", index=False)
    dims = ("row", "operator", "period", "metric", "cell")
    coords = {
        "method": ("row", np.array([name for name, _ in ROWS], dtype=object)),
        "seed": ("row", [seed for _, seed in ROWS]),
        "operator": list(OPERATORS),
        "period": list(PERIODS),
        "metric": list(METRICS),
        "cell": CELLS,
        "lat": ("cell", [30.0, 31.0, 32.0]),
        "lon": ("cell", [-90.0, -91.0, -92.0]),
        "trained": ("cell", [True, True, False]),
    }
    cells = xr.Dataset({"score": (dims, SCORES)}, coords, {"surrogate": "rounds/1/surrogate"})
    cells.to_netcdf(tmp_path / "scores" / "cells.nc")
    return tmp_path


def test_methods_have_kind_cost_and_note_in_the_order_of_the_tables(run: Path) -> None:
    results = Results(str(run))
    assert results.names() == ["default VIC", "SCE-UA", "A", "climatology"]
    assert results.names("search", "learner") == ["SCE-UA", "A"]
    assert [m.process_model_runs for m in results.methods] == [0, 50, 70, None]
    assert {m.kind for m in results.methods} <= set(KINDS)
    assert (results.default, results.name, results.operator) == ("default VIC", "s", "cell_lstsq")
    assert results.surrogate == run / "rounds/1/surrogate", "of several, the one that was judged"


def test_scores_of_cells_are_one_array_and_a_table_of_what_is_wanted(run: Path) -> None:
    results = Results(run)
    np.testing.assert_array_equal(results.cell_scores["score"].values, SCORES)
    whole, part = results.cell_table(), results.cell_table(operator="raw", period="test", metric=("rmse", "pcc"))
    assert tuple(whole.columns) == CELL_COLUMNS
    assert len(whole) == SCORES.size
    one = whole.query("method == 'A' and seed == 1 and operator == 'raw' and period == 'train' and metric == 'pcc'")
    assert one["cell"].tolist() == CELLS.tolist()
    np.testing.assert_array_equal(one["value"], SCORES[3, 0, 0, 1])
    assert one["cells"].tolist() == ["trained", "trained", "unseen"]
    kept = whole.query("operator == 'raw' and period == 'test'").reset_index(drop=True)
    pd.testing.assert_frame_equal(part, kept)
    assert (whole["scored"] == whole["value"].notna()).all()
    assert whole["value"].isna().sum() == 1
    assert len(results.cell_table(operator="no such")) == 0
    pd.testing.assert_frame_equal(long_table(results.cell_scores), whole)


def test_a_field_is_the_mean_over_seeds_where_every_seed_is_scored(run: Path) -> None:
    found = Results(run).score_fields("rmse", "raw")
    expected = SCORES[2:4, 0, 1, 0].mean(axis=0)
    np.testing.assert_array_equal(found["A"], expected)
    assert np.isnan(found["A"][1])
    np.testing.assert_array_equal(found["default VIC"], SCORES[0, 0, 1, 0])


def write_errors(run: Path, train: dict[str, float]) -> None:
    """A summary with errors of the training period; those of the test period are the other way round."""
    rows = [
        {"method": name, "operator": operator, "cells": cells, "period": period, "metric": "rmse", "mean": mean}
        for name, error in train.items()
        for operator in OPERATORS
        for cells in ("trained", "unseen")
        for period, mean in (
            ("train", error if (operator, cells) == ("cell_lstsq", "trained") else -error),
            ("test", -error),
        )
    ]
    pd.DataFrame(rows).to_csv(run / "scores" / "summary.csv", index=False)


def test_the_recommended_method_is_chosen_in_the_training_period(run: Path) -> None:
    """A learner before any search; neither the a-priori θ nor a row without θ, however near it is."""
    write_errors(run, {"default VIC": 0.01, "SCE-UA": 0.04, "A": 0.05, "climatology": 0.02})
    assert Results(run).recommended == (
        "A",
        "Recommended: A, whose RMSE of the training period in trained cells is 0.0500 m3 m-3; it is the only learner.",
    )
    write_errors(run, {"SCE-UA": 0.04, "A": np.nan})
    assert Results(run).recommended.method == "SCE-UA"
    write_errors(run, {"SCE-UA": np.nan, "default VIC": 0.02})
    assert Results(run).recommended.method is None
    assert "no search or learner could be scored" in Results(run).recommended.why


def test_the_learner_that_leads_on_blocks_kept_aside_is_recommended_before_all(run: Path) -> None:
    write_errors(run, {"SCE-UA": 0.04, "A": 0.05})
    kept = run / "scores" / "cross_validation.csv"
    table = pd.DataFrame({"method": ["B", "A"], "rmse": [0.0623, 0.07], "n_cells": 9, "p": [np.nan, 0.2]})
    table.to_csv(kept, index=False)
    assert Results(run).recommended.method == "B"
    assert "raw RMSE on blocks of trained cells kept aside is 0.0623 m3 m-3 (9 cells" in Results(run).recommended.why
    table.assign(rmse=np.nan).to_csv(kept, index=False)
    assert Results(run).recommended.method is None


def test_what_a_study_does_not_have_is_none(run: Path) -> None:
    results = Results(run)
    for table in (results.evapotranspiration, results.annual_evapotranspiration, results.signatures):
        assert table is None
    for table in (results.recovery, results.rounds, results.uncertainty("targets")):
        assert table is None
    assert results.posteriors == ()


def test_what_is_not_there_is_one_line(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json here; this is not the directory of a run"):
        Results(tmp_path_factory.mktemp("empty"))
    (run / "scores" / "methods.csv").unlink()
    with pytest.raises(RunError, match=r"methods\.csv: no such file; '.*' is not the directory of an evaluated run"):
        Results(run).names()
    with pytest.raises(RunError, match=r"verdict\.zarr: not a readable archive of runs"):
        _ = Results(run).theta
    (run / "scores" / "cells.nc").write_bytes(b"no netCDF")
    with pytest.raises(RunError, match=r"cells\.nc: not readable"):
        _ = Results(run).cell_scores


def test_damaged_files_are_one_line(run: Path) -> None:
    with pytest.raises(DataError, match="no score 'nse' with operator 'raw' in the test period"):
        Results(run).score_fields("nse", "raw")
    table = pd.read_csv(run / "scores" / "methods.csv")
    for damaged in (table.drop(columns="kind"), table.assign(kind="miracle"), table.assign(seeds="many")):
        damaged.to_csv(run / "scores" / "methods.csv", index=False)
        with pytest.raises(RunError, match=r"methods\.csv: not a table of methods"):
            Results(run).names()
    with xr.open_dataset(run / "scores" / "cells.nc") as cells:
        part = cells.drop_vars("trained").load()
    part.to_netcdf(run / "scores" / "cells.nc")
    with pytest.raises(DataError, match=r"cells\.nc: 'trained' is missing"):
        _ = Results(run).cell_scores


def test_scores_of_an_earlier_version_say_what_to_do(run: Path) -> None:
    (run / "scores" / "cells.nc").unlink()
    (run / "scores" / "soil_moisture.csv").write_text("method\n")
    with pytest.raises(
        RunError, match=r"earlier version, and 'paraformer evaluate STUDY --directory .*' makes them anew"
    ):
        Results(run).cell_table()


def test_a_run_of_version_0_1_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores/soil_moisture.csv").write_text("method\n")
    (tmp_path / "manifest.json").write_text('{"versions": {"paraformer": "0.1.0"}}')
    with pytest.raises(
        RunError, match=r"is a run of ParaFormer 0\.1\.0, .*'paraformer run STUDY --directory .*' makes"
    ):
        _ = Results(tmp_path).summary


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys, paraformer.core.results as r; print([m for m in ('pandas', 'xarray', 'zarr') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_parameter_file_of_a_method_is_that_of_its_mean_or_of_a_seed(run: Path) -> None:
    """A run of an earlier version has no mean: its first seed stands for it."""
    folder = run / "parameters" / "A"
    for part in ("seed-0", "seed-1"):
        (folder / part).mkdir(parents=True)
        (folder / part / "theta.nc").touch()
    results = Results(run)
    assert results.parameter_file("A") == folder / "seed-0/theta.nc"
    (folder / "theta.nc").touch()
    assert results.parameter_file("A") == folder / "theta.nc"
    assert results.parameter_file("A", 1) == folder / "seed-1/theta.nc"
    (folder / "params.nc").touch()
    (folder / "seed-1/params.nc").touch()
    assert results.parameter_file("A") == folder / "params.nc"
    assert results.parameter_file("A", 1) == folder / "seed-1/params.nc"
    assert results.parameter_file("A", 0) == folder / "seed-0/theta.nc"
