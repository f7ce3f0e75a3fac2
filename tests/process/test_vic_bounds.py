"""Bounds of θ against VIC's limits, and against what the cells of a parameter file allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.parameters import VIC_PARAMETERS, Parameter, ParameterSpace
from paraformer.process.config import ProcessConfig
from paraformer.process.offered import offered_outputs, require_parameters
from paraformer.process.vic.bounds import require_bounds, require_corners
from paraformer.process.vic.files import require_writable
from paraformer.process.vic.parameters import LIMITS, THETA, apply_theta
from process.miniature import make_parameters


def space(**bounds: tuple[float, float]) -> ParameterSpace:
    return ParameterSpace([Parameter(name=name, lower=low, upper=high) for name, (low, high) in bounds.items()])


def test_the_catalogue_is_inside_the_limits() -> None:
    for parameter in VIC_PARAMETERS.values():
        require_bounds(ParameterSpace([parameter]))


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"expt": (1, 30)}, "parameters: lower bound 1 of 'expt' is beyond VIC's limits, 3.01 to 200"),
        ({"expt": (-3, 10)}, "lower bound -3 of 'expt'"),
        ({"expt_2": (4, 1e4)}, "upper bound 10000 of 'expt_2'"),
        ({"infilt": (-1, 0.9)}, "lower bound -1 of 'infilt'"),
        ({"infilt": (0, 0.9)}, "lower bound 0 of 'infilt' is beyond VIC's limits, 1e-05 to 10"),
        ({"ws": (0.1, 5)}, "upper bound 5 of 'ws' is beyond VIC's limits, 0.001 to 1"),
        ({"ds": (0.1, 1.01)}, "upper bound 1.01 of 'ds'"),
        ({"ds": (-0.1, 1)}, "lower bound -0.1 of 'ds'"),
        ({"dsmax": (-1, 50)}, "lower bound -1 mm day-1 of 'dsmax'"),
        ({"depth_1": (1e-7, 0.01)}, "lower bound 1e-07 m of 'depth_1' is beyond VIC's limits, 0.001 to 50 m"),
        ({"depth_3": (0.1, 1000)}, "upper bound 1000 m of 'depth_3'"),
        ({"ksat": (0, 20)}, "lower bound 0 of 'ksat'"),
        ({"wcr": (-1, 2)}, "lower bound -1 of 'wcr'"),
        ({"canopy_gap": (-0.1, 2)}, "lower bound -0.1 of 'canopy_gap'"),
        ({"foo": (0, 1)}, "parameters: unknown VIC parameter 'foo'"),
        ({"Expt": (4, 10)}, "parameters: unknown VIC parameter 'Expt'; did you mean 'expt'"),
        ({"expt": (4, 10), "expt_1": (4, 10)}, "parameters: VIC parameters 'expt' and 'expt_1' both set expt_1"),
        ({"expt_3": (4, 10), "expt": (4, 10)}, "'expt_3' and 'expt' both set expt_3"),
    ],
)
def test_a_bound_beyond_the_limits_is_named(bounds: dict[str, tuple[float, float]], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        require_bounds(space(**bounds))
    assert told in str(caught.value)


def test_a_scale_counts() -> None:
    scaled = Parameter(name="ws", lower=0.1, upper=7.6, scale=0.13)
    require_bounds(ParameterSpace([scaled]))
    with pytest.raises(SettingsError, match=r"upper bound 1\.52 of 'ws'"):
        require_bounds(ParameterSpace([scaled.model_copy(update={"scale": 0.2})]))


@pytest.mark.parametrize("name", sorted(THETA))
def test_the_ends_of_every_limit_are_values_that_vic_takes(name: str) -> None:
    """No parameter alone is refused inside its limits; the two that depend on the cells are left to their own test."""
    low, high, _ = LIMITS[THETA[name][0]]
    here = make_parameters(2)
    if name == "depth_1":
        high = float(here.depth[:, 1].min())
    if name == "depth_2":
        low = float(here.depth[:, 0].max())
    if name == "wcr":
        high = 1.0
    require_bounds(space(**{name: (low, high)}))
    require_corners(here, space(**{name: (low, high)}))


def test_a_bound_that_the_cells_do_not_allow_is_named_with_the_cell() -> None:
    here = make_parameters(3)._replace(cell=np.array([101, 207, 309]))
    here = here._replace(depth=np.array([[0.1, 0.3, 1.5], [0.1, 0.25, 1.5], [0.1, 0.3, 1.5]]))
    require_corners(here, space(depth_1=(0.05, 0.25)))
    with pytest.raises(
        SettingsError, match=r"parameters: VIC cannot run .*: cell 207.*depth_1 = 0\.28, expected at most"
    ):
        require_corners(here, space(depth_1=(0.05, 0.28)))
    require_corners(here, space(depth_1=(0.05, 0.28), depth_2=(0.28, 0.5)))
    with pytest.raises(SettingsError, match=r"cell 101.*depth_1 = 0\.28, expected at most depth_2"):
        require_corners(here, space(depth_1=(0.05, 0.28), depth_2=(0.27, 0.5)))
    with pytest.raises(SettingsError, match=r"cell 101.*depth_1 = 0\.1, expected at most depth_2"):
        require_corners(here, space(depth_2=(0.09, 0.5)))
    with pytest.raises(SettingsError, match=r"wcr = 50, which puts the critical point of layer 1 above saturation"):
        require_corners(here, space(wcr=(0.5, 50)))


def test_inside_the_bounds_nothing_is_refused() -> None:
    """What the corners allow holds inside: random θ of spaces that pass."""
    random, here = np.random.default_rng(0), make_parameters(2)
    bounds = {"depth_1": (0.01, 0.2), "depth_2": (0.2, 3.0), "wcr": (0.1, 1.2), "expt": (3.01, 200), "ds": (0, 1)}
    checked = space(**bounds)
    require_bounds(checked)
    require_corners(here, checked)
    theta = checked.from_unit(random.random((2, 200, len(checked))))
    apply_theta(here, theta, checked.names)


def test_a_file_that_cannot_hold_theta_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("x", 1)
        for name, kind in (("infilt", "f8"), ("expt", "f4"), ("Ksat", "f4"), ("Wcr_FRACT", "f8")):
            dataset.createVariable(name, kind, ("x",))
    require_writable(path, ("infilt", "wcr"))
    with pytest.raises(DataError, match=r"params\.nc: 'expt' is stored as float32, expected float64, to hold 'expt_2'"):
        require_writable(path, ("infilt", "expt_2"))
    with pytest.raises(DataError, match=r"'Ksat' is stored as float32, expected float64, to hold 'ksat'"):
        require_writable(path, ("ksat",))


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"infilt": (0.1, 0.9)}, "the bucket has residence, depth, residual"),
        (
            {"residence": (0, 60), "depth": (50, 500), "residual": (0, 0.2)},
            "'residence': found 0 to 60, expected above 0",
        ),
        ({"residence": (1, 60), "depth": (-1, 500), "residual": (0, 0.2)}, "'depth': found -1 to 500"),
        (
            {"residence": (1, 60), "depth": (50, 500), "residual": (0, 1.2)},
            "'residual': found 0 to 1.2, expected 0 to 1",
        ),
    ],
)
def test_the_bucket_has_limits_too(bounds: dict[str, tuple[float, float]], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        require_parameters(ProcessConfig(model="bucket"), space(**bounds))
    assert told in str(caught.value)


def test_outputs_of_an_ensemble_are_those_that_an_archive_knows() -> None:
    models: dict[str, Any] = {m: offered_outputs(ProcessConfig.model_construct(model=m)) for m in ("vic", "bucket")}
    assert models["bucket"] == ("soil_moisture", "baseflow")
    assert {"soil_moisture", "evapotranspiration", "runoff", "baseflow", "swe"} < set(models["vic"])
    assert "transpiration" not in models["vic"]
