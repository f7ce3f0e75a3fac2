"""Hand-off data: what an ensemble and a cube need is there, or its absence is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import KINDS, Cube, Ensemble, parameter_space_to_json
from paraformer.core.variables import FORCING

SPACE = ParameterSpace.of("infilt", "expt")


def ensemble(without: str | None = None) -> xr.Dataset:
    theta = np.arange(12.0).reshape(2, 3, 2)
    made = xr.Dataset(
        {
            "theta": (("cell", "set", "parameter"), theta),
            "kind": ("set", np.array(KINDS, dtype=object)),
            "held_out": (("cell", "set"), np.array([[0, 0, 1], [0, 1, 0]], dtype=np.int8)),
            "runoff": (("cell", "set", "time"), np.ones((2, 3, 4), dtype=np.float32)),
            "mean_runoff": (("cell", "set"), np.ones((2, 3))),
        },
        attrs={"parameter_space": parameter_space_to_json(SPACE)},
    )
    return made if without is None else made.drop_vars(without)


def stored(dataset: xr.Dataset, path: Path) -> Path:
    dataset.to_zarr(path, consolidated=False)
    return path


@pytest.mark.parametrize("name", ["theta", "kind", "held_out"])
def test_an_ensemble_without_its_sets_is_refused(name: str, tmp_path: Path) -> None:
    path = stored(ensemble(name), tmp_path / "runs.zarr")
    with pytest.raises(DataError, match=rf"runs\.zarr: variable '{name}' is missing from the ensemble"):
        Ensemble.open(path)


def test_what_is_no_store_is_no_ensemble_and_no_cube(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.zarr: not a readable ensemble"):
        Ensemble.open(tmp_path / "nothing.zarr")
    with pytest.raises(DataError, match=r"nothing\.zarr: not a readable cube"):
        Cube.open(tmp_path / "nothing.zarr")


def test_an_ensemble_gives_what_was_stored(tmp_path: Path) -> None:
    found = Ensemble.open(stored(ensemble(), tmp_path / "runs.zarr"))
    assert found.parameters == SPACE
    assert found.kind.tolist() == list(KINDS)
    assert found.held_out.tolist() == [[False, False, True], [False, True, False]]
    assert found.held_out.dtype == bool
    assert found.output_names == ("runoff",)
    np.testing.assert_array_equal(found.theta, np.arange(12.0).reshape(2, 3, 2))
    np.testing.assert_array_equal(found.output("runoff"), 1.0)
    with pytest.raises(DataError, match="the ensemble holds no output 'runof'; did you mean 'runoff'"):
        found.output("runof")


def cube() -> xr.Dataset:
    days = np.arange("2015-01-01", "2015-01-05", dtype="datetime64[D]").astype("datetime64[ns]")
    series = {name: (("cell", "time"), np.full((2, 4), float(i))) for i, name in enumerate(FORCING)}
    observed = np.array([[0.1, np.nan, 0.3, np.inf], [np.nan] * 4])
    return xr.Dataset(
        {
            **series,
            "sm": (("cell", "time"), observed),
            "trained": ("cell", np.array([1, 0], dtype=np.int8)),
            "slope": ("cell", [1, 2]),
        },
        coords={"cell": [7, 9], "time": days, "lat": ("cell", [1.0, 2.0]), "lon": ("cell", [3.0, 4.0])},
        attrs={
            "observation": "sm",
            "attributes": "slope",
            "train_start": "2015-01-01",
            "train_end": "2015-01-02",
            "test_start": "2015-01-03",
            "test_end": "2015-01-04",
        },
    )


@pytest.mark.parametrize("name", ["cell", "time", "lat", "lon"])
def test_a_cube_needs_its_coordinates(name: str) -> None:
    with pytest.raises(DataError, match=f"x: coordinate '{name}' is missing"):
        Cube(cube().drop_vars(name)).validate("x")


@pytest.mark.parametrize("name", [*FORCING, "trained"])
def test_a_cube_needs_its_variables(name: str) -> None:
    with pytest.raises(DataError, match=f"x: variable '{name}' is missing"):
        Cube(cube().drop_vars(name)).validate("x")


@pytest.mark.parametrize("name", ["observation", "attributes", "train_start", "train_end", "test_start", "test_end"])
def test_a_cube_needs_its_attributes(name: str) -> None:
    made = cube()
    del made.attrs[name]
    with pytest.raises(DataError, match=f"x: global attribute '{name}' is missing"):
        Cube(made).validate("x")


def test_a_cube_gives_what_was_stored() -> None:
    found = Cube(cube())
    found.validate("x")
    values, mask = found.observed()
    assert mask.tolist() == [[True, False, True, False], [False] * 4]
    assert values.tolist() == [[0.1, 0.0, 0.3, 0.0], [0.0] * 4]
    assert found.trained.tolist() == [True, False]
    assert found.attribute_names == ("slope",)
    assert found.attributes().tolist() == [[1.0], [2.0]]
    assert found.forcing()[1, 2].tolist() == [float(i) for i in range(len(FORCING))]
    assert found.period("test").mask(found.time).tolist() == [False, False, True, True]
    assert found.axes["lon"].tolist() == [3.0, 4.0]
    assert found.axes["lat"].tolist() == [1.0, 2.0]


def test_several_attributes_keep_their_order() -> None:
    made = cube().assign(height=("cell", [5.0, 6.0])).assign_attrs(attributes=["height", "slope"])
    assert Cube(made).attributes().tolist() == [[5.0, 1.0], [6.0, 2.0]]
    assert json.loads(parameter_space_to_json(SPACE))[1]["name"] == "expt"
