"""Closing an energy balance: the root finder, and refreezing where the root is 0 degC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paraformer.process.vic.constants import (
    BRACKET_STEP,
    BRACKET_TRIES,
    DOUBLE_EPSILON,
    ROOT_ITERATIONS,
    ROOT_TOLERANCE,
)
from paraformer.process.vic.jit import compiled

NO_ROOT = -9998.0  # below every temperature a bracket can reach


def root_finder(function: Callable[[float, Any], float]) -> Callable[[Any, float, float], float]:
    """Make a function ``(arguments, lower, upper)`` that returns the temperature where ``function(temperature,
    arguments)`` vanishes, or ``NO_ROOT``.

    Brent (1973), Algorithms for Minimization without Derivatives, ch. 4 (zeroin), with tolerance
    2 eps |b| + 1e-7 K. A bracket without a sign change is widened by 10 K on both sides, at most 5 times.
    """

    @compiled
    def find_root(arguments: Any, lower: float, upper: float) -> float:
        a, b = lower, upper
        fa, fb, tries = 0.0, 0.0, 0
        while fa * fb >= 0.0 and tries <= BRACKET_TRIES:
            if tries > 0:
                a -= BRACKET_STEP
                b += BRACKET_STEP
            fa, fb = function(a, arguments), function(b, arguments)
            tries += 1
        if not fa * fb < 0.0:
            return NO_ROOT
        fc = fb
        c = b
        step = b - a
        previous = step
        for _ in range(ROOT_ITERATIONS):
            if fb * fc > 0.0:
                c, fc = a, fa
                step = b - a
                previous = step
            if abs(fc) < abs(fb):
                a, b, c = b, c, b
                fa, fb, fc = fb, fc, fb
            tolerance = 2.0 * DOUBLE_EPSILON * abs(b) + ROOT_TOLERANCE
            middle = 0.5 * (c - b)
            if abs(middle) <= tolerance or fb == 0.0:
                return b
            if abs(previous) < tolerance or abs(fa) <= abs(fb):
                step = middle
                previous = middle
            else:
                s = fb / fa
                if a == c:  # secant
                    p = 2.0 * middle * s
                    q = 1.0 - s
                else:  # inverse quadratic interpolation
                    q = fa / fc
                    r = fb / fc
                    p = s * (2.0 * middle * q * (q - r) - (b - a) * (r - 1.0))
                    q = (q - 1.0) * (r - 1.0) * (s - 1.0)
                if p > 0.0:
                    q = -q
                else:
                    p = -p
                s = previous
                previous = step
                if 2.0 * p < 3.0 * middle * q - abs(tolerance * q) and p < abs(0.5 * s * q):
                    step = p / q
                else:
                    step = middle
                    previous = middle
            a, fa = b, fb
            if abs(step) > tolerance:
                b += step
            elif middle > 0.0:
                b += tolerance
            else:
                b -= tolerance
            fb = function(b, arguments)
        return NO_ROOT

    return find_root


@compiled
def refreezing(temperature: float, rest: float, available: float) -> tuple[float, float]:
    """Energy of refreezing [W m-2] and what is left of the balance: at 0 degC only as much freezes as closes it."""
    if temperature == 0.0 and rest > -available:
        return -rest, 0.0
    return available, rest + available
