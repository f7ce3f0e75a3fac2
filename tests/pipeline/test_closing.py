"""The end of a run names the result in one sentence."""

from pathlib import Path

import pandas as pd

from paraformer.pipeline.closing import result


def write(path: Path, rows: list[tuple[str, str, float]]) -> Path:
    table = pd.DataFrame(rows, columns=["method", "cells", "mean"])
    table.assign(operator="raw", metric="rmse", period="test").to_csv(path / "soil_moisture.csv", index=False)
    return path


def test_the_nearest_method_is_named_beside_default_vic(tmp_path: Path) -> None:
    rows = [("default VIC", "trained", 0.09), ("SCE-UA", "trained", 0.05), ("climatology", "trained", 0.01)]
    rows += [("ParaFormer_Z", "trained", 0.05), ("ParaFormer_Z", "trained", 0.04)]  # two seeds: 0.045
    rows += [("default VIC", "unseen", 0.08), ("SCE-UA", "unseen", 0.05), ("ParaFormer_Z", "unseen", 0.06)]
    assert result(write(tmp_path, rows), ("SCE-UA", "ParaFormer_Z")) == (
        "Result: nearest to the observations of the test period, raw RMSE in m3 m-3: ParaFormer_Z in trained cells "
        "(0.0450, default VIC 0.0900), SCE-UA in unseen cells (0.0500, default VIC 0.0800)."
    )


def test_where_nothing_is_scored_it_says_so(tmp_path: Path) -> None:
    rows = [("default VIC", "trained", float("nan")), ("SCE-UA", "trained", float("nan"))]
    assert "no observation of the test period" in result(write(tmp_path, rows), ("SCE-UA",))
