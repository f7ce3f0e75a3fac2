"""Unit hydrographs of paths whose velocity and diffusivity change from cell to cell, composed without approximation.

Reaches in series convolve, so the exponents of their Laplace transforms add along the path (Lohmann et al. 1996):
H(s) = exp(sum of x (v - sqrt(v2 + 4 D s)) / (2 D)). The transform is evaluated on the imaginary axis and summed as a
Fourier series; ordinates are means over steps, as in ``unit_hydrograph``.
"""

from __future__ import annotations

from math import ceil, pi, sin

import numba
import numpy as np
from jaxtyping import Float

from paraformer.numerics.compiled import parallel
from paraformer.numerics.routing import Pairs

LEAST_TERMS = 2**16
MOST_STEPS = 2**13
TAIL = 1e-10
"""Share of the water that may pass after the last ordinate, which has it."""


def composed_hydrographs(
    length: Float[np.ndarray, " cell"],
    velocity: Float[np.ndarray, " cell"],
    diffusivity: Float[np.ndarray, " cell"],
    pairs: Pairs,
    shape: Float[np.ndarray, " pair"],
    scale: Float[np.ndarray, " pair"],
    step: float,
    n_lag: int,
) -> Float[np.ndarray, "pair lag"]:
    """Ordinates from lag 0 on; what comes after the last one is in it.

    Args:
        length, velocity, diffusivity: of the cells [m], [m s-1], [m2 s-1].
        pairs: cells and gauges.
        shape, scale: of the hillslopes' gamma distributions [1], [s]; a scale of 0 is none.
        step: routing step [s].
        n_lag: steps in which most water passes; there will be as many ordinates as all but ``TAIL`` of it needs.
    """
    river = length, velocity, diffusivity, pairs.source, pairs.downstream, shape, scale, step
    n = 1 << (2 * n_lag + 16).bit_length()
    while True:
        found = 1.0 / n + 2.0 * np.fft.ifft(_folded(*river, n, ceil(LEAST_TERMS / n)), axis=1).real
        found[(pairs.downstream < 0) & (scale <= 0)] = np.eye(1, n)  # neither channel nor hillslope: a slow series
        late = np.abs(np.cumsum(found[:, ::-1], axis=1)[:, ::-1]).max(axis=0, initial=0.0)  # from each lag on
        if late[n // 2] < TAIL or 2 * n > MOST_STEPS:  # what comes after the last step stands in the first ones
            break
        n *= 2
    kept = max(int(np.argmax(late < TAIL)), 1) if (late < TAIL).any() else n
    found = np.ascontiguousarray(found[:, :kept])
    found[:, -1] += 1.0 - found.sum(axis=1)
    return found


@parallel
def _folded(
    length: np.ndarray,
    velocity: np.ndarray,
    diffusivity: np.ndarray,
    source: np.ndarray,
    downstream: np.ndarray,
    shape: np.ndarray,
    scale: np.ndarray,
    step: float,
    n: int,
    rounds: int,
) -> np.ndarray:
    """Terms of the series of frequencies above 0, those that agree at whole steps added up [pair, n]."""
    found = np.zeros((len(source), n), np.complex128)
    for j in numba.prange(n):
        reach, path = np.empty(len(length), np.complex128), np.zeros(len(source), np.complex128)
        for turn in range(rounds):
            omega = 2.0 * pi * (j + turn * n) / (n * step)
            if j == 0:
                continue  # the mean of the step has none of these
            s = 1j * omega
            half = 0.5 * omega * step
            mean = (sin(half) / half) ** 2
            for cell in range(len(length)):
                v = velocity[cell]
                reach[cell] = -2.0 * s * length[cell] / (v + np.sqrt(v * v + 4.0 * diffusivity[cell] * s))
            for pair in range(len(source)):
                below = downstream[pair]
                path[pair] = path[below] + reach[source[pair]] if below >= 0 else 0.0
                value = mean * np.exp(path[pair])
                if scale[pair] > 0.0:
                    value *= (1.0 + s * scale[pair]) ** (-shape[pair])
                found[pair, j] += value
    return found
