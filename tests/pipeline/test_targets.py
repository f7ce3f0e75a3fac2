"""A study with other targets than soil moisture, from the built-in world's observed fluxes to tables and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paraformer.config import load_study
from paraformer.pipeline import run_study
from worlds import TINY, write_study


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    base = {name: group for name, group in TINY.items() if name not in ("gap_filling", "searches", "references")}
    learner = TINY["learners"]["FFN_A"]
    targets = {
        "soil_moisture": 0.0,
        "evapotranspiration": {"reference": ["et_obs"], "period": "month", "error": 10.0},
        "runoff_ratio": {"reference": ["runoff_ratio_obs"], "error": 0.05},
        "baseflow_index": {"reference": ["baseflow_index_obs"], "error": 0.1},
    }
    without_window = {name: value for name, value in learner.items() if name != "window"}
    path = write_study(
        folder,
        base=base,
        learners={"FFN_A": learner, "fluxes": {**without_window, "loss": {"inference": {}}, "targets": targets}},
        references={"direct": None},
        data__synthetic={"rows": 3, "columns": 4, "years": 2, "fluxes": {}},
        uncertainty={"methods": ["FFN_A"], "draws": 25, "targets": {}},
        learner_seeds=2,
    )
    run_study(load_study(path), folder / "run")
    return folder / "run"


def test_every_method_is_judged_on_every_flux_by_truth_and_observations(run: Path) -> None:
    table = pd.read_csv(run / "scores" / "signatures.csv")
    assert set(table["quantity"]) == {"evapotranspiration", "runoff_ratio", "baseflow_index"}
    assert set(table["reference"]) == {"true θ", "runoff_ratio_obs", "baseflow_index_obs"}
    assert {"default VIC", "FFN_A", "fluxes"} <= set(table["method"])
    assert set(table.loc[table["method"] == "fluxes", "seed"]) == {0, 1}
    assert np.isfinite(table.loc[table["cells"] == "trained", "rmse"]).all()
    products = pd.read_csv(run / "scores" / "evapotranspiration.csv")
    assert set(products["reference"]) == {"et_obs"}


def test_the_pareto_front_says_who_inferred_and_what_was_left_out(run: Path) -> None:
    table = pd.read_csv(run / "scores" / "pareto.csv")
    assert set(table["variable"]) == {"evapotranspiration", "runoff_ratio", "baseflow_index"}
    assert "true θ" not in set(table["method"])
    assert set(table.loc[table["inference"], "method"]) == {"fluxes"}
    assert set(table.loc[table["learned"], "method"]) == {"fluxes"}
    assert not table.loc[table["method"] == "fluxes", "learned_soil_moisture"].any()
    assert table.loc[table["method"] == "FFN_A", "learned_soil_moisture"].all()
    for _, part in table.groupby(["variable", "reference"]):
        assert part["front"].any()
        assert not part.loc[~part["front"], "soil_moisture"].min() < part["soil_moisture"].min()
    printed = (run / "tables" / "pareto.md").read_text()
    assert "left out" in next(line for line in printed.splitlines() if "| fluxes |" in line)
    assert "left out" not in next(line for line in printed.splitlines() if "default VIC" in line)


def test_tables_and_figures_show_it(run: Path) -> None:
    page = (run / "report.html").read_text()
    for text in (
        "Water balance",
        "evapotranspiration of the true θ",
        "runoff ratio observed",
        "the Pareto front",
        "Other variables against soil moisture",
        "What each kind of observation could take away",
        "monthly evapotranspiration",
    ):
        assert text in page, text
    assert (run / "figures" / "trade-off.png").stat().st_size > 10_000
