"""Attributes: values no soil has, fill values nobody declared, and names that the cube gives to something else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from data.simple_world import PERIODS, simple_dataset, write
from data.simple_world import settings as settings_for
from paraformer.core.errors import DataError
from paraformer.data import cube as module
from paraformer.data.config import DataConfig
from paraformer.data.cube import build_cube
from paraformer.data.quality import check, check_values
from paraformer.data.summary import input_table

SEVEN = np.arange(7.0) / 7


def refused(tmp_path, dataset: xr.Dataset, message: str, **changes) -> None:
    path = write(dataset, tmp_path / "in.nc")
    with pytest.raises(DataError, match=message):
        check(settings_for(path, **changes))


@pytest.mark.parametrize("value", [10.5, 0, 18, 255, -1])
def test_a_class_that_igbp_does_not_have_is_refused(tmp_path, value):
    dataset = simple_dataset()
    classes = dataset["landcover_igbp"].values.astype("f8")
    classes[3] = value
    dataset["landcover_igbp"] = ("cell", classes, {"units": "1"})
    refused(tmp_path, dataset, rf"landcover_igbp at cell 10 \(lat 37.5, lon -100\): found {value:g}, expected")


@pytest.mark.parametrize("value", [-9999.0, 1e20, 9.969209968386869e36, np.nan, np.inf])
def test_an_undeclared_fill_value_of_any_attribute_is_refused(tmp_path, value):
    dataset = simple_dataset()
    dataset["slope"].values[2] = value
    refused(tmp_path, dataset, r"slope at cell 7 \(lat 35, lon -106.6667\): found", attributes=("slope", "sand"))


@pytest.mark.parametrize(
    "name",
    [
        "trained",
        "lat",
        "cell",
        "prcp",
        "tair_sub",
        "et_gleam",
        "runoff_ratio_obs",
        "climate_aridity",
        "landcover_igbp_10",
    ],
)
@pytest.mark.parametrize("key", ["attributes", "observation"])
def test_a_name_that_the_cube_gives_to_something_else_is_refused_by_the_settings(key, name):
    with pytest.raises(ValidationError, match=rf"'{name}' is (a|the) "):
        DataConfig.model_validate({"path": "in.nc", **PERIODS, key: (name,) if key == "attributes" else name})


def test_the_observation_is_no_attribute():
    with pytest.raises(ValidationError, match="'sm_smap' is the observation"):
        DataConfig.model_validate({"path": "in.nc", **PERIODS, "attributes": ("sand", "sm_smap")})


def test_what_rounding_made_of_attributes_and_references_is_clipped_said_and_used(tmp_path, caplog):
    dataset = simple_dataset().assign(baseflow_index_obs=("cell", [0.5, 1.0005, *[np.nan] * 5], {"units": "1"}))
    dataset["sand"].values[1] = -0.001
    cube = build_cube(settings_for(write(dataset, tmp_path / "in.nc")), tmp_path / "cube.zarr")
    assert cube.dataset["sand"].values[:3].tolist() == [20.0, 0.0, 22.0]
    assert cube.dataset["baseflow_index_obs"].values[:2].tolist() == [0.5, 1.0]
    for said in (
        "sand: 1 values in 1 cell outside 0 to 100 %",
        "baseflow_index_obs: 1 values in 1 cell outside 0 to 1",
    ):
        assert f"{said} set to the nearer end" in caplog.text


def test_nothing_in_the_cube_is_overwritten_even_if_a_check_is_forgotten():
    with pytest.raises(DataError, match="two variables named 'trained'"):
        module._joined({"trained": 1, "a": 2}, {"b": 3}, {"trained": 4})


@pytest.mark.parametrize(
    ("factor", "message"), [(0.01, "found a sum of 1 %, expected 100 %; shares of 1"), (0.8, "add up to 80 %")]
)
def test_a_texture_that_does_not_add_up(tmp_path, caplog, factor, message):
    dataset = simple_dataset()
    for name, part in (("sand", 50.0), ("silt", 30.0), ("clay", 20.0)):
        dataset[name] = ("cell", np.full(7, part * factor), {"units": "%"})
    if factor < 0.1:
        refused(tmp_path, dataset, message)
    else:
        check(settings_for(write(dataset, tmp_path / "in.nc")))
        assert message in caplog.text


def test_the_table_of_an_input(tmp_path):
    dataset = simple_dataset()
    dataset["sm_smap"].values[1] = np.nan
    dataset["slope"].values[:] = 0.3
    config = settings_for(write(dataset, tmp_path / "in.nc"), attributes=("sand", "slope", "landcover_igbp"))
    selection, found = check_values(config)
    lines = input_table(selection, found, "sm_smap").splitlines()
    words = {line.split("  ")[0]: line.split() for line in lines}
    assert lines[0].startswith("800 days from 2015-04-01 to 2017-06-08")
    prcp = dataset["prcp"].values[:5].mean(axis=1, dtype="f8") * 365.25
    assert [float(word) for word in words["prcp"][-3:]] == pytest.approx(
        [prcp.mean(), prcp.min(), prcp.max()], rel=1e-3
    )
    assert words["days with sm_smap"][-2:] == ["0", "33.38"]
    assert float(words["sm_smap"][-3]) == pytest.approx(np.nanmean(dataset["sm_smap"].values[[0, 2, 3, 4]]), rel=1e-2)
    assert words["sand"][-3:] == ["22", "20", "24"]
    assert "landcover_igbp: 10 grassland (2), 5 mixed forest (1), 7 open shrubland (1), 12 cropland (1)" in lines
    assert "no sm_smap in 1 cell: 4" in lines
    assert lines[-1] == "constant over the trained cells, so nothing can be learned from them: slope"
    selection.file.close()
