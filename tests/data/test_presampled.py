"""Files that a design would thin again: found by rows, by where the cells lie, by neighbours that are not there."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from data.simple_world import settings, simple_dataset, write
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.data.presampled import Sample, sample_of_places, sample_of_rows
from paraformer.data.quality import check
from paraformer.data.sampling import GridIndex, grid_index


def found(lat: np.ndarray, lon: np.ndarray) -> Sample | None:
    return sample_of_places(lat, lon, grid_index(lat, lon, source="x.nc"))


def box(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.meshgrid(lat, lon, indexing="ij")
    return both[0].ravel(), both[1].ravel()


LAT, LON = 25.0625 + 0.125 * np.arange(64), -124.9375 + 0.125 * np.arange(64)
"""Centres of NLDAS-2's grid."""


@hypothesis.settings(deadline=None)
@given(st.integers(2, 8), st.data(), st.booleans())
def test_every_sample_of_a_grid_is_known_by_its_places(side: int, data: st.DataObject, rounded: bool) -> None:
    row, column = (data.draw(st.integers(0, side - 1)) for _ in range(2))
    lat, lon = box(LAT[row::side], LON[column::side])
    if rounded:
        lat, lon = lat.astype("f4").astype(float), np.round(lon, 4)
    sample = found(lat, lon)
    places = (920 + row) % side, (440 + column) % side  # in a block of the global grid
    if all(2 * place + 1 == side for place in places):  # in its middle: as good as a coarser grid's
        assert sample is None or sample.side == 0
    else:  # the middles of a coarser grid may have been sampled as well
        assert sample is not None
        assert sample.side == side or (side == 6 and sample.side == 2)


@pytest.mark.parametrize("kilometres", [9, 36])
@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_samples_of_ease_grids_are_known(kilometres: int, side: int) -> None:
    row, column = (index.ravel() for index in np.meshgrid(np.arange(60, 300, side), np.arange(160, 260, side)))
    lat, lon = ease2_global(kilometres).centres(column, row)
    sample = found(np.round(lat, 4), np.round(lon, 4))
    assert (sample.side if sample is not None else 1) == side


@pytest.mark.parametrize(
    ("size", "middle"), [(0.25, 0.125), (0.25, 0.0), (0.1, 0.05), (1 / 12, 1 / 24), (0.125, 0.0625)]
)
def test_whole_grids_are_no_samples(size: float, middle: float) -> None:
    assert found(*box(30 + middle + size * np.arange(20), -100 + middle + size * np.arange(30))) is None


def test_cells_far_apart_are_no_grid_of_a_product() -> None:
    sample = found(*box(30.25 + 0.5 * np.arange(20), -100.25 + 0.5 * np.arange(30)))
    assert sample == Sample(
        0, "its cells lie 0.5 degree apart, farther than those of any grid of SMAP or NLDAS-2", False
    )


def test_rows_and_columns_say_it_themselves() -> None:
    rows, columns = box(np.arange(3, 40, 8), np.arange(1, 30, 4))
    assert sample_of_rows(GridIndex(rows, columns)) == Sample(4, "its rows and columns differ by multiples of 4", True)
    assert sample_of_rows(GridIndex(rows, columns + (rows > 3))) is None
    assert sample_of_rows(GridIndex(rows[:1], columns[:1])) is None


@pytest.mark.shared
def test_the_real_cells_are_one_of_each_16(shared: Path) -> None:
    with xr.open_dataset(shared / "data/conus/conus_smap_nldas.nc") as cells:
        sample = found(cells["lat"].values.astype(float), cells["lon"].values.astype(float))
    assert sample is not None
    assert sample.side == 4


def on(path: Path, lat: np.ndarray, lon: np.ndarray, **variables: np.ndarray) -> Path:
    """A file of the simple format with cells at the given places."""
    dataset = simple_dataset().drop_vars(["qc", "split"])
    dataset = dataset.isel(cell=np.arange(lat.size) % 7).assign_coords(cell=np.arange(lat.size))
    dataset["lat"] = (("cell",), lat, {"units": "degrees_north"})
    dataset["lon"] = (("cell",), lon, {"units": "degrees_east"})
    for name, values in variables.items():
        dataset[name] = (("cell",), values.astype("i4"))
    return write(dataset, path)


def warned(path: Path, design: str, caplog: pytest.LogCaptureFixture) -> str:
    """What is said of a design on a file."""
    caplog.clear()
    check(settings(path, split={"design": design}, select={})).file.close()
    return "\n".join(r.getMessage() for r in caplog.records if r.levelname == "WARNING")


def test_a_design_on_a_sample_is_warned_of_with_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole, fourth = box(LAT[:16], LON[:12]), box(LAT[:64:4], LON[:48:4])
    text = warned(on(tmp_path / "fourth.nc", *fourth), "S4", caplog)
    assert "fourth.nc: design S4 takes one of each 4 x 4 of the cells it finds and trains on 12 of 192" in text
    assert "0.5 degree apart, as one of each 4 x 4 cells of a grid of 0.125 degree does" in text
    assert "leave 'data.split' out, or give variables 'row' and 'col'" in text
    assert warned(on(tmp_path / "whole.nc", *whole), "S4NG", caplog) == ""


def test_rows_of_the_whole_grid_keep_a_design_from_thinning_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lat, lon = box(LAT[:64:4], LON[:48:4])
    row, column = box(np.arange(0, 64, 4), np.arange(0, 48, 4))
    path = on(tmp_path / "a.nc", lat, lon, row=row, col=column)
    selection = check(settings(path, split={"design": "S4"}, select={}))
    assert selection.trained.sum() == 192
    selection.file.close()
    for design in ("S4", "S8"):  # one of each 8 x 8 is one of each 4 x 4 as well
        assert warned(path, design, caplog) == ""
    assert "trains on 192 of 192, but the file seems to be a sample already; its rows" in warned(path, "S2", caplog)
    with pytest.raises(DataError, match="design S4NG: none of the 192 trained cells has a neighbour among the 192"):
        check(settings(path, split={"design": "S4NG"}, select={}))
