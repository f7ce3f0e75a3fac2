"""The end of a run names the result in one sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from paraformer.core.results import Results
from paraformer.pipeline.closing import result
from paraformer.pipeline.describe import describe

KINDS = {"default VIC": "default", "SCE-UA": "search", "ParaFormer_Z": "history learner", "climatology": "reference"}


def write(path: Path, rows: list[tuple[str, str, float]]) -> Results:
    """A run directory with the summary of its scores."""
    (path / "scores").mkdir()
    (path / "manifest.json").write_text("{}")
    table = pd.DataFrame(rows, columns=["method", "cells", "mean"])
    table.assign(operator="raw", metric="rmse", period="test").to_csv(path / "scores" / "summary.csv", index=False)
    methods = pd.DataFrame(KINDS.items(), columns=["method", "kind"])
    methods = methods.assign(seeds=1, members=1, process_model_runs=0, note="")
    methods.to_csv(path / "scores" / "methods.csv", index=False)
    return Results(path)


def test_the_nearest_method_is_named_beside_default_vic(tmp_path: Path) -> None:
    rows = [("default VIC", "trained", 0.09), ("SCE-UA", "trained", 0.05), ("climatology", "trained", 0.01)]
    rows += [("ParaFormer_Z", "trained", 0.045)]
    rows += [("default VIC", "unseen", 0.08), ("SCE-UA", "unseen", 0.05), ("ParaFormer_Z", "unseen", 0.06)]
    assert result(write(tmp_path, rows)) == (
        "Result: nearest to the observations of the test period, raw RMSE in m3 m-3: ParaFormer_Z in trained cells "
        "(0.0450, default VIC 0.0900), SCE-UA in unseen cells (0.0500, default VIC 0.0800)."
    )


def test_where_nothing_is_scored_it_says_so(tmp_path: Path) -> None:
    rows = [("default VIC", "trained", float("nan")), ("SCE-UA", "trained", float("nan"))]
    assert "no observation of the test period" in result(write(tmp_path, rows))


def test_a_run_of_an_earlier_version_is_described_and_says_what_to_do(tmp_path: Path) -> None:
    """Its scores were a long table of cells: a reader names the command that makes them anew."""
    (tmp_path / "scores").mkdir()
    (tmp_path / "manifest.json").write_text('{"seed": 4, "stages": {"scores": {"runs": 0, "wall_s": 1.5}}}')
    (tmp_path / "scores" / "stage.json").write_text('{"complete": true}')
    (tmp_path / "scores" / "soil_moisture.csv").write_text("method,mean\n")
    text = describe(tmp_path)
    assert "scores                       done" in text
    assert f"'paraformer evaluate STUDY --directory {tmp_path}' makes them anew" in text
