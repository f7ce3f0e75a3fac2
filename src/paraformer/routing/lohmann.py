"""The Lohmann program (UW-Hydro/VIC_Routing) as arithmetic, to read its studies and to repeat its numbers.

Its unit hydrographs are sampled, cut and rescaled: each cell's kernel is taken at 1 to 48 hours and divided by its sum,
each path is cut at 96 days, and the current code (since 2016) lets the water of every cell on the path arrive one hour
early. The exact mathematics is ``numerics.unit_hydrograph``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from paraformer.core.physics import SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.numerics.compiled import compiled
from paraformer.numerics.routing import Pairs, Response, cell_weights
from paraformer.numerics.unit_hydrograph import Window
from paraformer.routing.network import Network, refuse

Variant = Literal["lohmann", "lohmann_2015"]
CELL_HOURS, PATH_DAYS, BOX_DAYS = 48, 96, 12
LAGS = PATH_DAYS + BOX_DAYS - 1
_CUT = 69.0


def cell_kernels(length: np.ndarray, velocity: np.ndarray, diffusivity: np.ndarray, variant: Variant) -> np.ndarray:
    """Shares of a cell's water by hour, 1 to 48, that of hour L at L - 1 (before 2016: at hour L) [cell, hour].

    Not a number where nothing of the kernel lies inside the 48 hours: the program divides by 0.
    """
    x, v, d = (part[:, None] for part in (length, velocity, diffusivity))
    t = SECONDS_PER_HOUR * np.arange(1, CELL_HOURS + 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        exponent = (v * t - x) ** 2 / (4 * d * t)
        kernel = x / (2 * t * np.sqrt(np.pi * t * d)) * np.exp(-exponent)
    if variant == "lohmann_2015":
        kernel = np.where(exponent > _CUT, 0.0, kernel)
    kernel = np.where(v > 0, kernel, 0.0)
    total = kernel.sum(axis=1, keepdims=True)
    return np.where(total > 0, kernel / np.where(total > 0, total, 1.0), kernel)


def unit_hydrographs(kernels: np.ndarray, pairs: Pairs, box: np.ndarray, variant: Variant) -> np.ndarray:
    """Daily unit hydrographs of every pair, as in the program's ``.uh_s`` files [pair, lag].

    Args:
        kernels: of the cells [cell, hour].
        pairs: cells and gauges.
        box: unit hydrograph inside the cells by day.
        variant: the program as it is, or before 2016.
    """
    delay = 0 if variant == "lohmann" else 1
    daily = _daily_paths(kernels, pairs.source, pairs.downstream, pairs.first, delay, PATH_DAYS)
    found = np.zeros((len(daily), LAGS))
    for day, share in enumerate(box[:BOX_DAYS]):
        found[:, day : day + PATH_DAYS] += share * daily
    with np.errstate(invalid="ignore", divide="ignore"):
        return found / found.sum(axis=1, keepdims=True)


def lohmann_response(network: Network, box: np.ndarray, variant: Variant) -> Response:
    """Response of a network at a step of one day.

    Raises:
        DataError: cells so slow that the program divides by 0, and its station's flow is no number.
    """
    kernels = cell_kernels(network.length, network.velocity, network.diffusivity, variant)
    ordinates = unit_hydrographs(kernels, network.pairs, box, variant)
    n, lost = len(ordinates), np.isnan(ordinates).any(axis=1)
    if lost.any():
        slow = np.isin(np.arange(network.n_cell), network.pairs.source[lost])
        refuse(network, slow, f"no water passes inside the {CELL_HOURS} h a cell of method {variant}; use exact")
    window = Window(np.zeros(n, np.int64), np.full(n, LAGS))
    return Response(ordinates, window, cell_weights(network.pairs, network.area, network.fraction, SECONDS_PER_DAY))


@compiled
def _daily_paths(
    kernels: np.ndarray, source: np.ndarray, downstream: np.ndarray, first: np.ndarray, delay: int, n_day: int
) -> np.ndarray:
    """The water of one day, spread over its hours, carried through the kernels of the path; sums by day."""
    n_hour = 24 * n_day
    found = np.zeros((len(source), n_day))
    for gauge in range(len(first) - 1):
        start, n = first[gauge], first[gauge + 1] - first[gauge]
        paths = np.zeros((n, n_hour))
        for i in range(n):
            if downstream[start + i] < 0:
                paths[i, :24] = 1.0 / 24.0
            else:
                before, kernel = paths[downstream[start + i] - start], kernels[source[start + i]]
                for hour in range(len(kernel)):
                    lag = hour + delay
                    for t in range(n_hour - lag):
                        paths[i, t + lag] += kernel[hour] * before[t]
            for day in range(n_day):
                found[start + i, day] = paths[i, 24 * day : 24 * day + 24].sum()
    return found
