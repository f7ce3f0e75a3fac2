"""Exact unit hydrographs against Fourier inversion of their transforms, their own properties and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma, gammaincc

from paraformer.numerics.unit_hydrograph import (
    TravelTimes,
    Window,
    _digamma,
    _hillslope_end,
    _integral,
    unit_hydrographs,
    unit_hydrographs_transposed,
    windows,
)

DAY, HOUR = 86400.0, 3600.0


def times_of(mean: float, variance: float, shape: float = 0.0, scale: float = 0.0) -> TravelTimes:
    return TravelTimes(*(np.array([value]) for value in (mean, variance, shape, scale)))


def whole(times: TravelTimes, step: float, tail: float = 1e-12) -> np.ndarray:
    """Ordinates from lag 0 on."""
    window = windows(times, step, tail)
    return np.concatenate([np.zeros(window.offset[0]), unit_hydrographs(times, step, window)[0]])


def by_fourier(times: TravelTimes, step: float, n: int, length: float, terms: int = 200_000) -> np.ndarray:
    """The same from the product of the two transforms, as a Fourier series over ``length`` seconds."""
    mean, variance, shape, scale = (float(part[0]) for part in times)
    omega = 2 * np.pi * np.arange(1, terms + 1) / length
    transform = np.sinc(omega * step / (2 * np.pi)) ** 2 * (1 + 1j * omega * scale) ** -shape
    if mean > 0:
        ratio = mean**2 / variance
        transform = transform * np.exp(ratio * (1 - np.sqrt(1 + 2j * omega * mean / ratio)))
    return np.array(
        [step / length * (1 + 2 * (transform * np.exp(1j * omega * k * step)).real.sum()) for k in range(n)]
    )


CASES = {
    "narrow_channel": times_of(4e4, 400.0**2, 2.5, DAY),
    "wide_channel": times_of(2e4, 24000.0**2, 2.5, DAY),
    "reservoir": times_of(2e4, 4000.0**2, 1.0, 40000.0),
    "quick_hillslope": times_of(3e5, 15000.0**2, 8.0, HOUR),
    "slow_hillslope": times_of(2e6, 4e5**2, 3.0, 3e5),
    "sharp_hillslope": times_of(3e5, 15000.0**2, 0.6, 30000.0),
    "hillslope_alone": times_of(0.0, 0.0, 2.5, DAY),
    "channel_alone": times_of(2e5, 30000.0**2),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("step", [DAY, HOUR])
def test_hillslope_and_channel_are_convolved_before_the_mean_over_the_step(name: str, step: float) -> None:
    found = whole(CASES[name], step)
    n = min(len(found) - 1, 30)
    expected = by_fourier(CASES[name], step, n, max(2 * len(found), 64) * step)
    np.testing.assert_allclose(found[:n], expected, rtol=0, atol=2e-12 if name != "hillslope_alone" else 1e-9)


@given(
    mean=st.floats(300.0, 3e6),
    variation=st.floats(0.01, 3.0),
    shape=st.floats(0.5, 20.0),
    scale=st.sampled_from([0.0, 600.0, HOUR, DAY, 5 * DAY]),
    step=st.sampled_from([900.0, HOUR, 3 * HOUR, DAY]),
)
@settings(max_examples=60, deadline=None)
def test_sum_is_one_and_mean_delay_is_the_sum_of_the_two_means(
    mean: float, variation: float, shape: float, scale: float, step: float
) -> None:
    if mean / step > 500 or shape * scale / step > 500:
        step = DAY
    found = whole(times_of(mean, (variation * mean) ** 2, shape, scale), step)
    assert found.min() > -1e-12
    assert abs(found.sum() - 1) < 1e-12
    delay = (np.arange(len(found)) * found).sum() * step
    assert delay == pytest.approx(mean + shape * scale, rel=1e-9, abs=1e-7 * step)


def test_no_channel_and_no_hillslope_is_the_same_step() -> None:
    assert whole(times_of(0.0, 0.0), DAY).tolist() == [1.0]


def test_what_lies_outside_the_window_is_in_its_ends() -> None:
    times = times_of(5 * DAY, (2 * DAY) ** 2)
    full = whole(times, DAY)
    cut = unit_hydrographs(times, DAY, Window(np.array([3]), np.array([4])))[0]
    np.testing.assert_allclose(cut, [full[:4].sum(), full[4], full[5], full[6:].sum()], atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_differences(name: str) -> None:
    times, step = CASES[name], DAY
    window = windows(times, step)
    weights = np.cos(np.arange(window.length[0]))[None]  # some number of the ordinates
    slopes = unit_hydrographs_transposed(times, step, window, weights)

    def number(moved: TravelTimes) -> float:
        return float((unit_hydrographs(moved, step, window) * weights).sum())

    for field, slope in zip(TravelTimes._fields, slopes, strict=True):
        value = getattr(times, field)
        if value[0] == 0 or (field == "shape" and times.scale[0] == 0):
            continue
        ends = [number(times._replace(**{field: value * (1 + sign * 1e-3)})) for sign in (-2, -1, 1, 2)]
        difference = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * 1e-3)
        assert slope[0] * value[0] == pytest.approx(difference, rel=1e-7, abs=2e-9), field


def test_digamma_to_rounding() -> None:
    x = np.array([0.1, 0.5, 1.0, 1.4616321449683623, 2.5, 7.0, 11.9, 12.0, 30.0])
    np.testing.assert_allclose([_digamma(value) for value in x], digamma(x), rtol=1e-15, atol=4e-15)


@pytest.mark.parametrize(("t", "early", "late"), [(-2.0, 0.0, 2.0), (0.0, 0.0, 0.0), (3.0, 3.0, 0.0)])
def test_the_integral_of_no_travel_at_all(t: float, early: float, late: float) -> None:
    """J(t) = max(t, 0), and its complement J - t."""
    nothing = (0.0, 0.0, 0.0, 0.0)
    none = np.empty(0)
    assert _integral(t, *nothing, False, none, none) == early
    assert _integral(t, *nothing, True, none, none) == late


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.5, 12.0])
@pytest.mark.parametrize("tail", [1e-6, 1e-12])
def test_the_end_of_the_hillslope_leaves_what_is_asked_for_and_not_much_less(shape: float, tail: float) -> None:
    left = gammaincc(shape, _hillslope_end(shape, -np.log(tail)))
    assert 1e-6 * tail < left <= tail
