"""Sampling designs: counts, disjointness and masks; grids that are recognised and lists that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pyproj import Transformer

from data.simple_world import PERIODS, settings, simple_dataset, write
from paraformer.core.errors import DataError, SettingsError
from paraformer.data.config import DataConfig, Split
from paraformer.data.quality import check
from paraformer.data.sampling import (
    LEFT_OUT,
    NEIGHBOURS,
    TRAINED,
    UNSEEN,
    GridIndex,
    grid_index,
    require_distinct,
    require_neighbours,
    sampling_labels,
)

EASE_36_KM = 36032.220840584


def rectangle(rows: int, columns: int) -> GridIndex:
    row, column = np.indices((rows, columns))
    return GridIndex(row.ravel(), column.ravel())


def count(labels: np.ndarray) -> dict[str, int]:
    return {label: int((labels == label).sum()) for label in (TRAINED, UNSEEN, LEFT_OUT)}


@pytest.mark.parametrize(
    ("design", "trained", "unseen"), [("S4", 24, 0), ("S8", 6, 0), ("S8NG", 6, 6), ("S4NG", 24, 24), ("S2", 96, 0)]
)
def test_counts_on_a_whole_grid(design: str, trained: int, unseen: int) -> None:
    """16 x 24 cells: 24 blocks of 4 x 4, 6 of 8 x 8."""
    found = count(sampling_labels(design, rectangle(16, 24), np.ones(384, bool)))
    assert found == {TRAINED: trained, UNSEEN: unseen, LEFT_OUT: 384 - trained - unseen}


def test_the_neighbour_is_the_next_cell_on_land() -> None:
    index, land = rectangle(16, 16), np.ones(256, bool)
    grid = sampling_labels("S8NG", index, land, offset=(3, 5)).reshape(16, 16)
    assert [tuple(p) for p in np.argwhere(grid == TRAINED)] == [(3, 5), (3, 13), (11, 5), (11, 13)]
    assert [tuple(p) for p in np.argwhere(grid == UNSEEN)] == [(3, 6), (3, 14), (11, 6), (11, 14)]
    land[3 * 16 + 6] = False  # the eastern neighbour of the first is sea: the southern one takes its place
    grid = sampling_labels("S8NG", index, land, offset=(3, 5)).reshape(16, 16)
    assert [tuple(p) for p in np.argwhere(grid == UNSEEN)] == [(2, 5), (3, 14), (11, 6), (11, 14)]
    every = sampling_labels("S8NG", index, np.ones(256, bool), offset=(3, 5), neighbours=8)
    assert count(every)[UNSEEN] == 4 * 8


@st.composite
def worlds(draw: st.DrawFn) -> tuple[GridIndex, np.ndarray, int, tuple[int, int]]:
    rows, columns, side = draw(st.integers(1, 14)), draw(st.integers(1, 14)), draw(st.integers(2, 9))
    land = np.array(draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns)))
    return rectangle(rows, columns), land, side, (draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1)))


@given(worlds(), st.integers(1, 8), st.randoms(use_true_random=False))
def test_properties_of_any_design(world: tuple[GridIndex, np.ndarray, int, tuple[int, int]], n: int, random) -> None:
    index, land, side, offset = world
    alone = sampling_labels(f"S{side}", index, land, offset=offset)
    labels = sampling_labels(f"S{side}NG", index, land, offset=offset, neighbours=n)
    assert (labels[~land] == LEFT_OUT).all()
    np.testing.assert_array_equal(labels == TRAINED, alone == TRAINED)  # neighbours never change what is trained on
    assert not (alone == UNSEEN).any()
    blocks = np.stack([index.row // side, index.column // side])[:, labels == TRAINED]
    assert len(np.unique(blocks, axis=1).T) == blocks.shape[1]  # at most one a block
    places = {(int(r), int(c)) for r, c in zip(*(i[labels == TRAINED] for i in index), strict=True)}
    for r, c in zip(*(i[labels == UNSEEN] for i in index), strict=True):
        assert any((r + dr, c + dc) in places for dr, dc in NEIGHBOURS)
    assert (labels == UNSEEN).sum() <= n * (labels == TRAINED).sum()
    order = np.array(random.sample(range(len(land)), len(land)))
    moved = sampling_labels(
        f"S{side}NG", GridIndex(*(i[order] for i in index)), land[order], offset=offset, neighbours=n
    )
    np.testing.assert_array_equal(moved, labels[order])


@given(worlds())
def test_the_offsets_share_out_the_land(world: tuple[GridIndex, np.ndarray, int, tuple[int, int]]) -> None:
    """Over all offsets every cell on land is trained exactly once."""
    index, land, side, _ = world
    times = np.zeros(len(land), int)
    for place in np.ndindex(side, side):
        times += sampling_labels(f"S{side}", index, land, offset=place) == TRAINED
    np.testing.assert_array_equal(times, land.astype(int))


def test_unknown_designs_and_places_are_refused() -> None:
    index, land = rectangle(4, 4), np.ones(16, bool)
    with pytest.raises(SettingsError, match="unknown sampling design 'S1'"):
        sampling_labels("S1", index, land)
    with pytest.raises(SettingsError, match=r"offset: \[0, 4\] is outside a block of 4 x 4"):
        sampling_labels("S4", index, land, offset=(0, 4))
    with pytest.raises(SettingsError, match="neighbours: 9"):
        sampling_labels("S4NG", index, land, neighbours=9)


def ease(rows: int, columns: int, decimals: int = 6, step: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Cell centres of a piece of the 36 km EASE-Grid 2.0, or of another with cells ``step`` times as large."""
    index = rectangle(rows, columns)
    x, y = -1e7 + step * EASE_36_KM * index.column, 4e6 + step * EASE_36_KM * index.row
    lon, lat = Transformer.from_crs(6933, 4326, always_xy=True).transform(x, y)
    return np.round(lat, decimals), np.round(lon, decimals)


@given(st.integers(2, 12), st.integers(2, 12), st.sampled_from([0.125, 0.25, 1 / 12, 0.5]), st.booleans())
def test_latitude_longitude_grids_are_recognised(rows: int, columns: int, step: float, east: bool) -> None:
    index = rectangle(rows, columns)
    lat, lon = 25.0625 + step * index.row, (240 if east else -120) + step * index.column
    found = grid_index(lat.astype("f4").astype(float), lon.astype("f4").astype(float), source="x.nc")
    np.testing.assert_array_equal(found, index)


def test_ease_grids_with_gaps_are_recognised() -> None:
    lat, lon = ease(30, 40)
    random = np.random.default_rng(0)
    kept = random.random(1200) < 0.4
    kept[[0, 39, 1199]] = True
    found = grid_index(lat[kept], lon[kept], source="x.nc")
    np.testing.assert_array_equal(found, [i[kept] for i in rectangle(30, 40)])


def test_irregular_lists_and_double_places_are_refused() -> None:
    random = np.random.default_rng(1)
    with pytest.raises(DataError, match=r"x\.nc: the cells form no regular grid .* split variable"):
        grid_index(random.uniform(25, 50, 300), random.uniform(-125, -70, 300), source="x.nc")
    lat, lon = ease(5, 6)
    lat[7] += 0.1  # a quarter of a step off
    with pytest.raises(DataError, match="no regular grid"):
        grid_index(lat, lon, source="x.nc")
    with pytest.raises(DataError, match=r"x\.nc: the cells at positions 1 and 3 share row 2 and column 5"):
        require_distinct(GridIndex(np.array([0, 2, 2, 2]), np.array([0, 5, 6, 5])), source="x.nc")


def test_a_design_needs_neighbours_not_a_sample() -> None:
    for kilometres in (36.0322, 9.0081):
        scale = kilometres * 1000 / EASE_36_KM
        lat, lon = ease(12, 16, step=scale)
        index = rectangle(12, 16)
        require_neighbours(lat, lon, source="x.nc")
        require_neighbours(lat.astype("f4").astype(float), lon.astype("f4").astype(float), source="x.nc")
        for every in (2, 3, 4, 8):
            if kilometres < 10 and every == 4:
                continue  # every fourth cell of 9 km lies where a cell of 36 km may lie
            kept = (index.row % every == 0) & (index.column % every == 0)
            if kept.sum() > 4:
                with pytest.raises(SettingsError, match=r"data\.split\.design .* x\.nc are .* apart: a sample already"):
                    require_neighbours(lat[kept], lon[kept], source="x.nc")
    lat, lon = 30 + 0.125 * index.row, -100 + 0.125 * index.column
    require_neighbours(lat, lon, source="x.nc")
    require_neighbours(lat[:1], lon[:1], source="x.nc")
    with pytest.raises(SettingsError, match=r"1\.5 degree apart"):
        require_neighbours(30 + 1.5 * index.row, -100 + 1.5 * index.column, source="x.nc")


@pytest.mark.shared
def test_the_real_cells_are_every_fourth_of_an_ease_grid(shared: Path) -> None:
    with xr.open_dataset(shared / "data/conus/conus_smap_nldas.nc") as cells:
        index = grid_index(cells["lat"].values, cells["lon"].values, source="cells")
        lon = cells["lon"].values
    np.testing.assert_allclose((lon - lon.min()) / (4 * 360 / 964), index.column, atol=1e-4)  # 964 columns of 36 km
    assert (index.row.max() + 1, len(np.unique(index.row))) == (18, 18)


def gridded(path: Path, **variables: object) -> Path:
    """Seven cells in a row of a lat-lon grid."""
    dataset = simple_dataset()
    dataset["lat"] = (("cell",), np.full(7, 40.0), {"units": "degrees_north"})
    dataset["lon"] = (("cell",), -100 + 0.125 * np.arange(7), {"units": "degrees_east"})
    for name, values in variables.items():
        dataset[name] = (("cell",), values)
    return write(dataset, path)


def test_a_design_splits_the_cells_of_a_file(tmp_path: Path) -> None:
    config = settings(gridded(tmp_path / "a.nc"), split={"design": "S4NG", "offset": [0, 1]}, select={})
    selection = check(config)
    assert selection.position.tolist() == [1, 2, 5, 6]
    assert selection.trained.tolist() == [True, False, True, False]


def test_selected_cells_are_the_land(tmp_path: Path) -> None:
    """Cell 12, at position 5, has qc 1: it is as if it were sea."""
    config = settings(gridded(tmp_path / "a.nc"), split={"design": "S4NG", "offset": [0, 1]}, select={"qc": 0})
    assert check(config).position.tolist() == [1, 2]


def test_rows_and_columns_of_the_file_come_first(tmp_path: Path) -> None:
    path = gridded(tmp_path / "a.nc", row=np.zeros(7, "i4"), col=np.arange(7)[::-1])
    assert check(settings(path, split={"design": "S4"}, select={})).position.tolist() == [2, 6]
    bad = gridded(tmp_path / "b.nc", row=np.zeros(7), col=np.arange(7) + 0.5)
    with pytest.raises(DataError, match="'col' holds values that are not whole numbers"):
        check(settings(bad, split={"design": "S4"}, select={}))


def test_a_list_without_a_grid_cannot_have_a_design(tmp_path: Path) -> None:
    dataset = simple_dataset()
    dataset["lat"] = (("cell",), np.array([30.1, 33.7, 31.9, 40.2, 41.3, 44.4, 39.99]), {"units": "degrees_north"})
    with pytest.raises(DataError, match=r"a\.nc: the cells form no regular grid"):
        check(settings(write(dataset, tmp_path / "a.nc"), split={"design": "S4"}))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"design": "S4", "variable": "split", "trained": "a"}, "either 'design' or 'variable'.*found 'variable'"),
        ({"design": "S4", "trained": "a"}, "either 'design' or 'variable'.*found 'trained'"),
        ({"design": "S1"}, "String should match"),
        ({"design": "DAS-S4"}, "String should match"),
        ({"design": "S4", "neighbours": 2}, "applies to designs with NG"),
        ({"design": "S4", "offset": [4, 0]}, r"offset \[4, 0\] is outside"),
        ({"trained": "a", "offset": [0, 0]}, "'offset' applies to a 'design' only"),
        ({"variable": "role"}, "'trained' is missing"),
    ],
)
def test_wrong_splits_are_refused(split: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataConfig(path="a.nc", split=split, **PERIODS)


def test_splits_read_back_the_same() -> None:
    for split in (Split(trained=("a",)), Split(design="S8NG", offset=(1, 2), neighbours=8)):
        assert Split(**split.model_dump(mode="json")) == split
    assert Split(trained=("a",)).variable == "split"
