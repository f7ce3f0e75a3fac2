"""``check`` refuses what a later stage would refuse: settings against each other, the days, the cells, the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from paraformer.config import load_study
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.time import Period
from paraformer.pipeline import check_study
from paraformer.pipeline.consistent import Extent, require_consistent, require_fits
from worlds import write_study

DAYS, TRAIN = 731, 366
"""Of the miniature world: 2015-04-01..2017-03-31, the first year for training; twelve cells, three of them unseen."""

FFN = {"network": {"name": "ffn_a"}}
TARGET = {"evapotranspiration": {"reference": ["et_obs"]}}


def require(folder: Path, **changes: Any) -> None:
    """What is refused without making the miniature world."""
    study = load_study(write_study(folder, **changes))
    require_consistent(study)
    assert study.data.days is not None
    require_fits(study, Extent(study.data.days, 12, 9, ()))


@pytest.mark.parametrize(
    "changes",
    [
        {"learners__FFN_A": {"network": {"name": "ffn_a", "hidden": 10**9}}},
        {"learners__FFN_A__members": 10**6},
        {"surrogate__embedding": 10**9},
        {"surrogate__hidden": 10**9},
    ],
)
def test_a_size_that_no_memory_holds_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="less than or equal to"):
        load_study(write_study(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"surrogate__window": DAYS + 1}, "surrogate.window: 732 days, but it learns from 731"),
        (
            {"surrogate__period": {"start": "2015-05-01", "end": "2015-05-10"}},
            "surrogate.window: 20 days, but it learns from 10",
        ),
        (
            {"surrogate__period": {"start": "1990-01-01", "end": "1991-01-01"}},
            "surrogate.period: 1990-01-01..1991-01-01 is not inside the days of the data, 2015-04-01..2017-03-31",
        ),
        (
            {"surrogate__period": {"start": "2017-03-01", "end": "2017-04-01"}},
            "is not inside the days of the data",
        ),
        ({"surrogate__warm_up": DAYS + 1}, "surrogate.warm_up: 732 days, but the data have 731"),
        ({"gap_filling__warm_up": 9999}, "gap_filling.warm_up: 9999 days, but the data have 731"),
        ({"references__direct__warm_up": 9999}, "references.direct.warm_up: 9999 days, but the data have 731"),
        ({"process__spin_up__days": DAYS + 1}, "process.spin_up.days: 732 days, but the data have 731"),
        ({"learners__FFN_A__window": TRAIN + 1}, "learners.FFN_A.window: 367 days, but the training period has 366"),
        (
            {"learners__ParaFormer_Z__network__history_days": 368},
            "learners.ParaFormer_Z.network.history_days: 368 days, but the training period has 366",
        ),
        (
            {"learners__L": {"network": {"name": "lstm_z", "history_days": 4000}}},
            "learners.L.network.history_days: 4000 days",
        ),
        ({"evaluation__min_days": 400}, "data.train: 366 days in all, but cells need 400 observed ones"),
        (
            {"data__train": {"start": "2015-04-01", "end": "2015-04-01"}},
            "data.train: 1 days in all, but cells need 20 observed ones (evaluation.min_days)",
        ),
        (
            {"data__test": {"start": "2016-04-01", "end": "2016-04-01"}},
            "data.test: 1 days in all, but cells need 20 observed ones (evaluation.min_days)",
        ),
        (
            {
                "data__train": {"start": "2016-04-01", "end": "2017-03-31"},
                "data__test": {"start": "2015-04-01", "end": "2016-03-31"},
            },
            "data.test: 2015-04-01..2016-03-31 lies before data.train, 2016-04-01..2017-03-31; expected later days",
        ),
        (
            {"searches__SCE-UA__loss": {"min_days": 400}},
            "searches.SCE-UA.loss.min_days: 400 days, but the training period",
        ),
        (
            {"searches__SCE-UA__loss": {"inference": {"prior_std": {"exp": 0.1}}}},
            "searches.SCE-UA.loss.inference.prior_std: unknown parameter 'exp'",
        ),
        (
            {"learners__FFN_A__loss": {"inference": {"prior_std": {"exp": 0.1}}}},
            "learners.FFN_A.loss.inference.prior_std: unknown parameter 'exp'",
        ),
        ({"searches__SCE-UA__budget": 9}, "searches.SCE-UA: budget 9 is below the initial population of 10 points"),
        ({"searches__SCE-UA__complexes": 5}, "budget 24 is below the initial population of 25 points (5 complexes"),
        (
            {"searches__LM": {"name": "levenberg", "budget": 15}},
            "searches.LM: budget 15 is below the 16 runs of a first step (11 to choose from, 2 x 2 differences, 1)",
        ),
        (
            {"searches__LM": {"name": "levenberg", "budget": 5, "candidates": 1, "start_from_prior": False}},
            "searches.LM: budget 5 is below the 6 runs",
        ),
        ({"surrogate__anchors": 5}, "surrogate.anchors (5) exceeds ensemble.common (4)"),
        ({"surrogate__sets_per_cell": 6}, "surrogate.sets_per_cell: 6, but a cell has 5 sets to learn from"),
        (
            {"ensemble__outputs": ["soil_moisture", "tea"]},
            "ensemble.outputs: 'tea' is not offered by process.model 'vic'",
        ),
        ({"ensemble__outputs": ["soil_moisture", "transpiration"]}, "ensemble.outputs: 'transpiration' is not offered"),
        (
            {"ensemble__outputs": ["soil_moisture"]},
            "surrogate.outputs: 'evapotranspiration' is not in ensemble.outputs",
        ),
        (
            {"surrogate__outputs": ["soil_moisture"], "learners__T": {**FFN, "targets": TARGET}},
            "learners.T.targets need 'evapotranspiration', which is not in surrogate.outputs",
        ),
        (
            {"evaluation__operators": ["raw"], "report__operator": "cell_moments"},
            "report.operator: 'cell_moments' is not in evaluation.operators (raw)",
        ),
        (
            {"rounds": {}, "evaluation__operators": ["raw"], "learners__FFN_A__loss": {"operator": "cell_lstsq"}},
            "learners.FFN_A.loss.operator: 'cell_lstsq' is not in evaluation.operators (raw)",
        ),
        ({"evaluation__transfers": {"source": "FFN_A"}}, "evaluation.transfers.source: 'FFN_A' is no search"),
        ({"data__attributes": [], "data__climate_attributes": False}, "data.attributes: found none"),
        ({"ensemble__own": 10**9}, "ensemble.own: 12000000000 sets in 12 cells, expected 1073741824 at most"),
        (
            {"data__train": {"start": "2015-04-01", "end": "2015-12-31"}, "learners__T": {**FFN, "targets": TARGET}},
            "learners.T.targets.evapotranspiration: training period 2015-04-01..2015-12-31: month 1 has 0 days",
        ),
        (
            {
                "data__train": {"start": "2015-04-01", "end": "2015-12-31"},
                "uncertainty": {"methods": ["SCE-UA"], "targets": {}},
            },
            "uncertainty.targets: training period 2015-04-01..2015-12-31: month 1 has 0 days",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        require(tmp_path, **changes)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"surrogate__window": DAYS},
        {"surrogate__warm_up": DAYS},
        {"process__spin_up__days": DAYS},
        {"learners__FFN_A__window": TRAIN},
        {"searches__SCE-UA__budget": 10},
        {"searches__R": {"name": "random", "budget": 1}},
        {"surrogate__sets_per_cell": 5},
        {"surrogate__weights": {"soil_moisture": 0}},
        {"evaluation__transfers": {"source": "best θ per cell"}},
        {"process__spin_up": {"days": 0, "cycles": 0}},
    ],
)
def test_settings_at_the_edge_fit(tmp_path: Path, changes: dict[str, Any]) -> None:
    require(tmp_path, **changes)


def test_two_trained_cells_are_needed_to_carry(tmp_path: Path) -> None:
    days = Period(start="2015-04-01", end="2017-03-31")
    carried = load_study(write_study(tmp_path, evaluation__transfers={"source": "SCE-UA"}))
    with pytest.raises(SettingsError, match=r"evaluation\.transfers: 1 trained cell"):
        require_fits(carried, Extent(days, 12, 1))


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (TARGET, "learners.T.targets.evapotranspiration.reference: 'et_obs' is no reference of the data"),
        (
            {"evapotranspiration": {"reference": ["et_gleem"]}},
            "'et_gleem' is no reference of the data; did you mean 'et_g",
        ),
        ({"evapotranspiration": {"reference": ["runoff_ratio_obs"]}}, "'runoff_ratio_obs' is no reference of the data"),
        ({"runoff_ratio": {"reference": ["et_gleam"]}}, "'et_gleam' is no reference of the data"),
        ({"baseflow_index": {"reference": ["sand"]}}, "'sand' is no reference of the data"),
    ],
)
def test_a_reference_that_is_not_there_is_named(tmp_path: Path, targets: dict[str, Any], told: str) -> None:
    study = load_study(write_study(tmp_path, learners__T={**FFN, "targets": targets}))
    there = Extent(Period(start="2015-04-01", end="2017-03-31"), 12, 9, ("et_gleam", "runoff_ratio_obs"))
    with pytest.raises(SettingsError) as caught:
        require_fits(study, there)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"surrogate__training__device": "quantum"}, "surrogate.training.device: 'quantum' is unknown"),
        ({"surrogate__training__device": ""}, "surrogate.training.device: '' is unknown"),
        (
            {"surrogate__training__devices": 100_000},
            "surrogate.training.devices: 100000 are asked for, this machine has",
        ),
        ({"learners__FFN_A__training__device": "cuda"}, "learners.FFN_A.training.device: 'cuda' is asked for"),
        ({"learners__FFN_A__training__device": "gpu"}, "learners.FFN_A.training.device: 'gpu' is asked for"),
        ({"gap_filling__training__device": "gpu"}, "gap_filling.training.device: 'gpu' is asked for"),
        ({"references__direct__training__device": "cuda"}, "references.direct.training.device: 'cuda' is asked for"),
        ({"rounds": {"training": {"device": "cuda"}}}, "rounds.training.device: 'cuda' is asked for"),
        (
            {"learners__S": {**FFN, "simulator": "surrogate_then_process", "refinement": {"device": "cuda"}}},
            "learners.S.refinement.device: 'cuda' is asked for",
        ),
        ({"process__device": "cuda"}, "process.device 'cuda' needs an NVIDIA GPU"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        require(tmp_path, **changes)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"data__observation": "sm_smap"},
            "the built-in world's inputs.nc: variable 'sm_smap' is missing; did you mean 'sm_obs'",
        ),
        ({"data__attributes": ["slope"]}, "variable 'slope' is missing"),
        ({"data__select": {"qc": 0}}, "variable 'qc' is missing"),
        ({"data__split": {"variable": "split", "trained": ["trained"]}}, "no cell has the split value 'trained'"),
        ({"data__split": {"variable": "fold", "trained": [1]}}, "variable 'fold' is missing"),
        ({"evaluation__min_days": 250}, "evaluation.min_days: 250, but no trained cell has more than 1"),
        (
            {"searches__SCE-UA__loss": {"min_days": 250}},
            "searches.SCE-UA.loss.min_days: 250, but no cell has more than",
        ),
        ({"data__synthetic__lost": 1.0}, "evaluation.min_days: 20, but no trained cell has more than"),
        (
            {"process__vic__snow_steps_per_day": 9},
            "process.vic.snow_steps_per_day: 9 steps a day cannot be made from dai",
        ),
        ({"learners__T": {**FFN, "targets": TARGET}}, "'et_obs' is no reference of the data; the data have none"),
    ],
)
def test_the_built_in_world_is_held_against_what_is_asked_of_it(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises((SettingsError, DataError)) as caught:
        check_study(load_study(write_study(tmp_path, **changes)))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "synthetic",
    [{"unseen": 0.0}, {"unseen": 0.95}, {"rows": 60, "columns": 70, "unseen": 0.0005}, {"start": "2255-03-01"}],
    ids=str,
)
def test_unusual_built_in_worlds_are_well(tmp_path: Path, synthetic: dict[str, Any]) -> None:
    changes = {f"data__synthetic__{name}": value for name, value in synthetic.items()}
    assert "settings are valid" in check_study(load_study(write_study(tmp_path, **changes)))


def test_a_design_takes_cells_of_the_built_in_world_whatever_their_distance(tmp_path: Path) -> None:
    assert "settings are valid" in check_study(load_study(write_study(tmp_path, data__split={"design": "S2"})))


def test_fluxes_of_the_built_in_world_are_references(tmp_path: Path) -> None:
    targets = {**TARGET, "runoff_ratio": {"reference": ["runoff_ratio_obs"]}}
    path = write_study(tmp_path, data__synthetic__fluxes={}, learners__T={**FFN, "targets": targets})
    assert "settings are valid" in check_study(load_study(path))


def test_one_file_does_not_stand_for_two_things(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"")
    os.link(tmp_path / "a.nc", tmp_path / "b.nc")
    (tmp_path / "c.nc").symlink_to("a.nc")
    for one, other in (("a.nc", "a.nc"), ("a.nc", "b.nc"), ("a.nc", "c.nc")):
        study = load_study(write_study(tmp_path, process__parameters=one, process__domain=other))
        with pytest.raises(SettingsError, match=r"process\.parameters and process\.domain are the same file"):
            check_study(study)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("os:system", "'os' is a module of Python"),
        ("os.path:join", "'os.path' is a module of Python"),
        ("builtins:print", "'builtins' is a module of Python"),
        ("nothing_of_this_name:build", "no module 'nothing_of_this_name'"),
    ],
)
def test_a_module_that_is_no_model_is_refused(tmp_path: Path, model: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_study(load_study(write_study(tmp_path, process={"model": model})))
    assert told in str(caught.value)


def test_a_model_that_leaves_what_soil_can_hold_is_refused(tmp_path: Path) -> None:
    """Before the run finds out: the default bounds of the bucket fill a world's soil above 1."""
    names = {
        "process": {"model": "bucket"},
        "ensemble__outputs": ["soil_moisture"],
        "surrogate__outputs": ["soil_moisture"],
    }
    study = load_study(
        write_study(tmp_path, parameters=[*BUCKET[:1], {**BUCKET[1], "lower": 5, "upper": 6}, BUCKET[2]], **names)
    )
    with pytest.raises(SettingsError, match="expected volumetric soil moisture"):
        check_study(study)


def test_a_check_says_nothing_of_files_it_made_for_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="paraformer")
    bucket = {"process": {"model": "bucket"}, "parameters": list(BUCKET), "ensemble__outputs": ["soil_moisture"]}
    check_study(load_study(write_study(tmp_path, **bucket, surrogate__outputs=["soil_moisture"])))
    assert not caplog.records


BUCKET = (
    {"name": "residence", "lower": 1, "upper": 15},
    {"name": "depth", "lower": 300, "upper": 500},
    {"name": "residual", "lower": 0.02, "upper": 0.2},
)
