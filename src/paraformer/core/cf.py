"""What a stored number means by the CF conventions: packing, missing values, valid range (CF-1.8, 2.5.1 and 8.1).

One function for every reader (netCDF, zarr, HDF), so that a file means the same whichever library opens it. Unpacked
values have the bits that xarray gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

Attributes = Mapping[str, Any]

VALID_RANGE = ("valid_min", "valid_max", "valid_range")
"""Attributes that state which values a file calls valid."""


def decode(values: np.ndarray, attributes: Attributes) -> np.ndarray:
    """Stored values as what they mean: unpacked, NaN where they are missing or outside the range the file calls valid.

    Whole numbers that are not packed stay whole numbers unless one of them is missing. Text stays as it is.

    Args:
        values: as stored, any shape.
        attributes: of the variable; ``_FillValue``, ``missing_value``, ``valid_min``, ``valid_max``, ``valid_range``,
            ``scale_factor``, ``add_offset`` and ``_Unsigned`` are obeyed.

    Raises:
        ValueError: an attribute that is no number, a ``scale_factor`` of 0, or an infinite one.
    """
    if values.dtype.kind not in "iuf":
        return values
    stored = native(values, attributes)
    absent = missing(values, attributes)
    if not is_packed(attributes) and stored.dtype.kind in "iu" and not absent.any():
        return stored
    found = stored.astype(_float_type(stored.dtype, attributes))
    if "scale_factor" in attributes:
        found *= packing(attributes)[0]
    if "add_offset" in attributes:
        found += packing(attributes)[1]
    found[absent] = np.nan
    return found


def missing(values: np.ndarray, attributes: Attributes) -> Bool[np.ndarray, "*n"]:
    """Where stored values are missing: a fill value, NaN, or outside the valid range.

    A valid range counts in the unit of the stored numbers; in that of the unpacked ones, if packed whole numbers state
    it as a fraction (NetCDF Users' Guide, attribute conventions).

    Raises:
        ValueError: as ``decode``.
    """
    stored = native(values, attributes)
    found = np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, dtype=bool)
    for fill in (*_numbers(attributes, "_FillValue"), *_numbers(attributes, "missing_value")):
        same = _as_stored(fill, stored.dtype, values.dtype)
        if same is not None:
            found |= stored == same
    return found | _beyond(stored, attributes, values.dtype)


def beyond_valid(values: np.ndarray, attributes: Attributes) -> Bool[np.ndarray, "*n"]:
    """Where stored values are missing for no other reason than the valid range that the file states.

    Raises:
        ValueError: as ``decode``.
    """
    found = _beyond(native(values, attributes), attributes, values.dtype)
    if found.any():
        found &= ~missing(values, {name: value for name, value in attributes.items() if name not in VALID_RANGE})
    return found


def valid_words(attributes: Attributes) -> str:
    """Words for the valid range that a file states: ``valid_min 0.02, valid_max 0.6``; none if it states none."""
    stated = {name: _numbers(attributes, name) for name in VALID_RANGE}
    return ", ".join(f"{name} {' to '.join(f'{n:g}' for n in numbers)}" for name, numbers in stated.items() if numbers)


def _beyond(stored: np.ndarray, attributes: Attributes, given: np.dtype) -> Bool[np.ndarray, "*n"]:
    """Stored values outside the valid range."""
    found = np.zeros(stored.shape, dtype=bool)
    for name, sign in zip(VALID_RANGE, (-1, 1, 0), strict=True):
        limits = _numbers(attributes, name)
        if name == "valid_range" and len(limits) not in (0, 2):
            raise ValueError(f"attribute valid_range has {len(limits)} values, expected 2")
        for limit, side in zip(limits, (sign,) if sign else (-1, 1), strict=False):
            found |= _outside(stored, limit, side, attributes, given)
    return found


def is_packed(attributes: Attributes) -> bool:
    """Whether stored values have a scale or an offset."""
    return "scale_factor" in attributes or "add_offset" in attributes


def packing(attributes: Attributes) -> tuple[Any, Any]:
    """Scale and offset, numbers of the type the file gives them.

    Raises:
        ValueError: a scale of 0, or one of the two is no finite number.
    """
    found = []
    for name, default in (("scale_factor", 1.0), ("add_offset", 0.0)):
        numbers = _numbers(attributes, name) or [default]
        if len(numbers) != 1 or not np.isfinite(numbers[0]):
            raise ValueError(f"attribute {name} is {attributes[name]}, expected one finite number")
        found.append(numbers[0])
    if found[0] == 0:
        raise ValueError("attribute scale_factor is 0, so that every value would be the same")
    return found[0], found[1]


def decoded_type(dtype: np.dtype, attributes: Attributes) -> np.dtype:
    """Type of decoded values without a missing one."""
    stored = _stored_type(dtype, attributes)
    return _float_type(stored, attributes) if stored.kind == "f" or is_packed(attributes) else stored


def _stored_type(dtype: np.dtype, attributes: Attributes) -> np.dtype:
    unsigned = str(attributes.get("_Unsigned", "")).lower()
    kind = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, unsigned), dtype.kind)
    return np.dtype(f"{kind}{dtype.itemsize}") if dtype.kind in "iuf" else dtype


def native(values: np.ndarray, attributes: Attributes) -> np.ndarray:
    """In the byte order of the machine, signed or not as ``_Unsigned`` says."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.view(_stored_type(values.dtype, attributes))


def _numbers(attributes: Attributes, name: str) -> list[Any]:
    """Values of an attribute, none if it is not there; text that holds a number counts as one."""
    given = attributes.get(name)
    if given is None:
        return []
    found = np.atleast_1d(np.asarray(given))
    if found.dtype.kind not in "iuf":
        try:
            found = found.astype(np.float64)
        except (ValueError, TypeError):
            raise ValueError(f"attribute {name} is {given!r}, expected a number") from None
    return list(found)


def _as_stored(fill: Any, stored: np.dtype, given: np.dtype) -> Any:
    """A fill value in the type of the stored values, ``None`` if that type cannot hold it."""
    if stored.kind == "f":
        return stored.type(fill) if abs(fill) <= np.finfo(stored).max else None
    if not np.isfinite(fill) or fill != int(fill):
        return None
    number, info = int(fill), np.iinfo(stored)
    if stored.kind != given.kind:  # the attribute has the type of the file, of the other sign
        number = int(np.array(number).astype(given).view(stored)) if _fits(number, np.iinfo(given)) else number
    return stored.type(number) if _fits(number, info) else None


def _fits(number: int, info: np.iinfo) -> bool:
    return info.min <= number <= info.max


def _outside(stored: np.ndarray, limit: Any, side: int, attributes: Attributes, given: np.dtype) -> np.ndarray:
    """Stored values below (side -1) or above (1) a limit."""
    if not np.isfinite(limit):
        return np.zeros(stored.shape, dtype=bool)
    slack = 0.0
    if is_packed(attributes) and stored.dtype.kind in "iu" and np.asarray(limit).dtype.kind == "f":
        scale, offset = packing(attributes)
        limit = (float(limit) - float(offset)) / float(scale)
        side, slack = (side if scale > 0 else -side), 0.5  # half a count: the limit itself may have been rounded
    else:
        limit = limit if (same := _as_stored(limit, stored.dtype, given)) is None else same
    if side > 0:
        return stored > (limit + slack if slack else limit)
    return stored < (limit - slack if slack else limit)


def _float_type(dtype: np.dtype, attributes: Attributes) -> np.dtype:
    """Floating-point type of unpacked values, by the rules of xarray (``xarray.coding.variables``)."""
    scale, offset = (_numbers(attributes, name) for name in ("scale_factor", "add_offset"))
    kinds = {number.dtype for number in (*scale, *offset)}
    if scale and offset and len(kinds) == 1 and kinds <= {np.dtype(np.float32), np.dtype(np.float64)}:
        wide = dtype.kind in "iu" and dtype.itemsize == 4
        return np.dtype(np.float64) if wide else kinds.pop()
    if offset:
        return np.dtype(np.float64)
    if scale:
        return scale[0].dtype if scale[0].dtype.kind == "f" else np.dtype(np.float64)
    if dtype.kind == "f":
        return np.dtype(np.float32) if dtype.itemsize <= 4 else dtype
    return np.dtype(np.float32) if dtype.itemsize <= 2 else np.dtype(np.float64)
