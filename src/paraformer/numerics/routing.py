"""Routing as a linear operator: runoff of cells, unit hydrographs of pairs of cell and gauge -> flow, and back.

Everything is an array; a pair is a cell with a gauge downstream of it. Pairs stand gauge by gauge and, within a gauge,
each after the pair of the cell it drains to, so that sums along paths are one pass down the list.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Float, Int

from paraformer.core.physics import MM_PER_M
from paraformer.numerics.compiled import compiled, contracted, parallel, reassociated
from paraformer.numerics.unit_hydrograph import Window


class Pairs(NamedTuple):
    """Cells and the gauges they drain to.

    Attributes:
        source: cell of each pair.
        gauge: gauge of each pair, ascending.
        downstream: position of the pair of the next cell on the path; -1 for the gauge's own cell.
        first: position of the first pair of each gauge, and the number of pairs.
    """

    source: Int[np.ndarray, " pair"]
    gauge: Int[np.ndarray, " pair"]
    downstream: Int[np.ndarray, " pair"]
    first: Int[np.ndarray, " gauge+1"]


class Response(NamedTuple):
    """How much of the water of one step of a cell passes a gauge in each later step.

    Attributes:
        ordinates: from lag ``window.offset`` on [pair, lag].
        window: offset and number of ordinates of each pair.
        weight: flow at the gauge for 1 mm a step that all passes in one step [m3 s-1 mm-1].
    """

    ordinates: Float[np.ndarray, "pair lag"]
    window: Window
    weight: Float[np.ndarray, " pair"]


def upstream_pairs(downstream: Int[np.ndarray, " cell"], outlets: Int[np.ndarray, " gauge"]) -> Pairs:
    """All cells that drain to each outlet, the outlet's own cell first.

    Args:
        downstream: the cell each cell drains to, -1 for none; without loops.
        outlets: cell of each gauge.
    """
    order = np.argsort(downstream, kind="stable").astype(np.int64)
    first = np.searchsorted(downstream[order], np.arange(len(downstream) + 1))
    return Pairs(*_upstream(order, first, np.asarray(outlets, np.int64)))


def path_sums(values: Float[np.ndarray, " cell"], pairs: Pairs) -> Float[np.ndarray, " pair"]:
    """Sum of a value of cells from the source, included, to the gauge's own cell, left out."""
    return _path_sums(np.asarray(values, np.float64), pairs.source, pairs.downstream)


def path_sums_transposed(gradient: Float[np.ndarray, " pair"], pairs: Pairs, n_cell: int) -> Float[np.ndarray, " cell"]:
    """Derivative with respect to each cell's value, from those with respect to the sums: one pass up the list."""
    return _path_sums_transposed(np.asarray(gradient, np.float64), pairs.source, pairs.downstream, n_cell)


def cell_weights(
    pairs: Pairs, area: Float[np.ndarray, " cell"], fraction: Float[np.ndarray, " pair"], step: float
) -> Float[np.ndarray, " pair"]:
    """Flow at the gauge for 1 mm a step over the part of each cell that lies in the basin [m3 s-1 mm-1].

    Args:
        pairs: cells and gauges.
        area: of the cells [m2].
        fraction: part of the cell inside the gauge's basin.
        step: routing step [s].
    """
    return fraction * area[pairs.source] / (MM_PER_M * step)


def convolve(
    runoff: Float[np.ndarray, "cell time"], pairs: Pairs, response: Response
) -> Float[np.ndarray, "gauge time"]:
    """Flow at the gauges, mean of each step [m3 s-1], from rivers without water before the first step.

    The sum of a step is taken over pairs and lags in one order, whatever the number of threads.

    Args:
        runoff: water that leaves the cells [mm a step]; float32 is read as it is.
        pairs, response: of the same pairs.
    """
    ordinates, (offset, count), weight = response
    return _convolve(np.ascontiguousarray(runoff), ordinates, offset, count, weight, pairs.source, pairs.first)


def convolve_transposed(
    gradient: Float[np.ndarray, "gauge time"], n_cell: int, pairs: Pairs, response: Response
) -> Float[np.ndarray, "cell time"]:
    """Derivative with respect to the runoff, from that with respect to the flow: the transposed operator."""
    ordinates, (offset, count), weight = response
    order = np.argsort(pairs.source, kind="stable")
    first = np.searchsorted(pairs.source[order], np.arange(n_cell + 1))
    gradient = np.ascontiguousarray(gradient, np.float64)
    return _convolve_transposed(gradient, ordinates, offset, count, weight, pairs.gauge, order, first)


def ordinates_transposed(
    gradient: Float[np.ndarray, "gauge time"], runoff: Float[np.ndarray, "cell time"], pairs: Pairs, response: Response
) -> Float[np.ndarray, "pair lag"]:
    """Derivative with respect to the ordinates, from that with respect to the flow."""
    ordinates, (offset, count), weight = response
    gradient, runoff = np.ascontiguousarray(gradient, np.float64), np.ascontiguousarray(runoff)
    return _ordinates_transposed(gradient, runoff, ordinates.shape[1], offset, count, weight, *pairs[:2])


def under_way(
    runoff: Float[np.ndarray, "cell time"], pairs: Pairs, response: Response
) -> Float[np.ndarray, "gauge lag"]:
    """Flow that is still to come at each gauge after the last step, from the water already in the rivers [m3 s-1].

    Added to ``convolve`` of what follows it gives the flow of an unbroken run; times the step, its sum is the water
    under way [m3].
    """
    longest = response.window.longest
    last = runoff[:, max(runoff.shape[1] - longest, 0) :]
    padded = np.concatenate([last, np.zeros((len(last), longest), last.dtype)], axis=1)
    return convolve(padded, pairs, response)[:, last.shape[1] :]


def advance(
    waters: tuple[Float[np.ndarray, "cell time"], ...],
    coming: Float[np.ndarray, "gauge lag"],
    pairs: Pairs,
    responses: tuple[Response, ...],
) -> tuple[Float[np.ndarray, "gauge time"], Float[np.ndarray, "gauge lag"]]:
    """Flow of some more steps, and what is then still to come: a ring of future flow, as RVIC keeps it.

    Each step's water is added to the flow of the steps it will pass in, in one order: a run cut into pieces gives the
    bits of the unbroken one.

    Args:
        waters: of the steps, each kind with its own response [mm a step].
        coming: flow already decided, at least as many lags as the longest response.
        pairs, responses: of the same pairs.
    """
    n_time = waters[0].shape[1]
    flow = np.concatenate([coming, np.zeros((len(coming), n_time))], axis=1)
    pieces = [slice(None)] if len(waters) == 1 else [slice(t, t + 1) for t in range(n_time)]
    for piece in pieces:
        for water, (ordinates, (offset, length), weight) in zip(waters, responses, strict=True):
            by_time = np.ascontiguousarray(water.T[piece], np.float64)
            _advance(by_time, flow[:, piece.start :], ordinates, offset, length, weight, pairs.source, pairs.first)
    return flow[:, :n_time], flow[:, n_time:]


@compiled
def _upstream(
    order: np.ndarray, first: np.ndarray, outlets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    start = np.zeros(len(outlets) + 1, np.int64)
    stack = np.empty(len(order), np.int64)
    for g in range(len(outlets)):
        stack[0], top, found = outlets[g], 1, 0
        while top:
            top -= 1
            found += 1
            cell = stack[top]
            for i in range(first[cell], first[cell + 1]):
                stack[top] = order[i]
                top += 1
        start[g + 1] = start[g] + found
    n = start[-1]
    source, gauge, downstream = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for g in range(len(outlets)):
        source[start[g]], downstream[start[g]], last = outlets[g], -1, start[g] + 1
        for pair in range(start[g], start[g + 1]):
            gauge[pair] = g
            for i in range(first[source[pair]], first[source[pair] + 1]):
                source[last], downstream[last] = order[i], pair
                last += 1
    return source, gauge, downstream, start


@compiled
def _path_sums(values: np.ndarray, source: np.ndarray, downstream: np.ndarray) -> np.ndarray:
    sums = np.zeros(len(source))
    for pair in range(len(source)):
        if downstream[pair] >= 0:
            sums[pair] = sums[downstream[pair]] + values[source[pair]]
    return sums


@compiled
def _path_sums_transposed(gradient: np.ndarray, source: np.ndarray, downstream: np.ndarray, n_cell: int) -> np.ndarray:
    carried, found = gradient.copy(), np.zeros(n_cell)
    for pair in range(len(source) - 1, -1, -1):
        if downstream[pair] >= 0:
            carried[downstream[pair]] += carried[pair]
            found[source[pair]] += carried[pair]
    return found


@contracted
def _convolve(
    runoff: np.ndarray,
    ordinates: np.ndarray,
    offset: np.ndarray,
    count: np.ndarray,
    weight: np.ndarray,
    source: np.ndarray,
    first: np.ndarray,
) -> np.ndarray:
    """Four lags at a time: the flow is loaded and stored once for four products."""
    n_time = runoff.shape[1]
    flow = np.zeros((len(first) - 1, n_time))
    for gauge in numba.prange(len(first) - 1):
        q = flow[gauge]
        for pair in range(first[gauge], first[gauge + 1]):
            r, u, w, n = runoff[source[pair]], ordinates[pair], weight[pair], count[pair]
            for i in range(0, n, 4):
                lag = offset[pair] + i
                a = w * u[i]
                b = w * u[i + 1] if i + 1 < n else 0.0
                c = w * u[i + 2] if i + 2 < n else 0.0
                d = w * u[i + 3] if i + 3 < n else 0.0
                for t in range(lag, min(lag + 3, n_time)):
                    q[t] += a * r[t - lag]
                    if t > lag:
                        q[t] += b * r[t - lag - 1]
                    if t > lag + 1:
                        q[t] += c * r[t - lag - 2]
                later = n_time - lag - 3
                if later > 0:
                    into = q[lag + 3 :]
                    for t in range(later):
                        into[t] += a * r[t + 3] + b * r[t + 2] + c * r[t + 1] + d * r[t]
    return flow


@contracted
def _convolve_transposed(
    gradient: np.ndarray,
    ordinates: np.ndarray,
    offset: np.ndarray,
    count: np.ndarray,
    weight: np.ndarray,
    gauge: np.ndarray,
    order: np.ndarray,
    first: np.ndarray,
) -> np.ndarray:
    n_time = gradient.shape[1]
    found = np.zeros((len(first) - 1, n_time))
    for cell in numba.prange(len(first) - 1):
        into = found[cell]
        for position in range(first[cell], first[cell + 1]):
            pair = order[position]
            g, u, w = gradient[gauge[pair]], ordinates[pair], weight[pair]
            for i in range(count[pair]):
                lag, a = offset[pair] + i, w * u[i]
                for t in range(n_time - lag):
                    into[t] += a * g[t + lag]
    return found


@reassociated
def _ordinates_transposed(
    gradient: np.ndarray,
    runoff: np.ndarray,
    n_lag: int,
    offset: np.ndarray,
    count: np.ndarray,
    weight: np.ndarray,
    source: np.ndarray,
    gauge: np.ndarray,
) -> np.ndarray:
    n_time = gradient.shape[1]
    found = np.zeros((len(source), n_lag))
    for pair in numba.prange(len(source)):
        g, r = gradient[gauge[pair]], runoff[source[pair]]
        for i in range(count[pair]):
            lag, total = offset[pair] + i, 0.0
            for t in range(n_time - lag):
                total += g[t + lag] * r[t]
            found[pair, i] = weight[pair] * total
    return found


@parallel
def _advance(
    runoff: np.ndarray,
    flow: np.ndarray,
    ordinates: np.ndarray,
    offset: np.ndarray,
    count: np.ndarray,
    weight: np.ndarray,
    source: np.ndarray,
    first: np.ndarray,
) -> None:
    for gauge in numba.prange(len(first) - 1):
        for t in range(len(runoff)):
            for pair in range(first[gauge], first[gauge + 1]):
                water = weight[pair] * runoff[t, source[pair]]
                for i in range(count[pair]):
                    flow[gauge, t + offset[pair] + i] += ordinates[pair, i] * water
