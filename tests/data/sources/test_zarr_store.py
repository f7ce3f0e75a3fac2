"""Zarr stores of both formats: what is missing, what was lost, and what a writer left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from data.simple_world import settings as settings_for
from data.simple_world import simple_dataset
from paraformer.core.errors import DataError
from paraformer.data.cube import build_cube
from paraformer.data.quality import check

ALL: dict[str, Any] = {"select": {}, "split": None}


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Callable[..., Path]:
    """A store of seven cells, chunks of three cells and 200 days, copied anew for each test."""
    made: dict[tuple[int, bool], Path] = {}

    def copy(folder: Path, zarr_format: int = 3, shards: bool = False) -> Path:
        key = (zarr_format, shards)
        if key not in made:
            path = tmp_path_factory.mktemp("store") / "in.zarr"
            dataset = simple_dataset().drop_vars("split")
            encoding: dict[str, dict[str, Any]] = {}
            for name, variable in dataset.data_vars.items():
                if "cell" in variable.dims and "month" not in variable.dims:
                    encoding[str(name)] = {"chunks": (3, 200)[: variable.ndim]}
                    if shards and variable.ndim == 2:
                        encoding[str(name)]["shards"] = (3, 400)
            dataset.to_zarr(
                path, zarr_format=zarr_format, encoding=encoding, consolidated=False, write_empty_chunks=True
            )
            made[key] = path
        return Path(shutil.copytree(made[key], folder / "in.zarr"))

    return copy


def metadata(path: Path, name: str, **changes: Any) -> None:
    """Change the metadata of an array of format 2, or the attributes of one of format 3."""
    old = path / name / ".zarray"
    file = old if old.exists() else path / name / "zarr.json"
    content = json.loads(file.read_text())
    (content if file == old else content["attributes"]).update(changes)
    file.write_text(json.dumps(content))


def put(path: Path, name: str, where: Any, value: float) -> None:
    zarr.open_array(path / name, mode="r+")[where] = value


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["tair", "prcp", "sm_smap", "sand", "lat", "lon", "cell", "time", "et_gleam"])
def test_a_lost_chunk_is_named_with_its_cells_and_days(stores, tmp_path, zarr_format, name):
    path = stores(tmp_path, zarr_format)
    index = {"tair": (1, 2), "prcp": (1, 2), "sm_smap": (1, 2), "et_gleam": (0, 0)}.get(name, (0,))
    key = f"{name}/" + (".".join(map(str, index)) if zarr_format == 2 else "/".join(map(str, ("c", *index))))
    (path / key).unlink()
    span = r" \(cells 10 to 12, 2016-05-05 to 2016-11-20\)" if index == (1, 2) else ""
    with pytest.raises(DataError, match=rf"variable '{name}': 1 of \d+ chunks are not in the store, first {key}{span}"):
        check(settings_for(path, **ALL))


@pytest.mark.parametrize(("zarr_format", "lost"), [(2, ".zarray"), (3, "zarr.json")])
@pytest.mark.filterwarnings("error")
def test_an_array_without_its_metadata_is_said(stores, tmp_path, caplog, zarr_format, lost):
    """In our own words, not in those of the library; what is needed is missing, what is not is passed over."""
    path = stores(tmp_path, zarr_format)
    (path / "et_gleam" / lost).unlink()
    assert check(settings_for(path, **ALL)).references == ()
    assert f"{path}: Object at et_gleam is not recognized as a component of a Zarr hierarchy" in caplog.text
    (path / "tair" / lost).unlink()
    with pytest.raises(DataError, match="variable 'tair' is missing"):
        check(settings_for(path, **ALL))


def test_a_lost_chunk_reads_as_zero_without_a_missing_value(stores, tmp_path):
    """Rain of 0 in three cells for 200 days, which no range shows."""
    path = stores(tmp_path, 2)
    metadata(path, "prcp", fill_value=0.0)
    (path / "prcp" / "1.2").unlink()
    with pytest.raises(DataError, match=r"'prcp': 1 of 12 chunks are not in the store, first prcp/1\.2"):
        check(settings_for(path, **ALL))


def test_a_lost_shard_and_damaged_files(stores, tmp_path):
    path = stores(tmp_path, shards=True)
    check(settings_for(path, **ALL))
    shard = path / "sm_smap" / "c" / "1" / "1"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="variable 'sm_smap' cannot be read; the file may be truncated or corrupt"):
        check(settings_for(path, **ALL))
    for lose in (lambda: shard.write_bytes(b""), shard.unlink):
        lose()
        with pytest.raises(DataError, match=r"'sm_smap': 1 of 6 chunks .*cells 10 to 12, 2016-05-05 to 2017-06-08"):
            check(settings_for(path, **ALL))


def test_days_before_and_after_a_mission_are_said_and_a_hole_is_refused(stores, tmp_path, caplog):
    path = stores(tmp_path)
    for row in range(3):
        (path / "sm_smap" / "c" / str(row) / "3").unlink()
    check(settings_for(path, **ALL))
    assert "'sm_smap': 3 of 12 chunks are not in the store, all before the first or after the last day" in caplog.text
    (path / "sm_smap" / "c" / "1" / "1").unlink()
    with pytest.raises(DataError, match=r"4 of 12 chunks .*, first sm_smap/c/0/3"):
        check(settings_for(path, **ALL))


def test_labels_without_a_chunk_are_their_fill_value_and_said(stores, tmp_path, caplog):
    path = stores(tmp_path)
    (path / "qc" / "c" / "1").unlink()  # cells 10, 11, 12, of which the last has 1
    assert check(settings_for(path, split=None, select={"qc": 0})).cells.tolist() == [3, 4, 7, 10, 11, 12, 20]
    assert "variable 'qc': 1 of 3 chunks are not in the store: their values are taken as 0" in caplog.text


def test_the_fill_value_0_of_format_2_is_no_missing_value(stores, tmp_path):
    path = stores(tmp_path, 2)
    for name in ("prcp", "sm_smap"):
        metadata(path, name, fill_value=0.0)
        put(path, name, (1, 0), 0.0)
    cube = build_cube(settings_for(path, **ALL), tmp_path / "cube.zarr")
    assert cube.dataset["prcp"].values[1, 0] == 0.0
    assert cube.dataset["sm_smap"].values[1, 0] == 0.0


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_fill_values_are_missing_values_however_they_are_written(stores, tmp_path, zarr_format):
    path = stores(tmp_path, zarr_format)
    if zarr_format == 2:
        metadata(path, "sm_smap", fill_value=-9999.0)  # as xarray writes _FillValue
    else:
        metadata(path, "sm_smap", _FillValue=-9999.0)  # as other programs do
    put(path, "sm_smap", (1, 0), -9999.0)
    cube = build_cube(settings_for(path, **ALL), tmp_path / "cube.zarr")
    assert np.isnan(cube.dataset["sm_smap"].values[1, 0])


def test_the_valid_range_is_obeyed_as_in_netcdf(stores, tmp_path):
    found = []
    dataset = simple_dataset().drop_vars("split")
    dataset["sm_smap"].attrs |= {"valid_min": np.float32(0.15), "valid_max": 0.25}
    dataset.to_netcdf(tmp_path / "in.nc")
    store = stores(tmp_path)
    metadata(store, "sm_smap", valid_min=0.15, valid_max=0.25)
    for path in (tmp_path / "in.nc", store):
        cube = build_cube(settings_for(path, **ALL), tmp_path / f"{path.suffix}.zarr")
        found.append(cube.dataset["sm_smap"].values)
    np.testing.assert_array_equal(*found)
    given = simple_dataset()["sm_smap"].values
    np.testing.assert_array_equal(np.isfinite(found[0]), (given >= np.float32(0.15)) & (given <= np.float32(0.25)))


def test_arrays_without_names_of_their_axes_are_no_variables(stores, tmp_path):
    path = stores(tmp_path)
    zarr.open_group(path, mode="r+").create_array("other", data=np.zeros((5, 6)))
    check(settings_for(path, **ALL))
    zarr.open_group(path, mode="r+").create_array("raw", data=np.ones(7))
    with pytest.raises(DataError, match=r"variable 'raw' has dims \('axis 0 of raw',\), expected \('cell',\)"):
        check(settings_for(path, attributes=("sand", "raw"), **ALL))
