"""Leave-region-out splits: every cell is unseen in one fold, blocks stay whole, no trained cell is near them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data.simple_world import PERIODS, settings, simple_dataset, write
from paraformer.core.errors import DataError
from paraformer.core.grid import points
from paraformer.data.config import Blocks, DataConfig, Split
from paraformer.data.quality import check
from paraformer.data.regions import block_folds, block_labels
from paraformer.data.sampling import LEFT_OUT, TRAINED, UNSEEN


def grid(rows: int = 12, columns: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Cells of one degree, centres at half degrees, from 30 N 120 W."""
    row, column = np.indices((rows, columns))
    return 30.5 + row.ravel(), -119.5 + column.ravel()


def everything(lat: np.ndarray) -> np.ndarray:
    return np.ones(len(lat), bool)


def test_blocks_of_equal_size_are_shared_out_evenly() -> None:
    """12 x 20 cells, blocks of 4 degrees: 15 blocks of 16 cells, three a fold."""
    lat, lon = grid()
    folds = block_folds(Blocks(degrees=4.0, folds=5), lat, lon, everything(lat), source="x.nc")
    assert [int((folds == k).sum()) for k in range(5)] == [48] * 5
    labels = block_labels(Blocks(degrees=4.0, folds=5, fold=2), lat, lon, everything(lat), source="x.nc")
    assert ((labels == UNSEEN) == (folds == 2)).all()
    assert ((labels == TRAINED) == (folds != 2)).all()


@given(
    st.integers(0, 2**31),
    st.sampled_from([2.0, 4.0, 7.5]),
    st.integers(2, 6),
    st.sampled_from([0.0, 90.0, 400.0]),
    st.integers(0, 5),
)
def test_properties_of_any_blocks(seed: int, degrees: float, folds: int, buffer: float, fold: int) -> None:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(25, 50, 200), random.uniform(-125, -67, 200)
    usable = random.random(200) < 0.9
    blocks = Blocks(degrees=degrees, folds=folds, fold=fold % folds, seed=seed, buffer_km=buffer)
    of = block_folds(blocks, lat, lon, usable, source="x.nc")
    assert ((of >= 0) == usable).all()
    assert set(of[usable]) == set(range(folds))  # every usable cell is unseen in one fold, and no fold is empty
    row, column = np.floor((lat + 90) / degrees), np.floor((lon + 180) / degrees)
    for place in set(zip(row[usable], column[usable], strict=True)):
        assert len(set(of[usable & (row == place[0]) & (column == place[1])])) == 1
    labels = block_labels(blocks, lat, lon, usable, source="x.nc")
    assert ((labels == UNSEEN) == (of == blocks.fold)).all()
    assert (labels[~usable] == LEFT_OUT).all()
    at = points(lat, lon)
    between = np.linalg.norm(at[:, None] - at[labels == UNSEEN], axis=-1).min(axis=1)
    near = usable & (labels != UNSEEN) & (between < buffer)
    assert (labels[near] == LEFT_OUT).all()
    assert (labels[usable & (labels != UNSEEN) & ~near] == TRAINED).all()
    order = random.permutation(200)
    moved = block_labels(blocks, lat[order], lon[order] % 360, usable[order], source="x.nc")
    np.testing.assert_array_equal(moved, labels[order])


def test_a_deal_depends_on_the_seed_and_not_on_the_fold() -> None:
    lat, lon = grid()
    one, again, other = (
        block_folds(blocks, lat, lon, everything(lat), source="x.nc")
        for blocks in (Blocks(degrees=2), Blocks(degrees=2, fold=3, buffer_km=100), Blocks(degrees=2, seed=1))
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_too_few_blocks_are_refused() -> None:
    lat, lon = grid()
    with pytest.raises(DataError, match=r"x\.nc: split\.blocks: the cells lie in 2 blocks of 15 degrees, .* 5 folds"):
        block_folds(Blocks(degrees=15), lat, lon, everything(lat), source="x.nc: split.blocks")


def test_a_study_asks_for_blocks_by_its_split(tmp_path: Path) -> None:
    """Seven cells 2.5 and 6.7 degrees apart; of those with ``qc`` 0 each is a block of its own."""
    path = write(simple_dataset(), tmp_path / "x.nc")
    unseen: list[int] = []
    for fold in range(3):
        selection = check(settings(path, split={"blocks": {"degrees": 2.0, "folds": 3, "fold": fold}}))
        np.testing.assert_array_equal(selection.cells, [3, 4, 7, 10, 11, 20])
        unseen += list(selection.cells[~selection.trained])
    assert sorted(unseen) == [3, 4, 7, 10, 11, 20]
    near = check(settings(path, split={"blocks": {"degrees": 2.0, "folds": 3, "buffer_km": 1000}}))
    assert len(near.cells) < 6
    alone = {"blocks": {"degrees": 2.0, "folds": 3, "buffer_km": 9000}}
    with pytest.raises(DataError, match="no trained cell is left"):
        check(settings(path, split=alone))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"blocks": {"fold": 5}}, "fold 5 is none of the 5 folds"),
        ({"blocks": {}, "trained": "a"}, "'blocks' are a split of their own; leave out 'trained'"),
        ({"blocks": {}, "design": "S4"}, "leave out 'design'"),
        ({"blocks": {}, "variable": "split"}, "leave out 'variable'"),
        ({"blocks": {"degree": 8}}, "Extra inputs"),
        ({"blocks": {"degrees": 0}}, "greater than 0"),
    ],
)
def test_contradictions_are_refused(given: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Split.model_validate(given)


def test_settings_without_blocks_are_hashed_as_before() -> None:
    config = DataConfig(path="a.nc", split={"trained": "a"}, **PERIODS)
    assert config.model_dump(mode="json", exclude_none=True)["split"] == {
        "variable": "split",
        "trained": ["a"],
        "unseen": [],
    }
