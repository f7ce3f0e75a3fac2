"""The end of a run names the result in one sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from paraformer.core.results import Results
from paraformer.pipeline.closing import result

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
