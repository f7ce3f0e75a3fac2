"""When water that leaves a cell passes a gauge: exact unit hydrographs of a hillslope and a channel, and derivatives.

The channel is the linearised diffusive wave dQ/dt = D d2Q/dx2 - v dQ/dx (Lohmann et al. 1996, Tellus 48A, eqs 13-15):
the time of travel over a distance x has an inverse Gaussian distribution with mean x/v and variance 2 D x / v3. Means
and variances of the reaches of a path add, exactly where v and D are uniform. The hillslope is a gamma distribution
(Mizukami et al. 2016, Geosci. Model Dev. 9, section 3.1). Both times add, so the densities are convolved first.

A step's water enters evenly over the step and flows are means over steps, so with J(t) the second integral of the
density of the whole time, ordinate k is (J((k+1)s) - 2 J(k s) + J((k-1)s)) / s for steps of s seconds. Nothing is
sampled, cut off or rescaled; the ordinates sum to 1.
"""

from __future__ import annotations

from math import acosh, ceil, erfc, exp, floor, isfinite, lgamma, log, pi, sqrt
from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Float, Int

from paraformer.numerics.compiled import compiled, parallel

TAIL = 1e-12
"""Share of the water that may come outside a unit hydrograph's ordinates; it is put into the first and the last one."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_NODES, _WEIGHTS = (_NODES + 1.0) / 2.0, _WEIGHTS / 2.0
_FAR = 42.0  # exp(-42) is below the rounding of 1
_SQRT2, _SQRT_PI = sqrt(2.0), sqrt(pi)


class TravelTimes(NamedTuple):
    """Times of travel from cells to gauges, one value a pair.

    Attributes:
        mean, variance: of the time in the channel [s], [s2]; 0 for a gauge's own cell.
        shape, scale: of the gamma distribution of the time on the hillslope [1], [s]; its mean is shape x scale. A
            scale of 0 is no hillslope.
    """

    mean: Float[np.ndarray, " pair"]
    variance: Float[np.ndarray, " pair"]
    shape: Float[np.ndarray, " pair"]
    scale: Float[np.ndarray, " pair"]


class Window(NamedTuple):
    """Which ordinates of each unit hydrograph are kept: ``length`` from lag ``offset`` on."""

    offset: Int[np.ndarray, " pair"]
    length: Int[np.ndarray, " pair"]

    @property
    def longest(self) -> int:
        """Steps until the last ordinate of any pair has passed."""
        return int((self.offset + self.length).max(initial=0))


def windows(times: TravelTimes, step: float, tail: float = TAIL) -> Window:
    """Ordinates that hold all but ``tail`` of the water at either end, by Chernoff's bounds.

    Args:
        times: of the pairs.
        step: routing step [s].
        tail: share of the water.
    """
    return Window(*_windows(*times, step, log(2.0 / tail)))


def unit_hydrographs(times: TravelTimes, step: float, window: Window) -> Float[np.ndarray, "pair lag"]:
    """Ordinates of the window; each row sums to 1, what comes before or after is in the first and the last one.

    Args:
        times: of the pairs.
        step: routing step [s].
        window: of the same pairs.

    Returns:
        Share of the water of step 0 that passes in step ``offset + lag``; 0 beyond a pair's ``length``.
    """
    return _ordinates(*times, step, *window, _NODES, _WEIGHTS)


def unit_hydrographs_transposed(
    times: TravelTimes, step: float, window: Window, gradient: Float[np.ndarray, "pair lag"]
) -> TravelTimes:
    """Derivatives of a number with respect to the four values of each pair, from those to the ordinates.

    Args:
        times, step, window: as for ``unit_hydrographs``.
        gradient: derivative of the number with respect to each ordinate.
    """
    return TravelTimes(*_transposed(*times, step, *window, np.ascontiguousarray(gradient), _NODES, _WEIGHTS))


@compiled
def _scaled_erfc(x: float) -> float:
    """exp(x2) erfc(x) for x >= 0, to 2 units in the last place."""
    if x < 8.0:
        high = np.float64(np.float32(x))
        square, rest = high * high, (x - high) * (x + high)  # the square of a float32 is exact
        return exp(square) * exp(rest) * erfc(x)
    fraction = x
    for n in range(30, 0, -1):
        fraction = x + 0.5 * n / fraction
    return 1.0 / (_SQRT_PI * fraction)


@compiled
def _normal(x: float) -> float:
    return 0.5 * erfc(-x / _SQRT2)


@compiled
def _channel(t: float, mean: float, shape: float) -> tuple[float, float, float, float, float, float]:
    """Of the inverse Gaussian: first and second integral, their complements, and the terms E and density.

    The complements are 1 - F and I - t + mean, which keep their digits late. ``shape`` is lambda = mean3 / variance;
    E = exp(2 lambda / mean) Phi(b), density = phi(a).
    """
    if t <= 0.0:
        return 0.0, 0.0, 1.0, mean - t, 0.0, 0.0
    root = sqrt(shape / t)
    a, b = root * (t / mean - 1.0), -root * (t / mean + 1.0)
    density = exp(-0.5 * a * a) / sqrt(2.0 * pi)
    tail = density * sqrt(pi / 2.0) * _scaled_erfc(-b / _SQRT2)
    below, above = _normal(a), _normal(-a)
    return (
        below + tail,
        (t - mean) * below + (t + mean) * tail,
        above - tail,
        (t + mean) * tail - (t - mean) * above,
        tail,
        density,
    )


@compiled
def _log_term(a: float, x: float) -> float:
    """Logarithm of x^a exp(-x) / Gamma(a + 1)."""
    return a * log(x) - x - lgamma(a + 1.0)


@compiled
def _gamma_shares(a: float, x: float) -> tuple[float, float]:
    """Regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P, the smaller one with all digits."""
    if x <= 0.0:
        return 0.0, 1.0
    first = exp(_log_term(a, x))
    if x < a + 1.5:
        term = total = 1.0
        n = a
        while term > 1e-17 * total:
            n += 1.0
            term *= x / n
            total += term
        return first * total, 1.0 - first * total
    b, c = x + 1.0 - a, 1e300  # Lentz's continued fraction of Q
    d = 1.0 / b
    fraction = d
    for i in range(1, 400):
        step = -i * (i - a)
        b += 2.0
        d = 1.0 / (step * d + b)
        c = b + step / c
        change = d * c
        fraction *= change
        if abs(change - 1.0) < 1e-16:
            break
    return 1.0 - first * a * fraction, first * a * fraction


@compiled
def _digamma(x: float) -> float:
    value = 0.0
    while x < 12.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (
        1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y * (1.0 / 132.0 - y * 691.0 / 32760.0))))
    )
    return value + log(x) - 0.5 / x - series


@compiled
def _gamma_share_by_shape(a: float, x: float) -> float:
    """Derivative of P(a, x) with respect to a, by its series."""
    if x <= 0.0:
        return 0.0
    digamma, logarithm = _digamma(a + 1.0), log(x)
    term, n = exp(_log_term(a, x)), a + 1.0
    total = term * (logarithm - digamma)
    while True:
        term *= x / n
        digamma += 1.0 / n
        n += 1.0
        part = term * (logarithm - digamma)
        total += part
        if n > x and abs(part) < 1e-18:
            return total


@compiled
def _hillslope(t: float, shape: float, scale: float, late: bool) -> float:
    """Second integral H of the gamma density; if ``late`` its complement H - t + mean."""
    if t <= 0.0:
        return shape * scale - t if late else 0.0
    x = t / scale
    share, rest = _gamma_shares(shape, x)
    term = exp(_log_term(shape, x))
    if late:
        return scale * (shape * (rest + term) - x * rest)
    return scale * (x * share - shape * (share - term))


@compiled
def _hillslope_slopes(t: float, shape: float, scale: float) -> tuple[float, float]:
    """Derivatives of ``_hillslope`` with respect to shape and scale."""
    if t <= 0.0:
        return 0.0, 0.0
    x = t / scale
    next_share = _gamma_shares(shape, x)[0] - exp(_log_term(shape, x))  # P(shape + 1, x)
    by_shape = x * _gamma_share_by_shape(shape, x) - next_share - shape * _gamma_share_by_shape(shape + 1.0, x)
    return scale * by_shape, -shape * next_share


@compiled
def _hillslope_end(shape: float, log_tail: float) -> float:
    """Multiple of the scale after which less than exp(-log_tail) of the gamma distribution is left."""
    end = shape + log_tail
    for _ in range(30):
        end = shape + log_tail + shape * log(end / shape)
    return end


@compiled
def _channel_range(mean: float, shape: float, log_tail: float) -> tuple[float, float]:
    """Times before and after which less than exp(-log_tail) of the inverse Gaussian lies."""
    middle = mean + mean * mean * log_tail / shape
    late = middle + sqrt(max(middle * middle - mean * mean, 0.0))
    return mean * mean / late, late


@compiled
def _both_limits(t: float, mean: float, shape: float, end: float) -> tuple[float, float]:
    """Range of the logarithm of (time in the channel / mean) over which the two densities are integrated."""
    ratio = shape / mean
    most = acosh(1.0 + _FAR / ratio)
    for _ in range(3):
        most = acosh(1.0 + (_FAR + 0.5 * most) / ratio)
    low = max(-most, log((t - end) / mean)) if t > end else -most
    return low, min(most, log(t / mean))


@compiled
def _both(
    t: float,
    mean: float,
    shape: float,
    a: float,
    scale: float,
    late: bool,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> float:
    """Second integral J of the density of the sum of an inverse Gaussian and a gamma time; or J - t + mean, if late.

    The hillslope's second integral H(y) is y minus its mean beyond ``end``: there the integral over the channel's time
    is closed. The rest is Gauss-Legendre quadrature in the logarithm of the channel's time, where the density has no
    singularity, in two panels; nodes gather at the upper end, where H(y) ~ y^(a + 1).
    """
    end = scale * _hillslope_end(a, _FAR)
    total = 0.0
    if late:
        _, _, above, rest, _, _ = _channel(t, mean, shape)
        total = rest + a * scale * above
    elif t > end:
        share, integral, _, _, _, _ = _channel(t - end, mean, shape)
        total = integral + (end - a * scale) * share
    low, high = _both_limits(t, mean, shape, end)
    if high <= low:
        return total
    ratio = shape / mean
    front, half = sqrt(ratio / (2.0 * pi)), 0.5 * (high - low)
    for panel in range(2):
        for i in range(len(nodes)):
            node, weight = nodes[i], weights[i]
            if panel == 0:
                x, jacobian = low + half * node, half
            else:
                x, jacobian = high - half * node * node * node, half * 3.0 * node * node
            density = front * exp(-0.5 * x - ratio * 2.0 * np.sinh(0.5 * x) ** 2)
            total += weight * jacobian * density * _hillslope(t - mean * exp(x), a, scale, late)
    return total


@compiled
def _both_slopes(
    t: float, mean: float, shape: float, a: float, scale: float, nodes: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float, float]:
    """Derivatives of ``_both`` with respect to the mean and the shape of the channel, and to those of the hillslope."""
    end = scale * _hillslope_end(a, _FAR)
    by_mean = by_shape = by_a = by_scale = 0.0
    if t > end:
        early = t - end
        share, _, _, _, tail, density = _channel(early, mean, shape)
        by_mean, by_shape = _channel_slopes(early, mean, shape)
        by_mean -= (end - a * scale) * 2.0 * shape / (mean * mean) * tail
        by_shape += (end - a * scale) * (2.0 * tail / mean - density / sqrt(shape * early))
        by_a, by_scale = -scale * share, -a * share
    low, high = _both_limits(t, mean, shape, end)
    if high <= low:
        return by_mean, by_shape, by_a, by_scale
    ratio = shape / mean
    front, half = sqrt(ratio / (2.0 * pi)), 0.5 * (high - low)
    for panel in range(2):
        for i in range(len(nodes)):
            node, weight = nodes[i], weights[i]
            if panel == 0:
                x, jacobian = low + half * node, half
            else:
                x, jacobian = high - half * node * node * node, half * 3.0 * node * node
            spread = 2.0 * np.sinh(0.5 * x) ** 2  # (time - mean)2 / (2 mean time)
            density = weight * jacobian * front * exp(-0.5 * x - ratio * spread)
            rest = t - mean * exp(x)
            value = density * _hillslope(rest, a, scale, False)
            by_mean += value * shape * (exp(x) - 1.0) / (mean * mean)
            by_shape += value * (0.5 / shape - spread / mean)
            slope_a, slope_scale = _hillslope_slopes(rest, a, scale)
            by_a += density * slope_a
            by_scale += density * slope_scale
    return by_mean, by_shape, by_a, by_scale


@compiled
def _channel_slopes(t: float, mean: float, shape: float) -> tuple[float, float]:
    """Derivatives of the second integral of the inverse Gaussian with respect to mean and shape."""
    if t <= 0.0:
        return 0.0, 0.0
    _, _, _, _, tail, density = _channel(t, mean, shape)
    root = sqrt(shape / t)
    below = _normal(root * (t / mean - 1.0))
    by_mean = -below + tail * (1.0 - 2.0 * shape * (t + mean) / (mean * mean)) + 2.0 * sqrt(shape * t) * density / mean
    return by_mean, 2.0 * (t + mean) / mean * tail - 2.0 * sqrt(t / shape) * density


@compiled
def _integral(
    t: float, mean: float, variance: float, a: float, scale: float, late: bool, nodes: np.ndarray, weights: np.ndarray
) -> float:
    """J(t) of a pair; if ``late`` its complement J - t + the mean of the whole time, which keeps its digits there."""
    if mean <= 0.0:
        if scale > 0.0:
            return _hillslope(t, a, scale, late)
        return max(-t, 0.0) if late else max(t, 0.0)
    if t <= 0.0:
        return mean + a * scale - t if late else 0.0
    shape = mean * mean * mean / variance
    if scale > 0.0:
        return _both(t, mean, shape, a, scale, late, nodes, weights)
    _, integral, _, rest, _, _ = _channel(t, mean, shape)
    return rest if late else integral


@compiled
def _slopes(
    t: float, mean: float, variance: float, a: float, scale: float, nodes: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float, float]:
    """Derivatives of J(t) with respect to mean, variance, shape and scale of a pair."""
    if mean <= 0.0:
        by_a, by_scale = _hillslope_slopes(t, a, scale) if scale > 0.0 else (0.0, 0.0)
        return 0.0, 0.0, by_a, by_scale
    if t <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    shape = mean * mean * mean / variance
    by_a = by_scale = 0.0
    if scale > 0.0:
        by_mean, by_shape, by_a, by_scale = _both_slopes(t, mean, shape, a, scale, nodes, weights)
    else:
        by_mean, by_shape = _channel_slopes(t, mean, shape)
    return by_mean + by_shape * 3.0 * shape / mean, -by_shape * shape / variance, by_a, by_scale


@parallel
def _windows(
    mean: np.ndarray, variance: np.ndarray, a: np.ndarray, scale: np.ndarray, step: float, log_tail: float
) -> tuple[np.ndarray, np.ndarray]:
    offset, count = np.zeros(len(mean), np.int64), np.ones(len(mean), np.int64)
    for pair in numba.prange(len(mean)):
        early = late = 0.0
        if mean[pair] > 0.0:
            early, late = _channel_range(mean[pair], mean[pair] ** 3 / variance[pair], log_tail)
        if scale[pair] > 0.0:
            late += scale[pair] * _hillslope_end(a[pair], log_tail)
        if isfinite(late):
            offset[pair] = floor(early / step)
            count[pair] = ceil(late / step) + 1 - offset[pair]
    return offset, count


@parallel
def _ordinates(
    mean: np.ndarray,
    variance: np.ndarray,
    a: np.ndarray,
    scale: np.ndarray,
    step: float,
    offset: np.ndarray,
    count: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Second differences of J; beyond the mean time those of J - t + mean, which keep their digits there."""
    found = np.zeros((len(mean), count.max() if len(count) else 0))
    for pair in numba.prange(len(mean)):
        m, v, shape, width, first, n = mean[pair], variance[pair], a[pair], scale[pair], offset[pair], count[pair]
        was_late, value, slope = False, _integral(first * step, m, v, shape, width, False, nodes, weights), 0.0
        for i in range(n):
            t = (first + i) * step
            late = t > m + shape * width
            if late and not was_late:
                value = _integral(t, m, v, shape, width, True, nodes, weights)
                slope = -step if i == 0 else value - _integral(t - step, m, v, shape, width, True, nodes, weights)
                was_late = True
            before, slope = slope, 0.0 if late else step
            if i < n - 1:
                after = _integral(t + step, m, v, shape, width, late, nodes, weights)
                slope, value = after - value, after
            found[pair, i] = (slope - before) / step
    return found


@parallel
def _transposed(
    mean: np.ndarray,
    variance: np.ndarray,
    a: np.ndarray,
    scale: np.ndarray,
    step: float,
    offset: np.ndarray,
    count: np.ndarray,
    gradient: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    found = np.zeros((4, len(mean)))
    for pair in numba.prange(len(mean)):
        g, n = gradient[pair], count[pair]
        for i in range(n if n > 1 else 0):
            factor = 0.0  # of J at lag i in the ordinates around it
            if i > 0:
                factor += (g[i - 1] - g[i]) / step
            if i < n - 1:
                factor -= (g[i] - g[i + 1]) / step
            t = (offset[pair] + i) * step
            slopes = _slopes(t, mean[pair], variance[pair], a[pair], scale[pair], nodes, weights)
            for j in range(4):
                found[j, pair] += factor * slopes[j]
    return found[0], found[1], found[2], found[3]
