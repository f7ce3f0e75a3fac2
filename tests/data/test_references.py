"""References that learners are compared with: units, order of months, and nothing of unseen cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.schema import Cube
from paraformer.core.time import DAYS_OF_MONTH
from paraformer.data.references import references_of

TRAINED = np.array([True, True, False])


def cube(**changes: object) -> Cube:
    months = np.roll(np.arange(1, 13), 3)
    monthly = xr.DataArray(np.tile(months * 10.0, (3, 1)), dims=("cell", "month"), attrs={"units": "mm/month"})
    daily = xr.DataArray(np.ones((12, 3)), dims=("month", "cell"), attrs={"units": "mm day-1"})
    ratio = xr.DataArray([0.2, np.nan, 0.4], dims=("cell",), attrs={"units": "1"})
    variables = {"et_a": monthly, "et_b": daily, "ratio": ratio, **changes}
    return Cube(xr.Dataset(variables, coords={"month": months}))


def test_months_are_in_order_and_in_millimetres_a_month() -> None:
    found = references_of(cube(), ("et_a", "et_b", "ratio"), TRAINED)
    np.testing.assert_allclose(found["et_a"].values[0], 10.0 * np.arange(1, 13))
    np.testing.assert_allclose(found["et_b"].values[1], DAYS_OF_MONTH)
    assert found["ratio"].values[0, 0] == 0.2


def test_unseen_and_missing_values_are_masked() -> None:
    found = references_of(cube(), ("et_a", "ratio"), TRAINED)
    assert found["et_a"].known.all(axis=1).tolist() == [True, True, False]
    assert found["ratio"].known[:, 0].tolist() == [True, False, False]
    assert not found["et_a"].values[2].any()
    assert np.isfinite(found["ratio"].values).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("et_c", "reference 'et_c' is not in the cube; did you mean 'et_"),
        ("et_year", "has unit 'mm year-1', expected one of"),
        ("et_series", r"has dims \('cell', 'time'\)"),
    ],
)
def test_what_is_no_reference_is_named(name: str, message: str) -> None:
    year = xr.DataArray(np.ones((3, 12)), dims=("cell", "month"), attrs={"units": "mm/yr"})
    series = xr.DataArray(np.ones((3, 5)), dims=("cell", "time"), attrs={"units": "mm day-1"})
    with pytest.raises(DataError, match=message):
        references_of(cube(et_year=year, et_series=series), (name,), TRAINED)
