"""Numbers inside a page come back as they were, to the step that is said; so do missing ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from paraformer.report.packing import Pack, coding
from report.embedded import decoded, inflated

NUMBERS = st.one_of(st.floats(-1e4, 1e4, width=32), st.just(np.nan))


@given(
    values=arrays_of.arrays(np.float64, arrays_of.array_shapes(max_dims=3, max_side=8), elements=NUMBERS),
    step=st.sampled_from([1e-4, 0.01, 0.5, 40.0]),
    series=st.booleans(),
)
def test_numbers_come_back_within_half_a_step(values: np.ndarray, step: float, series: bool) -> None:
    pack = Pack()
    pack.add("before", np.arange(5.0), 1.0)
    pack.add("x", values, step, series=series)
    data = inflated(pack.text())
    found, spec = decoded(data, pack.specs["x"]), pack.specs["x"]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert np.all(np.abs(found - values)[np.isfinite(values)] <= 0.5 * spec["step"] * (1 + 1e-6))
    span = np.ptp(values[np.isfinite(values)]) if np.isfinite(values).any() else 0.0
    assert spec["step"] == max(step, span / 65534)
    assert spec["width"] == (1 if span / spec["step"] <= 253 else 2)
    np.testing.assert_array_equal(decoded(data, pack.specs["before"]), np.arange(5.0))


def test_a_logarithmic_array_keeps_small_values() -> None:
    values = np.array([1e-4, 3e-3, np.nan, 0.9, 50.0])
    pack = Pack()
    pack.add("x", values, 4e-4, log=True)
    found = decoded(inflated(pack.text()), pack.specs["x"])
    np.testing.assert_allclose(found, values, rtol=5e-4)


@pytest.mark.parametrize("series", [False, True])
def test_values_beyond_the_codes_become_the_last_one(series: bool) -> None:
    how = coding(np.array([0.0, 1.0]), 0.01, series=series)
    data = how.encode(np.array([[-5.0, 0.5, np.nan, 99.0]]))
    found = decoded(data, {"shape": [1, 4], "at": 0, **how.spec()})
    np.testing.assert_allclose(found[0, :2], [0.0, 0.5])
    assert np.isnan(found[0, 2])
    assert found[0, 3] == 254 * 0.01


def test_a_smooth_series_takes_less_room_as_differences() -> None:
    values = 0.3 + 1e-3 * np.random.default_rng(0).standard_normal(3000).cumsum()
    sizes = []
    for series in (False, True):
        pack = Pack()
        pack.add("x", values, 1e-4, series=series)
        sizes.append(len(pack.text()))
    assert sizes[1] < 0.8 * sizes[0]


def test_the_same_numbers_give_the_same_text() -> None:
    texts = set()
    for _ in range(2):
        pack = Pack()
        pack.add("x", np.arange(9.0), 0.1)
        texts.add(pack.text())
    assert len(texts) == 1
