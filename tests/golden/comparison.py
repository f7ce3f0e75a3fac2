"""How closely our files agree with those of compiled VIC-5, variable by variable."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np

from paraformer.process.vic.driver.history import DISCHARGE, HISTORY

ROUNDING = 1e-10
"""Two programs that do the same sums in double precision for years are this close, in mm and the other units."""
STATE_DIGITS = ("STATE_SOIL_MOISTURE", "STATE_SOIL_NODE_TEMP")  # stored with 12 significant digits
ATTRIBUTES = {"units", "cell_methods", "long_name", "standard_name", "description"}
"""Equal wherever the reference still has them: the energy runs are stored with units alone, and without time bounds."""
NOT_KEPT = {"STATE_ENERGY_SNOW_FLUX"}  # VIC-5 computes it anew in every step


class Difference(NamedTuple):
    """Absolute differences of one variable over all cells, layers and times."""

    unit: str
    largest: float
    mean: float
    n_value: int
    n_beyond: int  # values further apart than rounding, or than the digits the reference is stored with, explains


def summarise(gap: np.ndarray, unit: str, allowed: np.ndarray | float = ROUNDING) -> Difference:
    """Largest and mean of absolute differences; NaN marks what is missing in both.

    Args:
        gap: absolute differences, any shape.
        unit: of the variable.
        allowed: difference that storage or rounding explains, of the same shape or one number.
    """
    there = ~np.isnan(gap)
    beyond = int((gap > allowed)[there].sum())
    found = gap[there]
    return Difference(unit, float(found.max()), float(found.mean()), int(found.size), beyond)


def rounding(name: str, reference: np.ndarray, bits: int = 52) -> np.ndarray:
    """Difference that rounding explains: 1e-10, eight last bits of a large value, half of the 12th stored digit.

    Args:
        name: of the variable.
        reference: its values.
        bits: of the mantissa that the reference keeps.
    """
    size = np.abs(reference)
    allowed = ROUNDING + max(2.0**-49, 2.0**-bits) * size
    if name in STATE_DIGITS:
        allowed += 0.5 * 10.0 ** (np.floor(np.log10(np.maximum(size, 1e-30))) - 11.0)
    return allowed


def values_of(dataset: netCDF4.Dataset, name: str) -> np.ndarray:
    """A variable as float64, NaN where it is missing."""
    return np.ma.filled(dataset[name][:].astype(np.float64), np.nan)


def history_gaps(ours: Path, theirs: Path) -> dict[str, np.ndarray]:
    """Absolute differences [time, ...] of every variable this model computes, where the reference has a record.

    Dimensions, units and the way a period is made of steps must be equal, and so must the active cells.
    """
    found = {}
    with netCDF4.Dataset(ours) as a, netCDF4.Dataset(theirs) as b:
        wanted = set(b.variables) & set(HISTORY) - {DISCHARGE}  # of no run here: none names a river network
        assert wanted
        assert wanted <= set(a.variables)
        assert a["time"].units == b["time"].units
        record = np.flatnonzero(np.isin(np.round(a["time"][:] * 1440), np.round(b["time"][:] * 1440)))
        if "time_bnds" in b.variables:
            np.testing.assert_allclose(a["time_bnds"][record], b["time_bnds"][:], rtol=0, atol=1e-9)
        y = np.searchsorted(a["lat"][:], b["lat"][:])
        x = np.searchsorted(a["lon"][:], b["lon"][:])
        for name in sorted(wanted):
            for attribute in ATTRIBUTES & set(b[name].ncattrs()):
                assert getattr(a[name], attribute) == getattr(b[name], attribute), name
            assert a[name].dimensions == b[name].dimensions
            gap = np.abs(values_of(a, name)[record][..., y[:, None], x] - values_of(b, name))
            np.testing.assert_array_equal(np.isnan(gap), np.isnan(values_of(b, name)), err_msg=name)
            found[name] = gap
    return found


def state_gaps(ours: Path, theirs: Path) -> dict[str, np.ndarray]:
    """Absolute differences of every variable of two state files; dimensions and missing values must be equal."""
    found = {}
    with netCDF4.Dataset(ours) as a, netCDF4.Dataset(theirs) as b:
        assert {k: len(v) for k, v in a.dimensions.items()} == {k: len(v) for k, v in b.dimensions.items()}
        assert {n for n in b.variables if n.startswith("STATE_")} <= set(a.variables)
        for name in sorted((set(b.variables) & set(a.variables)) - NOT_KEPT):
            assert a[name].dimensions == b[name].dimensions
            gap = np.abs(values_of(a, name) - values_of(b, name))
            np.testing.assert_array_equal(np.isnan(values_of(a, name)), np.isnan(values_of(b, name)), err_msg=name)
            found[name] = gap
    return found


def beyond(gaps: dict[str, np.ndarray], tolerance: float) -> dict[str, float]:
    """Largest difference of every variable that exceeds the tolerance somewhere."""
    return {name: float(np.nanmax(gap)) for name, gap in gaps.items() if not np.nanmax(gap) <= tolerance}
