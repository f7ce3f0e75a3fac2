"""Runs on different cells stand side by side as the paper's data sets, or the reason why they do not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.pipeline.paper import write_paper
from pipeline.test_compare import CELLS, better, write_run


def judged(
    path: Path,
    design: str | None,
    *,
    unseen: bool = True,
    et: bool = True,
    carried: bool = True,
    settings: dict[str, Any] | None = None,
    **cube: Any,
) -> Path:
    """A run directory as ``paper`` reads it; nine of its cells are unseen, or none."""
    fields = {"SCE-UA": [better(0.1)], "SCE-UA, nearest": [better(0.05)], "ParaFormer_Z": [better(0.2), better(0.3)]}
    trained = np.arange(CELLS) > (8 if unseen else -1)
    if not carried:
        del fields["SCE-UA, nearest"]
    write_run(
        path,
        fields | {"climatology": [better(0)]},
        operators={"raw": 1.0, "cell_moments": 0.5},
        metrics={"rmse": 1.0, "pcc": 0.9, "nse": 0.5},
        kinds={"SCE-UA": "search", "SCE-UA, nearest": "transfer", "climatology": "reference"},
        trained=trained,
        **cube,
    )
    if et:
        rows = [
            ("curve" if method == "Budyko curve" else "process model", method, -1, "et_mod16", cells, 100.0, 0.7, 0.4)
            for method in ("default VIC", "SCE-UA", "Budyko curve")
            for cells in ("all", "trained", *(("unseen",) if unseen else ()))
        ]
        columns = ["kind", "method", "seed", "reference", "cells", "rmse", "pcc", "nse"]
        pd.DataFrame(rows, columns=columns).to_csv(path / "scores" / "evapotranspiration.csv", index=False)
    study = {
        "name": path.name,
        "data": {
            "source": "cells",
            "path": "inputs.nc",
            "observation": "sm_smap",
            "split": {"variable": "split", "trained": "a", "unseen": "b"} if design is None else {"design": design},
            "train": {"start": "2015-01-01", "end": "2015-01-31"},
            "test": {"start": "2015-02-01", "end": "2015-02-28"},
        },
        "learner_seeds": 2,
        "search_seeds": 1,
        "report": {"dpi": 50},
    } | (settings or {})
    (path / "study.yaml").write_text(yaml.safe_dump(study))
    return path


def test_three_data_sets_of_two_runs(tmp_path: Path) -> None:
    runs = [judged(tmp_path / "s4", "S4", unseen=False), judged(tmp_path / "s8", "S8NG")]
    text = write_paper(runs, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "figure3.pdf",
        "figure3.png",
        "paper.html",
        "table2.csv",
        "table2.md",
        "table2.tex",
        "table3-mod16.md",
        "table3-mod16.tex",
        "table3.csv",
    ]
    summary = pd.read_csv(tmp_path / "out" / "table2.csv").set_index(["data_set", "method", "metric"])
    assert list(summary.index.unique("data_set")) == ["DAS-S4", "DAS-S8", "DAS-S8NG"]
    assert list(summary.index.unique("method")) == ["default VIC", "SCE-UA", "ParaFormer_Z"], "no other rows"
    unseen = np.arange(CELLS) <= 8
    assert summary.loc[("DAS-S8", "SCE-UA", "rmse"), "mean"] == pytest.approx(better(0.1)[~unseen].mean())
    carried = summary.loc[("DAS-S8NG", "SCE-UA", "rmse"), "mean"]
    assert carried == pytest.approx(better(0.05)[unseen].mean()), "θ of the nearest trained cell"
    assert summary.loc[("DAS-S4", "SCE-UA", "nse"), "mean"] == pytest.approx(0.5 * better(0.1).mean())
    assert "SCE-UA in DAS-S8NG: θ of the nearest trained cell." in text
    page = (tmp_path / "out" / "paper.html").read_text()
    for part in ("Table 2", "Figure 3", "Table 3", "DAS-S8NG", "θ of the nearest trained cell", "Against MOD16"):
        assert part in page
    table3 = (tmp_path / "out" / "table3-mod16.md").read_text()
    assert "DAS-S4 RMSE" in table3
    assert "DAS-S8 NSE" in table3
    assert "DAS-S8NG" not in table3, "Table 3 is of trained cells"
    assert "Budyko" not in table3


def test_what_the_runs_lack_is_said(tmp_path: Path) -> None:
    text = write_paper([judged(tmp_path / "a", None, et=False, carried=False)], tmp_path / "out")
    assert "a, unseen cells RMSE" in text
    assert "SCE-UA in a, unseen cells: θ searched on each cell's own observations" in text
    assert "Table 3 lacks a: its run judged no evapotranspiration" in text
    assert not list((tmp_path / "out").glob("table3*"))


def test_two_runs_of_one_design_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [judged(tmp_path / name, "S8", unseen=False) for name in ("one", "two")]
    assert "DAS-S8 (one) RMSE" in write_paper(runs, tmp_path / "out")


def test_the_operator_is_the_studies_or_the_one_given(tmp_path: Path) -> None:
    moments = {"report": {"dpi": 50, "operator": "cell_moments"}}
    runs = [judged(tmp_path / "s4", "S4", unseen=False), judged(tmp_path / "s8", "S8NG", settings=moments)]
    with pytest.raises(SettingsError, match=r"report\.operator differs between the runs \(raw, cell_moments\)"):
        write_paper(runs, tmp_path / "out")
    write_paper(runs, tmp_path / "out", "cell_moments")
    summary = pd.read_csv(tmp_path / "out" / "table2.csv").set_index(["data_set", "method", "metric"])
    assert summary.loc[("DAS-S4", "SCE-UA", "rmse"), "mean"] == pytest.approx(better(0.1).mean() / 2)
    with pytest.raises(SettingsError, match="no observation operator 'moments'"):
        write_paper(runs, tmp_path / "out", "moments")
    with pytest.raises(DataError, match=r"no score with operator 'cell_lstsq' in the test period"):
        write_paper(runs, tmp_path / "out", "cell_lstsq")


def test_what_does_not_belong_into_one_table_is_named(tmp_path: Path) -> None:
    one = judged(tmp_path / "s4", "S4", unseen=False)
    with pytest.raises(RunError, match="the run is named twice"):
        write_paper([one, tmp_path / "." / "s4"], tmp_path / "out")
    with pytest.raises(RunError, match="is not the directory of a run"):
        write_paper([one, tmp_path], tmp_path / "out")
    with pytest.raises(DataError, match=r"test periods: 2015-02-01\.\.2015-02-28 and 2015-02-01\.\.2015-02-27"):
        write_paper([one, judged(tmp_path / "b", "S8", test_end="2015-02-27")], tmp_path / "out")
    with pytest.raises(DataError, match="different observations: sm_smap and sm_obs"):
        write_paper([one, judged(tmp_path / "c", "S8", observation="sm_obs")], tmp_path / "out")
