"""ParameterSpace: the map to unit coordinates is exact, ordered and bounded; wrong spaces and θ are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.parameters import PAPER_SET, VIC_PARAMETERS, Parameter, ParameterSpace
from paraformer.core.schema import parameter_space_from_json, parameter_space_to_json

UNIT = st.floats(0, 1)


@given(st.lists(UNIT, min_size=len(VIC_PARAMETERS), max_size=len(VIC_PARAMETERS)))
def test_unit_coordinates_round_trip(u: list[float]) -> None:
    space = ParameterSpace(VIC_PARAMETERS.values())
    theta = space.from_unit(np.array(u))
    space.require_inside(theta)
    np.testing.assert_allclose(space.to_unit(theta), u, atol=1e-12)


def test_log_transform_puts_the_geometric_mean_in_the_middle() -> None:
    decades = Parameter(name="a", lower=0.01, upper=100, transform="log")
    space = ParameterSpace([decades, Parameter(name="b", lower=2, upper=4)])
    np.testing.assert_allclose(space.from_unit(np.array([0.5, 0.5])), [1.0, 3.0])
    np.testing.assert_allclose(space.from_unit(np.array([[0.0, 0.0], [1.0, 1.0]])), [[0.01, 2], [100, 4]])


def test_scale_gives_bounds_in_scaled_units() -> None:
    """The paper's Table 1 bounds ds to [0, 7.6] in units of a standard deviation."""
    parameter = Parameter(name="ds", lower=0.0, upper=7.6, scale=0.1)
    assert parameter.physical_bounds == pytest.approx((0.0, 0.76))
    assert parameter.from_unit(1.0) == pytest.approx(0.76)


def test_out_of_bounds_names_parameter_cell_and_range() -> None:
    space = ParameterSpace.of(*PAPER_SET)
    theta = np.tile(space.from_unit(np.full(5, 0.5)), (3, 1))
    theta[1, 4] = 31.0
    with pytest.raises(DataError, match=r"'expt', cell 207: found 31, expected 4 to 30 \[1\]"):
        space.require_inside(theta, cells=[101, 207, 309])
    theta[1, 4] = np.nan
    with pytest.raises(DataError, match="found nan"):
        space.require_inside(theta)


def test_bad_spaces_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="unknown parameter 'infil'; did you mean 'infilt'"):
        ParameterSpace.of("infil")
    with pytest.raises(SettingsError, match="'ds' occurs twice"):
        ParameterSpace.of("ds", "ws", "ds")
    with pytest.raises(ValidationError, match="not below upper bound"):
        Parameter(name="x", lower=1, upper=1)
    with pytest.raises(ValidationError, match="lower bound above 0"):
        Parameter(name="x", lower=0, upper=1, transform="log")


def test_json_round_trip() -> None:
    space = ParameterSpace.of("ksat", "depth_1")
    assert parameter_space_from_json(parameter_space_to_json(space)) == space


def test_bounds_are_part_of_the_space_and_rounding_is_forgiven() -> None:
    space = ParameterSpace([Parameter(name="a", lower=2, upper=4), Parameter(name="b", lower=-1, upper=1)])
    space.require_inside(np.array([[2.0, -1.0], [4.0, 1.0]]))
    space.require_inside(np.array([[2.0 - 1e-9, 1.0 + 1e-9]]))
    for theta, name in (([2.0 - 1e-8, 0.0], "a"), ([4.0 + 1e-8, 0.0], "a"), ([3.0, -1.0 - 1e-8], "b")):
        with pytest.raises(DataError, match=f"parameter '{name}', cell 0"):
            space.require_inside(np.array([theta]))
    with pytest.raises(DataError, match=r"parameter 'b', cell 0: found 2"):
        space.require_inside(np.array([3.0, 2.0]))
    with pytest.raises(DataError, match=r"theta has 3 parameters on its last axis; .*has 2"):
        space.require_inside(np.zeros((1, 3)))
    np.testing.assert_array_equal(space.clip(np.array([[1.0, 9.0], [3.0, 0.5]])), [[2.0, 1.0], [3.0, 0.5]])
    assert (space.lower.tolist(), space.upper.tolist()) == ([2.0, -1.0], [4.0, 1.0])


@pytest.mark.parametrize(
    ("lower", "upper", "transform", "scale", "words"),
    [
        (2.0, 1.0, "linear", 1.0, "not below upper bound"),
        (0.0, 1.0, "log", 1.0, "lower bound above 0"),
        (-1.0, 1.0, "log", 1.0, "lower bound above 0"),
        (1e-300, 1e300, "log", 1.0, "too wide or too close"),
        (-1.7e308, 1.7e308, "linear", 1.0, "too wide or too close"),
        (1.0, 1.2, "linear", 5e-324, "too wide or too close"),
        (1e-9, 1.0, "log", 1e-320, "too wide or too close"),
    ],
)
def test_bounds_that_no_search_can_work_in(
    lower: float, upper: float, transform: str, scale: float, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Parameter(name="x", lower=lower, upper=upper, transform=transform, scale=scale)


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_scale_is_above_zero(scale: float) -> None:
    with pytest.raises(ValidationError, match="scale"):
        Parameter(name="x", lower=1, upper=2, scale=scale)


@pytest.mark.parametrize("name", ["cell", "lat", "lon", "a b", "1a", ""])
def test_a_parameter_is_named_like_a_variable(name: str) -> None:
    with pytest.raises(ValidationError, match="as in names of variables, and no coordinate"):
        Parameter(name=name, lower=1, upper=2)


def test_spaces_are_equal_by_what_they_hold() -> None:
    assert ParameterSpace.of("ds", "ws") == ParameterSpace.of("ds", "ws") != ParameterSpace.of("ws", "ds")
    assert ParameterSpace.of("ds") != "ds"
    assert len({ParameterSpace.of("ds"), ParameterSpace.of("ds")}) == 1
    with pytest.raises(SettingsError, match="the parameter space is empty"):
        ParameterSpace([])
