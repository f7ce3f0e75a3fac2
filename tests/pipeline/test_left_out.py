"""What a study has no data for is said before the run, in its log and in its report, with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.config import load_study
from paraformer.core.schema import Cube
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.evapotranspiration import why_left_out
from worlds import write_study

OUTPUTS = ("soil_moisture", "evapotranspiration")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a cube, and the input and parameter files of it."""
    folder = tmp_path_factory.mktemp("world")
    run_study(load_study(write_study(folder)), folder / "run", until="cube")
    return folder / "run" / "cube"


@pytest.fixture
def cube(world: Path) -> Cube:
    return Cube.open(world / "cube.zarr")


def test_each_reason_is_named(cube: Cube) -> None:
    found = why_left_out(cube, OUTPUTS)
    assert found is not None
    assert found.startswith("Table 3 and Figure 9 (annual evapotranspiration) are left out: the input file has no ref")
    assert "et_fluxcom, et_gleam, et_mod16, et_obs" in found
    assert "process model gives no evapotranspiration" in str(why_left_out(cube, ("soil_moisture",)))
    months = np.full((len(cube.cells), 12), 40.0)
    observed = cube.dataset.assign(et_mod16=(("cell", "month"), months, {"units": "mm month-1"}))
    assert why_left_out(Cube(observed), OUTPUTS) is None
    short = Cube(observed.assign_attrs(test_end="2017-03-30"))
    assert "2016-04-01..2017-03-30 holds no whole year" in str(why_left_out(short, OUTPUTS))


def test_check_says_which_references_a_file_has(tmp_path: Path, world: Path) -> None:
    changes = {
        "data__source": "cells",
        "data__synthetic": None,
        "data__path": str(tmp_path / "inputs.nc"),
        "data__observation": "sm_obs",
        "data__split": {"trained": "train", "unseen": "neighbour"},
        "data__train": {"start": "2015-04-01", "end": "2016-03-31"},
        "data__test": {"start": "2016-04-01", "end": "2017-03-31"},
        "process__parameters": str(world / "params.nc"),
        "process__domain": str(world / "domain.nc"),
    }
    study = load_study(write_study(tmp_path, **changes))
    with xr.open_dataset(world / "inputs.nc") as inputs:
        inputs.to_netcdf(tmp_path / "inputs.nc")
        said = check_study(study)
        assert "12 cells of 12 in the file, 9 trained and 3 unseen" in said
        assert "references: none; without evapotranspiration (et_...) Table 3 and Figure 9 will be left out" in said
        months = np.full((inputs.sizes["cell"], 12), 40.0)
        inputs.assign(et_gleam=(("cell", "month"), months, {"units": "mm month-1"})).to_netcdf(tmp_path / "inputs.nc")
    assert "references: et_gleam\n" in check_study(study)
