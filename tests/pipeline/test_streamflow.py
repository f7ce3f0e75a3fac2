"""Studies with streamflow: a world with a river, from gauges to the verdict; basins kept aside; judge and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from paraformer.config import Study, load_study
from paraformer.core.errors import RunError, SettingsError
from paraformer.core.results import Results
from paraformer.data.config import RiverConfig
from paraformer.data.sources.land import make_land
from paraformer.data.sources.river import drained, make_river, unseen_basins
from paraformer.evaluation.gauges import paired_flow
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.compare import ASIDE, compare_flow, without_moisture
from paraformer.pipeline.judge import judge_thetas
from worlds import TINY, write_study

FLOW = {"min_days": 60}
RIVER = {"least_cells": 2, "velocity_exponent": 0.2}
TARGETS = {"streamflow": FLOW, "evapotranspiration": {"reference": ["et_obs"], "period": "month"}}
LEARNER: dict[str, Any] = {
    "network": {"name": "ffn_a", "hidden": 8},
    "simulator": "process",
    "targets": {"soil_moisture": 0, "streamflow": FLOW},
    "training": {"steps": 2, "schedule": {"warm_up": 1}},
}


def study(folder: Path, **changes: Any) -> Study:
    given = {
        "data__synthetic": {"rows": 5, "columns": 4, "years": 2, "river": RIVER, "unseen": 0.2, "fluxes": {}},
        "data__streamflow": {"warm_up": 30, "routing": ["velocity", "velocity_exponent"]},
        "gap_filling": None,
        "references": None,
        "learners": {"by flow": LEARNER},
        "learner_seeds": 1,
        "searches": {
            "velocity": {"name": "sceua", "targets": "streamflow", "find": "routing", "budget": 60, "flow": FLOW},
            "basin": {"name": "levenberg", "targets": "streamflow", "budget": 40, "flow": FLOW},
            "both": {"name": "levenberg", "targets": {**TARGETS, "soil_moisture": 0.1}, "budget": 40},
        },
        "cross_validation": {"degrees": 0.1, "folds": 2},
    }
    return load_study(write_study(folder, **{**given, **changes}))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; VIC runs some hundred times, which takes half a minute."""
    folder = tmp_path_factory.mktemp("river")
    chosen = study(folder)
    assert "the built-in world" in check_study(chosen)
    told = run_study(chosen, folder / "run")
    assert "Flow at gauges, test period" in told
    assert "Basins kept aside" in told
    return folder / "run"


def test_flow_is_judged_at_every_gauge_by_every_method(judged: Path) -> None:
    results = Results(judged)
    scores, series = results.streamflow, results.discharge
    assert scores is not None
    assert series is not None
    gauges = set(scores["gauge"])
    assert set(scores["method"]) >= {"default VIC", "velocity", "basin", "both", "by flow", "persistence"}
    assert {"trained", "unseen"} == set(scores["cells"])
    assert set(series["gauge"].values) == gauges
    page = (judged / "report.html").read_text()
    assert "Streamflow" in page
    assert (judged / "figures" / "hydrographs.png").exists()
    assert (judged / "tables" / "streamflow.md").exists()


def test_searches_come_nearer_to_flow_than_the_default(judged: Path) -> None:
    scores = Results(judged).streamflow
    assert scores is not None
    train = scores[scores["period"] == "train"].pivot_table(index="gauge", columns="method", values="kge")
    assert (train["velocity"] >= train["default VIC"] - 1e-6).all()
    assert (train["basin"] > train["default VIC"]).all()
    truth = xr.load_dataset(judged / "cube" / "river_truth.nc")
    assert truth["velocity"].min() > 0.3
    found = xr.load_dataset(judged / "parameters" / "basin" / "seed-0" / "routing.nc")
    assert set(found["gauge"].values) == set(truth["gauge"].values)
    assert (truth["velocity_exponent"] == 0.2).all()
    assert (np.abs(found["velocity_exponent"]) <= 0.5).all()


def test_what_a_search_is_by_stands_in_its_note(judged: Path) -> None:
    notes = {method.name: method.note for method in Results(judged).methods}
    assert "by its own flow and soil moisture and evapotranspiration of the training period" in notes["both"]
    assert "by its own flow of the training period" in notes["basin"]


def test_basins_kept_aside_are_judged_once_beside_the_default_through_the_same_river(judged: Path) -> None:
    kept = Results(judged).streamflow_kept
    assert kept is not None
    assert set(kept["method"]) == {"by flow", "default VIC, routing of by flow"}
    scores = Results(judged).streamflow
    assert scores is not None
    assert set(kept["gauge"]) == set(scores.loc[scores["cells"] == "trained", "gauge"]), "not those that are unseen"
    assert not kept.duplicated(["gauge", "method", "period"]).any()


def test_judge_takes_the_times_of_travel_beside_theta(judged: Path, tmp_path: Path) -> None:
    given = judged / "parameters" / "basin" / "seed-0" / "theta.nc"
    chosen = load_study(judged / "study.yaml")
    told = judge_thetas(chosen, judged, [given])
    assert "Flow at gauges, test period" in told
    table = pd.read_csv(judged / "judged" / "streamflow.csv", dtype={"gauge": str}).set_index(
        ["gauge", "method", "period"]
    )
    scores = Results(judged).streamflow
    assert scores is not None
    mine = scores[scores["method"] == "basin"].set_index(["gauge", "period"])["kge"]
    for (gauge, period), kge in mine.items():
        assert table.loc[(gauge, "theta", period), "kge"] == pytest.approx(kge, abs=1e-4)
    alone = tmp_path / "theta.nc"
    alone.write_bytes(given.read_bytes())
    assert "theta" in judge_thetas(chosen, judged, [alone]), "without: the river's own times"


def test_compare_pairs_gauges(judged: Path, tmp_path: Path) -> None:
    assert not without_moisture([judged])
    table = compare_flow([judged], "test").set_index("method")
    assert table.loc["basin", "against"] == "default VIC"
    assert table.loc[f"by flow{ASIDE}", "against"] == f"default VIC, routing of by flow{ASIDE}"
    with pytest.raises(SettingsError, match="no period 'tset'"):
        compare_flow([judged], "tset")
    run_study(
        load_study(write_study(tmp_path, searches={}, learners={}, gap_filling=None)), tmp_path / "dry", until="cube"
    )
    with pytest.raises(RunError):
        compare_flow([tmp_path / "dry"], "test")


def test_p_is_of_signed_ranks() -> None:
    names, rows = [f"g{i}" for i in range(8)], []
    for i, gauge in enumerate(names):
        for method, kge in (
            ("better", 0.5 + 0.01 * i),
            ("default VIC", 0.4 - 0.01 * i),
            ("few", 0.4 if i < 3 else np.nan),
        ):
            rows.append({"gauge": gauge, "method": method, "period": "test", "kge": kge})
    table = paired_flow(pd.DataFrame(rows), [("better", "default VIC"), ("few", "better")])
    assert table["gauges"].tolist() == [8, 3]
    assert table["p"][0] == pytest.approx(2 / 2**8)
    assert np.isnan(table["p"][1])
    assert table["better"].tolist() == [1.0, 0.0]
    assert table["difference"][0] == pytest.approx(0.17)


def test_a_world_drains_without_circles_and_its_unseen_basins_are_whole() -> None:
    land = make_land((6, 7), 3, 0)
    river = make_river(land, RiverConfig(), 3, 0)
    end = np.arange(42)
    for _ in range(42):
        end = np.where(river.downstream[end] >= 0, river.downstream[end], end)
    assert ((end % 7 == 6) | (end < 7)).all(), "on the eastern or southern side"
    for gauge, outlet in enumerate(river.outlets):
        assert set(np.flatnonzero(river.basin == gauge)) == set(np.flatnonzero(end == outlet))
    assert ((river.velocity >= 0.3) & (river.velocity <= 1.5)).all()
    unseen = unseen_basins(river, 0.3, 3, 0)
    assert unseen.any()
    assert not unseen[river.basin >= 0].all()
    for gauge in range(len(river.outlets)):
        assert len(set(unseen[river.basin == gauge])) == 1
    slope = np.tile(np.arange(5, 0, -1.0), 3)
    down = drained(slope, (3, 5))
    inner = np.flatnonzero(down >= 0)
    assert len(inner) == 8
    assert (slope[down[inner]] < slope[inner]).all(), "downhill"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data__synthetic": {"rows": 5, "columns": 4, "years": 2}}, "has no river"),
        ({"data__streamflow": {"network": "river.nc", "observed": "flow.nc"}}, "has a river of its own"),
        ({"data__synthetic__river": {"velocity": [2.0, 1.0]}}, "the lower first"),
    ],
)
def test_a_world_without_a_river_has_no_flow(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        study(tmp_path, **changes)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ({**TARGETS, "soil_moisture": 0}, r"searches\.s\.targets: streamflow, but there is no"),
    ],
)
def test_a_search_needs_what_its_targets_name(tmp_path: Path, targets: dict[str, Any], told: str) -> None:
    searches = {"s": {"name": "random", "budget": 4, "targets": targets}}
    with pytest.raises(SettingsError, match=told):
        check_study(load_study(write_study(tmp_path, searches=searches, data__synthetic__fluxes={})))


def test_a_learner_needs_what_it_learns_from(tmp_path: Path) -> None:
    base = {**TINY, "data": {**TINY["data"]}}
    with pytest.raises(SettingsError, match=r"learners\.by flow\.targets\.streamflow: there is no 'data\.streamflow'"):
        load_study(write_study(tmp_path, base=base, learners={"by flow": LEARNER}, learner_seeds=1))
