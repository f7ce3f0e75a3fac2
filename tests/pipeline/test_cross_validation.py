"""Blocks of trained cells kept aside: dealt out, never learned from when judged, and a whole study of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from learners.toy import DAYS, FIRST, SPACE, Waves, true_u, twin
from paraformer.config import load_study
from paraformer.core.contracts import Calibrated, CalibrationData, Reference
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.results import Results
from paraformer.data.config import BlockFolds
from paraformer.data.views import learned_from
from paraformer.evaluation.holdout import Holdout
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.cross_validation import CELLS, judge_apart, learned_apart
from paraformer.pipeline.folds import at_basins, deal
from paraformer.pipeline.released import describe_map, export_map, find_map
from worlds import TINY, write_study

FFN = TINY["learners"]["FFN_A"]
THREE_BY_FOUR = {"degrees": 2, "folds": 2}


def grid(rows: int = 6, columns: int = 6) -> tuple[np.ndarray, np.ndarray]:
    lat, lon = np.meshgrid(30.0 + np.arange(rows), -100.0 + np.arange(columns), indexing="ij")
    return lat.ravel(), lon.ravel()


def test_each_trained_cell_is_kept_aside_once_with_its_block() -> None:
    lat, lon = grid()
    trained = np.arange(len(lat)) % 5 != 0
    folds = deal(BlockFolds(degrees=2, folds=3), lat, lon, trained)
    assert ((folds.of >= 0) == trained).all()
    assert set(folds.of[trained]) == {0, 1, 2}
    assert np.array_equal(folds.learned, trained & (folds.of != np.arange(3)[:, None]))
    block = np.floor(lat / 2) * 1000 + np.floor(lon / 2)
    for one in np.unique(block[trained]):
        assert len(set(folds.of[trained & (block == one)])) == 1
    near = deal(BlockFolds(degrees=2, folds=3, buffer_km=120), lat, lon, trained)
    assert np.array_equal(near.of, folds.of)
    assert near.learned.sum() < folds.learned.sum()
    with pytest.raises(DataError, match="cross_validation: the cells lie in 9 blocks of 2 degrees, fewer than the 10"):
        deal(BlockFolds(degrees=2, folds=10), lat, lon, trained)
    with pytest.raises(SettingsError, match=r"cross_validation\.buffer_km: 9000 km leave no cell to learn from"):
        deal(BlockFolds(degrees=2, folds=3, buffer_km=9000), lat, lon, trained)


def test_a_basin_is_kept_aside_as_a_whole() -> None:
    """Dealt out by the middle of its cells, and learned from in all other folds."""
    lat, lon = grid(4, 4)
    basins = [np.array([0, 1, 4, 5, 6]), np.array([9, 10, 11, 15])]
    folds = deal(BlockFolds(degrees=1, folds=3), *at_basins(lat, lon, basins), np.ones(16, dtype=bool))
    for cells in basins:
        fold = int(folds.of[cells[0]])
        assert (folds.of[cells] == fold).all()
        assert np.array_equal(folds.learned[:, cells].all(axis=1), np.arange(3) != fold)
    assert set(folds.of) == {0, 1, 2}


def test_what_is_kept_aside_is_an_input_alone() -> None:
    data = twin()
    every, some = np.ones((len(data.cells), 2), bool), np.arange(len(data.cells)) % 2 == 0
    data = replace(data, references={"et": Reference(every * 1.0, every)})
    less = learned_from(data, some)
    for flags in (less.trained, less.mask, less.observed, less.references["et"].known):
        assert not flags[~some].any()
    assert np.array_equal(less.history, data.history)
    assert np.array_equal(less.mask[some], data.mask[some])


def test_a_learner_is_judged_where_it_has_not_learned(tmp_path: Path) -> None:
    """One that finds θ only in cells it learns from has the error of its guess everywhere, and never sees a fold."""
    data, (lat, lon) = twin(), grid(4, 6)
    theta, asked = SPACE.from_unit(true_u(data.attributes)), []
    days = np.arange(FIRST + 2 * DAYS)
    holdout = Holdout(
        data.cells,
        lat,
        lon,
        np.pad(data.history, ((0, 0), (FIRST, DAYS))),
        np.pad(data.history_mask, ((0, 0), (FIRST, DAYS))),
        data.trained,
        (days >= FIRST) & (days < FIRST + DAYS),
        days >= FIRST + DAYS,
    )
    folds = deal(BlockFolds(degrees=2, folds=2), lat, lon, data.trained)

    def memory(given: CalibrationData, folder: Path) -> Calibrated:
        asked.append(given.trained)
        return Calibrated(np.where(given.trained[:, None], theta, given.prior), 3)

    def known(given: CalibrationData, folder: Path) -> Calibrated:
        return Calibrated(theta, 0)

    scores = []
    for learn in (memory, known):
        found = learned_apart(learn, data, folds, tmp_path)
        assert found.runs == (6 if learn is memory else 0), "of all folds"
        runs = judge_apart(found.theta, Waves(), holdout, folds, tmp_path, min_days=20, progress=Progress())
        assert runs == data.trained.sum()
        scores.append(pd.read_csv(tmp_path / CELLS))
    assert np.array_equal(asked, folds.learned)
    assert scores[1]["rmse"].max() < 1e-6
    assert scores[0]["rmse"].min() > 1e-3
    assert scores[0]["cell"].tolist() == data.cells[data.trained].tolist()


def test_a_study_ends_with_the_recommended_learner(tmp_path: Path) -> None:
    study = load_study(
        write_study(
            tmp_path,
            learners={"FFN_A": {**FFN, "members": 2}, "untrained": {**FFN, "training": {"steps": 1}}},
            searches={"LHS": {"name": "random", "budget": 8}},
            references=None,
            gap_filling=None,
            learner_seeds=1,
            cross_validation=THREE_BY_FOUR,
        )
    )
    told = run_study(study, tmp_path / "run", until="scores")
    table = pd.read_csv(tmp_path / "run" / "scores" / "cross_validation.csv")
    assert f"\nRecommended: {table['method'][0]}, whose raw RMSE" in told
    assert sorted(table["method"]) == ["FFN_A", "untrained"]
    cells = pd.read_csv(tmp_path / "run" / "cross_validation" / "FFN_A" / CELLS)
    assert set(cells["fold"]) == {0, 1}
    stages = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]
    assert stages["cross_validation/FFN_A"]["runs"] == len(cells) == 9
    one = study.model_copy(update={"learners": {"FFN_A": study.learners["FFN_A"]}})
    before = (tmp_path / "run" / "cross_validation" / "FFN_A" / CELLS).stat().st_mtime_ns
    assert "there is no other learner" in run_study(one, tmp_path / "run", until="scores")
    assert (tmp_path / "run" / "cross_validation" / "FFN_A" / CELLS).stat().st_mtime_ns == before, "not done anew"
    _its_card_says_what_cells_kept_aside_say(tmp_path / "run", tmp_path / "map", cells)


def _its_card_says_what_cells_kept_aside_say(run: Path, folder: Path, cells: pd.DataFrame) -> None:
    """The error in each region, and a spread of θ that holds what the search found."""
    export_map(run, "FFN_A", folder, half=True)
    found, whole = find_map(str(folder)), find_map(str(run), "FFN_A")
    everywhere, *regions = found.card["kept_aside"]
    assert (everywhere["region"], everywhere["cells"]) == ("all", len(cells))
    assert everywhere["rmse"] == pytest.approx(cells["rmse"].mean(), abs=1e-4)
    assert sum(row["cells"] for row in regions) == len(cells)
    error = found.card["error"]
    assert (error["search"], error["cells"]) == ("LHS", len(cells))
    assert found.shared_error.tolist() == [error["shared"][name] for name in found.parameters.names]
    seen = error["observations"]
    cube = Results(run).cube
    in_training = cube.observed()[1] & cube.period("train").mask(cube.time)
    assert seen["days"] == in_training[np.isin(cube.cells, cells["cell"])].sum()
    assert 0.0 < seen["error"] < 0.1
    assert 0.8 < seen["coverage"] <= 1.0
    told = describe_map(found)
    assert "90 % intervals of θ hold what LHS finds" in told
    assert f"of {seen['days']:,} observed days there" in told
    assert f"in {len(cells)} cells kept aside: all" in told
    attributes, prior = np.zeros((3, len(found.encoding.names))), found.parameters.from_unit(np.full((3, 2), 0.5))
    half, full = (one.predict(attributes, prior) for one in (found, whole))
    assert not np.array_equal(half.theta, full.theta), "16 bits"
    np.testing.assert_allclose(found.parameters.to_unit(half.theta), found.parameters.to_unit(full.theta), atol=2e-3)
    low = found.parameters.from_unit(np.clip(found.parameters.to_unit(half.theta) - found.shared_error, 0, 1))
    high = found.parameters.from_unit(np.clip(found.parameters.to_unit(half.theta) + found.shared_error, 0, 1))
    assert (half.spread >= (high - low) / 2 * 0.999).all(), "at least what the networks share"


def test_what_cannot_be_dealt_out_is_refused_before_any_work(tmp_path: Path) -> None:
    asked = write_study(tmp_path, cross_validation={"degrees": 80, "folds": 2})
    with pytest.raises(DataError, match="cross_validation: the cells lie in 1 blocks of 80 degrees"):
        check_study(load_study(asked))
    with pytest.raises(SettingsError, match="cross_validation: compares learners, and the study has none"):
        load_study(write_study(tmp_path, learners={}, rounds=None, cross_validation={}))
