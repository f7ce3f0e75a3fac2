"""Stored numbers mean what CF says, with the bits of xarray where xarray obeys it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from paraformer.core.cf import decode, decoded_type, missing

STORED: dict[str, np.ndarray] = {
    "i1": np.array([-128, -5, 0, 7, 127], "i1"),
    "u1": np.array([0, 1, 9, 200, 255], "u1"),
    "i2": np.array([-32768, -9999, 0, 12345, 32767], "i2"),
    "i4": np.array([-9999, -1, 0, 123456789, 2147483647], "i4"),
    "f4": np.array([-9999, 0.1, 0.2, 1e20, np.nan], "f4"),
    "f8": np.array([-9999, 0.1, 0.2, 1e20, np.nan], "f8"),
    ">f4": np.array([-9999, 0.1, 0.2, 1e20, np.nan], ">f4"),
}
PACKING: list[dict[str, Any]] = [
    {},
    {"scale_factor": 0.01},
    {"scale_factor": np.float32(0.01)},
    {"add_offset": 273.15},
    {"scale_factor": np.float32(0.01), "add_offset": np.float32(5)},
    {"scale_factor": 0.01, "add_offset": 5.0},
    {"scale_factor": np.float32(0.01), "add_offset": 5.0},
]


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("packing", PACKING)
def test_unpacking_has_the_bits_of_xarray(kind: str, packing: dict[str, Any]) -> None:
    stored = STORED[kind]
    fill = stored.dtype.newbyteorder("=").type(stored[0])
    for attributes in ({"_FillValue": fill, **packing}, {"missing_value": fill, **packing}):
        expected = xr.decode_cf(xr.Dataset({"a": ("x", stored, attributes)}))["a"].values
        found = decode(stored, attributes)
        assert found.dtype == expected.dtype.newbyteorder("=")
        if packing or stored.dtype.kind == "f":
            assert decoded_type(stored.dtype, attributes) == found.dtype
        np.testing.assert_array_equal(found, expected)


def test_whole_numbers_stay_whole_unless_one_is_missing() -> None:
    cells = np.array([3, 2**53 + 1], "i8")
    found = decode(cells, {"_FillValue": np.int64(-1)})
    assert found.dtype == np.int64
    assert found.tolist() == cells.tolist()
    assert decoded_type(cells.dtype, {"_FillValue": np.int64(-1)}) == np.int64
    assert np.isnan(decode(np.array([-1, 4], "i8"), {"_FillValue": np.int64(-1)}))[0]
    assert decode(np.array(["a", "b"]), {"_FillValue": ""}).tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"valid_min": np.float32(0.1)}, [0, 1, 1, 1]),
        ({"valid_max": 0.3}, [1, 1, 1, 0]),  # double precision beside float values
        ({"valid_range": np.array([0.1, 0.3])}, [0, 1, 1, 0]),
        ({"valid_range": np.array([0.1, 0.3]), "valid_max": 0.2}, [0, 1, 0, 0]),
        ({"missing_value": np.array([0.05, 0.6])}, [0, 1, 1, 0]),
        ({"valid_min": "0.1"}, [0, 1, 1, 1]),
        ({"_FillValue": np.float32(np.nan), "valid_max": np.inf}, [1, 1, 1, 1]),
        ({"_FillValue": np.nan, "missing_value": 1e300}, [1, 1, 1, 1]),
    ],
)
def test_the_valid_range_and_every_missing_value_are_obeyed(attributes: dict[str, Any], expected: list[int]) -> None:
    values = np.array([0.05, 0.1, 0.3, 0.6], "f4")
    assert (~missing(values, attributes)).astype(int).tolist() == expected
    np.testing.assert_array_equal(decode(values, attributes), np.where(expected, values, np.nan).astype("f4"))


def test_the_range_of_packed_values_counts_in_the_unit_it_is_stated_in() -> None:
    counts = np.array([-10, 0, 1000, 1100], "i2")
    scale = {"scale_factor": 0.01, "add_offset": 0.0}
    expected = [np.nan, 0.0, 10.0, np.nan]
    in_counts = {"valid_range": np.array([0, 1000], "i2"), **scale}
    unpacked = {"valid_min": 0.0, "valid_max": 10.0, **scale}
    for attributes in (in_counts, unpacked):
        np.testing.assert_allclose(decode(counts, attributes), expected)
    downward = {"scale_factor": -0.01, "valid_min": -10.0, "valid_max": 0.0}
    np.testing.assert_allclose(decode(counts, downward), [np.nan, 0.0, -10.0, np.nan])
    shifted = {"scale_factor": 0.01, "add_offset": 5.0, "valid_min": 5.0, "valid_max": 15.0}
    np.testing.assert_allclose(decode(counts, shifted), [np.nan, 5.0, 15.0, np.nan])


def test_signed_bytes_that_stand_for_unsigned_ones() -> None:
    values = np.array([-1, -2, 5], "i1")
    attributes = {"_Unsigned": "true", "_FillValue": np.int8(-1), "valid_max": np.int8(-2)}
    np.testing.assert_array_equal(decode(values, attributes), [np.nan, 254, 5])


@pytest.mark.parametrize(
    "attributes",
    [
        {"scale_factor": 0.0},
        {"scale_factor": np.nan},
        {"scale_factor": np.array([1.0, 2.0])},
        {"add_offset": np.inf},
        {"_FillValue": "none"},
        {"valid_range": np.array([1.0])},
        {"valid_min": "low"},
    ],
)
def test_an_attribute_that_cannot_be_obeyed_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="attribute"):
        decode(np.array([1, 2], "i2"), attributes)


def test_a_fill_value_that_the_type_cannot_hold_matches_nothing() -> None:
    attributes = {"_FillValue": 1e20, "missing_value": 1.5}
    assert decode(np.array([1, 2], "i2"), attributes).tolist() == [1, 2]
